"""What the floor decodes of a hook call: the elements that a rule reads, each as msgspec decodes it fastest."""

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec


class Element(msgspec.Struct, rename="camel", gc=False):
    """Anything in FHIR, as far as it is read here; what is null counts as left out."""


class Coding(Element):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class Concept(Element):
    coding: list[Coding] = []
    text: str | None = None


class Reference(Element):
    reference: str | None = None


class Quantity(Element):
    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(Element):
    start: str | None = None
    end: str | None = None


class Range(Element):
    low: Quantity | None = None
    high: Quantity | None = None
    text: str | None = None


class Resource(Element):
    id: str = ""
    status: str | None = None
    subject: Reference | None = None
    code: Concept | None = None


class Observation(Resource):
    effective_date_time: str | None = None
    value_quantity: Quantity | None = None
    value_string: str | None = None
    interpretation: list[Concept] | None = None
    reference_range: list[Range] = []


class Condition(Resource):
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: str | None = None
    recorded_date: str | None = None


class Repeat(Element):
    frequency: int | None = None
    period: Decimal | None = None
    period_unit: str | None = None


class Timing(Element):
    repeat: Repeat | None = None


class Rate(Element):
    dose_quantity: Quantity | None = None


class Dosage(Element):
    timing: Timing | None = None
    route: Concept | None = None
    dose_and_rate: list[Rate] = []


class Supply(Element):
    expected_supply_duration: Quantity | None = None


class Medicine(Resource):
    intent: str | None = None
    medication_codeable_concept: Concept | None = None
    authored_on: str | None = None
    when_handed_over: str | None = None
    effective_date_time: str | None = None
    dispense_request: Supply | None = None
    days_supply: Quantity | None = None
    dosage_instruction: list[Dosage] = []


class Statement(Resource):
    medication_codeable_concept: Concept | None = None
    effective_period: Period | None = None
    dosage: list[Dosage] = []


class Encounter(Resource):
    class_: Coding | None = msgspec.field(name="class", default=None)
    type: list[Concept] = []
    period: Period | None = None


class Report(Resource):
    effective_date_time: str | None = None
    result: list[Reference] = []


class Patient(Element):
    id: str = ""
    gender: str | None = None
    birth_date: str | None = None


Any = TypeVar("Any")


class Entry(Element, Generic[Any]):
    resource: Any


class Bundle(Element, Generic[Any]):
    entry: list[Entry[Any]] = []


class Prefetch(Element):
    patient: Patient
    conditions: Bundle[Condition]
    antibodies: Bundle[Observation]
    ana: Bundle[Observation]
    enzymes: Bundle[Observation]
    blood_count: Bundle[Observation]
    cardiac_tests: Bundle[Observation]
    lung_function: Bundle[Observation]
    medication_requests: Bundle[Medicine]
    medication_statements: Bundle[Statement]
    medication_dispenses: Bundle[Medicine]
    medication_administrations: Bundle[Medicine]
    encounters: Bundle[Encounter]
    reports: Bundle[Report]


class Whole(Element):
    """A hook call that is read in full."""

    prefetch: Prefetch


class Keys(Element):
    """The prefetch of a hook call, each key as its bytes."""

    patient: msgspec.Raw
    conditions: msgspec.Raw
    antibodies: msgspec.Raw
    ana: msgspec.Raw
    enzymes: msgspec.Raw
    blood_count: msgspec.Raw
    cardiac_tests: msgspec.Raw
    lung_function: msgspec.Raw
    medication_requests: msgspec.Raw
    medication_statements: msgspec.Raw
    medication_dispenses: msgspec.Raw
    medication_administrations: msgspec.Raw
    encounters: msgspec.Raw
    appointments: msgspec.Raw
    orders: msgspec.Raw
    procedures: msgspec.Raw
    reports: msgspec.Raw


class Cut(Element):
    """A hook call that is cut into its keys."""

    prefetch: Keys
