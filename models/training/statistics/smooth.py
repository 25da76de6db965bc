"""The smoothed calibration curve as a function: on a grid, in many resamples, and corrected for optimism.

As in `calibration`: a Cox model on a restricted cubic spline (three knots) of log(-log(1 - risk)); its risk at the
horizon is the observed risk. A shift of the linear predictor leaves the fit as it is.
"""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Counts, Events, Floats, require_people
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.calibration import KNOTS, restricted_cubic
from models.training.statistics.cox import fit_cox, fit_each, fit_many

_SAFE = 1e-12  # risks of exactly 0 or 1 have no log(-log(1 - risk))


def cloglog(risk: Floats) -> Floats:
    """log(-log(1 - risk)): the log cumulative hazard."""
    safe = np.clip(risk, _SAFE, 1 - _SAFE)
    return np.asarray(np.log(-np.log1p(-safe)))


@dataclass(frozen=True, slots=True)
class Smoother:
    """A fitted curve: `at` gives the observed risk at a horizon for log cumulative hazards u."""

    knots: Floats
    coef: Floats
    base: Baseline

    def at(self, u: Floats, years: float) -> Floats:
        """The observed risk (m,) at a horizon for u (m,); nan beyond the last follow-up."""
        lp = (restricted_cubic(u, self.knots) - self.base.centre) @ self.coef
        centred = self.base.at_centre(np.array([years]))[0]
        with np.errstate(over="ignore"):
            return np.asarray(-np.expm1(-centred * np.exp(lp)))


def smoother(u: Floats, time: Floats, event: Events) -> Smoother:
    """Fit the curve of u (n,). Raises TrainingError where these data allow none."""
    require_people(len(u))
    knots = np.quantile(u, KNOTS)
    columns = restricted_cubic(u, knots)
    coef = fit_each(columns[None], time, event)[0]
    if np.isnan(coef).any():
        coef = fit_cox(columns, time, event).coef  # which says why there is none
    nothing = np.zeros((len(coef), len(coef)))
    return Smoother(knots, coef, baseline(coef, nothing, columns, time, event))


def in_resamples(u: Floats, time: Floats, event: Events, counts: Counts) -> list[Smoother]:
    """The curve in each resample (B, n), knots as in the whole; resamples without a finite fit are left out."""
    require_people(len(u))
    knots = np.quantile(u, KNOTS)
    columns = restricted_cubic(u, knots)
    curves = []
    for coef, count in zip(fit_many(columns, time, event, counts), counts, strict=True):
        if np.isfinite(coef).all():
            rows = np.repeat(np.arange(len(u)), count)
            nothing = np.zeros((len(coef), len(coef)))
            curves.append(
                Smoother(knots, coef, baseline(coef, nothing, columns[rows], time[rows], event[rows]))
            )
    return curves
