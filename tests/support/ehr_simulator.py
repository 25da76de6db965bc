"""A FHIR R4 server in memory that can be bent: an httpx transport, no socket.

It behaves like HAPI where it is not told otherwise: opaque paging links on the base, 400 for a parameter that it does
not know, an OperationOutcome with every error. It counts every request, and remembers as a stray each one that left
the configured origin or carried another token than its own.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

BASE = "https://ehr.example/fhir"
TOKEN = "the-token-of-the-ehr"

Resource = dict
Fault = Callable[[httpx.Request, httpx.Response], "httpx.Response | asyncio.Future | object"]

_ALWAYS = {"patient", "_count", "_id"}
_KNOWN = {
    "Observation": {"code", "category", "status"},
    "Condition": {"code", "category", "clinical-status"},
    "Appointment": {"status"},
    "ServiceRequest": {"status", "code"},
    "Procedure": {"status", "code"},
    "DiagnosticReport": {"status", "code", "category"},
}


def outcome(code: str, severity: str = "error") -> Resource:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


@dataclass
class Bend:
    """One fault, and the requests that it meets."""

    fault: Callable
    resource_type: str = ""
    code: str = ""
    page: int = 0
    times: int = 1_000_000

    def meets(self, resource_type: str, parameters: dict[str, str], page: int) -> bool:
        if self.resource_type not in {"", resource_type} or self.page not in {0, page} or not self.times:
            return False
        if self.code and self.code not in parameters.get("code", "").split(","):
            return False
        self.times -= 1
        return True


@dataclass
class EhrSimulator(httpx.AsyncBaseTransport):
    """The server. `resources` is what it holds; `token` (if set) is what it demands."""

    resources: list[Resource] = field(default_factory=list)
    base: str = BASE
    token: str = ""
    page_size: int = 100
    delay: float = 0.0
    fhir_version: str = "4.0.1"
    requests: list[httpx.Request] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    bends: list[Bend] = field(default_factory=list)
    _pages: dict[str, list[Resource]] = field(default_factory=dict)
    _asked: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def bend(self, fault: Callable, resource_type: str = "", **where: object) -> "EhrSimulator":
        """Apply a fault to what matches: by resource type, by one of the codes asked for, by page, some times.

        The first fault that matches a request is the one it meets.
        """
        self.bends.append(Bend(fault, resource_type, **where))
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self._watch(request)
        if self.delay:
            await asyncio.sleep(self.delay)
        await request.aread()
        resource_type, parameters, page = self._what(request)
        response = self._answer(request, resource_type, parameters, page)
        bend = next((bend for bend in self.bends if bend.meets(resource_type, parameters, page)), None)
        if bend:
            bent = bend.fault(request, response)
            response = await bent if asyncio.iscoroutine(bent) else bent
        return response if isinstance(response.stream, _Stream) else _on_the_wire(response)

    def asked(self, resource_type: str = "") -> list[str]:
        """The paths asked for, in order, optionally of one resource type."""
        paths = [str(request.url) for request in self.requests]
        return [p for p in paths if p.removeprefix(self.base).lstrip("/").startswith(resource_type)]

    def _watch(self, request: httpx.Request) -> None:
        home = urlsplit(self.base)
        url = request.url
        if (url.scheme, url.netloc.decode()) != (home.scheme, home.netloc):
            self.strays.append(f"{request.method} {url}")
        sent = request.headers.get("authorization", "")
        if self.token and sent not in {"", f"Bearer {self.token}"}:
            self.strays.append("another token")
        if "cookie" in request.headers or "proxy-authorization" in request.headers:
            self.strays.append("a cookie or a proxy's credentials")

    def _what(self, request: httpx.Request) -> tuple[str, dict[str, str], int]:
        query = request.content.decode() if request.method == "POST" else request.url.query.decode()
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        if token := parameters.get("_getpages"):
            resource_type, first = self._asked.get(token, ("", {}))
            return resource_type, first, 1 + int(parameters["_getpagesoffset"]) // self._count(parameters)
        path = request.url.raw_path.decode().partition("?")[0]
        parts = path.removeprefix(urlsplit(self.base).path).strip("/").split("/")
        return parts[0], {**parameters, "/id": unquote(parts[1]) if len(parts) > 1 else ""}, 1

    def _answer(
        self, request: httpx.Request, resource_type: str, parameters: dict, page: int
    ) -> httpx.Response:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return answer(outcome("login"), 401)
        if resource_type == "metadata":
            return answer({"resourceType": "CapabilityStatement", "fhirVersion": self.fhir_version})
        if "_getpages" in str(request.url):
            return self._page(dict(parse_qsl(request.url.query.decode())))
        resource_id = parameters.pop("/id", "")
        if resource_id and resource_id != "_search":
            return self._read(resource_type, resource_id)
        return self._search(resource_type, parameters)

    def _read(self, resource_type: str, resource_id: str) -> httpx.Response:
        for resource in self.resources:
            if (resource["resourceType"], resource.get("id")) == (resource_type, resource_id):
                return answer(resource)
        return answer(outcome("not-found"), 404)

    def _search(self, resource_type: str, parameters: dict[str, str]) -> httpx.Response:
        unknown = set(parameters) - _ALWAYS - _KNOWN.get(resource_type, set())
        if unknown:
            return answer(outcome("processing"), 400)
        found = [r for r in self.resources if r["resourceType"] == resource_type and matches(r, parameters)]
        token = f"pages-{len(self._pages)}"
        self._pages[token] = found
        self._asked[token] = (resource_type, parameters)
        count = str(self._count(parameters))
        return self._page({"_getpages": token, "_getpagesoffset": "0", "_count": count})

    def _count(self, parameters: dict[str, str]) -> int:
        return min(int(parameters.get("_count", self.page_size)), self.page_size)

    def _page(self, parameters: dict[str, str]) -> httpx.Response:
        found = self._pages.get(parameters["_getpages"])
        if found is None:
            return answer(outcome("processing"), 410)
        count, offset = self._count(parameters), int(parameters["_getpagesoffset"])
        entries = [entry(self.base, resource) for resource in found[offset : offset + count]]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        if offset + count < len(found):
            token = parameters["_getpages"]
            url = f"{self.base}?_getpages={token}&_getpagesoffset={offset + count}&_count={count}&_bundletype=searchset"
            bundle["link"] = [{"relation": "next", "url": url}]
        return answer(bundle | ({"entry": entries} if entries else {}))


def entry(base: str, resource: Resource) -> Resource:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    kind = {"content-type": "application/fhir+json"}
    return httpx.Response(status, headers=kind | (headers or {}), content=json.dumps(content).encode())


def matches(resource: Resource, parameters: dict[str, str]) -> bool:
    """Whether a resource answers a search, as far as our templates search."""
    if "_id" in parameters and resource.get("id") not in parameters["_id"].split(","):
        return False
    if "patient" in parameters and parameters["patient"] not in _patients(resource):
        return False
    if "status" in parameters and resource.get("status") not in parameters["status"].split(","):
        return False
    return all(
        _has(resource.get(name), parameters[name].split(","))
        for name in ("code", "category")
        if name in parameters
    )


def _patients(resource: Resource) -> set[str]:
    reference = resource.get("subject") or resource.get("patient") or {}
    actors = [p.get("actor", {}) for p in resource.get("participant", [])]
    return {str(r.get("reference", "")).rpartition("/")[2] for r in (reference, *actors)}


def _has(concepts: object, wanted: list[str]) -> bool:
    each = concepts if isinstance(concepts, list) else [concepts]
    held = [concept.get("coding") for concept in each if isinstance(concept, dict)]
    codings = [c for some in held if isinstance(some, list) for c in some if isinstance(c, dict)]
    given = {c.get("code") for c in codings} | {f"{c.get('system')}|{c.get('code')}" for c in codings}
    return not given.isdisjoint(wanted)


# --- faults: what a server may do instead of answering -----------------------------------------------------------


async def hang(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    await asyncio.sleep(3600)
    return response


async def refuse_connection(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


async def slow_to_connect(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    raise httpx.ConnectTimeout("no connection in time", request=request)


async def reset(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=request)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks():
            yield chunk


def streamed(chunks: Callable[[], AsyncIterator[bytes]], **headers: str) -> httpx.Response:
    return httpx.Response(
        200, headers={k.replace("_", "-"): v for k, v in headers.items()}, stream=_Stream(chunks)
    )


def _on_the_wire(response: httpx.Response) -> httpx.Response:
    """A response as a network gives it: not read yet."""
    return httpx.Response(response.status_code, headers=response.headers, stream=_bytes(response.content))


def drip(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    async def slowly() -> AsyncIterator[bytes]:
        for byte in response.content:
            yield bytes([byte])
            await asyncio.sleep(0.05)

    return streamed(slowly)


def half_closed(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    async def cut() -> AsyncIterator[bytes]:
        yield response.content[: len(response.content) // 2]
        raise httpx.RemoteProtocolError("peer closed connection", request=request)

    return streamed(cut)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(64_000_000))


def gzip_bomb(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_bytes(_bomb()))


def _bytes(content: bytes) -> _Stream:
    async def all_at_once() -> AsyncIterator[bytes]:
        yield content

    return _Stream(all_at_once)


def gzipped(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=_bytes(gzip.compress(response.content))
    )


def encoded_as(encoding: str, content: bytes = b"?") -> Callable:
    return lambda _, __: httpx.Response(200, headers={"content-encoding": encoding}, stream=_bytes(content))


def huge(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1600):
            yield b" " * 65536

    return streamed(endless)


def body(content: bytes, status: int = 200, **headers: str) -> Callable:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda _, __: httpx.Response(status, headers=named, content=content)


def status(code: int, issue: str = "processing", **headers: str) -> Callable:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda _, __: answer(outcome(issue), code, named)


def truncated(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, content=response.content[:-20])


def changed(change: Callable[[Resource], object]) -> Callable:
    """Let the server lie: `change` edits the answer's JSON in place, or returns another."""

    def lie(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        content = json.loads(response.content)
        other = change(content)
        return answer(content if other is None else other, response.status_code)

    return lie


def with_next(url: str) -> Callable:
    return changed(lambda bundle: bundle.update(link=[{"relation": "next", "url": url}]))


def with_entries(resources: Iterable[Resource]) -> Callable:
    added = [entry(BASE, resource) for resource in resources]
    return changed(lambda bundle: bundle.update(entry=bundle.get("entry", []) + added, total=None))
