"""How much of a given model new patients ask to be changed: nested steps of recalibration, compared by likelihood ratio.

The steps, each with the one before it as a special case: nothing; in the large (a new baseline); intercept and slope
(a new baseline and one factor of the linear predictor); refit (a new baseline and all log hazard ratios).

A log-likelihood has two parts. That of the level is Poisson's: the recurrences up to the last horizon against those that
the model expects (Crowson, Atkinson, Therneau 2016). That of the linear predictor is Cox's partial likelihood, in which
the baseline is free (van Houwelingen 2000). Their scores are sums over the same martingales and uncorrelated, so the
likelihood ratios add up, with their degrees of freedom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal, get_args

import numpy as np
from scipy.stats import chi2

from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats
from models.training.statistics.cox import CoxFit, fit_cox, log_likelihoods
from models.training.statistics.limits import Z, poisson_limits

Step = Literal["nothing", "in the large", "intercept and slope", "refit"]
STEPS: tuple[Step, ...] = get_args(Step)
REJECTED_BELOW = 0.05  # p: Vergouwe et al. 2017
_SAME = 1e-9  # linear predictors that differ by less do not differ


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A step against the largest that can be estimated: chi-square, degrees of freedom, p-value."""

    step: Step
    chi_square: float
    degrees: int
    p: float


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What new patients say of a given model.

    `observed` and `expected` recurrences are those up to its last horizon, `log_likelihoods` of the steps that are
    allowed and can be estimated, smallest first, `degrees` how many numbers each estimates. `of_slope` is the fit of the
    calibration slope, whether that step is allowed or not; None: it has no finite estimate.
    """

    observed: int
    expected: float
    log_likelihoods: Mapping[Step, float]
    degrees: Mapping[Step, int]
    of_slope: CoxFit | None

    @property
    def ratio(self) -> float:
        """Observed over expected recurrences."""
        return self.observed / self.expected

    @property
    def ratio_limits(self) -> tuple[float, float]:
        """The 95 % limits of observed over expected: exact, of a Poisson count."""
        low, high = poisson_limits(self.observed)
        return low / self.expected, high / self.expected

    @property
    def slope(self) -> float | None:
        """The calibration slope: 1 where the spread of the given risks is right."""
        return float(self.of_slope.coef[0]) if self.of_slope else None

    @property
    def slope_limits(self) -> tuple[float, float] | None:
        """Its 95 % limits (Wald)."""
        if self.of_slope is None:
            return None
        slope, se = float(self.of_slope.coef[0]), float(np.sqrt(self.of_slope.covariance[0, 0]))
        return slope - Z * se, slope + Z * se

    @property
    def largest(self) -> Step:
        """The step against which the smaller ones are tested."""
        return list(self.log_likelihoods)[-1]

    @property
    def tests(self) -> tuple[LikelihoodRatio, ...]:
        """Each smaller step against the largest."""
        *smaller, largest = self.log_likelihoods
        tests = []
        for step in smaller:
            gained = self.log_likelihoods[largest] - self.log_likelihoods[step]
            chi_square, degrees = max(0.0, 2 * gained), self.degrees[largest] - self.degrees[step]
            tests.append(LikelihoodRatio(step, chi_square, degrees, float(chi2.sf(chi_square, degrees))))
        return tuple(tests)

    @property
    def step(self) -> Step:
        """The smallest step that is not rejected against the largest (Vergouwe et al. 2017).

        The test is closed: a step is tried only after the smaller ones were rejected, each at 5 %.
        """
        return next((test.step for test in self.tests if test.p >= REJECTED_BELOW), self.largest)


def recalibration(
    x: Floats,
    coef: Floats,
    time: Floats,
    event: Events,
    observed: int,
    expected: float,
    allowed: Sequence[Step] = STEPS,
) -> Recalibration:
    """Compare the allowed steps in x (n, p), time (n,), event (n,) of new patients, under a model's coef (p,).

    `observed` and `expected` recurrences are counted up to the model's last horizon. Ties by Efron.
    """
    lp = x @ coef
    as_given = 0.0  # where all have the same risk it is the same for every step that is left
    if np.ptp(lp) > _SAME * (1 + np.abs(lp).max()):
        everybody = np.ones((1, len(time)), dtype=np.int64)
        as_given = float(log_likelihoods(lp[:, None], time, event, np.ones((1, 1)), everybody)[0][0])
    level = observed * log(observed / expected) - observed if observed else 0.0
    maxima: dict[Step, float] = {"nothing": as_given - expected, "in the large": as_given + level}
    degrees: dict[Step, int] = {"nothing": 0, "in the large": 1}
    slope, whole = _fit(lp[:, None], time, event), _fit(x, time, event)
    if slope:
        maxima["intercept and slope"], degrees["intercept and slope"] = slope.log_likelihood + level, 2
    if slope and whole:
        maxima["refit"], degrees["refit"] = whole.log_likelihood + level, 1 + len(coef)
    can_be = {step: value for step, value in maxima.items() if step in allowed}
    return Recalibration(observed, expected, can_be, degrees, slope)


def _fit(x: Floats, time: Floats, event: Events) -> CoxFit | None:
    try:
        return fit_cox(x, time, event)
    except TrainingError:
        return None
