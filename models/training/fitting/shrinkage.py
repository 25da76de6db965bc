"""Uniform shrinkage by bootstrap: a model fitted to a resample is too steep in the whole cohort, by as much as ours is.

The factor is the mean, over resamples, of the calibration slope of the resample's model in the whole cohort (van
Houwelingen and le Cessie 1990; Harrell, Regression Modeling Strategies, 5.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.resampling import Refits, SurvivalData, slopes_on_original

MOST_WITHOUT_FIT = 0.2  # of the resamples: beyond, the slopes are those of a selection
WEAK = 0.9  # below it there is notable overfitting: Riley's first criterion of sample size


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """The factor by which log hazard ratios are multiplied, the mean slope that it comes from, and its spread.

    The factor is the mean slope, but at most 1. `standard_error` is Monte Carlo's; `without_fit` resamples had none.
    """

    factor: float
    mean_slope: float
    standard_error: float
    resamples: int
    without_fit: int


def common_shrinkage(data: Sequence[SurvivalData], refits: Sequence[Refits]) -> Shrinkage:
    """One factor for all completed sets, by their mean slope: own factors would count as differences between sets.

    Raises TrainingError where too many resamples have no slope, or they do not predict.
    """
    resamples = sum(len(fitted.coef) + fitted.failed for fitted in refits)
    slopes = np.concatenate([slopes_on_original(*pair) for pair in zip(data, refits, strict=True)])
    slopes = slopes[np.isfinite(slopes)]
    lacking = resamples - len(slopes)
    if lacking > MOST_WITHOUT_FIT * resamples:
        raise TrainingError(
            f"{lacking} of {resamples} resamples have no finite fit; use ridge or firth (--ridge, --firth)"
        )
    mean = float(slopes.mean())
    if mean <= 0:
        raise TrainingError(
            f"the mean calibration slope in resamples is {mean:.2f}: these predictors do not predict recurrence here"
        )
    spread = float(slopes.std(ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else 0.0
    return Shrinkage(min(1.0, mean), mean, spread, resamples, lacking)
