"""Internal validation by a nested bootstrap: how much of what the model of this cohort shows it owes to chance.

Every step that made the model is taken anew in each resample, its own shrinkage factor and baseline included, and what
comes of it is tried in the resample and in the whole cohort. The mean difference, the optimism, is taken off what the
model shows in the whole cohort (Harrell, Regression Modeling Strategies, 5.3.5; Steyerberg, Clinical Prediction Models,
17.6).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.fitting.shrinkage import MOST_WITHOUT_FIT
from models.training.fitting.steps import Steps, take
from models.training.statistics.arrays import Counts, Floats
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import FourFigures, SurvivalData, draw_rows
from models.training.validation.performance import (
    TOO_FEW_SHOW,
    Performance,
    Scales,
    difference,
    mean_of,
    performance,
)
from models.training.validation.validation import (
    Internal,
    Measure,
    Stability,
    StabilityRow,
    UnitMeasure,
    Validation,
    measure,
    missing,
    unit_measure,
)

_WIDEST_HALF = 1.0
"""Of the optimism of the slope: what the middle half of the resamples may span. A slope of 1 is perfect and one of 0
worthless; where resamples differ by that much, their mean does not tell the two apart."""
_LARGEST_ERROR = 0.05
"""Monte Carlo's standard error of the corrected slope: with more, another seed gives another number. The slope is divided
by each resample's factor, so that a few factors near 0 can outweigh all others."""
INNER_RESAMPLES = 100
"""For the shrinkage factor of each resample's model: Monte Carlo's error of it is below 0.01."""
STABILITY_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)

Draw = Callable[[int, int], Counts]
"""The inner resamples (B, n) of the b-th resample, by its number b and its size n."""


@dataclass(frozen=True, slots=True)
class Nested:
    """What the models of the resamples show: means in their resample and in the whole cohort, and the optimism.

    `slopes` (B,) are the differences of the two slopes. `coef` (B, p) and `hazard` (B, k) are the models; `failed`
    resamples gave none.
    """

    inside: Performance
    outside: Performance
    optimism: Performance
    slopes: Floats
    coef: Floats
    hazard: Floats
    failed: int

    def risks(self, x: Floats, k: int) -> Floats:
        """The risks of patients (n, p) by each model at the k-th horizon: (B, n)."""
        return np.asarray(-np.expm1(-self.hazard[:, [k]] * np.exp(self.coef @ x.T)))


def drawn(seed: int) -> Draw:
    """Inner resamples of chance: those of one resample do not depend on how many there are."""
    return lambda b, n: draw_rows(n, INNER_RESAMPLES, (seed, b))


def nested(
    steps: Steps,
    whole: Sequence[SurvivalData],
    resamples: Sequence[SurvivalData],
    scales: Scales,
    inner: Draw,
    progress: Progress = quiet,
) -> Nested:
    """Take the steps in each resample and try what comes of them.

    `whole` is the cohort, in as many completed versions as there are; the resamples take turns with them. Raises
    TrainingError where more than a fifth of the resamples give no model.
    """
    inside, outside, models = [], [], []
    for b, again in enumerate(resamples):
        data = whole[b % len(whole)]
        progress("every step in resamples", b + 1, len(resamples))
        try:
            (base,) = take(steps, again, inner(b, len(again.time))).bases
        except (TrainingError, np.linalg.LinAlgError):
            continue
        hazard = base.cumulative(scales.years)
        inside.append(performance(again, base.coef, hazard, scales))
        outside.append(performance(data, base.coef, hazard, scales))
        models.append((base.coef, hazard))
    failed = len(resamples) - len(inside)
    if failed > MOST_WITHOUT_FIT * len(resamples):
        raise TrainingError(
            f"{failed} of {len(resamples)} resamples gave no model: no finite fit, or a shrinkage factor of 0 or less"
        )
    gains = [difference(*both) for both in zip(inside, outside, strict=True)]
    slopes = np.array([gain.slope for gain in gains])
    coef, hazards = (np.array(numbers) for numbers in zip(*models, strict=True))
    return Nested(mean_of(inside), mean_of(outside), mean_of(gains), slopes, coef, hazards, failed)


def unstable(slopes: Floats) -> str:
    """Why no corrected slope is given, by its differences (B,) in the resamples; empty where one is."""
    slopes = slopes[np.isfinite(slopes)]
    if len(slopes) < 2:  # noqa: PLR2004
        return TOO_FEW_SHOW
    low, high = np.quantile(slopes, (0.25, 0.75))
    if high - low > _WIDEST_HALF:
        return f"unstable: its optimism lies between {low:.1f} and {high:.1f} in the middle half of the resamples"
    error = float(slopes.std(ddof=1) / np.sqrt(len(slopes)))
    if error > _LARGEST_ERROR:
        return f"unstable: other resamples would give another number (Monte Carlo standard error {error:.2f})"
    return ""


def internal(bootstrap: Nested, validation: Validation, scatter: Stability) -> Internal:
    """What is reported beside the apparent figures of a `validation`."""
    concordance = _figures(validation.harrell, bootstrap, "concordance")
    slope = _figures(validation.slope, bootstrap, "slope")
    return Internal(
        resamples=len(bootstrap.coef) + bootstrap.failed,
        inner_resamples=INNER_RESAMPLES,
        failed=bootstrap.failed,
        concordance=concordance,
        shifted=_shifted(validation.harrell, concordance),
        slope_figures=slope,
        slope=missing(why) if (why := unstable(bootstrap.slopes)) else _shifted(validation.slope, slope),
        stability=scatter,
    )


def _figures(apparent: Measure, bootstrap: Nested, name: str) -> FourFigures | None:
    inside, outside = float(getattr(bootstrap.inside, name)), float(getattr(bootstrap.outside, name))
    optimism = float(getattr(bootstrap.optimism, name))
    if apparent.value is None or not isfinite(inside + outside + optimism):
        return None
    return FourFigures(apparent.value, inside, outside, apparent.value - optimism, optimism)


def _shifted(apparent: Measure, figures: FourFigures | None) -> Measure:
    """The corrected value, with the limits of the apparent one moved by the optimism."""
    if figures is None:
        return missing(apparent.reason or TOO_FEW_SHOW)
    return (unit_measure if isinstance(apparent, UnitMeasure) else measure)(figures.corrected, apparent.se)


def stability(own: Floats, risks: Floats, horizon: Horizon) -> Stability:
    """How the resamples' models (B, n) scatter round the own risk (n,); patients of one own risk make one row."""
    risks = risks[np.isfinite(risks).all(axis=1)]  # a resample may not be followed to the horizon
    distances = np.abs(risks - own).mean(axis=0)
    rows = []
    for value in np.unique(np.round(own, 12)):
        same = np.isclose(own, value, rtol=0, atol=1e-11)
        quantiles = np.quantile(risks[:, same], STABILITY_QUANTILES)
        rows.append(
            StabilityRow(
                float(own[same][0]),
                int(same.sum()),
                tuple(map(float, quantiles)),
                float(distances[same].mean()),
            )
        )
    return Stability(horizon, tuple(rows), float(distances.mean()))
