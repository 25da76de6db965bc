"""The elements of FHIR R4 that a rule reads, and no others. Wrong JSON types in them make a resource unreadable."""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw, Struct

ABSENT = Raw(b"null")
_NUMBER_START = frozenset(b"-0123456789")


class Element(Struct, rename="camel"):
    """Anything in R4; an element that is null counts as left out."""


class Coding(Element):
    """Coding."""

    system: str | None = None
    code: str | None = None


class Concept(Element):
    """CodeableConcept."""

    coding: list[Coding] | None = None
    text: str | None = None


class Reference(Element):
    """Reference, by address alone: one by identifier leads nowhere (F1)."""

    reference: str | None = None


class Quantity(Element):
    """Quantity, SimpleQuantity, Age, Duration: the digits stay as written."""

    value: Raw = ABSENT
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        self.decimal()
        if self.comparator not in {None, "<", "<=", ">=", ">"}:
            raise ValueError("comparator is none of <, <=, >=, >")

    def decimal(self) -> Decimal | None:
        """Give the value; raises ValueError if it is no JSON number."""
        written = bytes(self.value)
        if written == b"null":
            return None
        if written[0] not in _NUMBER_START:
            raise ValueError("value is no number")
        try:
            return Decimal(written.decode("ascii"))
        except InvalidOperation as error:
            raise ValueError("value is beyond every number") from error


class Ratio(Element):
    """Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Range(Element):
    """Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Period(Element):
    """Period."""

    start: str | None = None
    end: str | None = None


class Meta(Element):
    """Which of several versions of a resource is the last (F7)."""

    last_updated: str | None = None
    version_id: str | None = None


class Resource(Element, tag_field="resourceType"):
    """What every resource has."""

    id: str | None = None
    meta: Meta | None = None


class ReferenceRange(Element):
    """Observation.referenceRange."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: Concept | None = None
    applies_to: list[Concept] | None = None
    age: Range | None = None


class Measured(Element):
    """What Observation and Observation.component have in common."""

    code: Concept | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: Concept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: Concept | None = None
    interpretation: list[Concept] | None = None
    reference_range: list[ReferenceRange] | None = None


class Observation(Measured, tag_field="resourceType", tag="Observation"):
    """Observation."""

    id: str | None = None
    meta: Meta | None = None
    status: str | None = None
    subject: Reference | None = None
    focus: list[Reference] | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_instant: str | None = None
    issued: str | None = None
    specimen: Reference | None = None
    has_member: list[Reference] | None = None
    component: list[Measured] | None = None


class Condition(Resource, tag="Condition"):
    """Condition."""

    subject: Reference | None = None
    code: Concept | None = None
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None
    abatement_age: Any = None
    abatement_range: Any = None
    abatement_string: Any = None


class Repeat(Element):
    """Timing.repeat."""

    bounds_period: Period | None = None
    frequency: int | None = None
    frequency_max: int | None = None
    period: Raw = ABSENT
    period_max: Any = None
    period_unit: str | None = None

    def __post_init__(self) -> None:
        Quantity(self.period)

    def length(self) -> Decimal | None:
        """Give the period, in `period_unit`."""
        return Quantity(self.period).decimal()


class Timing(Element):
    """Timing."""

    repeat: Repeat | None = None


class DoseAndRate(Element):
    """Dosage.doseAndRate; a doseRange is no evidence for a dose (T4)."""

    dose_quantity: Quantity | None = None


class Dosage(Element):
    """Dosage."""

    timing: Timing | None = None
    as_needed_boolean: bool | None = None
    as_needed_codeable_concept: Concept | None = None
    route: Concept | None = None
    dose_and_rate: list[DoseAndRate] | None = None


class AdministeredDosage(Element):
    """MedicationAdministration.dosage."""

    route: Concept | None = None
    dose: Quantity | None = None


class Ingredient(Element):
    """Medication.ingredient."""

    item_codeable_concept: Concept | None = None
    item_reference: Reference | None = None
    is_active: bool | None = None


class Identified(Element):
    """Any contained resource, by its id."""

    id: str | None = None


class Product(Element):
    """A Medication, or a Substance: both have a code. Read where a reference leads to it, also in `contained`."""

    code: Concept | None = None
    form: Concept | None = None
    ingredient: list[Ingredient] | None = None
    contained: list[Raw] | None = None


class Medicated(Resource):
    """What the four medication resources have in common."""

    subject: Reference | None = None
    status: str | None = None
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    contained: list[Raw] | None = None


class DispenseRequest(Element):
    """MedicationRequest.dispenseRequest."""

    validity_period: Period | None = None
    number_of_repeats_allowed: int | None = None
    expected_supply_duration: Quantity | None = None


class MedicationRequest(Medicated, tag="MedicationRequest"):
    """MedicationRequest."""

    intent: str | None = None
    do_not_perform: bool | None = None
    authored_on: str | None = None
    status_reason: Concept | None = None
    dosage_instruction: list[Dosage] | None = None
    dispense_request: DispenseRequest | None = None


class MedicationStatement(Medicated, tag="MedicationStatement"):
    """MedicationStatement."""

    effective_date_time: str | None = None
    effective_period: Period | None = None
    status_reason: list[Concept] | None = None
    dosage: list[Dosage] | None = None


class MedicationAdministration(Medicated, tag="MedicationAdministration"):
    """MedicationAdministration."""

    effective_date_time: str | None = None
    effective_period: Period | None = None
    status_reason: list[Concept] | None = None
    dosage: AdministeredDosage | None = None


class MedicationDispense(Medicated, tag="MedicationDispense"):
    """MedicationDispense."""

    status_reason_codeable_concept: Concept | None = None
    days_supply: Quantity | None = None
    when_prepared: str | None = None
    when_handed_over: str | None = None
    dosage_instruction: list[Dosage] | None = None


class Procedure(Resource, tag="Procedure"):
    """Procedure."""

    status: str | None = None
    subject: Reference | None = None
    code: Concept | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None


class DiagnosticReport(Resource, tag="DiagnosticReport"):
    """DiagnosticReport."""

    status: str | None = None
    subject: Reference | None = None
    code: Concept | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    result: list[Reference] | None = None


class EncounterParticipant(Element):
    """Encounter.participant."""

    type: list[Concept] | None = None
    individual: Reference | None = None


class PractitionerRole(Element):
    """PractitionerRole, read where a participant of an Encounter leads to it."""

    specialty: list[Concept] | None = None


class Encounter(Resource, tag="Encounter"):
    """Encounter."""

    status: str | None = None
    class_: Coding | list[Concept] | None = msgspec.field(name="class", default=None)
    type: list[Concept] | None = None
    service_type: Concept | list[Concept] | None = None
    subject: Reference | None = None
    participant: list[EncounterParticipant] | None = None
    period: Period | None = None
    contained: list[Raw] | None = None


class AppointmentParticipant(Element):
    """Appointment.participant."""

    actor: Reference | None = None


class Appointment(Resource, tag="Appointment"):
    """Appointment."""

    status: str | None = None
    service_type: list[Concept] | None = None
    specialty: list[Concept] | None = None
    appointment_type: Concept | None = None
    start: str | None = None
    created: str | None = None
    participant: list[AppointmentParticipant] | None = None


class ServiceRequest(Resource, tag="ServiceRequest"):
    """ServiceRequest."""

    status: str | None = None
    intent: str | None = None
    do_not_perform: bool | None = None
    code: Concept | None = None
    subject: Reference | None = None
    authored_on: str | None = None


class Patient(Resource, tag="Patient"):
    """Patient."""

    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


AnyMedicated = MedicationRequest | MedicationStatement | MedicationAdministration | MedicationDispense
AnyResource = (
    Observation
    | Condition
    | MedicationRequest
    | MedicationStatement
    | MedicationAdministration
    | MedicationDispense
    | Procedure
    | DiagnosticReport
    | Encounter
    | Appointment
    | ServiceRequest
    | Patient
)
TYPES = frozenset(member.__struct_config__.tag for member in AnyResource.__args__)
