"""`docs/integration/sandbox.md`: its commands, taken off the page, are run in order."""

import re
import shutil
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from cds_service.demo.report import SANDBOX
from tests.support.guide import ROOT, run_steps, steps_of
from tests.support.needs import need
from tests.support.serving import free_port

pytestmark = pytest.mark.xdist_group("browser")

STEPS = steps_of(ROOT / "docs" / "integration" / "sandbox.md")
SECONDS = 240


@pytest.fixture(scope="module")
def ports():
    return {"PORT": str(free_port()), "SERVICE_PORT": str(free_port())}


@pytest.fixture(scope="module")
def printed(ports, tmp_path_factory):
    """What every step printed."""
    need(shutil.which("curl") is not None, "curl for the commands of docs/integration/sandbox.md")
    status, said = run_steps(STEPS, tmp_path_factory.mktemp("guide"), ports, SECONDS)
    assert status == 0, said
    assert len(said) == len(STEPS) == 4
    return said


def launched(text):
    """The values that a printed launch link gives to the sandbox."""
    (link,) = re.findall(rf"^{SANDBOX}/\?\S+$", text, re.MULTILINE)
    return {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}


def test_the_demonstration_prints_the_launch_link(printed, ports):
    values = launched(printed[0])
    assert values["patientId"] == "high-overdue"
    assert values["serviceDiscoveryURL"] == f"http://127.0.0.1:{ports['PORT']}/cds-services"


def test_the_sandbox_may_send_feedback_and_what_is_pressed_is_counted(printed):
    assert "HTTP/1.1 204" in printed[1]
    assert f"access-control-allow-origin: {SANDBOX}" in printed[1].lower()
    assert "Feedback (accepted): the service answered HTTP 200" in printed[1]
    assert "Feedback (overridden): the service answered HTTP 200" in printed[1]
    assert printed[1].strip().endswith("1 accepted, 1 dismissed")


def test_a_configured_service_gives_the_same_card_and_its_launch_link(printed, ports):
    values = launched(printed[2])
    assert values["fhirServiceUrl"] == launched(printed[0])["fhirServiceUrl"]
    assert values["serviceDiscoveryURL"] == f"http://127.0.0.1:{ports['SERVICE_PORT']}/cds-services"
    summary = re.compile(r"IMNM: high recurrence risk, \d+ % in 2 years")
    assert summary.findall(printed[2]) == summary.findall(printed[1]) != []


def test_the_report_counts_the_card_that_was_dismissed(printed):
    assert "overridden" in printed[3]


def test_both_are_ended(printed, ports):
    for port in ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)))
