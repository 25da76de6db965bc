"""Death as a competing event: how often each comes first, and how the risks do where the dead can no longer recur.

Brier score and its null model are riskRegression's (weights 1 / G(T-) for who recurred or died, 1 / G(t) for who is free
of both), the observed risk is Aalen and Johansen's, the smoothed one Fine and Gray's on a spline. The served risk, that
if nobody died, stands beside the absolute risk where the record of the fit gives one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.artefact import Model
from models.inputs import Horizon
from models.training.cohort.cohort import Cohort
from models.training.cohort.schema import DEATH, RECURRENCE
from models.training.errors import TrainingError
from models.training.statistics.accuracy import brier_at
from models.training.statistics.arrays import Floats, Members, Statuses, plain_numbers
from models.training.statistics.competing.calibration import competing_curve
from models.training.statistics.competing.fine_gray import fine_gray
from models.training.statistics.cox import fit_cox
from models.training.statistics.limits import Z, hazard_ratio
from models.training.statistics.survival import CumulativeIncidence, aalen_johansen
from models.training.validation.at_horizon import LEAST_SPREAD, grid_of, ratio
from models.training.validation.groups import aalen_johansen_risk, drawn_until, sure_until
from models.training.validation.subgroups import decided, risk_groups
from models.training.validation.validation import (
    Measure,
    estimable,
    finite_or_none,
    measure,
    missing,
    unit_measure,
)

_LEAST_SHARE = 0.03  # of the patients died: below, what death takes from a risk is small beside its limits


@dataclass(frozen=True, slots=True)
class Incidence:
    """A cumulative incidence as steps: `values` from each time on, with limits on the log-log scale where they exist."""

    times: tuple[float, ...]
    values: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class CompetingCurves:
    """A risk group's curves of recurrence and of death without one, to `last` years: while enough of it are at risk."""

    label: str
    n: int
    events: int
    deaths: int
    last: float
    recurrence: Incidence
    death: Incidence


@dataclass(frozen=True, slots=True)
class CompetingAccuracy:
    """One kind of risk at one horizon against what happened, death competing. `predicted`, `smoothed` are the curve."""

    risk: str  # "served" or "absolute"
    horizon: str
    years: float
    expected: float
    observed: Measure
    observed_over_expected: Measure
    brier: Measure
    brier_null: Measure
    ipa: Measure
    ici: Measure
    predicted: tuple[float, ...] = ()
    smoothed: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CompetingRatio:
    """A predictor's hazard ratio in these patients, of the cause-specific hazard and of Fine and Gray's."""

    name: str
    label: str
    cause_specific: Measure
    subdistribution: Measure


@dataclass(frozen=True, slots=True)
class CompetingEvents:
    """What death does to the risks. All but the counts is empty where fewer than 3 % died, which `reason` says."""

    deaths: int
    share: float
    end: float = 0.0
    curves: tuple[CompetingCurves, ...] = ()
    accuracy: tuple[CompetingAccuracy, ...] = ()
    ratios: tuple[CompetingRatio, ...] = ()
    reason: str = ""


def competing_events(
    model: Model,
    cohort: Cohort,
    patterns: Sequence[str],
    risks: Floats,
    absolute: Mapping[str, Sequence[float]],
) -> CompetingEvents:
    """Of the served risks (n, k) in a cohort; `absolute` are the risks of whole patterns with death counted, if known."""
    deaths = int((cohort.status == DEATH).sum())
    share = deaths / len(cohort)
    if share < _LEAST_SHARE:
        few = "nobody died" if not deaths else f"fewer than {_LEAST_SHARE * 100:.0f} % of the patients died"
        return CompetingEvents(deaths, share, reason=few)
    groups = risk_groups(model, decided(model, risks))
    end = drawn_until(cohort.time, model.horizons)
    curves = tuple(_curves(label, cohort, rows, end) for label, rows in groups.items() if rows.any())
    given = {"served": risks}
    if absolute and all(pattern in absolute for pattern in patterns):
        given["absolute"] = np.array([absolute[pattern] for pattern in patterns])
    accuracies = tuple(
        accuracy(name, cohort.time, cohort.status, by_horizon[:, k], horizon)
        for k, horizon in enumerate(model.horizons)
        for name, by_horizon in given.items()
    )
    return CompetingEvents(deaths, share, end, curves, accuracies, _ratios(model, cohort))


def _curves(label: str, cohort: Cohort, rows: Members, end: float) -> CompetingCurves:
    time, status = cohort.time[rows], cohort.status[rows]
    last = min(sure_until(time), end)
    return CompetingCurves(
        label,
        len(time),
        int((status == RECURRENCE).sum()),
        int((status == DEATH).sum()),
        last,
        _incidence(time, status, RECURRENCE, last),
        _incidence(time, status, DEATH, last),
    )


def _incidence(time: Floats, status: Statuses, cause: int, end: float) -> Incidence:
    curve = aalen_johansen(time, status, cause)
    steps = np.unique(time[(status == cause) & (time <= end)])
    values = curve.at(steps)
    low, high = _limits(curve, steps)
    return Incidence(plain_numbers(steps), plain_numbers(values), low, high)


def _limits(
    curve: CumulativeIncidence, at: Floats
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    value, se = curve.at(at), curve.standard_error(at)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of a risk of one: from 0 to 1
        width = Z * se / (value * np.abs(np.log(value)))
        low, high = value ** np.exp(width), value ** np.exp(-width)
    return tuple(map(finite_or_none, low)), tuple(map(finite_or_none, high))


def accuracy(name: str, time: Floats, status: Statuses, risk: Floats, horizon: Horizon) -> CompetingAccuracy:
    """Risks (n,) at one horizon against what happened."""
    years, expected = horizon.years, float(risk.mean())
    observed = estimable(lambda: aalen_johansen_risk(time, status, years))
    if not observed.value:
        none = missing(observed.reason or "nobody had a recurrence by then")
        return CompetingAccuracy(name, horizon, years, expected, observed, none, none, none, none, none)
    brier = brier_at(time, status, risk, years)
    curve, reason = _smooth(time, status, risk, years)
    return CompetingAccuracy(
        name,
        horizon,
        years,
        expected,
        observed,
        ratio(observed, expected),
        unit_measure(brier.value, brier.se),
        measure(brier.null),
        measure(brier.ipa),
        missing(reason) if reason else measure(float(np.abs(curve[2] - risk).mean())),
        plain_numbers(curve[0]),
        plain_numbers(curve[1]),
    )


def _smooth(
    time: Floats, status: Statuses, risk: Floats, years: float
) -> tuple[tuple[Floats, Floats, Floats], str]:
    """A grid of risks, the smoothed observed risk there and at each patient's; or why there is none."""
    nothing = (np.empty(0), np.empty(0), np.empty(0))
    if np.ptp(risk) < LEAST_SPREAD:
        return nothing, "all predicted risks are equal"
    grid = grid_of(risk)
    try:
        curve = competing_curve(time, status, risk)
        at_grid, own = curve.at(grid, years), curve.at(risk, years)
    except TrainingError as error:
        return nothing, str(error)
    if not np.isfinite(own).all():
        return nothing, "nobody was followed for so long"
    return (grid, at_grid, own), ""


def ratio_of(log_ratio: float, se: float) -> Measure:
    """A hazard ratio with its limits."""
    value, low, high = hazard_ratio(log_ratio, se)
    return measure(value, limits=(low, high))


def _ratios(model: Model, cohort: Cohort) -> tuple[CompetingRatio, ...]:
    """Both models on the complete rows, by maximum likelihood, unshrunk."""
    try:
        whole = cohort.complete(model.names)
        x = whole.matrix(model.names)
        cox = fit_cox(x, whole.time, whole.event)
        gray = fine_gray(x, whole.time, whole.status)
    except (TrainingError, np.linalg.LinAlgError) as error:
        return tuple(
            CompetingRatio(spec.name, spec.label, missing(str(error)), missing(str(error)))
            for spec in model.predictors
        )
    errors = [np.sqrt(fit.covariance.diagonal()) for fit in (cox, gray)]
    return tuple(
        CompetingRatio(
            spec.name,
            spec.label,
            ratio_of(float(cox.coef[k]), float(errors[0][k])),
            ratio_of(float(gray.coef[k]), float(errors[1][k])),
        )
        for k, spec in enumerate(model.predictors)
    )
