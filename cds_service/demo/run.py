"""`imnm-cds demo`: service and EHR on loopback, one chart opened through the real hook call, and where to go on."""

import asyncio
import errno
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from pydantic import ValidationError
from rich.console import Console
from starlette.types import ASGIApp

from cds_service.cds_client import CallError, open_client
from cds_service.demo.charts import Demonstration
from cds_service.demo.ehr import BASE_PATH, create_ehr
from cds_service.demo.page import Known
from cds_service.demo.patients import SamplePatient, Samples, UnknownPatientError, banner, chart, samples
from cds_service.demo.report import SANDBOX, Addresses, show_answer, show_next_steps
from cds_service.demo.web import with_pages
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import ENVIRONMENT_PREFIX, Settings
from cds_service.terminal import open_console
from cds_service.web.app import create_app
from cds_service.web.clock import utc_now
from cds_service.web.store import Store

_DEFAULT_PATIENT = "high-overdue"
# Where the sandbox reads unless told otherwise; DSTU2
_SANDBOX_FHIR = "https://launch.smarthealthit.org/v/r2/fhir"
HOST = "127.0.0.1"
PORT = 8123
PORTS_TRIED = 40


class DemoError(ValueError):
    """The demonstration cannot run; the message is one line that says what to do."""


def run(
    patient: str = _DEFAULT_PATIENT,
    port: int | None = None,
    *,
    once: bool = False,
    loopback: tuple[str, ...] = (),
    console: Console | None = None,
) -> None:
    """Open the chart of one sample patient, show the card, then serve until Ctrl-C (or end, with `once`).

    `port` is for the service; without it 8123 or the next free one. `loopback`: further FHIR bases on this machine
    that the service may be called for. Raises DemoError.
    """
    known = samples()
    try:
        sample = known.find(patient)
    except UnknownPatientError as error:
        raise DemoError(str(error)) from None
    for address in loopback:
        _check_loopback(address)
    with (
        TemporaryDirectory(prefix="imnm-cds-demo-") as folder,
        listen(port) as service_socket,
        listen(None) as ehr_socket,
    ):
        fhir, file = _base(ehr_socket) + BASE_PATH, Path(folder) / "feedback.db"
        settings = demo_settings(fhir, file, loopback)
        sandbox = next((origin for origin in settings.cors_origins if origin != "*"), SANDBOX)
        addresses = Addresses(_base(service_socket), fhir, sandbox)
        running = Demonstration(addresses, partial(open_client, addresses.discovery, addresses.fhir), utc_now)
        charts = _charts(known, utc_now())
        banners = {name: banner(chart) for name, chart in charts.items()}
        with closing(Store(file, Limits().store_seconds, utc_now)) as store:
            service = create_app(settings, write=running.hear)
            pages = with_pages(service, running, Known(addresses, known, banners), store)
            ehr = create_ehr(charts.values(), running.served.append)
            apps = ((pages, service_socket), (ehr, ehr_socket))
            asyncio.run(_show(apps, running, known, sample, once=once, console=console or open_console()))


def demo_settings(fhir_base: str, store: Path, loopback: tuple[str, ...] = ()) -> Settings:
    """The configuration of the demonstration: its own EHR as client, the public sandbox as origin.

    The environment may name other origins. `store` is the file that keeps feedback. Raises DemoError for an address
    that is none.
    """
    bases = {"demonstration": fhir_base} | {f"loopback-{n}": base for n, base in enumerate(loopback, 1)}
    try:
        clients = [
            Client(
                name=name,
                fhir_base=(base,),
                accept_unknown_status=True,
                when_eligibility_unknown="card",
                accepted_by="the demonstration, for its synthetic patients",
                accepted_on=utc_now().date(),
            )
            for name, base in bases.items()
        ]
        misled = Client(
            name="sandbox-default",
            fhir_base=(_SANDBOX_FHIR,),
            when_eligibility_unknown="card",
            use_instead=fhir_base,
        )
        settings = Settings(cors_origins=(SANDBOX,), client=(*clients, misled), prefetch="full")
    except ValidationError as error:
        problem = error.errors()[0]
        setting = str(problem["loc"][0]) if problem["loc"] else ""
        place = "the addresses given with --loopback"
        if setting in Settings.model_fields:
            place = f"environment {_variable(setting)}"
        raise DemoError(f"{place}: {problem['msg'].removeprefix('Value error, ')}") from None
    if not settings.cors_origins:
        raise DemoError(
            f"environment {_variable('cors_origins')}: no page may call; name one, or leave it out"
        )
    # Whatever the environment says: what is tried out here must not get into the store of a real service.
    return settings.model_copy(update={"store": store})


def _variable(setting: str) -> str:
    return ENVIRONMENT_PREFIX + setting.upper()


@contextmanager
def listen(port: int | None) -> Iterator[socket.socket]:
    """Open a listening socket on loopback: on `port`, or on the first free one from 8123 on. Raises DemoError."""
    wanted = range(PORT, PORT + PORTS_TRIED) if port is None else (port,)
    for number in wanted:
        try:
            listening = socket.create_server((HOST, number))
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise DemoError(f"cannot listen on {HOST}:{number}: {error.strerror}") from None
            continue
        with listening:
            yield listening
        return
    if port is None:
        raise DemoError(f"no free port from {PORT} to {PORT + PORTS_TRIED - 1}; choose one with --port")
    raise DemoError(f"port {port} is taken or not allowed; choose another with --port, or leave --port out")


def _base(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


def _check_loopback(address: str) -> None:
    host = urlsplit(address).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise DemoError("--loopback: only an address on this machine, like http://localhost:8080/fhir")


def _charts(known: Samples, now: datetime) -> dict[str, dict[str, Any]]:
    """Every chart by the name of its patient, moved so that its base day is today."""
    shift = now.date() - known.base_day
    return {sample.name: chart(sample.name, shift) for sample in known.patients}


async def _show(
    apps: tuple[tuple[ASGIApp, socket.socket], ...],
    running: Demonstration,
    known: Samples,
    sample: SamplePatient,
    *,
    once: bool,
    console: Console,
) -> None:
    stop = asyncio.Event()
    (service, service_socket), (ehr, ehr_socket) = apps
    with _stopped_by_signals(stop):
        async with _serving(ehr, ehr_socket), _serving(service, service_socket):
            try:
                opened = await running.open_chart(sample)
            except CallError as error:
                raise DemoError(f"the service did not answer: {error}") from None
            exchange = opened.exchange
            show_answer(console, sample, exchange, opened.requests, opened.call)
            if exchange.refusal:
                raise DemoError(f"the service refused the call: HTTP {exchange.status}, {exchange.refusal}")
            show_next_steps(console, running.addresses, exchange, known, served=not once)
            if not once:
                await stop.wait()
    if not once:
        console.print("Both servers have ended.")


class _ServerWithoutSignals(uvicorn.Server):
    """One of two servers in a process: signals are the demonstration's affair."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def _serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve an application on an open socket as long as the context lasts."""
    config = uvicorn.Config(
        app,
        http="h11",  # by name, so that it is the same whatever else is installed
        loop="asyncio",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="auto",
        timeout_graceful_shutdown=2,
    )
    server = _ServerWithoutSignals(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield  # the socket listens already: whoever connects before the server is ready waits for it
    finally:
        server.should_exit = True
        await task


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`, so that both servers end in order and the exit status is 0."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set)) for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
