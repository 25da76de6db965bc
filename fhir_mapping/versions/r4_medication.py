"""The four medication resources of R4 (T1 to T4)."""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_mapping.record import NO_PERIOD, Coding, Concept, Number, Period
from fhir_mapping.terms.units import UCUM
from fhir_mapping.versions.linked import Named
from fhir_mapping.versions.neutral import Instruction, Medication, Regimen
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_resources import (
    R4AnyMedicated,
    R4DispenseRequest,
    R4Dosage,
    R4Medicated,
    R4MedicationAdministration,
    R4MedicationDispense,
    R4MedicationRequest,
    R4MedicationStatement,
    R4Repeat,
    decimal,
)
from fhir_mapping.versions.times import at_once

_NO_REPEAT, _NO_DISPENSE = R4Repeat(), R4DispenseRequest()
# The first elements of each `Medication` after its kind
_Product = tuple[tuple[Concept, ...], tuple[Coding, ...], tuple[bytes, ...], tuple[str, ...]]


def beside(resource: R4Medicated, read: Elements) -> tuple[Concept, ...]:
    """Read the words beside a reference (U3)."""
    reference = resource.medication_reference
    display = reference.display if reference else None
    return (Concept(displays=(read.text(display),)),) if isinstance(display, str) and display else ()


def medication(
    resource: R4AnyMedicated, read: Elements, named: Named, concepts: tuple[Concept, ...]
) -> Medication:
    """Read a medication resource of any kind, with the concepts that name its product."""
    nowhere = named.unresolved and not any(concept.codings for concept in concepts)
    product = concepts, read.codings(*named.forms), named.json, named.unresolved if nowhere else ()
    return _KINDS[type(resource)](resource, read, product)


def _request(resource: R4MedicationRequest, read: Elements, product: _Product) -> Medication:
    dispense, dosages = resource.dispense_request or _NO_DISPENSE, resource.dosage_instruction or ()
    bounds = [period for part in dosages if (period := _repeat(part).bounds_period)]
    validity, authored = dispense.validity_period, resource.authored_on
    is_dated = True
    if bounds or validity:
        first, last = (validity.start, validity.end) if validity else (None, None)
        is_dated = read.can_tell([period.start for period in bounds], [first], [authored])
        is_dated = is_dated and read.can_tell([period.end for period in bounds], [last])
    return Medication(
        "MedicationRequest",
        *product,
        tuple([_instruction(part, read, has_bounds=is_dated) for part in dosages]),
        read.codings(resource.status_reason),
        intent=resource.intent or "",
        do_not_perform=resource.do_not_perform is True,
        authored=read.time(authored) if is_dated else None,
        validity=read.period(validity) if is_dated else NO_PERIOD,
        supply=read.number(dispense.expected_supply_duration),
        is_supplied=dispense.expected_supply_duration is not None,
        repeats=max(0, dispense.number_of_repeats_allowed or 0),
    )


def _statement(resource: R4MedicationStatement, read: Elements, product: _Product) -> Medication:
    written, period = resource.effective_date_time, resource.effective_period
    return Medication(
        "MedicationStatement",
        *product,
        tuple([_instruction(part, read) for part in resource.dosage or ()]),
        read.codings(*(resource.status_reason or ())),
        effective=Period(read.time(written)) if written is not None else read.period(period),
    )


def _administration(resource: R4MedicationAdministration, read: Elements, product: _Product) -> Medication:
    dosage, written = resource.dosage, resource.effective_date_time
    instructions: tuple[Instruction, ...] = ()
    if dosage is not None:
        instructions = (Instruction(Regimen((read.number(dosage.dose),), routes=read.codings(dosage.route))),)
    given = read.period(resource.effective_period) if written is None else NO_PERIOD
    if given.start is None:  # a time that stands alone, be it the end of a period, is the whole of it
        alone = given.end if written is None else read.time(written)
        given = at_once(alone) if alone else NO_PERIOD
    return Medication(
        "MedicationAdministration",
        *product,
        instructions,
        read.codings(*(resource.status_reason or ())),
        effective=given,
    )


def _dispense(resource: R4MedicationDispense, read: Elements, product: _Product) -> Medication:
    handed_over, prepared = resource.when_handed_over, resource.when_prepared
    return Medication(
        "MedicationDispense",
        *product,
        tuple([_instruction(part, read) for part in resource.dosage_instruction or ()]),
        read.codings(resource.status_reason_codeable_concept),
        supply=read.number(resource.days_supply),
        handed_over=read.when(handed_over, None, prepared),
    )


_KINDS: Mapping[type[R4AnyMedicated], Callable[[Any, Elements, _Product], Medication]] = {
    R4MedicationRequest: _request,
    R4MedicationStatement: _statement,
    R4MedicationAdministration: _administration,
    R4MedicationDispense: _dispense,
}


def _repeat(dosage: R4Dosage) -> R4Repeat:
    return (dosage.timing.repeat if dosage.timing else None) or _NO_REPEAT


def _instruction(dosage: R4Dosage, read: Elements, *, has_bounds: bool = True) -> Instruction:
    """Read an instruction, with its bounds or without; how much, how often and which way once for all written alike."""
    repeat = _repeat(dosage)
    doses = [part.dose_quantity for part in dosage.dose_and_rate or ()]
    as_needed = bool(dosage.as_needed_boolean or dosage.as_needed_codeable_concept)
    routes = read.codings(dosage.route)
    is_range = repeat.frequency_max is not None or repeat.period_max is not None
    often = is_range, repeat.frequency, bytes(repeat.period), repeat.period_unit
    amounts = [
        dose and (bytes(dose.value), dose.comparator, dose.unit, dose.code, dose.system) for dose in doses
    ]
    alike = (*often, as_needed, routes, *amounts)
    if (regimen := read.regimens.get(alike)) is None:
        length, unit = None if is_range else decimal(repeat.period), repeat.period_unit
        regimen = read.regimens[alike] = Regimen(
            doses=tuple([read.number(dose) for dose in doses]),
            frequency=None if is_range else repeat.frequency,
            period=None if length is None or not unit else Number(length, unit_code=unit, unit_system=UCUM),
            as_needed=as_needed,
            routes=routes,
        )
    return Instruction(regimen, read.period(repeat.bounds_period if has_bounds else None))
