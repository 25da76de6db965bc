"""Kaplan-Meier, the survival of the censoring, the log-rank test, Aalen-Johansen. Steps, continuous from the right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats, Statuses, require_people
from models.training.statistics.limits import Z

_ROUNDING = 1e-9  # a product over thousands of times is off by less


def step_at(times: Floats, values: Floats, at: Floats, before: float) -> Floats:
    """The value of a step function at `at`: `before` ahead of its first time, then the last value reached."""
    return np.concatenate([[before], values])[np.searchsorted(times, at, side="right")]


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """A survival curve at the distinct times (k,). `log_variance` is Greenwood's variance of log S."""

    times: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    log_variance: Floats

    def at(self, t: Floats) -> Floats:
        """S(t); nan after the last time of follow-up."""
        return np.where(t > self.times[-1], np.nan, step_at(self.times, self.survival, t, 1.0))

    def time_of(self, share: float) -> float | None:
        """The first time at which S is at most this share, whatever the rounding; None: it is not reached."""
        reached = np.flatnonzero(self.survival <= share * (1 + _ROUNDING))
        return float(self.times[reached[0]]) if len(reached) else None

    def limits(self, t: Floats) -> tuple[Floats, Floats]:
        """Lower and upper 95 % limits on the log-log scale; nan where S is 0 or 1."""
        s = self.at(t)
        spread = np.sqrt(step_at(self.times, self.log_variance, t, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            width = Z * spread / np.abs(np.log(s))
            inside = (s > 0) & (s < 1)
            return (
                np.where(inside, s ** np.exp(width), np.nan),
                np.where(inside, s ** np.exp(-width), np.nan),
            )


@dataclass(frozen=True, slots=True)
class Censoring:
    """The survival of the censoring, G; at equal times events come first."""

    times: Floats
    survival: Floats

    def at(self, t: Floats) -> Floats:
        """G(t): still under observation after t."""
        return step_at(self.times, self.survival, t, 1.0)

    def before(self, t: Floats) -> Floats:
        """G(t-): still under observation just before t."""
        index = np.searchsorted(self.times, t, side="left")
        return np.concatenate([[1.0], self.survival])[index]


@dataclass(frozen=True, slots=True)
class LogRank:
    """The log-rank test: chi-square, degrees of freedom, p-value."""

    chi_square: float
    degrees: int
    p: float


@dataclass(frozen=True, slots=True)
class CumulativeIncidence:
    """The Aalen-Johansen estimate of one cause at the distinct times (k,), with its variance."""

    times: Floats
    incidence: Floats
    variance: Floats

    def at(self, t: Floats) -> Floats:
        """F(t); nan after the last time of follow-up."""
        return np.where(t > self.times[-1], np.nan, step_at(self.times, self.incidence, t, 0.0))

    def standard_error(self, t: Floats) -> Floats:
        """The standard error of F(t); nan after the last time of follow-up."""
        spread = np.sqrt(step_at(self.times, self.variance, t, 0.0))
        return np.where(t > self.times[-1], np.nan, spread)


def _total(index: NDArray[np.intp], values: NDArray[Any], length: int) -> Floats:
    """Sum the values by their index: (n,) → (length,)."""
    return np.bincount(index, values.astype(np.float64), length).astype(np.float64)


def kaplan_meier(time: Floats, event: Events) -> KaplanMeier:
    """Estimate the survival of time (n,), event (n,); raises TrainingError where there is nobody."""
    require_people(len(time))
    times, index = np.unique(time, return_inverse=True)
    deaths = _total(index, event, len(times))
    left = _total(index, ~event, len(times))
    at_risk: Floats = np.cumsum((deaths + left)[::-1])[::-1].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(deaths > 0, deaths / (at_risk * (at_risk - deaths)), 0.0)
        variance: Floats = np.cumsum(steps).astype(np.float64)
    survival = np.asarray(np.cumprod(1 - deaths / at_risk), dtype=np.float64)
    return KaplanMeier(times, at_risk, deaths, survival, variance)


def censoring(time: Floats, event: Events) -> Censoring:
    """Estimate G; whoever has an event at t has left the risk set of a censoring at t."""
    times, index = np.unique(time, return_inverse=True)
    deaths = _total(index, event, len(times))
    left = _total(index, ~event, len(times))
    at_risk = np.cumsum((deaths + left)[::-1])[::-1] - deaths
    share = np.divide(left, at_risk, out=np.zeros_like(at_risk), where=at_risk > 0)
    return Censoring(times, np.cumprod(1 - share))


def censoring_influence(time: Floats, event: Events, losses: Floats, t: float) -> Floats:
    """What each person adds to the mean of weighted losses (n,) by way of the estimated censoring weights: (n,).

    1 / G grows by dM/Y at each time u of censoring, M being the martingale of the censoring and Y who is at risk of it;
    this moves the losses of all who are weighted by G at or after u. As in riskRegression, Y counts whose event falls
    on u, though G itself lets events precede.
    """
    until = np.where(event & (time <= t), time, np.nextafter(t, np.inf))  # G(T-): censorings before T
    own = np.where(~event, time, np.inf)
    times = np.unique(own[own <= t])
    under_risk = time[:, None] >= times
    moved = (losses[:, None] * (until[:, None] > times)).sum(axis=0)
    jumps = (own[:, None] == times).sum(axis=0) * moved / under_risk.sum(axis=0) ** 2
    return np.asarray((own[:, None] == times) @ (moved / under_risk.sum(axis=0)) - under_risk @ jumps)


def log_rank(time: Floats, event: Events, group: NDArray[np.int64]) -> LogRank:
    """Compare the groups of `group` (n,).

    Raises TrainingError for fewer than two, where nobody has the event, or where they are never at risk together when
    somebody has.
    """
    labels, member = np.unique(group, return_inverse=True)
    if len(labels) < 2:  # noqa: PLR2004
        raise TrainingError("a comparison needs at least two groups")
    if not event.any():
        raise TrainingError("there is no event, so nothing can be compared")
    times = np.unique(time[event])
    at_risk = np.stack([(time[member == g][:, None] >= times).sum(axis=0) for g in range(len(labels))])
    deaths = np.stack(
        [(time[(member == g) & event][:, None] == times).sum(axis=0) for g in range(len(labels))]
    )
    n, d = at_risk.sum(axis=0), deaths.sum(axis=0)
    excess = (deaths - at_risk * d / n).sum(axis=1)
    spread = np.divide(d * (n - d), n - 1, out=np.zeros(len(times)), where=n > 1)
    share = at_risk / n
    variance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    try:
        value = float(excess[:-1] @ np.linalg.solve(variance[:-1, :-1], excess[:-1]))
    except np.linalg.LinAlgError:
        raise TrainingError("a group was never at risk when one of another had the event") from None
    return LogRank(value, len(labels) - 1, float(chi2.sf(value, len(labels) - 1)))


def aalen_johansen(time: Floats, status: Statuses, cause: int) -> CumulativeIncidence:
    """Estimate the cumulative incidence of one cause; `status` is 0 for censored, else the cause."""
    every = kaplan_meier(time, status != 0)
    index = np.searchsorted(every.times, time)
    deaths = _total(index, status == cause, len(every.times))
    before = np.concatenate([[1.0], every.survival[:-1]])
    incidence = np.cumsum(before * deaths / every.at_risk)
    return CumulativeIncidence(every.times, incidence, _variance(every, deaths, before, incidence))


def _variance(every: KaplanMeier, deaths: Floats, before: Floats, incidence: Floats) -> Floats:
    """The delta-method variance at each time (Marubini and Valsecchi)."""
    n, d = every.at_risk, every.events
    with np.errstate(divide="ignore", invalid="ignore"):
        all_causes = np.where(n > d, d / (n * (n - d)), 0.0)
    own = before**2 * deaths * (n - deaths) / n**3
    mixed = before * deaths / n**2
    first = incidence**2 * np.cumsum(all_causes)
    first -= 2 * incidence * np.cumsum(incidence * all_causes)
    first += np.cumsum(incidence**2 * all_causes)
    cross = incidence * np.cumsum(mixed) - np.cumsum(incidence * mixed)
    return np.asarray(np.maximum(first + np.cumsum(own) - 2 * cross, 0.0))
