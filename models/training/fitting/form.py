"""The form of a measured value: how much a smooth curve of it would tell beyond the dichotomy that is served.

Beside the other predictors, the value enters as dichotomy, as a straight line of its logarithm, and as a restricted cubic
spline of that, with knots at Harrell's quantiles (Regression Modeling Strategies, 2.4.6). For information: a predictor
that is unknown is averaged over what it may be (rule S3), and that needs few states, so dichotomies are served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import msgspec
import numpy as np
from scipy.stats import chi2

from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.errors import TrainingError
from models.training.fitting.adequacy import require_recurrences
from models.training.fitting.missing import CODED_FROM
from models.training.plain_json import LogRatio
from models.training.statistics.arrays import Floats, plain_numbers
from models.training.statistics.calibration import restricted_cubic
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.limits import Z

_LOGARITHMS: Mapping[str, tuple[str, Callable[[Floats], Floats]]] = {
    "ana_titre": ("log2", np.log2),  # dilutions double
    "de_ritis_ratio": ("log", np.log),
}
_QUANTILES = {4: (0.05, 0.35, 0.65, 0.95), 3: (0.1, 0.5, 0.9)}
ENOUGH_FOR_FOUR = 100  # patients
_GRID = 61
_SHOWN = (0.05, 0.95)  # quantiles between which a curve is shown: beyond them few patients speak


@dataclass(frozen=True, slots=True)
class FormFit:
    """One form: what it adds to the other predictors, as likelihood ratio chi-square on `df`, and the whole model's AIC."""

    form: str
    chi_square: float
    df: int
    p: float
    aic: float


@dataclass(frozen=True, slots=True)
class Form:
    """The forms of one measured value, and its curve; or `reason`: why there are none.

    `value` is the column, `scale` its logarithm. `not_linear` is p of the spline against the straight line. The curve
    gives log hazard ratios with 95 % limits at `at` (in the unit of the value), against the `reference`, its median.
    `levels` are those of the dichotomy below and above its `cut`, with the curve's mean over the patients.
    """

    predictor: str
    value: str
    scale: str
    n: int
    events: int
    fits: tuple[FormFit, ...] = ()
    not_linear: float | None = None
    knots: tuple[float, ...] = ()
    reference: float | None = None
    at: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] = ()
    curve: tuple[LogRatio, ...] = ()
    low: tuple[LogRatio, ...] = ()
    high: tuple[LogRatio, ...] = ()
    cut: float | None = None
    levels: tuple[LogRatio, ...] = ()
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether there is a curve with its band, from left to right, and a dichotomy beside it."""
        lengths = {len(part) for part in (self.at, self.curve, self.low, self.high)}
        rises = all(a < b for a, b in pairwise(self.at))
        return len(lengths) == 1 and len(self.at) > 1 and rises and len(self.levels) == 2  # noqa: PLR2004


def forms(cohort: Cohort) -> tuple[Form, ...]:
    """The form of each measured value that is in the cohort, among patients of whom it and all predictors are known."""
    found = []
    for predictor, value in CODED_FROM.items():
        if value not in cohort.raw:
            continue
        scale, logarithm = _LOGARITHMS[value]
        raw = cohort.column(value)
        known = (raw > 0) & ~np.isnan(cohort.matrix(PREDICTORS)).any(axis=1)
        among = cohort.where(known)
        head = (predictor, value, scale, len(among), int(among.event.sum()))
        try:
            found.append(_fitted(among, head, logarithm(raw[known])))
        except TrainingError as error:
            found.append(Form(*head, reason=str(error)))
    return tuple(found)


def _fitted(among: Cohort, head: tuple[str, str, str, int, int], u: Floats) -> Form:
    """Fit every form. Raises TrainingError where one cannot be."""
    predictor = head[0]
    others = among.matrix([name for name in PREDICTORS if name != predictor])
    require_recurrences(among, others.shape[1] + max(_QUANTILES) - 1)
    knots = knots_of(u)
    columns = {
        "dichotomy": among.column(predictor)[:, None],
        f"straight line of the {head[2]}": u[:, None],
        f"restricted cubic spline, {len(knots)} knots": restricted_cubic(u, knots),
    }
    fit_of = {
        form: fit_cox(np.column_stack([x, others]), among.time, among.event) for form, x in columns.items()
    }
    without = fit_cox(others, among.time, among.event).log_likelihood
    fits = tuple(_fit_of(form, fit_of[form], without, x.shape[1]) for form, x in columns.items())
    line, spline = fits[1:]
    dichotomy, _, smooth = fit_of.values()
    logs, curve, error = _curve(u, knots, smooth)
    present, step = among.column(predictor) > 0, float(dichotomy.coef[0])
    middle = float((_from_median(u, u, knots) @ smooth.coef[: spline.df]).mean())
    absent = middle - step * float(present.mean())
    back = np.exp2 if head[2] == "log2" else np.exp
    return Form(
        *head,
        fits=fits,
        not_linear=float(chi2.sf(spline.chi_square - line.chi_square, spline.df - line.df)),
        knots=plain_numbers(back(knots)),
        reference=float(back(np.median(u))),
        at=plain_numbers(back(logs)),
        curve=plain_numbers(curve),
        low=plain_numbers(curve - Z * error),
        high=plain_numbers(curve + Z * error),
        cut=float(back((u[~present].max() + u[present].min()) / 2)),
        levels=(absent, absent + step),
    )


def knots_of(u: Floats) -> Floats:
    """Knots at Harrell's quantiles: four, or three of few patients or few distinct values. Raises TrainingError."""
    for number in (4, 3) if len(u) >= ENOUGH_FOR_FOUR else (3,):
        knots = np.quantile(u, _QUANTILES[number])
        if (np.diff(knots) > 0).all():
            return knots
    raise TrainingError("the values lie too close together for a curve")


def _fit_of(form: str, fit: CoxFit, without: float, df: int) -> FormFit:
    gain = 2 * (fit.log_likelihood - without)
    return FormFit(form, gain, df, float(chi2.sf(gain, df)), 2 * (len(fit.coef) - fit.log_likelihood))


def _curve(u: Floats, knots: Floats, fit: CoxFit) -> tuple[Floats, Floats, Floats]:
    """The curve on a grid: where, log hazard ratio against the median, and its standard error."""
    first, last = np.quantile(u, _SHOWN)
    grid = np.linspace(first, last, _GRID)
    from_median = _from_median(grid, u, knots)
    q = from_median.shape[1]
    variance = np.einsum("gi,ij,gj->g", from_median, fit.covariance[:q, :q], from_median)
    return grid, from_median @ fit.coef[:q], np.sqrt(variance)


def _from_median(at: Floats, u: Floats, knots: Floats) -> Floats:
    """The columns of the spline at `at`, less those at the median of u."""
    return restricted_cubic(at, knots) - restricted_cubic(np.array([np.median(u)]), knots)
