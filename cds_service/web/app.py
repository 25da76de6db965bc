"""Where the parts meet: settings, tables, model, discovery and connections become one web application."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import cds_service.neighbours  # noqa: F401 - refuses a foreign fhir_mapping or models
from cds_service.cards.orders import check_suggestions
from cds_service.errors import BusyError, NoSuchServiceError
from cds_service.events import Event, Events, Writer
from cds_service.fhir.client import Transport, connect, fetch
from cds_service.security.clients import callers, registered
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.answering import Work, answer
from cds_service.web.discovery import check_discovery, discovery_file, enabled, read_discovery
from cds_service.web.edge import Edge, as_response, refuse
from cds_service.web.feedback import take
from cds_service.web.hooks import HOOKS, Hook
from cds_service.web.pipeline import Call, Parts, cards_of
from cds_service.web.store import Keeping, Store
from fhir_mapping.rules import VERSION
from fhir_mapping.terms import load_tables
from models.registry import load_model

Endpoint = Callable[[Request], Awaitable[Response]]


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def write_line(line: str) -> None:
    """Write an event to standard output."""
    print(line, flush=True)  # noqa: T201 - the place where events go unless told otherwise


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    transport: Transport | None = None,
    write: Writer = write_line,
    limits: Limits | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """Build the service, and refuse to if anything it stands on is wrong.

    `clock` gives the moment of a call (UTC), `transport` stands in for the network, `write` takes one event a line;
    `timer` gives the age of key sets (s) and never goes back.
    Raises SettingsError, TableError, ModelError or DiscoveryError, each one line that says what to do.
    """
    tables = load_tables()
    model = load_model(settings.model)
    document = read_discovery(discovery_file())
    check_discovery(document, tables)
    limits = limits or Limits()
    secret = (
        settings.card_secret.get_secret_value().encode() if settings.card_secret else secrets.token_bytes()
    )
    known = callers(settings.client, tables, secret)
    for caller in known.values():
        check_suggestions(model, caller.cards)
    discovery = enabled(document, settings.services)
    connection = connect(limits, transport)
    get = partial(fetch, connection, most=limits.keys_bytes, seconds=limits.keys_seconds)
    services = [service["id"] for service in discovery["services"]]
    parts = Parts(
        limits=limits,
        registered=registered(settings, known, services, get, timer, limits, secret),
        connection=connection,
        model=model,
        clock=clock,
        events=Events(write, clock),
        turns=asyncio.Semaphore(limits.parallel_calls),
        store=_store(settings, limits, clock),
    )
    return _application(parts, discovery, settings)


def _store(settings: Settings, limits: Limits, clock: Callable[[], datetime]) -> Store | None:
    if settings.store is None:
        return None
    keeping = {
        client.name: Keeping(client.feedback_a_day, client.feedback_days) for client in settings.client
    }
    return Store(settings.store, limits.store_seconds, clock, keeping)


def _application(parts: Parts, discovery: Mapping[str, Any], settings: Settings) -> FastAPI:
    ready = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services = len(discovery["services"])
        name = f"{parts.model.id} {parts.model.version}"
        parts.events.emit(
            Event.STARTED, clients=len(settings.client), services=services, model=name, rules=VERSION
        )
        ready.set()
        async with parts.connection:
            yield
        ready.clear()
        if parts.store:
            parts.store.close()
        parts.events.emit(Event.STOPPED)

    async def is_ready(_: Request) -> Response:
        return _json({"status": "ready"}) if ready.is_set() else as_response(BusyError("not started yet"))

    services = {service["id"]: HOOKS[service["hook"]] for service in discovery["services"]}
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False)
    app.router.routes += [
        Route("/cds-services", _fixed(discovery), methods=["GET"]),
        Route(
            "/cds-services/{service}", _called(cards_of, Event.HOOK_CALL, parts, services), methods=["POST"]
        ),
        Route(
            "/cds-services/{service}/feedback",
            _called(take, Event.FEEDBACK, parts, services),
            methods=["POST"],
        ),
        Route("/health", _fixed({"status": "ok"}), methods=["GET"]),
        Route("/ready", is_ready, methods=["GET"]),
    ]
    app.add_exception_handler(HTTPException, refuse)
    app.add_middleware(Edge, origins=settings.cors_origins, events=parts.events)
    return app


def _called(work: Work, event: Event, parts: Parts, services: Mapping[str, Hook]) -> Endpoint:
    """Make a raw route of a service, for the hook call or the feedback on it: bytes in, bytes out."""

    async def called(request: Request) -> Response:
        begun = asyncio.get_running_loop().time()
        service = request.path_params["service"]
        if service not in services:
            return as_response(NoSuchServiceError("there is no such service"))
        call = Call(service, services[service], request.headers, request.stream(), begun)
        result = await answer(work, call, parts, event)
        media_type = "application/json" if result.body else None
        return Response(result.body, result.status, dict(result.headers), media_type)

    return called


def _fixed(content: object) -> Endpoint:
    response_body = msgspec.json.encode(content)

    async def fixed(_: Request) -> Response:
        return Response(response_body, media_type="application/json")

    return fixed


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
