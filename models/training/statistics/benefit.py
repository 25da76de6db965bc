"""Decision curves: the net benefit of treating whom the model calls positive, under censoring."""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Events, Floats, Members, require_people


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """Net benefit at each threshold (k,): of the model, and of treating all; treating none is 0.

    `unfollowed` marks thresholds above which nobody was followed to the horizon: there the model's benefit is 0.
    `nobody` marks those of them above which there is nobody, `everybody` those that have nobody below.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats
    unfollowed: Members
    nobody: Members
    everybody: Members


def net_benefit(time: Floats, event: Events, risk: Floats, t: float, thresholds: Floats) -> NetBenefit:
    """Positive is a risk (n,) of at least the threshold; true positives come from Kaplan-Meier among the positive.

    Raises TrainingError where there is nobody.
    """
    require_people(len(time))
    odds = thresholds / (1 - thresholds)
    # thresholds with the same patients above them share one curve; the first row is everybody
    above = np.append(-np.inf, np.sort(risk))[(risk < thresholds[:, None]).sum(axis=1)]
    cuts, which = np.unique(above, return_inverse=True)
    positive = np.vstack([np.ones(len(risk)), (risk > cuts[:, None]).astype(np.float64)])
    happened, followed = _risk_by(time, event, positive, t)
    rows = which + 1
    nobody = positive[rows].sum(axis=1) == 0
    model = positive[rows].mean(axis=1) * (happened[rows] - (1 - happened[rows]) * odds)
    all_risk = happened[0] if followed[0] else np.nan
    return NetBenefit(
        thresholds,
        np.where(followed[rows], model, 0.0),
        all_risk - (1 - all_risk) * odds,
        ~followed[rows],
        nobody,
        np.asarray(above == -np.inf),
    )


def _risk_by(time: Floats, event: Events, positive: Floats, t: float) -> tuple[Floats, Members]:
    """One minus Kaplan-Meier at t in each group (g, n) of 0 and 1, and whether one of it was followed to t."""
    order = np.argsort(time, kind="stable")
    first = np.flatnonzero(np.diff(time[order], prepend=-np.inf))
    there, inside = positive[:, order], time[order][first] <= t
    at_risk = np.cumsum(np.add.reduceat(there, first, axis=1)[:, ::-1], axis=1)[:, ::-1]
    happened = np.add.reduceat(there * event[order], first, axis=1)
    hazard = np.divide(happened, at_risk, out=np.zeros_like(happened), where=at_risk > 0)
    followed = np.asarray((positive[:, time >= t] > 0).any(axis=1))
    return 1 - np.prod(1 - hazard[:, inside], axis=1), followed
