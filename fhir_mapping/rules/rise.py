"""A CK that rises after an improvement: possible relapse by CK (R2 b and c), CK rising (R2b).

Each question is asked twice: whether it certainly holds, and whether it may, given bounds and intervals (D6). Where it
may and does not certainly, it is open.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from fhir_mapping.laboratory.bounds import above, amount_of, at_least, is_raised, is_within, rank, size
from fhir_mapping.record import PatientRecord, Result
from fhir_mapping.terms.rules import Rules

_PER_CENT = 100
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rise:
    """The answer to one question of R2 or R2b. `nadir` is the improvement that `high` is compared with.

    Open: it does not certainly hold, and may; `high` and `nadir` are then what may make it so.
    """

    high: tuple[Result, ...] = ()
    nadir: Result | None = None
    is_open: bool = False

    @property
    def holds(self) -> bool:
        """Whether it certainly holds."""
        return bool(self.high) and not self.is_open


NO_RISE = Rise()


def in_order(record: PatientRecord) -> list[Result]:
    """Every CK that has a limit, the latest last; of one time the highest last, of equal ones the lower id."""
    cks = (ck for ck in record.of("ck") if ck.amount and ck.limits.high)
    by_id = sorted(cks, key=lambda ck: ck.id, reverse=True)
    return sorted(by_id, key=lambda ck: (ck.when.last, size(amount_of(ck))))


def confirmed_rise(record: PatientRecord, cks: Sequence[Result]) -> Rise:
    """R2 (b): the latest CK of each of the two last days, both high after an improvement."""
    rules = record.mapping.tables.rules
    pair_days, recent_days = rules.days("activity.pair_days"), rules.days("activity.recent_days")
    recent = (ck for ck in cks if record.as_of - ck.when.last <= pair_days + recent_days)
    pair = list({ck.when.day(record.mapping.time_zone): ck for ck in recent}.values())[-2:]
    if len(pair) < 2 or not _is_now(record, pair[1]):  # noqa: PLR2004
        return NO_RISE
    if pair[1].when.last - pair[0].when.last > pair_days:
        return NO_RISE
    return _risen(pair, cks, pair[0].when.last, _Height.of(rules, "activity."))


def steep_rise(record: PatientRecord, cks: Sequence[Result]) -> Rise:
    """R2 (c): the latest CK alone, ≥ 3 × nadir and > 5 × ULN."""
    return _latest_alone(record, cks, "activity.single_")


def rising(record: PatientRecord, cks: Sequence[Result]) -> Rise:
    """R2b: the latest CK alone, ≥ 1.5 × nadir and > 1.5 × ULN."""
    return _latest_alone(record, cks, "activity.")


def _latest_alone(record: PatientRecord, cks: Sequence[Result], height: str) -> Rise:
    if not cks or not _is_now(record, cks[-1]):
        return NO_RISE
    return _risen(cks[-1:], cks, cks[-1].when.last, _Height.of(record.mapping.tables.rules, height))


def _is_now(record: PatientRecord, ck: Result) -> bool:
    return record.as_of - ck.when.last <= record.mapping.tables.rules.days("activity.recent_days")


@dataclass(frozen=True, slots=True)
class _Height:
    """How high a CK must be against nadir and ULN, and what an improvement is."""

    rules: Rules
    times_nadir: Decimal
    times_uln: Decimal

    @staticmethod
    def of(rules: Rules, name: str) -> "_Height":
        return _Height(rules, rules.number(f"{name}times_nadir"), rules.number(f"{name}times_uln"))

    def certainly(self, ck: Result, nadir: Result) -> bool:
        amount, least = amount_of(ck), self.times_nadir * at_most(nadir)
        over_nadir = at_least(amount.value, amount.comparator, least, amount.upto)
        return over_nadir is True and is_raised(ck, self.times_uln)

    def possibly(self, ck: Result, lowest: Decimal) -> bool:
        amount = amount_of(ck)
        over_nadir = at_least(amount.value, amount.comparator, self.times_nadir * lowest, amount.upto)
        return over_nadir is not False and not is_within(ck, self.times_uln)


def _risen(high: Sequence[Result], cks: Sequence[Result], since: datetime, height: _Height) -> Rise:
    before = [ck for ck in cks if ck.when.last < since]
    nadir = lowest(improvements(before, height.rules))
    if nadir and all(height.certainly(ck, nadir) for ck in high):
        return Rise(tuple(high), nadir)
    may_be = list(_possible_improvements(before, height.rules))
    least = min(map(_at_least, may_be), default=None)
    if least is None or not all(height.possibly(ck, least) for ck in high):
        return NO_RISE
    return Rise(tuple(high), min(may_be, key=_at_least), is_open=True)


def lowest(cks: Iterable[Result]) -> Result | None:
    """The lowest, an interval being as low as its upper end; of several the earliest."""
    by_time = sorted(cks, key=lambda ck: (ck.when.last, ck.id))
    return min(by_time, key=lambda ck: (at_most(ck), rank(amount_of(ck).comparator)), default=None)


def highest(cks: Iterable[Result]) -> Result | None:
    """R1: the highest on record, of several the earliest."""
    by_time = sorted(cks, key=lambda ck: (ck.when.last, ck.id))
    return max(by_time, key=lambda ck: size(amount_of(ck)), default=None)


def at_most(ck: Result) -> Decimal:
    """Its value, of an interval the upper end."""
    amount = amount_of(ck)
    return amount.value if amount.upto is None else amount.upto


def _at_least(ck: Result) -> Decimal:
    amount = amount_of(ck)
    return _NOTHING if amount.comparator.startswith("<") else amount.value


def improvements(cks: Sequence[Result], rules: Rules) -> Iterator[Result]:
    """R2: results ≤ 2 × ULN or ≤ 50 % of the highest before them, where that highest is > 2 × ULN."""
    times = rules.number("activity.improved_times_uln")
    part = rules.number("activity.improved_percent_of_peak") / _PER_CENT
    top: Result | None = None
    for _, group in groupby(cks, key=lambda ck: ck.when.last):
        together = list(group)
        if top and is_raised(top, times):
            yield from (ck for ck in together if is_within(ck, times) or is_at_most(ck, part, top))
        known = [ck for ck in together if not amount_of(ck).comparator.startswith("<")]
        top = highest([top, *known] if top else known)


def _possible_improvements(cks: Sequence[Result], rules: Rules) -> Iterator[Result]:
    """What may be an improvement, bounds and intervals being read in its favour."""
    times = rules.number("activity.improved_times_uln")
    part = rules.number("activity.improved_percent_of_peak") / _PER_CENT
    top: Decimal | None = _NOTHING  # the highest that the results before may be; None: no limit
    may_be_high = False
    for _, group in groupby(cks, key=lambda ck: ck.when.last):
        together = list(group)
        for ck in together:
            if may_be_high and (not is_raised(ck, times) or top is None or _at_least(ck) <= part * top):
                yield ck
        may_be_high = may_be_high or not all(is_within(ck, times) for ck in together)
        unlimited = top is None or any(amount_of(ck).comparator.startswith(">") for ck in together)
        top = None if unlimited or top is None else max(top, *map(at_most, together))


def is_at_most(ck: Result, part: Decimal, of: Result) -> bool:
    """Whether a CK is certainly at most that part of another, which a `<` leaves open."""
    amount = amount_of(ck)
    return above(amount.value, amount.comparator, part * amount_of(of).value, amount.upto) is False
