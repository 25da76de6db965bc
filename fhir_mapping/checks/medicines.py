"""Medication resources → Treatments, one per ingredient (T1, T2), with the checks of F2 to F4."""

import re
from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from fhir_mapping.checks.extensions import not_understood, not_understood_in
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.checks.starts import starts
from fhir_mapping.checks.statuses import INTENTS, PROPOSALS, status_problem
from fhir_mapping.record import NO_PERIOD, Dosage, Moment, Number, Period, Treatment
from fhir_mapping.terms import Tables
from fhir_mapping.versions import neutral

_COMPLETE_ATC = re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d")
_ATC = "http://www.whocc.no/atc"


def judge_medication(resource: neutral.Resource, medication: neutral.Medication, case: Case) -> Verdict:
    """Judge one medication resource that has an ingredient of our tables, or says nothing about what it is (T1)."""
    instructions = systemic(medication, case)
    ingredients = case.tables.ingredients(resource.codings)
    reason = _problem(resource, medication, instructions, ingredients, case)
    if reason or instructions is None:  # by an excluded route alone
        return reason or ()
    supply = medication.supply
    if supply and not supply.unit_code and not supply.unit.strip():
        # A number alone counts days, as the name of the element says (T3)
        supply = replace(supply, unit=case.tables.units.canonical["time"])
    dosages = tuple([_dosage(instruction, case) for instruction in instructions])
    treatments = [
        Treatment(
            resource=resource.name,
            roles=frozenset(),
            kind=medication.kind,
            ingredient=ingredient,
            active=resource.status == "active",
            completed=resource.status == "completed",
            authored=_start(medication.authored, case),
            validity=_period(medication.validity, case),
            supply_days=_days(supply, case.tables),
            is_supplied=medication.is_supplied,
            repeats=medication.repeats,
            effective=_period(medication.effective, case),
            handed_over=_start(medication.handed_over, case),
            dosages=dosages,
            status_reasons=medication.status_reasons,
        )
        for ingredient in sorted(ingredients)
    ]
    return tuple(treatments)


def _problem(
    resource: neutral.Resource,
    medication: neutral.Medication,
    instructions: tuple[neutral.Instruction, ...] | None,
    ingredients: frozenset[str],
    case: Case,
) -> str:
    """Give the first reason of F2 to F4, T1 and T2 why it does not count; by an excluded route time is not asked."""
    if reason := not_understood(resource):
        return reason
    for product in medication.resolved_from:  # thousands of resources may name the same
        if product not in case.products:
            case.products[product] = not_understood_in(product)
        if reason := case.products[product]:
            return reason
    if reason := status_problem(medication.kind, resource.status):
        return reason
    is_request = medication.kind == "MedicationRequest"
    if is_request and medication.intent not in INTENTS:
        return medication.intent if medication.intent in PROPOSALS else "unknown status"
    if is_request and medication.do_not_perform:
        return "do not perform"
    if instructions is not None:
        start = starts(medication, [instruction.bounds for instruction in instructions])
        reason = _time_problem(resource, start, ingredients, case)
        if reason or not ingredients:
            return reason or "unresolved"
    # The codings of one product or ingredient must not name different ones (F4)
    is_conflict = len(ingredients) > 1 and any(
        len(case.tables.ingredients(concept.codings)) > 1 for concept in medication.concepts
    )
    return "conflicting codes" if is_conflict else ""


def _time_problem(
    resource: neutral.Resource, start: Moment | None, ingredients: frozenset[str], case: Case
) -> str:
    """F3, but an active statin needs no time: the warning of the statin row asks only whether it is on the list (V)."""
    if start is not None or resource.status != "active" or not ingredients:
        return case.time_problem(start)
    is_statin = all(case.tables.agent(word).klass == "statin" for word in ingredients)
    return "" if is_statin else case.time_problem(start)


def says_nothing(resource: neutral.Resource, medication: neutral.Medication, case: Case) -> bool:
    """Whether a medicine that has no ingredient of our tables might be any: no words, and no complete ATC code (T1)."""
    if any(concept.text or any(concept.displays) for concept in resource.concepts):
        return False
    complete = (
        code.system == _ATC and _COMPLETE_ATC.fullmatch(code.code)
        for concept in medication.concepts
        for code in concept.codings
    )
    return not case.tables.ingredients(resource.codings) and not any(complete)


def systemic(medication: neutral.Medication, case: Case) -> tuple[neutral.Instruction, ...] | None:
    """T1: the instructions that are not by an excluded route; None: the whole resource is by one, or in such a form."""
    means = case.tables.means
    if medication.forms and means("qualifiers", medication.forms, "excluded-route"):
        return None
    kept = tuple(
        [
            instruction
            for instruction in medication.instructions
            if not (routes := instruction.regimen.routes) or not means("qualifiers", routes, "excluded-route")
        ]
    )
    return None if medication.instructions and not kept else kept


def _dosage(instruction: neutral.Instruction, case: Case) -> Dosage:
    """Read an instruction (T4)."""
    regimen = instruction.regimen
    if (known := case.dosages.get(id(regimen))) is None:
        frequency, tables = regimen.frequency, case.tables
        unbounded = Dosage(
            dose_mg=_dose_mg(regimen.doses, tables),
            frequency=None if frequency is None else Decimal(frequency),
            period_days=_days(regimen.period, tables),
            as_needed=regimen.as_needed,
            routes=regimen.routes,
        )
        known = case.dosages[id(regimen)] = regimen, unbounded
    _, dosage = known
    bounds = instruction.bounds
    return dosage if bounds is NO_PERIOD else replace(dosage, bounds=_period(bounds, case))


def _dose_mg(doses: Iterable[Number | None], tables: Tables) -> Decimal | None:
    """A dose in mg; beside one in mg the same in tablets says nothing more. None: unknown (T4).

    A range, a comparator, a dose in tablets alone, and masses that differ are no evidence.
    """
    masses: set[Decimal] = set()
    for dose in doses:
        if dose is None or dose.comparator:
            return None
        if (mass := tables.units.convert(dose, "dose")) is not None:
            masses.add(mass)
    return masses.pop() if len(masses) == 1 else None


def _days(number: Number | None, tables: Tables) -> Decimal | None:
    days = tables.units.convert(number, "time") if number and not number.comparator else None
    return days if days is not None and days > 0 else None


def _period(period: Period, case: Case) -> Period:
    if period is NO_PERIOD:
        return period
    return Period(_start(period.start, case), case.at(period.end) if period.end else None)


def _start(when: Moment | None, case: Case) -> Moment | None:
    """Cut a start at `as_of`; one beyond the tolerance of F3 stays, since that has not begun (T3)."""
    return when if when is None or case.is_future(when) else case.at(when)
