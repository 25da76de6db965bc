"""The results of a validation: frozen, every number a plain float, int or None, so that all of it becomes JSON.

Risks and their limits are probabilities; times are years since time zero; limits are 95 %.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from models.training.cohort.cohort import FlowStep
from models.training.errors import TrainingError
from models.training.statistics.discrimination import PointEstimate
from models.training.statistics.limits import Z
from models.training.statistics.resampling import FourFigures


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its standard error and limits, or `reason`: why it cannot be estimated. None: not given."""

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def given(self) -> bool:
        """Whether there is a number."""
        return self.value is not None


def measure(value: float, se: float | None = None, limits: tuple[float, float] | None = None) -> Measure:
    """A measure; without `limits` they are value ± 1.96 se. What is not finite is not estimable.

    Limits without any width are none: where all pairs are concordant, or nobody had a recurrence, nothing is certain.
    """
    if not isfinite(value):
        return missing("not estimable in these data")
    if limits is None and se is not None and isfinite(se):
        limits = (value - Z * se, value + Z * se)
    low, high = limits if limits and limits[0] != limits[1] else (None, None)
    return Measure(float(value), finite_or_none(se), finite_or_none(low), finite_or_none(high))


@dataclass(frozen=True, slots=True)
class UnitMeasure(Measure):
    """A measure that lies between 0 and 1 with its limits: a C, an AUC, a Brier score."""


def unit_measure(value: float, se: float | None = None) -> Measure:
    """A unit measure; its limits are value ± 1.96 se, and end at 0 and 1 as riskRegression's do."""
    limits = None
    if se is not None and isfinite(se):
        limits = max(0.0, value - Z * se), min(1.0, value + Z * se)
    of = measure(value, se, limits)
    return UnitMeasure(of.value, of.se, of.low, of.high, of.reason)


def estimated(
    estimate: PointEstimate, as_measure: Callable[[float, float], Measure] = unit_measure
) -> Measure:
    """An estimate as a measure; a slope is no unit measure."""
    return as_measure(estimate.value, estimate.se)


def missing(reason: str) -> Measure:
    """A measure that cannot be estimated, and why."""
    return Measure(None, reason=reason)


def estimable(compute: Callable[[], Measure]) -> Measure:
    """What `compute` gives; where these data allow no estimate, the reason instead of an error."""
    try:
        return compute()
    except TrainingError as error:
        return missing(str(error))
    except (ArithmeticError, np.linalg.LinAlgError):
        return missing("not estimable in these data")


def finite_or_none(value: float | None) -> float | None:
    """A plain number, None where there is none or it is not finite."""
    return float(value) if value is not None and isfinite(value) else None


@dataclass(frozen=True, slots=True)
class SmoothCurve:
    """Observed against predicted risk on a grid of predicted risks, with a bootstrap band; `corrected` for optimism.

    `low`, `high` are empty without a band, `corrected` without internal validation; `reason` if there is no curve.
    """

    predicted: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    corrected: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """Patients of similar predicted risk: how many, their mean prediction, and the Kaplan-Meier risk."""

    n: int
    predicted: float
    observed: Measure


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the histogram of predicted risks: from `low` to below `high`."""

    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Net benefit per patient at each threshold; treating nobody is 0. None: nobody above it was followed so far."""

    thresholds: tuple[float, ...]
    model: tuple[float | None, ...]
    treat_all: tuple[float, ...]
    corrected: tuple[float | None, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AtHorizon:
    """How well the risks at one horizon rank and fit."""

    horizon: str
    years: float
    events: int
    expected: float
    observed: Measure
    observed_competing: Measure
    observed_over_expected: Measure
    auc: Measure
    auc_corrected: Measure
    auc_competing: Measure
    brier: Measure
    brier_null: Measure
    ipa: Measure
    ipa_corrected: Measure
    ici: Measure
    e50: Measure
    e90: Measure
    emax: Measure
    ici_corrected: Measure
    curve: SmoothCurve
    fifths: tuple[RiskGroup, ...]
    histogram: tuple[Bin, ...]
    decision: DecisionCurve


@dataclass(frozen=True, slots=True)
class AucPoint:
    """The AUC at one time, or Uno's C up to it."""

    years: float
    auc: Measure


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Below a Kaplan-Meier curve: at risk at this time; censored (deaths apart), died and recurred before it."""

    years: float
    at_risk: int
    censored: int
    died: int
    events: int


@dataclass(frozen=True, slots=True)
class GroupRisk:
    """The observed risk of one group at a horizon: 1 - Kaplan-Meier, and Aalen-Johansen with death competing."""

    horizon: str
    kaplan_meier: Measure
    aalen_johansen: Measure


@dataclass(frozen=True, slots=True)
class GroupCurve:
    """One group's share free of recurrence as steps: `survival` from each time on, with log-log limits, to `last`.

    Beyond `sure` too few of the group are at risk for it to be drawn in full.
    """

    label: str
    n: int
    events: int
    deaths: int
    last: float
    sure: float
    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    table: tuple[AtRisk, ...]
    risks: tuple[GroupRisk, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A log-rank test; `reason` where it could not be done."""

    chi_square: float | None = None
    degrees: int | None = None
    p: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Curves by one predictor, or by risk group, up to `end` years; who has no value for it is in `left_out`."""

    name: str
    label: str
    end: float
    left_out: int
    curves: tuple[GroupCurve, ...]
    log_rank: Comparison


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The performance in a part of the cohort, at the horizon of the decision."""

    kind: str
    label: str
    n: int
    events: int
    concordance: Measure
    expected: float
    observed: Measure
    observed_over_expected: Measure


@dataclass(frozen=True, slots=True)
class HazardRatio:
    """A predictor's log hazard ratio in the model as served, and refitted in this cohort without shrinkage."""

    name: str
    label: str
    served: Measure
    refitted: Measure


@dataclass(frozen=True, slots=True)
class Missing:
    """One predictor: how many have it present, absent, and not known."""

    name: str
    label: str
    present: int
    absent: int
    unknown: int


@dataclass(frozen=True, slots=True)
class PatternCount:
    """How many have one pattern of known (k) and unknown (?) predictors, in the model's order."""

    pattern: str
    n: int


@dataclass(frozen=True, slots=True)
class StabilityRow:
    """Patients with one and the same own risk: quantiles of their risk by the bootstrap models, mean abs. difference."""

    own: float
    n: int
    quantiles: tuple[float, ...]  # at STABILITY_QUANTILES
    mape: float


@dataclass(frozen=True, slots=True)
class Stability:
    """The risks of models fitted to resamples against the own risk, at one horizon; `mape` is the mean over patients."""

    horizon: str
    rows: tuple[StabilityRow, ...]
    mape: float


@dataclass(frozen=True, slots=True)
class Internal:
    """Internal validation by a nested bootstrap: every step is taken anew in each resample and tried on the whole cohort.

    Each resample's own shrinkage factor comes from `inner_resamples`; `failed` resamples gave no model. `shifted` and
    `slope` are C and calibration slope, corrected; their limits are the apparent ones, moved by the optimism (Noma et
    al. 2021). The slope has a reason instead of a number where it is unstable.
    """

    resamples: int
    inner_resamples: int
    failed: int
    concordance: FourFigures | None
    shifted: Measure
    slope_figures: FourFigures | None
    slope: Measure
    stability: Stability


@dataclass(frozen=True, slots=True)
class Validation:
    """How one model does in one cohort.

    `same_cohort` is "" for another cohort than the model's, "fit" for the one that it was fitted to, "baseline update" or
    "recalibration" for the one that its baseline hazard, or that and the slope, comes from, "no update" for one that
    asked for no change. `internal` is given for "fit" alone. `imputations` is the number of completed sets over which
    figures are pooled, 0 where nothing was imputed.
    """

    model_id: str
    model_version: str
    model_sha256: str
    evidence: str
    cohort: str
    cohort_sha256: str
    time_zero: str
    same_cohort: str
    seed: int
    screened: int
    n: int
    events: int
    deaths: int
    censored: int
    person_years: float
    follow_up: Measure
    flow: tuple[FlowStep, ...]
    harrell: Measure
    uno: tuple[AucPoint, ...]
    slope: Measure
    horizons: tuple[AtHorizon, ...]
    auc_over_time: tuple[AucPoint, ...]
    groupings: tuple[Grouping, ...]
    subgroups: tuple[Subgroup, ...]
    hazard_ratios: tuple[HazardRatio, ...]
    missing: tuple[Missing, ...]
    patterns: tuple[PatternCount, ...]
    imputations: int
    internal: Internal | None
    not_internal: str  # why there is no internal validation
    synthetic: bool = False  # the patients are not real
