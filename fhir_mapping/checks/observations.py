"""Observation → Result: the checks of F2 to F8, in their order."""

from decimal import Decimal
from functools import partial

from fhir_mapping.checks.absence import is_called
from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.checks.limits import limits_of, plausible_range
from fhir_mapping.checks.statuses import status_problem
from fhir_mapping.laboratory.answers import says_something
from fhir_mapping.laboratory.antibody import why_unanswered
from fhir_mapping.laboratory.bounds import is_raised, is_within
from fhir_mapping.laboratory.numbers import measured, number_of, text_of
from fhir_mapping.laboratory.titres import is_titre_by_name, written_titres
from fhir_mapping.record import Amount, Component, Moment, Result, Value
from fhir_mapping.terms import Role, Tables
from fhir_mapping.terms.roles import Analyte, RoleWord
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions import neutral
from fhir_mapping.versions.references import subject_problem

INVERSE: Analyte = "alt-ast-ratio"  # 1/value is what must be plausible (D2)
_ANSWERS = frozenset({"ana", "anti-srp", "anti-hmgcr", "other-msa"})  # told by words, codes and titres
# A text of these that was read in part is a doubt; of others the part counts
_IN_FULL = _ANSWERS - {"other-msa"}
_SAYS: frozenset[RoleWord] = frozenset({"positive", "negative", "weak"})
_FLAGS: frozenset[RoleWord] = _SAYS | {"interpretation"}
OWN_LIMIT_ALONE = frozenset({"troponin-i", "troponin-t", "nt-probnp"})  # no default limit stands in (F8)
DATA_ABSENT = "data absent"
NO_VALUE = "no value"  # an Observation that says nothing
INTERVAL = "interval"  # one whose bound leaves its question open (F5)
OTHER_SUBJECT = "other subject"
ACCEPTED = frozenset({NO_VALUE, INTERVAL})  # it is no fact, and not refused either (U1)


def judge_observation(resource: neutral.Resource, observation: neutral.Observation, case: Case) -> Verdict:
    """Judge one Observation that has a code of our tables; what is `ACCEPTED` is not refused, but a doubt."""
    reason = (
        focus_problem(observation, case)
        or not_understood(resource)
        or status_problem("Observation", resource.status, accept_unknown=case.mapping.accept_unknown_status)
        or case.time_problem(observation.when)
    )
    tables = case.tables
    analytes = tables.analytes(resource.codings)
    if reason or observation.when is None or len(analytes) > 1:
        return reason or "conflicting codes"
    (analyte,) = analytes
    if analyte in _IN_FULL:  # a text that may answer, and is longer than what is read of it, is a doubt (U1)
        parts = (observation.own, *observation.components)
        texts = (text for part in parts for text in (text_of(part.value), part.interpretation_text))
        if any(len(text) > LONGEST_TEXT for text in texts):
            return "unreadable"
    role, value = tables.roles[analyte], observation.own.value
    amount, problem = _amount(value, role, tables)
    if value.absent is not None:
        # Members and components stand for the value of what is no magnitude (F5)
        instead = observation.members or any(has_value(part.value) for part in observation.components)
        if role.dimension or not instead:
            return DATA_ABSENT
    if reason := problem or _titre_problem(resource, observation, role, tables):
        return reason
    result = _result(resource, observation, observation.when, analyte, amount, case)
    # Of several limits that decide otherwise than each other, where none of ours stands in (F8)
    has_several = analyte in OWN_LIMIT_ALONE and result.limits.several and amount
    if has_several and not (is_raised(result) or is_within(result)):
        return "several reference ranges"
    return _value_problem(result, tables) or (result,)


def focus_problem(observation: neutral.Observation, case: Case) -> str:
    """F1: an Observation with a focus is about something else, unless that is the patient or a Condition of theirs.

    A focus that names nobody who can be told may be the patient, as a subject may, and as a Condition may be theirs.
    """
    if not observation.focus:
        return ""
    own, conditions = f"Patient/{case.patient_id}", case.conditions
    problems = {
        conditions[focus] if focus in conditions else subject_problem(focus, own)
        for focus in observation.focus
    }
    return OTHER_SUBJECT if "other patient" in problems else max(problems, default="")


def is_flagged(observation: neutral.Observation, tables: Tables) -> bool:
    """Whether a code of an Observation's value, or a code or the words of a flag, says that there is a result.

    Flags of components count too.
    """
    own, components = observation.own, observation.components
    codings = [coding for part in (own, *components) for coding in part.interpretation]
    codings += own.value.concept.codings if own.value.concept else ()
    if not _FLAGS.isdisjoint(tables.words("qualifiers", codings)):
        return True
    # Words in the place of a flag: an answer, or what a flag is called
    flags = (flag for part in (own, *components) for flag in part.interpretation_text.split(";"))
    return any(
        not _SAYS.isdisjoint(tables.vocabulary.roles(flag)) or is_called(flag, "interpretation", tables)
        for flag in flags
    )


def as_far_as_read(
    resource: neutral.Resource, observation: neutral.Observation, analyte: Analyte, case: Case
) -> Result:
    """Read what a refused Observation would have been as a result of one of the analytes that its codes name."""
    now = Moment("", case.as_of, case.as_of, "time")
    amount, _ = _amount(observation.own.value, case.tables.roles[analyte], case.tables)
    return _result(resource, observation, observation.when or now, analyte, amount, case)


def holds_number(result: Result, tables: Tables) -> bool:
    """Whether F5 could read a number in the value, were it not for its unit (U5b)."""
    number = number_of(result.value, tables)
    dimension = tables.roles[result.analyte].dimension
    return bool(number and (result.amount or (dimension and tables.units.problem(number, dimension))))


def has_value(value: Value) -> bool:
    """Whether anything that can be read stands there."""
    concept = value.concept
    coded = concept and (concept.codings or concept.text)
    if value.integer is not None or value.boolean is not None:
        return True
    return bool(value.number or value.ratio or value.text or coded)


def _amount(value: Value, role: Role, tables: Tables) -> tuple[Amount | None, str]:
    """F5, F6: the magnitude of a value, or why there is none; of what is no magnitude, and of no value, neither."""
    if not role.dimension or not has_value(value):
        return None, ""
    number = number_of(value, tables)
    if number is None:
        return None, "no number"
    return measured(number, role.dimension, tables.units, partial(_is_plausible, role=role, tables=tables))


def _is_plausible(magnitude: Decimal, role: Role, tables: Tables) -> bool:
    if not role.plausible:
        return True
    low, high = plausible_range(role, tables)
    if role.word == INVERSE:
        return low * magnitude <= 1 <= high * magnitude
    return low <= magnitude <= high


def _value_problem(result: Result, tables: Tables) -> str:
    """U1: nothing that a rule knows stands in the value or the components; members are judged by themselves.

    A flag beside no number leaves a magnitude unread.
    """
    is_magnitude = bool(tables.roles[result.analyte].dimension)
    if result.amount or not (is_magnitude or result.analyte in _ANSWERS):
        return ""
    if not is_magnitude and says_something(result, tables):
        return ""
    return (result.analyte != "ana" and why_unanswered(result, tables)) or NO_VALUE


def _titre_problem(
    resource: neutral.Resource, observation: neutral.Observation, role: Role, tables: Tables
) -> str:
    """F5: a titre that none can have."""
    if role.dimension or not role.plausible:
        return ""
    low, high = plausible_range(role, tables)
    by_code = tables.means("observations", resource.codings, "titre")
    parts = [(observation.own.value, by_code)]
    parts += [
        (
            part.value,
            tables.means("observations", part.code.codings, "titre")
            or (by_code and is_titre_by_name(part.code, tables.vocabulary)),
        )
        for part in observation.components
    ]
    titres = [
        titre
        for value, is_titre in parts
        for titre in written_titres(value, tables.vocabulary, "ana", titre_code=is_titre)
    ]
    ends = (end for titre in titres for end in (titre.reciprocal, titre.upto or low))
    return "" if all(low <= end <= high for end in ends) else "implausible"


def _result(
    resource: neutral.Resource,
    observation: neutral.Observation,
    when: Moment,
    analyte: Analyte,
    amount: Amount | None,
    case: Case,
) -> Result:
    name, role, specimen = resource.name, case.tables.roles[analyte], observation.specimen
    meaning = case.tables.meaning("observations", resource.codings)
    components = [
        Component(
            code=part.code,
            value=part.value,
            interpretation=part.interpretation,
            interpretation_text=part.interpretation_text,
            limits=limits_of(part.ranges, part.value, role, when, case),
        )
        for part in observation.components
    ]
    return Result(
        resource=name,
        roles=meaning.words,
        analyte=analyte,
        when=case.at(when),
        value=observation.own.value,
        amount=amount,
        limits=limits_of(observation.own.ranges, observation.own.value, role, when, case),
        interpretation=observation.own.interpretation,
        interpretation_text=observation.own.interpretation_text,
        components=tuple(components),
        members=tuple(sorted(set(observation.members))),
        specimen=f"{name}{specimen}" if specimen.startswith("#") else specimen,
        reports=case.reports.get(name, frozenset()),
        codes=meaning.codings,
    )
