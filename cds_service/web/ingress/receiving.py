"""The bodies that are on their way: a small number, so many bytes; where there is no room, the slowest one ends with 408."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from cds_service.errors import BusyError, TooSlowError
from cds_service.settings.limits import Limits

_STEP = 16 * 1024  # bytes that count as progress: a drop now and then is none
_GRACE_S = 0.2  # an honest body has made progress or is complete by then
_TRIES = 5  # so many times a body waits for another's grace to end


@dataclass(eq=False, slots=True)
class _Arriving:
    """One that is being received. `moved`: when it last made progress (loop time, s)."""

    moved: float
    size: int = 0
    fresh: int = 0  # bytes since then
    ended: bool = False
    waiting: bool = False  # for its next chunk; elsewhere its task must not be disturbed
    until: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


class Receiving:
    """The bodies of one process that are being received, the one that has made no progress for longest first.

    `start` is awaited for each that is complete, before its call goes on.
    """

    def __init__(self, limits: Limits, start: Callable[[], Awaitable[None]] | None = None) -> None:
        self._start = start
        self._most = limits.bodies
        self._most_bytes = limits.bodies_bytes
        self._bodies: dict[_Arriving, None] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._bodies)

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass on the chunks of one body.

        Raises BusyError where there is no room for it, TooSlowError where it had to make room for another.
        """
        body = _Arriving(asyncio.get_running_loop().time())
        if len(self._bodies) >= self._most:
            await self._make_room(body)
        self._bodies[body] = None
        try:
            async with body.until:
                body.waiting = True
                async for chunk in chunks:
                    body.waiting = False
                    self._count(body, len(chunk))
                    if self._size > self._most_bytes:
                        await self._make_room(body)
                    yield chunk
                    if body.ended:
                        raise TimeoutError  # noqa: TRY301 - ended while it was not waiting
                    body.waiting = True
        except TimeoutError:
            raise TooSlowError("the body came too slowly, and others wait") from None
        finally:
            del self._bodies[body]
            self._size -= body.size
        if self._start:
            await self._start()

    def _count(self, body: _Arriving, size: int) -> None:
        body.size += size
        body.fresh += size
        self._size += size
        if body.fresh >= _STEP:
            body.fresh, body.moved = 0, asyncio.get_running_loop().time()
            self._bodies[body] = self._bodies.pop(body)  # to the end

    async def _make_room(self, wanting: _Arriving) -> None:
        """End the body that has made no progress for longest; raises BusyError where all of them move."""
        loop = asyncio.get_running_loop()
        for _ in range(_TRIES):
            slowest = next((b for b in self._bodies if not b.ended and b is not wanting), None)
            if slowest is None:
                return  # those that end make room
            if (grace := slowest.moved + _GRACE_S - loop.time()) <= 0:
                slowest.ended = True
                if slowest.waiting:
                    slowest.until.reschedule(loop.time())
                return
            await asyncio.sleep(grace)
        raise BusyError("too many bodies at once")
