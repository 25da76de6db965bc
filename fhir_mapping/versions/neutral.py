"""What a version module hands over: resources in neutral terms, nothing judged yet.

Every reference is already resolved to `Type/id` where the record can resolve it (F1); every time is a moment or
None; every coding is canonical.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from fhir_mapping.record import (
    NO_PERIOD,
    Coding,
    Concept,
    Entry,
    MedicationKind,
    Moment,
    Number,
    Period,
    Value,
)
from fhir_mapping.terms import Meaning
from fhir_mapping.terms.roles import RoleWord


class Range(Struct, frozen=True, gc=False):
    """One reference range of a result or of a component (F8)."""

    low: Number | None
    high: Number | None
    kinds: tuple[Coding, ...]  # Observation.referenceRange.type
    kind_written: bool  # a type is there, coded or not
    groups: tuple[tuple[Coding, ...], ...]  # one per appliesTo
    age_low: Number | None
    age_high: Number | None
    text: str = ""  # Observation.referenceRange.text
    kind_text: str = ""  # the words of its type: its text, else what its codes are called

    @property
    def has_age(self) -> bool:
        """Whether the range is for some ages only."""
        return self.age_low is not None or self.age_high is not None


class Measurement(Struct, frozen=True, gc=False):
    """The value of an Observation or of a component, with what stands beside it."""

    value: Value
    interpretation: tuple[Coding, ...]
    interpretation_text: str
    ranges: tuple[Range, ...]


class MeasuredPart(Measurement, frozen=True, gc=False):
    """A component, with its code."""

    code: Concept


class Observation(Struct, frozen=True, gc=False):
    """An Observation. `when` is the first of effectiveDateTime, effectivePeriod, effectiveInstant, issued (F3).

    `focus` are the resolved references to what it is about, "" for one without an address (F1).
    """

    own: Measurement
    when: Moment | None
    focus: tuple[str, ...]
    specimen: str
    members: tuple[str, ...]
    components: tuple[MeasuredPart, ...]


class Condition(Struct, frozen=True, gc=False):
    """A Condition (M1). A status is None where nothing is written.

    `certainties` are the codings that have the German extension Diagnosesicherheit, each with its code ("": none that
    can be read). `abated` is set by any abatement[x] but a time that cannot be read, which is none (F3); `abatement` is
    its time where it has one.
    """

    clinical: Concept | None
    verification: Concept | None
    certainties: tuple[tuple[Coding, Coding], ...]
    onset: Moment | None  # onset[x], else recordedDate (F3)
    recorded: Moment | None
    abated: bool
    abatement: Moment | None


class Regimen(Struct, frozen=True, gc=False):
    """How much of a medicine is taken, how often and which way (T4).

    `doses` are as written, None for a range: several are one dose, told in several ways.
    """

    doses: tuple[Number | None, ...] = ()
    frequency: int | None = None
    period: Number | None = None
    as_needed: bool = False
    routes: tuple[Coding, ...] = ()


class Instruction(Struct, frozen=True, gc=False):
    """One dosage instruction (T3); those of one record that are written alike share their regimen."""

    regimen: Regimen
    bounds: Period = NO_PERIOD


class Medication(Struct, frozen=True, gc=False):
    """A medication resource of any of the four kinds, with the products or ingredients that it names.

    `unresolved` names the Medications that are nowhere ("": a reference without an address), where no coding says what
    it is (T1).
    """

    kind: MedicationKind
    concepts: tuple[Concept, ...]
    forms: tuple[Coding, ...]
    resolved_from: tuple[bytes, ...]  # the Medication resources that were read for it
    unresolved: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    status_reasons: tuple[Coding, ...]
    intent: str = ""
    do_not_perform: bool = False
    authored: Moment | None = None
    validity: Period = NO_PERIOD
    supply: Number | None = None  # expectedSupplyDuration, daysSupply
    is_supplied: bool = False  # whether one of a request is there, be it one that says nothing
    repeats: int = 0
    effective: Period = NO_PERIOD
    handed_over: Moment | None = None


class Performed(Struct, frozen=True, gc=False):
    """A Procedure or DiagnosticReport; `results` are the Observations that a report lists.

    `start` is when a Procedure that took a while began.
    """

    when: Moment | None
    results: tuple[str, ...] = ()
    start: Moment | None = None


class Contact(Struct, frozen=True, gc=False):
    """An Encounter (V4).

    `service` are the codings of serviceType and of the participants' specialties, `kinds` those of type and
    participant type.
    """

    period: Period
    service: tuple[Coding, ...]
    kinds: tuple[Coding, ...]


class Booking(Struct, frozen=True, gc=False):
    """An Appointment (V3). `service` are the codings of serviceType and specialty."""

    start: Moment | None
    created: Moment | None
    service: tuple[Coding, ...]
    kinds: tuple[Coding, ...]  # appointmentType


class Order(Struct, frozen=True, gc=False):
    """A ServiceRequest (V3)."""

    intent: str
    do_not_perform: bool
    authored: Moment | None


class Person(Struct, frozen=True, gc=False):
    """A Patient. `died` is set by `true` and by a time that can be read; `death` is that time (E5, F3)."""

    sex: str
    birth_date: str
    died: bool
    death: Moment | None


Content = Observation | Condition | Medication | Performed | Contact | Booking | Order | Person


class Resource(Struct, frozen=True):
    """One resource in neutral terms.

    `subjects` are the resolved references that say whose it is ("": one without an address; None: the resource
    has no such element and its type needs none). `codings` and `concepts` say what it is; of an element of the wrong
    shape they are what can still be read of it. `content` reads the rest when it is asked, as far as it can be read;
    it is None for types that no rule reads. `lost` names the elements that were left out, wholly or in part, being of
    a wrong JSON type. It is not `readable` where a rule asks for one of these. It is `unsure` where one of these may
    have been a coding that says what it is; `asked` are the roles of which it must have one, because a server found it
    by their codes (of one that says what it is: empty).
    """

    type: str
    id: str
    name: str  # `Type/id`
    entry: Entry
    subjects: tuple[str, ...] | None
    status: str
    codings: tuple[Coding, ...]
    updated: datetime | None
    version: Decimal | None
    readable: bool
    content: Callable[[], Content] | None
    lost: frozenset[str] = frozenset()  # names of elements (F3)
    concepts: tuple[Concept, ...] = ()  # what says what it is, with its words (U3)
    unsure: bool = False
    asked: frozenset[RoleWord] = frozenset()

    @property
    def is_coded(self) -> bool:
        """Whether a code with its system could be read (F4)."""
        return any(coding.system and coding.code for coding in self.codings)


class Codes(Struct, frozen=True, gc=False, eq=False):
    """Codes that several Observations have alike: what they mean by our table (F4), and the words beside them (U3)."""

    meaning: Meaning
    texts: tuple[str, ...]


class WrittenUnit(Struct, frozen=True, gc=False, eq=False):
    """The unit of a number as several Observations write it (`record.Number`)."""

    text: str
    code: str
    system: str


class Beside(Struct, frozen=True, gc=False, eq=False):
    """Flags and reference ranges that several Observations have alike; none for some ages, groups or of a type."""

    interpretation: tuple[Coding, ...]
    interpretation_text: str
    ranges: tuple[Range, ...]


class Plain(Struct, frozen=True, gc=False):
    """An Observation that is no more than one number at a time, under codes with their systems: as nearly all are.

    It has an id that no other resource has, a time, and nothing of what else a rule reads. `whole` reads it as any other
    resource is read, from its entry.
    """

    name: str
    entry: Entry
    whole: Callable[[Entry], Resource]
    subject: str
    status: str
    codes: Codes
    when: Moment
    number: str  # digits and perhaps a point
    unit: WrittenUnit
    beside: Beside
    specimen: str
