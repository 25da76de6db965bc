"""Random effects over centres: the mean, how far centres lie apart, and where a further centre would lie.

The variance between centres is estimated by restricted maximum likelihood (Viechtbauer 2005), the limits of the mean are
Hartung and Knapp's, the prediction interval takes t with k - 2 degrees of freedom (Debray et al. 2017, BMJ 356:i6460).
I² is that of metafor: the share of the spread that is more than chance, at a typical variance of a centre.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, t

from models.training.statistics.arrays import Floats
from models.training.statistics.limits import LEVEL
from models.training.validation.validation import Measure, measure, missing

_FEWEST_TO_POOL = 2
_FEWEST_TO_PREDICT = 3


@dataclass(frozen=True, slots=True)
class AcrossCentres:
    """The mean over centres with its limits, and the prediction interval: where another centre would lie.

    `tau_squared` is on the scale of pooling (logit of C, log of observed over expected, slope itself), `i_squared` a
    share, `p` that of Cochran's Q: of so much spread if all centres were alike.
    """

    centres: int
    mean: Measure
    predicted: Measure
    tau_squared: float | None = None
    i_squared: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale on which values are pooled, the way back, and how steep it is: for standard errors."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    steepness: Callable[[float], float]


LOGIT = Scale(
    lambda p: float(np.log(p / (1 - p))), lambda u: float(1 / (1 + np.exp(-u))), lambda p: 1 / (p * (1 - p))
)
LOG = Scale(lambda x: float(np.log(x)), lambda u: float(np.exp(u)), lambda x: 1 / x)
PLAIN = Scale(lambda x: x, lambda u: u, lambda _: 1.0)


def pooled(values: Sequence[Measure], scale: Scale) -> AcrossCentres:
    """Pool what has a value and a standard error, and is finite on the scale, as a C of 1 is not."""
    pairs = []
    for estimate in values:
        if estimate.value is None or not estimate.se:
            continue
        try:
            with np.errstate(divide="ignore"):
                at, se = scale.to(estimate.value), scale.steepness(estimate.value) * estimate.se
        except ZeroDivisionError:
            continue
        if np.isfinite(at) and np.isfinite(se):
            pairs.append((at, se**2))
    if len(pairs) < _FEWEST_TO_POOL:
        none = missing("fewer than two centres have an estimate")
        return AcrossCentres(len(pairs), none, none)
    y, v = (np.array(column) for column in zip(*pairs, strict=True))
    effects, predicted = random_effects(y, v), missing("fewer than three centres have an estimate")
    value = scale.back(effects.mean)
    low, high = map(scale.back, effects.limits)
    if len(y) >= _FEWEST_TO_PREDICT:
        least, most = map(scale.back, effects.prediction)
        predicted = measure(value, limits=(least, most))
    return AcrossCentres(
        len(y),
        measure(value, limits=(low, high)),
        predicted,
        effects.tau_squared,
        effects.i_squared,
        effects.p,
    )


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """The mean with its standard error, limits, prediction interval; the variance between, I², Cochran's Q and its p."""

    mean: float
    se: float
    limits: tuple[float, float]
    prediction: tuple[float, float]
    tau_squared: float
    i_squared: float
    q: float
    p: float


def random_effects(y: Floats, v: Floats) -> RandomEffects:
    """Pool estimates y (k,) with variances v (k,), two at least; the prediction interval is nan below three."""
    k = len(y)
    tau_squared = _between(y, v)
    weight = 1 / (v + tau_squared)
    mean = float(weight @ y / weight.sum())
    se = float(np.sqrt(weight @ (y - mean) ** 2 / (k - 1) / weight.sum()))  # Hartung and Knapp
    fixed = 1 / v
    q = float(fixed @ (y - fixed @ y / fixed.sum()) ** 2)
    typical = (k - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    level = (1 + LEVEL) / 2
    width = float(t.ppf(level, k - 1)) * se
    reach = float(t.ppf(level, k - 2)) * float(np.sqrt(tau_squared + se**2)) if k > 2 else np.nan  # noqa: PLR2004
    return RandomEffects(
        mean,
        se,
        (mean - width, mean + width),
        (mean - reach, mean + reach),
        tau_squared,
        float(tau_squared / (tau_squared + typical)),
        q,
        float(chi2.sf(q, k - 1)),
    )


def _between(y: Floats, v: Floats) -> float:
    """The variance between centres where the restricted likelihood is flat; 0 where it falls from there on."""

    def slope(tau_squared: float) -> float:
        w = 1 / (v + tau_squared)
        residual = y - w @ y / w.sum()
        return float((w**2) @ residual**2 - w.sum() + (w**2).sum() / w.sum())

    if slope(0.0) <= 0:
        return 0.0
    upper = float(((y - y.mean()) ** 2).sum() + v.max())
    while slope(upper) > 0:
        upper *= 2
    return float(brentq(slope, 0.0, upper, xtol=1e-14, rtol=1e-13))
