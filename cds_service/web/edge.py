"""The outermost layer of the web application: tolerant paths, CORS, headers, and no answer without a shape.

It stands outside the framework's own error handling, so that a browser client sees a 404 or a 500 as what it is
and not as a blocked call.
"""

import re
from collections.abc import Collection, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service.errors import (
    InternalError,
    MethodNotAllowedError,
    NoSuchServiceError,
    ServiceError,
    UnknownClientError,
)
from cds_service.events import Event, Events
from cds_service.web.audit import crash

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


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
    """Wraps the application. `origins`: the web origins that may call it; `*` means all."""

    def __init__(self, app: ASGIApp, origins: Collection[str], events: Events) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = self._with_headers(send, headers.get("origin", ""))
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(headers)(scope, receive, send)
            return
        await self._guarded(_tidy(scope), receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn whatever escapes into a 500; once an answer has begun it can only be cut off."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            self._events.emit(Event.CRASHED, **crash(error))
            if begun:
                raise
            await as_response(InternalError("something went wrong in this service"))(scope, receive, send)

    def _preflight(self, headers: Headers) -> Response:
        """Answer a browser that asks whether it may call; it has no token to show yet."""
        if not self._allowed(headers.get("origin", "")):
            return as_response(UnknownClientError("this origin may not call"))
        return Response(status_code=204, headers=_PREFLIGHT)

    def _allowed(self, origin: str) -> bool:
        return bool(origin) and ("*" in self._origins or origin in self._origins)

    def _with_headers(self, send: Send, origin: str) -> Send:
        extra = dict(_ALWAYS) | {"Vary": "Origin"}
        if self._allowed(origin):
            extra["Access-Control-Allow-Origin"] = "*" if "*" in self._origins else origin

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _set(MutableHeaders(scope=message), extra.items())
            await send(message)

        return sending


def _set(headers: MutableHeaders, extra: Iterable[tuple[str, str]]) -> None:
    for name, value in extra:
        headers[name] = value


def _tidy(scope: Scope) -> Scope:
    """Read `//` as `/` and leave a trailing slash out: what an address with a slash at its end leads to."""
    path = re.sub("/{2,}", "/", scope["path"])
    return {**scope, "path": path.rstrip("/") or "/"}
