"""A CK that rises after an improvement: possible relapse by CK (R2 b and c), CK rising (R2b).

Bounds and intervals decide if they can, and else leave the question open (D6): the truth of a `Tristate` is then None, and
it names the results that leave it so.
"""

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct

from fhir_mapping.laboratory.bounds import (
    Reach,
    above_limit,
    amount_of,
    at_most,
    bounded,
    is_bounded,
    is_raised,
    lowest_reach,
    reach,
    size,
)
from fhir_mapping.laboratory.results import (
    LAST,
    Highest,
    at_different_times,
    highest_at_once,
    latest_as_bounded,
    lowest,
    lowest_id_last,
    newest,
)
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Result
from fhir_mapping.rules.tristate import NO, YES, Standings, Tristate, both, either, left_to

_PER_CENT = 100
_NOTHING = Decimal(0)
_EVERYTHING = Decimal("Infinity")


class Rise(Struct, frozen=True):
    """The answer to one question of R2 or R2b; where it holds, what is high and the nadir that it is compared with."""

    answer: Tristate = NO
    high: tuple[Result, ...] = ()
    nadir: Result | None = None

    @property
    def holds(self) -> bool:
        """Whether it certainly holds."""
        return self.answer.truth is True


NO_RISE = Rise()


class Improvement(Struct, frozen=True):
    """A result that is an improvement (R2), or may be one: then `answer` is open."""

    ck: Result
    answer: Tristate


@asked_once
def in_order(record: PatientRecord) -> Sequence[Result]:
    """Every CK that has a limit, the latest last; of one time the highest last, of equal ones the lower id."""
    cks = [ck for ck in record.of("ck") if ck.amount and ck.limits.high]
    if at_different_times(cks):
        return cks
    return sorted(lowest_id_last(cks), key=lambda ck: (ck.when.last, size(amount_of(ck))))


@asked_once
def latest_ck(record: PatientRecord) -> Highest | None:
    """The latest CK that has a limit; of one time the highest, as far as their bounds say."""
    return latest_as_bounded(in_order(record))


def confirmed_rise(record: PatientRecord) -> Rise:
    """R2 (b): the latest CK of each of the two last days, both high after an improvement."""
    latest = latest_ck(record)
    if latest is None or not _is_now(record, latest):
        return NO_RISE
    zone, now = record.mapping.time_zone, latest.stands.when
    day = now.day(zone)
    before = newest(in_order(record), lambda ck: ck.when.day(zone) != day)
    pair_days = record.mapping.tables.rules.days("activity.pair_days")
    if not before or now.last - before[0].when.last > pair_days:
        return NO_RISE
    return _risen(record, (highest_at_once(before), latest), "activity.")


def steep_rise(record: PatientRecord) -> Rise:
    """R2 (c): the latest CK alone, ≥ 3 × nadir and > 5 × ULN."""
    return _latest_alone(record, "activity.single_")


def rising(record: PatientRecord) -> Rise:
    """R2b: the latest CK alone, ≥ 1.5 × nadir and > 1.5 × ULN."""
    return _latest_alone(record, "activity.")


@asked_once
def improvements(record: PatientRecord) -> Sequence[Improvement]:
    """R2: results ≤ 2 × ULN or ≤ 50 % of the highest before them, where that highest is > 2 × ULN; those that may be."""
    rules = record.mapping.tables.rules
    times = rules.number("activity.improved_times_uln")
    part = rules.number("activity.improved_percent_of_peak") / _PER_CENT
    cks = in_order(record)
    if all(map(_is_certain, cks)):
        return _certain_improvements(cks, times, part)
    return _possible_improvements(cks, times, part)


def _is_certain(ck: Result) -> bool:
    """Whether it is one number, with one limit."""
    return not (ck.limits.highs or is_bounded(ck))


def _certain_improvements(cks: Sequence[Result], times: Decimal, part: Decimal) -> Sequence[Improvement]:
    """Those of single numbers, where nothing is left open: what `_possible_improvements` says of them."""
    improved: list[Improvement] = []
    highest, is_high = _NOTHING, False
    for _, group in groupby(cks, key=LAST):
        numbers = [(amount_of(ck).value, times * (ck.limits.high or _NOTHING), ck) for ck in group]
        if is_high:
            enough = part * highest
            improved += [
                Improvement(ck, YES) for value, low, ck in numbers if value <= low or value <= enough
            ]
        for value, low, _ in numbers:
            if value > highest:
                highest, is_high = value, value > low
    return improved


def _possible_improvements(cks: Sequence[Result], times: Decimal, part: Decimal) -> Sequence[Improvement]:
    """Those of whatever laboratories write, bounds and intervals among it."""
    top = _Top(times)
    improved: list[Improvement] = []
    for _, group in groupby(cks, key=LAST):
        together = list(group)
        for ck in together:
            answer = both(top.is_high(), either(times_uln(ck, top.times).no(), top.is_halved_by(ck, part)))
            if answer.truth is not False:
                improved.append(Improvement(ck, answer))
        for ck in together:
            top.add(ck)
    return improved


def times_uln(ck: Result | Highest, times: Decimal) -> Tristate:
    """Whether a CK, or the highest of one time, exceeds so many times its own limit (F8)."""
    if isinstance(ck, Highest):
        return left_to(ck.above_limit(times), *ck.left_open_by)
    return left_to(above_limit(ck, times), ck)


class _Rival(NamedTuple):
    """A result that may be the highest, by its upper bound; `place` is where it stands."""

    at_most: Decimal
    place: int
    answer: bool | None


@dataclass(slots=True)
class _Top:
    """The highest of the results so far, as far as their bounds say: one that surely is, and rivals that may be.

    Each question costs the same, however many rivals there are: those that are bounded stand in `bounded`, and of what
    each that is not raised by itself must exceed to be so the most is kept, of the rivals in a heap.
    """

    times: Decimal
    best: Result | None = None  # the highest lower bound
    rivals: list[_Rival] = field(default_factory=list)  # a heap, by upper bound
    needed: list[tuple[Decimal, Decimal]] = field(default_factory=list)  # a heap: minus that, upper bound
    answers: Counter[bool | None] = field(default_factory=Counter)
    bounded: Standings = field(default_factory=Standings)
    best_place: int | None = None  # in `bounded`
    ceiling: Decimal = _NOTHING  # the highest that any of them can be
    ceiling_open: bool = False  # all that can be so high are below it
    strictly_over: Decimal = _NOTHING  # the highest number that one is written to exceed
    needed_anyway: Decimal = _NOTHING  # what those without an upper bound must exceed

    def add(self, ck: Result) -> None:
        """Take in one more result."""
        answer, amount = times_uln(ck, self.times).truth, amount_of(ck)
        if amount.comparator.startswith(">"):
            self.bounded.come(ck)
            self.answers[answer] += 1
            if answer is not True:
                self.needed_anyway = max(self.needed_anyway, _must_exceed(ck, self.times))
            if amount.comparator == ">":
                self.strictly_over = max(self.strictly_over, amount.value)
        elif is_bounded(ck):
            heapq.heappush(self.rivals, _Rival(at_most(ck), self.bounded.come(ck), answer))
            self.answers[answer] += 1
            if answer is not True:
                heapq.heappush(self.needed, (-_must_exceed(ck, self.times), at_most(ck)))
        if (own := reach(ck)).high >= self.ceiling:
            self.ceiling_open = own.high_open and (self.ceiling_open or own.high > self.ceiling)
            self.ceiling = own.high
        if self.best is None or _floor(ck) > _floor(self.best):
            self._lead(ck)
        floor = _at_least(ck if self.best is None else self.best)
        while self.rivals and self.rivals[0].at_most <= floor:
            gone = heapq.heappop(self.rivals)
            self.answers[gone.answer] -= 1
            self.bounded.go(gone.place)
        while self.needed and self.needed[0][1] <= floor:
            heapq.heappop(self.needed)

    def is_high(self) -> Tristate:
        """Whether the highest is > 2 × ULN."""
        if self.best is None:
            return NO
        told = {answer for answer, count in self.answers.items() if count}
        told.add(times_uln(self.best, self.times).truth)
        if len(told) == 1 and None not in told:
            return Tristate(told.pop())
        # Each that may be the highest is > 2 × ULN if it is: then it is not below any other
        floor = _at_least(self.best)
        needed = [self.needed_anyway, *(-least for least, _ in self.needed[:1])]
        needed += [] if is_raised(self.best, self.times) else [_must_exceed(self.best, self.times)]
        is_exceeded = floor > max(needed) or (self.strictly_over == floor == max(needed))
        return YES if is_exceeded else Tristate(None, (self.bounded.present(),))

    def is_halved_by(self, ck: Result, part: Decimal) -> Tristate:
        """Whether a result is at most that part of the highest."""
        if self.best is None:
            return NO
        highest = Reach(_at_least(self.best), self.ceiling, high_open=self.ceiling_open)
        exceeds = reach(ck).exceeds(part, highest)
        if exceeds is None:
            return Tristate(None, (*bounded(ck), self.bounded.present()))
        return NO if exceeds else YES

    def _lead(self, ck: Result) -> None:
        if self.best_place is not None:
            self.bounded.go(self.best_place)
        self.best, self.best_place = ck, self.bounded.come(ck) if is_bounded(ck) else None


def _floor(ck: Result) -> tuple[Decimal, bool]:
    """What a CK is not below, and whether it is above it."""
    return _at_least(ck), amount_of(ck).comparator == ">"


def _must_exceed(ck: Result, times: Decimal) -> Decimal:
    """What a result that is above it certainly exceeds so many times its own limit with (F8)."""
    limits = ck.limits
    needed = [times * max(limits.highs)] if limits.highs else []
    needed += [] if limits.high is None else [times * limits.high]
    return min(needed, default=_EVERYTHING)


def _latest_alone(record: PatientRecord, height: str) -> Rise:
    latest = latest_ck(record)
    if latest is None or not _is_now(record, latest):
        return NO_RISE
    return _risen(record, (latest,), height)


def _is_now(record: PatientRecord, ck: Highest) -> bool:
    within = record.mapping.tables.rules.days("activity.recent_days")
    return record.as_of - ck.stands.when.last <= within


def _risen(record: PatientRecord, high: Sequence[Highest], name: str) -> Rise:
    """Whether all that is high is so after an improvement before it; `name` is where its height stands in the rules."""
    rules = record.mapping.tables.rules
    times_nadir, of_limit = rules.number(f"{name}times_nadir"), rules.number(f"{name}times_uln")
    over_uln = [times_uln(ck, of_limit) for ck in high]
    if NO in over_uln:
        return NO_RISE
    better, since = improvements(record), high[0].stands.when.last
    better = better[: bisect_left(better, since, key=lambda each: each.ck.when.last)]
    if not better:
        return NO_RISE
    sure = [each.ck for each in better if each.answer.truth]
    improved = YES if sure else either(*(each.answer for each in better))
    every = [each.ck for each in better]
    nadir = lowest_reach(map(reach, sure), map(reach, every))
    over_nadir = [left_to(ck.reach.reaches(times_nadir, nadir), *bounded(*ck.likely, *every)) for ck in high]
    return Rise(both(improved, *over_nadir, *over_uln), tuple(ck.stands for ck in high), lowest(sure))


def _at_least(ck: Result) -> Decimal:
    """What a CK certainly is not below."""
    amount = amount_of(ck)
    return _NOTHING if amount.comparator.startswith("<") else amount.value
