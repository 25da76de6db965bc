"""The elements of FHIR R4 that a rule reads, and no others.

An element of a wrong JSON type is left out (`salvage.py`); `r4_decoding.py` says where that matters.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from fhir_mapping.record import Comparator
from fhir_mapping.versions.salvage import Salvageable

ABSENT = Raw(b"null")
NOT_THERE = Raw(b"")  # unlike null


def _check_number(json: Raw) -> None:
    """Raise ValueError for anything but a number that can be read, or null."""
    if json is not ABSENT:
        written = bytes(json)
        if not (written.isdigit() or written.replace(b".", b"", 1).lstrip(b"-").isdigit()):
            decimal(json)


def decimal(json: Raw) -> Decimal | None:
    """Read a number with its digits as written, None for null; raises ValueError for anything else."""
    written = bytes(json)
    if written == b"null":
        return None
    if written[0] not in b"-0123456789":
        raise ValueError("value is no number")
    try:
        return Decimal(written.decode("ascii"))
    except InvalidOperation as error:
        raise ValueError("value is beyond every number") from error


class R4Element(Salvageable, rename="camel", gc=False):
    """Anything in R4; an element that is null counts as left out."""


class R4Coding(R4Element):
    """Coding."""

    system: str | None = None
    code: str | None = None
    display: Any = None
    extension: Raw = ABSENT


class R4Concept(R4Element):
    """CodeableConcept."""

    alternatives: ClassVar[bool] = True

    coding: list[R4Coding] | None = None
    text: str | None = None


class R4Reference(R4Element):
    """Reference, by address alone: one by identifier leads nowhere (F1)."""

    reference: str | None = None


class R4NamedReference(R4Reference):
    """Reference(Medication), with the words beside it (U3)."""

    display: Any = None


class R4Quantity(R4Element):
    """Quantity, SimpleQuantity, Age, Duration: the digits stay as written."""

    value: Raw = ABSENT
    comparator: Comparator | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        _check_number(self.value)


class R4Ratio(R4Element):
    """Ratio."""

    numerator: R4Quantity | None = None
    denominator: R4Quantity | None = None


class R4Range(R4Element):
    """Range."""

    low: R4Quantity | None = None
    high: R4Quantity | None = None


class R4Period(R4Element):
    """Period."""

    start: str | None = None
    end: str | None = None


class R4Meta(R4Element):
    """Which of several versions of a resource is the last (F7): either element says it without the other."""

    alternatives: ClassVar[bool] = True
    last_updated: str | None = None
    version_id: str | None = None


class R4Resource(R4Element, tag_field="resourceType"):
    """What every resource has."""

    id: str | None = None
    meta: R4Meta | None = None


class R4ReferenceRange(R4Element):
    """Observation.referenceRange."""

    low: R4Quantity | None = None
    high: R4Quantity | None = None
    type: R4Concept | None = None
    applies_to: list[R4Concept] | None = None
    age: R4Range | None = None
    text: str | None = None


class R4Measured(R4Element):
    """What Observation and Observation.component have in common."""

    code: R4Concept | None = None
    value_quantity: R4Quantity | None = None
    value_codeable_concept: R4Concept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_ratio: R4Ratio | None = None
    value_range: R4Range | None = None
    data_absent_reason: R4Concept | None = None
    interpretation: list[R4Concept] | None = None
    reference_range: list[R4ReferenceRange] | None = None


class R4Observation(R4Measured, tag_field="resourceType", tag="Observation"):
    """Observation."""

    id: str | None = None
    meta: R4Meta | None = None
    status: str | None = None
    subject: R4Reference | None = None
    focus: list[R4Reference] | None = None
    effective_date_time: str | None = None
    effective_period: R4Period | None = None
    effective_instant: str | None = None
    issued: str | None = None
    specimen: R4Reference | None = None
    has_member: list[R4Reference] | None = None
    component: list[R4Measured] | None = None


class R4Condition(R4Resource, tag="Condition"):
    """Condition."""

    subject: R4Reference | None = None
    code: R4Concept | None = None
    clinical_status: R4Concept | None = None
    verification_status: R4Concept | None = None
    onset_date_time: str | None = None
    onset_period: R4Period | None = None
    recorded_date: str | None = None
    abatement_date_time: str | None = None
    abatement_period: R4Period | None = None
    abatement_age: Any = None
    abatement_range: Any = None
    abatement_string: Any = None


class R4Repeat(R4Element):
    """Timing.repeat."""

    bounds_period: R4Period | None = None
    frequency: int | None = None
    frequency_max: int | None = None
    period: Raw = ABSENT
    period_max: Any = None
    period_unit: str | None = None

    def __post_init__(self) -> None:
        _check_number(self.period)


class R4Timing(R4Element):
    """Timing."""

    repeat: R4Repeat | None = None


class R4DoseAndRate(R4Element):
    """Dosage.doseAndRate; a doseRange is no evidence for a dose (T4)."""

    dose_quantity: R4Quantity | None = None


class R4Dosage(R4Element):
    """Dosage."""

    timing: R4Timing | None = None
    as_needed_boolean: bool | None = None
    as_needed_codeable_concept: R4Concept | None = None
    route: R4Concept | None = None
    dose_and_rate: list[R4DoseAndRate] | None = None


class R4AdministeredDosage(R4Element):
    """MedicationAdministration.dosage."""

    route: R4Concept | None = None
    dose: R4Quantity | None = None


class R4Medicated(R4Resource):
    """What the four medication resources have in common."""

    subject: R4Reference | None = None
    status: str | None = None
    medication_codeable_concept: R4Concept | None = None
    medication_reference: R4NamedReference | None = None
    contained: list[Raw] | None = None
    # Of other versions alone, but for `requester`, which has an `agent` there.
    was_not_taken: Raw = ABSENT
    was_not_given: Raw = ABSENT
    taken: Raw = ABSENT
    not_given: Raw = ABSENT
    medication: Raw = ABSENT
    requester: Raw = ABSENT


class R4DispenseRequest(R4Element):
    """MedicationRequest.dispenseRequest."""

    validity_period: R4Period | None = None
    number_of_repeats_allowed: int | None = None
    expected_supply_duration: R4Quantity | None = None


class R4MedicationRequest(R4Medicated, tag="MedicationRequest"):
    """MedicationRequest."""

    intent: str | None = None
    do_not_perform: bool | None = None
    authored_on: str | None = None
    status_reason: R4Concept | None = None
    dosage_instruction: list[R4Dosage] | None = None
    dispense_request: R4DispenseRequest | None = None


class R4MedicationStatement(R4Medicated, tag="MedicationStatement"):
    """MedicationStatement."""

    effective_date_time: str | None = None
    effective_period: R4Period | None = None
    status_reason: list[R4Concept] | None = None
    dosage: list[R4Dosage] | None = None


class R4MedicationAdministration(R4Medicated, tag="MedicationAdministration"):
    """MedicationAdministration."""

    effective_date_time: str | None = None
    effective_period: R4Period | None = None
    status_reason: list[R4Concept] | None = None
    dosage: R4AdministeredDosage | None = None


class R4MedicationDispense(R4Medicated, tag="MedicationDispense"):
    """MedicationDispense."""

    status_reason_codeable_concept: R4Concept | None = None
    days_supply: R4Quantity | None = None
    when_prepared: str | None = None
    when_handed_over: str | None = None
    dosage_instruction: list[R4Dosage] | None = None


class R4Procedure(R4Resource, tag="Procedure"):
    """Procedure."""

    status: str | None = None
    subject: R4Reference | None = None
    code: R4Concept | None = None
    performed_date_time: str | None = None
    performed_period: R4Period | None = None
    not_done: Raw = ABSENT  # of STU3


class R4DiagnosticReport(R4Resource, tag="DiagnosticReport"):
    """DiagnosticReport."""

    status: str | None = None
    subject: R4Reference | None = None
    code: R4Concept | None = None
    effective_date_time: str | None = None
    effective_period: R4Period | None = None
    issued: str | None = None
    result: list[R4Reference] | None = None


class R4EncounterParticipant(R4Element):
    """Encounter.participant."""

    type: list[R4Concept] | None = None
    individual: R4Reference | None = None


class R4Encounter(R4Resource, tag="Encounter"):
    """Encounter."""

    status: str | None = None
    class_: R4Coding | list[R4Concept] | None = msgspec.field(name="class", default=None)
    type: list[R4Concept] | None = None
    service_type: R4Concept | list[R4Concept] | None = None
    subject: R4Reference | None = None
    participant: list[R4EncounterParticipant] | None = None
    period: R4Period | None = None
    contained: list[Raw] | None = None
    actual_period: Raw = ABSENT  # of R5


class R4AppointmentParticipant(R4Element):
    """Appointment.participant."""

    actor: R4Reference | None = None


class R4Appointment(R4Resource, tag="Appointment"):
    """Appointment."""

    status: str | None = None
    service_type: list[R4Concept] | None = None
    specialty: list[R4Concept] | None = None
    appointment_type: R4Concept | None = None
    start: str | None = None
    created: str | None = None
    participant: list[R4AppointmentParticipant] | None = None


class R4Ordered(R4Concept):
    """ServiceRequest.code; in R5 it has a concept."""

    concept: Raw = NOT_THERE


class R4ServiceRequest(R4Resource, tag="ServiceRequest"):
    """ServiceRequest."""

    status: str | None = None
    intent: str | None = None
    do_not_perform: bool | None = None
    code: R4Ordered | None = None
    subject: R4Reference | None = None
    authored_on: str | None = None


class R4Patient(R4Resource, tag="Patient"):
    """Patient."""

    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


R4AnyMedicated = (
    R4MedicationRequest | R4MedicationStatement | R4MedicationAdministration | R4MedicationDispense
)
R4AnyResource = (
    R4Observation
    | R4Condition
    | R4MedicationRequest
    | R4MedicationStatement
    | R4MedicationAdministration
    | R4MedicationDispense
    | R4Procedure
    | R4DiagnosticReport
    | R4Encounter
    | R4Appointment
    | R4ServiceRequest
    | R4Patient
)
R4_STRUCTS: Mapping[str, type[R4AnyResource]] = {
    str(member.__struct_config__.tag): member for member in R4AnyResource.__args__
}
