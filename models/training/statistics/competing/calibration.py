"""Calibration where death competes: the smoothed observed risk is Fine and Gray's on a restricted cubic spline.

As in `smooth` for one way to end: three knots at the 10th, 50th and 90th percentile of log(-log(1 - risk)), and the
observed risk at the horizon is the cumulative incidence that the fit gives (Austin, Putter, Lee and Steyerberg 2022).
"""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Floats, Statuses
from models.training.statistics.calibration import KNOTS, restricted_cubic
from models.training.statistics.competing.fine_gray import FineGray, fine_gray
from models.training.statistics.smooth import cloglog


@dataclass(frozen=True, slots=True)
class CompetingCurve:
    """A fitted curve, on columns less their mean; `at` gives the observed risk at a horizon for predicted risks."""

    knots: Floats
    centre: Floats
    fit: FineGray

    def at(self, risk: Floats, years: float) -> Floats:
        """The observed risk (m,) for predicted risks (m,); nan beyond the last follow-up."""
        columns = restricted_cubic(cloglog(risk), self.knots) - self.centre
        return self.fit.cumulative_incidence(columns, np.array([years]))[:, 0]


def competing_curve(time: Floats, status: Statuses, risk: Floats) -> CompetingCurve:
    """Fit the curve of predicted risks (n,). Raises TrainingError where these data allow none."""
    u = cloglog(risk)
    knots = np.quantile(u, KNOTS)
    columns = restricted_cubic(u, knots)
    centre = columns.mean(axis=0)
    return CompetingCurve(knots, centre, fine_gray(columns - centre, time, status))
