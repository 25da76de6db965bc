"""How well risks at one horizon rank and fit: AUC, Brier, O/E, calibration curve and its indices, net benefit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.training.errors import TrainingError
from models.training.statistics.accuracy import Brier, brier_at
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import Calibration, calibration_at
from models.training.statistics.cox import Floats
from models.training.statistics.discrimination import Estimate, auc_at
from models.training.statistics.smooth import cloglog, in_resamples, smoother
from models.training.statistics.survival import Events
from models.training.validation.groups import Statuses, aalen_johansen_risk, in_words, kaplan_meier_risk
from models.training.validation.internal import Optimism
from models.training.validation.validation import (
    AtHorizon,
    Bin,
    DecisionCurve,
    Measure,
    RiskGroup,
    SmoothCurve,
    estimable,
    measure,
    missing,
)

BINS = 20
FIFTHS = 5
GRID_POINTS = 41
LEAST_SPREAD = 1e-6  # of the predicted risks, for a curve
_BAND = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Sample:
    """Who is validated, and their predicted risk at one horizon, each (n,)."""

    time: Floats
    status: Statuses
    risk: Floats
    horizon: str
    years: float

    @property
    def event(self) -> Events:
        """Who had a recurrence."""
        return np.asarray(self.status == 1)


def grid_of(risk: Floats) -> Floats:
    """The predicted risks at which a curve is drawn: evenly from the lowest to the highest."""
    return np.linspace(risk.min(), risk.max(), GRID_POINTS)


def at_horizon(sample: Sample, thresholds: Floats, resamples: NDArray[np.int64]) -> AtHorizon:
    """All measures at one horizon; `resamples` (B, n) are for the band of the curve."""
    observed = estimable(lambda: kaplan_meier_risk(sample.time, sample.status, sample.years))
    reason = _too_little(sample, observed)
    indices = _indices(sample, reason)
    auc, brier = _auc(sample, reason), _brier(sample, reason)
    return AtHorizon(
        horizon=sample.horizon,
        years=sample.years,
        events=int((sample.event & (sample.time <= sample.years)).sum()),
        expected=float(sample.risk.mean()),
        observed=observed,
        observed_competing=estimable(lambda: aalen_johansen_risk(sample.time, sample.status, sample.years)),
        observed_over_expected=ratio(observed, float(sample.risk.mean())),
        auc=auc[0],
        auc_corrected=missing(NOT_INTERNAL),
        auc_competing=auc[1],
        brier=brier[0],
        brier_null=brier[1],
        ipa=brier[2],
        ipa_corrected=missing(NOT_INTERNAL),
        ici=indices[0],
        e50=indices[1],
        e90=indices[2],
        emax=indices[3],
        ici_corrected=missing(NOT_INTERNAL),
        curve=_curve(sample, resamples, reason),
        fifths=_fifths(sample),
        histogram=_histogram(sample.risk),
        decision=_decision(sample, thresholds, observed.reason),
    )


def _too_little(sample: Sample, observed: Measure) -> str:
    """Why these data allow no measure at this horizon; empty where they do."""
    if observed.value is None:
        return observed.reason
    if observed.value <= 0:
        return f"nobody had a recurrence within {in_words(sample.years)}"
    if observed.value >= 1:
        return f"nobody was left without a recurrence after {in_words(sample.years)}"
    return ""


NOT_INTERNAL = "only for the cohort that the model was fitted to"


def ratio(observed: Measure, expected: float) -> Measure:
    """Observed over expected; its limits are those of the observed risk over the expected."""
    if observed.value is None:
        return missing(observed.reason)
    if observed.low is None or observed.high is None:
        return measure(observed.value / expected)
    return measure(observed.value / expected, limits=(observed.low / expected, observed.high / expected))


def _auc(sample: Sample, reason: str) -> tuple[Measure, Measure]:
    if reason:
        return missing(reason), missing(reason)

    def of(status: Statuses) -> Measure:
        found: Estimate = auc_at(
            sample.time, status, cloglog(sample.risk), sample.years, controls_event_free=False
        )
        return measure(found.value, found.se)

    competing = (
        missing("nobody died") if not (sample.status > 1).any() else estimable(lambda: of(sample.status))
    )
    return estimable(lambda: of(np.where(sample.event, 1, 0))), competing


def _brier(sample: Sample, reason: str) -> tuple[Measure, Measure, Measure]:
    if reason:
        return missing(reason), missing(reason), missing(reason)
    found: Brier = brier_at(sample.time, sample.event, sample.risk, sample.years)
    if not np.isfinite(found.value):
        unseen = missing(f"nobody was observed beyond {in_words(sample.years)}")
        return unseen, unseen, unseen
    return measure(found.value, found.se), measure(found.null), measure(found.ipa)


def _indices(sample: Sample, reason: str) -> tuple[Measure, Measure, Measure, Measure]:
    if reason:
        none = missing(reason)
        return none, none, none, none
    try:
        hazard = np.exp(cloglog(sample.risk))
        found: Calibration = calibration_at(sample.time, sample.event, sample.risk, sample.years, hazard)
    except (TrainingError, np.linalg.LinAlgError) as error:
        none = missing(_why(error))
        return none, none, none, none
    return measure(found.ici), measure(found.e50), measure(found.e90), measure(found.emax)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, TrainingError) else "not estimable in these data"


def _curve(sample: Sample, resamples: NDArray[np.int64], reason: str) -> SmoothCurve:
    if reason or np.ptp(sample.risk) < LEAST_SPREAD:
        return SmoothCurve(reason=reason or "all predicted risks are equal")
    grid, u = grid_of(sample.risk), cloglog(sample.risk)
    try:
        observed = smoother(u, sample.time, sample.event).at(cloglog(grid), sample.years)
        again = in_resamples(u, sample.time, sample.event, resamples)
    except (TrainingError, np.linalg.LinAlgError) as error:
        return SmoothCurve(reason=_why(error))
    band = np.array([curve.at(cloglog(grid), sample.years) for curve in again])
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(band, _BAND, axis=0)
    return SmoothCurve(_numbers(grid), _numbers(observed), _numbers(low), _numbers(high))


def _fifths(sample: Sample) -> tuple[RiskGroup, ...]:
    """Fifths by predicted risk; patients of equal risk stay together, so there may be fewer."""
    edges = np.quantile(sample.risk, np.arange(1, FIFTHS) / FIFTHS)
    member = np.searchsorted(edges, sample.risk, side="left")
    groups = []
    for index in np.unique(member):
        rows = member == index
        observed = estimable(_risk_of(sample, rows))
        groups.append(RiskGroup(int(rows.sum()), float(sample.risk[rows].mean()), observed))
    return tuple(groups)


def _risk_of(sample: Sample, rows: NDArray[np.bool_]) -> Callable[[], Measure]:
    return lambda: kaplan_meier_risk(sample.time[rows], sample.status[rows], sample.years)


def _histogram(risk: Floats) -> tuple[Bin, ...]:
    counts, edges = np.histogram(risk, bins=BINS, range=(0, 1))
    return tuple(
        Bin(round(float(low), 2), round(float(high), 2), int(n))
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _decision(sample: Sample, thresholds: Floats, reason: str) -> DecisionCurve:
    if reason:
        return DecisionCurve((), (), (), reason=reason)
    found = net_benefit(sample.time, sample.event, sample.risk, sample.years, thresholds)
    nobody = found.unfollowed & np.array([bool((sample.risk >= threshold).any()) for threshold in thresholds])
    model = tuple(None if lost else float(value) for lost, value in zip(nobody, found.model, strict=True))
    return DecisionCurve(_numbers(thresholds), model, _numbers(found.treat_all))


def with_correction(found: AtHorizon, optimism: Optimism, risk: Floats) -> AtHorizon:
    """The same, with what internal validation takes off; `risk` (n,) are the predicted risks."""
    curve, decision = found.curve, found.decision
    ici = found.ici_corrected
    if curve.predicted and np.isfinite(optimism.curve).all():
        corrected = np.clip(np.array(curve.observed) - optimism.curve, 0, 1)
        ici = measure(float(np.abs(np.interp(risk, curve.predicted, corrected) - risk).mean()))
        curve = replace(curve, corrected=_numbers(corrected))
    if decision.thresholds:
        decision = replace(decision, corrected=_less_each(decision.model, optimism.benefit))
    return replace(
        found,
        auc_corrected=_less(found.auc, optimism.auc),
        ipa_corrected=_less(found.ipa, optimism.ipa),
        ici_corrected=ici,
        curve=curve,
        decision=decision,
    )


def _less_each(apparent: Sequence[float | None], optimism: Floats) -> tuple[float | None, ...]:
    pairs = zip(apparent, optimism, strict=True)
    return tuple(None if value is None or np.isnan(off) else float(value - off) for value, off in pairs)


def _less(apparent: Measure, optimism: float) -> Measure:
    return missing(apparent.reason) if apparent.value is None else measure(apparent.value - optimism)


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
