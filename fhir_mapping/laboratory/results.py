"""Which result is the latest, and which are recent."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from fhir_mapping.laboratory.bounds import amount_of, size
from fhir_mapping.record import Result


def latest(results: Iterable[Result]) -> Result | None:
    """The latest result that has a magnitude; of several at one time the highest, then the lowest id."""
    measured = [r for r in results if r.amount]
    newest = max((r.when.last for r in measured), default=None)
    by_id = sorted((r for r in measured if r.when.last == newest), key=lambda r: r.id)
    return max(by_id, key=lambda r: size(amount_of(r)), default=None)


def recent(results: Iterable[Result], as_of: datetime, at_most: timedelta) -> tuple[Result, ...]:
    """The results that are at most so old at `as_of`; a partial date counts as its last possible instant (F3)."""
    return tuple(r for r in results if as_of - r.when.last <= at_most)
