"""Observation → Result: the checks of F2 to F8, in their order."""

from decimal import Decimal

from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict, status_problem
from fhir_mapping.checks.limits import limits_of, plausible_range
from fhir_mapping.laboratory.titres import written_titres
from fhir_mapping.record import Amount, Component, Moment, Number, Result, Value
from fhir_mapping.terms import Role, Tables
from fhir_mapping.terms.roles import Analyte
from fhir_mapping.terms.units import sane
from fhir_mapping.versions import neutral

ACCEPTED = frozenset({"final", "amended", "corrected"})
INVERSE: Analyte = "alt-ast-ratio"  # 1/value is what must be plausible (D2)
_LONGEST_NUMBER = 20


def accepted(case: Case) -> frozenset[str]:
    """Give the statuses that count (F3); `unknown` only where the client's block says so."""
    return ACCEPTED | {"unknown"} if case.mapping.accept_unknown_status else ACCEPTED


def judge_observation(resource: neutral.Resource, found: neutral.Observation, case: Case) -> Verdict:
    """Judge one Observation that has a code of our tables."""
    reason = (
        ("other subject" if found.has_focus else "")
        or not_understood(resource.json)
        or status_problem(resource.status, accepted(case))
        or case.time_problem(found.when)
    )
    analytes = case.tables.analytes(resource.codings)
    if reason or found.when is None or len(analytes) > 1:
        return reason or "conflicting codes"
    (analyte,) = analytes
    role = case.tables.roles[analyte]
    reason = _absent(found, role) or _unit_problem(found.own.value, role, case.tables)
    return (
        reason
        or _implausible(resource, found, role, case.tables)
        or (_result(resource, found, found.when, analyte, case),)
    )


def _absent(found: neutral.Observation, role: Role) -> str:
    """F5: no value where one is needed, or a reason why there is none. Members and components stand for a value."""
    value = found.own.value
    if role.dimension:
        return "data absent" if value.absent or _number(value) is None else ""
    if found.members or any(_says_something(part) for part in found.components):
        return ""
    return "data absent" if value.absent or (role.value and not _says_something(found.own)) else ""


def _says_something(part: neutral.Measurement) -> bool:
    return bool(_has_value(part.value) or part.interpretation or part.interpretation_text)


def _has_value(value: Value) -> bool:
    concept = value.concept
    coded = concept and (concept.codings or concept.text)
    return bool(value.number or value.ratio or value.text or coded) or not (
        value.integer is value.boolean is None
    )


def _number(value: Value) -> Number | None:
    if value.number is None and value.integer is not None:
        return Number(Decimal(value.integer))
    return value.number


def _unit_problem(value: Value, role: Role, tables: Tables) -> str:
    number = _number(value)
    return tables.units.problem(number, role.dimension) if number and role.dimension else ""


def _implausible(resource: neutral.Resource, found: neutral.Observation, role: Role, tables: Tables) -> str:
    """F5: beyond the plausible range of `rules.toml`, or beyond what arithmetic can handle."""
    number = _number(found.own.value)
    if not role.dimension:
        return "implausible" if role.plausible and _implausible_titre(resource, found, role, tables) else ""
    magnitude = tables.units.convert(number, role.dimension) if number else None
    if magnitude is None:
        return "implausible"
    if not role.plausible:
        return ""
    low, high = plausible_range(role, tables)
    if role.word == INVERSE:
        return "" if low * magnitude <= 1 <= high * magnitude else "implausible"
    return "" if low <= magnitude <= high else "implausible"


def _implausible_titre(
    resource: neutral.Resource, found: neutral.Observation, role: Role, tables: Tables
) -> bool:
    low, high = plausible_range(role, tables)
    by_code = tables.means("observations", resource.codings, "titre")
    parts = [(found.own.value, by_code)]
    parts += [
        (part.value, tables.means("observations", part.code.codings, "titre")) for part in found.components
    ]
    titres = [
        titre
        for value, is_titre in parts
        for titre in written_titres(value, tables.rules, titre_code=is_titre)
    ]
    return any(not low <= titre.reciprocal <= high for titre in titres)


def _result(
    resource: neutral.Resource, found: neutral.Observation, when: Moment, analyte: Analyte, case: Case
) -> Result:
    role = case.tables.roles[analyte]
    return Result(
        resource=resource.name,
        roles=case.tables.words("observations", resource.codings),
        analyte=analyte,
        when=case.at(when),
        value=found.own.value,
        amount=_amount(found.own.value, role, case.tables),
        limits=limits_of(found.own.ranges, found.own.value, role, when, case),
        interpretation=found.own.interpretation,
        interpretation_text=found.own.interpretation_text,
        components=tuple(_component(part, role, when, case) for part in found.components),
        members=tuple(sorted(set(found.members))),
        specimen=f"{resource.name}{found.specimen}" if found.specimen.startswith("#") else found.specimen,
        reports=case.reports.get(resource.name, frozenset()),
    )


def _component(part: neutral.Measurement, role: Role, when: Moment, case: Case) -> Component:
    return Component(
        code=part.code,
        value=part.value,
        interpretation=part.interpretation,
        interpretation_text=part.interpretation_text,
        limits=limits_of(part.ranges, part.value, role, when, case),
    )


def _amount(value: Value, role: Role, tables: Tables) -> Amount | None:
    number = _number(value)
    magnitude = tables.units.convert(number, role.dimension) if number and role.dimension else None
    if number is None or magnitude is None:
        return None
    return Amount(magnitude, tables.units.canonical[role.dimension], number.comparator, as_written(number))


def as_written(number: Number) -> str:
    """Write a number with its comparator and unit, as in "<5 U/L"; one of absurd length is rounded."""
    value = number.value
    digits = (
        f"{value:f}" if sane(value) and len(value.as_tuple().digits) <= _LONGEST_NUMBER else f"{value:.6g}"
    )
    return f"{number.comparator}{digits} {number.unit or number.unit_code}".rstrip()
