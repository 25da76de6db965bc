"""Proportional hazards: the score test and the scaled Schoenfeld residuals, as survival's cox.zph gives them ("km").

Each column gets a partner, itself times g(t), with coefficient 0; the test is the score of the partners against the
information of the model with both. g(t) is 1 - S(t-), S being the Kaplan-Meier estimate of all.
The residuals, smoothed over g(t) by a natural cubic spline, show how a log hazard ratio moves (Grambsch and Therneau 1994).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats
from models.training.statistics.cox import CoxFit
from models.training.statistics.partial_likelihood import Design, term_means
from models.training.statistics.survival import kaplan_meier

NOT_PROPORTIONAL = 0.05  # p of the global test below which hazards are called not proportional
_SPLINE_COLUMNS = 4  # of the smooth, as plot.cox.zph
_POINTS = 40  # evenly spread points that count with the residuals where knots are placed, as plot.cox.zph
_BAND = 2.0  # standard errors, as plot.cox.zph


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """Chi-square and p of each column (p,), with one degree of freedom, and of all together, with p."""

    chi_square: Floats
    p: Floats
    chi_square_global: float
    p_global: float


@dataclass(frozen=True, slots=True)
class ScaledResiduals:
    """One row an event, in order of time: its time and g(t) (d,), and beta(t) of each column there, (d, p).

    `variance` (p, p) is that of one row.
    """

    times: Floats
    g: Floats
    values: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class Smoothed:
    """A log hazard ratio over time: its value and the limits two standard errors away, each (m,)."""

    value: Floats
    low: Floats
    high: Floats


def score_test(x: Floats, time: Floats, event: Events, fit: CoxFit) -> ScoreTest:
    """Test a fit on the data (n, p) that it came from; nan where all events are at one time, or nearly so."""
    design = Design(x, time, event)
    z, p = design.z[0].T, design.p
    features = np.hstack([z, (z[:, :, None] * z[:, None]).reshape(len(z), -1)])
    means, when = term_means(design, fit.coef * design.scale[0], features, fit.ties)
    m = means[:, :p]
    variance = means[:, p:].reshape(-1, p, p) - m[:, :, None] * m[:, None]
    g = _of_time(time, event, design.times)
    g = (g - g[when].mean())[when]  # the test is the same without centring, but rounds better with it
    score = g @ (z[design.event] - m)
    # the information of the partners, of partners with columns, and of columns
    own, mixed = np.einsum("t,tij->ij", g**2, variance), np.einsum("t,tij->ij", g, variance)
    try:
        given_fit = np.linalg.solve(variance.sum(axis=0), mixed)
        with np.errstate(all="ignore"):
            each = score**2 / (own.diagonal() - np.einsum("ij,ji->i", mixed, given_fit))
        together = float(score @ np.linalg.solve(own - mixed @ given_fit, score))
    except np.linalg.LinAlgError:
        each, together = np.full(p, np.nan), np.nan
    return ScoreTest(each, chi2.sf(each, 1), together, float(chi2.sf(together, len(score))))


def _of_time(time: Floats, event: Events, at: Floats) -> Floats:
    """Give g at event times (k,): 1 - S(t-)."""
    everybody = kaplan_meier(time, event)
    return np.asarray(1 - np.concatenate([[1.0], everybody.survival])[np.searchsorted(everybody.times, at)])


def scaled_residuals(x: Floats, time: Floats, event: Events, fit: CoxFit) -> ScaledResiduals:
    """The residuals of a fit on the data (n, p) that it came from; tied events share the mean of Efron's means."""
    design = Design(x, time, event)
    means, when = term_means(design, fit.coef * design.scale[0], x[design.order], fit.ties)
    number = np.bincount(when)
    mean = np.stack([np.bincount(when, column) for column in means.T], axis=1) / number[:, None]
    rows = np.flatnonzero(event)[np.argsort(time[event], kind="stable")]
    own = x[rows] - mean[np.searchsorted(-design.times, -time[rows])]
    variance = len(rows) * fit.covariance
    return ScaledResiduals(time[rows], _of_time(time, event, time[rows]), fit.coef + own @ variance, variance)


def smoothed(residuals: ScaledResiduals, column: int, g: Floats) -> Smoothed:
    """One column's residuals smoothed, at points (m,) of g. Raises TrainingError where there are too few event times."""
    inside = np.linspace(residuals.g.min(), residuals.g.max(), _POINTS)
    knots = np.quantile(np.concatenate([inside, residuals.g]), np.linspace(0, 1, _SPLINE_COLUMNS))
    too_few = "too few different times of recurrence to smooth over"
    if not (np.diff(knots) > 0).all():
        raise TrainingError(too_few)
    basis, wanted = _natural(residuals.g, knots), _natural(g, knots)
    if np.linalg.matrix_rank(basis) < _SPLINE_COLUMNS:
        raise TrainingError(too_few)
    q, r = np.linalg.qr(basis)
    value = wanted @ np.linalg.solve(r, q.T @ residuals.values[:, column])
    leverage = (np.linalg.solve(r.T, wanted.T) ** 2).sum(axis=0)
    width = _BAND * np.sqrt(residuals.variance[column, column] * leverage)
    return Smoothed(value, value - width, value + width)


def _natural(x: Floats, knots: Floats) -> Floats:
    """Columns (m, 4) that span the natural cubic splines with these four knots, scaled to the range."""
    first, last = knots[0], knots[-1]
    z, inner = (x - first) / (last - first), (knots - first) / (last - first)

    def bent(knot: float) -> Floats:
        return np.asarray((np.maximum(z - knot, 0) ** 3 - np.maximum(z - 1, 0) ** 3) / (1 - knot))

    ends = bent(inner[-2])
    return np.column_stack([np.ones(len(z)), z, bent(inner[0]) - ends, bent(inner[1]) - ends])
