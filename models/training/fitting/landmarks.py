"""Baselines of a fit from landmarks after time zero (S11): conditional survival, for those without a recurrence so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.registry import LANDMARKS
from models.training.cohort.schema import DAYS_PER_YEAR
from models.training.errors import TrainingError
from models.training.fitting.served import YEARS, AtHorizons, pooled_at_horizons
from models.training.statistics.arrays import Events, Floats
from models.training.statistics.baseline import Baseline

FEWEST_AT_LANDMARK = 20  # S11 is served only where at least so many are still followed without a recurrence,
FEWEST_RECURRENCES_AFTER = 5  # and so many of them have one within the horizons


@dataclass(frozen=True, slots=True)
class FittedLandmark:
    """What a cohort shows from a landmark on: who is at risk then, and who has a recurrence within the horizons.

    `served` is None where the landmark is not given, and `reason` says why.
    """

    days: int
    at_risk: int
    recurrences: int
    served: AtHorizons | None = None
    reason: str = ""


def fitted_landmarks(bases: Sequence[Baseline], time: Floats, event: Events) -> tuple[FittedLandmark, ...]:
    """The baselines from each landmark of S11; time (n,) in years and event (n,) of their cohort.

    `bases` are the fit's, one for each completed set, pooled as those from time zero are.
    """
    landmarks = []
    for days in LANDMARKS:
        since = days / DAYS_PER_YEAR
        until = since + YEARS[-1]
        at_risk = int((time > since).sum())
        recurrences = int((event & (time > since) & (time <= until)).sum())
        served, reason = None, ""
        if at_risk < FEWEST_AT_LANDMARK:
            reason = f"{at_risk} at risk, at least {FEWEST_AT_LANDMARK} are needed"
        elif recurrences < FEWEST_RECURRENCES_AFTER:
            least = f"at least {FEWEST_RECURRENCES_AFTER} are needed"
            reason = f"{recurrences} recurrences in the {YEARS[-1]:g} years after it, {least}"
        elif bases[0].last < until:
            reason = f"nobody was followed for {YEARS[-1]:g} years after it"
        else:
            try:
                served = pooled_at_horizons(bases, YEARS, since)
            except TrainingError:
                reason = "no recurrence in one of the years after it"
        landmarks.append(FittedLandmark(days, at_risk, recurrences, served, reason))
    return tuple(landmarks)
