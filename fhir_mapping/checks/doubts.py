"""What was there and could not be used (U1 to U3): by code where a resource was refused, by words where no code says it.

A doubt is made in one place, here, for one resource in one role. Nothing is doubted about what says that there is no
result, that nothing took place, or that it is about somebody else (`_is_settled`), whichever reason was reported first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fhir_mapping.checks.absence import is_part_withheld, is_withheld, may_be_there
from fhir_mapping.checks.conditions import REFUTED, may_be_eligible, statuses_of
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.checks.medicines import says_nothing, systemic
from fhir_mapping.checks.observations import (
    DATA_ABSENT,
    INTERVAL,
    NO_VALUE,
    OTHER_SUBJECT,
    as_far_as_read,
    focus_problem,
    has_value,
    holds_number,
    is_flagged,
)
from fhir_mapping.checks.starts import starts
from fhir_mapping.checks.statuses import MEDICATIONS, PROPOSALS, never_took_place
from fhir_mapping.checks.unsaid import KINDS, TABLE, may_be
from fhir_mapping.laboratory.answers import mentions_no_result, says_no_result
from fhir_mapping.laboratory.numbers import text_of
from fhir_mapping.record import Concept, Done, Doubt, Moment, Result
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import ANALYTES, RoleWord
from fhir_mapping.terms.words import NamedIn
from fhir_mapping.versions import neutral

# U1: the reasons for which a resource with a role by code is a doubt. `data absent` only for some of its own reasons.
REASONS = frozenset(
    {
        *("unreadable", "no subject", "subject elsewhere", "modifier extension", "implicit rules"),
        *("no status", "unknown status", "preliminary", "partial", "unknown", "undated"),
        *("conflicting codes", "unresolved", "no unit", "unknown unit", "no number"),
        *("several reference ranges", "implausible", NO_VALUE, INTERVAL),
    }
)
_NAMED = "named, not coded"
_NO_NUMBER = frozenset({"implausible", "no number", DATA_ABSENT, NO_VALUE, "several reference ranges"})
_OF_THE_VALUE = _NO_NUMBER | {"no unit", "unknown unit"}
_NAMES: Mapping[str, str] = {  # a word of the tables → the role in which it is a doubt
    **dict.fromkeys(("core", "anti-srp", "anti-hmgcr", "ast", "alt", "ck", "ana", "lvef"), ""),
    **dict.fromkeys(("troponin-i", "troponin-t", "nt-probnp", "broad"), ""),
    "ast-alt-ratio": "drr",
    "alt-ast-ratio": "drr",
    "cardiac-a": "cardiac",
    "broad-antibody": "broad",
    "broad-hmgcr": "broad",
}
# A class that no predictor and no row of the follow-up table reads
_NO_AGENTS = frozenset({"checkpoint-inhibitor"})
_Doubtable = neutral.Observation | neutral.Condition | neutral.Medication | neutral.Performed
_DOUBTABLE = (neutral.Observation, neutral.Condition, neutral.Medication, neutral.Performed)
_NOTHING = frozenset[str]()
_TYPES = frozenset({*KINDS, "Procedure"})
_OBSERVATION = frozenset({"Observation"})
# What says that there is no doubt, and says it no longer once a part of it is lost
_TIMES = frozenset(
    {
        *("dosageInstruction", "dispenseRequest", "authoredOn", "onsetDateTime", "onsetPeriod"),
        *("effectiveDateTime", "effectivePeriod", "effectiveInstant", "performedDateTime", "performedPeriod"),
    }
)
_ROUTES = frozenset({"dosageInstruction", "dosage", "form"})
_VERIFICATION = frozenset({"verificationStatus"})


def doubts_of(resource: neutral.Resource, verdict: Verdict, case: Case) -> Iterable[Doubt]:
    """Give the doubts of one resource that is not another's: of what was refused, named by its words, or read in part."""
    reason = verdict if isinstance(verdict, str) else ""
    for fact in () if isinstance(verdict, str) else verdict:
        components = fact.components if isinstance(fact, Result) else ()
        if components and is_part_withheld(components, fact.roles, case.tables):
            reason = DATA_ABSENT  # a component is kept back (U1)
    named = _named_beside_codes(resource, case) if resource.concepts else _NOTHING
    if not (reason or named) or not isinstance(content := _content_of(resource, _TYPES), _DOUBTABLE):
        return ()
    by_word = _roles_by_word(resource, content, named, case) if named else named
    return _doubts(resource, content, reason, by_word, case) if reason or by_word else ()


def _doubts(
    resource: neutral.Resource, content: _Doubtable, reason: str, by_word: frozenset[str], case: Case
) -> Iterator[Doubt]:
    words = frozenset[RoleWord]()
    if resource.type in TABLE:  # where its code cannot be read, those that it may have
        words = case.tables.words(TABLE[resource.type], resource.codings) or may_be(resource, case)
    by_code = _roles_by_code(resource, content, reason, words, case) if reason else frozenset()
    if not (by_code or by_word) or _is_settled(resource, content, case):
        return
    for role in sorted(by_code):
        yield _doubt(resource, content, Doubt(resource.name, role, reason, case.as_of, roles=words), case)
    for role in sorted(by_word):
        counts = isinstance(content, neutral.Condition) and may_be_eligible(content, resource.lost, case)
        doubt = Doubt(resource.name, role, _NAMED, case.as_of, by="word", roles=words, counts=counts)
        yield _doubt(resource, content, doubt, case)


def done_all_the_same(resource: neutral.Resource, reason: str, case: Case) -> Iterator[Done]:
    """Give what was done although its result cannot be used for its value or unit alone (V1); no other doubt is done."""
    content = _content_of(resource, _OBSERVATION) if reason in _OF_THE_VALUE else None
    if not isinstance(content, neutral.Observation) or content.when is None:
        return
    value, tables = content.own.value, case.tables
    is_left_out = reason == DATA_ABSENT and not is_withheld(value, tables)
    speaks_of_none = mentions_no_result(text_of(value), tables)  # whatever else it says
    if not (is_left_out or speaks_of_none or _is_settled(resource, content, case)):
        roles = case.tables.words("observations", resource.codings)
        yield Done(resource.name, roles, "Observation", case.at(content.when))


def _content_of(resource: neutral.Resource, types: frozenset[str]) -> neutral.Content | None:
    """Read a resource of one of these types; None for any other."""
    return resource.content() if resource.type in types and resource.content else None


def open_doubt(result: Result) -> Doubt:
    """A result that was read and leaves a question open: a doubt for that question alone (F5)."""
    role = _NAMES.get(result.analyte) or result.analyte
    return Doubt(result.resource, role, INTERVAL, result.when.last, result.when.day_text, result=result)


def _roles_by_code(
    resource: neutral.Resource, content: _Doubtable, reason: str, words: frozenset[RoleWord], case: Case
) -> frozenset[str]:
    tables = case.tables
    withheld = (
        reason == DATA_ABSENT
        and isinstance(content, neutral.Observation)
        and (may_be_there(content.own.value, tables) or is_part_withheld(content.components, words, tables))
    )
    if not (reason in REASONS or withheld):
        return frozenset()
    if resource.type == "Procedure" or resource.type in MEDICATIONS:
        return _agents_by_code(resource, content, case)
    if "core" in words:  # in one Condition a core code wins (E6)
        words = words - {"broad", "broad-antibody", "broad-hmgcr"}
    return frozenset(_NAMES[word] or word for word in words if word in _NAMES)


def _agents_by_code(resource: neutral.Resource, content: _Doubtable, case: Case) -> frozenset[str]:
    """Name the ingredients of a medicine or an infusion; `agent` where it has none, and may be any (T1)."""
    ingredients = {
        ingredient
        for ingredient in case.tables.ingredients(resource.codings)
        if case.tables.agent(ingredient).klass not in _NO_AGENTS
    }
    if isinstance(content, neutral.Medication):
        is_any = resource.unsure and not _named_beside_codes(resource, case)
        is_any = is_any or says_nothing(resource, content, case)
    else:
        is_any = resource.unsure and not case.tables.words("procedures", resource.codings)
    return frozenset({"agent"} if is_any and not ingredients else ingredients)


def _named_beside_codes(resource: neutral.Resource, case: Case) -> frozenset[str]:
    """U3: what the words of its concepts name and none of the codings beside them has."""
    kind = KINDS.get(resource.type)
    if kind is None:
        return frozenset()
    asked = kind, resource.concepts
    if (named := case.named.get(asked)) is None:
        by_concept = (_named(concept, kind, case) for concept in resource.concepts)
        coded = case.tables.ingredients(resource.codings) if kind == "medication" else _NOTHING
        named = case.named[asked] = _NOTHING.union(*by_concept) - coded
    return named


def _roles_by_word(
    resource: neutral.Resource, content: _Doubtable, named: frozenset[str], case: Case
) -> frozenset[str]:
    """U3: what its words name, unless more is known of it: a class by its ingredient, a panel by its parts."""
    if isinstance(content, neutral.Medication):
        return named & case.tables.by_name(named | case.tables.ingredients(resource.codings))
    if not isinstance(content, neutral.Observation):
        return named
    if content.own.value.absent and not may_be_there(content.own.value, case.tables):
        return frozenset()
    parts = {word for part in content.components for word in case.tables.analytes(part.code.codings)}
    parts |= {word for member in content.members for word in case.analytes_of(member)}
    return named - parts


def _named(concept: Concept, kind: NamedIn, case: Case) -> frozenset[str]:
    named = case.tables.vocabulary.names(kind, concept.text)
    for display in concept.displays:
        if display != concept.text:
            named |= case.tables.vocabulary.names(kind, display)
    if not named:
        return named
    coded: frozenset[str] = (
        case.tables.ingredients(concept.codings)
        if kind == "medication"
        else case.tables.words(TABLE[kind], concept.codings)
    )
    return named - coded


def _is_settled(resource: neutral.Resource, content: _Doubtable, case: Case) -> bool:
    """Whether it is no doubt, whichever reason is reported first (U1)."""
    when, lost = _time(content, case), resource.lost
    if never_took_place(resource.type, resource.status):
        return True
    if when and case.is_future(when) and lost.isdisjoint(_TIMES):
        return True
    match content:
        case neutral.Observation():
            is_of_another = focus_problem(content, case) == OTHER_SUBJECT
            return is_of_another or _has_no_result(resource, content, case)
        case neutral.Condition():
            return lost.isdisjoint(_VERIFICATION) and statuses_of(content, case)[1] in REFUTED
        case neutral.Medication():
            # Nothing was ordered (T2), or it is given by an excluded route or in such a form (T1)
            is_proposal = content.intent in PROPOSALS or content.do_not_perform
            if is_proposal and content.kind == "MedicationRequest":
                return True
            return lost.isdisjoint(_ROUTES) and systemic(content, case) is None
        case _:
            return False


def _has_no_result(resource: neutral.Resource, observation: neutral.Observation, case: Case) -> bool:
    """U1: whether it is pending, or its value says that there is no result and nothing beside it says that there is one.

    Not where a part of its value was lost.
    """
    if any(element == "component" or element.startswith("value") for element in resource.lost):
        return False
    tables = case.tables
    if resource.status in {"preliminary", "partial"} and _is_pending(observation, tables):
        return True
    if not says_no_result(text_of(observation.own.value), tables) or is_flagged(observation, tables):
        return False
    for value in (part.value for part in observation.components):
        if value.is_unread or may_be_there(value, tables):
            return False
        is_coded = value.concept and value.concept.codings
        if has_value(value) and (is_coded or not says_no_result(text_of(value), tables)):
            return False
    return True


def _is_pending(observation: neutral.Observation, tables: Tables) -> bool:
    """U1: whether there is no value yet: none that is kept back, and no flag that says that there is one."""
    values = [part.value for part in (observation.own, *observation.components)]
    is_there = any(value.is_unread or has_value(value) or may_be_there(value, tables) for value in values)
    return not (is_there or is_flagged(observation, tables))


def _time(content: _Doubtable, case: Case) -> Moment | None:
    """When it was (U2); of a medicine when it begins for the whole body (T1, T3)."""
    match content:
        case neutral.Condition():
            return content.onset
        case neutral.Medication():
            instructions = systemic(content, case) or ()
            return starts(content, [instruction.bounds for instruction in instructions])
        case _:
            return content.when


def _doubt(resource: neutral.Resource, content: _Doubtable, doubt: Doubt, case: Case) -> Doubt:
    """Complete a doubt with its time (U2) and with what can still be read."""
    when = _time(content, case)
    if when:
        doubt = replace(doubt, when=case.at(when).last, date=when.day_text)
    match content:
        case neutral.Observation():
            own_words = (word for word in doubt.roles if (_NAMES.get(word) or word) == doubt.role)
            analyte = min((ANALYTES[word] for word in own_words if word in ANALYTES), default=None)
            if doubt.by == "word" or analyte is None:
                return doubt
            result = as_far_as_read(resource, content, analyte, case)
            number = doubt.reason not in _NO_NUMBER and holds_number(result, case.tables)
            return replace(doubt, result=result, holds_number=number)
        case neutral.Medication():
            # It stands on the medication list, and neither ended nor on hold as far as it says
            on_list = resource.type in {"MedicationRequest", "MedicationStatement"}
            has_ended = resource.status in {"completed", "stopped", "on-hold"}
            return replace(doubt, listed=on_list and not has_ended)
        case _:
            return doubt
