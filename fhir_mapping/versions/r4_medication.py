"""The four medication resources of R4 (T1 to T4)."""

from collections.abc import Iterable
from decimal import Decimal

from fhir_mapping.record import Number, Period
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
    R4Repeat,
)


def named(resource: R4Medicated, linked: Linked) -> Named:
    """Find what the resource is about: its own concept, or what its reference leads to (T1)."""
    if resource.medication_codeable_concept:
        return Named((resource.medication_codeable_concept,))
    return linked.product(resource.medication_reference, resource.contained)


def medication(resource: R4AnyMedicated, read: Elements, linked: Linked) -> Medication:
    """Read a medication resource of any kind."""
    match resource:
        case R4MedicationRequest():
            return _request(resource, read, named(resource, linked))
        case R4MedicationStatement():
            return _statement(resource, read, named(resource, linked))
        case R4MedicationAdministration():
            return _administration(resource, read, named(resource, linked))
        case _:
            return _dispense(resource, read, named(resource, linked))


def _request(resource: R4MedicationRequest, read: Elements, found: Named) -> Medication:
    dispense = resource.dispense_request or R4DispenseRequest()
    return Medication(
        "MedicationRequest",
        tuple(read.concept(concept) for concept in found.concepts),
        read.codings(*found.forms),
        found.json,
        _instructions(resource.dosage_instruction, read),
        read.codings(resource.status_reason),
        intent=resource.intent or "",
        do_not_perform=resource.do_not_perform is True,
        authored=read.time(resource.authored_on),
        validity=read.period(dispense.validity_period),
        supply=read.number(dispense.expected_supply_duration),
        repeats=max(0, dispense.number_of_repeats_allowed or 0),
    )


def _statement(resource: R4MedicationStatement, read: Elements, found: Named) -> Medication:
    written = resource.effective_date_time
    return Medication(
        "MedicationStatement",
        tuple(read.concept(concept) for concept in found.concepts),
        read.codings(*found.forms),
        found.json,
        _instructions(resource.dosage, read),
        read.codings(*(resource.status_reason or ())),
        effective=Period(read.time(written)) if written else read.period(resource.effective_period),
    )


def _administration(resource: R4MedicationAdministration, read: Elements, found: Named) -> Medication:
    written = read.time(resource.effective_date_time)
    return Medication(
        "MedicationAdministration",
        tuple(read.concept(concept) for concept in found.concepts),
        read.codings(*found.forms),
        found.json,
        _administered(resource.dosage, read),
        read.codings(*(resource.status_reason or ())),
        effective=Period(written, written) if written else read.period(resource.effective_period),
    )


def _dispense(resource: R4MedicationDispense, read: Elements, found: Named) -> Medication:
    return Medication(
        "MedicationDispense",
        tuple(read.concept(concept) for concept in found.concepts),
        read.codings(*found.forms),
        found.json,
        _instructions(resource.dosage_instruction, read),
        read.codings(resource.status_reason_codeable_concept),
        supply=read.number(resource.days_supply),
        handed_over=read.time(resource.when_handed_over or resource.when_prepared),
    )


def _administered(dosage: R4AdministeredDosage | None, read: Elements) -> tuple[Instruction, ...]:
    if dosage is None:
        return ()
    return (Instruction(dose=read.number(dosage.dose), routes=read.codings(dosage.route)),)


def _instructions(dosages: Iterable[R4Dosage] | None, read: Elements) -> tuple[Instruction, ...]:
    return tuple(_instruction(dosage, read) for dosage in dosages or ())


def _instruction(dosage: R4Dosage, read: Elements) -> Instruction:
    repeat = (dosage.timing.repeat if dosage.timing else None) or R4Repeat()
    is_range = repeat.frequency_max is not None or repeat.period_max is not None
    length = None if is_range else repeat.length()
    return Instruction(
        bounds=read.period(repeat.bounds_period),
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
