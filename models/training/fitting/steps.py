"""The steps by which complete data become a model: fit, shrinkage factor, baseline under the shrunken linear predictor.

`train` and each resample of the internal validation take the same steps: what a step owes to chance is only seen where
it is repeated (Harrell, Regression Modeling Strategies, 5.3.5; TRIPOD+AI 12c).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.training.fitting.shrinkage import Shrinkage, common_shrinkage
from models.training.statistics.arrays import Counts
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.resampling import Refits, SurvivalData, refit_in


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done. `ridge` is theta of theta/2 · sum(b²); `ties` are those of the baseline, Efron's in the fit."""

    shrinks: bool = True
    ridge: float = 0.0
    firth: bool = False
    ties: Ties = "efron"


@dataclass(frozen=True, slots=True)
class Stepped:
    """What came of it: one factor, where there is one, and by completed set a baseline with what is served."""

    shrinkage: Shrinkage | None
    bases: tuple[Baseline, ...]


def take(steps: Steps, data: SurvivalData, resamples: Counts) -> Stepped:
    """Take the steps; the factor comes from these `resamples` (B, n) of the data. Raises TrainingError without a model."""
    fit = fit_cox(data.x, data.time, data.event, ridge=steps.ridge, firth=steps.firth)
    refits = [refit_in(data, resamples, start=fit.coef)] if steps.shrinks else []
    return after_fit(steps, [data], [fit], refits)


def after_fit(
    steps: Steps, data: Sequence[SurvivalData], fits: Sequence[CoxFit], refits: Sequence[Refits]
) -> Stepped:
    """The steps after the fit to each completed set; `refits` of each are needed to shrink.

    Shrinkage moves the log hazard ratios and leaves their covariance: times the factor's square, with the factor taken as
    known, the plausible range was too narrow, most where the risk is highest (docs/statistics.md, convention 20).
    Raises TrainingError as `common_shrinkage` does.
    """
    shrinkage = common_shrinkage(data, refits) if steps.shrinks else None
    factor = shrinkage.factor if shrinkage else 1.0
    bases = (
        baseline(factor * fit.coef, fit.covariance, rows.x, rows.time, rows.event, ties=steps.ties)
        for rows, fit in zip(data, fits, strict=True)
    )
    return Stepped(shrinkage, tuple(bases))


def steps_of(record: Mapping[str, Any]) -> Steps:
    """The steps of a model by the record that `train` left of it."""
    return Steps(
        shrinks=record.get("shrinkage") is not None,
        ridge=float(record.get("ridge") or 0),
        firth=bool(record.get("firth")),
        ties=record.get("baseline_ties", "efron"),
    )
