"""Competing events, for the comparison with R alone: cause-specific Cox models with the absolute risk that follows from them.

`status` is 0 for censored, else the number of the cause. The absolute risk is riskRegression's (CSC, product limit):
F(t|x) = Σ S(u-) dΛ1(u|x) over event times u, S being the product of 1 - Σ dΛ over all causes.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Floats, Statuses
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.survival import step_at


@dataclass(frozen=True, slots=True)
class CauseSpecific:
    """A baseline hazard with coefficients for each cause, and the event times of all causes (k,)."""

    causes: dict[int, Baseline]
    times: Floats
    last: float  # of follow-up

    def absolute_risk(self, x: Floats, t: Floats, cause: int = 1) -> Floats:
        """The risk (n, len(t)) of an event of this cause by t, other causes preventing it; nan after follow-up."""
        steps = {c: np.exp(x @ b.coef)[:, None] * self._hazard_steps(b) for c, b in self.causes.items()}
        everything: Floats = np.sum(list(steps.values()), axis=0)
        free = np.cumprod(np.maximum(1 - everything, 0), axis=1)
        steps = {
            c: step / np.maximum(everything, 1) for c, step in steps.items()
        }  # late steps may exceed who is left
        before = np.hstack([np.ones((len(x), 1)), free[:, :-1]])
        risk = np.hstack([np.zeros((len(x), 1)), np.cumsum(before * steps[cause], axis=1)])
        reached = risk[:, np.searchsorted(self.times, t, side="right")]
        return np.where(t > self.last, np.nan, reached)

    def _hazard_steps(self, base: Baseline) -> Floats:
        at_zero = step_at(base.times, base.hazard, self.times, 0.0) * np.exp(-base.centre @ base.coef)
        return np.diff(at_zero, prepend=0.0)


def cause_specific(
    x: Floats,
    time: Floats,
    status: Statuses,
    *,
    ties: Ties = "efron",
    without_covariates: Collection[int] = (),
) -> CauseSpecific:
    """Fit a Cox model to each cause, the others censored; causes named in `without_covariates` get a hazard alone.

    Raises TrainingError as `fit_cox` does: for few events of a cause leave its covariates out.
    """
    causes = {}
    for cause in np.unique(status[status != 0]).tolist():
        event = status == cause
        coef, covariance = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
        if cause not in without_covariates:
            fit = fit_cox(x, time, event, ties=ties)
            coef, covariance = fit.coef, fit.covariance
        causes[cause] = baseline(coef, covariance, x, time, event, ties=ties)
    return CauseSpecific(causes, np.unique(time[status != 0]), float(time.max()))
