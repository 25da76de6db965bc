"""The outermost layer of the web application: hosts, overload, CORS, tolerant paths, and one event for each request.

It stands outside the framework's own error handling, so that a browser client sees a 404 or a 500 as what it is
and not as a blocked call.
"""

import asyncio
import re
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service.errors import (
    BusyError,
    InternalError,
    MethodNotAllowedError,
    MisdirectedError,
    NoSuchServiceError,
    ServiceError,
    UnknownClientError,
)
from cds_service.events import Event, Events
from cds_service.web.audit import crash
from cds_service.web.ingress.arrival import Arrival, RequestRecord
from cds_service.web.ingress.event_queue import EventQueue
from cds_service.web.ingress.load import Load

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_RawHeaders = Mapping[bytes, bytes]
_ALWAYS: _RawHeaders = {
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
    b"vary": b"Origin",
}
_SLASHES = re.compile("/{2,}")
_PROBES = {"/health": "health", "/ready": "ready"}
_TARGETS = (
    (re.compile("/cds-services"), "discovery"),
    (re.compile("/cds-services/[^/]+"), "service"),
    (re.compile("/cds-services/[^/]+/feedback"), "feedback"),
    (re.compile(r"/model(\.json)?"), "model"),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def as_response(error: ServiceError) -> Response:
    """Return an error as an OperationOutcome."""
    return Response(error.body(), error.status, error.headers, "application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """Answer what no route answers, in place of the framework's own pages (404, 405)."""
    del request
    allowed = Headers(getattr(error, "headers", None)).get("allow", "")
    if getattr(error, "status_code", 404) == MethodNotAllowedError.status:
        return as_response(MethodNotAllowedError("not for this method", {"Allow": allowed}))
    return as_response(NoSuchServiceError("nothing lives at this address"))


class Edge:
    """Wraps the application.

    `origins`: the web origins that may call it, `*` means all. `hosts`: the names under which it is called, none means any.
    `must_write`: calls are refused while events of that queue are lost.
    """

    def __init__(
        self,
        app: ASGIApp,
        events: Events,
        load: Load,
        origins: Collection[str] = (),
        hosts: Collection[str] = (),
        must_write: EventQueue | None = None,
    ) -> None:
        self._app = app
        self._events = events
        self._load = load
        self._origins = frozenset(origins)
        self._hosts = frozenset(hosts)
        self._must_write = must_write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI), and write its event whatever becomes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange, headers, state = RequestRecord(), Headers(scope=scope), scope.get("state", {})
        arrival = state.get("arrival") or Arrival(asyncio.get_running_loop().time())
        # `//` is read as `/`, and a slash at the end is left out: what an address with one leads to
        path = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
        scope = {**scope, "path": path, "state": {**state, "exchange": exchange}}
        origin, always = headers.get("origin", ""), _ALWAYS
        if self._allowed(origin):
            allowed = "*" if "*" in self._origins else origin
            always = {**_ALWAYS, b"access-control-allow-origin": allowed.encode("latin-1")}
        receive, send = _watched(receive, send, exchange, always)
        try:
            app = self._refusal(scope, headers, exchange) or self._app
            await _guarded(app, exchange, scope, receive, send)
        finally:
            self._close(scope, exchange, arrival)

    def _refusal(self, scope: Scope, headers: Headers, exchange: RequestRecord) -> Response | None:
        """Answer what does not get as far as the application: another host, a preflight, more than we can do."""
        call = scope["method"] == "POST"
        if self._is_foreign(headers.get("host", ""), scope["path"]):
            why, response = "wrong host", as_response(MisdirectedError("this host is not served here"))
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            why = "preflight"  # of a browser, which has no token to show yet
            if self._allowed(headers.get("origin", "")):
                response = Response(status_code=204, headers=_PREFLIGHT)
            else:
                response = as_response(UnknownClientError("this origin may not call"))
        elif call and self._load.too_much:
            why, response = "busy", as_response(BusyError("too many calls at once"))
        elif call and self._must_write and self._must_write.full:
            why, response = "events lost", as_response(BusyError("events cannot be written"))
        else:
            return None
        exchange.audit["outcome"] = why
        return response

    def _close(self, scope: Scope, exchange: RequestRecord, arrival: Arrival) -> None:
        """Write the one event of a request."""
        said: dict[str, object] = {
            "peer": (scope.get("client") or ("",))[0],
            "status": arrival.refused or (0 if arrival.left else exchange.status),
            "body_bytes": exchange.body_bytes,
            "answer_bytes": exchange.answer_bytes,
            "milliseconds": (asyncio.get_running_loop().time() - arrival.begun) * 1000,
        }
        if exchange.event is Event.REQUEST:
            # In words of ours: an address may hold anything
            method = scope["method"] if scope["method"] in _METHODS else "other"
            path = scope["path"]
            named = (name for pattern, name in _TARGETS if pattern.fullmatch(path))
            said = {"method": method, "target": _PROBES.get(path) or next(named, "other"), **said}
        self._events.emit(exchange.event, **exchange.audit | said)

    def _is_foreign(self, host: str, path: str) -> bool:
        """Whether a host is none of ours, whatever its port; a probe may come by any."""
        if not self._hosts or path in _PROBES:
            return False
        return re.sub(r":\d*$", "", host).lower() not in self._hosts

    def _allowed(self, origin: str) -> bool:
        return bool(origin) and ("*" in self._origins or origin in self._origins)


async def _guarded(app: ASGIApp, exchange: RequestRecord, scope: Scope, receive: Receive, send: Send) -> None:
    """Turn whatever escapes into a 500; once an answer has begun it can only be cut off."""
    try:
        await app(scope, receive, send)
    except Exception as error:
        exchange.audit.update(outcome="crashed", **crash(error))
        if exchange.status:
            raise
        await as_response(InternalError("something went wrong in this service"))(scope, receive, send)


def _watched(
    receive: Receive, send: Send, exchange: RequestRecord, always: _RawHeaders
) -> tuple[Receive, Send]:
    """Take note of the bytes of body and answer and of the status, and give the answer its headers."""

    async def receiving() -> Message:
        message = await receive()
        exchange.body_bytes += len(message.get("body", b""))
        return message

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            own = [header for header in message.get("headers", ()) if header[0].lower() not in always]
            message["headers"] = own + list(always.items())
        exchange.answer_bytes += len(message.get("body", b""))
        await send(message)

    return receiving, sending
