"""rms's `validate` for the comparison with R alone: every index of it, for Cox and for logistic models.

A model is fitted to each resample and judged there (training) and in the original data (test); the mean difference
is the optimism, which is taken off the index of the original model. Resamples without a finite fit are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.training.errors import TrainingError
from models.training.statistics.arrays import Counts, Events, Floats
from models.training.statistics.cox import CoxFit, fit_cox, fit_many, fit_slopes, log_likelihoods
from models.training.statistics.discrimination import Pairs
from models.training.statistics.partial_likelihood import Design, log_likelihood, terms_of
from models.training.statistics.resampling import FourFigures
from tests.statistics.logistic import (
    Outcome,
    case_control_pairs,
    fit_logistic,
    fit_logistic_many,
    mean_difference,
    nagelkerke,
)


@dataclass(frozen=True, slots=True)
class Index:
    """One index of rms's `validate`: of the model, the means over the resamples, and original - optimism."""

    original: float
    training: float
    test: float
    optimism: float
    corrected: float


@dataclass(frozen=True, slots=True)
class Optimism:
    """All indexes by rms's names, C, the uniform shrinkage factor, and the coefficients of every resample (B, p).

    `shrinkage` is the mean calibration slope of the resamples' models in the original data. Coefficients are nan in
    the `failed` resamples without a finite fit.
    """

    indexes: Mapping[str, Index]
    c: FourFigures
    shrinkage: float
    coefficients: Floats
    failed: int


def multiplicities(rows: NDArray[np.int64], n: int) -> Counts:
    """Turn resamples listed as row numbers from 0 (B, m) into multiplicities (B, n)."""
    return np.stack([np.bincount(resample, minlength=n) for resample in rows]).astype(np.int64)


def optimism(x: Floats, time: Floats, event: Events, counts: Counts) -> Optimism:
    """Validate a Cox model of x (n, p) on resamples (B, n). Raises TrainingError as `fit_cox` does, or if all fail."""
    whole = fit_cox(x, time, event)
    coefficients = fit_many(x, time, event, counts)
    kept, often = _kept(coefficients, counts)
    pairs, own = Pairs(time, event), (x @ whole.coef)[None]
    original = _fitted(pairs, own, np.array([whole.log_likelihood]), np.array([whole.log_likelihood_null]))
    scores = kept @ x.T
    training = _fitted(pairs, scores, *log_likelihoods(x, time, event, kept, often), often)
    test = _frozen(pairs, scores, time, event, whole)
    indexes = _indexes(original, training, test)
    slope = indexes["Slope"].test
    return Optimism(indexes, _c(indexes["Dxy"]), slope, coefficients, len(counts) - len(kept))


def optimism_logistic(x: Floats, y: Outcome, counts: Counts) -> Optimism:
    """Validate a logistic model of x (n, p) on resamples (B, n). Raises TrainingError as `fit_logistic` does."""
    whole = fit_logistic(x, y)
    coefficients = fit_logistic_many(x, y, counts)
    kept, often = _kept(coefficients, counts)
    columns = np.column_stack([np.ones(len(x)), x])
    once = np.ones((1, len(y)), dtype=np.int64)
    pairs, scores = case_control_pairs(y), kept @ columns.T
    again = fit_logistic_many(scores[..., None], y, np.broadcast_to(once, scores.shape))
    recalibrated = again[:, :1] + again[:, 1:] * scores
    original = _fitted_logistic(pairs, (columns @ whole.coef)[None], y, once)
    training = _fitted_logistic(pairs, scores, y, often)
    test = {
        "Dxy": 2 * pairs.concordance(scores) - 1,
        "R2": nagelkerke(recalibrated, y, once.astype(np.float64)),
        "Intercept": again[:, 0],
        "Slope": again[:, 1],
        "B": ((y - expit(scores)) ** 2).mean(axis=1),
        "g": mean_difference(recalibrated),
    }
    indexes = _indexes(original, training, test)
    indexes["Emax"] = _largest_miscalibration(indexes["Intercept"].corrected, indexes["Slope"].corrected)
    slope = indexes["Slope"].test
    return Optimism(indexes, _c(indexes["Dxy"]), slope, coefficients, len(counts) - len(kept))


def _kept(coefficients: Floats, counts: Counts) -> tuple[Floats, Counts]:
    finite = np.isfinite(coefficients).all(axis=1)
    if not finite.any():
        raise TrainingError("no resample could be fitted: there are too few events for this model")
    return coefficients[finite], counts[finite]


def _fitted(
    pairs: Pairs, scores: Floats, fitted: Floats, null: Floats, counts: Counts | None = None
) -> dict[str, Floats]:
    """The indexes of models in the data that they were fitted to (rms's discrim with evalfit), each (B,)."""
    indexes = _of_likelihoods(fitted, null, scores.shape[1])
    indexes["Dxy"] = 2 * pairs.concordance(scores, counts) - 1
    indexes["Slope"], indexes["U"] = np.ones(len(scores)), 1 / null
    indexes["g"] = mean_difference(scores, counts)
    return indexes


def _frozen(pairs: Pairs, scores: Floats, time: Floats, event: Events, whole: CoxFit) -> dict[str, Floats]:
    """The indexes of models in other data: what a slope would gain there is U, which counts against Q."""
    slope = fit_slopes(scores, time, event)
    refitted, frozen = likelihoods_of_slopes(scores, time, event, slope)
    indexes = _of_likelihoods(refitted, np.full(len(slope), whole.log_likelihood_null), scores.shape[1])
    indexes["Dxy"] = 2 * pairs.concordance(scores) - 1
    indexes["Slope"], indexes["U"] = slope, (frozen - refitted) / whole.log_likelihood_null
    indexes["g"] = mean_difference(slope[:, None] * scores)
    return indexes


def likelihoods_of_slopes(
    scores: Floats, time: Floats, event: Events, slope: Floats
) -> tuple[Floats, Floats]:
    """The log partial likelihoods (B,) of each score (B, n) as the one column, at its slope and at a slope of 1."""
    design = Design(scores[..., None], time, event)
    once = np.ones(design.z.shape[::2])
    terms = terms_of(design, once, "efron")
    at_slope, at_one = (log_likelihood(design, b * design.scale, once, terms) for b in (slope[:, None], 1.0))
    return at_slope, at_one


def _of_likelihoods(fitted: Floats, null: Floats, n: int) -> dict[str, Floats]:
    """Nagelkerke's R², and D = (likelihood ratio - 1) / (-2 null log likelihood)."""
    ratio = 2 * (fitted - null)
    r_squared = (1 - np.exp(-ratio / n)) / (1 - np.exp(2 * null / n))
    return {"R2": r_squared, "D": (ratio - 1) / (-2 * null)}


def _fitted_logistic(pairs: Pairs, scores: Floats, y: Outcome, counts: Counts) -> dict[str, Floats]:
    n = counts.sum(axis=1)
    return {
        "Dxy": 2 * pairs.concordance(scores, counts) - 1,
        "R2": nagelkerke(scores, y, counts.astype(np.float64)),
        "Intercept": np.zeros(len(scores)),
        "Slope": np.ones(len(scores)),
        "B": (counts * (y - expit(scores)) ** 2).sum(axis=1) / n,
        "g": mean_difference(scores, counts),
    }


def _indexes(
    original: dict[str, Floats], training: dict[str, Floats], test: dict[str, Floats]
) -> dict[str, Index]:
    for sample in (original, training, test):
        if "D" in sample:
            sample["Q"] = sample["D"] - sample["U"]
    found = {}
    for name, values in original.items():
        own, inside, outside = float(values[0]), float(training[name].mean()), float(np.nanmean(test[name]))
        gain = float(np.nanmean(training[name] - test[name]))
        found[name] = Index(own, inside, outside, gain, own - gain)
    return found


def _largest_miscalibration(intercept: float, slope: float) -> Index:
    """Emax: how far a risk can lie from its recalibrated value, over all risks (rms looks at steps of 0.0005)."""
    logit = np.linspace(-12.0, 12.0, 4801)
    largest = float(np.abs(expit(logit) - expit(intercept + slope * logit)).max())
    return Index(0.0, 0.0, largest, largest, largest)


def _c(dxy: Index) -> FourFigures:
    apparent, inside, outside = ((1 + d) / 2 for d in (dxy.original, dxy.training, dxy.test))
    return FourFigures(apparent, inside, outside, (1 + dxy.corrected) / 2, inside - outside)
