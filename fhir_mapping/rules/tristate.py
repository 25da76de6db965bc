"""Yes, no or open: what several questions say together when a bound or an interval leaves one of them open (D6)."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msgspec import Struct

from fhir_mapping.record import Result


class Standings:
    """Results that come and go: who stood at any of many moments is told at the cost of one."""

    def __init__(self) -> None:
        self._moment = 0
        self._stood: list[tuple[Result, int]] = []  # with the moment at which it came
        self._went: dict[int, int] = {}

    def come(self, result: Result) -> int:
        """Let a result stand from the next moment on; returns the place by which it goes."""
        self._moment += 1
        self._stood.append((result, self._moment))
        return len(self._stood) - 1

    def go(self, place: int) -> None:
        """Let it stand no more from the next moment on."""
        self._moment += 1
        self._went[place] = self._moment

    def present(self) -> "Standing":
        """Those who stand now."""
        return Standing(self, self._moment)

    def at(self, moments: Iterable[int]) -> Iterator[Result]:
        """Those who stood at one of these moments."""
        ascending = sorted(moments)
        for place, (result, came) in enumerate(self._stood):
            first = bisect_left(ascending, came)
            if first < len(ascending) and ascending[first] < self._went.get(place, self._moment + 1):
                yield result


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Those who stand at one moment."""

    among: Standings
    moment: int


class Tristate(Struct, frozen=True):
    """Yes, no, or (None) open; and the results whose bounds leave it open, many of them at once where they stand."""

    truth: bool | None
    left_open: tuple[Result | Standing, ...] = ()

    @property
    def open_by(self) -> tuple[Result, ...]:
        """The results whose bounds leave it open, each once."""
        moments: defaultdict[Standings, set[int]] = defaultdict(set)
        for cause in self.left_open:
            if isinstance(cause, Standing):
                moments[cause.among].add(cause.moment)
        single = (cause for cause in self.left_open if isinstance(cause, Result))
        standing = (result for among, some in moments.items() for result in among.at(some))
        return tuple({result.resource: result for result in (*single, *standing)}.values())

    def no(self) -> "Tristate":
        """The answer to the opposite question."""
        return self if self.truth is None else NO if self.truth else YES


NO = Tristate(truth=False)
YES = Tristate(truth=True)


def left_to(truth: bool | None, *results: Result) -> Tristate:
    """An answer that, where it is open, these results leave so."""
    return Tristate(None, results) if truth is None else YES if truth else NO


def both(*answers: Tristate) -> Tristate:
    """Whether all hold: no if one does not, else open if one is."""
    if any(answer.truth is False for answer in answers):
        return NO
    left = [answer for answer in answers if answer.truth is None]
    return Tristate(None, _together(left)) if left else YES


def either(*answers: Tristate) -> Tristate:
    """Whether one holds: yes if one does, else open if one is."""
    if any(answer.truth is True for answer in answers):
        return YES
    left = [answer for answer in answers if answer.truth is None]
    return Tristate(None, _together(left)) if left else NO


def _together(answers: list[Tristate]) -> tuple[Result | Standing, ...]:
    return tuple(cause for answer in answers for cause in answer.left_open)
