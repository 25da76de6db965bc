"""Where the parts meet: settings, tables, model, discovery and connections become one web application."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import cds_service.neighbours  # noqa: F401 - refuses a foreign fhir_mapping or models
from cds_service.cards.gate import by_served_rules
from cds_service.cards.orders import check_suggestions
from cds_service.errors import BusyError, NoSuchServiceError
from cds_service.events import Event, Events, Watcher, Writer
from cds_service.fhir.client import Transport, connect, fetch
from cds_service.fhir.network import Connection
from cds_service.security.clients import Registered, callers, registered
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.answering import Work, answer
from cds_service.web.clock import believed, utc_now
from cds_service.web.discovery import check_discovery, discovery_file, enabled, read_discovery
from cds_service.web.edge import Edge, as_response, refuse
from cds_service.web.feedback import take
from cds_service.web.hooks import HOOKS, Hook
from cds_service.web.ingress.arrival import RequestRecord
from cds_service.web.ingress.door import Door
from cds_service.web.ingress.event_queue import EventQueue
from cds_service.web.ingress.load import Load
from cds_service.web.ingress.receiving import Receiving
from cds_service.web.pages import model as about_model
from cds_service.web.pipeline import Call, Parts, cards_of
from cds_service.web.store import Keeping, Store
from fhir_mapping.rules import VERSION
from fhir_mapping.terms import load_tables
from fhir_mapping.versions import version
from models.artefact import Model
from models.registry import load_model
from models.transparency import Transparency, as_document, transparency

_FLUSH_S = 1.0  # for the last events, if their reader is slow

_Endpoint = Callable[[Request], Awaitable[Response]]
_Received = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
_Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, object]]]


def write_line(line: str) -> None:
    """Write an event to standard output."""
    print(line, flush=True)  # noqa: T201 - the place where events go unless told otherwise


@dataclass(frozen=True, slots=True)
class Checked:
    """A configuration with which nothing is wrong, and what came of looking; no process or event loop owns it yet."""

    settings: Settings
    limits: Limits
    discovery: Mapping[str, Any]
    model: Model
    shown: Transparency
    registered: Registered
    connections: Mapping[str, Connection]


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    transport: Transport | None = None,
    write: Writer = write_line,
    watch: Watcher | None = None,
    limits: Limits | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """Build the service, and refuse to if anything it stands on is wrong.

    `clock` gives the moment of a call (UTC), `transport` stands in for the network, `write` takes one event a line,
    `watch` every event beside it; `timer` gives the age of key sets (s) and never goes back.
    Raises SettingsError, TableError, ModelError or DiscoveryError, each one line that says what to do.
    """
    checked = check(settings, transport=transport, limits=limits, timer=timer)
    return build(checked, clock=clock, write=write, watch=watch)


def check(
    settings: Settings,
    *,
    transport: Transport | None = None,
    limits: Limits | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> Checked:
    """Look at everything a service stands on but its store; raises as `create_app` does."""
    limits = limits or Limits()
    document = read_discovery(discovery_file())
    discovery = enabled(document, settings.services, settings.prefetch)
    tables = load_tables()
    check_discovery(document, tables)
    model = by_served_rules(load_model(settings.model), settings.model)
    secret = (
        settings.card_secret.get_secret_value().encode() if settings.card_secret else secrets.token_bytes()
    )
    shown = transparency(model, settings.model)
    known = callers(settings.client, tables, secret, settings.about_model)
    for caller in known.values():
        check_suggestions(model, caller.cards)
        version(caller.mapping.fhir_version)  # is imported here, or the first patient would wait for it
    connections = {
        client.name: connect(limits.answering_within(client.answer_seconds), transport, client)
        for client in settings.client
    }
    fetches = {name: partial(fetch, connection) for name, connection in connections.items()}
    services = [service["id"] for service in discovery["services"]]
    may_call = registered(settings, known, services, fetches, timer, limits, secret)
    return Checked(settings, limits, discovery, model, shown, may_call, connections)


def open_store(settings: Settings, limits: Limits, clock: Callable[[], datetime] = utc_now) -> Store | None:
    """Open the store, if the service has one, in the process that is to use it; raises SettingsError."""
    if settings.store is None:
        return None
    keeping = {
        client.name: Keeping(client.feedback_a_day, client.feedback_days) for client in settings.client
    }
    return Store(settings.store, limits.store_seconds, clock, keeping)


def build(
    checked: Checked,
    *,
    clock: Callable[[], datetime] = utc_now,
    write: Writer = write_line,
    watch: Watcher | None = None,
) -> FastAPI:
    """Build the service on what was checked, in the process that is to answer; raises SettingsError for its store."""
    settings, limits = checked.settings, checked.limits
    parts = _parts(checked, clock, Events(write, clock, watch))
    queue = write if isinstance(write, EventQueue) else None
    load, door = Load(limits), Door(limits, parts.events, settings.trusted_proxies)
    received = Receiving(limits, load.start).through
    app = _application(parts, checked, received, _lifespan(parts, checked, load, door, queue))
    app.add_middleware(
        Edge,
        events=parts.events,
        load=load,
        origins=settings.cors_origins,
        hosts=settings.served_hosts,
        must_write=queue if settings.when_events_are_lost == "refuse" else None,
    )
    return app


def _parts(checked: Checked, clock: Callable[[], datetime], events: Events) -> Parts:
    settings, limits = checked.settings, checked.limits
    return Parts(
        limits=limits,
        registered=checked.registered,
        connections=checked.connections,
        model=checked.model,
        clock=partial(believed, clock),
        events=events,
        turns=asyncio.Semaphore(limits.parallel_calls),
        store=open_store(settings, limits, clock),
        audit_secret=settings.audit_secret.get_secret_value().encode() if settings.audit_secret else b"",
    )


def _lifespan(parts: Parts, checked: Checked, load: Load, door: Door, queue: EventQueue | None) -> _Lifespan:
    """Make what surrounds the life of the application; each connection gets the state that it yields."""
    clients, services = len(checked.settings.client), len(checked.discovery["services"])

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        name = f"{parts.model.id} {parts.model.version}"
        parts.events.emit(Event.STARTED, clients=clients, services=services, model=name, rules=VERSION)
        app.state.ready = True
        beat = asyncio.create_task(load.watch())
        async with AsyncExitStack() as opened:
            for connection in parts.connections.values():
                await opened.enter_async_context(connection)
            yield {"door": door}
        beat.cancel()
        app.state.ready = False
        if parts.store:
            parts.store.close()
        parts.events.emit(Event.STOPPED)
        if queue:
            await asyncio.to_thread(queue.close, _FLUSH_S)

    return lifespan


def _application(parts: Parts, checked: Checked, received: _Received, lifespan: _Lifespan) -> FastAPI:
    services = {service["id"]: HOOKS[service["hook"]] for service in checked.discovery["services"]}
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        # Our events say all
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.ready = False
    document = _fixed(msgspec.json.encode(as_document(checked.shown)))
    page = _fixed(about_model.model_page(checked.shown), "text/html; charset=utf-8", about_model.PAGE_HEADERS)
    app.router.routes += [
        Route("/cds-services", _fixed(msgspec.json.encode(checked.discovery)), methods=["GET"]),
        Route(
            "/cds-services/{service}",
            _Called(cards_of, Event.HOOK_CALL, parts, services, received),
            methods=["POST"],
        ),
        Route(
            "/cds-services/{service}/feedback",
            _Called(take, Event.FEEDBACK, parts, services, received),
            methods=["POST"],
        ),
        Route("/health", _fixed(msgspec.json.encode({"status": "ok"})), methods=["GET"]),
        Route("/ready", _is_ready, methods=["GET"]),
        Route(about_model.DOCUMENT, document, methods=["GET"]),
        Route(about_model.PAGE, page, methods=["GET"]),
    ]
    app.add_exception_handler(HTTPException, refuse)
    return app


@dataclass(frozen=True, slots=True)
class _Called:
    """A raw route of the services, for the hook call or the feedback on it: bytes in, bytes out."""

    work: Work
    event: Event
    parts: Parts
    services: Mapping[str, Hook]
    received: _Received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call (ASGI)."""
        request, begun = Request(scope, receive), asyncio.get_running_loop().time()
        service = request.path_params["service"]
        if service not in self.services:
            await as_response(NoSuchServiceError("there is no such service"))(scope, receive, send)
            return
        exchange: RequestRecord = request.scope["state"]["exchange"]
        exchange.event = self.event
        exchange.audit.update(service=service, outcome="refused")
        chunks = self.received(request.stream())
        call = Call(service, self.services[service], request.headers, chunks, begun, exchange.audit)
        result = await answer(self.work, call, self.parts)
        media_type = "application/json" if result.body else None
        response = Response(result.body, result.status, dict(result.headers), media_type)
        await response(scope, receive, send)


async def _is_ready(request: Request) -> Response:
    if request.app.state.ready:
        return Response(msgspec.json.encode({"status": "ready"}), media_type="application/json")
    return as_response(BusyError("not started yet"))


def _fixed(
    body: bytes, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> _Endpoint:
    async def fixed(_: Request) -> Response:
        return Response(body, 200, headers, media_type)

    return fixed
