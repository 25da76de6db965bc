"""The service with its real network in front of loopback servers, and a record of every socket and look-up."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch
from urllib.parse import parse_qsl

import httpx

from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from tests.support.charts import clock
from tests.support.loopback import Asked, Loopback, response
from tests.support.service import TABLES, Running, _model, never_late


@dataclass
class Dialled:
    """What was connected to, as (host, port), and what was looked up."""

    addresses: list[tuple[str, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@contextmanager
def dialled() -> Iterator[Dialled]:
    """Record every `connect` of a socket and every question to the system's resolver."""
    seen = Dialled()
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def watched(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple):
            seen.addresses.append((str(address[0]), int(address[1])))
        connect(self, address)

    def resolved(host: object, *args: object, **kwargs: object) -> object:
        seen.names.append(str(host))
        return resolve(host, *args, **kwargs)

    with patch.object(socket.socket, "connect", watched), patch.object(socket, "getaddrinfo", resolved):
        yield seen


@asynccontextmanager
async def networked(*clients: Client, limits: Limits | None = None) -> AsyncIterator[Running]:
    """Start the service with its real network."""
    lines: list[str] = []
    with patch.multiple("cds_service.web.app", load_tables=lambda: TABLES, load_model=_model):
        app = create_app(Settings(client=clients), clock=clock, write=lines.append, limits=never_late(limits))
    asgi = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cds.example", timeout=30)
    async with app.router.lifespan_context(app), asgi as http:
        yield Running(http, lines)


def of_chart(chart: list[dict]) -> Callable[[Loopback, Asked], bytes]:
    """Answer as a simple FHIR server that holds these resources and sends what it finds on one page."""

    def answer(server: Loopback, asked: Asked) -> bytes:
        kind, _, number = asked.path.partition("?")[0].removeprefix("/fhir/").partition("/")
        held = [r for r in chart if r["resourceType"] == kind and number in {"", r["id"]}]
        if number:
            return response(held[0]) if held else response({"resourceType": "OperationOutcome"}, 404)
        asked_for = dict(parse_qsl(asked.path.partition("?")[2]))
        codes, subject = asked_for.get("code", ""), {"reference": f"Patient/{asked_for.get('patient')}"}
        found = [r for r in held if r["subject"] == subject and (not codes or _code(r) in codes)]
        entries = [{"resource": r} for r in found]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
        return response(bundle | ({"entry": entries} if entries else {}))

    return answer


def _code(resource: dict) -> str:
    return resource["code"]["coding"][0]["code"]
