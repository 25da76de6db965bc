"""What an antibody result answers (E7), and what all of a patient's results say together (E8)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from fhir_mapping.evidence import Subtype
from fhir_mapping.laboratory.bounds import above, agreed, at_least
from fhir_mapping.laboratory.numbers import number_of, text_of
from fhir_mapping.laboratory.phrases import (
    ANTIBODY_NAMES,
    in_sentences,
    plain,
    sounds_weak,
    surely,
    verdict,
    without_reference,
)
from fhir_mapping.laboratory.results import lowest_id_last
from fhir_mapping.laboratory.titres import titres_of
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Coding, Component, Doubt, ReferenceLimits, Result, Value
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.words import Vocabulary, fold

LabAnswer = Literal["positive", "weak", "negative"]
Antibody = Literal["anti-srp", "anti-hmgcr"]
ANTIBODIES: tuple[Antibody, ...] = ("anti-srp", "anti-hmgcr")

_EMPTY_BRACKETS = re.compile(r"[(\[{] *[)\]}]")


def read_answer(result: Result, tables: Tables) -> LabAnswer | None:
    """Positive, weak (which is not positive) or negative, in the order of E7; None where nothing says so."""
    said = (result.value, result.components, result.interpretation, result.interpretation_text)
    asked = ("answer", result.analyte, result.has("titre"), result.limits, *said)
    return tables.vocabulary.once(asked, lambda: _read_answer(result, tables))


def _read_answer(result: Result, tables: Tables) -> LabAnswer | None:
    if _is_weak(result, tables):
        return "weak"
    about, vocabulary = result.analyte, tables.vocabulary
    answer = (
        _by_codes(result.value, tables)
        or _by_words(text_of(result.value), about, vocabulary)
        or _by_limit(result, tables)
        or _by_titre(result, vocabulary)
        or _by_interpretation(result.interpretation, tables)
    )
    if answer != "negative":
        return answer
    # Against it speaks a component that may be about the same antibody and says positive, by codes or words
    for part in result.components:
        roles = tables.words("observations", part.code.codings)
        named = vocabulary.roles(part.code.text) & ANTIBODY_NAMES
        if (roles and about not in roles) or (named and about not in named):
            continue
        said = _by_codes(part.value, tables) or _by_words(text_of(part.value), about, vocabulary)
        if (said or _by_interpretation(part.interpretation, tables)) == "positive":
            return "weak"
    return answer


def why_unanswered(result: Result, tables: Tables) -> str:
    """What keeps a number from being an answer: limits that disagree (F8), or a bound that leaves one open (F5)."""
    if result.limits.band is None:
        return "interval"
    number = number_of(result.value, tables)
    if number is None:
        return ""
    exceeded = set(_exceeded(number.value, number.comparator, number.upto, result.limits))
    if len(exceeded) > 1:
        return "several reference ranges"
    return "interval" if exceeded == {None} else ""


def _is_weak(result: Result, tables: Tables) -> bool:
    """A word or code for "weak" anywhere in values or interpretations, those of components included."""
    parts: list[Result | Component] = [result, *result.components]
    texts = [text for part in parts for text in (text_of(part.value), part.interpretation_text)]
    codings = [
        coding
        for part in parts
        for coding in (*part.interpretation, *(part.value.concept.codings if part.value.concept else ()))
    ]
    if tables.means("qualifiers", codings, "weak"):
        return True
    about, vocabulary = result.analyte, tables.vocabulary
    for text in filter(None, texts):
        answer = without_reference(plain(text), vocabulary)
        if _whole(answer) in vocabulary.words("weak-whole") or sounds_weak(answer, vocabulary, about):
            return True
    return False


def _by_codes(value: Value, tables: Tables) -> LabAnswer | None:
    """What the codes of a value answer; two that disagree are weak."""
    said = tables.words("qualifiers", value.concept.codings) if value.concept else frozenset()
    if {"positive", "negative"} <= said:
        return "weak"
    return "positive" if "positive" in said else "negative" if "negative" in said else None


def _by_interpretation(codings: Iterable[Coding], tables: Tables) -> LabAnswer | None:
    """What the codes of the interpretation answer, in the order of E7: a positive one first."""
    said = tables.words("qualifiers", codings)
    return "positive" if "positive" in said else "negative" if "negative" in said else None


def _by_words(text: str, about: RoleWord, vocabulary: Vocabulary) -> LabAnswer | None:
    answer = without_reference(in_sentences(text), vocabulary)
    if _whole(answer) in vocabulary.words("positive-whole"):
        return "positive"
    return surely(verdict(answer, vocabulary, about), answer, vocabulary, about)


def _whole(answer: str) -> str:
    """A whole answer as words are compared; of a reference range in brackets nothing is left."""
    return fold(_EMPTY_BRACKETS.sub("", answer))


def _by_limit(result: Result, tables: Tables) -> LabAnswer | None:
    """A number against its own limit or bands, never against a limit of ours (F8)."""
    number = number_of(result.value, tables)
    if number is None:
        return None
    if result.limits.band:
        return result.limits.band
    return _compared(number.value, number.comparator, number.upto, result.limits)


def _by_titre(result: Result, vocabulary: Vocabulary) -> LabAnswer | None:
    """Any titre above its own limit; without a limit any that is not written with `<`."""
    titres = titres_of(result.value, vocabulary, result.analyte, titre_code=result.has("titre"))
    answers: set[LabAnswer | None] = set()
    for titre in titres:
        if result.limits.high is not None or result.limits.several:
            answers.add(_compared(titre.reciprocal, titre.comparator, titre.upto, result.limits))
        else:
            answers.add("negative" if titre.comparator.startswith("<") else "positive")
    return "positive" if "positive" in answers else "negative" if answers == {"negative"} else None


def _compared(
    value: Decimal, comparator: str, upto: Decimal | None, limits: ReferenceLimits
) -> LabAnswer | None:
    is_above = agreed(_exceeded(value, comparator, upto, limits))
    return None if is_above is None else "positive" if is_above else "negative"


def _exceeded(
    value: Decimal, comparator: str, upto: Decimal | None, limits: ReferenceLimits
) -> Iterator[bool | None]:
    """Whether each of the limits is exceeded; one that is written with `<` is by its own number."""
    exceeds = at_least if limits.is_below else above
    highs = limits.highs or (() if limits.high is None else (limits.high,))
    return (exceeds(value, comparator, high, upto) for high in highs)


_SUBTYPES: Mapping[tuple[Antibody, ...], Subtype] = {  # by what was ever positive
    ANTIBODIES: "both",
    ("anti-srp",): "anti-SRP",
    ("anti-hmgcr",): "anti-HMGCR",
}


class Serology(Struct, frozen=True):
    """The answers to anti-SRP and anti-HMGCR: for each the latest result of each answer."""

    latest: Mapping[tuple[Antibody, LabAnswer], Result]
    positive: tuple[Antibody, ...]  # those that were ever positive (E7)
    doubts: tuple[Doubt, ...]  # in either, by code or by words

    @property
    def all_negative(self) -> bool:
        """Whether both have a result read as negative, and neither was ever positive or weak."""
        return bool(self.latest) and not self.positive and all(map(self.is_negative, ANTIBODIES))

    def has(self, antibody: Antibody) -> bool:
        """Whether an antibody has any answer."""
        return any(asked == antibody for asked, _ in self.latest)

    @property
    def subtype(self) -> Subtype:
        """The antibody subtype (E8)."""
        if self.positive:
            return _SUBTYPES[self.positive]
        return "seronegative" if self.all_negative and not self.doubts else "unknown"

    def is_negative(self, antibody: Antibody) -> bool:
        """Whether an antibody has a result read as negative, and was never weak (E8)."""
        return (antibody, "negative") in self.latest and (antibody, "weak") not in self.latest


@asked_once
def read_serology(record: PatientRecord) -> Serology:
    """Every anti-SRP and anti-HMGCR result of a record, read by E7."""
    latest: dict[tuple[Antibody, LabAnswer], Result] = {}
    for antibody in ANTIBODIES:
        for result in lowest_id_last(record.of(antibody)):
            if answer := read_answer(result, record.mapping.tables):
                latest[antibody, answer] = result
    positive = tuple(antibody for antibody in ANTIBODIES if (antibody, "positive") in latest)
    return Serology(latest, positive, record.doubts_in(*ANTIBODIES))
