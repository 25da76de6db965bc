"""What lies between the service and a real FHIR server: a network that keeps count and may bend, TLS in front."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import trustme


class Wire(httpx.AsyncBaseTransport):
    """The network, with a list of what was asked; `bend` may change an address on its way."""

    def __init__(
        self, bend: Callable[[httpx.URL], httpx.URL] = lambda url: url, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._network = httpx.AsyncHTTPTransport(verify=verify)
        self._bend = bend
        self.asked: list[httpx.URL] = []

    @property
    def further_pages(self) -> int:
        """How many pages after the first were asked for."""
        return sum(is_further_page(url) for url in self.asked)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = self._bend(request.url)
        self.asked.append(request.url)
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


def is_further_page(url: httpx.URL) -> bool:
    """Whether it is a page after the first, as HAPI and sekmet write their links."""
    return "_getpages" in url.params or "_offset" in url.params


@asynccontextmanager
async def tls_in_front_of(base: str) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Take TLS off in front of `base`, as a hospital's proxy does; gives its https address and what trusts it."""
    authority = trustme.CA()
    inside, outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(inside)
    authority.configure_trust(outside)
    target = urlsplit(base)
    relays: set[asyncio.Task[None] | None] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(asyncio.current_task())
        back, forth = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_pump(reader, forth), _pump(back, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=inside)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}{target.path}", outside
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*filter(None, relays))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hand on what comes; where one side ends, the other is ended too."""
    while data := await source.read(2**16):
        sink.write(data)
        await sink.drain()
    sink.close()
    await sink.wait_closed()
