"""A real browser, and what it looks at: the demonstration over HTTP, and a page of ours from another origin."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from cds_service.web.store import Feedback, Store
from tests.support.needs import need

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 30  # a shared machine is slow at times
_CLIPPED = """
const seen = [...document.querySelectorAll("body *:not(.unseen)")];
const wide = seen.filter(e => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX !== "visible");
const broken = seen.filter(e => e.matches("time") && e.getClientRects().length > 1);
return [...wide, ...broken].map(e => e.outerHTML.slice(0, 200));
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration as it runs: its addresses, and the file in which it keeps feedback."""

    service: str
    fhir: str
    store: Path

    @property
    def discovery(self) -> str:
        return f"{self.service}/cds-services"

    def feedback(self) -> list[Feedback]:
        """What is stored, oldest first."""
        store = Store(self.store, 5.0, lambda: datetime.now(UTC))
        kept = list(store.all())
        store.close()
        return kept

    def forget(self) -> None:
        """Empty the store, which has no table before the first feedback."""
        if not self.feedback():
            return
        with closing(sqlite3.connect(self.store, PATIENCE_S)) as connection, connection:
            connection.execute("DELETE FROM feedback")


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser, with the few things that every test asks of it."""

    driver: webdriver.Chrome
    axe: str = field(repr=False)

    def open(
        self, address: str, width: int = 1280, height: int = 900, *, scheme: str = "light", scale: float = 1
    ) -> None:
        """Load a page in a window of so many pixels, light or dark; what was said before is forgotten."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get_log("browser")
        self.driver.get(address)

    def errors(self) -> list[str]:
        """The errors in the console since the page was opened."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page, each with the place."""
        self.driver.execute_script(self.axe)
        said = self.driver.execute_async_script("axe.run().then(arguments[0])")
        assert said["passes"], "axe-core has looked at nothing"
        return [f"{v['id']}: {node['html'][:200]}" for v in said["violations"] for node in v["nodes"]]

    def is_scrolled_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(
            self.driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
        )

    def clipped(self) -> list[str]:
        """What is wider than the place that it has, whether it could be scrolled or not; and dates on two lines."""
        return list(self.driver.execute_script(_CLIPPED))

    def wait(self) -> WebDriverWait:
        """Wait for a condition."""
        return WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.05)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `package-lock.json` pins: axe-core and a font, so that a card is as high on every machine."""
    npm = shutil.which("npm")
    need(npm is not None, "npm, to install axe-core and a font")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    need(
        done.returncode == 0,
        f"axe-core and a font, which npm could not install: {done.stderr.strip()[-200:]}",
    )
    return folder / "node_modules"


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The source of axe-core."""
    return (packages / "axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def browser(axe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium without a window, with an empty profile."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    need(bool(chromium and chromedriver), "chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(chromedriver)))
    driver.set_script_timeout(PATIENCE_S)
    yield Browser(driver, axe)
    driver.quit()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """The origin under which the files of a folder are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def elsewhere(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of our own page: another port than the demonstration's."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(HERE / "page" / "index.html", folder)
    shutil.copytree(packages / "@fontsource/arimo/files", folder / "fonts")
    with files_served(folder) as origin:
        yield origin


@pytest.fixture(scope="session")
def running_demo(elsewhere: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`imnm-cds demo`, which our own page may call; it keeps feedback in a temporary folder, here one that we know."""
    folder = tmp_path_factory.mktemp("demo")
    given = {"IMNM_CDS_CORS_ORIGINS": json.dumps([elsewhere]), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "cds_service", "demo"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | given, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        said = "".join(iter(process.stdout.readline, "Other sample patients: --patient NAME\n"))
        service, fhir = (
            re.findall(rf"{name} +(http\S+?)/?\n", said)[0] for name in ("Start page", "FHIR server")
        )
        (kept_in,) = (made for made in folder.iterdir() if made.is_dir())
        store = kept_in / "feedback.db"
        yield Demo(service, fhir, store)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


@pytest.fixture
def demo(running_demo: Demo) -> Iterator[Demo]:
    """The demonstration, which forgets after each test what was said: an overridden card would stay away (V8)."""
    yield running_demo
    running_demo.forget()


@pytest.fixture
def launched(browser: Browser, demo: Demo, elsewhere: str) -> "Launch":
    """Opens a chart in our own page by a launch link like the sandbox's."""
    return Launch(browser, demo, f"{elsewhere}/")


@dataclass(frozen=True, slots=True)
class Launch:
    """The launch link of our own page."""

    browser: Browser
    demo: Demo
    page: str

    def __call__(self, patient: str, size: tuple[int, int] = (1280, 900), **instead: str) -> None:
        """Open the chart and wait until the answer is shown."""
        values = {
            "fhirServiceUrl": self.demo.fhir,
            "patientId": patient,
            "serviceDiscoveryURL": self.demo.discovery,
        }
        self.browser.open(f"{self.page}?{urlencode(values | instead)}", *size)
        self.answered()

    def answered(self) -> None:
        """Wait until the answer is shown."""
        self.browser.wait().until(lambda d: d.execute_script("return document.body.dataset.state") == "shown")
