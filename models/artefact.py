"""What a model folder holds: the Cox model, the clinic's policy, published factors. Data only, no arithmetic."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any, Literal

from models.inputs import NOT_READ, Anchor, Horizon, PartName

Mark = Literal["published", "derived", "assumed"]
BandName = Literal["low", "intermediate", "high"]
Column = Literal[BandName, "active", "relapse"]
"""A column of the follow-up table: a band, or a phase that goes before it (V5)."""
DESCRIBED = (
    "title",
    "kind",
    "population",
    "intended_use",
    "not_intended_use",
    "time_zero",
    "outcome",
    "assumptions",
)
"""What a model's description says, at least."""


class ModelError(ValueError):
    """A model folder that must not be served; the message is one sentence and says what to do."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a number, or a group of numbers, comes from."""

    mark: Mark
    source: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a vocabulary; `vocabulary` is the short name of `system` ("LOINC")."""

    vocabulary: str
    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Orderable:
    """What can be ordered for one part (V7): one code, hence one resource, with its category."""

    part: PartName
    code: Code
    category: Code


@cache  # shapes are those of the policies that are served, and few
def _expression(shape: str) -> re.Pattern[str]:
    return re.compile(re.escape(shape).replace("…", ".*"))


@dataclass(frozen=True, slots=True)
class DecidingTest:
    """What would make an unknown predictor known (S8).

    `reasons`: it competes only where the predictor is unknown for one of these, in which `…` stands for any text;
    empty: for any but that its source failed.
    """

    name: str
    orders: tuple[Orderable, ...]
    reasons: tuple[str, ...] = ()

    def helps(self, reason: str) -> bool:
        """Whether the test can answer a predictor that is unknown for this reason."""
        named = any(_expression(shape).fullmatch(reason) for shape in self.reasons)
        return named or not (self.reasons or reason == NOT_READ)


@dataclass(frozen=True, slots=True)
class WithIld:
    """The interval where interstitial lung disease is coded: `first` in the days `within` which it is known."""

    first: timedelta
    within: timedelta
    then: timedelta


@dataclass(frozen=True, slots=True)
class PolicyItem:
    """One row of the follow-up table (V): the interval of each column. A column without one omits the item.

    `once`: it is not repeated, and has no interval.
    """

    parts: tuple[Orderable, ...]
    every: Mapping[Column, timedelta]
    once: bool = False
    with_ild: WithIld | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a clinic does with a risk and a phase: bands, follow-up, suggestions (S5, S6, S8, V).

    Risks are probabilities.
    """

    known_at_least: int  # S5: predictors that must be known for a score
    low_below: float  # S6: 2-year risk
    high_from: float  # S6: 2-year risk
    due_within: timedelta  # V2: so long before the day an item counts as due
    suggestions_at_most: int  # V7
    order_within: timedelta  # V7: how long an order is to wait at least
    visit_within: timedelta  # V7: how long a visit that is overdue is to wait at most
    quiet_low: bool  # V6: whether a low band with nothing to do is silent
    remembered: timedelta  # V8
    disease: Code
    specialty: Code  # of an Appointment
    service_type: Code
    orders: Mapping[PartName, Orderable]
    tests: Mapping[str, DecidingTest]  # by predictor; their order breaks ties (S8)
    items: Mapping[str, PolicyItem]  # in the order of the table


@dataclass(frozen=True, slots=True)
class Factor:
    """A published factor with its odds ratio; None: reported without one."""

    label: str
    odds_ratio: float | None
    source: str


@dataclass(frozen=True, slots=True)
class PublishedFactors:
    """Factors of another outcome in another population (Z1): shown as flags, never scored.

    `patients` is the size of the cohort, `refractory_percent` the share with the outcome. `unread` are factors that
    were reported but are not read from the record.
    """

    source: str
    patients: int
    refractory_percent: float
    warning: str
    factors: Mapping[str, Factor]
    unread: Mapping[str, Factor]


@dataclass(frozen=True, slots=True)
class PredictorSpec:
    """A predictor as the model understands it; the thresholds themselves are in `rules.toml`."""

    name: str
    label: str
    unit: str
    threshold: str


@dataclass(frozen=True, slots=True)
class TimeZero:
    """The moment from which a model's cohort was followed: so many days after an anchor (S11)."""

    anchor: Anchor
    offset: int


@dataclass(frozen=True, slots=True)
class LandmarkBaseline:
    """A model's baseline from a landmark: of those still followed without a recurrence so many days after time zero.

    `baseline_hazard` is cumulative from the landmark on; `covariance` is of all parameters, as that of the model.
    """

    days: int
    baseline_hazard: Mapping[Horizon, float]
    covariance: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A proportional-hazards model at fixed horizons, with the uncertainty of its parameters (S1, S2, S4).

    The order of `predictors` is that of patterns such as "10?1", of `log_hazard_ratios`, and of the first rows of
    `covariance`; the log cumulative baseline hazards at `horizons` follow there. `joint` gives the probability of
    each known pattern in the population. `interval` holds the two probabilities of the plausible range. The baseline
    is that from time zero, landmark 0; where `time_zero` is known `landmarks` has those from later ones, earliest first.
    """

    id: str
    version: str
    rules: str  # version of the clinical rules by which the predictors are read
    evidence: str  # literature-reconstructed | local-fit | synthetic
    sha256: str
    limits: str  # the limits line of every card
    range_note: str  # what the plausible range covers (S2)
    time_zero_note: str  # S9
    description: Mapping[str, str]  # each of `DESCRIBED`, perhaps more
    predictors: tuple[PredictorSpec, ...]
    log_hazard_ratios: tuple[float, ...]
    baseline_hazard: Mapping[Horizon, float]  # cumulative
    covariance: tuple[tuple[float, ...], ...]
    joint: Mapping[str, float]
    interval: tuple[float, float]
    provenance: Mapping[str, Provenance]
    policy: Policy
    srp_factors: PublishedFactors  # Z1
    time_zero: TimeZero | None = None  # S11; None: it was not published, or cannot be read from a record
    landmarks: tuple[LandmarkBaseline, ...] = ()
    # What `risk` computed of a pattern, which is all of a patient that it sees: of four predictors there are 81.
    computed: dict[tuple[object, ...], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The predictors' names in the model's order."""
        return tuple(spec.name for spec in self.predictors)

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """The horizons of the model, earliest first."""
        return tuple(self.baseline_hazard)

    def landmark_at(self, since_time_zero: int | None) -> int:
        """The latest landmark, in days, that is not after so many days since time zero (S11); None: not known."""
        known = -1 if since_time_zero is None else since_time_zero
        return max((later.days for later in self.landmarks if later.days <= known), default=0)

    def from_landmark(self, days: int) -> "Model":
        """The same model with its baseline from a landmark; raises StopIteration where it has none there."""
        if days == 0:
            return self
        key = ("landmark", days)
        if key not in self.computed:
            later = next(later for later in self.landmarks if later.days == days)
            self.computed[key] = replace(
                self, baseline_hazard=later.baseline_hazard, covariance=later.covariance, landmarks=()
            )
        model: Model = self.computed[key]
        return model
