"""The baseline hazard of a Cox model as a step function, and the survival that follows from it.

H(t) = Σ 1/den, a(t) = Σ 1/den², m(t) = Σ mean/den over the terms of the ties' sum up to t, for covariates centred at
`centre`. With z = x - centre, Var Λ(t|x) = exp(2 lp) (a + q'Vq), q = H z - m.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.statistics.arrays import Events, Floats, require_people
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.survival import step_at


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline hazard at `times` (k,): cumulative hazard (k,), variance term (k,), mean terms (k, p), at `centre`."""

    times: Floats
    hazard: Floats
    variance: Floats
    means: Floats
    centre: Floats
    coef: Floats
    covariance: Floats
    last: float  # of follow-up

    def at_centre(self, t: Floats) -> Floats:
        """H(t) with all covariates at `centre`; nan after the last time of follow-up."""
        return np.where(t > self.last, np.nan, step_at(self.times, self.hazard, t, 0.0))

    def cumulative(self, t: Floats) -> Floats:
        """H0(t) with all covariates 0; nan after the last time of follow-up."""
        return np.asarray(self.at_centre(t) * np.exp(-self.centre @ self.coef))

    def survival(self, x: Floats, t: Floats) -> Floats:
        """S(t|x) of x (n, p) at t (k,) → (n, k); nan after the last time of follow-up."""
        relative = np.exp((x - self.centre) @ self.coef)[:, None]
        return np.asarray(np.exp(-relative * self.at_centre(t)))


def baseline(
    coef: Floats,
    covariance: Floats,
    x: Floats,
    time: Floats,
    event: Events,
    *,
    ties: Ties = "efron",
) -> Baseline:
    """Estimate the baseline hazard under given coefficients (for an offset: one column with coefficient 1).

    Raises TrainingError where there is nobody.
    """
    require_people(len(time))
    centre = x.mean(axis=0)
    z = x - centre
    weight = np.exp(z @ coef)
    order = np.argsort(time, kind="stable")
    features = np.column_stack([weight, weight[:, None] * z])[order]
    at_risk = np.cumsum(features[::-1], axis=0)[::-1]
    times, deaths = np.unique(time[event], return_counts=True)
    risk = at_risk[np.searchsorted(time[order], times)]
    tied = np.zeros_like(risk)
    np.add.at(
        tied,
        np.searchsorted(times, time[event]),
        np.column_stack([weight, weight[:, None] * z])[event],
    )
    hazard, variance, means = _increments(risk, tied, deaths, ties)
    return Baseline(
        times,
        np.cumsum(hazard),
        np.cumsum(variance),
        np.cumsum(means, axis=0),
        centre,
        coef,
        covariance,
        float(time.max()),
    )


def _increments(
    risk: Floats, tied: Floats, deaths: NDArray[np.int64], ties: Ties
) -> tuple[Floats, Floats, Floats]:
    """What each event time adds to H, a and m."""
    if ties == "breslow":
        total = risk[:, 0]
        return deaths / total, deaths / total**2, deaths[:, None] * risk[:, 1:] / total[:, None] ** 2
    hazard, variance, means = np.zeros(len(risk)), np.zeros(len(risk)), np.zeros_like(risk[:, 1:])
    for used in range(int(deaths.max(initial=0))):
        rows = np.flatnonzero(deaths > used)
        left = risk[rows] - (used / deaths[rows])[:, None] * tied[rows]
        hazard[rows] += 1 / left[:, 0]
        variance[rows] += 1 / left[:, 0] ** 2
        means[rows] += left[:, 1:] / left[:, :1] ** 2
    return hazard, variance, means
