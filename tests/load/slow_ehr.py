"""`python -m tests.load.slow_ehr PORT SECONDS`: a FHIR server on loopback that takes so long for each answer.

A process of its own, so that its work is not the generator's. Answers are made once and kept.
"""

import asyncio
import sys

import httpx

from tests.support.charts import imnm_chart
from tests.support.ehr_simulator import EhrSimulator


class SlowEhr:
    """The bendable EHR behind a real socket."""

    def __init__(self, port: int, seconds: float) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._ehr = EhrSimulator(imnm_chart(), base=f"{self._base}/fhir")
        self._seconds = seconds
        self._kept: dict[str, bytes] = {}

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection until it ends."""
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ", 2)[1]
                answer = await self._answer(path)
                await asyncio.sleep(self._seconds)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, path: str) -> bytes:
        if path not in self._kept:
            response = await self._ehr.handle_async_request(httpx.Request("GET", self._base + path))
            body = await response.aread()
            head = f"HTTP/1.1 {response.status_code} X\r\nContent-Type: application/fhir+json\r\n"
            self._kept[path] = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        return self._kept[path]


async def main(port: int, seconds: float) -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(SlowEhr(port, seconds).converse, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
