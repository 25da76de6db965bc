"""How far predicted risks lie from what happened: Brier score and IPA at a horizon, under censoring."""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Events, Floats, require_people, standard_error
from models.training.statistics.survival import censoring, censoring_influence, kaplan_meier


@dataclass(frozen=True, slots=True)
class Brier:
    """The Brier score with its standard error, that of the cohort's own Kaplan-Meier risk, and 1 - score / null."""

    value: float
    se: float
    null: float
    ipa: float


def brier_at(time: Floats, event: Events, risk: Floats, t: float) -> Brier:
    """The Brier score of risks (n,) at horizon t: cases are weighted by 1 / G(T-), who is free of it by 1 / G(t).

    All is nan where everybody who was left had been censored by t: nobody stands for those who are free of it. Raises TrainingError where there is nobody.
    """
    require_people(len(time))
    same = np.full(len(time), 1.0 - float(kaplan_meier(time, event).at(np.array([t]))[0]))
    losses, null = _losses(time, event, risk, t), float(_losses(time, event, same, t).mean())
    value = float(losses.mean())
    influence = losses - value + censoring_influence(time, event, losses, t)
    return Brier(value, standard_error(influence), null, 1 - value / null if null else np.nan)


def _losses(time: Floats, event: Events, risk: Floats, t: float) -> Floats:
    lost = censoring(time, event)
    before, at = lost.before(time), float(lost.at(np.array([t]))[0])
    if at <= 0:
        return np.full(len(time), np.nan)
    case, free = event & (time <= t), time > t
    weight = np.zeros(len(time))
    weight[case] = 1 / before[case]
    weight[free] = 1 / at
    return np.asarray(weight * np.where(case, (1 - risk) ** 2, risk**2))
