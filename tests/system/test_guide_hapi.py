"""`docs/integration/hapi.md`: its commands, taken off the page, are run in order against a real HAPI server."""

import json
import re
import shlex
import shutil
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from cds_service.demo.patients import samples
from cds_service.fhir.queries import QUERIES
from tests.support import servers
from tests.support.guide import run_steps, steps_of
from tests.support.needs import need

pytestmark = pytest.mark.xdist_group("hapi")

ROOT = Path(__file__).parents[2]
START, *STEPS = steps_of(ROOT / "docs" / "integration" / "hapi.md")
PREFIX = "guide-"  # the charts as of the base day, which other tests read, stay as they are
SECONDS = 300
CHECK = "check --config imnm.toml --connect"
BUSY = re.compile(r"time-out|could not be read")  # how a chart's 1.6 s may end where the machine is shared


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def telling_its_status(step):
    """A step that prints the status of its check and goes on, so that a slow machine can be told apart."""
    lines = [
        f"{line} && echo status 0 || echo status $?" if CHECK in line else line for line in step.splitlines()
    ]
    return "\n".join([*lines, ""])


def run_the_page(folder, fhir, port):
    """Run steps 2 and on in one shell, as one terminal; returns status and what each step printed."""
    variables = {"FHIR": fhir, "PORT": str(port), "PREFIX": PREFIX}
    status, printed = run_steps([telling_its_status(step) for step in STEPS], folder, variables, SECONDS)
    return status, {str(number): words.strip() for number, words in enumerate(printed, 2)}


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def printed(hapi, port, tmp_path_factory):
    """What every step printed."""
    need(shutil.which("curl") is not None, "curl for the commands of docs/integration/hapi.md")
    status, steps = run_the_page(tmp_path_factory.mktemp("guide"), hapi.base, port)
    assert status == 0, steps
    return steps


def test_the_server_of_the_tests_is_built_and_started_as_step_1_says(hapi):
    folder, build, start = START.splitlines()
    assert ROOT / folder.removeprefix("cd ") == servers.HAPI_PROJECT
    assert json.dumps(shlex.split(build)) in Path(servers.__file__).read_text(encoding="utf-8")
    *said, jar = [word for word in shlex.split(start) if not word.startswith("-Dport=")]
    running = psutil.Process(hapi.pid).cmdline()
    assert [word for word in said if word not in running] == []
    assert running[-1] == str(servers.HAPI_PROJECT / jar)


def test_every_step_of_the_page_is_run(printed):
    assert list(printed) == ["2", "3", "4", "5", "6", "7"]


def test_every_sample_patient_is_loaded_under_the_chosen_prefix(printed, hapi):
    names = [sample.name for sample in samples().patients]
    assert [line.split(" - ")[0] for line in printed["3"].splitlines()] == [PREFIX + name for name in names]
    for name in names:
        found = httpx.get(f"{hapi.base}/Condition?patient={PREFIX}{name}", trust_env=False).json()
        assert all(entry["resource"]["id"].startswith(PREFIX) for entry in found["entry"])


def test_the_charts_that_other_tests_read_stay_as_they_were(printed, hapi):
    kept = httpx.get(f"{hapi.base}/Patient/high-overdue/_history", trust_env=False).json()
    assert len(kept["entry"]) == 1


def test_the_server_is_found_to_support_every_query_that_it_had_time_for(printed):
    said = printed["4"]
    assert "FHIR R4 (4.0.1), HAPI FHIR Server" in said
    assert said.count("supported: ") + said.count("time-out (") == len(QUERIES)
    assert said.endswith("status 0") or (said.endswith("status 1") and BUSY.search(" ".join(said.split())))


def test_the_cards_are_shown_and_the_feedback_is_taken(printed):
    assert printed["6"].count("Source: ") == 3
    assert "Feedback (overridden): the service answered HTTP 200" in printed["6"]
    assert "Feedback (accepted): the service answered HTTP 200" in printed["6"]
    assert "No card is shown" in printed["6"].rpartition("Feedback (accepted)")[2]


def test_the_report_counts_the_charts_and_the_feedback(printed):
    assert "accepted" in printed["7"]
    assert "overridden" in printed["7"]


def test_the_service_is_ended(printed, port):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
