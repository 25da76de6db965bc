"""Faults of servers and protocols, put to the service over HTTP, with a FHIR server on a loopback port behind it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn

from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from tests.cases.case import Case
from tests.support.loopback import Asked, Loopback, loopback, response
from tests.support.service import ACCEPTED

_NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)  # after everything that the cases date
_PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-02-03"}
_CAPABILITY = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
_PATH = "/cds-services/imnm-recurrence"
_IN_OUR_WORDS = {  # the cases speak in the words of version 1's cards
    "IMNM recurrence risk not assessed: too little is known": "IMNM: recurrence risk not known yet",
    "incomplete": "the record could not be read",
}


def cases(folder: Path) -> list[Case]:
    """The cases of `folder/ehr`, in the order of their names."""
    room = folder / "ehr"
    read = ((file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(room.glob("*.json")))
    return [Case(room, name, content["expect"], content.get("left", "")) for name, content in read]


async def problems(case: Case) -> list[str]:
    """What the service does not answer as it must."""
    content = case.read()

    def answer(server: Loopback, asked: Asked) -> bytes | None:
        return _answer(content, server, asked)

    async with loopback(answer) as server, _service(server.base) as port:
        status, body = await _call(port, _request(content["hook"], server), content.get("raw_headers", {}))
    return _unmet(status, json.loads(body), case.expected)


def _unmet(status: int, answer: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    cards = answer.get("cards", [])
    summary = cards[0]["summary"] if cards else ""
    refused = answer.get("resourceType") == "OperationOutcome"
    met = {
        "status": lambda wanted: status == wanted and (refused or status == 200),
        "not": lambda _: bool(cards) or (status == 412 and refused),
        "empty": lambda wanted: (status == 200 and not cards) is wanted,
        "cards_min": lambda least: len(cards) >= least,
        "summary_starts": lambda words: summary.startswith(_IN_OUR_WORDS.get(words, words)),
        "summary_contains": lambda part: _IN_OUR_WORDS.get(part, part) in summary,
    }
    came = f"HTTP {status}, {summary or answer}"
    return [f"{name} {wanted!r}: {came}" for name, wanted in expected.items() if not met[name](wanted)]


def _request(hook: Mapping[str, Any], server: Loopback) -> bytes:
    body = {
        "hook": "patient-view",
        "hookInstance": "d63a2834-b45a-4616-8a5e-c08353762b85",
        "fhirServer": server.base,
        "context": {"userId": "Practitioner/p1", "patientId": "p1"},
    } | hook.get("set", {})
    if "prefetch" in hook:
        body["prefetch"] = hook["prefetch"]
    left_out = {*hook.get("without", ()), *(("fhirServer",) if hook.get("no_server") else ())}
    body = {name: value for name, value in body.items() if name not in left_out}
    return _filled(json.dumps(body), server, "").encode()


def _filled(text: str, server: Loopback, asked: str) -> str:
    for name, value in (("base", server.base), ("port", str(server.port)), ("asked", asked)):
        text = text.replace(f"{{{name}}}", value)
    return text


def _answer(content: Mapping[str, Any], server: Loopback, asked: Asked) -> bytes | None:
    if content.get("close_second_request") and asked.before:
        return None
    parts = urlsplit(asked.path)
    query = parse_qs(parts.query)
    resource_type = parts.path.removeprefix("/fhir").strip("/").partition("/")[0]
    key = f"{resource_type}&pg=2" if query.get("pg") == ["2"] else resource_type
    instead = {"Patient": {"body": content.get("patient", _PATIENT)}, "metadata": {"body": _CAPABILITY}}
    given = content["answers"].get(key, instead.get(key, []))
    if isinstance(given, list):
        given = {"body": _search_set(given, query.get("code", [""])[0].split(","))}
    address = server.base.removesuffix("/fhir") + asked.path
    text = _filled(json.dumps(given["body"]), server, address).encode()
    mark = b"\xef\xbb\xbf" if content.get("bom") else b""
    return response(mark + text, given.get("status", 200), given.get("headers"))


def _search_set(resources: list[dict[str, Any]], codes: list[str]) -> dict[str, Any]:
    """A search set of what carries one of the codes that were asked for (of everything, if none was)."""
    matching = [r for r in resources if codes == [""] or not _codes(r).isdisjoint(codes)]
    entries = [
        {"fullUrl": f"{{base}}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
        for r in matching
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _codes(resource: Mapping[str, Any]) -> set[str]:
    codings = resource.get("code", {}).get("coding", [])
    return {coding.get("code") for coding in codings if isinstance(coding, dict)}


@asynccontextmanager
async def _service(base: str) -> AsyncIterator[int]:
    """The service on a free loopback port, as it is served; its one client's FHIR server is `base`."""
    hospital = Client(name="hospital", fhir_base=base, accept_unknown_status=True, **ACCEPTED)
    settings = Settings(client=(hospital, Client(name="open", **ACCEPTED)))
    app = create_app(settings, clock=lambda: _NOW, write=lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http="h11", loop="asyncio", ws="none", log_config=None, log_level="error"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def _call(port: int, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Call the hook by socket: headers go out as they are written."""
    named = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    } | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"POST {_PATH} HTTP/1.1\r\n{head}\r\n".encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answered.partition("content-length:")[2].split("\r\n")[0])
        return int(answered.split()[1]), await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()
