"""Internal validation: how much a model of this cohort owes to chance, by bootstrap.

In each resample the pre-specified predictors are fitted anew, by maximum likelihood; that model is tried in the
resample and in the whole cohort. The mean difference, the optimism, is taken off what the whole cohort shows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.errors import TrainingError
from models.training.statistics import bootstrap
from models.training.statistics.accuracy import brier_at
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import Floats, fit_many, fit_slopes
from models.training.statistics.discrimination import Pairs, auc_at
from models.training.statistics.smooth import Smoother, cloglog, smoother
from models.training.statistics.survival import Events
from models.training.validation.validation import FourFigures, Stability, StabilityRow

CURVE_RESAMPLES = (
    200  # curves and net benefit settle long before the C does, and each costs a hundred times as much
)
STABILITY_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)

Progress = Callable[[str, int, int], None]


def quiet(_what: str, _done: int, _of: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Data:
    """Complete rows of the training cohort: x (n, p), time (n,), event (n,)."""

    x: Floats
    time: Floats
    event: Events


@dataclass(frozen=True, slots=True)
class Refits:
    """The coefficients (B, p) of models fitted to resamples, given as multiplicities (B, n), and how many failed."""

    coef: Floats
    counts: NDArray[np.int64]
    failed: int


def draw(n: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Resamples of n people with replacement, as multiplicities (B, n)."""
    return np.asarray(bootstrap.resamples(n, resamples, seed), dtype=np.int64)


def refit(data: Data, resamples: int, seed: int, progress: Progress = quiet) -> Refits:
    """Fit the model to each resample; those without a finite fit are left out and counted."""
    counts, found = draw(len(data.time), resamples, seed), []
    for begin in range(0, resamples, 100):
        found.append(fit_many(data.x, data.time, data.event, counts[begin : begin + 100]))
        progress("models of resamples", min(begin + 100, resamples), resamples)
    coef = np.concatenate(found)
    fitted = np.isfinite(coef).all(axis=1)
    if not fitted.any():
        raise TrainingError("no resample has a finite fit; the cohort is too small for internal validation")
    return Refits(coef[fitted], counts[fitted], int((~fitted).sum()))


def four_figures(data: Data, own: Floats, refits: Refits) -> FourFigures:
    """The apparent C of the own score (n,), the two bootstrap means, and the optimism-corrected C."""
    pairs, scores = Pairs(data.time, data.event), refits.coef @ data.x.T
    apparent = float(pairs.concordance(own[None])[0])
    inside = float(pairs.concordance(scores, refits.counts).mean())
    outside = float(pairs.concordance(scores).mean())
    return FourFigures(apparent, inside, outside, apparent - (inside - outside), inside - outside)


def corrected_slope(data: Data, refits: Refits) -> float:
    """The mean calibration slope of the resamples' models in the whole cohort; 1 less than it is the optimism."""
    slopes, _, _ = fit_slopes(refits.coef @ data.x.T, data.time, data.event)
    return float(np.nanmean(slopes))


@dataclass(frozen=True, slots=True)
class Optimism:
    """What is to be taken off at one horizon: of AUC and IPA, of the curve on its grid, of net benefit by threshold."""

    auc: float
    ipa: float
    curve: Floats
    benefit: Floats


@dataclass(frozen=True, slots=True)
class Grids:
    """Where curves are wanted, by horizon in years: predicted risks, and net benefit at thresholds."""

    predicted: Mapping[float, Floats]
    moments: Mapping[float, "Moments"]


@dataclass(frozen=True, slots=True)
class Curves:
    """The optimism by horizon in years, and each resample's model's risks in the whole cohort, (B, n) by horizon."""

    optimism: Mapping[float, Optimism]
    risks: Mapping[float, Floats]


def curves(data: Data, refits: Refits, grids: Grids, progress: Progress = quiet) -> Curves:
    """The optimism of what varies by horizon, from the first CURVE_RESAMPLES resamples."""
    number = min(CURVE_RESAMPLES, len(refits.coef))
    differences: dict[float, list[tuple[float, float, Floats, Floats]]] = {t: [] for t in grids.predicted}
    risks: dict[float, list[Floats]] = {t: [] for t in grids.predicted}
    for b in range(number):
        for t, risk, difference in _one(data, refits.coef[b], refits.counts[b], grids):
            risks[t].append(risk)
            if difference is not None:
                differences[t].append(difference)
        progress("optimism of curves", b + 1, number)
    return Curves(
        {t: _mean(rows) for t, rows in differences.items() if rows},
        {t: np.array(rows) for t, rows in risks.items()},
    )


def _mean(rows: list[tuple[float, float, Floats, Floats]]) -> Optimism:
    auc, ipa, curve, benefit = (np.array(part) for part in zip(*rows, strict=True))
    return Optimism(
        float(_mean_of_enough(auc)),
        float(_mean_of_enough(ipa)),
        _mean_of_enough(curve),
        _mean_of_enough(benefit),
    )


def _mean_of_enough(rows: Floats) -> Floats:
    """The mean over the rows (B, ...), nan where fewer than half of them have a value."""
    there = np.isfinite(rows).sum(axis=0)
    total = np.nansum(rows, axis=0)
    empty = np.full(np.shape(total), np.nan)
    return np.asarray(np.divide(total, there, out=empty, where=2 * there >= len(rows)))


def _one(
    data: Data, coef: Floats, count: NDArray[np.int64], grids: Grids
) -> Iterator[tuple[float, Floats, tuple[float, float, Floats, Floats] | None]]:
    """One resample's model at each horizon: its risks in the whole cohort, and resample minus whole."""
    rows = np.repeat(np.arange(len(count)), count)
    again = Data(data.x[rows], data.time[rows], data.event[rows])
    nothing = np.zeros((len(coef), len(coef)))
    base = baseline(coef, nothing, again.x, again.time, again.event)
    lp = data.x @ coef
    pair = _smoothers(lp, data, rows, again)
    for t, grid in grids.predicted.items():
        hazard = float(base.cumulative(np.array([t]))[0])
        risk = np.asarray(-np.expm1(-hazard * np.exp(lp)))
        if pair is None or not np.isfinite(hazard) or not hazard > 0:
            yield t, risk, None
            continue
        u = cloglog(grid) - np.log(hazard)
        yield (
            t,
            risk,
            _difference(again, data, risk, rows, count, t, pair[0].at(u, t) - pair[1].at(u, t), grids),
        )


def _smoothers(
    lp: Floats, data: Data, rows: NDArray[np.int64], again: Data
) -> tuple[Smoother, Smoother] | None:
    """The curves of one model in its resample and in the whole cohort; None where either has no finite fit."""
    try:
        return smoother(lp[rows], again.time, again.event), smoother(lp, data.time, data.event)
    except (TrainingError, np.linalg.LinAlgError):
        return None


def _difference(
    again: Data,
    data: Data,
    risk: Floats,
    rows: NDArray[np.int64],
    count: NDArray[np.int64],
    t: float,
    curve: Floats,
    grids: "Grids",
) -> tuple[float, float, Floats, Floats]:
    def of(sample: Data, risks: Floats) -> tuple[float, float]:
        return auc_at(sample.time, sample.event, risks, t).value, brier_at(
            sample.time, sample.event, risks, t
        ).ipa

    within, whole = of(again, risk[rows]), of(data, risk)
    gained = grids.moments[t].benefit(risk, count) - grids.moments[t].benefit(risk, np.ones_like(count))
    return within[0] - whole[0], within[1] - whole[1], curve, gained


class Moments:
    """Net benefit at one horizon in many resamples: Kaplan-Meier of all the positive at once, from one table.

    The same as `benefit.net_benefit` for multiplicities instead of repeated rows, but nan where nobody above a
    threshold was followed: the mean over resamples leaves those out.
    """

    def __init__(self, data: Data, t: float, thresholds: Floats) -> None:
        moments = np.unique(data.time[data.event & (data.time <= t)])
        self.under_risk = (data.time[:, None] >= moments).astype(np.float64)
        self.happens = ((data.time[:, None] == moments) & data.event[:, None]).astype(np.float64)
        self.followed = data.time >= t
        self.thresholds = thresholds

    def benefit(self, risk: Floats, count: NDArray[np.int64]) -> Floats:
        """Net benefit (k,) at the thresholds; 0 where nobody is above one, nan where none of them was followed."""
        cuts = np.unique(risk)[::-1]
        positive = (risk >= cuts[:, None]) * count.astype(np.float64)
        at_risk, happened = positive @ self.under_risk, positive @ self.happens
        hazard = np.divide(happened, at_risk, out=np.zeros_like(happened), where=at_risk > 0)
        share, died = positive.sum(axis=1) / count.sum(), 1 - np.prod(1 - hazard, axis=1)
        followed = (positive @ self.followed) > 0
        which = (
            np.searchsorted(-cuts, -self.thresholds, side="right") - 1
        )  # the largest group that is all above
        odds = self.thresholds / (1 - self.thresholds)
        gained = share[which] * (died[which] - (1 - died[which]) * odds)
        return np.where(which < 0, 0.0, np.where(followed[which], gained, np.nan))


def stability(own: Floats, risks: Floats, horizon: str) -> Stability:
    """How the resamples' models (B, n) scatter round the own risk (n,); patients of one own risk make one row."""
    risks = risks[np.isfinite(risks).all(axis=1)]  # a resample may not be followed to the horizon
    distances = np.abs(risks - own).mean(axis=0)
    rows = []
    for value in np.unique(np.round(own, 12)):
        same = np.isclose(own, value, rtol=0, atol=1e-11)
        quantiles = np.quantile(risks[:, same], STABILITY_QUANTILES)
        rows.append(
            StabilityRow(
                float(own[same][0]),
                int(same.sum()),
                tuple(map(float, quantiles)),
                float(distances[same].mean()),
            )
        )
    return Stability(horizon, tuple(rows), float(distances.mean()))
