"""Titres in every form in which laboratories send them (A1, A2): "1:320", 1/320, 320 under a code for titres."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from fhir_mapping.laboratory.bounds import rank
from fhir_mapping.laboratory.numbers import COMPARATOR, TO, comparator, read_number, text_of
from fhir_mapping.laboratory.phrases import (
    SENTENCE_END,
    SEPARATOR,
    PhraseVerdict,
    in_sentences,
    opened,
    phrase_verdict,
    verdict,
    without_brackets,
    without_reference,
)
from fhir_mapping.record import Concept, Number, Value
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.units import UCUM, sane
from fhir_mapping.terms.words import Vocabulary, fold

_COUNT = r"[0-9]{1,3}(?:[,. '][0-9]{3})+|[0-9]+"
_ONE_TO = r"1(?: ?[:/] ?| in )"
_END = rf"(?![0-9/]|e[-+]?[0-9]|[,.'](?!{_ONE_TO})[0-9])"
# Templates of `Vocabulary.pattern`. A titre, or an interval of titres: 1:160-1:320, 1:160 to 1:320, 1:160-320.
_TITRE = (
    rf"(?<![0-9/.-]){_ONE_TO}(?:{COMPARATOR} ?)?(?P<low>{_COUNT})"
    rf"(?: ?{TO} ?(?:(?P<second>{_ONE_TO})|(?![0-9]{{4}}-))(?P<high>{_COUNT}))?{_END}"
)
_UPWARD = r"[,(\[ ]*<<or-more>>|\+(?=\s*(?:[,;)\]}]|\Z))"  # after a titre: at least that one
_NAME = r"\A ?<<titre-unit>> ?:? ?"
_SIGN_BEFORE = rf"{COMPARATOR}\s*\Z"
_AT_BEFORE = r"<<at-titre>>(?:\s[^\W\d_]+){0,4}:?\s*\Z"
_SENTENCE = re.compile(SENTENCE_END)
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


def is_titre_by_name(code: Concept, vocabulary: Vocabulary) -> bool:
    """Whether a component has no code and is called "titre", so that its number is one where its result's would be."""
    return not code.codings and fold(code.text) in vocabulary.words("titre-unit")


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
        # 1/320 or 320/1; a comparator is the laboratory's own writing of the titre, whichever way round it stands
        numerator, denominator = value.ratio
        lower, higher = sorted((numerator.value, denominator.value))
        is_titre = sane(lower) and sane(higher) and lower > 0
        return (Titre(higher / lower, numerator.comparator or denominator.comparator),) if is_titre else ()
    if value.number:
        return tuple(_from_number(value.number, vocabulary, titre_code))
    if value.integer is not None:
        return (Titre(Decimal(value.integer)),) if titre_code else ()
    text = text_of(value)
    return vocabulary.once(
        ("titres", text, about, titre_code),
        lambda: tuple(_from_text(in_sentences(text), vocabulary, about, titre_code)),
    )


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
    outside, overall = without_brackets(whole), verdict(whole, vocabulary, about)
    for (start, end), in_phrase in _by_part(whole, SEPARATOR, (0, len(whole)), pattern.finditer(shown)):
        around, _ = _said(whole[start:end], outside[start:end], vocabulary, about)
        for (first, last), written in _by_part(whole, _SENTENCE, (start, end), in_phrase):
            own, beside = _said(whole[first:last], outside[first:last], vocabulary, about)
            for titre in written:
                said = own or around
                before = shown[max(start, titre.start() - _LENGTH_BEFORE) : titre.start()]
                upward = vocabulary.pattern(_UPWARD).match(whole, titre.end())
                written_sign = comparator(titre) or (">=" if upward else "")
                sign = _sign(written_sign, before, said, overall, vocabulary)
                # In brackets "(negative: <1:80)" and "(<1:80)" beside a positive are the laboratory's reference
                in_brackets = outside[titre.start()] != titre[0][0]
                is_reference = beside or (sign.startswith("<") and said == "positive")
                if not (in_brackets and is_reference):
                    yield _titre(titre, sign, whole[first:last])


def _said(
    phrase: str, outside: str, vocabulary: Vocabulary, about: RoleWord
) -> tuple[PhraseVerdict | None, bool]:
    """What a phrase says, and whether a negative in its brackets stands beside a positive outside of them."""
    said = phrase_verdict(phrase, vocabulary, about)
    if said == "negative" and phrase_verdict(outside, vocabulary, about) == "positive":
        return "positive", True
    return said, False


def _sign(
    sign: str, before: str, said: PhraseVerdict | None, overall: PhraseVerdict | None, vocabulary: Vocabulary
) -> str:
    """The comparator of a titre: written with it or before it, or as its phrase says, of "at" a titre the text (A1, A2)."""
    if not sign and (written_before := vocabulary.pattern(_SIGN_BEFORE).search(before)):
        sign = comparator(written_before)
    if said == "negative":
        return _NOT[sign]
    if (said or overall) == "positive" and not sign and vocabulary.pattern(_AT_BEFORE).search(before):
        return ">="
    return sign


def _by_part(
    whole: str, separator: re.Pattern[str], within: tuple[int, int], titres: Iterable[re.Match[str]]
) -> Iterator[tuple[tuple[int, int], list[re.Match[str]]]]:
    """The parts of a text that hold a titre, each with its titres; the comma of "1:1,280" ends none."""
    start, stop = within
    waiting = deque(titres)
    inside = {place for titre in waiting for place in range(*titre.span())}
    spans = (mark.span() for mark in separator.finditer(whole, start, stop))
    for end, after in (*(span for span in spans if span[0] not in inside), (stop, stop)):
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
