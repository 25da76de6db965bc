"""What keeps one FHIR server from costing too much: it from us, and us from it. Pure: the time is given (s)."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar


@dataclass(slots=True)
class Breaker:
    """After `failures` requests in a row without an answer a server is left alone for `seconds`, then asked once."""

    failures: int
    seconds: float
    _in_a_row: int = 0
    _until: float = -inf
    _probing: bool = False

    def lets_through(self, now: float) -> bool:
        """Whether a request may be sent; of a server that failed one at a time, each after a rest."""
        if self._in_a_row < self.failures:
            return True
        if self._probing or now < self._until:
            return False
        self._probing = True
        return True

    def answered(self) -> None:
        """Note an answer: the server works, whatever it said."""
        self._in_a_row, self._probing = 0, False

    def failed(self, now: float) -> None:
        """Note a request that no answer came to."""
        self._in_a_row += 1
        self._probing = False
        if self._in_a_row >= self.failures:
            self._until = now + self.seconds

    def given_up(self) -> None:
        """Note a request that we gave up: it says nothing of the server."""
        self._probing = False


@dataclass(slots=True)
class Quota:
    """What is asked of the servers of one client in each minute: requests and bytes of answers."""

    requests: int
    bytes: int
    _requests_spent: int = 0
    _bytes_spent: int = 0
    _begun: float = -inf
    MINUTE: ClassVar[float] = 60.0

    def takes_request(self, now: float) -> bool:
        """Count a request; says whether there was room for it."""
        if now - self._begun >= self.MINUTE:
            self._begun, self._requests_spent, self._bytes_spent = now, 0, 0
        if self._requests_spent >= self.requests or self._bytes_spent >= self.bytes:
            return False
        self._requests_spent += 1
        return True

    def takes_bytes(self, number: int) -> None:
        """Count bytes of an answer."""
        self._bytes_spent += number
