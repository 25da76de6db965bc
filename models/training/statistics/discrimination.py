"""How well a score ranks: Harrell's and Uno's C, and the AUC at a horizon.

A pair counts where one had the event before the other's time (an event precedes a censoring at the same time). Equal
scores count one half; scores are compared after rounding, so that equal covariate patterns tie exactly. The AUC takes
as cases who had the event with T <= t (riskRegression); timeROC takes T < t, which `strictly_before` gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.statistics.arrays import Counts, Events, Floats, Statuses, standard_error
from models.training.statistics.survival import censoring, censoring_influence

DECIMALS = 10  # of a score, before two are compared
_CHUNK = 256  # models compared at once


@dataclass(frozen=True, slots=True)
class PointEstimate:
    """A number with its standard error."""

    value: float
    se: float


def harrell_c(time: Floats, event: Events, score: Floats) -> PointEstimate:
    """The probability that of a usable pair the one with the higher score has the event first."""
    return _concordance(time, event, score, np.ones(len(time)))


def uno_c(time: Floats, event: Events, score: Floats, tau: float = np.inf) -> PointEstimate:
    """Uno's C: pairs whose earlier event lies at most at tau, weighted by the inverse squared survival of censoring."""
    before = censoring(time, event).before(time)
    weight = np.divide(1.0, before**2, out=np.zeros(len(time)), where=(before > 0) & (time <= tau))
    return _concordance(time, event, score, weight)


def _concordance(time: Floats, event: Events, score: Floats, weight: Floats) -> PointEstimate:
    """Weighted concordance, with the infinitesimal jackknife: what each person adds to numerator and denominator."""
    s = np.round(score, DECIMALS)
    wins, pairs = np.zeros(len(time)), np.zeros(len(time))
    for i in np.flatnonzero(event & (weight > 0)):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        won = weight[i] * np.where(s[i] > s[later], 1.0, np.where(s[i] == s[later], 0.5, 0.0))
        wins[later] += won
        pairs[later] += weight[i]
        wins[i] += won.sum()
        pairs[i] += weight[i] * later.sum()
    usable = pairs.sum() / 2
    if usable == 0:
        return PointEstimate(np.nan, np.nan)
    value = wins.sum() / 2 / usable
    influence = (wins - value * pairs) / usable
    return PointEstimate(float(value), float(np.sqrt((influence**2).sum())))


class Pairs:
    """The usable pairs of one cohort, for the concordance of many scores and of resamples.

    Rows lie in order of time (events before censorings), so that the later ones of an event are all from a row on.
    """

    def __init__(self, time: Floats, event: Events) -> None:
        self.order = np.lexsort((~event, time))
        self.events = np.flatnonzero(event[self.order])
        moments = time[self.order][self.events]
        self.later = self.events[np.searchsorted(moments, moments, side="right") - 1] + 1

    def concordance(self, scores: Floats, counts: Counts | None = None) -> Floats:
        """C of each row of scores (B, n) → (B,), within resamples where multiplicities (B, n) are given.

        Copies of one person are no pair; people of one resample are paired as often as they are there. nan without pairs.
        """
        often = np.ones_like(scores, dtype=np.int16) if counts is None else counts.astype(np.int16)
        concordance = np.empty(len(scores))
        for begin in range(0, len(scores), _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            ranks = _ranks(scores[rows][:, self.order])
            concordance[rows] = self._share(
                np.ascontiguousarray(ranks.T), often[rows][:, self.order].T.copy()
            )
        concordance[np.isnan(scores).any(axis=1)] = np.nan
        return concordance

    def _share(self, ranks: NDArray[np.int16], often: NDArray[np.int16]) -> Floats:
        """The share of the pairs that is ranked right: (n, b), (n, b) → (b,). Integers are small for speed."""
        won = np.zeros(ranks.shape[1], dtype=np.int64)
        for event, later in zip(self.events, self.later, strict=True):
            own, others = ranks[event], ranks[later:]
            twice = (own > others).view(np.int8) + (own >= others).view(np.int8)
            won += often[event] * (twice * often[later:]).sum(axis=0, dtype=np.int32)
        behind = np.cumsum(np.vstack([often, np.zeros_like(often[:1])])[::-1], axis=0, dtype=np.int64)[::-1]
        pairs = (often[self.events] * behind[self.later]).sum(axis=0)
        none = np.full(len(won), np.nan)
        return np.asarray(np.divide(won, 2 * pairs, out=none, where=pairs > 0), dtype=np.float64)


def _ranks(scores: Floats) -> NDArray[np.int16]:
    """Dense ranks of each row of scores (b, n) after rounding; equal scores have equal ranks."""
    rounded = np.round(scores, DECIMALS)
    order = np.argsort(rounded, axis=1)
    ordered = np.take_along_axis(rounded, order, axis=1)
    small = np.int16 if scores.shape[1] < np.iinfo(np.int16).max else np.int32
    steps = np.zeros(scores.shape, dtype=small)
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=steps[:, 1:], dtype=small)
    ranks = np.empty_like(steps)
    np.put_along_axis(ranks, order, steps, axis=1)
    return ranks


def auc_at(
    time: Floats,
    status: Statuses | Events,
    score: Floats,
    t: float,
    *,
    strictly_before: bool = False,
    controls_event_free: bool = True,
) -> PointEstimate:
    """The AUC at horizon t, weighted by the inverse probability of censoring (Uno).

    `status` is 0 for censored, 1 for the event, more for competing events. With competing events the controls are
    free of every event; otherwise (`controls_event_free` false) all who are no case. The standard error is
    riskRegression's, by influence functions, those of the censoring weights included.
    """
    cause = np.asarray(status, dtype=np.int64)
    happened = cause != 0
    inside = (time < t) if strictly_before else (time <= t)
    lost = censoring(time, happened)
    before, at = lost.before(time), float(lost.at(np.array([t]))[0])
    weight = np.divide(1.0, before, out=np.zeros(len(time)), where=before > 0)
    cases = np.where(inside & (cause == 1), weight, 0.0)
    controls = np.where(time > t, 1 / at if at > 0 else np.nan, 0.0)
    if not controls_event_free:
        controls = controls + np.where(inside & (cause > 1), weight, 0.0)
    value, influence = _weighted_auc(cases, controls, np.round(score, DECIMALS))
    influence = influence + censoring_influence(time, happened, influence, t)
    return PointEstimate(value, standard_error(influence))


def _weighted_auc(w: Floats, v: Floats, score: Floats) -> tuple[float, Floats]:
    """The weighted share of case-control pairs that are ranked right, and each person's influence on it: (n,).

    w and v are the weights (n,) of each person as a case and as a control.
    """
    n = len(score)
    total = w.sum() * v.sum()
    if not total > 0:
        return np.nan, np.full(n, np.nan)
    case, control = np.flatnonzero(w > 0), np.flatnonzero(v > 0)
    won = (np.sign(score[case][:, None] - score[control]) + 1) / 2
    value = float(w[case] @ won @ v[control] / total)
    influence = np.zeros(n)
    influence[case] += w[case] * (won @ v[control] - value * v.sum()) / total
    influence[control] += v[control] * (w[case] @ won - value * w.sum()) / total
    return value, n * influence
