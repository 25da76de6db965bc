"""`imnm-cds train --update`: the baseline hazard of a given model estimated anew in one cohort.

Complete cases only. The log hazard ratios stay the given ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.artefact import Model
from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.errors import TrainingError
from models.training.fitting.adequacy import (
    LEAST_PER_PARAMETER,
    require_horizons,
    require_recurrences,
    warnings_on_size,
)
from models.training.fitting.death import CompetingDeath, competing_death
from models.training.fitting.served import HORIZONS, YEARS
from models.training.fitting.train import Options
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.resampling import SurvivalData


@dataclass(frozen=True, slots=True)
class Updated:
    """A given model whose baseline hazard was estimated anew; its log hazard ratios and their covariance stay.

    `ratio` is observed over expected recurrences under the given model, to the last horizon.
    """

    cohort: Cohort
    missing: Mapping[str, int]
    options: Options
    parent: Model
    base: Baseline
    ratio: float
    death: CompetingDeath | None = None
    warnings: tuple[str, ...] = ()


def update(cohort: Cohort, parent: Model, options: Options) -> Updated:
    """Estimate a model's baseline hazard anew under its own linear predictor. Raises TrainingError as `train` does.

    The covariance of the log hazard ratios stays the given one: it is independent of this cohort.
    """
    if set(parent.names) != set(PREDICTORS):
        raise TrainingError(f"{parent.id} has other predictors: {', '.join(parent.names)}")
    if set(parent.horizons) != set(HORIZONS):
        raise TrainingError(f"{parent.id} has other horizons: {', '.join(parent.horizons)}")
    complete = cohort.complete(parent.names)
    require_recurrences(complete, parameters=1)
    require_horizons(complete)
    data = SurvivalData(complete.matrix(parent.names), complete.time, complete.event)
    p = len(parent.names)
    covariance = np.array(parent.covariance)[:p, :p]
    coef = np.array(parent.log_hazard_ratios)
    base = baseline(coef, covariance, data.x, data.time, data.event, ties=options.baseline)
    return Updated(
        complete,
        {name: int(np.isnan(cohort.column(name)).sum()) for name in PREDICTORS},
        options,
        parent,
        base,
        _observed_over_expected(data, parent),
        competing_death(complete, parent.names, base, YEARS, fewest_deaths=LEAST_PER_PARAMETER * p),
        tuple(warnings_on_size(complete, parameters=1)),
    )


def _observed_over_expected(data: SurvivalData, parent: Model) -> float:
    """Recurrences over what the given model expects, its hazard taken as linear between the horizons."""
    years = np.array([0.0, *(horizon.years for horizon in parent.horizons)])
    hazard = np.interp(data.time, years, [0.0, *parent.baseline_hazard.values()])
    expected = hazard * np.exp(data.x @ np.array(parent.log_hazard_ratios))
    return float((data.event & (data.time <= years[-1])).sum() / expected.sum())
