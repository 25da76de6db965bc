"""Decision curves: the net benefit of treating whom the model calls positive, under censoring."""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Events, Floats, Members
from models.training.statistics.survival import kaplan_meier


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """Net benefit at each threshold (k,): of the model, and of treating all; treating none is 0.

    `unfollowed` marks thresholds above which nobody was followed to the horizon: there the model's benefit is 0.
    """

    thresholds: Floats
    model: Floats
    treat_all: Floats
    unfollowed: Members


def net_benefit(time: Floats, event: Events, risk: Floats, t: float, thresholds: Floats) -> NetBenefit:
    """Positive is a risk (n,) of at least the threshold; true positives come from Kaplan-Meier among the positive."""
    odds = thresholds / (1 - thresholds)
    all_risk = 1 - float(kaplan_meier(time, event).at(np.array([t]))[0])
    model, unfollowed = np.zeros(len(thresholds)), np.zeros(len(thresholds), dtype=bool)
    for k, threshold in enumerate(thresholds):
        positive = risk >= threshold
        share = positive.mean()
        if not positive.any():
            unfollowed[k] = True
            continue
        happened = 1 - float(kaplan_meier(time[positive], event[positive]).at(np.array([t]))[0])
        unfollowed[k] = np.isnan(happened)
        if not unfollowed[k]:
            model[k] = share * (happened - (1 - happened) * odds[k])
    return NetBenefit(thresholds, model, all_risk - (1 - all_risk) * odds, unfollowed)
