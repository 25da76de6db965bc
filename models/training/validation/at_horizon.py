"""How well risks at one horizon rank and fit: AUC, Brier, O/E, calibration curve and its indices, net benefit."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.statistics.accuracy import brier_at
from models.training.statistics.arrays import Counts, Events, Floats, Statuses, plain_numbers
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import calibration_at
from models.training.statistics.discrimination import auc_at
from models.training.statistics.smooth import cloglog, in_resamples, smoother
from models.training.validation.groups import aalen_johansen_risk, in_words, kaplan_meier_risk
from models.training.validation.performance import TOO_FEW_SHOW, Performance
from models.training.validation.validation import (
    AtHorizon,
    Bin,
    DecisionCurve,
    Measure,
    RiskGroup,
    SmoothCurve,
    estimable,
    estimated,
    measure,
    missing,
    unit_measure,
)

LEAST_SPREAD = 1e-6  # of the predicted risks, for a curve
_BINS = 20
_FIFTHS = 5
_GRID_POINTS = 41
_BAND = (0.025, 0.975)
_NOT_INTERNAL = "only for the cohort that the model was fitted to"
_AUCS = ("auc", "auc_competing")  # measures, by their names in `AtHorizon`
_BRIERS = ("brier", "brier_null", "ipa")
_INDICES = ("ici", "e50", "e90", "emax")


@dataclass(frozen=True, slots=True)
class PredictedRisks:
    """Predicted risks at one horizon and what happened to these patients, each (n,)."""

    time: Floats
    status: Statuses
    risk: Floats
    horizon: Horizon

    @property
    def years(self) -> float:
        """The horizon in years since time zero."""
        return self.horizon.years

    @property
    def event(self) -> Events:
        """Who had a recurrence."""
        return np.asarray(self.status == 1)


def grid_of(risk: Floats) -> Floats:
    """The predicted risks at which a curve is drawn: evenly from the lowest to the highest."""
    return np.linspace(risk.min(), risk.max(), _GRID_POINTS)


def at_horizon(predicted: PredictedRisks, thresholds: Floats, resamples: Counts) -> AtHorizon:
    """All measures at one horizon; `resamples` (B, n) are for the band of the curve."""
    time, status, years = predicted.time, predicted.status, predicted.years
    observed = estimable(lambda: kaplan_meier_risk(time, status, years))
    reason = observed.reason  # why these data allow no measure at this horizon; empty where they do
    if observed.value is not None and observed.value <= 0:
        reason = f"nobody had a recurrence within {in_words(years)}"
    elif observed.value is not None and observed.value >= 1:
        reason = f"nobody was left without a recurrence after {in_words(years)}"
    return AtHorizon(
        horizon=predicted.horizon,
        years=years,
        events=int((predicted.event & (time <= years)).sum()),
        expected=float(predicted.risk.mean()),
        observed=observed,
        observed_competing=estimable(lambda: aalen_johansen_risk(time, status, years)),
        observed_over_expected=ratio(observed, float(predicted.risk.mean())),
        auc_corrected=missing(_NOT_INTERNAL),
        ipa_corrected=missing(_NOT_INTERNAL),
        ici_corrected=missing(_NOT_INTERNAL),
        curve=_curve(predicted, resamples, reason),
        fifths=_fifths(predicted),
        histogram=_histogram(predicted.risk),
        decision=_decision(predicted, thresholds, observed.reason),
        **_measures(predicted, reason),
    )


def ratio(observed: Measure, expected: float) -> Measure:
    """Observed over expected; its limits are those of the observed risk over the expected."""
    if observed.value is None:
        return missing(observed.reason)
    if observed.low is None or observed.high is None:
        return measure(observed.value / expected)
    return measure(observed.value / expected, limits=(observed.low / expected, observed.high / expected))


def _measures(predicted: PredictedRisks, reason: str) -> dict[str, Measure]:
    """The measures of discrimination, accuracy and calibration, by their names in `AtHorizon`."""
    if reason:
        return dict.fromkeys((*_AUCS, *_BRIERS, *_INDICES), missing(reason))
    time, event, risk, years = predicted.time, predicted.event, predicted.risk, predicted.years
    auc_of = partial(auc_at, time, score=cloglog(risk), t=years, controls_event_free=False)
    auc = estimable(lambda: estimated(auc_of(np.where(event, 1, 0))))
    measures = {"auc": auc, "auc_competing": missing("nobody died")}
    if (predicted.status > 1).any():
        measures["auc_competing"] = estimable(lambda: estimated(auc_of(predicted.status)))
    brier = brier_at(time, event, risk, years)
    if np.isfinite(brier.value):
        measures["brier"] = unit_measure(brier.value, brier.se)
        measures |= {"brier_null": measure(brier.null), "ipa": measure(brier.ipa)}
    else:
        measures |= dict.fromkeys(_BRIERS, missing(f"nobody was observed beyond {in_words(years)}"))
    try:
        calibration = calibration_at(time, event, risk, np.exp(cloglog(risk)), years)
        measures |= {name: measure(getattr(calibration, name)) for name in _INDICES}
    except (TrainingError, np.linalg.LinAlgError) as error:
        measures |= dict.fromkeys(_INDICES, missing(_why(error)))
    return measures


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, TrainingError) else "not estimable in these data"


def _curve(predicted: PredictedRisks, resamples: Counts, reason: str) -> SmoothCurve:
    if reason or np.ptp(predicted.risk) < LEAST_SPREAD:
        return SmoothCurve(reason=reason or "all predicted risks are equal")
    grid, u = grid_of(predicted.risk), cloglog(predicted.risk)
    try:
        observed = smoother(u, predicted.time, predicted.event).at(cloglog(grid), predicted.years)
        again = in_resamples(u, predicted.time, predicted.event, resamples)
    except (TrainingError, np.linalg.LinAlgError) as error:
        return SmoothCurve(reason=_why(error))
    band = np.array([curve.at(cloglog(grid), predicted.years) for curve in again])
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(band, _BAND, axis=0)
    return SmoothCurve(plain_numbers(grid), plain_numbers(observed), plain_numbers(low), plain_numbers(high))


def _fifths(predicted: PredictedRisks) -> tuple[RiskGroup, ...]:
    """Fifths by predicted risk; patients of equal risk stay together, so there may be fewer."""
    edges = np.quantile(predicted.risk, np.arange(1, _FIFTHS) / _FIFTHS)
    member = np.searchsorted(edges, predicted.risk, side="left")
    groups = []
    for index in np.unique(member):
        rows = member == index
        observed = estimable(
            partial(kaplan_meier_risk, predicted.time[rows], predicted.status[rows], predicted.years)
        )
        groups.append(RiskGroup(int(rows.sum()), float(predicted.risk[rows].mean()), observed))
    return tuple(groups)


def _histogram(risk: Floats) -> tuple[Bin, ...]:
    counts, edges = np.histogram(risk, bins=_BINS, range=(0, 1))
    return tuple(
        Bin(round(float(low), 2), round(float(high), 2), int(n))
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _decision(predicted: PredictedRisks, thresholds: Floats, reason: str) -> DecisionCurve:
    if reason:
        return DecisionCurve((), (), (), reason=reason)
    benefit = net_benefit(predicted.time, predicted.event, predicted.risk, predicted.years, thresholds)
    lost = benefit.unfollowed & ~benefit.nobody
    model = tuple(None if there else float(value) for there, value in zip(lost, benefit.model, strict=True))
    return DecisionCurve(plain_numbers(thresholds), model, plain_numbers(benefit.treat_all))


def with_correction(apparent: AtHorizon, optimism: Performance, k: int, risk: Floats) -> AtHorizon:
    """The measures at the k-th horizon less their optimism; `risk` (n,) are the predicted risks."""
    curve = apparent.curve
    if curve.predicted and np.isfinite(optimism.curve[k]).all():
        observed = np.clip(np.array(curve.observed) - optimism.curve[k], 0, 1)
        curve = replace(curve, corrected=plain_numbers(observed))
    ici, decision = _less(apparent.ici, optimism.ici[k]), apparent.decision
    thresholds = np.array(decision.thresholds)
    # To act for all, or for nobody, is no model: it has no optimism
    equal = (risk.min() >= thresholds) | (risk.max() < thresholds)
    off = np.where(equal, 0.0, optimism.benefit[k][: len(thresholds)])
    corrected = tuple(
        None if b is None or np.isnan(less) else float(b - less)
        for b, less in zip(decision.model, off, strict=True)
    )
    return replace(
        apparent,
        auc_corrected=_less(apparent.auc, optimism.auc[k]),
        ipa_corrected=_less(apparent.ipa, optimism.ipa[k]),
        ici_corrected=ici if ici.value is None else measure(max(0.0, ici.value)),
        curve=curve,
        decision=replace(decision, corrected=corrected),
    )


def _less(apparent: Measure, optimism: float) -> Measure:
    if apparent.value is None:
        return missing(apparent.reason)
    return measure(apparent.value - optimism) if np.isfinite(optimism) else missing(TOO_FEW_SHOW)
