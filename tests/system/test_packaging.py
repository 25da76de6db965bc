"""The wheel and the image: what is in them, and that they run as a stranger would run them."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from tests.support.feedback import SECRET as CARD_SECRET
from tests.support.feedback import issued, overridden
from tests.support.image import ROOT, built_image, kill
from tests.support.serving import OPEN

pytestmark = pytest.mark.xdist_group("package")  # the image is built once
DEPLOY = ROOT / "docs" / "deploy"
PACKAGES = ("cds_service", "fhir_mapping", "models")
SERVICE = "imnm-recurrence"


@pytest.fixture(scope="module")
def image():
    with built_image() as built:
        print(f"image: RUN steps took {[round(s, 1) for s in built.seconds]} s")
        yield built


@pytest.fixture(scope="module")
def wheel(image):
    (found,) = (image.root / "src" / "dist").glob("*.whl")
    return found


@contextmanager
def started(image, *command, **env):
    """A process of the image's user; asked to end by SIGTERM, and it must do so with status 0."""
    process = image.popen(list(command), **env)
    try:
        yield process
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0
    finally:
        kill(process)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return str(unused.getsockname()[1])


def eventually(address, process, seconds=60):
    """The first 200 from an address; fails if the process ends before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read()
        try:
            answer = httpx.get(address, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
            continue
        if answer.status_code == 200:
            return answer.json()
    raise AssertionError(f"no 200 from {address} in {seconds} s")


def test_the_wheel_holds_the_three_packages_the_discovery_document_and_nothing_else(image, wheel):
    copied = image.root / "src"
    source = {
        str(path.relative_to(copied))
        for package in PACKAGES
        for path in (copied / package).rglob("*")
        if path.is_file() and not re.search(r"/\.", str(path.relative_to(copied)))
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        document = archive.read("cds_service/cds-hooks.json")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = {name for name in names if name.startswith(f"imnm_cds-{version}.dist-info/")}
    assert names - about == source | {"cds_service/cds-hooks.json"}
    assert document == (ROOT / "cds-hooks.json").read_bytes()
    assert {Path(name).name for name in about} >= {"METADATA", "LICENSE", "NOTICE", "entry_points.txt"}
    kinds = {".py", ".csv", ".toml", ".json", ".md", ".css", ".svg"}
    assert {Path(name).suffix for name in names - about} <= kinds
    assert not [name for name in names if re.search(r"(^|/)(tests?|conftest)(/|[._])", name)]
    assert "cds_service/web/pages/style.css" in names
    tables = {name for name in names if name.startswith("fhir_mapping/tables/")}
    assert tables >= {
        f"fhir_mapping/tables/{name}" for name in ("observations.csv", "rules.toml", "units.csv")
    }
    assert names >= {
        f"models/imnm_recurrence/{name}" for name in ("model.json", "policy.toml", "golden.json")
    }
    assert names >= {"cds_service/demo/patients/high-overdue.json", "cds_service/demo/patients/patients.toml"}


def test_two_builds_from_two_places_by_two_users_are_the_same_bytes(image, wheel, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(image.root / "src", elsewhere, copy_function=shutil.copy)  # with new times
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    began = time.monotonic()
    subprocess.run(command, cwd=elsewhere, check=True, capture_output=True)
    print(f"wheel: built in {time.monotonic() - began:.1f} s, {wheel.stat().st_size} bytes")
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_nothing_is_installed_that_only_training_or_a_build_needs(image):
    program = "import sys, importlib.util as u; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    names = ["lifelines", "pandas", "numpy", "pip", "setuptools", "hatchling", "pytest"]
    assert image.run("python", "-c", program, *names).stdout.strip() == "[]"
    assert image.run("python", "-c", program, *PACKAGES).stdout.strip() == str(list(PACKAGES))


def test_the_installed_command_checks_itself_in_an_empty_folder(image):
    checked = image.run("imnm-cds", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "in order" in checked.stdout


def test_the_installed_command_answers_a_hook_call_from_an_empty_folder(image):
    answered = image.run("imnm-cds", "demo", "--once", "--port", str(free_port()))
    assert (answered.returncode, answered.stderr) == (0, "")
    assert "high recurrence risk, 57 % in 2 years" in " ".join(re.findall(r"[^│\s]+", answered.stdout))


def test_the_installed_client_calls_the_installed_service_and_its_feedback_is_stored(image):
    port, config = free_port(), image.root / "tmp" / "call.toml"
    with started(image, "imnm-cds", "demo", "--port", free_port()) as demo:
        fhir = next(filter(None, (re.search(r"FHIR server +(\S+)", line) for line in demo.stdout)))[1]
        config.write_text(f'store = "../data/call.sqlite"\n{OPEN}fhir_base = "{fhir}"\n')
        with started(image, "imnm-cds", "serve", "--port", port, "--config", str(config)) as service:
            base = f"http://127.0.0.1:{port}"
            eventually(f"{base}/ready", service)
            chart = ("--fhir", fhir, "--patient", "high-overdue")
            called = image.run("imnm-cds", "call", f"{base}/cds-services", *chart, "--dismiss", "1", "--json")
    assert (called.returncode, called.stderr) == (0, "")
    said = json.loads(called.stdout)
    assert "57 % in 2 years" in said["response"]["cards"][0]["summary"]
    assert said["feedback"]["response"] == {"stored": 1}


@pytest.mark.parametrize("name", ["models", "fhir_mapping"])
@pytest.mark.parametrize("way", ["current folder", "PYTHONPATH"])
def test_a_foreign_package_of_our_name_ends_the_command_in_one_line(image, name, way):
    shadow = image.root / "tmp" / uuid4().hex
    (shadow / name).mkdir(parents=True)
    (shadow / name / "__init__.py").touch()
    where = str(shadow.relative_to(image.root))
    if way == "PYTHONPATH":
        refused = image.run("imnm-cds", "check", PYTHONPATH=str(shadow))
    else:
        refused = image.run("python", "-m", "cds_service", "check", cwd=where)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith(f"imnm-cds: the package {name} ")
    assert image.run("imnm-cds", "check", cwd=where).returncode == 0  # a script does not look into the folder


def test_the_image_starts_answers_and_ends_and_writes_only_to_its_store(image):
    config = (DEPLOY / "imnm-cds.toml").read_text(encoding="utf-8")
    (image.root / "etc" / "imnm-cds.toml").write_text(image.moved(config), encoding="utf-8")
    port, before = free_port(), image.files()
    base = f"http://127.0.0.1:{port}"
    health = [part.replace("8080", port) for part in image.start["HEALTHCHECK"].listed]
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    arguments = composed["services"]["imnm-cds"]["command"]
    assert [each for each in arguments if each != "--allow-unproved-callers"] == image.start["CMD"].listed
    command = [*image.start["ENTRYPOINT"].listed, *arguments, "--port", port]
    began = time.monotonic()
    with started(image, *command, IMNM_CDS_CARD_SECRET=CARD_SECRET) as process:
        assert eventually(f"{base}/ready", process) == {"status": "ready"}
        print(f"image: ready after {(time.monotonic() - began) * 1000:.0f} ms")
        assert eventually(f"{base}/health", process) == {"status": "ok"}
        assert image.run(*health).returncode == 0
        item = overridden(card=issued(1, "hapi"))
        stored = httpx.post(
            f"{base}/cds-services/{SERVICE}/feedback", json={"feedback": [item]}, trust_env=False
        )
        assert stored.json() == {"stored": 1}
    assert image.run(*health).returncode != 0
    assert image.files() == before
    assert (image.root / "data" / "feedback.sqlite").stat().st_size > 0


def test_the_image_is_started_as_a_numbered_user_and_stopped_by_the_signal_that_serve_understands(image):
    number, group = image.start["USER"].text.split(":")
    assert int(number) > 0
    assert int(group) > 0
    assert image.start["STOPSIGNAL"].text == "SIGTERM"
    assert image.start["FROM"].text == "python:3.11-slim"


def test_compose_gives_the_image_what_it_needs_and_no_right_beyond(image):
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    service = composed["services"]["imnm-cds"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (DEPLOY / service["build"] / "Dockerfile").exists()
    mounts = dict(volume.split(":")[:2] for volume in service["volumes"])
    assert mounts["./imnm-cds.toml"] == image.start["CMD"].listed[-1]
    config = tomllib.loads((DEPLOY / "imnm-cds.toml").read_text(encoding="utf-8"))
    assert mounts["store"] == str(Path(config["store"]).parent)
    assert service["ports"][0].endswith(":" + image.start["EXPOSE"].text)
    assert config["client"][0]["fhir_base"].startswith("http://hapi:8080/")
    assert "hapi" in composed["services"]
