"""What the mapping answers with: states and values, each with the ids of the resources it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from fhir_mapping.record import Doubt
from models.inputs import FollowUpFacts, Phase, State

EligibilityState = Literal["definite", "probable", "possible", "none", "excluded", "unknown"]
Bar = Literal[
    "eligibility",
    "subtype",
    "cardiac_involvement",
    "high_ana",
    "treatment_refractory",
    "high_drr",
    "phase",
    "statin",
    "silence",
]
"""What a doubt can change, in the order in which `explain` names it (U6)."""
Subtype = Literal["anti-SRP", "anti-HMGCR", "both", "seronegative", "unknown"]
ESTABLISHED: frozenset[EligibilityState] = frozenset({"definite", "probable"})
"""Who is an IMNM patient: of these alone is a risk, a headline, and a phase that presses."""
FactorState = Literal["present", "absent", "missing"]
FindingName = Literal[
    "ild",
    "lymphopenia",
    "ldh",
    "hbdh",
    "nlr",
    "dysphagia",
    "malignancy",
    "cancer-window",
    "childhood-onset",
    "fvc-fall",
    "lvef-fall",
    "statin",
    "checkpoint-inhibitor",
]
"""What is shown beside the score (X1 to X4)."""


class Evidence(Struct, frozen=True, gc=False):
    """One resource behind a statement; `date` is as written, cut to ten characters.

    A bound has its comparator, an interval its other end: the value alone would read as exact.
    """

    resource: str
    role: str
    value: Decimal | str | None = None
    unit: str = ""
    original: str = ""
    date: str = ""
    comparator: str = ""
    upto: Decimal | None = None


class Note(Struct, frozen=True, gc=False):
    """Something worth knowing that decides nothing; `rule` is the rule that says "noted"."""

    rule: str
    text: str


class Feature(Struct, frozen=True):
    """A predictor as read from the record: its state, and why. A value that is no single number is as in Evidence."""

    state: State
    rule: str
    reason: str = ""
    stale: bool = False
    value: Decimal | None = None
    unit: str = ""
    date: str = ""
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[Note, ...] = ()
    barred_by: tuple[Doubt, ...] = ()  # without these it would be something else (U5)
    comparator: str = ""
    upto: Decimal | None = None


class Eligibility(Struct, frozen=True):
    """Is this an IMNM patient (E)? `onset` is the myositis onset of E9.

    `unknown`: what could not be used or read would make the patient one (U4, F9).
    """

    state: EligibilityState
    reason: str
    subtype: Subtype
    evidence: tuple[Evidence, ...] = ()
    onset: datetime | None = None
    notes: tuple[Note, ...] = ()
    against: tuple[Evidence, ...] = ()  # what speaks against a possible one (E3)
    barred_by: tuple[Doubt, ...] = ()  # with these as signs it would be something else (U4)
    subtype_barred_by: tuple[Doubt, ...] = ()

    @property
    def is_established(self) -> bool:
        """Whether this is a definite or a probable patient."""
        return self.state in ESTABLISHED


class Measured(Struct, frozen=True, gc=False):
    """A CK value of the activity line."""

    value: Decimal
    unit: str
    times_uln: Decimal
    date: str
    resource: str
    comparator: str = ""
    default_limit: bool = False
    upto: Decimal | None = None  # of an interval the other end, and how many times the limit that is
    times_upto: Decimal | None = None


class Activity(Struct, frozen=True):
    """Disease now (R1) and its phase (R4).

    `lowest` and `times_lowest`: in the phases relapse and rising the nadir that the latest CK is compared with, and
    how many times that it is (None: by code alone). `never_fell`: active only because it never fell to half of the
    peak. `coded`: what a Condition says of a relapse, and when. `rhabdomyolysis`: one near the latest CK, with its date.
    `unread_ck`: the newest CK that could not be used, if it is later than the latest one that could. `barred_by`:
    without these doubts the phase would be another one.
    """

    ck: Measured | None
    peak: Measured | None
    nadir: Measured | None
    phase: Phase
    reason: str
    lowest: Measured | None = None
    times_lowest: Decimal | None = None
    never_fell: bool = False
    coded: Evidence | None = None
    rhabdomyolysis: Evidence | None = None
    unread_ck: Doubt | None = None
    evidence: tuple[Evidence, ...] = ()
    barred_by: tuple[Doubt, ...] = ()


class ContextFinding(Struct, frozen=True):
    """Shown beside the score, never scored (X1 to X4); the later value of a fall comes first."""

    finding: FindingName
    evidence: tuple[Evidence, ...]
    near_onset: tuple[Evidence, ...] = ()  # malignancies that began within three years of myositis onset (X3)
    until: date | None = None  # the last day of the cancer window (X3), in the client's zone


@dataclass(frozen=True, slots=True)
class SrpRefractory:
    """Published factors of refractory anti-SRP disease (Z1): present, absent or missing."""

    male: FactorState
    severe_weakness: FactorState
    ild: FactorState


class Barring(Struct, frozen=True):
    """A doubt that keeps something from being what it would be without it, and what (U6)."""

    doubt: Doubt
    bars: tuple[Bar, ...]


class RefusedFact(Struct, frozen=True, gc=False):
    """A resource that carries a code we read (or is another patient's) and does not count."""

    resource: str
    reason: str


class Findings(Struct, frozen=True):
    """Everything the record says, before any model is asked."""

    patient_id: str
    age: int | None
    sex: str
    today: date  # as_of as a calendar day in the client's zone
    eligibility: Eligibility
    features: Mapping[str, Feature]  # in the order of the predictors
    activity: Activity | None
    follow_up: FollowUpFacts
    context: tuple[ContextFinding, ...]
    srp_refractory: SrpRefractory | None
    refused: tuple[RefusedFact, ...]
    doubts: tuple[Barring, ...]  # by resource and role
    notes: tuple[Note, ...]
    unread: Mapping[str, str]  # failed sources that eligibility or a predictor needs → what happened
    failed: Mapping[str, str]  # every failed source

    @property
    def phase(self) -> Phase:
        """The disease now (R4); unknown where nothing was asked."""
        return self.activity.phase if self.activity else "unknown"
