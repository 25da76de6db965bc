"""`imnm-cds serve`: worker processes that share one socket, replaced one by one when the configuration is read anew."""

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from cds_service.settings.service import Settings, SettingsError, load_settings
from cds_service.web.app import create_app

_START_S = 60  # the longest that a new worker may take to start before the old one stays; 3 s is usual
_END_S = 5  # the longest that a call may hold up the end of a worker; an answer takes 2 s at most


def run(config: Path | None, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C; on SIGHUP a new worker with the configuration as it is now replaces each old one.

    A configuration that cannot be used is one line on standard error, and the old one stays. Raises SettingsError,
    TableError, ModelError or DiscoveryError where it is so from the start, or `host` and `port` cannot be had.
    """
    configuration = _Configuration(config)
    serving = uvicorn.Config(
        configuration.read(),
        factory=True,
        workers=workers,
        http="h11",  # by name, so that it is the same whatever else is installed
        loop="asyncio",
        ws="none",
        access_log=False,
        server_header=False,
        log_level="error",  # not a warning for each call that offers HTTP/2, as Java's client does
        timeout_graceful_shutdown=_END_S,
        timeout_worker_healthcheck=_START_S,
    )
    _Supervisor(configuration, serving, [_bound(host, port)]).run()


class _Configuration:
    """The file, and a secret of this service: the cards of all workers, old and new, are of one identity."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._secret = SecretStr(secrets.token_urlsafe())

    def read(self) -> partial[FastAPI]:
        """Return what makes a worker's application; raises a ValueError where the configuration cannot be used."""
        settings = load_settings(self._file)
        create_app(settings)  # refuses here, before there is any worker
        secret = settings.card_secret or self._secret
        return partial(application, settings.model_copy(update={"card_secret": secret}))


class _Supervisor(Multiprocess):
    """Keeps the workers. They get the settings, not the file: one that has died is replaced by its like."""

    def __init__(
        self, configuration: _Configuration, serving: uvicorn.Config, sockets: list[socket.socket]
    ) -> None:
        super().__init__(serving, sockets)
        self._configuration = configuration

    def handle_hup(self) -> None:
        """Replace the workers, unless the configuration has become unusable."""
        try:
            self.config.app = self._configuration.read()
        except ValueError as error:
            _complain(f"not reloaded: {error}")
        else:
            super().handle_hup()

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have died. Asking each for a sign of life, as uvicorn does, waits on dead ones."""
        for place, worker in enumerate(self.processes):
            if not worker.process.is_alive():
                self.processes[place] = Process(self.config, self.sockets)
                self.processes[place].start()

    def terminate_all(self) -> None:
        """End the workers and stop listening: who calls now is refused at once instead of waiting in vain."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()


def application(settings: Settings) -> FastAPI:
    """Build a worker's application; the worker ends with the process that started it, or with one line if it must."""
    if parent := parent_process():
        threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()
    try:
        return create_app(settings)
    except ValueError as error:
        _complain(f"a worker could not start: {error}")
        sys.exit(1)


def _end_after(wait: Callable[[], None]) -> None:
    """End this worker; left alone it would hold the port against whoever is started next."""
    wait()
    os.kill(os.getpid(), signal.SIGTERM)


def _bound(host: str, port: int) -> socket.socket:
    """Take the address; the workers listen."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return bound


def _complain(what: str) -> None:
    print(f"imnm-cds: {' '.join(what.split())}", file=sys.stderr, flush=True)  # noqa: T201 - for the operator
