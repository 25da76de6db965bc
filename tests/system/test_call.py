"""`imnm-cds call` as a person runs it: against our own service, and against one made with HealthChain."""

import json
import re
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cds_service.web.store import Store
from tests.support.needs import need
from tests.support.serving import OPEN, ROOT, eventually, free_port, served

HEALTHCHAIN = Path(__file__).parent / "healthchain"
NEWEST_PYTHON = (3, 13)  # that HealthChain 0.16.1 allows


@contextmanager
def started(output, *command):
    """Run a program until the block ends; what it prints is in `output`."""
    with output.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def call(discovery, fhir, *options, patient="high-overdue"):
    """Run the command; returns how it ended, with the words of the card on one line in `said`."""
    chart = ("--fhir", fhir, "--patient", patient)
    command = [sys.executable, "-m", "cds_service", "call", discovery, *chart, *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    ended.said = " ".join(re.findall(r"[^│\s]+", ended.stdout))  # type: ignore[attr-defined]
    return ended


@pytest.fixture(scope="module")
def fhir(tmp_path_factory):
    """The FHIR base of the demonstration EHR, in a process of its own."""
    output, port = tmp_path_factory.mktemp("demo") / "out", free_port()
    with started(output, sys.executable, "-u", "-m", "cds_service", "demo", "--port", port) as process:
        eventually(lambda: process.poll() is not None or "FHIR server" in output.read_text(), "the EHR")
        yield re.search(r"FHIR server +(\S+)", output.read_text())[1]


@pytest.fixture
def ours(tmp_path, fhir):
    """The discovery address of our service, and the file in which it keeps feedback: a card dismissed stays away (V8)."""
    file, config = tmp_path / "feedback.sqlite", tmp_path / "service.toml"
    config.write_text(f'store = "{file}"\nprefetch = "full"\n{OPEN}fhir_base = "{fhir}"\n')
    with served(config) as service:
        yield f"{service.base}/cds-services", file


def feedback(file):
    with closing(Store(file, 5, lambda: datetime.now(UTC))) as store:
        return list(store.all())


@pytest.mark.xdist_group("call")
class TestOurService:
    def test_the_card_is_shown_from_prefetch_alone_and_from_the_ehr_alone(self, ours, fhir):
        for options in ((), ("--no-prefetch",)):
            called = call(ours[0], fhir, *options)
            assert (called.returncode, called.stderr) == (0, "")
            assert "WARNING" in called.stdout
            assert "high recurrence risk, 57 % in 2 years" in called.said
            assert "[ ] Order: CK, AST, ALT" in called.said
            assert ("Prefetch: 17 of 17 keys filled." in called.said) == (not options)

    @pytest.mark.parametrize(
        ("action", "outcome", "suggestions", "reasons"),
        [
            ("--accept=1", "accepted", 1, ()),
            ("--dismiss=1", "overridden", 0, ("cds-not-applicable",)),
            ("--dismiss=0", "overridden", 0, ()),
        ],
    )
    def test_feedback_is_in_the_store(self, ours, fhir, action, outcome, suggestions, reasons):
        discovery, file = ours
        called = call(discovery, fhir, action, "--json")
        assert (called.returncode, called.stderr) == (0, "")
        said = json.loads(called.stdout)
        assert said["feedback"]["response"] == {"stored": 1}
        card = said["response"]["cards"][0]
        (stored,) = [item for item in feedback(file) if item.card == card["uuid"]]
        assert stored.outcome == outcome
        assert stored.suggestions == tuple(each["uuid"] for each in card["suggestions"][:suggestions])
        assert tuple(code for _, code in stored.reasons) == reasons

    def test_what_the_service_answers_to_feedback_is_the_last_line(self, ours, fhir):
        called = call(ours[0], fhir, "--accept", "2")
        assert called.stdout.endswith('Feedback (accepted): the service answered HTTP 200, {"stored": 1}\n')

    def test_a_refused_call_says_why(self, ours):
        called = call(ours[0], f"http://127.0.0.1:{free_port()}/fhir")
        assert (called.returncode, called.stdout) == (1, "")
        assert called.stderr == (
            f"imnm-cds: the service refused the call: {ours[0]}/imnm-recurrence answered HTTP 403, "
            "fhirServer belongs to no configured client\n"
        )


@dataclass(frozen=True)
class Other:
    """The service made with HealthChain: its discovery address, and what it took."""

    discovery: str
    cost: str


@pytest.fixture(scope="module")
def healthchain(tmp_path_factory):
    """A service made with HealthChain from PyPI, as the lock file has it, in a virtual environment of its own."""
    need(sys.version_info[:2] <= NEWEST_PYTHON, "Python 3.13 or older for HealthChain")
    folder, began = tmp_path_factory.mktemp("healthchain"), time.monotonic()
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    install = [python, ROOT / ".ci" / "install", HEALTHCHAIN / "requirements.lock"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    said = (installed.stdout.strip().splitlines() or [""])[-1]
    need(installed.returncode == 0, f"HealthChain from the package index; {said}")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    cost = f"healthchain: installed in {time.monotonic() - began:.0f} s, {size / 2**20:.0f} MiB"
    output, port, began = folder / "out", free_port(), time.monotonic()
    discovery = f"http://127.0.0.1:{port}/hc/cds-services"
    with started(output, python, HEALTHCHAIN / "service.py", port) as process:
        eventually(lambda: process.poll() is not None or listens(discovery), "HealthChain answers")
        assert process.poll() is None, output.read_text()
        yield Other(discovery, f"{cost}, ready after {(time.monotonic() - began) * 1000:.0f} ms")


def listens(url):
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.xdist_group("healthchain")
class TestHealthChain:
    def test_its_card_is_shown_with_suggestions_and_link(self, healthchain, fhir, record_property):
        record_property("server", healthchain.cost)
        called = call(healthchain.discovery, fhir)
        assert (called.returncode, called.stderr) == (0, "")
        for words in (
            "vaccination: Vaccination, by HealthChain",
            "INFO",
            "No influenza vaccination is recorded; ",
            "Given the immunosuppression, an inactivated vaccine is advised.",
            "Suggestions [ ] Order: influenza vaccination [ ] Remind me next time",
            "Links → The guideline (https://example.org/guideline)",
            "Dismiss: Given elsewhere",
            "Source: HealthChain test service (example.org)",
        ):
            assert words in called.said

    def test_its_templates_are_filled_from_our_ehr(self, healthchain, fhir):
        called = call(healthchain.discovery, fhir)
        assert "Prefetch: 2 of 3 keys filled." in called.said
        assert "left out: visit (no value for {{context.encounterId}})" in called.said
        said = json.loads(call(healthchain.discovery, fhir, "--json").stdout)
        read = said["request"]["prefetch"]
        assert read["patient"]["id"] == "high-overdue"
        assert len(read["recent"]["entry"]) > 10
        summary = f"{len(read['recent']['entry'])} observations were read"
        assert said["response"]["cards"][0]["summary"].endswith(summary)

    def test_without_prefetch_it_is_silent_and_that_is_said(self, healthchain, fhir):
        called = call(healthchain.discovery, fhir, "--no-prefetch")
        assert called.returncode == 0
        assert "No card is shown" in called.said

    def test_it_takes_no_feedback_and_that_is_said(self, healthchain, fhir):
        called = call(healthchain.discovery, fhir, "--accept", "1")
        assert called.returncode == 1
        address = f"{healthchain.discovery}/vaccination/feedback"
        said = f'the service refused it: {address} answered HTTP 404, {{"detail": "Not Found"}}\n'
        assert called.stdout.endswith(f"Feedback (accepted): {said}")

    def test_a_suggestion_without_uuid_cannot_be_reported(self, healthchain, fhir):
        called = call(healthchain.discovery, fhir, "--accept", "2")
        assert called.returncode == 2
        assert called.stderr == (
            "imnm-cds: suggestion 2 has no uuid, so this service wants no feedback about it\n"
        )

    def test_a_call_that_it_refuses_says_why(self, healthchain, fhir):
        nothing = healthchain.discovery.replace("cds-services", "nothing")
        called = call(nothing, fhir)
        assert (called.returncode, called.stdout) == (2, "")
        assert called.stderr.startswith(f"imnm-cds: {nothing}: HTTP 404")
