"""Numbers as laboratories write them, in text too: ">20,000 U/L", "30-35 %", 1'280 (F5)."""

import re
from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from fhir_mapping.laboratory.phrases import plain
from fhir_mapping.record import Amount, Number, Value
from fhir_mapping.terms import Tables
from fhir_mapping.terms.units import Units, sane, spelled
from fhir_mapping.terms.words import DASH, LONGEST_TEXT, Vocabulary

_LONGEST_NUMBER = 20  # digits that are shown
# Templates of `Vocabulary.pattern`. A comparator in every writing: <, >=, ≤, >/=, > or =, less than or equal to.
COMPARATOR = (
    r"(?:(?P<at_most>[≤≦⩽]|<<at-most>>)|(?P<at_least>[≥≧⩾]|<<at-least>>)"
    r"|(?:(?P<less><|<<below>>)|(?P<more>>|<<above>>))(?P<equal> ?/?=| or =| <<or-equal>>)?)"
)
TO = rf"(?:{DASH}|~|<<range-to>>)"  # between the ends of an interval
_DIGITS = r"(?:[0-9]+(?:[.,'][0-9]+| [0-9]{3}(?![0-9]))*|[.,][0-9]+)"
_WHOLLY = (
    rf"(?:{COMPARATOR} ?)?(?P<low>{_DIGITS})"
    rf"(?:(?P<between>[^0-9]{{0,30}}?){TO} ?(?P<high>{_DIGITS}))?(?P<rest>.*)"
)
_FLAG = r"(?:(?<![^ ])|(?=[(\[*]))[(\[]?<<flag>>[)\]]?\Z"
_GROUPED = re.compile(r"[0-9]{1,3}([,.' ])[0-9]{3}(?:\1[0-9]{3})*")
_SIGNS = str.maketrans("", "", ",.' ")
_POWER = r"(?:x ?)?10(?:\*\*|[*^eE])[0-9]{1,2} ?"  # of ten, as in 10^9/L
_NO_UNIT = r"(?!x ?10(?:\*\*|[*^eE])?[-+]?[0-9]+\Z|[eE][-+]?[0-9])"  # "5e3" and "5x10^3" are no 5
_UNIT = re.compile(rf"{_NO_UNIT}(?:{_POWER})?/?[^\W\d_][^\s,;:!?<>=()]*|[%\[{{][^\s,;:!?<>=()]*")
_BESIDE_SLASH = re.compile(r" ?/ ?")
_TEMPERATURE = re.compile(r"[(\[{] ?[0-9]{2} ?°? ?C ?[)\]}]| @? ?[0-9]{2} ?°? ?C(?!\w)", re.IGNORECASE)


def number_of(value: Value, tables: Tables) -> Number | None:
    """The number of a value, also of a text that is wholly one: its own, or that of an answer without a known code (F5)."""
    if value.number:
        return value.number
    if value.integer is not None:
        return Number(Decimal(value.integer))
    if value.concept and tables.words("qualifiers", value.concept.codings):
        return None
    return read_number(text_of(value), tables.vocabulary)


def text_of(value: Value) -> str:
    """The words of a value, of a coded one its text."""
    return value.text or (value.concept.text if value.concept else "")


def read_number(text: str, vocabulary: Vocabulary, *, flagged: bool = True) -> Number | None:
    """Read a text that is wholly a number or an interval, with comparator, unit and flag (F5).

    A writing with two readings, "20,000", is the interval of both. What may be a flag is one unless `flagged` is false:
    of a volume "2.7 L" is in litres, and not low.
    """
    if len(text) > LONGEST_TEXT:
        return None
    written = vocabulary.pattern(_WHOLLY).fullmatch(plain(text))
    if not written:
        return None
    unit = _unit(written["rest"], vocabulary, flagged=flagged)
    between = _unit(written["between"] or "", vocabulary, flagged=flagged)
    if unit is None or between is None or (between and spelled(between, "text") != spelled(unit, "text")):
        return None
    ends = [readings(written[end]) for end in ("low", "high") if written[end]]
    if not all(ends):
        return None
    low, high = min(map(min, ends)), max(map(max, ends))
    return Number(
        value=low,
        comparator=comparator(written),
        unit=unit,
        upto=high if low < high else None,
        ambiguous=len(ends) == 1 and low < high,
    )


def readings(digits: str) -> tuple[Decimal, ...]:
    """What digits with separators can mean, the lower reading first; nothing where they mean nothing (F5)."""
    signs = [character for character in digits if not character.isdigit()]
    if not signs:
        return (Decimal(digits),)
    grouped = _GROUPED.fullmatch(digits) and Decimal(digits.translate(_SIGNS))
    if signs[-1] in "' " or signs.count(signs[-1]) > 1:
        return (grouped,) if grouped else ()
    whole, _, fraction = digits.rpartition(signs[-1])
    if len(signs) > 1 and not _GROUPED.fullmatch(whole):
        return ()
    count = whole.translate(_SIGNS) or "0"
    decimal = Decimal(f"{count}.{fraction}")
    return (decimal, grouped) if grouped and int(count) > 0 else (decimal,)


def _unit(rest: str, vocabulary: Vocabulary, *, flagged: bool) -> str | None:
    """The unit that stands after a number, without temperature and flag; None where it is something else."""
    unit = _TEMPERATURE.sub("", _BESIDE_SLASH.sub("/", rest)).strip()
    flag = vocabulary.pattern(_FLAG).search(unit) if flagged else None
    unit = unit[: flag.start()].rstrip() if flag else unit
    return unit if not unit or _UNIT.fullmatch(unit) else None


def comparator(written: re.Match[str]) -> str:
    """The comparator that `COMPARATOR` matched, as FHIR writes it; empty: none."""
    if written["at_most"] or written["at_least"]:
        return "<=" if written["at_most"] else ">="
    if written["less"] or written["more"]:
        return ("<" if written["less"] else ">") + ("=" if written["equal"] else "")
    return ""


def measured(
    number: Number, dimension: str, units: Units, fits: Callable[[Decimal], bool]
) -> tuple[Amount | None, str]:
    """The amount of a number in the canonical unit of a dimension, or why there is none: unit (F6), then size (F5).

    `fits` tells whether a magnitude in that unit is plausible; of an ambiguous number the reading that is not falls away.
    """
    factor = units.factor(number, dimension)
    if factor is None:
        return None, units.problem(number, dimension)

    def fitting(end: Decimal) -> Decimal | None:
        magnitude = units.times(end, factor, dimension)
        return magnitude if magnitude is not None and fits(magnitude) else None

    low = fitting(number.value)
    high = low if number.upto is None else fitting(number.upto)
    if low is None or high is None:
        kept = low if high is None else high
        if kept is None or not number.ambiguous:
            return None, "implausible"
        reading = number.upto if low is None else number.value
        number, low, high = replace(number, value=reading, upto=None, ambiguous=False), kept, kept
    if high < low:
        low, high = high, low
    unit, upto = units.canonical[dimension], high if high > low else None
    return Amount(low, unit, number.comparator, as_written(number), upto), ""


def as_written(number: Number) -> str:
    """Write a number with its comparator and unit, as in "<5 U/L"; one of absurd length is rounded."""
    digits = _digits(number.value)
    if number.upto is not None:
        digits += (" or " if number.ambiguous else "–") + _digits(number.upto)
    return f"{number.comparator}{digits} {number.unit or number.unit_code}".rstrip()


def _digits(value: Decimal) -> str:
    text = str(value)
    if len(text) <= _LONGEST_NUMBER and "E" not in text:
        return text
    return f"{value:f}" if sane(value) and len(value.as_tuple().digits) <= _LONGEST_NUMBER else f"{value:.6g}"
