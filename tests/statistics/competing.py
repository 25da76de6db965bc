"""Competing events, for the comparison with R alone: cause-specific Cox models with the absolute risk that follows from them, and Fine and Gray's model.

`status` is 0 for censored, else the number of the cause. The absolute risk is riskRegression's (CSC, product limit):
F(t|x) = Σ S(u-) dΛ1(u|x) over event times u, S being the product of 1 - Σ dΛ over all causes.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Members, Statuses
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import MOST_STEPS, fit_cox
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.survival import kaplan_meier, step_at

_SMALL_STEP = 1e-10
_LARGEST = 25.0


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


def fine_gray(x: Floats, time: Floats, status: Statuses, cause: int = 1) -> Floats:
    """Log subdistribution hazard ratios (p,) by weighted risk sets (Breslow's ties, as cmprsk's crr).

    Whoever had a competing event stays at risk with weight G(t-) / G(T-). G is the Kaplan-Meier estimate of the
    censoring in its plain form, in which whose event falls on a censoring time is still at risk of it.
    """
    event = status == cause
    if not event.any():
        raise TrainingError(f"there is no event of cause {cause}, so nothing can be fitted")
    centre, scale = x.mean(axis=0), x.std(axis=0)
    if (scale == 0).any():
        raise TrainingError(f"column {np.flatnonzero(scale == 0)[0] + 1} is constant: leave it out")
    z, weights = (x - centre) / scale, _subdistribution_weights(time, status, cause)
    deaths = np.array([(event & (time == u)).sum() for u in np.unique(time[event])])
    coef = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        step = _step(z, event, weights * np.exp(z @ coef)[:, None], deaths)
        coef = coef + step
        if not np.abs(coef).max() < _LARGEST:
            break
        if np.abs(step).max() < _SMALL_STEP:
            return np.asarray(coef / scale)
    raise TrainingError(
        "the Fine-Gray fit did not converge: predictors may be collinear or separate the events"
    )


def _step(z: Floats, event: Members, weights: Floats, deaths: Statuses) -> Floats:
    """One step of Newton's method; nan where the information is singular."""
    share = weights / weights.sum(axis=0)
    means = share.T @ z  # (K, p)
    gradient = z[event].sum(axis=0) - deaths @ means
    information = (z * (share @ deaths)[:, None]).T @ z - (means * deaths[:, None]).T @ means
    try:
        return np.asarray(np.linalg.solve(information, gradient))
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.nan)


def _subdistribution_weights(time: Floats, status: Statuses, cause: int) -> Floats:
    """The weight (n, K) of each person in the risk set of each event time of the cause."""
    times = np.unique(time[status == cause])
    lost = kaplan_meier(time, status == 0)

    def before(t: Floats) -> Floats:
        return np.concatenate([[1.0], lost.survival])[np.searchsorted(lost.times, t)]

    own = np.where(before(time) > 0, before(time), 1.0)
    at_risk = time[:, None] >= times
    stays = ((status != 0) & (status != cause))[:, None] & ~at_risk
    return np.where(at_risk, 1.0, np.where(stays, before(times) / own[:, None], 0.0))
