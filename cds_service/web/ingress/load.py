"""How busy this process is: what is beyond it is refused at the edge, before anything is done for it."""

import asyncio

from cds_service.errors import BusyError
from cds_service.settings.limits import Limits

_BEAT_S = 0.02
_ROUNDS = 4  # of the event loop between two starts: in them a newcomer is accepted, read and perhaps refused
_WEIGHT = 0.2  # of the newest beat
_MOST = 4  # times the lag that is too much, of one beat: one long step of one call, or a paused machine, is no overload


def turn(turns: asyncio.Semaphore, refusal: str = "too many calls at once") -> asyncio.Semaphore:
    """The turns, to take one for a call whose body is there; raises BusyError that says so where all are taken."""
    if turns.locked():
        raise BusyError(refusal)
    return turns


class Load:
    """Watches how long calls wait for their start, and how late the event loop is (s, an average of the last beats).

    Calls that wait for a FHIR server are no load: one hospital whose server hangs must cost another nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.lag = 0.0
        self._start = asyncio.Lock()
        self._waiting = 0
        self._last = 0.0  # when a call started (loop time, s)
        self._round = 0.0  # from one start to the next while calls wait for theirs (s, an average)

    @property
    def too_much(self) -> bool:
        """Whether a further call would only wait."""
        late = self._waiting * self._round > self._limits.start_seconds
        return late or self.lag > self._limits.lag_seconds

    async def start(self) -> None:
        """Wait for the start of a call whose body is there: one in a few rounds of the event loop.

        Sockets are read between two of them, so that who comes late is refused early.
        """
        self._waiting += 1
        try:
            before = asyncio.get_running_loop().time()
            async with self._start:
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
                now = asyncio.get_running_loop().time()
                self._round += _WEIGHT * (now - max(before, self._last) - self._round)
                self._last = now
        finally:
            self._waiting -= 1

    async def watch(self) -> None:
        """Measure until cancelled."""
        loop, most = asyncio.get_running_loop(), _MOST * self._limits.lag_seconds
        while True:
            due = loop.time() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.lag += _WEIGHT * (min(max(0.0, loop.time() - due), most) - self.lag)
