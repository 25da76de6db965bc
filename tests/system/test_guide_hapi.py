"""`docs/integration/hapi.md`: its commands, taken off the page, are run in order against a real HAPI server."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from cds_service.demo.patients import samples
from cds_service.fhir.prefetch import QUERIES
from tests.support import servers
from tests.support.needs import need

pytestmark = pytest.mark.xdist_group("hapi")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "integration" / "hapi.md").read_text(encoding="utf-8")
START, *STEPS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PREFIX = "guide-"  # the charts as of the base day, which other tests read, stay as they are
MARK = "=== step"
SECONDS = 300
CHECK = "check --config imnm.toml --connect"
BUSY = re.compile(r"time-out|could not be read")  # how a chart's 1.6 s may end where the machine is shared


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(folder, name, command):
    file = folder / name
    file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    file.chmod(0o755)


def step_of_script(number, step):
    """A step with its mark before it; the check's own status is printed, so that a slow machine can be told apart."""
    lines = [
        f"{line} && echo status 0 || echo status $?" if CHECK in line else line for line in step.splitlines()
    ]
    return "\n".join([f"printf '\\n{MARK} {number}\\n'", *lines, ""])


def run_the_page(folder, fhir, port):
    """Run steps 2 and on in one shell, as one terminal; returns status and what each step printed."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    program(programs, "python", shlex.quote(sys.executable))
    program(programs, "imnm-cds", f"{shlex.quote(sys.executable)} -m cds_service")
    script = "set -eu\n" + "".join(step_of_script(n, step) for n, step in enumerate(STEPS, 2))
    (folder / "guide.sh").write_text(script, encoding="utf-8")
    variables = {
        "FHIR": fhir,
        "PORT": str(port),
        "PREFIX": PREFIX,
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
    }
    variables["PATH"] = f"{programs}:{os.environ['PATH']}"
    work = folder / "work"
    work.mkdir()
    with (folder / "printed").open("w+", encoding="utf-8") as printed:
        shell = subprocess.Popen(
            ["sh", folder / "guide.sh"],
            cwd=work,
            env=variables,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        try:
            shell.wait(SECONDS)
        finally:
            with suppress(ProcessLookupError):  # ends the service too, where a step before its own end failed
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        printed.seek(0)
        said = printed.read()
    steps = re.findall(rf"^{MARK} (\d+)\n(.*?)(?=^{MARK}|\Z)", said, re.DOTALL | re.MULTILINE)
    return shell.returncode, {number: words.strip() for number, words in steps}


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
