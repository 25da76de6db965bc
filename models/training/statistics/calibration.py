"""Whether predicted risks are as high as what is observed: slope, and the smoothed curve with its indices.

The curve is a Cox model on a restricted cubic spline (three knots at the 10th, 50th and 90th percentile) of
log(-log(1 - risk)); its risk at the horizon is the observed risk (Austin, Harrell and van Klaveren 2020).
"""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Events, Floats, require_people
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.discrimination import PointEstimate

KNOTS = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Calibration:
    """ICI: mean absolute difference of observed and predicted; E50 and E90: quantiles of it; Emax; observed (n,)."""

    ici: float
    e50: float
    e90: float
    emax: float
    observed: Floats


def calibration_at(
    time: Floats, event: Events, risk: Floats, cumulative_hazard: Floats, t: float
) -> Calibration:
    """Compare risks (n,) at horizon t with the smoothed observed risk. Raises TrainingError where it cannot be fitted.

    The cumulative hazards (n,) by t come beside the risks: a risk that rounds to 1 does not tell its own.
    """
    require_people(len(time))
    scale = np.log(cumulative_hazard)
    spline = restricted_cubic(scale, np.quantile(scale, KNOTS))
    fit = fit_cox(spline, time, event)
    base = baseline(fit.coef, fit.covariance, spline, time, event)
    observed = 1 - base.survival(spline, np.array([t]))[:, 0]
    difference = np.abs(observed - risk)
    e50, e90 = np.quantile(difference, [0.5, 0.9])
    return Calibration(float(difference.mean()), float(e50), float(e90), float(difference.max()), observed)


def restricted_cubic(x: Floats, knots: Floats) -> Floats:
    """Columns (n, k - 1) of a restricted cubic spline of x (n,) with k >= 3 knots, scaled as in rms.

    x alone where knots coincide.
    """
    if not (np.diff(knots) > 0).all():
        return x[:, None]
    beyond, last = knots[-2:]

    def cubed(knot: float) -> Floats:
        return np.asarray(np.maximum(x - knot, 0) ** 3)

    curved = [
        cubed(knot)
        - cubed(beyond) * (last - knot) / (last - beyond)
        + cubed(last) * (beyond - knot) / (last - beyond)
        for knot in knots[:-2]
    ]
    return np.column_stack([x, *(column / (last - knots[0]) ** 2 for column in curved)])


def calibration_slope(time: Floats, event: Events, linear_predictor: Floats) -> PointEstimate:
    """The coefficient of the linear predictor in a Cox model on these data; 1 is perfect."""
    fit = fit_cox(linear_predictor[:, None], time, event)
    return PointEstimate(float(fit.coef[0]), float(np.sqrt(fit.covariance[0, 0])))
