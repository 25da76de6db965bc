"""Results in order of time: which is the latest, which are recent, and in what order those of one time come."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from operator import attrgetter, lt

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.laboratory.bounds import (
    Reach,
    above_limit,
    agreed,
    amount_of,
    at_most,
    bounded,
    highest_reach,
    is_bounded,
    is_raised,
    rank,
    reach,
    size,
)
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
    measured = newest(results, _is_measured)
    return _written_highest(measured) if measured else None


class Highest(Struct, frozen=True):
    """The highest of the results of one time, as far as their bounds say.

    `stands` is the one that is written the highest; another may be it where a bound or an interval leaves that open.
    """

    stands: Result
    likely: tuple[Result, ...]  # those that may be it
    floor: Result  # the one whose lower bound is the highest: it certainly is not below it
    reach: Reach

    def above_limit(self, times: Decimal | int = 1) -> bool | None:
        """Whether it exceeds so many times its own upper limit (F8), whichever it is; None: left open."""
        if len(self.likely) == 1:
            return above_limit(self.stands, times)
        return agreed(self._above_limit_as(result, times) for result in self.likely)

    @property
    def is_within_limit(self) -> bool | None:
        """Whether it surely is within its own upper limit (F8); None: that depends on which it is."""
        return agreed(self._above_limit_as(result, 1) is False for result in self.likely)

    @property
    def left_open_by(self) -> tuple[Result, ...]:
        """What leaves a question about it open."""
        return bounded(*self.likely) or self.likely

    def _above_limit_as(self, result: Result, times: Decimal | int) -> bool | None:
        """Whether it does if it is this one, which then is not below any other."""
        own = above_limit(result, times)
        return own if own is not None else is_raised(replace(self.floor, limits=result.limits), times) or None


def highest_at_once(together: Sequence[Result]) -> Highest:
    """The highest of results of one time that have a magnitude."""
    stands = _written_highest(together)
    if len(together) == 1:
        return Highest(stands, (stands,), stands, reach(stands))
    reaches = [reach(result) for result in together]
    top, floor = highest_reach(reaches), max(together, key=lambda r: (reach(r).low, reach(r).low_open))
    is_tied = is_bounded(stands) and not top.low_open
    likely = [
        result
        for result, own in zip(together, reaches, strict=True)
        if own.high > top.low or result is stands or (is_tied and own.low == top.low)
    ]
    return Highest(stands, tuple(likely), floor, top)


def latest_as_bounded(results: Sequence[Result]) -> Highest | None:
    """The latest result that has a magnitude; of several at one time the highest as far as their bounds say."""
    measured = newest(results, _is_measured)
    return highest_at_once(measured) if measured else None


def _is_measured(result: Result) -> bool:
    return result.amount is not None


def _written_highest(together: Sequence[Result]) -> Result:
    """Of results of one time the highest as written, then the lowest id."""
    if len(together) == 1:
        return together[0]
    return max(sorted(together, key=NAME), key=lambda result: size(amount_of(result)))


def newest(results: Sequence[Result], counts: Callable[[Result], bool]) -> Sequence[Result]:
    """Of results in order of time those that count, at the latest time at which one does."""
    counted: list[Result] = []
    for result in reversed(results):
        if counted and result.when.last < counted[0].when.last:
            break
        if counts(result):
            counted.append(result)
    return counted


def may_be_highest(results: Sequence[Result]) -> Sequence[Result]:
    """Those that may be the highest, of several equally high ones the earliest; of one time all of these."""
    if not any(map(is_bounded, results)):
        return [result for result in (highest(results),) if result]
    reaches = [reach(result) for result in results]
    top = highest_reach(reaches)
    since = min(LAST(result) for result, own in zip(results, reaches, strict=True) if own.low == top.low)
    may_be_equal = not top.low_open
    return [
        result
        for result, own in zip(results, reaches, strict=True)
        if own.high > top.low
        or (own.high == top.low and may_be_equal and not own.high_open and LAST(result) <= since)
    ]


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


def recent(results: Sequence[Result], as_of: datetime, within: timedelta) -> Sequence[Result]:
    """The results that are at most so old at `as_of`; a partial date counts as its last possible instant (F3).

    `results` are in order of time.
    """
    return results[bisect_left(results, -within, key=lambda result: result.when.last - as_of) :]
