"""What an antibody result answers (E7), and what all of a patient's results say together (E8)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fhir_mapping.evidence import Subtype
from fhir_mapping.laboratory.bounds import above, rank
from fhir_mapping.laboratory.phrases import answer_of, sounds_weak, verdict
from fhir_mapping.laboratory.titres import text_of, titres_of
from fhir_mapping.record import Doubt, Coding, Component, PatientRecord, Result, Value
from fhir_mapping.terms import Tables

LabAnswer = Literal["positive", "weak", "negative"]
Antibody = Literal["anti-srp", "anti-hmgcr"]

ANTIBODIES: tuple[Antibody, ...] = ("anti-srp", "anti-hmgcr")


def read_answer(result: Result, tables: Tables) -> LabAnswer | None:
    """Positive, weak (which is not positive) or negative, in the order of E7; None where nothing says so."""
    if _is_weak(result, tables):
        return "weak"
    return (
        _by_words(result.value, tables)
        or _by_limit(result)
        or _by_titre(result, tables)
        or _by_codes(result.interpretation, tables)
    )


def _is_weak(result: Result, tables: Tables) -> bool:
    """A word or code for "weak" anywhere in values or interpretations, those of components included."""
    parts: list[Result | Component] = [result, *result.components]
    texts = [text for part in parts for text in (text_of(part.value), part.interpretation_text)]
    codings = [
        coding
        for part in parts
        for coding in (*part.interpretation, *(part.value.concept.codings if part.value.concept else ()))
    ]
    return tables.means("qualifiers", codings, "weak") or any(
        sounds_weak(answer_of(text, tables.rules), tables.rules) for text in texts
    )


def _by_words(value: Value, tables: Tables) -> LabAnswer | None:
    """The words and the codes of the value itself; where they disagree, negative."""
    codes = value.concept.codings if value.concept else ()
    said = {verdict(answer_of(text_of(value), tables.rules), tables.rules), _by_codes(codes, tables)}
    return "negative" if "negative" in said else "positive" if "positive" in said else None


def _by_codes(codings: Iterable[Coding], tables: Tables) -> LabAnswer | None:
    if tables.means("qualifiers", codings, "negative"):
        return "negative"
    return "positive" if tables.means("qualifiers", codings, "positive") else None


def _by_limit(result: Result) -> LabAnswer | None:
    """A quantity against its own limit, never against one of ours (F8)."""
    value = result.value
    if value.number:
        return _compared(value.number.value, value.number.comparator, result.limits.high)
    return None if value.integer is None else _compared(Decimal(value.integer), "", result.limits.high)


def _by_titre(result: Result, tables: Tables) -> LabAnswer | None:
    """The highest titre above its own limit; without a limit any titre that is not written with `<`."""
    titres = titres_of(result.value, tables.rules, titre_code=result.has("titre"))
    if not titres:
        return None
    highest = max(titres, key=lambda titre: (titre.reciprocal, rank(titre.comparator)))
    if result.limits.high is not None:
        return _compared(highest.reciprocal, highest.comparator, result.limits.high)
    return "negative" if highest.comparator.startswith("<") else "positive"


def _compared(value: Decimal, comparator: str, limit: Decimal | None) -> LabAnswer | None:
    is_above = None if limit is None else above(value, comparator, limit)
    return None if is_above is None else "positive" if is_above else "negative"


@dataclass(frozen=True, slots=True)
class Serology:
    """The answers to anti-SRP and anti-HMGCR: for each the latest result of each answer."""

    latest: Mapping[tuple[Antibody, LabAnswer], Result]
    doubts: tuple[Doubt, ...] = ()  # in either, by code or by words

    @property
    def all_negative(self) -> bool:
        """Whether both have a result read as negative, and neither was ever positive or weak."""
        return not self.positive and all(map(self._is_negative, ANTIBODIES))

    @property
    def positive(self) -> tuple[Antibody, ...]:
        """The antibodies that were ever positive (E7)."""
        return tuple(antibody for antibody in ANTIBODIES if (antibody, "positive") in self.latest)

    @property
    def subtype(self) -> Subtype:
        """The antibody subtype (E8)."""
        match self.positive:
            case ("anti-srp", "anti-hmgcr"):
                return "both"
            case ("anti-srp",):
                return "anti-SRP"
            case ("anti-hmgcr",):
                return "anti-HMGCR"
        return "seronegative" if self.all_negative and not self.doubts else "unknown"

    def _is_negative(self, antibody: Antibody) -> bool:
        return (antibody, "negative") in self.latest and (antibody, "weak") not in self.latest


def read_serology(record: PatientRecord) -> Serology:
    """Every anti-SRP and anti-HMGCR result of a record, read by E7."""
    latest: dict[tuple[Antibody, LabAnswer], Result] = {}
    for antibody in ANTIBODIES:
        results = sorted(record.of(antibody), key=lambda result: result.id, reverse=True)
        for result in sorted(results, key=lambda result: result.when.last):
            if answer := read_answer(result, record.mapping.tables):
                latest[antibody, answer] = result
    return Serology(latest, record.doubts_in(*ANTIBODIES))
