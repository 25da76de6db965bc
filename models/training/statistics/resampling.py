"""Resamples of a cohort: the pre-specified predictors fitted anew in each, and how those fits do in the whole cohort.

A model fitted to a resample looks better there than in the whole cohort; the mean difference, the optimism, is by how
much a model of the whole cohort owes its looks to chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Counts, Events, Floats, require_people
from models.training.statistics.cox import fit_many, fit_slopes
from models.training.statistics.discrimination import Pairs
from models.training.statistics.progress import Progress, quiet

_AT_ONCE = 100  # resamples between two reports of progress


@dataclass(frozen=True, slots=True)
class SurvivalData:
    """Complete rows of a cohort: x (n, p), time (n,), event (n,)."""

    x: Floats
    time: Floats
    event: Events

    def resample(self, count: Counts) -> "SurvivalData":
        """These rows as often as `count` (n,) says."""
        rows = np.repeat(np.arange(len(count)), count)
        return SurvivalData(self.x[rows], self.time[rows], self.event[rows])


@dataclass(frozen=True, slots=True)
class Refits:
    """The coefficients (B, p) of models fitted to resamples, given as multiplicities (B, n), and how many failed."""

    coef: Floats
    counts: Counts
    failed: int


@dataclass(frozen=True, slots=True)
class FourFigures:
    """What a bootstrap gives of one measure, of C four figures by one name. Only `corrected` is optimism-corrected."""

    apparent: float
    mean_in_resamples: float
    mean_on_original: float
    corrected: float
    optimism: float


def draw_rows(n: int, resamples: int, seed: Sequence[int]) -> Counts:
    """As `draw_resamples` by drawing row by row, which for many small draws is ten times as fast."""
    rows = np.random.default_rng(seed).integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(rows.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.int64)


def draw_resamples(n: int, resamples: int, seed: int | Sequence[int]) -> Counts:
    """Resamples of n people with replacement, as multiplicities (B, n); a seed may have several numbers.

    Raises TrainingError where there is nobody.
    """
    require_people(n)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    return np.asarray(drawn, dtype=np.int64)


def refit(data: SurvivalData, resamples: int, seed: int, progress: Progress = quiet) -> Refits:
    """Draw resamples, and fit the model to each as `refit_in` does."""
    return refit_in(data, draw_resamples(len(data.time), resamples, seed), progress)


def refit_in(
    data: SurvivalData, counts: Counts, progress: Progress = quiet, start: Floats | None = None
) -> Refits:
    """Fit the model to each resample (B, n) by maximum likelihood; those without a finite fit are left out and counted.

    `start` (p,) are coefficients of the whole data, where they are known. Raises TrainingError where all are.
    """
    fits, (rows, often) = [], _distinct(data, counts)
    for begin in range(0, len(counts), _AT_ONCE):
        fits.append(fit_many(rows.x, rows.time, rows.event, often[begin : begin + _AT_ONCE], start))
        progress("models of resamples", min(begin + _AT_ONCE, len(counts)), len(counts))
    coef = np.concatenate(fits)
    finite = np.isfinite(coef).all(axis=1)
    if not finite.any():
        raise TrainingError("no resample has a finite fit; the cohort is too small for internal validation")
    return Refits(coef[finite], counts[finite], int((~finite).sum()))


def _distinct(data: SurvivalData, counts: Counts) -> tuple[SurvivalData, Counts]:
    """The same with equal rows as one: a resample, of which resamples are drawn, has a third fewer rows than patients."""
    table = np.column_stack([data.x, data.time, data.event])
    _, first, which = np.unique(table, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(table):
        return data, counts
    order = np.argsort(which.ravel(), kind="stable")
    begin = np.flatnonzero(np.diff(which.ravel()[order], prepend=-1))
    return SurvivalData(data.x[first], data.time[first], data.event[first]), np.add.reduceat(
        counts[:, order], begin, axis=1
    )


def four_figures(data: SurvivalData, score: Floats, refits: Refits) -> FourFigures:
    """The apparent C of the model's own score (n,), the two bootstrap means, and the optimism-corrected C."""
    pairs, scores = Pairs(data.time, data.event), refits.coef @ data.x.T
    apparent = float(pairs.concordance(score[None])[0])
    inside = float(pairs.concordance(scores, refits.counts).mean())
    outside = float(pairs.concordance(scores).mean())
    return FourFigures(apparent, inside, outside, apparent - (inside - outside), inside - outside)


def slopes_on_original(data: SurvivalData, refits: Refits) -> Floats:
    """The calibration slope of each resample's model in the whole cohort (B,); nan without a finite one.

    By what the mean lacks to 1 the model of the whole cohort is too steep in new patients.
    """
    return fit_slopes(refits.coef @ data.x.T, data.time, data.event)
