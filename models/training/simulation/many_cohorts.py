"""Many cohorts of one size at once: a Cox model for each, its C and its AUCs. For simulation, where no two times tie.

`cox.fit_many` fits many resamples of one cohort; here every cohort has its own patients and times. The predictors are
binary, so that C and AUC are sums over pairs of patterns instead of pairs of patients.
"""

from dataclasses import dataclass

import numpy as np

from models.training.simulation.synthetic import Patterns
from models.training.statistics.arrays import Events, Floats, cells
from models.training.statistics.cox import solve_each
from models.training.statistics.discrimination import DECIMALS

AT_ONCE = 25  # cohorts of 200 whose numbers stay in the processor's cache
_MOST_STEPS = 30
_SMALL_STEP = 1e-6  # Newton's error after a step is about its square
_LARGEST = 12.0  # a log hazard ratio beyond this is a sign of separation


@dataclass(frozen=True, slots=True)
class Ordered:
    """Cohorts (B, n) with the last time first."""

    pattern: Patterns
    time: Floats
    event: Events

    @classmethod
    def of(cls, pattern: Patterns, time: Floats, event: Events) -> "Ordered":
        """Put the rows of each cohort in order."""
        order = np.argsort(-time, axis=1)
        return cls(
            np.take_along_axis(pattern, order, axis=1),
            np.take_along_axis(time, order, axis=1),
            np.take_along_axis(event, order, axis=1),
        )

    def subset(self, rows: Patterns | slice) -> "Ordered":
        """Some of the cohorts."""
        return Ordered(self.pattern[rows], self.time[rows], self.event[rows])


@dataclass(frozen=True, slots=True)
class Fits:
    """Log hazard ratios and their variances (B, p); nan where a cohort has no finite fit."""

    coef: Floats
    variance: Floats


def fit_each(cohorts: Ordered, p: int, start: Floats) -> Fits:
    """Fit a Cox model with p binary predictors to each cohort, by Newton's steps from `start` (B, p).

    `active` are those of a piece that are not done yet.
    """
    upper = np.triu_indices(p)
    coef, variance = start.copy(), np.full_like(start, np.nan)
    for begin in range(0, len(start), AT_ONCE):
        piece = slice(begin, begin + AT_ONCE)
        event, x = cohorts.event[piece], np.moveaxis(cells(p)[cohorts.pattern[piece]], 2, 1)
        features = np.concatenate([x, x[:, upper[0]] * x[:, upper[1]]], axis=1)
        active = np.arange(len(event))
        for _ in range(_MOST_STEPS):
            rows = begin + active
            gradient, information = _derivatives(features[active], event[active], coef[rows], upper)
            step = solve_each(gradient, information)
            coef[rows] += step
            with np.errstate(invalid="ignore"):
                lost = ~(np.abs(coef[rows]) < _LARGEST).all(axis=1)
                done = ~lost & (np.abs(step) < _SMALL_STEP).all(axis=1)
            coef[rows[lost]] = np.nan
            variance[rows[done]] = np.diagonal(np.linalg.inv(information[done]), axis1=1, axis2=2)
            active = active[~lost & ~done]
            if not len(active):
                break
        coef[begin + active] = np.nan
    return Fits(coef, variance)


def _derivatives(
    features: Floats, event: Events, coef: Floats, upper: tuple[Patterns, ...]
) -> tuple[Floats, Floats]:
    """Gradient and information: the risk set of a row is the rows up to it."""
    p = coef.shape[1]
    x = features[:, :p]
    weights = np.exp(np.einsum("bp,bpn->bn", coef, x))
    means = np.cumsum(weights[:, None] * features, axis=2)
    means *= (event / np.cumsum(weights, axis=1))[:, None]
    totals = means.sum(axis=2)
    gradient = np.einsum("bpn,bn->bp", x, event.astype(np.float64)) - totals[:, :p]
    information = -(means[:, :p] @ means[:, :p].transpose(0, 2, 1))
    information[:, upper[0], upper[1]] += totals[:, p:]
    off = upper[0] != upper[1]
    information[:, upper[1][off], upper[0][off]] += totals[:, p:][:, off]
    return gradient, information


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the fitted models rank their own cohorts: apparent C (B,), AUCs (B, k); nan where nobody can be compared."""

    c: Floats
    auc: Floats


def rank_each(cohorts: Ordered, coef: Floats, years: Floats) -> Ranking:
    """Harrell's C, and the AUCs at these times by inverse probability of censoring, for coefficients (B, p)."""
    every = cells(coef.shape[1])
    c, auc = np.empty(len(coef)), np.empty((len(coef), len(years)))
    for begin in range(0, len(coef), AT_ONCE):
        rows = slice(begin, begin + AT_ONCE)
        piece = cohorts.subset(rows)
        score = np.round(coef[rows] @ every.T, DECIMALS)
        won = (np.sign(score[:, :, None] - score[:, None]) + 1) / 2
        belongs = (piece.pattern[..., None] == np.arange(len(every))).astype(np.float64)
        later = np.cumsum(belongs, axis=1) - belongs
        pairs = (belongs * piece.event[..., None]).transpose(0, 2, 1) @ later
        c[rows] = _share((pairs * won).sum(axis=(1, 2)), pairs.sum(axis=(1, 2)))
        # G(T-), the survival of the censoring, with the last time first and no ties
        factor = np.where(piece.event, 1.0, 1 - 1 / np.arange(1, piece.event.shape[1] + 1))
        survival = np.cumprod(factor[:, ::-1], axis=1)[:, ::-1]
        before = np.concatenate([survival[:, 1:], np.ones((len(survival), 1))], axis=1)
        for k, t in enumerate(years):
            # Cases weigh 1 / G(T-), controls all the same
            case = piece.event & (piece.time <= t)
            weight = np.divide(1.0, before, out=np.zeros_like(before), where=case)
            cases = (weight[:, None] @ belongs)[:, 0]
            controls = ((piece.time > t).astype(np.float64)[:, None] @ belongs)[:, 0]
            right = np.einsum("bi,bij,bj->b", cases, won, controls)
            auc[rows, k] = _share(right, cases.sum(axis=1) * controls.sum(axis=1))
    return Ranking(c, auc)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
