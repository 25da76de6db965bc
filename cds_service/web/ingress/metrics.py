"""Prometheus metrics, made of the events alone: no patient, user or address can get into them.

The workers count into files that a process of its own sums: prometheus-client's way for several processes, and no thread
of the supervisor, which is forked. It decides so when it is imported, so the folder is named before that.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socket import AF_INET, AF_INET6
from socketserver import BaseServer
from tempfile import TemporaryDirectory

from cds_service.settings.service import SettingsError
from cds_service.web.ingress.forked import Forked, Lifeline

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counts the events of one worker."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

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


def _number(line: Mapping[str, object], name: str) -> float:
    value = line.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


@contextmanager
def metrics_served(host: str, port: int | None, lifeline: Lifeline) -> Iterator[None]:
    """Serve the sums of all workers that are started meanwhile; raises SettingsError for an address that cannot be had."""
    if port is None:
        yield
        return
    with TemporaryDirectory(prefix="imnm-cds-metrics-") as folder:
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


def _listening(host: str, port: int, folder: str) -> BaseServer:
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.exposition import ThreadingWSGIServer
    from prometheus_client.multiprocess import MultiProcessCollector

    class SummingServer(ThreadingWSGIServer):
        address_family = AF_INET6 if ":" in host else AF_INET

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    try:
        return make_server(host, port, make_wsgi_app(registry), SummingServer, Quiet)
    except OSError as error:
        raise SettingsError(f"metrics_port: cannot listen on {host}:{port}: {error.strerror}") from None
