"""The real FHIR servers that the system tests share, with the sample patients in them."""

from collections.abc import Iterator

import pytest

from tests.support.servers import FhirServer, hapi_server, load_samples, sekmet_server

_STARTED: list[FhirServer] = []


@pytest.fixture(scope="session")
def hapi() -> Iterator[FhirServer]:
    """A HAPI FHIR JPA server with the sample patients under their own ids, dates as of the base day."""
    with hapi_server() as server:
        yield _noted(load_samples(server))


@pytest.fixture(scope="session")
def sekmet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    """A sekmet-fhir server with the sample patients under their own ids, dates as of the base day."""
    with sekmet_server(tmp_path_factory.mktemp("sekmet")) as server:
        yield _noted(load_samples(server))


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("sekmet", "hapi")]
)
def server(request: pytest.FixtureRequest) -> FhirServer:
    """Each of the two."""
    return request.getfixturevalue(request.param)


def _noted(server: FhirServer) -> FhirServer:
    _STARTED.append(server)
    return server


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Hand what the servers cost over to the process that prints the summary, before they end."""
    if nextitem is None:
        item.user_properties += [
            ("server", f"{s.name}: ready after {s.ready_ms} ms, {s.rss_mb} MB") for s in _STARTED
        ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each server: how long its start took, and its memory at the end."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    said = {
        text
        for report in reports
        for name, text in getattr(report, "user_properties", ())
        if name == "server"
    }
    for line in sorted(said):
        terminalreporter.write_line(f"server {line}")
