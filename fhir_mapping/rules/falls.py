"""What has fallen since an earlier measurement: forced vital capacity and the ejection fraction (X2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from fhir_mapping.laboratory.bounds import amount_of
from fhir_mapping.laboratory.numbers import as_written, number_of
from fhir_mapping.laboratory.results import latest, recent
from fhir_mapping.record import Amount, PatientRecord, Result
from fhir_mapping.terms.units import sane, spelled


@dataclass(frozen=True, slots=True)
class Fall:
    """Two results of one code and unit, of which `after` is certainly lower by as much as X2 asks.

    Both carry an amount in the unit in which they are compared; `before` is the highest of the years before `after`.
    """

    after: Result
    before: Result


_Falls = Callable[[Decimal, Decimal], bool]  # of at least the first number to at most the second


def fvc_fall(record: PatientRecord) -> Fall | None:
    """The fall of the latest forced vital capacity, if it is as large as X2 asks; volumes stay in their own unit."""
    percent = record.mapping.tables.rules.number("context.fvc_fall_percent")
    return _fall(
        record,
        (read for fvc in record.of("fvc") if (read := _as_written(record, fvc))),
        lambda high, low: (high - low) * 100 >= percent * high,
    )


def lvef_fall(record: PatientRecord) -> Fall | None:
    """The fall of the latest ejection fraction, if it is as large as X2 asks."""
    points = record.mapping.tables.rules.number("context.lvef_fall_points")
    return _fall(record, record.of("lvef"), lambda high, low: high - low >= points)


def fvc_fell(record: PatientRecord) -> Result | None:
    """The forced vital capacity that has fallen (X2), for what it asks of the follow-up; None: it has not."""
    fall = fvc_fall(record)
    return fall.after if fall else None


def _fall(record: PatientRecord, results: Iterable[Result], has_fallen: _Falls) -> Fall | None:
    """X2: the latest result of the last year against those of the two years before it; bounds decide or do not."""
    rules, measured = record.mapping.tables.rules, [r for r in results if r.amount]
    after = latest(measured)
    if after is None or not recent([after], record.as_of, rules.days("context.fall_recent_days")):
        return None
    low, reach = _at_most(after), rules.days("context.fall_before_days")
    earlier = recent((r for r in measured if r.when.last < after.when.first), after.when.last, reach)
    known = [(high, r) for r in earlier if _is_comparable(r, after) and (high := _at_least(r)) is not None]
    highest = max(
        known, key=lambda pair: pair[0], default=None
    )  # the first of equals: the earliest, the lowest id
    if low is None or highest is None or not has_fallen(highest[0], low):
        return None
    return Fall(after, highest[1])


def _as_written(record: PatientRecord, fvc: Result) -> Result | None:
    """A volume with its number and the unit as the laboratory has them; None where either is not there, or is none."""
    number = number_of(fvc.value, record.mapping.tables)
    unit = number and (number.unit_code or number.unit).strip()
    if not (number and unit and sane(number.value) and number.value > 0):
        return None
    if number.upto is not None and not sane(number.upto):
        return None
    return replace(fvc, amount=Amount(number.value, unit, number.comparator, as_written(number), number.upto))


def _is_comparable(before: Result, after: Result) -> bool:
    units = {spelled(amount_of(result).unit, "text") for result in (before, after)}
    return len(units) == 1 and not before.codes.isdisjoint(after.codes)


def _at_least(result: Result) -> Decimal | None:
    """What it certainly is not below; None: a bound or an interval says nothing about it."""
    amount = amount_of(result)
    return None if amount.comparator.startswith("<") else amount.value


def _at_most(result: Result) -> Decimal | None:
    """What it certainly is not above."""
    amount = amount_of(result)
    if amount.comparator.startswith(">"):
        return None
    return amount.value if amount.upto is None else amount.upto
