"""Titres in every form in which laboratories send them (A1, A2): "1:320", 1/320, 320 under a code for titres."""

import re
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from fhir_mapping.laboratory.bounds import rank
from fhir_mapping.laboratory.numbers import COMPARATOR, TO, comparator, read_number, text_of
from fhir_mapping.laboratory.phrases import (
    SEPARATOR,
    opened,
    phrase_verdict,
    plain,
    without_brackets,
    without_reference,
)
from fhir_mapping.record import Number, Value
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.units import UCUM, sane
from fhir_mapping.terms.words import Vocabulary, fold

_COUNT = r"[0-9]{1,3}(?:[,. '][0-9]{3})+|[0-9]+"
_ONE_TO = r"1(?: ?[:/] ?| in )"
_END = rf"(?![0-9/]|[,.'](?!{_ONE_TO})[0-9])"
# Templates of `Vocabulary.pattern`. A titre, or an interval of titres: 1:160-1:320, 1:160 to 1:320, 1:160-320.
_TITRE = (
    rf"(?<![0-9/.-]){_ONE_TO}(?:{COMPARATOR} ?)?(?P<low>{_COUNT})"
    rf"(?: ?{TO} ?(?:(?P<second>{_ONE_TO})|(?![0-9]{{4}}-))(?P<high>{_COUNT}))?{_END}"
)
_NAME = r"\A ?<<titre-unit>> ?:? ?"
_SIGN_BEFORE = rf"{COMPARATOR} *\Z"
_AT_BEFORE = r"<<at-titre>>(?: [^\W\d_]+){0,4}:? *\Z"
_SIGNS = str.maketrans("", "", ",.' ")
_LENGTH_BEFORE = 80  # characters before a titre in which its comparator, or the word "at", must stand
_NOT = {"": "<", "<": "<", "<=": "<=", ">": "<=", ">=": "<"}  # in a phrase that is negative


class Titre(Struct, frozen=True):
    """A reciprocal titre (320 for 1:320) with its comparator; `phrase` is the text that it stands in (A4).

    Of an interval, 1:160-1:320, `reciprocal` is the lower end and `upto` the other.
    """

    reciprocal: Decimal
    comparator: str = ""
    phrase: str = ""
    upto: Decimal | None = None

    @property
    def size(self) -> tuple[Decimal, int, Decimal]:
        """How large it is, to put titres in order."""
        return self.reciprocal, rank(self.comparator), self.upto or self.reciprocal


def titres_of(
    value: Value, vocabulary: Vocabulary, about: RoleWord, *, titre_code: bool
) -> tuple[Titre, ...]:
    """Every titre of a value (A1). `titre_code`: the code of the result itself says that the value is a titre."""
    written = written_titres(value, vocabulary, about, titre_code=titre_code)
    return tuple(titre for titre in written if titre.reciprocal > 0)


def written_titres(
    value: Value, vocabulary: Vocabulary, about: RoleWord, *, titre_code: bool
) -> tuple[Titre, ...]:
    """Whatever is written as a titre, also where no titre can be so low: F5 judges them."""
    if value.ratio:
        return tuple(_from_ratio(*value.ratio))
    if value.number:
        return tuple(_from_number(value.number, vocabulary, titre_code))
    if value.integer is not None:
        return (Titre(Decimal(value.integer)),) if titre_code else ()
    text = text_of(value)
    return vocabulary.once(
        ("titres", text, about, titre_code),
        lambda: tuple(_from_text(plain(text), vocabulary, about, titre_code)),
    )


def _from_ratio(numerator: Number, denominator: Number) -> Iterator[Titre]:
    """1/320 or 320/1; a comparator is the laboratory's own writing of the titre, whichever way round it stands."""
    lower, higher = sorted((numerator.value, denominator.value))
    if sane(lower) and sane(higher) and lower > 0:
        yield Titre(higher / lower, numerator.comparator or denominator.comparator)


def _from_number(
    number: Number, vocabulary: Vocabulary, titre_code: bool, phrase: str = ""
) -> Iterator[Titre]:
    """A number by its unit: that of titres, or under a code for titres none."""
    coded = number.unit_code if number.unit_system == UCUM else ""
    unit = fold(coded or number.unit).removesuffix(".")
    has_no_unit = not unit or unit in vocabulary.words("no-unit")
    if sane(number.value) and (unit in vocabulary.words("titre-unit") or (titre_code and has_no_unit)):
        if number.ambiguous and number.upto:  # a titre is a whole number: 1,280 is no 1.28
            yield Titre(number.upto, number.comparator, phrase)
        else:
            yield Titre(number.value, number.comparator, phrase, number.upto)


def _from_text(text: str, vocabulary: Vocabulary, about: RoleWord, titre_code: bool) -> Iterator[Titre]:
    """Titres phrase by phrase. A bracket without a titre is passed over, but its words belong to their phrase."""
    whole = without_reference(text, vocabulary)
    pattern = vocabulary.pattern(_TITRE)
    shown = opened(whole, [titre.start() for titre in pattern.finditer(whole)])
    for bare in (whole, shown):  # a unit may stand in brackets: {titer}
        if number := read_number(vocabulary.pattern(_NAME).sub("", bare), vocabulary):
            yield from _from_number(number, vocabulary, titre_code, whole)
            break
    outside = without_brackets(whole)
    for (start, end), written in _by_phrase(whole, list(pattern.finditer(shown))):
        phrase = whole[start:end]
        said = phrase_verdict(phrase, vocabulary, about)
        if said == "negative" and phrase_verdict(outside[start:end], vocabulary, about) == "positive":
            said = "positive"  # "(negative: <1:80)" beside it is the laboratory's reference
            titres = [titre for titre in written if outside[titre.start()] == titre[0][0]]
        else:
            titres = written
        for titre in titres:
            before = shown[max(start, titre.start() - _LENGTH_BEFORE) : titre.start()]
            written_before = vocabulary.pattern(_SIGN_BEFORE).search(before)
            sign = comparator(titre) or (comparator(written_before) if written_before else "")
            if said == "negative":
                sign = _NOT[sign]
            elif said == "positive" and not sign and vocabulary.pattern(_AT_BEFORE).search(before):
                sign = ">="
            yield _titre(titre, sign, phrase)


def _by_phrase(
    whole: str, titres: list[re.Match[str]]
) -> Iterator[tuple[tuple[int, int], list[re.Match[str]]]]:
    """The phrases that hold a titre, each with its titres; the comma of "1:1,280" ends none."""
    inside = {place for titre in titres for place in range(*titre.span())}
    ends = [separator.span() for separator in SEPARATOR.finditer(whole) if separator.start() not in inside]
    waiting, start = deque(titres), 0
    for end, after in (*ends, (len(whole), len(whole))):
        here = []
        while waiting and waiting[0].start() < end:
            here.append(waiting.popleft())
        if here:
            yield (start, end), here
        start = after


def _titre(written: re.Match[str], sign: str, phrase: str) -> Titre:
    low, high = (Decimal((written[end] or written["low"]).translate(_SIGNS)) for end in ("low", "high"))
    if high < low and written["second"]:
        low, high = high, low
    return Titre(low, sign, phrase, high if high > low else None)
