"""Prometheus metrics, made of the events alone: no patient, user or address can get into them.

The workers count into files that a process of its own sums: prometheus-client's way for several processes, and no thread
of the supervisor, which is forked. It decides so when it is imported, so the folder is named before that.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, AF_INET6
from socketserver import BaseServer
from tempfile import TemporaryDirectory

from cds_service.settings.service import SettingsError
from cds_service.web.ingress.forked import Forked, Lifeline

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_FILES = {"counter": 64 * 1024, "histogram": 16 * 1024}  # bytes; 400 rows by client and outcome, 100 by event
_SILENCE_S = 5  # of a caller, before its connection is closed
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counts the events of one worker; raises OSError where its files cannot be had."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        if folder := os.environ.get(_FOLDER):
            _reserve(Path(folder))
        registry = CollectorRegistry()
        labels = ["event", "client", "outcome", "status"]
        self._requests = Counter("imnm_cds_requests", "Requests that have ended.", labels, registry=registry)
        self._seconds = Histogram(
            "imnm_cds_request_seconds",
            "From the first byte to the answer.",
            ["event"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._seconds.labels("hook-call")  # opens its file, which may be gone later
        self._lost = Counter("imnm_cds_events_lost", "Events that could not be written.", registry=registry)
        self._ended = Counter(
            "imnm_cds_connections_ended", "Connections ended or refused for lack of room.", registry=registry
        )

    def lose(self) -> None:
        """Count an event that could not be written."""
        self._lost.inc()

    def __call__(self, line: Mapping[str, object]) -> None:
        """Count one event; `line` holds its checked fields."""
        self._ended.inc(_number(line, "ended"))
        if "status" in line:
            event = str(line["event"])
            values = [str(line.get(name, "")) for name in ("client", "outcome", "status")]
            self._requests.labels(event, *values).inc()
            self._seconds.labels(event).observe(_number(line, "milliseconds") / 1000)


def _reserve(folder: Path) -> None:
    """Write the files of this process in full: with holes in them SIGBUS would end it once the disk is full."""
    for name, size in _FILES.items():
        file = folder / f"{name}_{os.getpid()}.db"
        try:
            with file.open("ab") as opened:
                opened.write(bytes(max(0, size - opened.tell())))
        except OSError:
            file.unlink(missing_ok=True)  # the sums cannot be made of an empty one
            raise


def _number(line: Mapping[str, object], name: str) -> float:
    value = line.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


@contextmanager
def metrics_served(host: str, port: int | None, lifeline: Lifeline) -> Iterator[None]:
    """Serve the sums of all workers that are started meanwhile; raises SettingsError for an address that cannot be had."""
    if port is None:
        yield
        return
    with _folder() as folder:
        os.environ[_FOLDER] = folder
        try:
            server = _listening(host, port, folder)
            summing = Forked(lifeline, server.serve_forever)
            summing.start()
            server.server_close()
            try:
                yield
            finally:
                summing.terminate()
                summing.join()
        finally:
            del os.environ[_FOLDER]


def _folder() -> "TemporaryDirectory[str]":
    try:
        return TemporaryDirectory(prefix="imnm-cds-metrics-")
    except OSError as error:
        raise SettingsError(f"metrics_port: needs a folder for temporary files: {error.strerror}") from None


def _listening(host: str, port: int, folder: str) -> BaseServer:
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.exposition import ThreadingWSGIServer
    from prometheus_client.multiprocess import MultiProcessCollector

    class SummingServer(ThreadingWSGIServer):
        address_family = AF_INET6 if ":" in host else AF_INET

        def handle_error(self, *_: object) -> None:
            """Say nothing: a caller went away, or said nothing for too long."""

    class Quiet(WSGIRequestHandler):
        timeout = _SILENCE_S

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    try:
        return make_server(host, port, make_wsgi_app(registry), SummingServer, Quiet)
    except OSError as error:
        raise SettingsError(f"metrics_port: cannot listen on {host}:{port}: {error.strerror}") from None
