"""What a fit leaves for serving: hazards at the horizons, the covariance of all parameters, the joint table.

With covariates uncentred, H(t) = Σ 1/den, a(t) = Σ 1/den², m(t) = Σ mean/den; V is the covariance of the log hazard
ratios b. As dH(t)/db = -m(t): Cov(H(s), H(t)) = a(min(s, t)) + m(s)'V m(t) and Cov(b, H(t)) = -V m(t); a log hazard
divides by H(t).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.statistics.arrays import Counts, Floats, cells, patterns, plain_numbers
from models.training.statistics.baseline import Baseline
from models.training.statistics.imputation.pooling import pool

HORIZONS = (Horizon("1y"), Horizon("2y"), Horizon("3y"))
YEARS = np.array([horizon.years for horizon in HORIZONS])
FEWEST_IN_A_CELL = 5
_PREVALENCE_STEP = 0.05


@dataclass(frozen=True, slots=True)
class AtHorizons:
    """Cumulative baseline hazard (k,) at covariates 0, and the covariance (p + k, p + k) of (b, log H)."""

    hazard: Floats
    covariance: Floats


def at_horizons(base: Baseline, years: Floats, since: float = 0.0) -> AtHorizons:
    """The served parameters at these times (k,), counted from a landmark so many years after time zero.

    From a landmark L the hazard is H(L + t) - H(L), and so are a and m: the survival of those who reached it. Raises
    TrainingError unless the hazard rises from one time to the next.
    """
    first = int(np.searchsorted(base.times, since, side="right"))
    index = np.searchsorted(base.times, since + years, side="right")
    if (since + years > base.last).any() or (np.diff(index, prepend=first) == 0).any():
        raise TrainingError(
            "the baseline hazard needs a recurrence before each horizon and follow-up to the last"
        )
    relative = float(np.exp(base.centre @ base.coef))
    hazard = _after(base.hazard, first, index) / relative
    variance = _after(base.variance, first, index) / relative**2
    means = _after(base.means, first, index) / relative + hazard[:, None] * base.centre
    with_ratios = -base.covariance @ means.T / hazard
    earlier = np.minimum.outer(np.arange(len(years)), np.arange(len(years)))
    of_hazards = (variance[earlier] + means @ base.covariance @ means.T) / np.outer(hazard, hazard)
    covariance = np.block([[base.covariance, with_ratios], [with_ratios.T, of_hazards]])
    return AtHorizons(hazard, (covariance + covariance.T) / 2)


def _after(steps: Floats, first: int, index: Counts) -> Floats:
    """What a cumulated sum grew by after its first so many steps, up to each of `index` (k,)."""
    return np.asarray(steps[index - 1] - steps[first - 1] if first else steps[index - 1], dtype=np.float64)


def pooled_at_horizons(bases: Sequence[Baseline], years: Floats, since: float = 0.0) -> AtHorizons:
    """The served parameters at these times (k,) of the baselines of completed sets, pooled by Rubin's rules.

    `since` as of `at_horizons`. Hazards are pooled as logarithms. A single baseline gives its own. Raises TrainingError as
    `at_horizons` does.
    """
    each = [at_horizons(base, years, since) for base in bases]
    if len(each) == 1:
        return each[0]
    p = len(bases[0].coef)
    numbers = [np.concatenate([b.coef, np.log(at.hazard)]) for b, at in zip(bases, each, strict=True)]
    pooled = pool(np.array(numbers), np.array([at.covariance for at in each]))
    return AtHorizons(np.exp(pooled.estimate[p:]), pooled.covariance)


def mean_baseline(bases: Sequence[Baseline]) -> Baseline:
    """The baselines of completed sets as one curve: mean log hazards at covariates 0 and mean terms, at the same times.

    Its covariance is that of Rubin's rules; what the hazards of the sets differ by at equal coefficients is not in its
    terms: `pooled_at_horizons` has it.
    """
    relative = [float(np.exp(base.centre @ base.coef)) for base in bases]
    hazards = np.array([base.hazard / by for base, by in zip(bases, relative, strict=True)])
    means = [
        base.means / by + hazard[:, None] * base.centre
        for base, by, hazard in zip(bases, relative, hazards, strict=True)
    ]
    pooled = pool(np.array([base.coef for base in bases]), np.array([base.covariance for base in bases]))
    return Baseline(
        bases[0].times,
        np.exp(np.log(hazards).mean(axis=0)),
        np.mean([base.variance / by**2 for base, by in zip(bases, relative, strict=True)], axis=0),
        np.mean(means, axis=0),
        np.zeros_like(bases[0].centre),
        pooled.estimate,
        pooled.covariance,
        bases[0].last,
    )


def joint_table(x: Floats) -> dict[str, float]:
    """The probability of each pattern of p binary predictors among n patients: positive, summing to 1.

    x is (n, p), or (m, n, p) of completed sets, whose counts are averaged. A cell with n_c patients has
    (n_c + 1/2^p) / (n + 1). Cells with fewer than five patients are pooled, with the next larger ones until the pool has
    two cells and five patients. The pool's total is shared out as if the predictors were independent, with prevalences
    rounded to 5 %: no size of a small group can be read from the table.
    """
    n, p = x.shape[-2:]
    present = cells(p) == 1
    patients = x.reshape(-1, p)
    counts = np.bincount(patients.astype(np.int64) @ 2 ** np.arange(p)[::-1], minlength=2**p)
    counts = counts * (n / len(patients))
    weights = (counts + 0.5**p) / (n + 1)
    small = _shown_together(counts)
    rounded = np.round(patients.mean(axis=0) / _PREVALENCE_STEP) * _PREVALENCE_STEP
    prevalence = np.clip(rounded, _PREVALENCE_STEP, 1 - _PREVALENCE_STEP)
    independent = np.where(present, prevalence, 1 - prevalence).prod(axis=1)
    weights[small] = weights[small].sum() * independent[small] / independent[small].sum()
    weights /= weights.sum()
    return dict(zip(patterns(p), plain_numbers(weights), strict=True))


def _shown_together(counts: Floats) -> Counts:
    """The cells that are shown only together, smallest first; none where every cell is large enough."""
    order = np.argsort(counts, kind="stable")
    size = int((counts < FEWEST_IN_A_CELL).sum())
    if size == 0:
        return order[:0]
    while size < len(order) and (size == 1 or counts[order[:size]].sum() < FEWEST_IN_A_CELL):
        size += 1
    return order[:size]
