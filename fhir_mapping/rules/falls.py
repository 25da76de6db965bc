"""What has fallen since an earlier measurement: forced vital capacity and the ejection fraction (X2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from fhir_mapping.laboratory.bounds import amount_of, size
from fhir_mapping.laboratory.numbers import as_written, number_of, read_number, text_of
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Amount, Coding, Result
from fhir_mapping.terms.units import UCUM, sane, spelled

_EVERYTHING = Decimal("Infinity")
_PER_CENT = 100
_HasFallen = Callable[[Decimal, Decimal], bool]  # from at least the first number to at most the second


@dataclass(frozen=True, slots=True)
class Fall:
    """Two results of one code and unit, of which `after` is certainly lower by as much as X2 asks.

    Both carry an amount in one unit, a volume in that of the laboratory; `before` is the highest of the years before
    `after` that is certain.
    """

    after: Result
    before: Result


class _Read(NamedTuple):
    """A result with an amount, and its unit in one spelling (F6)."""

    result: Result
    unit: str

    @property
    def at_least(self) -> Decimal | None:
        """What it certainly is not below; None: a bound says nothing about it."""
        amount = amount_of(self.result)
        return None if amount.comparator.startswith("<") else amount.value

    @property
    def at_most(self) -> Decimal | None:
        """What it certainly is not above; None: a bound says nothing about it."""
        amount = amount_of(self.result)
        if amount.comparator.startswith(">"):
            return None
        return amount.value if amount.upto is None else amount.upto

    @property
    def kinds(self) -> list[tuple[str, Coding]]:
        """Its unit with each of its codes: two that share one are comparable (X2)."""
        return [(self.unit, code) for code in self.result.codes]


@asked_once
def fvc_fall(record: PatientRecord) -> Fall | None:
    """The fall of the latest forced vital capacity, if it is as large as X2 asks; volumes stay in their own unit."""
    percent = record.mapping.tables.rules.number("context.fvc_fall_percent")
    reads = (read for fvc in record.of("fvc") if (read := _read_volume(record, fvc)))
    return _fall(record, reads, lambda high, low: high > 0 and (high - low) * _PER_CENT >= percent * high)


def lvef_fall(record: PatientRecord) -> Fall | None:
    """The fall of the latest ejection fraction, if it is as large as X2 asks."""
    points = record.mapping.tables.rules.number("context.lvef_fall_points")
    reads = (_Read(lvef, amount_of(lvef).unit) for lvef in record.of("lvef") if lvef.amount)
    return _fall(record, reads, lambda high, low: high - low >= points)


def fvc_fell(record: PatientRecord) -> Result | None:
    """The forced vital capacity that has fallen (X2), for what it asks of the follow-up; None: it has not."""
    fall = fvc_fall(record)
    return fall.after if fall else None


def _fall(record: PatientRecord, reads: Iterable[_Read], has_fallen: _HasFallen) -> Fall | None:
    """X2: the latest of the last year against those of the two years before it; bounds decide or do not.

    Of several at one time the highest of each code and unit. The fall is from the highest that is certain, whatever is
    the highest now; of equal ones from the first.
    """
    rules, known = record.mapping.tables.rules, list(reads)
    when = max((read.result.when.last for read in known), default=None)
    if when is None or record.as_of - when > rules.days("context.fall_recent_days"):
        return None
    within = rules.days("context.fall_before_days")
    before = [
        read for read in known if read.result.when.last < when and when - read.result.when.last <= within
    ]
    reached = _certain_highest(before)
    newest = [read for read in known if read.result.when.last == when]
    ceilings = _ceilings(newest)
    for after in _highest(newest):
        certain = [reached[kind] for kind in after.kinds if kind in reached]
        if not certain:
            continue
        highest = max(certain, key=lambda high: high[:2])
        low = max(ceilings[kind] for kind in after.kinds)
        if low < _EVERYTHING and has_fallen(highest.at_least, low):
            return Fall(after.result, highest.result)
    return None


def _ceilings(together: Iterable[_Read]) -> dict[tuple[str, Coding], Decimal]:
    """What the highest of each code and unit certainly is not above; infinite: a bound says nothing about it."""
    ceilings: dict[tuple[str, Coding], Decimal] = {}
    for read in together:
        high = _EVERYTHING if read.at_most is None else read.at_most
        ceilings |= {kind: max(high, ceilings.get(kind, high)) for kind in read.kinds}
    return ceilings


def _highest(together: Iterable[_Read]) -> list[_Read]:
    """What was measured at one time, without what is lower than another of its code and unit."""
    kept: list[_Read] = []
    taken: set[tuple[str, Coding]] = set()
    by_id = sorted(together, key=lambda r: r.result.id)
    for read in sorted(by_id, key=lambda r: size(amount_of(r.result)), reverse=True):
        if taken.isdisjoint(read.kinds):
            kept.append(read)
            taken.update(read.kinds)
    return kept


class _High(NamedTuple):
    """What was certainly reached; of equal ones the first has the higher `order`."""

    at_least: Decimal
    order: int
    result: Result


def _certain_highest(earlier: Iterable[_Read]) -> dict[tuple[str, Coding], _High]:
    """The highest of each code and unit that is certain."""
    highest: dict[tuple[str, Coding], _High] = {}
    for number, read in enumerate(earlier):
        if read.at_least is not None:
            high = _High(read.at_least, -number, read.result)
            highest |= {kind: max(high, highest.get(kind, high), key=lambda h: h[:2]) for kind in read.kinds}
    return highest


def _read_volume(record: PatientRecord, fvc: Result) -> _Read | None:
    """A volume with its number and the unit as the laboratory has them; None where either is not there."""
    number = number_of(fvc.value, record.mapping.tables)
    if number and not (number.unit or number.unit_code):
        text, words = text_of(fvc.value), record.mapping.tables.vocabulary
        number = read_number(text, words, flagged=False)
    if number is None or not all(sane(end) for end in (number.value, number.upto) if end is not None):
        return None
    is_coded = bool(number.unit_code) and number.unit_system == UCUM
    unit = spelled(number.unit_code, "ucum") if is_coded else spelled(number.unit, "text")
    if not unit:
        return None
    shown = number.unit or number.unit_code
    amount = Amount(number.value, shown, number.comparator, as_written(number), number.upto)
    return _Read(replace(fvc, amount=amount), unit)
