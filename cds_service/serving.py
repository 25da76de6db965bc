"""`imnm-cds serve`: worker processes that share one socket, replaced one by one when the configuration is read anew."""

import os
import secrets
import sys
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cds_service.app import create_app
from cds_service.settings import ENVIRONMENT_PREFIX, load_settings

_SECRET = f"{ENVIRONMENT_PREFIX}CARD_SECRET"


def run(config: Path | None, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C; on SIGHUP a new worker with the configuration as it is now replaces each old one.

    A configuration that cannot be used is one line on standard error, and the old workers stay. Raises SettingsError,
    TableError, ModelError or DiscoveryError where it is so from the start.
    """
    settings = load_settings(config)
    create_app(settings)  # refuses here, before there is any worker
    if settings.card_secret is None:
        os.environ[_SECRET] = (
            secrets.token_urlsafe()
        )  # cards of all workers, old and new, are of one identity
    serving = uvicorn.Config(
        partial(application, config),
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        log_level="warning",
    )
    Multiprocess(serving, sockets=[serving.bind_socket()]).run()


def application(config: Path | None) -> FastAPI:
    """Build a worker's application; ends the worker with one line where the configuration has become unusable."""
    try:
        return create_app(load_settings(config))
    except ValueError as error:
        print(f"imnm-cds: not reloaded: {' '.join(str(error).split())}", file=sys.stderr, flush=True)  # noqa: T201 - for the operator
        sys.exit(STARTUP_FAILURE)
