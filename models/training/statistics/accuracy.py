"""How far predicted risks lie from what happened: Brier score and IPA at a horizon, under censoring."""

from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Events, Floats, Statuses, require_people, standard_error
from models.training.statistics.survival import (
    aalen_johansen,
    censoring,
    censoring_influence,
    kaplan_meier,
)


@dataclass(frozen=True, slots=True)
class Brier:
    """The Brier score with its standard error, that of the cohort's own observed risk, and 1 - score / null."""

    value: float
    se: float
    null: float
    ipa: float


def brier_at(time: Floats, status: Statuses | Events, risk: Floats, t: float) -> Brier:
    """The Brier score of risks (n,) at horizon t: who has ended by then is weighted by 1 / G(T-), all others by 1 / G(t).

    `status` is 0 for censored, 1 for the event, more for competing events: after one of those the event can no longer
    come, and the cohort's own risk is Aalen-Johansen's (else Kaplan-Meier's). All is nan where everybody who was left
    had been censored by t: nobody stands for those who are free of it. Raises TrainingError where there is nobody.
    """
    require_people(len(time))
    cause = np.asarray(status, dtype=np.int64)
    ended = cause != 0
    if (cause > 1).any():
        own = float(aalen_johansen(time, cause, 1).at(np.array([t]))[0])
    else:
        own = 1.0 - float(kaplan_meier(time, cause == 1).at(np.array([t]))[0])
    losses = _losses(time, cause, risk, t)
    null = float(_losses(time, cause, np.full(len(time), own), t).mean())
    value = float(losses.mean())
    influence = losses - value + censoring_influence(time, ended, losses, t)
    return Brier(value, standard_error(influence), null, 1 - value / null if null else np.nan)


def _losses(time: Floats, cause: Statuses, risk: Floats, t: float) -> Floats:
    lost = censoring(time, cause != 0)
    before, at = lost.before(time), float(lost.at(np.array([t]))[0])
    if at <= 0:
        return np.full(len(time), np.nan)
    ended, free = (cause != 0) & (time <= t), time > t
    weight = np.zeros(len(time))
    weight[ended] = 1 / before[ended]
    weight[free] = 1 / at
    return np.asarray(weight * np.where(ended & (cause == 1), (1 - risk) ** 2, risk**2))
