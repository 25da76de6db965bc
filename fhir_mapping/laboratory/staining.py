"""What one ANA result says: nuclear titres, an answer, or staining of the cytoplasm alone (A1, A4)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.laboratory.antibody import LabAnswer, read_answer
from fhir_mapping.laboratory.numbers import text_of
from fhir_mapping.laboratory.phrases import (
    LIST_SEPARATOR,
    SEPARATOR,
    in_sentences,
    phrase_verdict,
    sounds_weak,
    verdict,
    without_brackets,
    without_negated,
    without_reference,
    words,
)
from fhir_mapping.laboratory.titres import Titre, is_titre_by_name, titres_of
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Result
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.words import Vocabulary

_CYTOPLASMIC: frozenset[RoleWord] = frozenset({"cytoplasmic"})
_NUCLEAR: frozenset[RoleWord] = frozenset({"nuclear"})
_UNSURE = frozenset({"negation", "negated", "weak"})
_TITRE: frozenset[RoleWord] = frozenset({"titre"})
_NONE: frozenset[RoleWord] = frozenset()

StainingPatterns = AbstractSet[RoleWord]  # which of "cytoplasmic" and "nuclear" are named


class Staining(Struct, frozen=True):
    """One ANA result: its nuclear titres; without one, whether only cytoplasm was stained, else its answer."""

    result: Result
    titres: tuple[Titre, ...] = ()
    answer: LabAnswer | None = None
    cytoplasmic: bool = False
    seen: bool = False  # the result of a pattern, in which something nuclear was seen


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


def read_ana_result(result: Result, tables: Tables) -> Staining:
    """One ANA result by itself (A1, A4)."""
    return _read(result, {}, tables)


def belongs_to(result: Result) -> Iterator[Hashable]:
    """What a titre shares with the pattern results beside it: specimen, report or collection time (A4)."""
    if result.specimen:
        yield "specimen", result.specimen
    for report in result.reports:
        yield "report", report
    if result.when.text:  # undated, it has no time in common with anything (U2)
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
    if nuclear:
        return Staining(result, nuclear)
    if (titres or own) and not own & _NUCLEAR:
        return Staining(result, cytoplasmic=own == _CYTOPLASMIC or not result.has("pattern"))
    answer = _answer_with_patterns(result, tables)
    if result.has("pattern"):
        return Staining(result, seen=answer == "positive")
    return Staining(result, answer=answer)


def _answer_with_patterns(result: Result, tables: Tables) -> LabAnswer | None:
    """The answer of a result without titre: a positive of a component and a nuclear pattern by name are positive (A3).

    The cytoplasm answers nothing about nuclei.
    """
    if result.has("cytoplasmic"):
        return None
    pieces = list(_pieces(result, tables))
    own, *of_components = [_answer(piece, tables) for piece in pieces if not piece.has("cytoplasmic")]
    if not {"positive", "weak"}.isdisjoint((own, *of_components)):
        return "positive"
    if own:
        return own
    is_seen = any("nuclear" in _named_patterns(piece, tables.vocabulary) for piece in pieces)
    return "positive" if is_seen else None


def _titres_with_patterns(
    piece: Result, otherwise: StainingPatterns, tables: Tables
) -> Iterator[tuple[Titre, StainingPatterns]]:
    """A titre has the pattern of its phrase, else of its component, else of what is around it (A4)."""
    titres = titres_of(piece.value, tables.vocabulary, piece.analyte, titre_code=piece.has("titre"))
    by_phrase = {
        phrase: _phrase_patterns(phrase, tables.vocabulary) for phrase in {titre.phrase for titre in titres}
    }
    named = _piece_patterns(piece, tables) if titres else _NONE
    for titre in titres:
        yield titre, by_phrase[titre.phrase] or named or otherwise


def shows_anything(result: Result, tables: Tables) -> bool:
    """Whether an ANA result holds a titre, a pattern by its name or code, or an answer."""
    return any(
        titres_of(piece.value, tables.vocabulary, piece.analyte, titre_code=piece.has("titre"))
        or _named_patterns(piece, tables.vocabulary)
        or _answer(piece, tables)
        for piece in _pieces(result, tables)
    )


def _patterns(result: Result, tables: Tables) -> frozenset[RoleWord]:
    """The patterns that an Observation and its components name."""
    return _NONE.union(*(_piece_patterns(piece, tables) for piece in _pieces(result, tables)))


def _pieces(result: Result, tables: Tables) -> Iterator[Result]:
    """The Observation without its components, then each component about ANA as if it were one."""
    yield replace(result, components=()) if result.components else result
    for component in result.components:
        roles = tables.words("observations", component.code.codings)
        if not roles:
            # About ANA as its Observation, but a titre only if it is called one
            is_titre = is_titre_by_name(component.code, tables.vocabulary)
            roles = result.roles if is_titre else result.roles - _TITRE
        elif result.analyte not in roles:
            continue
        yield replace(
            result,
            roles=roles,
            value=component.value,
            interpretation=component.interpretation,
            interpretation_text=component.interpretation_text,
            limits=component.limits,
            components=(),
        )


def _shows_cytoplasm(piece: Result, tables: Tables) -> bool:
    """Whether a result for the cytoplasm was stained: by its answer, else by a titre or a pattern that it names (A4).

    A word that negates or weakens anything of it leaves that open, and then it shows nothing.
    """
    if not _UNSURE.isdisjoint(tables.vocabulary.roles(text_of(piece.value))):
        return False
    if answer := _answer(piece, tables):
        return answer == "positive"
    titre_code = piece.has("titre")
    return bool(
        titres_of(piece.value, tables.vocabulary, piece.analyte, titre_code=titre_code)
        or _named_patterns(piece, tables.vocabulary)
    )


def _piece_patterns(piece: Result, tables: Tables) -> frozenset[RoleWord]:
    if piece.has("cytoplasmic"):
        return _CYTOPLASMIC if _shows_cytoplasm(piece, tables) else _NONE
    text = text_of(piece.value)
    named = _named_patterns(piece, tables.vocabulary)
    is_unknown_pattern = piece.has("pattern") and not named and bool(text) and not _answer(piece, tables)
    return named | (piece.roles & _NUCLEAR) | (_NUCLEAR if is_unknown_pattern else _NONE)


def _named_patterns(piece: Result, vocabulary: Vocabulary) -> frozenset[RoleWord]:
    """The patterns that the phrases of a value name, or its codes: AC-19 of the consensus on ANA patterns."""
    codes = [coding.code for coding in piece.value.concept.codings] if piece.value.concept else []
    text = text_of(piece.value)
    return vocabulary.once(("patterns", text, *codes), lambda: _patterns_in(text, codes, vocabulary))


def _patterns_in(text: str, codes: Iterable[str], vocabulary: Vocabulary) -> frozenset[RoleWord]:
    listed = LIST_SEPARATOR.split(without_reference(in_sentences(text), vocabulary))
    phrases = [phrase for part in listed for phrase in SEPARATOR.split(without_negated(part, vocabulary))]
    return _NONE.union(*(_phrase_patterns(phrase, vocabulary) for phrase in (*phrases, *codes)))


def _phrase_patterns(phrase: str, vocabulary: Vocabulary) -> frozenset[RoleWord]:
    """A phrase that names the cytoplasm is cytoplasmic whatever follows; one that is negative names nothing (A4)."""
    if phrase_verdict(phrase, vocabulary, "ana") == "negative":
        return _NONE
    seen = without_negated(phrase, vocabulary)
    if "cytoplasmic" in vocabulary.roles(seen):
        return _CYTOPLASMIC
    prefixes = vocabulary.words("antibody-prefix")
    named = [word for before, word in pairwise(["", *words(seen)]) if before not in prefixes]
    return _NUCLEAR if "nuclear" in vocabulary.roles(" ".join(named)) else _NONE


def _answer(result: Result, tables: Tables) -> LabAnswer | None:
    """E7 for an ANA screen: by the words outside of brackets where they answer, "Positive (negative: <1:80)"."""
    text = without_reference(in_sentences(text_of(result.value)), tables.vocabulary)
    outside = without_brackets(text)
    if verdict(outside, tables.vocabulary, "ana") or sounds_weak(outside, tables.vocabulary, "ana"):
        text = outside
    concept = replace(result.value.concept, text="") if result.value.concept else None
    value = replace(result.value, text=text, concept=concept)
    return read_answer(replace(result, value=value), tables)
