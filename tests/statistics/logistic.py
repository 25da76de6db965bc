"""Logistic regression, for the comparison with R alone: maximum likelihood, Firth's penalty with profile limits, FLIC, and many resamples at once.

Coefficients are (1 + p,), the intercept first. Under Firth's penalty (Jeffreys' prior) they are finite even where a
predictor separates the outcome; its predictions are then recalibrated by FLIC, an intercept fitted without penalty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats
from models.training.statistics.cox import solve_each
from models.training.statistics.discrimination import Pairs

Outcome = NDArray[np.bool_]

_MOST_STEPS = 200
_SMALL_STEP = 1e-10
_HALVINGS = 25
_LONGEST_STEP = 5.0  # of any coefficient, columns having a standard deviation of 1
_CERTAIN = 30.0  # a linear predictor beyond this is a sign of separation
_INTERVALS = 5000  # of the risk, in lrm's C
_DOUBLINGS = 30  # of the standard error, in search of a profile limit


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """Coefficients (1 + p,) with covariance, 95 % profile-likelihood limits, and the (penalised) log likelihood."""

    coef: Floats
    covariance: Floats
    lower: Floats
    upper: Floats
    log_likelihood: float
    firth: bool


@dataclass(frozen=True, slots=True)
class LogisticAccuracy:
    """C, Brier score, Nagelkerke's R² and Gini's mean difference g of the linear predictor, as rms's lrm gives them.

    `c_lrm` is the C that lrm prints: it counts as equal what falls into one of 5,000 equal intervals of the risk.
    """

    c: float
    c_lrm: float
    brier: float
    r_squared: float
    g: float


class _Logistic:
    """What one fit maximises over the coefficients: the log likelihood, with half the log determinant if Firth's."""

    def __init__(self, x: Floats, y: Floats, *, firth: bool) -> None:
        self.x, self.y, self.firth = x, y, firth

    def information(self, coef: Floats) -> Floats:
        """The expected information (1 + p, 1 + p)."""
        risk = expit(self.x @ coef)
        return np.asarray((self.x * (risk * (1 - risk))[:, None]).T @ self.x)

    def value(self, coef: Floats) -> float:
        """What is to be as large as possible."""
        score = self.x @ coef
        value = float(self.y @ score - np.logaddexp(0, score).sum())
        return value + (float(np.linalg.slogdet(self.information(coef))[1]) / 2 if self.firth else 0.0)

    def step(self, coef: Floats, free: NDArray[np.bool_]) -> Floats:
        """Newton's step of the free coefficients, 0 of the others; Firth's score adds h (1/2 - risk) to the residuals."""
        risk, information = expit(self.x @ coef), self.information(coef)
        residual = self.y - risk
        if self.firth:
            leverage = (
                np.einsum("ij,ji->i", self.x, np.linalg.solve(information, self.x.T)) * risk * (1 - risk)
            )
            residual = residual + leverage * (0.5 - risk)
        step = np.zeros_like(coef)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], self.x[:, free].T @ residual)
        return step / max(1.0, float(np.abs(step).max()) / _LONGEST_STEP)

    def maximise(self, start: Floats, free: NDArray[np.bool_]) -> Floats:
        """Newton's method with step halving over the free coefficients."""
        coef, best = start, self.value(start)
        for _ in range(_MOST_STEPS):
            step = self.step(coef, free)
            for _ in range(_HALVINGS):
                value = self.value(coef + step)
                if value >= best - 1e-9 * (1 + abs(best)):
                    break
                step = step / 2
            coef, best = coef + step, value
            if not self.firth and free.all() and np.abs(self.x @ coef).max() > _CERTAIN:
                break
            if np.abs(step).max() < _SMALL_STEP:
                return coef
        raise TrainingError("a predictor separates the outcomes: there is no finite odds ratio; use firth")

    def limit(self, coef: Floats, column: int, reach: float, target: float) -> float:
        """Where the profile of one coefficient falls to the target, in the direction of `reach`; infinite if nowhere."""
        free = np.arange(len(coef)) != column
        start = coef.copy()

        def height(value: float) -> float:
            start[column] = value
            start[:] = self.maximise(start, free)
            return self.value(start) - target

        for _ in range(_DOUBLINGS):
            if height(coef[column] + reach) < 0:
                return float(brentq(height, coef[column], coef[column] + reach, xtol=1e-9))
            reach *= 2
        return float(np.copysign(np.inf, reach))


def fit_logistic(x: Floats, y: Outcome, *, firth: bool = False, level: float = 0.95) -> LogisticFit:
    """Fit x (n, p) to y (n,). Raises TrainingError on one outcome only, collinear columns, or separation (not Firth)."""
    if y.all() or not y.any():
        raise TrainingError("the outcome is the same for everybody, so nothing can be fitted")
    size = _sizes(x)
    problem = _Logistic(np.column_stack([np.ones(len(x)), x]) / size, y.astype(np.float64), firth=firth)
    coef = problem.maximise(np.zeros(len(size)), np.ones(len(size), dtype=bool))
    covariance = np.linalg.inv(problem.information(coef))
    best, errors = problem.value(coef), np.sqrt(np.diag(covariance))
    target = best - float(chi2.ppf(level, 1)) / 2
    lower = np.array([problem.limit(coef, k, -2 * se, target) for k, se in enumerate(errors)])
    upper = np.array([problem.limit(coef, k, 2 * se, target) for k, se in enumerate(errors)])
    return LogisticFit(
        coef / size, covariance / np.outer(size, size), lower / size, upper / size, best, firth
    )


def _sizes(x: Floats) -> Floats:
    """The standard deviation of each column, after a 1 for the intercept."""
    spread = x.std(axis=0)
    if (constant := np.flatnonzero(spread <= 1e-12 * (1 + np.abs(x.mean(axis=0))))).size:
        raise TrainingError(f"column {constant[0] + 1} is constant: leave it out")
    if np.linalg.cond(np.corrcoef(x.T).reshape(x.shape[1], -1)) > 1e10:
        raise TrainingError("the predictors are collinear: leave one out")
    return np.concatenate([[1.0], spread])


def flic(x: Floats, y: Outcome, fit: LogisticFit) -> Floats:
    """The coefficients with an intercept at which the mean risk is the observed share: (1 + p,)."""
    score = x @ fit.coef[1:]

    def excess(intercept: float) -> float:
        return float(expit(intercept + score).mean() - y.mean())

    reach = float(np.abs(score).max()) + 50.0
    return np.concatenate([[brentq(excess, -reach, reach, xtol=1e-13)], fit.coef[1:]])


def logistic_accuracy(score: Floats, y: Outcome) -> LogisticAccuracy:
    """Describe linear predictors (n,) of a model fitted by maximum likelihood to these data."""
    risk = expit(score)
    c, c_lrm = case_control_pairs(y).concordance(np.stack([score, np.floor(_INTERVALS * risk)]))
    r_squared = nagelkerke(score[None], y, np.ones((1, len(y))))[0]
    brier, g = ((y - risk) ** 2).mean(), mean_difference(score[None])[0]
    return LogisticAccuracy(float(c), float(c_lrm), float(brier), float(r_squared), float(g))


def case_control_pairs(y: Outcome) -> Pairs:
    """The pairs of a case and a control: as if cases had the event before everybody else is censored."""
    return Pairs(np.where(y, 0.0, 1.0), y)


def nagelkerke(scores: Floats, y: Outcome, counts: Floats) -> Floats:
    """Nagelkerke's R² of fitted linear predictors (B, n) in resamples with multiplicities (B, n): (B,)."""
    n, cases = counts.sum(axis=1), (counts * y).sum(axis=1)
    null = cases * np.log(cases / n) + (n - cases) * np.log1p(-cases / n)
    fitted = (counts * (y * scores - np.logaddexp(0, scores))).sum(axis=1)
    return np.asarray((1 - np.exp(2 * (null - fitted) / n)) / (1 - np.exp(2 * null / n)))


def mean_difference(scores: Floats, counts: NDArray[np.int64] | None = None) -> Floats:
    """Gini's mean difference of each row (B, n), of the repeated values where multiplicities (B, n) are given: (B,)."""
    order = np.argsort(scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    often = np.ones_like(scores) if counts is None else np.take_along_axis(counts, order, axis=1)
    n = often.sum(axis=1)
    behind = 2 * np.cumsum(often, axis=1) - often - n[:, None]  # twice the mean rank, less n
    return np.asarray(2 * (often * ordered * behind).sum(axis=1) / (n * (n - 1)))


def fit_logistic_many(x: Floats, y: Outcome, counts: NDArray[np.int64]) -> Floats:
    """Fit each resample: x (n, p) or one design each (B, n, p), counts (B, n) → (B, 1 + p); nan without a finite fit."""
    design = np.concatenate([np.ones((*x.shape[:-1], 1)), x], axis=-1)
    if x.ndim == 2:
        design = design[None]
    size = np.abs(design).max(axis=1, keepdims=True)
    design = design / size
    often, coef = counts.astype(np.float64), np.zeros((len(counts), design.shape[2]))
    for _ in range(_MOST_STEPS):
        scores = (design @ coef[..., None])[..., 0]
        coef[~(np.abs(scores) < _CERTAIN).all(axis=1)] = np.nan
        risk = expit(scores)
        gradient = (design.swapaxes(1, 2) @ (often * (y - risk))[..., None])[..., 0]
        weighted = design * (often * risk * (1 - risk))[..., None]
        step = solve_each(gradient, design.swapaxes(1, 2) @ weighted)
        coef += step
        moved = np.abs(step[~np.isnan(coef).any(axis=1)])
        if not (moved > _SMALL_STEP).any():
            break
    return np.asarray(coef / size[:, 0])
