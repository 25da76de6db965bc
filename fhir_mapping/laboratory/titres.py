"""Titres in every form in which laboratories send them (A1): "1:320", 1/320, 320 under a code for titres."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from fhir_mapping.laboratory.phrases import SEPARATOR, any_of, without_reference
from fhir_mapping.record import Number, Value
from fhir_mapping.terms.rules import Rules
from fhir_mapping.terms.units import UCUM, sane

_COUNT = r"(?P<count>[0-9]+(?:[,. ][0-9]{3})*)"
_TITRE = re.compile(rf"(?<![0-9/.-])1\s*[:/]\s*{_COUNT}(?![0-9/])")
_GROUPING = str.maketrans("", "", ",. ")
_SIGN_LENGTH = 40  # longer than any way to write a comparator; bounds the search before each titre
_TURNED_OVER = {"": "", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Titre:
    """A reciprocal titre (320 for 1:320) with its comparator; `phrase` is the text that it stands in (A4)."""

    reciprocal: Decimal
    comparator: str = ""
    phrase: str = ""


def text_of(value: Value) -> str:
    """The words of a value, of a coded one its text."""
    return value.text or (value.concept.text if value.concept else "")


def titres_of(value: Value, rules: Rules, *, titre_code: bool) -> tuple[Titre, ...]:
    """Every titre of a value (A1). `titre_code`: the code of the result itself says that the value is a titre."""
    return tuple(
        titre for titre in written_titres(value, rules, titre_code=titre_code) if titre.reciprocal > 0
    )


def written_titres(value: Value, rules: Rules, *, titre_code: bool) -> tuple[Titre, ...]:
    """Whatever is written as a titre, also where no titre can be so low: F5 judges them."""
    return tuple(_found(value, rules, titre_code))


def _found(value: Value, rules: Rules, titre_code: bool) -> Iterator[Titre]:
    if value.ratio:
        yield from _from_ratio(*value.ratio)
    elif value.number:
        if _has_titre_unit(value.number, rules, titre_code) and sane(value.number.value):
            yield Titre(value.number.value, value.number.comparator)
    elif value.integer is not None:
        if titre_code:
            yield Titre(Decimal(value.integer))
    else:
        yield from _from_text(text_of(value), rules, titre_code)


def _has_titre_unit(number: Number, rules: Rules, titre_code: bool) -> bool:
    coded = number.unit_code if number.unit_system == UCUM else ""
    unit = (coded or number.unit).strip().casefold()
    return unit in rules.words("titre_unit") or (titre_code and (not unit or unit in rules.words("no_unit")))


def _from_ratio(numerator: Number, denominator: Number) -> Iterator[Titre]:
    """1/320, where a comparator of the numerator turns over; a reversed 320/1 keeps its comparator (A1)."""
    one, other = numerator.value, denominator.value
    if not (sane(one) and sane(other) and one > 0 and other > 0):
        return
    if one > other:
        yield Titre(one / other, numerator.comparator or denominator.comparator)
    else:
        yield Titre(other / one, denominator.comparator or _TURNED_OVER[numerator.comparator])


def _from_text(text: str, rules: Rules, titre_code: bool) -> Iterator[Titre]:
    """Titres phrase by phrase; a number in brackets is no titre, but other words there belong to their phrase."""
    whole, shown = without_reference(text, rules)
    sign = _sign(rules)
    bare = re.fullmatch(rf"(?:{sign} ?)?{_COUNT}", _one_line(shown), re.IGNORECASE) if titre_code else None
    if bare:
        yield Titre(_count(bare["count"]), _comparator(bare), whole)
    written_before = re.compile(rf"{sign} ?\Z", re.IGNORECASE)
    for start, end in _phrases(whole, shown):
        phrase, visible = whole[start:end], shown[start:end]
        for found in _TITRE.finditer(visible):
            before = _one_line(visible[max(0, found.start() - _SIGN_LENGTH) : found.start()])
            yield Titre(_count(found["count"]), _comparator(written_before.search(before)), phrase)


def _phrases(whole: str, shown: str) -> Iterator[tuple[int, int]]:
    """Where phrases begin and end; the comma of "1:1,280" ends none."""
    inside = {place for found in _TITRE.finditer(shown) for place in range(*found.span())}
    start = 0
    for separator in SEPARATOR.finditer(whole):
        if separator.start() not in inside:
            yield start, separator.start()
            start = separator.end()
    yield start, len(whole)


def _sign(rules: Rules) -> str:
    """A comparator as laboratories write it: <, >=, ≤, >/=, greater than or equal to."""
    less, more, equal = (any_of(name, rules) for name in ("below", "above", "or_equal"))
    return rf"(?:(?P<less>[<≤]|{less})|(?P<more>[>≥]|{more}))(?P<equal> ?/?=| {equal})?"


def _comparator(written: re.Match[str] | None) -> str:
    if not written or not (written["less"] or written["more"]):
        return ""
    is_equal = written["equal"] or written["less"] == "≤" or written["more"] == "≥"
    return ("<" if written["less"] else ">") + ("=" if is_equal else "")


def _count(written: str) -> Decimal:
    return Decimal(written.translate(_GROUPING))


def _one_line(text: str) -> str:
    return " ".join(text.split())
