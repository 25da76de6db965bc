"""Titled bands of an antibody, as in "negative" to 5, "borderline" 6 to 10: which of them holds a value (F8)."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fhir_mapping.record import Number
from fhir_mapping.terms.units import sane

Title = Literal["", "positive", "weak", "negative"]  # what a band says; empty: there is none
Place = tuple[Decimal, int]
"""A number, and whether it is that number (0), or just below (-1) or just above it (1)."""

_LOWEST: Place = (Decimal("-Infinity"), 0)
_HIGHEST: Place = (Decimal("Infinity"), 0)


@dataclass(frozen=True, slots=True)
class Band:
    """A range with a title; an open end is None."""

    low: Decimal | None
    high: Decimal | None
    title: Title

    @property
    def ends(self) -> tuple[Place, Place]:
        """Its ends, which belong to it."""
        return (
            _LOWEST if self.low is None else (self.low, 0),
            _HIGHEST if self.high is None else (self.high, 0),
        )

    def holds(self, number: Number) -> bool:
        """Whether a number that is no interval and has no comparator lies in it."""
        low, high = self.ends
        is_exact = number.upto is None and not number.comparator
        return is_exact and low <= (number.value, 0) <= high


def highest_end(bands: Iterable[Band]) -> Decimal | None:
    """The upper end of the highest of some bands; None: one of them has none."""
    highs = [band.high for band in bands]
    return None if None in highs else max((high for high in highs if high is not None), default=None)


def title_of(number: Number, bands: Sequence[Band]) -> Title | None:
    """The title of the band that holds all that a number allows; empty: no band does, None: it leaves it open.

    Between two bands it is that of the lower, above all of them positive, below all of them negative if the lowest is.
    """
    if not bands or not sane(number.value):
        return ""
    ascending = sorted(bands, key=lambda band: band.ends)
    titles = set(_titles_at(sorted(_places(number, ascending)), ascending))
    return titles.pop() if len(titles) == 1 else None


def _titles_at(places: Iterable[Place], bands: Iterable[Band]) -> Iterator[Title]:
    """The title at each place; both ascend, so that a band which lies below one place lies below all that follow."""
    left = deque(bands)
    lower: Title = "negative" if left[0].title == "negative" else ""
    for place in places:
        while left and place > left[0].ends[1] and place >= left[0].ends[0]:
            lower = left.popleft().title
        if not left:
            yield "positive"
        else:
            yield lower if place < left[0].ends[0] else left[0].title


def _places(number: Number, bands: Sequence[Band]) -> Iterator[Place]:
    """The ends of what a number allows, and every place between them where another title may begin."""
    first, last = (number.value, 0), (number.value if number.upto is None else number.upto, 0)
    if number.comparator.startswith("<"):
        first, last = _LOWEST, (last[0], 0 if number.comparator == "<=" else -1)
    elif number.comparator.startswith(">"):
        first, last = (first[0], 0 if number.comparator == ">=" else 1), _HIGHEST
    yield from (first, last)
    ends = ((end, beside) for band in bands for end, _ in band.ends for beside in (-1, 0, 1))
    yield from (place for place in ends if first < place < last)
