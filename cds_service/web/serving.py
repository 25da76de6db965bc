"""`imnm-cds serve`: worker processes that share one socket, replaced one by one when the configuration is read anew.

The supervisor imports and checks everything once; the workers are forked from it and have both.
"""

import gc
import ipaddress
import math
import os
import resource
import secrets
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from cds_service.settings.service import Settings, SettingsError, load_settings
from cds_service.web.app import Checked, build, check, open_store
from cds_service.web.ingress.connection import IncomingConnection
from cds_service.web.ingress.door import ACCEPTED_AT_ONCE
from cds_service.web.ingress.event_queue import EventQueue
from cds_service.web.ingress.forked import Lifeline
from cds_service.web.ingress.metrics import Metrics, metrics_served
from cds_service.web.ingress.supervisor import Supervisor, complain

_START_S = 60  # the longest that a new worker may take to start before the old one stays; 3 s is usual
BEYOND_S = 3  # beyond the longest answer: how long a call may hold up the end of a worker
_STDOUT = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `certificate` and `key`: PEM files for TLS. `open_to_all`: also where callers prove nothing."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    open_to_all: bool = False


def run(config: Path | None, address: Address, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C; on SIGHUP a new worker with the configuration as it is now replaces each old one.

    A configuration that cannot be used is one line on standard error, and the old one stays. Raises SettingsError,
    TableError, ModelError or DiscoveryError where it is so from the start, or the address cannot be had.
    """
    _check_address(address)
    configuration = _Configuration(config, address)
    checked = configuration.read()
    if address.open_to_all:
        complain(
            "warning: callers prove nothing here; whoever reaches this address can call as any open client"
        )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # each connection needs a file descriptor
    serving = _serving(checked, workers)

    def apply(checked: Checked) -> None:
        settings, tls = checked.settings, _tls(address)
        serving.ssl_context_factory = (lambda *_: tls) if tls else None
        serving.app = partial(application, checked)
        serving.timeout_graceful_shutdown = math.ceil(settings.longest_answer_seconds) + BEYOND_S
        serving.proxy_headers = bool(settings.trusted_proxies)
        serving.forwarded_allow_ips = list(settings.trusted_proxies)

    def reread() -> None:
        apply(configuration.read())
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    apply(checked)
    gc.freeze()  # a collector that looks at what the workers share would copy it for each
    gc.enable()
    lifeline = Lifeline()
    # SIGTERM waits for the supervisor: a service that was told to end while it starts leaves no folder behind
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with metrics_served(checked.settings.metrics_host, checked.settings.metrics_port, lifeline):
            supervisor = Supervisor(serving, [_bound(address)], lifeline, reread)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            supervisor.run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if supervisor.failed:
        sys.exit(1)


def _serving(checked: Checked, workers: int) -> uvicorn.Config:
    return uvicorn.Config(
        partial(application, checked),
        factory=True,
        workers=workers,
        http=IncomingConnection,  # h11, whatever else is installed
        loop="asyncio",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="error",  # not a warning for each call that offers HTTP/2, as Java's client does
        backlog=ACCEPTED_AT_ONCE,
        timeout_worker_healthcheck=_START_S,
    )


class _Configuration:
    """The file, and a secret of this service: the cards of all workers, old and new, are of one identity."""

    def __init__(self, file: Path | None, address: Address) -> None:
        self._file = file
        self._address = address
        self._secret = SecretStr(secrets.token_urlsafe())
        self._metrics: dict[str, object] = {}  # where they are served, from the start to the end

    def read(self) -> Checked:
        """Return what the workers are built on; raises a ValueError where the configuration cannot be used."""
        settings, address = load_settings(self._file), self._address
        if not settings.client:
            raise SettingsError("there is no [[client]] block: nobody could call; see docs/configuration.md")
        unproved = [client.name for client in settings.client if client.auth == "none"]
        if unproved and not address.open_to_all and not _is_loopback(address.host):
            raise SettingsError(
                f'client {unproved[0]} has auth = "none": whoever reaches {address.host} could call in its name; '
                "set auth, listen on loopback, or add --allow-unproved-callers"
            )
        metrics = settings.model_dump(include={"metrics_port", "metrics_host"})
        self._metrics = self._metrics or metrics
        secret = settings.card_secret or self._secret
        checked = check(settings.model_copy(update={"card_secret": secret, **self._metrics}))
        if store := open_store(checked.settings, checked.limits):
            store.close()  # an open file of SQLite must not get into a forked process
        if metrics != self._metrics:
            complain("metrics_port and metrics_host stay as they were at the start: a change takes a restart")
        return checked


def application(checked: Checked) -> FastAPI:
    """Build a worker's application, or end with one line."""
    metrics = _metrics(checked.settings)
    queue = EventQueue(_STDOUT, watch=metrics.lose) if metrics else EventQueue(_STDOUT)
    try:
        app = build(checked, write=queue, watch=metrics)
    except ValueError as error:
        complain(f"a worker could not start: {error}")
        sys.exit(1)
    gc.collect()
    gc.freeze()  # what is there now stays: no collection need look at it again
    return app


def _metrics(settings: Settings) -> Metrics | None:
    """Count events, if there is a port for it; a folder that is full or gone must not keep anybody from answering."""
    try:
        return Metrics() if settings.metrics_port else None
    except OSError as error:
        complain(f"a worker is not in the metrics: {error.strerror}")
        return None


def _check_address(address: Address) -> None:
    if not address.host:
        raise SettingsError(
            "--host is empty, which would mean every address: name one, or 0.0.0.0 if you mean all"
        )
    if bool(address.certificate) != bool(address.key):
        raise SettingsError("--certfile and --keyfile go together")
    _tls(address)


def _tls(address: Address) -> ssl.SSLContext | None:
    """Read certificate and key, for all workers until the next reload; none without them. Raises SettingsError."""
    if not (address.certificate and address.key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password given, a terminal would be asked for one
        context.load_cert_chain(address.certificate, address.key, password="")
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        said = (
            os.strerror(getattr(error, "errno", 0))
            if missing
            else "not a certificate and its key without a passphrase"
        )
        raise SettingsError(f"--certfile {address.certificate}, --keyfile {address.key}: {said}") from None
    return context


def _is_loopback(host: str) -> bool:
    """Whether a name or address is this machine alone."""
    try:
        resolved = socket.getaddrinfo(host, None)
    except OSError:
        return True  # it cannot be listened on either, which is said there
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in resolved)


def _bound(address: Address) -> socket.socket:
    """Take the address; the workers listen."""
    host = address.host
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # An answer's body waits for no acknowledgement of its head, 40 ms: a connection has it from the socket that listens
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((host, address.port))
    except OSError as error:
        bound.close()
        raise SettingsError(f"cannot listen on {host}:{address.port}: {error.strerror}") from None
    return bound
