"""What one ANA result says: nuclear titres, an answer, or staining of the cytoplasm alone (A1, A4)."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise

from fhir_mapping.laboratory.antibody import LabAnswer, read_answer
from fhir_mapping.laboratory.phrases import SEPARATOR, phrase_verdict, without_reference, words
from fhir_mapping.laboratory.titres import Titre, text_of, titres_of
from fhir_mapping.record import PatientRecord, Result
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.rules import Rules

_CYTOPLASMIC: frozenset[RoleWord] = frozenset({"cytoplasmic"})
_NUCLEAR: frozenset[RoleWord] = frozenset({"nuclear"})
_NONE: frozenset[RoleWord] = frozenset()

StainingPatterns = AbstractSet[RoleWord]  # which of "cytoplasmic" and "nuclear" are named


@dataclass(frozen=True, slots=True)
class Staining:
    """One ANA result: its nuclear titres; without one, whether only cytoplasm was stained, else its answer."""

    result: Result
    titres: tuple[Titre, ...] = ()
    answer: LabAnswer | None = None
    cytoplasmic: bool = False


def read_ana(record: PatientRecord) -> list[Staining]:
    """Every ANA result of a record, read by A1 and A4."""
    tables = record.mapping.tables
    results = record.of("ana")
    beside: defaultdict[Hashable, set[RoleWord]] = defaultdict(set)
    for result in results:
        if result.has("pattern"):
            for key in belongs_to(result):
                beside[key] |= _patterns(result, tables)
    return [_read(result, beside, tables) for result in results]


def belongs_to(result: Result) -> Iterator[Hashable]:
    """What a titre shares with the pattern results beside it: specimen, report or collection time (A4)."""
    if result.specimen:
        yield "specimen", result.specimen
    for report in result.reports:
        yield "report", report
    yield "time", result.when.first, result.when.last


def _read(result: Result, beside: Mapping[Hashable, StainingPatterns], tables: Tables) -> Staining:
    around = {name for key in belongs_to(result) for name in beside.get(key, _NONE)}
    own = _patterns(result, tables)
    titres = [
        (titre, named == _CYTOPLASMIC or piece.has("cytoplasmic"))
        for piece in _pieces(result, tables)
        for titre, named in _titres_with_patterns(piece, own or around, tables)
    ]
    nuclear = tuple(titre for titre, is_cytoplasmic in titres if not is_cytoplasmic)
    if nuclear or result.has("pattern"):
        return Staining(result, nuclear, cytoplasmic=own == _CYTOPLASMIC and not nuclear)
    if (titres or own) and not own & _NUCLEAR:
        return Staining(result, cytoplasmic=True)
    return Staining(result, answer=_answer(result, tables))


def _titres_with_patterns(
    piece: Result, otherwise: StainingPatterns, tables: Tables
) -> Iterator[tuple[Titre, StainingPatterns]]:
    """A titre has the pattern of its phrase, else of its component, else of what is around it (A4)."""
    titres = titres_of(piece.value, tables.rules, titre_code=piece.has("titre"))
    by_phrase = {
        phrase: _phrase_patterns(phrase, tables.rules) for phrase in {titre.phrase for titre in titres}
    }
    named = _piece_patterns(piece, tables) if titres else _NONE
    for titre in titres:
        yield titre, by_phrase[titre.phrase] or named or otherwise


def _patterns(result: Result, tables: Tables) -> frozenset[RoleWord]:
    """The patterns that an Observation and its components name."""
    return _NONE.union(*(_piece_patterns(piece, tables) for piece in _pieces(result, tables)))


def _pieces(result: Result, tables: Tables) -> Iterator[Result]:
    """The Observation without its components, then each component about ANA as if it were one."""
    yield replace(result, components=())
    for component in result.components:
        roles = tables.words("observations", component.code.codings)
        if not roles or result.analyte in roles:
            yield replace(
                result,
                roles=roles or result.roles,
                value=component.value,
                interpretation=component.interpretation,
                interpretation_text=component.interpretation_text,
                limits=component.limits,
                components=(),
            )


def _piece_patterns(piece: Result, tables: Tables) -> frozenset[RoleWord]:
    text, _ = without_reference(text_of(piece.value), tables.rules)
    answer = _answer(piece, tables)
    if piece.has("cytoplasmic"):
        shows_staining = answer != "negative" and bool(answer or text)
        return _CYTOPLASMIC if shows_staining else _NONE
    phrases = (
        phrase for phrase in SEPARATOR.split(text) if phrase_verdict(phrase, tables.rules) != "negative"
    )
    named = _NONE.union(*(_phrase_patterns(phrase, tables.rules) for phrase in phrases))
    is_unknown_pattern = piece.has("pattern") and not named and not answer and bool(text)
    return named | (piece.roles & _NUCLEAR) | (_NUCLEAR if is_unknown_pattern else _NONE)


def _phrase_patterns(phrase: str, rules: Rules) -> frozenset[RoleWord]:
    """A phrase that contains "cytoplasmic" is cytoplasmic whatever follows (A4)."""
    spoken = words(phrase)
    if not rules.words("cytoplasmic").isdisjoint(spoken):
        return _CYTOPLASMIC
    named = {word for before, word in pairwise(["", *spoken]) if before not in rules.words("antibody_prefix")}
    return _NONE if rules.words("nuclear").isdisjoint(named) else _NUCLEAR


def _answer(result: Result, tables: Tables) -> LabAnswer | None:
    """E7 for an ANA screen, on the text without brackets and reference range (A1)."""
    _, shown = without_reference(text_of(result.value), tables.rules)
    concept = replace(result.value.concept, text="") if result.value.concept else None
    return read_answer(replace(result, value=replace(result.value, text=shown, concept=concept)), tables)
