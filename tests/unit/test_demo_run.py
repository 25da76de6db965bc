"""The demonstration as a whole: ports, settings, one chart through the real hook call, and how it ends."""

import io
import os
import signal
import socket
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from cds_service.demo import run as demonstration
from cds_service.demo.patients import samples
from cds_service.demo.run import DemoError, demo_settings, listen, run
from cds_service.settings.limits import Limits
from cds_service.terminal import open_console
from cds_service.web.app import create_app


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch):
    """What is shown does not hang on the machine's speed."""
    limits = Limits(answer_seconds=60, render_seconds=30)
    monkeypatch.setattr(demonstration, "create_app", partial(create_app, limits=limits))


class Screen(io.StringIO):
    """Remembers what was shown; `sent` once the last words before waiting appear."""

    def __init__(self, number=None):
        super().__init__()
        self._number = number

    def write(self, text):
        if self._number and "Other sample patients" in text:
            os.kill(os.getpid(), self._number)
        return super().write(text)


def shown(patient="high-overdue", *, screen=None, **options):
    screen = screen or Screen()
    run(patient, console=open_console(screen), **options)
    return screen.getvalue()


def test_the_service_listens_on_its_default_port_or_the_next_free_one():
    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[0] == "127.0.0.1"
        assert demonstration.PORT <= first.getsockname()[1] < second.getsockname()[1]


def test_a_port_that_is_taken_is_one_line(free_port):
    with (
        listen(free_port),
        pytest.raises(DemoError, match=f"^port {free_port} is taken.*--port"),
        listen(free_port),
    ):
        pass


def test_no_free_port_is_one_line(monkeypatch):
    monkeypatch.setattr(demonstration, "PORTS_TRIED", 0)
    with pytest.raises(DemoError, match="choose one with --port"), listen(None):
        pass


def test_another_trouble_with_the_socket_is_named(monkeypatch):
    monkeypatch.setattr(demonstration, "HOST", "192.0.2.1")
    with pytest.raises(DemoError, match=r"cannot listen on 192\.0\.2\.1"), listen(None):
        pass


def test_the_settings_are_those_of_a_demonstration(tmp_path):
    settings = demo_settings(
        "http://127.0.0.1:8124/fhir", tmp_path / "f.db", ("http://localhost:8080/fhir/",)
    )
    *readable, misled = settings.client
    assert [client.fhir_base for client in readable] == [
        ("http://127.0.0.1:8124/fhir",),
        ("http://localhost:8080/fhir",),
    ]
    assert all(client.accept_unknown_status for client in readable)
    assert all(client.when_eligibility_unknown == "card" for client in settings.client)
    assert misled.fhir_base == ("https://launch.smarthealthit.org/v/r2/fhir",)
    assert misled.use_instead == "http://127.0.0.1:8124/fhir"
    assert settings.cors_origins == ("https://sandbox.cds-hooks.org",)
    assert settings.store == tmp_path / "f.db"


def test_feedback_of_the_demonstration_never_gets_into_the_store_of_a_service(tmp_path, monkeypatch):
    monkeypatch.setenv("IMNM_CDS_STORE", str(tmp_path / "real.db"))
    assert demo_settings("http://127.0.0.1:8124/fhir", tmp_path / "f.db").store == tmp_path / "f.db"


@pytest.mark.parametrize(
    ("origins", "sandbox"),
    [
        ('["http://127.0.0.1:9000"]', "http://127.0.0.1:9000"),
        ('["http://127.0.0.1:9000/", "https://sandbox.cds-hooks.org"]', "http://127.0.0.1:9000"),
        ('["*"]', "https://sandbox.cds-hooks.org"),
        (None, "https://sandbox.cds-hooks.org"),
    ],
)
def test_the_printed_link_leads_to_the_origin_that_may_call(monkeypatch, free_port, origins, sandbox):
    if origins:
        monkeypatch.setenv("IMNM_CDS_CORS_ORIGINS", origins)
    text = shown("plain", port=free_port, screen=Screen(signal.SIGTERM))
    assert f"  {sandbox}/?fhirServiceUrl=http" in text
    assert text.count("/?fhirServiceUrl=") == 1
    assert ("the public CDS Hooks sandbox" in text) == (sandbox == "https://sandbox.cds-hooks.org")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CORS_ORIGINS", "[]", "no page may call; name one, or leave it out"),
        ("CORS_ORIGINS", '["127.0.0.1"]', "must be an absolute http or https address"),
        ("CARD_SECRET", "short", "must have at least 16 characters"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_be_used_is_named(monkeypatch, variable, value, said):
    monkeypatch.setenv(f"IMNM_CDS_{variable}", value)
    with pytest.raises(DemoError, match=f"^environment IMNM_CDS_{variable}: {said}"):
        run("plain", once=True)


@pytest.mark.parametrize(
    "address",
    ["https://fhir.example.org", "http://10.0.0.1/fhir", "http://localhost.evil.example/", "localhost", ""],
)
def test_only_this_machine_may_be_added_as_fhir_server(address):
    with pytest.raises(DemoError, match="--loopback"):
        run("plain", once=True, loopback=(address,))


@pytest.mark.parametrize("address", ["http://[::1]:8080/fhir?x=1", "ftp://127.0.0.1/fhir"])
def test_a_fhir_server_must_have_a_proper_address(address):
    with pytest.raises(DemoError, match="--loopback"):
        run("plain", once=True, loopback=(address,))


def test_an_unknown_patient_is_one_line():
    with pytest.raises(DemoError, match="no sample patient 'nobody'; there are: high-overdue"):
        run("nobody")


def test_one_chart_is_opened_and_its_card_is_shown():
    text = shown(once=True)
    assert "Chart opened: high-overdue" in text
    assert "WARNING" in text
    assert "57 %" in text
    assert "GET Patient/high-overdue" in text
    assert "http://127.0.0.1" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_quiet_chart_says_that_it_is_quiet_and_why():
    text = shown("low-quiet", once=True)
    assert "No card is shown" in text
    assert "risk band low" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_both_servers_in_order(number, free_port):
    before = signal.getsignal(signal.SIGTERM)
    text = shown("plain", port=free_port, screen=Screen(number))
    assert f"http://127.0.0.1:{free_port}/cds-services" in text
    assert text.endswith("Both servers have ended.\n")
    assert signal.getsignal(signal.SIGTERM) == before
    with listen(free_port):
        pass


@pytest.mark.parametrize("days", [0, 1, 59, 365, 1096])
def test_a_chart_is_as_old_on_any_day(days):
    later = datetime(2026, 3, 1, 23, 59, tzinfo=UTC) + timedelta(days=days)
    charts = demonstration._charts(samples(), later)
    latest = max(
        entry["resource"]["effectiveDateTime"]
        for entry in charts["low-quiet"]["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    )
    assert (later.date() - datetime.fromisoformat(latest).date()).days == 41


def refusing(*_, **__):
    async def answer(request):
        if request.method == "GET":
            return JSONResponse({"services": [{"id": "imnm-recurrence", "hook": "patient-view"}]})
        return JSONResponse({"issue": [{"diagnostics": "not today"}]}, 412)

    path = "/cds-services/{service}"
    return Starlette(routes=[Route("/cds-services", answer), Route(path, answer, methods=["POST"])])


def test_a_refused_call_ends_the_demonstration_with_the_reason(monkeypatch):
    monkeypatch.setattr(demonstration, "create_app", refusing)
    with pytest.raises(DemoError, match="the service refused the call: HTTP 412, not today"):
        shown(once=True)


def test_a_service_that_does_not_answer_ends_the_demonstration(monkeypatch):
    monkeypatch.setattr(demonstration, "create_app", lambda *_, **__: Starlette())
    with pytest.raises(DemoError, match=r"the service did not answer: .*cds-services: HTTP 404"):
        shown(once=True)
