"""Units: what a written number means in the unit of its analyte (F6)."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from fhir_mapping.terms.memory import Memory
from fhir_mapping.terms.table_files import MARKS, TableRow, read_rows

COLUMNS = ("dimension", "unit", "form", "factor", "mark", "source")
Form = Literal["ucum", "text"]
FORMS: tuple[Form, ...] = ("ucum", "text")
UCUM = "http://unitsofmeasure.org"
_UNITLESS = "(none)"  # a row with this unit accepts a number that has no unit at all
_PER_CENT = Decimal(100)

# No trap: a number such as 1e999999999 becomes an infinity here, never an exception.
_EXACT = Context(prec=60, traps=[])
_LARGEST_EXPONENT = 30  # no magnitude in medicine comes near it; beyond it arithmetic loses its meaning

_LONGEST_UNIT = 60  # characters; no unit is longer
# NFKC would write 10⁹ as 109, and the degree signs of some keyboards as letters.
AS_TYPED = str.maketrans(
    {**{sign: f"^{power}" for power, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}, "º": "°", "˚": "°", "×": "x"}
)
_TEMPERATURE = re.compile(
    r"[(\[{]?(?:@|at|bei)?(?<![0-9*^.])[0-9]{2}(?:[.,][0-9])?(?:°|deg)?c(?:el)?(?![a-z])[)\]}]?",
    re.IGNORECASE,
)
_POWER_OF_TEN = re.compile(r"x?10(?:\*\*|[*^e])([0-9]{1,2})", re.IGNORECASE)
_MICRO = re.compile(r"(?:mc|μ)(?=[a-zA-Z\[])")
_LITRE = re.compile(r"([a-z]?)[lL]")
_INTERNATIONAL_UNIT = {
    "ucum": re.compile(r"([kmunp]?)(?:U|IU|\[iU\]|\[IU\]|\[U\]|IE|UI|E)"),
    "text": re.compile(r"([kmunp]?)(?:u|iu|\[iu\]|\[u\]|ie|ui|e|units?)"),
}


class Quantity(Protocol):
    """A number as written, with its unit not yet understood (`record.Number`)."""

    @property
    def value(self) -> Decimal:
        """The number itself."""

    @property
    def unit(self) -> str:
        """The written unit."""

    @property
    def unit_code(self) -> str:
        """The coded unit."""

    @property
    def unit_system(self) -> str:
        """The canonical system of the coded unit."""


class UnitFactor(NamedTuple):
    """What a magnitude is multiplied with: two whole numbers, in lowest terms."""

    top: Decimal
    bottom: Decimal


_ONE = UnitFactor(Decimal(1), Decimal(1))


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. A magnitude in it times `factor` is the magnitude in the canonical unit."""

    dimension: str
    unit: str
    form: Form  # ucum: a code of UCUM, in any case also a spelling; text: only a spelling
    factor: UnitFactor
    mark: str
    source: str


@dataclass(frozen=True, slots=True)
class Units:
    """All units by dimension. `fraction_at_most`: an ejection fraction up to it is no percentage (F6)."""

    rows: tuple[Unit, ...]
    fraction_at_most: Decimal
    factors: Mapping[tuple[str, str, str], UnitFactor]  # (dimension, form, unit as `spelled` writes it)
    canonical: Mapping[str, str]  # dimension → the first of its units
    # What has a factor, by dimension, unit, coded unit and its system as they are written.
    _known: Memory[UnitFactor] = field(init=False, default_factory=Memory, compare=False)

    @property
    def dimensions(self) -> frozenset[str]:
        """The names of all dimensions."""
        return frozenset(self.canonical)

    def factor(self, number: Quantity, dimension: str) -> UnitFactor | None:
        """Find what to multiply the number with (F6); None: `problem` says why."""
        asked = dimension, number.unit, number.unit_code, number.unit_system
        if known := self._known.get(asked):
            return known
        factor = self._looked_up(*asked)
        return factor and self._known.keep(asked, factor)

    def _looked_up(self, dimension: str, unit: str, unit_code: str, unit_system: str) -> UnitFactor | None:
        written = spelled(unit, "text")
        text = self.factors.get((dimension, "text", written)) if written else None
        if unit_code and unit_system == UCUM:
            code = self.factors.get((dimension, "ucum", spelled(unit_code, "ucum")))
            return None if code is None or text not in (None, code) else code
        if written or unit_code:
            return text
        return self.factors.get((dimension, "text", _UNITLESS))

    def problem(self, number: Quantity, dimension: str) -> str:
        """Give the reason of F6: `no unit`, `unknown unit`, or nothing."""
        if self.factor(number, dimension) is not None:
            return ""
        return "unknown unit" if number.unit_code or number.unit.strip() else "no unit"

    def convert(self, number: Quantity, dimension: str) -> Decimal | None:
        """Convert to the canonical unit of the dimension, a `fraction` always in per cent (F6).

        None where the unit does not resolve or the number is beyond any measurement.
        """
        factor = self.factor(number, dimension)
        return self.times(number.value, factor, dimension) if factor else None

    def times(self, value: Decimal, factor: UnitFactor, dimension: str) -> Decimal | None:
        """Convert a value whose factor is known, as `convert` does."""
        if not sane(value):
            return None
        value = _EXACT.divide(_EXACT.multiply(value, factor.top), factor.bottom)
        if dimension == "fraction" and value <= self.fraction_at_most:
            value = _EXACT.multiply(value, _PER_CENT)
        return value


def spelled(unit: str, form: Form) -> str:
    """Write a unit in the one spelling of several that mean the same (F6).

    Litre, micro and the international unit have one spelling each, a temperature is dropped, and a text is read in
    any case and without its blanks and dots. Units of antibodies are compared so too.
    """
    if len(unit) > _LONGEST_UNIT:
        return unit
    plain = "".join(unicodedata.normalize("NFKC", unit.translate(AS_TYPED)).split())
    plain = _POWER_OF_TEN.sub(r"10*\1", _TEMPERATURE.sub("", plain))
    if form == "text":
        plain = plain.casefold().replace(".", "")
    parts: list[str] = []
    for part in _MICRO.sub("u", plain).split("/"):
        if litre := _LITRE.fullmatch(part):
            parts.append(f"{litre[1]}l")
        elif international := _INTERNATIONAL_UNIT[form].fullmatch(part):
            parts.append(f"{international[1]}U")
        else:
            parts.append(part)
    return "/".join(parts)


def sane(number: Decimal) -> bool:
    """Say whether a number is finite and of a size that arithmetic can still handle."""
    return number.is_finite() and (number.is_zero() or abs(number.adjusted()) <= _LARGEST_EXPONENT)


def load_units(file: Path, fraction_at_most: Decimal) -> Units:
    """Read and check `units.csv`; raises TableError."""
    rows = []
    factors: dict[tuple[str, str, str], UnitFactor] = {}
    canonical: dict[str, str] = {}
    for row in read_rows(file, COLUMNS):
        unit = _unit(row)
        for form in FORMS[FORMS.index(unit.form) :]:
            name = (unit.dimension, form, spelled(unit.unit, form))
            if name in factors:
                raise row.error(f"{unit.unit} stands twice as {form} of {unit.dimension}: delete one row")
            factors[name] = unit.factor
        if canonical.setdefault(unit.dimension, unit.unit) == unit.unit and unit.factor != _ONE:
            raise row.error(f"the first unit of {unit.dimension} is its canonical one: its factor must be 1")
        rows.append(unit)
    return Units(tuple(rows), fraction_at_most, factors, canonical)


def _unit(row: TableRow) -> Unit:
    form = next((form for form in FORMS if form == row["form"]), None)
    if form is None:
        raise row.error(f"form {row['form']!r} is unknown: use ucum or text")
    if row["mark"] not in MARKS:
        raise row.error(f"mark {row['mark']!r} is unknown: use published, derived or assumed")
    factor = UnitFactor(*map(Decimal, positive(row, "factor").as_integer_ratio()))
    return Unit(row["dimension"], row["unit"], form, factor, row["mark"], row["source"])


def positive(row: TableRow, column: str) -> Fraction:
    """Read a number above zero, written as `60`, `0.06` or `1/24`; raises TableError."""
    top, _, bottom = row[column].partition("/")
    try:
        factor = Fraction(_decimal(top)) / Fraction(_decimal(bottom or "1"))
    except (ValueError, ZeroDivisionError) as error:
        raise row.error(f"{column} {row[column]!r} is no number: write it as 60, 0.06 or 1/24") from error
    if factor <= 0:
        raise row.error(f"{column} must be above zero")
    return factor


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not sane(number):
        raise ValueError(text)
    return number
