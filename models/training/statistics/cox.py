"""Cox's proportional hazards model: Newton's method on the partial likelihood, alone or for many resamples at once.

Ties by Efron (Breslow on request); at equal times events precede censorings. The linear predictor is x @ coef,
uncentred.
"""

from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Counts, Events, Floats, require_people
from models.training.statistics.partial_likelihood import (
    Design,
    Terms,
    Ties,
    derivatives,
    log_likelihood,
    terms_of,
    third_moments,
)

MOST_STEPS = 60
_SMALL_STEP = 1e-10  # of the largest coefficient change, on the scale of standardised columns
_LAST_STEP = 1e-7  # Newton's error after a step is about its square
_NUMBERS_AT_ONCE = 40_000  # resamples × rows × (columns + 1): more leave the processor's cache
_HALVINGS = 12
_LEAST_INFORMATION = 1e-6  # of a standardised column: with less the likelihood has gone flat, far from 0
_LARGEST = 25.0  # a log hazard ratio of a standardised column beyond this is a sign of separation


@dataclass(frozen=True, slots=True)
class CoxFit:
    """A fitted model: log hazard ratios (p,), their covariance (p, p), the unpenalised log partial likelihood."""

    coef: Floats
    covariance: Floats
    log_likelihood: float
    log_likelihood_null: float
    ties: Ties


def fit_cox(
    x: Floats,
    time: Floats,
    event: Events,
    *,
    ties: Ties = "efron",
    ridge: float = 0.0,
    firth: bool = False,
) -> CoxFit:
    """Fit one model to x (n, p), time (n,), event (n,).

    `ridge` is theta of the penalty theta/2 · sum(coef²) on the raw scale; `firth` adds Jeffreys' penalty, which keeps
    coefficients finite under separation. Raises TrainingError where there is nothing to fit, or no finite maximum.
    """
    design = Design(x, time, event)
    scale = design.scale[0]
    objective = _Objective(design, np.ones((1, len(time))), ties, ridge / scale**2, firth=firth)
    coef, information = _maximise(objective)
    covariance = _inverse(information + np.diag(objective.penalty)) / np.outer(scale, scale)
    best, null = objective.log_likelihood(coef), objective.log_likelihood(np.zeros_like(coef))
    return CoxFit(coef / scale, covariance, best, null, ties)


def fit_many(x: Floats, time: Floats, event: Events, counts: Counts, start: Floats | None = None) -> Floats:
    """Fit a model to each resample: counts (B, n) → coefficients (B, p), nan where a resample has no finite fit.

    `start` (p,) are coefficients of the whole data, where they are known; else they are fitted first.
    """
    design = Design(x, time, event)
    if start is None:
        objective = _Objective(design, np.ones((1, len(time))), "efron", np.zeros(design.p), firth=False)
        start = _maximise(objective)[0] / design.scale[0]
    coef: Floats = np.empty((len(counts), design.p))
    for rows in chunks(len(counts), x.size + len(x)):
        often = counts[rows][:, design.order].astype(np.float64)
        coef[rows] = _newton_many(design, often, np.tile(start * design.scale[0], (len(often), 1)))
    coef /= design.scale[0]
    for row in np.flatnonzero(np.isnan(coef).any(axis=1)):
        again = np.repeat(np.arange(len(x)), counts[row])
        coef[row] = _with_care(x[again], time[again], event[again])
    return coef


def fit_slopes(scores: Floats, time: Floats, event: Events) -> Floats:
    """The calibration slope of each row of scores (B, n): a Cox model with it as the one column; nan without a fit."""
    return fit_each(scores[..., None], time, event)[:, 0]


def fit_each(columns: Floats, time: Floats, event: Events) -> Floats:
    """Fit a model to each row's own columns (B, n, p) → coefficients (B, p), nan where there is no finite fit.

    The search begins where the first column has the coefficient 1 and the others have none.
    """
    require_people(len(time))
    coef: Floats = np.empty(columns.shape[::2])
    for rows in chunks(len(columns), (columns.shape[2] + 1) * len(time)):
        design = Design(columns[rows], time, event)
        start = np.zeros(design.scale.shape)
        start[:, 0] = design.scale[:, 0]
        fitted = _newton_many(design, np.ones(design.z.shape[::2]), start) / design.scale
        for row in np.flatnonzero(np.isnan(fitted).any(axis=1)):
            fitted[row] = _with_care(columns[rows][row], time, event)
        coef[rows] = fitted
    return coef


def log_likelihoods(
    x: Floats,
    time: Floats,
    event: Events,
    coef: Floats,
    counts: Counts,
) -> tuple[Floats, Floats]:
    """The log partial likelihood of each resample at its coefficients (B, p), and at none: (B,), (B,)."""
    design = Design(x, time, event)
    fitted, null = np.empty(len(counts)), np.empty(len(counts))
    for rows in chunks(len(counts), 2 * len(x)):
        often = counts[rows][:, design.order].astype(np.float64)
        terms = terms_of(design, often, "efron")
        fitted[rows] = log_likelihood(design, coef[rows] * design.scale, often, terms)
        null[rows] = log_likelihood(design, np.zeros_like(coef[rows]), often, terms)
    return fitted, null


def score_and_information(x: Floats, time: Floats, event: Events, coef: Floats) -> tuple[Floats, Floats]:
    """Gradient (p,) and information (p, p) of the log partial likelihood of x (n, p) at coef (p,); ties by Efron.

    A column that does not vary has 0 in both.
    """
    varies = np.ptp(x, axis=0) > 0
    design = Design(x[:, varies], time, event)
    often, scale = np.ones((1, len(time))), design.scale[0]
    terms = terms_of(design, often, "efron")
    (slope,), (curvature,) = derivatives(design, (coef[varies] * scale)[None], often, terms)
    gradient, information = np.zeros(len(coef)), np.zeros((len(coef), len(coef)))
    gradient[varies] = slope * scale
    information[np.ix_(varies, varies)] = curvature * np.outer(scale, scale)
    return gradient, information


def chunks(resamples: int, numbers: int) -> list[slice]:
    """How to cut resamples of so many numbers each, so that the numbers of one piece stay in the processor's cache."""
    size = max(1, _NUMBERS_AT_ONCE // numbers)
    return [slice(begin, begin + size) for begin in range(0, resamples, size)]


def _newton_many(design: Design, counts: Floats, start: Floats) -> Floats:
    """Newton's steps for several resamples, until the slowest is done; nan where one has no finite maximum."""
    coef: Floats = start.copy()
    terms = terms_of(design, counts, "efron")
    for _ in range(MOST_STEPS):
        gradient, information = derivatives(design, coef, counts, terms)
        step = solve_each(gradient, information)
        coef += step
        known = np.diagonal(information, axis1=1, axis2=2) >= _LEAST_INFORMATION
        coef[~(known & (np.abs(coef) <= _LARGEST)).all(axis=1)] = np.nan
        moved = np.abs(step[~np.isnan(coef).any(axis=1)])
        if not (moved > _LAST_STEP).any():
            return coef
    coef[(np.abs(step) > _LAST_STEP).any(axis=1)] = np.nan
    return coef


def solve_each(gradient: Floats, information: Floats) -> Floats:
    """Newton's step of each resample, (B, p) and (B, p, p) → (B, p); nan where the information is singular."""
    with np.errstate(all="ignore"):
        try:
            return np.asarray(np.linalg.solve(information, gradient[..., None])[..., 0], dtype=np.float64)
        except np.linalg.LinAlgError:
            if len(gradient) == 1:
                return np.full_like(gradient, np.nan)
            rows = range(len(gradient))
            return np.vstack([solve_each(gradient[[row]], information[[row]]) for row in rows])


def _with_care(x: Floats, time: Floats, event: Events) -> Floats:
    """Fit one resample from the start, with step halving; nan where that finds no maximum either."""
    try:
        return fit_cox(x, time, event).coef
    except TrainingError:
        return np.full(x.shape[1], np.nan)


class _Objective:
    """What one fit maximises: the log partial likelihood, less a ridge penalty, or with Jeffreys' penalty."""

    def __init__(self, design: Design, counts: Floats, ties: Ties, penalty: Floats, *, firth: bool) -> None:
        self.design, self.counts, self.ties, self.penalty, self.firth = design, counts, ties, penalty, firth
        self.terms: Terms = terms_of(design, counts, ties)

    def log_likelihood(self, coef: Floats) -> float:
        """The log partial likelihood without any penalty."""
        return float(log_likelihood(self.design, coef[None], self.counts, self.terms)[0])

    def information(self, coef: Floats) -> tuple[Floats, Floats]:
        """Gradient (p,) and information (p, p) without any penalty."""
        gradient, information = derivatives(self.design, coef[None], self.counts, self.terms)
        return gradient[0], information[0]

    def value(self, coef: Floats) -> float:
        """What is to be as large as possible."""
        value = self.log_likelihood(coef) - float(self.penalty @ coef**2) / 2
        return value + (float(np.linalg.slogdet(self.information(coef)[1])[1]) / 2 if self.firth else 0.0)

    def step(self, coef: Floats, gradient: Floats, information: Floats) -> Floats:
        """Newton's step; Jeffreys' penalty adds half the trace of the inverse information times its slope."""
        inverse = _inverse(information + np.diag(self.penalty))
        if self.firth:
            slopes = third_moments(self.design, coef, self.ties)
            gradient = gradient + np.einsum("ab,abc->c", inverse, slopes) / 2
        return np.asarray(inverse @ (gradient - self.penalty * coef))


def _maximise(objective: _Objective) -> tuple[Floats, Floats]:
    """Newton's method with step halving; returns coefficients and information on the standardised scale."""
    coef = np.zeros(objective.design.p)
    best = objective.value(coef)
    gradient, information = objective.information(coef)
    for _ in range(MOST_STEPS):
        step = objective.step(coef, gradient, information)
        for _ in range(_HALVINGS):
            value = objective.value(coef + step)
            if value >= best - 1e-9 * (1 + abs(best)):
                break
            step = step / 2
        coef, best = coef + step, value
        gradient, information = objective.information(coef)
        flat = (information.diagonal() + objective.penalty < _LEAST_INFORMATION).any()
        if flat or np.abs(coef).max() > _LARGEST:
            raise TrainingError(
                "a predictor separates the events: there is no finite hazard ratio; use firth (--firth)"
            )
        if np.abs(step).max() < _SMALL_STEP:
            return coef, information
    raise TrainingError("the fit did not converge: predictors may be collinear or separate the events")


def _inverse(information: Floats) -> Floats:
    size = np.sqrt(np.maximum(np.diag(information), 0))
    if not (size > 0).all() or np.linalg.cond(information / np.outer(size, size)) > 1e10:  # noqa: PLR2004
        raise TrainingError("the predictors are collinear, or one does not vary where events happen")
    return np.asarray(np.linalg.inv(information), dtype=np.float64)
