"""The four medication resources of R4 (T1 to T4)."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

from fhir_mapping.record import NO_PERIOD, Concept, Number, Period
from fhir_mapping.terms.units import UCUM
from fhir_mapping.versions.linked import Linked, Named
from fhir_mapping.versions.neutral import Instruction, Medication
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_resources import (
    R4AdministeredDosage,
    R4AnyMedicated,
    R4DispenseRequest,
    R4Dosage,
    R4DoseAndRate,
    R4Medicated,
    R4MedicationAdministration,
    R4MedicationDispense,
    R4MedicationRequest,
    R4MedicationStatement,
    R4Period,
    R4Repeat,
    decimal,
)

_NO_REPEAT = R4Repeat()
_Make = partial[Medication]  # what the four kinds have in common is already there


def named(resource: R4Medicated, linked: Linked) -> Named:
    """Find what the resource is about: its own concept, or what its reference leads to (T1)."""
    if resource.medication_codeable_concept:
        return Named((resource.medication_codeable_concept,))
    return linked.product(resource.medication_reference, resource.contained)


def what_is_taken(resource: R4Medicated, read: Elements, found: Named) -> tuple[Concept, ...]:
    """Collect what says what it is: the product, its ingredients, and the words beside a reference (T1, U3)."""
    return (*map(read.concept, found.concepts), *_beside(resource, read))


def _beside(resource: R4Medicated, read: Elements) -> tuple[Concept, ...]:
    reference = resource.medication_reference
    display = reference.display if reference else None
    return (Concept(displays=(read.text(display),)),) if isinstance(display, str) and display else ()


def medication(
    resource: R4AnyMedicated, read: Elements, found: Named, concepts: tuple[Concept, ...]
) -> Medication:
    """Read a medication resource of any kind, with the concepts that it `named`."""
    said = (*concepts, *_beside(resource, read))
    make = partial(
        Medication,
        concepts=concepts,
        forms=read.codings(*found.forms),
        resolved_from=found.json,
        unresolved=() if any(concept.codings for concept in concepts) else found.unresolved,
        spoken=tuple(words for concept in said for words in (concept.text, *concept.displays) if words),
    )
    match resource:
        case R4MedicationRequest():
            return _request(resource, read, make)
        case R4MedicationStatement():
            return _statement(resource, read, make)
        case R4MedicationAdministration():
            return _administration(resource, read, make)
        case _:
            return _dispense(resource, read, make)


def _request(resource: R4MedicationRequest, read: Elements, make: _Make) -> Medication:
    dispense = resource.dispense_request or R4DispenseRequest()
    dosages = resource.dosage_instruction or []
    bounds = [period for part in dosages if (period := _repeat(part).bounds_period)]
    validity = dispense.validity_period or R4Period()
    starts = ([period.start for period in bounds], [validity.start], [resource.authored_on])
    ends = ([period.end for period in bounds], [validity.end])
    is_dated = read.can_tell(*starts) and read.can_tell(*ends)
    return make(
        kind="MedicationRequest",
        instructions=tuple(_instruction(part, read, has_bounds=is_dated) for part in dosages),
        status_reasons=read.codings(resource.status_reason),
        intent=resource.intent or "",
        do_not_perform=resource.do_not_perform is True,
        authored=read.time(resource.authored_on) if is_dated else None,
        validity=read.period(validity) if is_dated else NO_PERIOD,
        supply=read.number(dispense.expected_supply_duration),
        repeats=max(0, dispense.number_of_repeats_allowed or 0),
    )


def _statement(resource: R4MedicationStatement, read: Elements, make: _Make) -> Medication:
    written, period = resource.effective_date_time, resource.effective_period or R4Period()
    is_dated = read.can_tell([written], [period.start, period.end])
    return make(
        kind="MedicationStatement",
        instructions=tuple(_instruction(part, read, has_bounds=is_dated) for part in resource.dosage or ()),
        status_reasons=read.codings(*(resource.status_reason or ())),
        effective=Period(read.time(written)) if written is not None else read.period(period),
    )


def _administration(resource: R4MedicationAdministration, read: Elements, make: _Make) -> Medication:
    written = resource.effective_date_time
    given = read.time(written)
    return make(
        kind="MedicationAdministration",
        instructions=_administered(resource.dosage, read),
        status_reasons=read.codings(*(resource.status_reason or ())),
        effective=Period(given, given) if written is not None else read.period(resource.effective_period),
    )


def _dispense(resource: R4MedicationDispense, read: Elements, make: _Make) -> Medication:
    is_dated = read.can_tell([resource.when_handed_over], [resource.when_prepared])
    dosages = resource.dosage_instruction or ()
    return make(
        kind="MedicationDispense",
        instructions=tuple(_instruction(part, read, has_bounds=is_dated) for part in dosages),
        status_reasons=read.codings(resource.status_reason_codeable_concept),
        supply=read.number(resource.days_supply),
        handed_over=read.when(resource.when_handed_over, None, resource.when_prepared),
    )


def _administered(dosage: R4AdministeredDosage | None, read: Elements) -> tuple[Instruction, ...]:
    if dosage is None:
        return ()
    return (Instruction(dose=read.number(dosage.dose), routes=read.codings(dosage.route)),)


def _repeat(dosage: R4Dosage) -> R4Repeat:
    return (dosage.timing.repeat if dosage.timing else None) or _NO_REPEAT


def _instruction(dosage: R4Dosage, read: Elements, *, has_bounds: bool) -> Instruction:
    """Read an instruction; without its bounds where the resource has no time (F3)."""
    repeat = _repeat(dosage)
    is_range = repeat.frequency_max is not None or repeat.period_max is not None
    length = None if is_range else decimal(repeat.period)
    return Instruction(
        bounds=read.period(repeat.bounds_period) if has_bounds else NO_PERIOD,
        dose=_dose(dosage.dose_and_rate or (), read),
        frequency=None if is_range else repeat.frequency,
        period=_every(length, repeat.period_unit),
        as_needed=bool(dosage.as_needed_boolean or dosage.as_needed_codeable_concept),
        routes=read.codings(dosage.route),
    )


def _every(length: Decimal | None, unit: str | None) -> Number | None:
    return None if length is None or not unit else Number(length, unit_code=unit, unit_system=UCUM)


def _dose(doses: Iterable[R4DoseAndRate], read: Elements) -> Number | None:
    """Read the dose; several that differ are no evidence (T4)."""
    written = {read.number(dose.dose_quantity) for dose in doses}
    return written.pop() if len(written) == 1 else None
