"""Kept connections to one host, in pools so small that what one request costs does not grow with their number.

httpcore looks at every connection of a pool, and asks the system about each idle one, whenever a request comes or ends.
"""

import ssl
from collections.abc import AsyncIterator
from typing import cast

import httpx

_POOL = 10  # connections in one pool


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


class _Pool(httpx.AsyncHTTPTransport):
    """A pool that counts how many requests it could still take at once."""

    def __init__(self, context: ssl.SSLContext, size: int, kept: int) -> None:
        bounds = httpx.Limits(max_connections=size, max_keepalive_connections=kept)
        super().__init__(context, trust_env=False, limits=bounds)
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
        await self._stream.aclose()
