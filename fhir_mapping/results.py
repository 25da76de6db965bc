"""Which result is the latest, and how it stands to its own limit (F8)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from fhir_mapping.bounds import above
from fhir_mapping.record import Result


def latest(results: Iterable[Result]) -> Result | None:
    """The latest result that has a magnitude; of several at one time the highest, then the lowest id."""
    measured = sorted((r for r in results if r.amount), key=lambda r: r.id)
    return max(measured, key=lambda r: (r.when.last, r.amount.value if r.amount else 0), default=None)


def within(results: Iterable[Result], as_of: datetime, at_most: timedelta) -> tuple[Result, ...]:
    """The results that are at most so old at `as_of`; a partial date counts as its last possible instant (F3)."""
    return tuple(r for r in results if as_of - r.when.last <= at_most)


def above_limit(result: Result, times: Decimal = Decimal(1)) -> bool | None:
    """Whether the result is above its upper limit × `times`; None without a limit, or where a comparator leaves it open."""
    if result.amount is None or result.limits.high is None:
        return None
    return above(result.amount.value, result.amount.comparator, result.limits.high * times)
