"""Who is let in: so many connections in all and of one peer; where there is no room, the one that has waited longest ends.

A connection waits until its next request is there, head and body. Honest callers do so for milliseconds, or move on, so
that a flood of half-open connections pushes out its own.
"""

import asyncio
import errno
import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from cds_service.events import Event, Events
from cds_service.settings.limits import Limits

ACCEPTED_AT_ONCE = 100  # connections that asyncio takes from the system before any is looked at
_RESERVE = ACCEPTED_AT_ONCE + 50  # file descriptors for these, and for files
_FEWEST = 32  # connections that are always let in
SAY_S = 2  # how often it is said that connections were ended


class Waiting(Protocol):
    """A connection, as the door sees it."""

    peer: str

    def make_room(self) -> None:
        """End at once."""


class Door:
    """What the connections of one process share. `trusted`: networks of proxies, which speak for many peers."""

    def __init__(self, limits: Limits, events: Events, trusted: Collection[str] = ()) -> None:
        self.limits = limits
        self.events = events
        self._trusted = [ipaddress.ip_network(network) for network in trusted]
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = max(_FEWEST, min(limits.client_connections, files - _RESERVE - limits.connections))
        self.open: Counter[str] = Counter()
        self.total = 0
        self._waiting: dict[Waiting, None] = {}
        self._ended = 0
        self._say: asyncio.TimerHandle | None = None

    def admit(self, connection: Waiting) -> bool:
        """Let a connection in, ending another if need be; false where none can be ended. It counts until `leave`."""
        self.open[connection.peer] += 1
        self.total += 1
        of_peer = self.open[connection.peer] > self.limits.peer_connections
        crowded = of_peer and not any(
            ipaddress.ip_address(connection.peer) in network for network in self._trusted
        )
        if self.total <= self.most and not crowded:
            return True
        self._ended += 1
        if self._say is None:  # how many were ended is said every few seconds: a flood must not fill the log
            self._say = asyncio.get_running_loop().call_later(SAY_S, self._report)
        victim = next(
            (other for other in self._waiting if not crowded or other.peer == connection.peer), None
        )
        if victim is None:
            return False
        self.busy(victim)
        victim.make_room()
        return True

    def wait(self, connection: Waiting) -> None:
        """Take note that it waits for a request, from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def busy(self, connection: Waiting) -> None:
        """Take note that it has a request to answer, or is ending."""
        self._waiting.pop(connection, None)

    def leave(self, connection: Waiting) -> None:
        """Forget a connection that is closed."""
        self.busy(connection)
        self.total -= 1
        self.open[connection.peer] -= 1
        if not self.open[connection.peer]:
            del self.open[connection.peer]

    def _report(self) -> None:
        self.events.emit(Event.CROWDED, connections=self.total, ended=self._ended)
        self._ended, self._say = 0, None


def quiet_about_files(
    say: Callable[[str], None], every_s: float = 60
) -> Callable[[asyncio.AbstractEventLoop, Mapping[str, Any]], None]:
    """Return a handler of asyncio's complaints: one line a minute where file descriptors run out.

    It would say so a hundred times for each connection that it cannot take.
    """
    last = -every_s

    def handle(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        nonlocal last
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in {errno.EMFILE, errno.ENFILE}:
            loop.default_exception_handler(dict(context))
        elif time.monotonic() - last >= every_s:
            last = time.monotonic()
            say("no file descriptor is left for a connection: raise the limit (ulimit -n)")

    return handle
