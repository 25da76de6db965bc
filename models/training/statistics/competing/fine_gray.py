"""Fine and Gray's model of the subdistribution hazard (1999), as cmprsk's crr fits it: Breslow's ties, weighted risk sets.

Whoever had a competing event stays at risk with weight G(t-) / G(T-). G is the Kaplan-Meier estimate of the censoring in
its plain form, in which whose event falls on a censoring time is still at risk of it. All sums run over the sorted times
once, so the cost is linear in the patients. `status` is 0 for censored, 1 for the event, more for competing events.
"""

from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Statuses
from models.training.statistics.cox import MOST_STEPS
from models.training.statistics.survival import kaplan_meier, step_at

_SMALL_STEP = 1e-11
_HALVINGS = 20
_MOST = 300.0  # of a linear predictor on the way: beyond, sums overflow
_LARGEST = 25.0  # a log hazard ratio of a standardised column beyond this is a sign of separation


@dataclass(frozen=True, slots=True)
class FineGray:
    """Log subdistribution hazard ratios (p,), their covariance (p, p), and the baseline: jumps at event times (K,).

    The covariance is the sandwich that counts the estimation of G (Fine and Gray 1999). The baseline is for columns
    that are all 0.
    """

    coef: Floats
    covariance: Floats
    times: Floats
    jumps: Floats
    last: float  # of follow-up

    def cumulative_incidence(self, x: Floats, t: Floats) -> Floats:
        """F(t|x) of x (n, p) at t (k,) → (n, k); nan after the last time of follow-up."""
        hazard = np.where(t > self.last, np.nan, step_at(self.times, np.cumsum(self.jumps), t, 0.0))
        with np.errstate(over="ignore"):
            return np.asarray(-np.expm1(-np.exp(x @ self.coef)[:, None] * hazard))


def fine_gray(x: Floats, time: Floats, status: Statuses) -> FineGray:
    """Fit x (n, p). Raises TrainingError where there is nothing to fit, or no finite maximum."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    if (scale <= 1e-12 * (1 + np.abs(centre))).any():
        raise TrainingError(f"column {int(np.argmin(scale)) + 1} is constant: leave it out")
    sets = _RiskSets((x - centre) / scale, time, status)
    at = _maximum(sets)
    bread, influence = np.linalg.inv(at.information), sets.influence(at)
    covariance = bread @ (influence.T @ influence) @ bread / np.outer(scale, scale)
    coef = at.coef / scale
    return FineGray(coef, covariance, sets.times, at.hazard * np.exp(-centre @ coef), float(time.max()))


def _maximum(sets: "_RiskSets") -> "_Moments":
    """Newton's method with step halving, on standardised columns."""
    at = sets.moments(np.zeros(sets.z.shape[1]))
    for _ in range(MOST_STEPS):
        try:
            step: Floats = np.asarray(np.linalg.solve(at.information, at.gradient), dtype=np.float64)
        except np.linalg.LinAlgError:
            step = np.full_like(at.gradient, np.nan)  # which ends the search without a maximum
        if np.abs(step).max() < _SMALL_STEP:
            return at
        for _ in range(_HALVINGS):
            after = sets.moments(at.coef + step)
            if after.log_likelihood >= at.log_likelihood - 1e-9 * (1 + abs(at.log_likelihood)):
                break
            step = step / 2
        at = after
        if not np.abs(at.coef).max() < _LARGEST:
            break
    raise TrainingError(
        "the Fine-Gray fit did not converge: predictors may be collinear or separate the events"
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    """At one coefficient: each patient's weight exp(lp) (n,), the hazard's jumps (K,) and weighted means (K, p)."""

    coef: Floats
    log_likelihood: float
    weight: Floats
    hazard: Floats
    means: Floats
    gradient: Floats
    information: Floats


class _RiskSets:
    """The weighted risk sets of one cohort; rows in order of time. `place` (n,) is the first event time at or after T."""

    def __init__(self, z: Floats, time: Floats, status: Statuses) -> None:
        if not (status == 1).any():
            raise TrainingError("there is no event of the first cause, so nothing can be fitted")
        order = np.argsort(time, kind="stable")
        self.z, self.time, self.status = z[order], time[order], status[order]
        self.event, self.other = self.status == 1, self.status > 1
        self.times, self.deaths = np.unique(self.time[self.event], return_counts=True)
        lost = kaplan_meier(self.time, self.status == 0)

        def before(t: Floats) -> Floats:
            return np.concatenate([[1.0], lost.survival])[np.searchsorted(lost.times, t)]

        own = before(self.time)
        self.stays = np.where(self.other & (own > 0), 1 / np.where(own > 0, own, 1), 0.0)  # times G(t-)
        self.uncensored = before(self.times)
        self.first = np.searchsorted(self.time, self.times)  # rows from here on are at risk
        self.place = np.searchsorted(self.times, self.time)
        self.passed = np.searchsorted(self.times, self.time, side="right")

    def moments(self, coef: Floats) -> _Moments:
        """Gradient and information at a coefficient (p,)."""
        z, p = self.z, self.z.shape[1]
        weight = np.exp(np.minimum(z @ coef, _MOST))
        products = (z[:, :, None] * z[:, None]).reshape(len(z), -1)
        rows = np.column_stack([np.ones(len(z)), z, products]) * weight[:, None]
        # Sums over the weighted risk set of each event time
        nothing = np.zeros((1, rows.shape[1]))
        ahead = np.vstack([np.cumsum(rows[::-1], axis=0)[::-1], nothing])
        behind = np.vstack([nothing, np.cumsum(rows * self.stays[:, None], axis=0)])
        sums = ahead[self.first] + self.uncensored[:, None] * behind[self.first]
        means = sums[:, 1 : p + 1] / sums[:, :1]
        squares = (sums[:, p + 1 :] / sums[:, :1]).reshape(-1, p, p)
        information = np.einsum("k,kij->ij", self.deaths, squares - means[:, :, None] * means[:, None])
        gradient = z[self.event].sum(axis=0) - self.deaths @ means
        value = float((z[self.event] @ coef).sum() - self.deaths @ np.log(sums[:, 0]))
        return _Moments(coef, value, weight, self.deaths / sums[:, 0], means, gradient, information)

    def influence(self, at: _Moments) -> Floats:
        """What each patient adds to the score (n, p), by way of the estimated G too."""
        hazard = np.column_stack([at.hazard, at.hazard[:, None] * at.means])
        later = self.uncensored[:, None] * hazard
        nothing = np.zeros((1, hazard.shape[1]))
        upto = np.vstack([nothing, np.cumsum(hazard, axis=0)])[self.passed]
        after = np.vstack([np.cumsum(later[::-1], axis=0)[::-1], nothing])
        gone = upto + self.stays[:, None] * after[self.passed]
        own = -at.weight[:, None] * (self.z * gone[:, :1] - gone[:, 1:])
        own[self.event] += self.z[self.event] - at.means[self.place[self.event]]
        return np.asarray(own + self._by_way_of_censoring(at, after))

    def _by_way_of_censoring(self, at: _Moments, after: Floats) -> Floats:
        """What each patient adds by moving G: q(u) / Y(u) at the own censoring, less its compensator."""
        rows = np.column_stack([np.ones(len(self.z)), self.z]) * (at.weight * self.stays)[:, None]
        behind = np.vstack([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
        times, counts = np.unique(self.time[self.status == 0], return_counts=True)
        if not len(times):
            return np.zeros_like(self.z)
        start = np.searchsorted(self.time, times)
        ahead = after[np.searchsorted(self.times, times)]
        q = behind[start][:, 1:] * ahead[:, :1] - behind[start][:, :1] * ahead[:, 1:]
        q = q / (len(self.time) - start)[:, None]
        steps = np.vstack(
            [np.zeros((1, q.shape[1])), np.cumsum(q * (counts / (len(self.time) - start))[:, None], axis=0)]
        )
        moved = -steps[np.searchsorted(times, self.time, side="right")]
        censored = self.status == 0
        moved[censored] += q[np.searchsorted(times, self.time[censored])]
        return moved
