"""Kept connections to one host, in pools so small that what one request costs does not grow with their number.

httpcore looks at every connection of a pool, and asks the system about each idle one, whenever a request comes or ends.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any, cast

import httpcore
import httpx

_POOL = 10  # connections in one pool
_KEPT_S = 5.0  # that a connection waits for its next request


class Sockets(httpx.AsyncBaseTransport):
    """At most `most` connections to one host; `keep` them for the next request, or close each after its own."""

    def __init__(self, context: ssl.SSLContext, most: int, *, keep: bool) -> None:
        sizes = [min(_POOL, most - begun) for begun in range(0, most, _POOL)]
        self._pools = [_Pool(context, size, size if keep else 0) for size in sizes]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send by the first pool that has room, so that few connections serve a quiet time; else by the emptiest."""
        return await max(self._pools, key=lambda pool: min(pool.room, 1)).handle_async_request(request)

    async def aclose(self) -> None:
        """Close every socket."""
        for pool in self._pools:
            await pool.aclose()


class _Connection(httpcore.AsyncHTTPConnection):
    """A connection that ends where a server sent more than it was asked for: the rest would be the next answer (ADR 26)."""

    def has_expired(self) -> bool:
        kept = self._connection
        if isinstance(kept, httpcore.AsyncHTTP11Connection) and kept.is_idle() and _holds_more(kept):
            return True
        return super().has_expired()


def _holds_more(kept: httpcore.AsyncHTTP11Connection) -> bool:
    """Whether bytes wait that left the socket already, at which alone httpcore looks: in HTTP, in TLS, or before it."""
    unasked, _ = kept._h11_state.trailing_data  # noqa: SLF001 - nobody else knows of it, here and below
    stream: Any = kept._network_stream._stream  # type: ignore[attr-defined] # noqa: SLF001 - anyio's
    if kept._origin.scheme == b"https":  # noqa: SLF001
        if stream._read_bio.pending:  # noqa: SLF001
            return True
        stream = stream.transport_stream
    return bool(unasked or stream._protocol.read_queue)  # noqa: SLF001


class _Connections(httpcore.AsyncConnectionPool):
    """httpcore's pool, of these connections."""

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Connection(origin, self._ssl_context, self._keepalive_expiry)

    def _assign_requests_to_connections(self) -> list[httpcore.AsyncConnectionInterface]:
        """Close what no request has any more: one given up before it began leaves a connection that nobody would use."""
        asked = {id(request.connection) for request in self._requests}
        left = [
            connection
            for connection in self._connections
            if id(connection) not in asked and not (connection.is_idle() or connection.is_closed())
        ]
        for connection in left:
            self._connections.remove(connection)
        return [*left, *super()._assign_requests_to_connections()]


class _Pool(httpx.AsyncHTTPTransport):
    """A pool that counts how many requests it could still take at once."""

    def __init__(self, context: ssl.SSLContext, size: int, kept: int) -> None:
        self._pool = _Connections(
            context,
            max_connections=size,
            max_keepalive_connections=kept,
            keepalive_expiry=_KEPT_S,
        )
        self.room = size

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.room -= 1
        try:
            response = await super().handle_async_request(request)
        except BaseException:
            self.room += 1
            raise
        stream = _Stream(cast("httpx.AsyncByteStream", response.stream), self)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(httpx.AsyncByteStream):
    """An answer's body; closing it gives its room back."""

    def __init__(self, stream: httpx.AsyncByteStream, pool: _Pool) -> None:
        self._stream = stream
        self._pool: _Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool:
            pool.room += 1
        # To the end, whoever gives up waiting: half closed, it would hold its place for ever
        await asyncio.shield(self._stream.aclose())
