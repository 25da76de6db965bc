"""Effects that change with time: each log hazard ratio smoothed over time, and hazard ratios year by year.

The smooth is of scaled Schoenfeld residuals of a model refitted in these patients, without shrinkage. Hazard ratios by
period come from a model of each period alone: who is still followed at its begin, until its end.
"""

from dataclasses import dataclass

import numpy as np

from models.artefact import Model
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats, plain_numbers
from models.training.statistics.cox import fit_cox
from models.training.statistics.proportionality import (
    NOT_PROPORTIONAL,
    scaled_residuals,
    score_test,
    smoothed,
)
from models.training.validation.subgroups import FEWEST_EVENTS
from models.training.validation.supplement.competing import ratio_of
from models.training.validation.validation import Measure, missing

_PERIODS = ((0.0, 1.0), (1.0, 2.0), (2.0, np.inf))  # years


@dataclass(frozen=True, slots=True)
class Effect:
    """One predictor's log hazard ratio over time, two standard errors about it; `p` is of its score test."""

    name: str
    label: str
    log_hazard_ratio: float
    p: float
    times: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PeriodRatios:
    """Hazard ratios (p) of one period, from `begin` to `end` years, None: to the end of follow-up."""

    begin: float
    end: float | None
    n: int
    events: int
    hazard_ratios: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class TimeVarying:
    """The test of all predictors together, their effects over time, and by period where the test is small.

    `reason` says why there is nothing.
    """

    p: float | None = None
    n: int = 0
    events: int = 0
    effects: tuple[Effect, ...] = ()
    periods: tuple[PeriodRatios, ...] = ()
    reason: str = ""


def time_varying(model: Model, cohort: Cohort) -> TimeVarying:
    """How the effects of a model's predictors change with time in the complete rows of a cohort."""
    try:
        whole = cohort.complete(model.names)
        x = whole.matrix(model.names)
        fit = fit_cox(x, whole.time, whole.event)
        test = score_test(x, whole.time, whole.event, fit)
        residuals = scaled_residuals(x, whole.time, whole.event, fit)
        times, first = np.unique(residuals.times, return_index=True)
        effects = []
        for k, spec in enumerate(model.predictors):
            curve = smoothed(residuals, k, residuals.g[first])
            band = map(plain_numbers, (times, curve.value, curve.low, curve.high))
            effects.append(Effect(spec.name, spec.label, float(fit.coef[k]), float(test.p[k]), *band))
    except (TrainingError, np.linalg.LinAlgError) as error:
        return TimeVarying(reason=str(error))
    periods = by_period(x, whole.time, whole.event) if test.p_global < NOT_PROPORTIONAL else ()
    return TimeVarying(test.p_global, len(whole), int(whole.event.sum()), tuple(effects), periods)


def by_period(x: Floats, time: Floats, event: Events) -> tuple[PeriodRatios, ...]:
    """Hazard ratios of x (n, p) in each period; the reason where one has too few recurrences."""
    periods = []
    for begin, end in _PERIODS:
        there = time > begin
        until, happened = np.minimum(time, end)[there], (event & (time <= end))[there]
        events = int(happened.sum())
        ratios: tuple[Measure, ...]
        if events < FEWEST_EVENTS:
            ratios = (missing(f"fewer than {FEWEST_EVENTS} recurrences"),) * x.shape[1]
        else:
            try:
                fit = fit_cox(x[there], until, happened)
                errors = np.sqrt(fit.covariance.diagonal())
                ratios = tuple(ratio_of(float(b), float(se)) for b, se in zip(fit.coef, errors, strict=True))
            except (TrainingError, np.linalg.LinAlgError) as error:
                ratios = (missing(str(error)),) * x.shape[1]
        last = end if np.isfinite(end) else None
        periods.append(PeriodRatios(begin, last, int(there.sum()), events, ratios))
    return tuple(periods)
