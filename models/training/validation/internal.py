"""Internal validation of what varies by horizon: how much of it the model of this cohort owes to chance.

Each resample's model is tried in its resample and in the whole cohort. The mean difference, the optimism, is taken off
what the whole cohort shows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.statistics.accuracy import brier_at
from models.training.statistics.arrays import Counts, Floats
from models.training.statistics.baseline import baseline
from models.training.statistics.discrimination import auc_at
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import Refits, SurvivalData
from models.training.statistics.smooth import cloglog, smoother
from models.training.validation.validation import Stability, StabilityRow

CURVE_RESAMPLES = (
    200  # curves and net benefit settle long before the C does, and each costs a hundred times as much
)
STABILITY_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


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
    benefits: Mapping[float, "ResampledBenefit"]


@dataclass(frozen=True, slots=True)
class ResampledRisks:
    """The optimism by horizon in years, and each resample's model's risks in the whole cohort, (B, n) by horizon."""

    optimism: Mapping[float, Optimism]
    risks: Mapping[float, Floats]


def optimism_by_horizon(
    data: SurvivalData, refits: Refits, grids: Grids, progress: Progress = quiet
) -> ResampledRisks:
    """The optimism of what varies by horizon, from the first CURVE_RESAMPLES resamples."""
    number = min(CURVE_RESAMPLES, len(refits.coef))
    gains: dict[float, list[Optimism]] = {t: [] for t in grids.predicted}
    risks: dict[float, list[Floats]] = {t: [] for t in grids.predicted}
    for b in range(number):
        for t, risk, gain in _resample(data, refits.coef[b], refits.counts[b], grids):
            risks[t].append(risk)
            if gain is not None:
                gains[t].append(gain)
        progress("optimism of curves", b + 1, number)
    return ResampledRisks(
        {t: _mean(each) for t, each in gains.items() if each},
        {t: np.array(each) for t, each in risks.items()},
    )


def _mean(gains: list[Optimism]) -> Optimism:
    return Optimism(
        float(_mean_of_enough([gain.auc for gain in gains])),
        float(_mean_of_enough([gain.ipa for gain in gains])),
        _mean_of_enough([gain.curve for gain in gains]),
        _mean_of_enough([gain.benefit for gain in gains]),
    )


def _mean_of_enough(gains: list[float] | list[Floats]) -> Floats:
    """The mean over the resamples (B, ...), nan where fewer than half of them have a value."""
    rows = np.array(gains)
    there = np.isfinite(rows).sum(axis=0)
    total = np.nansum(rows, axis=0)
    empty = np.full(np.shape(total), np.nan)
    return np.asarray(np.divide(total, there, out=empty, where=2 * there >= len(rows)))


def _resample(
    data: SurvivalData, coef: Floats, count: Counts, grids: Grids
) -> Iterator[tuple[float, Floats, Optimism | None]]:
    """One resample's model at each horizon: its risks in the whole cohort, and resample minus whole."""
    rows = np.repeat(np.arange(len(count)), count)
    again = SurvivalData(data.x[rows], data.time[rows], data.event[rows])
    base = baseline(coef, np.zeros((len(coef), len(coef))), again.x, again.time, again.event)
    lp = data.x @ coef
    try:
        curves = smoother(lp[rows], again.time, again.event), smoother(lp, data.time, data.event)
    except (TrainingError, np.linalg.LinAlgError):
        curves = None
    for t, grid in grids.predicted.items():
        hazard = float(base.cumulative(np.array([t]))[0])
        risk = np.asarray(-np.expm1(-hazard * np.exp(lp)))
        if curves is None or not np.isfinite(hazard) or not hazard > 0:
            yield t, risk, None
            continue
        u, benefit = cloglog(grid) - np.log(hazard), grids.benefits[t]
        auc_within, ipa_within = _auc_and_ipa(again, risk[rows], t)
        auc_whole, ipa_whole = _auc_and_ipa(data, risk, t)
        yield (
            t,
            risk,
            Optimism(
                auc_within - auc_whole,
                ipa_within - ipa_whole,
                curves[0].at(u, t) - curves[1].at(u, t),
                benefit.at_thresholds(risk, count) - benefit.at_thresholds(risk, np.ones_like(count)),
            ),
        )


def _auc_and_ipa(data: SurvivalData, risk: Floats, t: float) -> tuple[float, float]:
    return auc_at(data.time, data.event, risk, t).value, brier_at(data.time, data.event, risk, t).ipa


class ResampledBenefit:
    """Net benefit at one horizon in many resamples: Kaplan-Meier of all the positive at once, from one table.

    The same as `benefit.net_benefit` for multiplicities instead of repeated rows, but nan where nobody above a
    threshold was followed: the mean over resamples leaves those out.
    """

    def __init__(self, data: SurvivalData, t: float, thresholds: Floats) -> None:
        moments = np.unique(data.time[data.event & (data.time <= t)])
        self.under_risk = (data.time[:, None] >= moments).astype(np.float64)
        self.happens = ((data.time[:, None] == moments) & data.event[:, None]).astype(np.float64)
        self.followed = data.time >= t
        self.thresholds = thresholds

    def at_thresholds(self, risk: Floats, count: Counts) -> Floats:
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


def stability(own: Floats, risks: Floats, horizon: Horizon) -> Stability:
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
