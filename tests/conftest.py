"""What holds for every test: no network but loopback, no hollow element or broken order in any answer; what it costs."""

import ipaddress
import json
import socket
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from cds_service.web import pipeline
from cds_service.web.hooks import patient_view
from tests.support.walker import Seen, hollow_elements, order_flaws

# CPU-bound, summed over the workers
BUDGETS_S = {
    "unit": 120,
    "spec": 420,
    "contract": 480,
    "golden": 300,
    "hostile": 420,
    "statistics": 240,
    "system": 720,
}
THOROUGH = {  # many variations of what other tests cover: run without measuring coverage
    "test_every_number_matters.py",
    "test_every_word_matters.py",
    "test_two_implementations_agree.py",
    "test_seeded_faults_are_caught.py",
    "test_every_way_in.py",
    "test_real_shaped_bundles.py",
    "test_feedback_survives_kill.py",
    "test_cost_of_mistakes.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` runs apart."""
    for item in items:
        if item.path.name in THOROUGH:
            item.add_marker("thorough")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each suite took, summed over the workers, against its budget, and why tests were left out."""
    took: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            parts = Path(getattr(report, "nodeid", "").partition("::")[0]).parts
            if len(parts) > 1 and hasattr(report, "duration"):
                took[parts[1]] += report.duration
    for suite, seconds in sorted(took.items()):
        over = " OVER" if seconds > BUDGETS_S.get(suite, 0) else ""
        terminalreporter.write_line(f"suite {suite}: {seconds:.0f} s of {BUDGETS_S.get(suite, 0)} s{over}")
    left_out = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    for reason, tests in sorted(left_out.items()):
        terminalreporter.write_line(f"{reason.removeprefix('Skipped: ')}; tests left out: {tests}")


def is_local(address: object) -> bool:
    """Whether an address of `socket.connect` is on this machine."""
    if not isinstance(address, tuple):
        return True  # a path of a Unix socket
    host = str(address[0])
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _no_network_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        assert is_local(address), f"a test wanted to connect to {address!r}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _every_answer_is_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Walk through every JSON body that is answered while a test runs.

    CDS Hooks allows no null and no empty value, and an order refers to nothing but what the calls brought.
    """
    found: list[str] = []
    seen = Seen()
    respond, read, assess = Response.__init__, vars(patient_view)["read_body"], vars(pipeline)["assess"]

    def watched(self: Response, *args: object, **kwargs: object) -> None:
        respond(self, *args, **kwargs)
        if "json" in (self.media_type or "") and self.body:
            content = json.loads(bytes(self.body))
            found.extend(hollow_elements(content))
            found.extend(order_flaws(content, seen))

    def heard(body: bytes, *args: Any) -> Any:
        request = read(body, *args)
        seen.heard(body)
        return request

    def assessed(gathered: Any, *args: Any) -> Any:
        seen.read(gathered)
        return assess(gathered, *args)

    monkeypatch.setattr(Response, "__init__", watched)
    monkeypatch.setattr(patient_view, "read_body", heard)
    monkeypatch.setattr(pipeline, "assess", assessed)
    yield
    assert found == []
