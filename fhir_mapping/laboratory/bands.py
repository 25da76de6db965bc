"""Titled bands of an antibody, as in "negative" to 5, "borderline" 6 to 10: which of them holds a value (F8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fhir_mapping.record import Number
from fhir_mapping.terms.units import sane

Place = tuple[
    Decimal, int
]  # a number, and whether it is that number (0), just below (-1) or just above it (1)

_LOWEST: Place = (Decimal("-Infinity"), 0)
_HIGHEST: Place = (Decimal("Infinity"), 0)
_ABOVE_ALL = "positive"


@dataclass(frozen=True, slots=True)
class Band:
    """A range with a title; an open end is None. `is_normal`: its title says normal or negative."""

    low: Decimal | None
    high: Decimal | None
    title: str
    is_normal: bool

    @property
    def ends(self) -> tuple[Place, Place]:
        """Its ends, which belong to it."""
        return (
            _LOWEST if self.low is None else (self.low, 0),
            _HIGHEST if self.high is None else (self.high, 0),
        )


def title_of(number: Number, bands: Sequence[Band]) -> str | None:
    """The title of the band that holds all that a number allows; empty where it leaves it open, else None.

    Between two bands it is that of the lower, above all of them `positive`, below all of them that of the lowest if
    that is the normal one.
    """
    if not bands or not sane(number.value):
        return None
    ascending = sorted(bands, key=lambda band: band.ends)
    titles = {_title_at(place, ascending) for place in _places(number, ascending)}
    return (titles.pop() or None) if len(titles) == 1 else ""


def _title_at(place: Place, ascending: Sequence[Band]) -> str:
    lower = ascending[0].title if ascending[0].is_normal else ""
    for band in ascending:
        low, high = band.ends
        if place < low:
            return lower
        if place <= high:
            return band.title
        lower = band.title
    return _ABOVE_ALL


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
