"""What the mapping reads: one patient's record, free of FHIR versions and of transport.

`Gathered` is what arrived (raw JSON by prefetch key, and what could not be read). `versions/` turns it into
facts, `checks/` judges them (rules F1 to F9), and the result is a `PatientRecord`: only facts that count.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import Analyte, RoleWord

SourceKey = Literal[
    "patient",
    "conditions",
    "antibodies",
    "ana",
    "enzymes",
    "bloodCount",
    "cardiacTests",
    "lungFunction",
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
    "encounters",
    "appointments",
    "orders",
    "procedures",
    "reports",
    "medications",  # read by reference; no prefetch key
    "record",  # everything of a file
]
NEVER_OFF: frozenset[SourceKey] = frozenset({"patient", "conditions"})  # never "not offered" (F9)
SourceState = Literal["read", "failed", "not-offered"]
Precision = Literal["year", "month", "day", "time"]
Comparator = Literal["<", "<=", ">=", ">"]  # of FHIR R4


class Entry(Struct, frozen=True, eq=False):
    """One resource as it arrived: its JSON bytes and, inside a Bundle, its `fullUrl`.

    `text` is the JSON, or finds it by the `number` of the entry in its Bundle: hardly any is asked for once it is read.
    `unchanged`: all of its page holds nothing that could change what it means (F2), so that nobody looks for it there.
    """

    text: bytes | Callable[[int], bytes]
    full_url: str = ""
    unchanged: bool = False
    decoded: Any = None  # by its version; made once
    number: int = 0

    @property
    def json(self) -> bytes:
        """The JSON bytes of the resource."""
        return self.text if isinstance(self.text, bytes) else self.text(self.number)


class Source(Struct, frozen=True):
    """What one prefetch key (one query) gave. `failed` makes the record incomplete (F9), `not-offered` does not."""

    state: SourceState
    entries: tuple[Entry, ...] = ()
    detail: str = ""  # for people, without patient data: "timed out", "HTTP 503", "page 2 failed"
    asked: frozenset[RoleWord] = frozenset()  # by their codes; empty: by type or category, or it is a file


class MappingSettings(Struct, frozen=True):
    """How this client's records are to be read; comes from its `[[client]]` block."""

    tables: Tables
    time_zone: tzinfo = UTC
    accept_unknown_status: bool = False
    any_encounter_counts: bool = True
    fhir_version: str = "R4"
    also_known_as: tuple[str, ...] = ()  # further FHIR bases that are the client's own (F1)


class Gathered(Struct, frozen=True):
    """Everything that was read for one chart. `base` is the client's FHIR base without a trailing slash, or empty."""

    patient_id: str
    base: str
    sources: Mapping[SourceKey, Source]
    mapping: MappingSettings


def local_day(instant: datetime, zone: tzinfo) -> date:
    """The calendar day of an instant in a time zone; at the ends of the calendar that of UTC."""
    try:
        return instant.astimezone(zone).date()
    except OverflowError:  # 0001-01-01T00:00:00Z has no time in New York
        return instant.date()


class Moment(Struct, frozen=True, gc=False):
    """A point in time as precisely as it is written (F3).

    `first` answers "when did it start", `last` (never after `as_of`, once judged) answers "is it recent".
    """

    text: str
    first: datetime
    last: datetime
    precision: Precision

    @property
    def day_text(self) -> str:
        """The date as written, cut to ten characters."""
        return self.text[:10]

    def day(self, zone: tzinfo) -> date:
        """The calendar day of `last` in the client's time zone."""
        return local_day(self.last, zone)


class Period(Struct, frozen=True, gc=False):
    """A stretch of time; either end may be open."""

    start: Moment | None = None
    end: Moment | None = None


NO_PERIOD = Period()


class Coding(Struct, frozen=True, gc=False, cache_hash=True):
    """A code in a coding system; `system` is canonical (aliases are resolved), `code` is as the system compares it."""

    system: str
    code: str


class Concept(Struct, frozen=True, gc=False, cache_hash=True):
    """A CodeableConcept: any of its codings may match; its text is shown to nobody and never matched as a code."""

    codings: tuple[Coding, ...] = ()
    text: str = ""
    displays: tuple[str, ...] = ()  # of the codings; words, never evidence (U3)


class Number(Struct, frozen=True, gc=False):
    """A number as written, with its unit not yet understood."""

    value: Decimal
    comparator: str = ""  # "" or a `Comparator`
    unit: str = ""  # the written unit
    unit_code: str = ""  # the coded unit
    unit_system: str = ""  # canonical system of the coded unit
    upto: Decimal | None = None  # the other end of an interval, of which `value` is the lower one (F5)
    ambiguous: bool = False  # value and upto are two readings of one writing, like "20,000" (F5)


class Value(Struct, frozen=True, gc=False):
    """`value[x]` of an Observation or of one of its components: at most one of the members is set."""

    number: Number | None = None  # valueQuantity
    integer: int | None = None
    ratio: tuple[Number, Number] | None = None  # numerator, denominator
    text: str = ""  # valueString
    concept: Concept | None = None
    boolean: bool | None = None
    absent: Concept | None = None  # its dataAbsentReason
    is_unread: bool = False  # a ratio or a range is there of which nothing could be made


class Amount(Struct, frozen=True, gc=False):
    """A magnitude in the canonical unit of its analyte (F6): U/L, %, 1, ng/L, 10*9/L."""

    value: Decimal
    unit: str
    comparator: str  # "" or a `Comparator`
    original: str  # "210 IU/L", as written
    upto: Decimal | None = None  # the other end of an interval, of which `value` is the lower one (F5)


class ReferenceLimits(Struct, frozen=True, gc=False):
    """The limits a result is compared with (F8), in the unit of its `Amount` (antibodies: of the written value).

    Where several ranges of the laboratory are left, `highs` are their upper limits: together they decide what they
    decide alike, else `high`, which is then ours or none.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    default: bool = False  # `high` is ours, not the laboratory's
    highs: tuple[Decimal, ...] = ()
    is_below: bool = False  # `high` itself is no longer within, being written "< 20" (E7)
    # The title of the antibody's band that holds the value; empty: there are none, None: they leave it open.
    band: Literal["", "positive", "weak", "negative"] | None = ""

    @property
    def several(self) -> bool:
        """Whether several ranges are left, of which none is known to be the right one."""
        return bool(self.highs)


NO_LIMITS = ReferenceLimits()


class Component(Struct, frozen=True, gc=False):
    """One component of an Observation."""

    code: Concept
    value: Value
    interpretation: tuple[Coding, ...] = ()
    limits: ReferenceLimits = NO_LIMITS
    interpretation_text: str = ""


class Fact(Struct, frozen=True):
    """Something in the record that counts.

    `roles` are the words of the table rows that its codes match; a medicine has none, it has an ingredient.
    """

    resource: str  # "Observation/o1"
    roles: frozenset[RoleWord]

    @property
    def id(self) -> str:
        """The id alone, for the tie-breaks of the rules."""
        return self.resource.partition("/")[2]

    def has(self, role: RoleWord) -> bool:
        """Whether its codes have this role; unlike `in`, the type checker knows the words."""
        return role in self.roles


class Result(Fact, frozen=True):
    """An Observation. `analyte` is the first role word of its table row: ast, ck, ana, anti-srp and so on."""

    analyte: Analyte
    when: Moment
    value: Value
    amount: Amount | None = None
    limits: ReferenceLimits = NO_LIMITS
    interpretation: tuple[Coding, ...] = ()
    components: tuple[Component, ...] = ()
    members: tuple[str, ...] = ()  # "Observation/…"
    specimen: str = ""
    reports: frozenset[str] = frozenset()  # DiagnosticReports that list this result
    interpretation_text: str = ""  # the words beside the codes: "Weakly positive" (E7)
    codes: frozenset[Coding] = frozenset()  # those in our tables: what "the same code" means (F7, X2)


class Diagnosis(Fact, frozen=True):
    """A Condition as M1 reads it. `confirmed` is false for unconfirmed, provisional and differential ones."""

    clinical: str  # active | recurrence | relapse | remission | inactive | resolved
    confirmed: bool
    onset: Moment | None  # onset[x], else recordedDate; None: undated
    recorded: Moment | None  # recordedDate alone; kept with its own (possibly later) time
    recorded_late: bool = False  # recordedDate lies after as_of
    abatement: Moment | None = None  # abatement[x] where it has a time, which may lie after as_of
    abated: bool = False  # abatement[x] is there, with or without a time, and does not lie after as_of

    @property
    def eligible(self) -> bool:
        """Active, recurrence, relapse or remission: what E1 and E2 use (together with `confirmed`)."""
        return self.clinical in {"active", "recurrence", "relapse", "remission"}


class Dosage(Struct, frozen=True):
    """One dosage instruction, only as far as T3 and T4 read it. `dose` is in mg per administration."""

    bounds: Period = NO_PERIOD
    dose_mg: Decimal | None = None
    frequency: Decimal | None = None
    period_days: Decimal | None = None
    as_needed: bool = False
    routes: tuple[Coding, ...] = ()


MedicationKind = Literal[
    "MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"
]


class Treatment(Fact, frozen=True):
    """A medication resource that T2 accepts, one per ingredient. Times are as T3 names them."""

    kind: MedicationKind
    ingredient: str  # the role of its table row: prednisone, rituximab, atorvastatin, …
    active: bool
    completed: bool = False
    authored: Moment | None = None
    validity: Period = NO_PERIOD
    supply_days: Decimal | None = None  # expectedSupplyDuration (request) or daysSupply (dispense)
    is_supplied: bool = False  # whether a request says for how long, be it in words that nobody can read
    repeats: int = 0  # numberOfRepeatsAllowed
    effective: Period = NO_PERIOD  # statement, administration
    handed_over: Moment | None = None  # whenHandedOver, else whenPrepared
    dosages: tuple[Dosage, ...] = ()
    status_reasons: tuple[Coding, ...] = ()
    until: datetime | None = None  # of an order that lasts until the next, when that was written


class Done(Fact, frozen=True):
    """A Procedure, DiagnosticReport or Encounter, or an Observation that cannot be used for its value alone (V1).

    Something that took place. `unclear`: an Encounter that may be a visit or not (V4).
    """

    kind: Literal["Procedure", "DiagnosticReport", "Encounter", "Observation"]
    when: Moment
    start: Moment | None = None  # when an Encounter, or a Procedure that took a while, began
    in_progress: bool = False
    specialty_coded: bool = False  # Encounter: serviceType, participant specialty or a type in `specialties`
    unclear: bool = False


class Planned(Fact, frozen=True):
    """A booked Appointment or an active ServiceRequest: something that is going to take place."""

    kind: Literal["Appointment", "ServiceRequest"]
    start: Moment | None = None  # Appointment.start, may lie after as_of
    made: Moment | None = None  # Appointment.created, ServiceRequest.authoredOn
    specialty_coded: bool = False


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient of the chart. `birth_last` is the last possible birth date."""

    id: str
    sex: str = ""  # male | female | other | unknown | ""
    birth_first: date | None = None
    birth_last: date | None = None
    dead: bool = False  # at as_of
    age: int | None = None  # completed years at as_of, from the last possible birth date


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that does not count, and the first reason why (F)."""

    resource: str
    reason: str
    roles: frozenset[str] = frozenset()  # what it would have been: role words, of a medicine its ingredients


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something in the record that is there and cannot be used (U1): nobody is absent or silent against it.

    `role` is the thing itself in the words of `explain` (ck, lvef, broad, cardiac, an ingredient, agent); `roles` are
    all words of its table rows. `result` is what an Observation would have been, as far as it can be read.
    """

    resource: str
    role: str
    reason: str
    when: datetime  # its last possible instant, else as_of: it may be the newest (U2)
    date: str = ""  # as written, cut to ten characters; empty: undated
    by: Literal["code", "word"] = "code"
    roles: frozenset[str] = frozenset()
    holds_number: bool = False  # one that could be read, but for unit, status, time, subject or shape (U5b)
    result: Result | None = None
    listed: bool = False  # of a medicine: on the list, and neither ended nor on hold
    counts: bool = False  # of a Condition: it would be eligible (M1)
