"""Results in order of time: which is the latest, which are recent, and in what order those of one time come."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter, lt

from fhir_mapping.laboratory.bounds import amount_of, at_most, rank, size
from fhir_mapping.record import Result

LAST = attrgetter("when.last")  # the order of a record's results
NAME = attrgetter("resource")  # in the order of the ids: all are Observations
_EARLIEST = attrgetter("when.last", "resource")


def at_different_times(results: Sequence[Result]) -> bool:
    """Whether results are in order of time, and no two of one time: nearly always, and told at a glance."""
    times = [result.when.last for result in results]
    return all(map(lt, times, islice(times, 1, None)))


def lowest_id_last(results: Sequence[Result]) -> Sequence[Result]:
    """Results in order of time, of one time the lowest id last."""
    if at_different_times(results):
        return results
    return sorted(sorted(results, key=NAME, reverse=True), key=LAST)


def latest(results: Sequence[Result]) -> Result | None:
    """The latest result that has a magnitude; of several at one time the highest, then the lowest id.

    `results` are in order of time, as `PatientRecord.of` gives them.
    """
    measured = newest(results, lambda result: result.amount is not None)
    if len(measured) > 1:
        return max(sorted(measured, key=NAME), key=lambda r: size(amount_of(r)))
    return measured[0] if measured else None


def newest(results: Sequence[Result], counts: Callable[[Result], bool]) -> Sequence[Result]:
    """Of results in order of time those that count, at the latest time at which one does."""
    found: list[Result] = []
    for result in reversed(results):
        if found and result.when.last < found[0].when.last:
            break
        if counts(result):
            found.append(result)
    return found


def highest(results: Sequence[Result]) -> Result | None:
    """The highest result, of several the earliest, then the lowest id."""
    most = max([amount_of(result).value for result in results], default=None)
    equal = sorted([r for r in results if amount_of(r).value == most], key=_EARLIEST)
    return max(equal, key=lambda r: size(amount_of(r)), default=None)


def lowest(results: Sequence[Result]) -> Result | None:
    """The lowest result, an interval being as low as its upper end; of several the earliest, then the lowest id."""
    least = min([at_most(result) for result in results], default=None)
    equal = sorted([r for r in results if at_most(r) == least], key=_EARLIEST)
    return min(equal, key=lambda r: rank(amount_of(r).comparator), default=None)


def recent(results: Sequence[Result], as_of: datetime, at_most: timedelta) -> Sequence[Result]:
    """The results that are at most so old at `as_of`; a partial date counts as its last possible instant (F3).

    `results` are in order of time.
    """
    return results[bisect_left(results, -at_most, key=lambda result: result.when.last - as_of) :]
