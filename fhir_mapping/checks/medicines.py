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
    instructions = _systemic(medication, case)
    ingredients = case.tables.ingredients(resource.codings)
    reason = (
        not_understood(resource)
        or _of_products(medication.resolved_from, case)
        or status_problem(medication.kind, resource.status)
        or _intent_problem(medication)
        or (
            ""
            if instructions is None
            else _time_problem(
                resource, starts(medication, [part.bounds for part in instructions]), ingredients, case
            )
        )
        or ("" if ingredients or instructions is None else "unresolved")
        or (_conflict(medication, case.tables) if len(ingredients) > 1 else "")
    )
    if reason or instructions is None:
        return reason or ()
    dosages = tuple([_dosage(part, case) for part in instructions])
    return tuple([_treatment(resource, medication, word, dosages, case) for word in sorted(ingredients)])


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


def is_proposal(medication: neutral.Medication) -> bool:
    """Whether nothing was ordered: a proposal, a plan, an option, or an order not to give it (T2)."""
    return medication.kind == "MedicationRequest" and (
        medication.intent in PROPOSALS or medication.do_not_perform
    )


def is_excluded(medication: neutral.Medication, case: Case) -> bool:
    """Whether it is given by an excluded route, or in such a form (T1)."""
    return _systemic(medication, case) is None


def start_of(medication: neutral.Medication, case: Case) -> Moment | None:
    """When it begins for the whole body (T1, T3)."""
    instructions = _systemic(medication, case) or ()
    return starts(medication, [part.bounds for part in instructions])


def is_listed(resource: neutral.Resource) -> bool:
    """Whether it stands on the medication list, and neither ended nor on hold as far as it says."""
    on_list = resource.type in {"MedicationRequest", "MedicationStatement"}
    return on_list and resource.status not in {"completed", "stopped", "on-hold"}


def _of_products(written: Iterable[bytes], case: Case) -> str:
    """F2 of products, each of which thousands of resources may name."""
    for json in written:
        if json not in case.products:
            case.products[json] = not_understood_in(json)
        if reason := case.products[json]:
            return reason
    return ""


def _intent_problem(medication: neutral.Medication) -> str:
    if medication.kind != "MedicationRequest":
        return ""
    if medication.intent not in INTENTS:
        return medication.intent if medication.intent in PROPOSALS else "unknown status"
    return "do not perform" if medication.do_not_perform else ""


def _conflict(medication: neutral.Medication, tables: Tables) -> str:
    """F4: the codings of one product or ingredient must not name different ones."""
    named = (tables.ingredients(concept.codings) for concept in medication.concepts)
    return "conflicting codes" if any(len(words) > 1 for words in named) else ""


def _time_problem(
    resource: neutral.Resource, start: Moment | None, ingredients: frozenset[str], case: Case
) -> str:
    """F3, but an active statin needs no time: the warning of the statin row asks only whether it is on the list (V)."""
    if start is not None or resource.status != "active" or not ingredients:
        return case.time_problem(start)
    is_statin = all(case.tables.agent(word).klass == "statin" for word in ingredients)
    return "" if is_statin else case.time_problem(start)


def _systemic(medication: neutral.Medication, case: Case) -> tuple[neutral.Instruction, ...] | None:
    """T1: the instructions that are not by an excluded route; None: the whole resource is by one, or in such a form."""
    means = case.tables.means
    if medication.forms and means("qualifiers", medication.forms, "excluded-route"):
        return None
    kept = tuple(
        [
            part
            for part in medication.instructions
            if not (routes := part.regimen.routes) or not means("qualifiers", routes, "excluded-route")
        ]
    )
    return None if medication.instructions and not kept else kept


def _treatment(
    resource: neutral.Resource,
    medication: neutral.Medication,
    ingredient: str,
    dosages: tuple[Dosage, ...],
    case: Case,
) -> Treatment:
    return Treatment(
        resource=resource.name,
        roles=frozenset(),
        kind=medication.kind,
        ingredient=ingredient,
        active=resource.status == "active",
        completed=resource.status == "completed",
        authored=_start(medication.authored, case),
        validity=_period(medication.validity, case),
        supply_days=_supply(medication.supply, case.tables),
        is_supplied=medication.is_supplied,
        repeats=medication.repeats,
        effective=_period(medication.effective, case),
        handed_over=_start(medication.handed_over, case),
        dosages=dosages,
        status_reasons=medication.status_reasons,
    )


def _dosage(part: neutral.Instruction, case: Case) -> Dosage:
    """Read an instruction."""
    if (known := case.dosages.get(id(part.regimen))) is None:
        known = case.dosages[id(part.regimen)] = part.regimen, _unbounded(part.regimen, case.tables)
    _, dosage = known
    return replace(dosage, bounds=_period(part.bounds, case)) if part.bounds is not NO_PERIOD else dosage


def _unbounded(regimen: neutral.Regimen, tables: Tables) -> Dosage:
    """Read a regimen; a dose with a comparator, or in tablets, is unknown (T4)."""
    dose, frequency = regimen.dose, regimen.frequency
    return Dosage(
        dose_mg=tables.units.convert(dose, "dose") if dose and not dose.comparator else None,
        frequency=None if frequency is None else Decimal(frequency),
        period_days=_days(regimen.period, tables),
        as_needed=regimen.as_needed,
        routes=regimen.routes,
    )


def _supply(number: Number | None, tables: Tables) -> Decimal | None:
    """Read for how long a supply lasts; a number alone counts days, as the name of the element says (T3)."""
    if number and not number.unit_code and not number.unit.strip():
        number = replace(number, unit=tables.units.canonical["time"])
    return _days(number, tables)


def _days(number: Number | None, tables: Tables) -> Decimal | None:
    days = tables.units.convert(number, "time") if number and not number.comparator else None
    return days if days is not None and days > 0 else None


def _period(period: Period, case: Case) -> Period:
    if period is NO_PERIOD:
        return period
    return Period(_start(period.start, case), case.at(period.end) if period.end else None)


def _start(when: Moment | None, case: Case) -> Moment | None:
    """Cut a start at `as_of`; one beyond the tolerance of F3 stays, since that part has not begun (T3)."""
    return when if when is None or case.is_future(when) else case.at(when)
