"""What R reports and this software does not: computed here for the comparison alone."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from models.training.statistics.survival import kaplan_meier, step_at


@dataclass(frozen=True)
class Survival:
    """Survival of n people at k times as survfit gives it, each (n, k); nan after the last time of follow-up."""

    survival: np.ndarray
    se_cumulative_hazard: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def survival_at(base, x, t, level: float = 0.95) -> Survival:
    """Survival of x (n, p) at t (k,), with the standard error of the cumulative hazard and log-log limits."""
    z = x - base.centre
    relative = np.exp(z @ base.coef)[:, None]
    hazard = step_at(base.times, base.hazard, t, 0.0)
    variance = step_at(base.times, base.variance, t, 0.0)
    means = np.vstack([np.zeros(x.shape[1]), base.means])[np.searchsorted(base.times, t, side="right")]
    q = hazard[None, :, None] * z[:, None, :] - means[None]
    spread = relative * np.sqrt(variance + np.einsum("nkp,pq,nkq->nk", q, base.covariance, q))
    survival = base.survival(x, t)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = norm.ppf((1 + level) / 2) * spread / -np.log(survival)
        return Survival(survival, spread, survival ** np.exp(width), survival ** np.exp(-width))


def cumulative_for(base, x, t) -> np.ndarray:
    """The cumulative hazard of each row at its own time: x (n, p), t (n,) → (n,)."""
    return step_at(base.times, base.hazard, t, 0.0) * np.exp((x - base.centre) @ base.coef)


def number_at_risk(time, t: float) -> int:
    """How many have a time of at least t."""
    return int((time >= t).sum())


def observed_over_expected(time, event, risk, t: float) -> float:
    """Kaplan-Meier risk at t over the mean predicted risk."""
    return float((1 - kaplan_meier(time, event).at(np.array([t]))[0]) / risk.mean())


def events_over_expected(event, cumulative_hazard) -> float:
    """Events over the sum of each person's cumulative hazard at the end of follow-up (Crowson 2016)."""
    return float(event.sum() / cumulative_hazard.sum())


def heuristic_shrinkage(fit) -> float:
    """Van Houwelingen and le Cessie's factor: (likelihood ratio - parameters) / likelihood ratio."""
    ratio = 2 * (fit.log_likelihood - fit.log_likelihood_null)
    return 1 - len(fit.coef) / ratio
