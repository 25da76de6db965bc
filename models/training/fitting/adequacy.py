"""What a cohort must have for a model to be fitted to it, and what is said of one that has only just enough."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from models.artefact import Policy
from models.training.cohort.cohort import Cohort
from models.training.cohort.schema import DEATH
from models.training.errors import TrainingError
from models.training.fitting.served import YEARS
from models.training.statistics.arrays import Floats

# With few events hazard ratios are too large and unstable: Peduzzi et al. 1995 (10 for each parameter), Vittinghoff and
# McCulloch 2007 (5 to 9 are bearable). In simulated cohorts with 19 recurrences the risk of one person was 14 points off.
LEAST_RECURRENCES = 20
LEAST_PER_PARAMETER = 5
COMFORTABLE_PER_PARAMETER = 10
FEWEST_AT_RISK = 10  # at the last horizon: with fewer its hazard rests on single patients
_LAST = YEARS[-1]


def require_recurrences(cohort: Cohort, parameters: int) -> None:
    """Refuse a cohort with too few recurrences for so many parameters. Raises TrainingError."""
    events, needed = int(cohort.event.sum()), max(LEAST_RECURRENCES, LEAST_PER_PARAMETER * parameters)
    if events < needed:
        raise TrainingError(
            f"{cohort.name}: {events} recurrences in {len(cohort)} patients analysed; at "
            f"least {needed} are needed ({LEAST_RECURRENCES}, and {LEAST_PER_PARAMETER} for each parameter)"
        )


def require_horizons(cohort: Cohort) -> None:
    """Refuse a cohort without follow-up to the last horizon, or a year without a recurrence. Raises TrainingError."""
    begin = 0.0
    if cohort.time.max() < _LAST:
        raise TrainingError(
            f"{cohort.name}: nobody was followed for {_LAST:g} years, the last horizon of the model"
        )
    for end in YEARS:
        if not ((cohort.time > begin) & (cohort.time <= end) & cohort.event).any():
            raise TrainingError(
                f"{cohort.name}: no recurrence from {begin:g} to {end:g} years; the baseline hazard at 1, 2 and 3 "
                "years needs one in each year"
            )
        begin = end


def require_contrast(cohort: Cohort, names: Sequence[str], *, separation: bool = False) -> None:
    """Refuse a predictor that does not vary or, unless `separation` is bearable, separates. Raises TrainingError."""
    for name in names:
        present = cohort.column(name) > 0
        if present.all() or not present.any():
            raise TrainingError(
                f"{cohort.name}: {name} is {'present' if present.any() else 'absent'} in all {len(cohort)} patients "
                "analysed of whom it is known; it cannot be a predictor here"
            )
        for group, word in ((present, "with"), (~present, "without")):
            if not (separation or cohort.event[group].any()):
                raise TrainingError(
                    f"{cohort.name}: no recurrence in the patients {word} {name}, so its hazard ratio has no finite "
                    "estimate; use firth (--firth)"
                )


def require_difference(cohort: Cohort, names: Sequence[str]) -> None:
    """Refuse two predictors of which one follows from the other in every patient. Raises TrainingError."""
    for first, second in combinations(names, 2):
        same = cohort.column(first) == cohort.column(second)
        if same.all() or not same.any():
            word = "the same" if same.all() else "opposite"
            raise TrainingError(
                f"{cohort.name}: {first} and {second} are {word} in all {len(cohort)} patients: their effects cannot be told apart"
            )


def warnings_on_size(cohort: Cohort, parameters: int) -> list[str]:
    """What is to be said of the number of recurrences, of follow-up, and of deaths."""
    warnings, n, events = [], len(cohort), int(cohort.event.sum())
    if events < COMFORTABLE_PER_PARAMETER * parameters:
        warnings.append(
            f"{events} recurrences are fewer than {COMFORTABLE_PER_PARAMETER} for each of {parameters} parameters: "
            "risks of single patients are unreliable"
        )
    at_risk = int((cohort.time >= _LAST).sum())
    if at_risk < FEWEST_AT_RISK:
        warnings.append(
            f"only {at_risk} patients were followed for {_LAST:g} years: the risk there rests on them"
        )
    deaths = int((cohort.status == DEATH).sum())
    if deaths:
        warnings.append(
            f"{deaths} of {n} patients died before a recurrence; the served risk is that if nobody died"
        )
    return warnings


def warnings_on_bands(policy: Policy, coef: Floats, hazard: float) -> list[str]:
    """What is to be said where no pattern of predictors has a risk in the low band: nobody could be followed less.

    `coef` (p,) are log hazard ratios, `hazard` is the cumulative baseline hazard at the decision horizon.
    """
    lowest = float(-np.expm1(-hazard * np.exp(np.minimum(coef, 0).sum())))
    if lowest < policy.low_below:
        return []
    risk, below = f"{100 * lowest:.1f} %", f"{100 * policy.low_below:g} %"
    return [f"no pattern of predictors is low: the lowest 2-year risk is {risk}, and low is below {below}"]
