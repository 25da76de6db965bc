"""A FHIR server on a loopback port, byte by byte: what no HTTP library would send can be sent."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One request: `path` with its query, how many came before it on the same connection, and its headers."""

    method: str
    path: str
    before: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Loopback:
    """The server while it runs; `asked` is what came, in order, `connections` how many there were."""

    base: str = ""
    port: int = 0
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)


Answer = Callable[[Loopback, Asked], bytes | None]
HANG = b"hang"  # as an answer: none comes, and the connection stays


def response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Bytes of a whole answer; `body` is JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/fhir+json", "Content-Length": str(len(content))} | dict(
        headers or {}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content


def padded(sent: bytes, size: int) -> bytes:
    """The same answer with so long a header that it has this size in bytes."""
    status, rest = sent.split(b"\r\n", 1)
    return status + b"\r\nX: " + b"x" * (size - len(sent) - len(b"X: \r\n")) + b"\r\n" + rest


@asynccontextmanager
async def loopback(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """Serve until the block ends. An answer of None closes the connection without a byte."""
    server = Loopback()
    open_now: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(asyncio.current_task())
        server.connections += 1
        try:
            await _converse(server, answer, reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the other side has enough, or the server ends
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    server.base = f"https://localhost:{server.port}/fhir" if tls else f"http://127.0.0.1:{server.port}/fhir"
    try:
        yield server
    finally:
        listening.close()
        for task in filter(None, open_now):
            task.cancel()
        await asyncio.gather(*filter(None, open_now))
        await listening.wait_closed()


async def _converse(
    server: Loopback, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    before = 0
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
        named = {name.lower(): value.strip() for name, _, value in lines}
        await reader.readexactly(int(named.get("content-length", 0)))
        asked = Asked(method, path, before, named)
        server.asked.append(asked)
        sent = answer(server, asked)
        if sent is None:
            return
        if sent is HANG:
            await asyncio.sleep(3600)
        writer.write(sent)
        await writer.drain()
        if b"\r\nConnection: close\r\n" in sent:
            return
        before += 1
