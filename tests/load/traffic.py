"""Calls at a fixed rate over real sockets, and what became of each.

The rate does not wait for answers: a call is late from the moment at which it was due, so a service that stops for a
second is seen in all calls of that second.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_PATIENCE_S = 20.0  # a call without an answer after this is lost


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `status` is 0 where no whole answer came; times in seconds."""

    status: int
    from_due: float
    from_sent: float
    retry_after: bool = False


@dataclass
class Outcome:
    """All calls of one run."""

    calls: list[Call] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(call.status for call in self.calls)

    def milliseconds(self, share: float, status: int = 200, *, sent: bool = False) -> float:
        """A quantile of the times of the answers of one status; from the sending on where `sent`."""
        times = [call.from_sent if sent else call.from_due for call in self.calls if call.status == status]
        if len(times) < 2:
            return sum(times) * 1000
        return statistics.quantiles(times, n=1000, method="inclusive")[round(share * 1000) - 1] * 1000


class Caller:
    """Connections to one service; one is used again as soon as it has its answer, and there are at most `most`."""

    def __init__(self, port: int, body: bytes, most: int = 300) -> None:
        head = "POST /cds-services/imnm-recurrence HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self._port = port
        self._request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._turns = asyncio.Semaphore(most)

    async def call(self, due: float) -> Call:
        """Send one call and wait for its answer; `due` is the loop time at which it should have been sent."""
        time = asyncio.get_running_loop().time
        async with self._turns:
            sent = time()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    status, retry = await self._once()
            except (OSError, EOFError, TimeoutError, ValueError):
                status, retry = 0, False
            return Call(status, time() - due, time() - sent, retry)

    async def _once(self) -> tuple[int, bool]:
        fresh = not self._free
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port) if fresh else self._free.pop()
        try:
            status, retry, kept = await self._exchange(reader, writer)
        except (OSError, EOFError):
            writer.close()
            if fresh:
                raise
            return await self._once()  # a kept connection that the service had closed by then
        if kept:
            self._free.append((reader, writer))
        else:
            writer.close()
        return status, retry

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bool, bool]:
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        named = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(named["content-length"]))
        return int(head.split(" ", 2)[1]), "retry-after" in named, named.get("connection") != "close"

    def close(self) -> None:
        """Close what is open."""
        for _, writer in self._free:
            writer.close()


async def at_rate(caller: Caller, rate: float, seconds: float) -> Outcome:
    """Make so many calls a second, whatever becomes of the others."""
    time = asyncio.get_running_loop().time
    begun = time()
    tasks = []
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0, due - time()))
        tasks.append(asyncio.ensure_future(caller.call(due)))
    return Outcome(list(await asyncio.gather(*tasks)))


async def as_many_as_it_can(caller: Caller, seconds: float, at_once: int = 8) -> float:
    """Answers a second where each caller waits for the answer before the next call."""
    time = asyncio.get_running_loop().time
    begun = time()

    async def one() -> int:
        answered = 0
        while time() < begun + seconds:
            call = await caller.call(time())
            answered += call.status == 200
        return answered

    return sum(await asyncio.gather(*(one() for _ in range(at_once)))) / (time() - begun)


def report(outcomes: Sequence[Outcome]) -> str:
    """One line a run: counts by status (0: lost) and the quantiles of those that were served."""
    return "\n".join(
        f"  run {number}: {dict(sorted(one.statuses.items()))}, from due p50 {one.milliseconds(0.5):.0f} ms, "
        f"p95 {one.milliseconds(0.95):.0f} ms, p99 {one.milliseconds(0.99):.0f} ms"
        for number, one in enumerate(outcomes, start=1)
    )
