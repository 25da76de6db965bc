"""Death before recurrence: what the served risk, which treats death as the end of observation, leaves out.

The served hazard is cause-specific, so 1 - S is the risk if nobody died. Beside it the absolute risk is reported, which
counts that the dead have no recurrence, with the Aalen-Johansen estimate of the whole cohort. Both survivals are
exp(-Λ), F(t|x) = Σ exp(-Λ1(u-) - Λ2(u-)) (1 - exp(-dΛ1)), so that without deaths F is the served risk to the last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.training.cohort.cohort import Cohort
from models.training.cohort.schema import DEATH, RECURRENCE
from models.training.errors import TrainingError
from models.training.fitting.served import YEARS, mean_baseline
from models.training.plain_json import Probability
from models.training.statistics.arrays import Floats, cells, patterns, plain_numbers
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.survival import aalen_johansen, kaplan_meier


@dataclass(frozen=True, slots=True)
class CompetingDeath:
    """Risks by horizon (k,) of the whole cohort, and by pattern of the predictors.

    `hazard` says how the hazard of death was modelled. `served` is 1 - S, `absolute` F(t|x).
    """

    deaths: int
    hazard: str
    kaplan_meier: tuple[float, ...]
    aalen_johansen: tuple[float, ...]
    served: Mapping[str, tuple[float, ...]]
    absolute: Mapping[str, tuple[Probability, ...]]


def competing_death(
    cohort: Cohort,
    names: Sequence[str],
    base: Baseline,
    *,
    fewest_deaths: int,
    sets: Floats | None = None,
) -> CompetingDeath | None:
    """The absolute risks that go with a served baseline; None where nobody died. Complete rows only.

    `sets` (m, n, p) are the predictors where they were imputed: then the hazard of death is the mean over them. With
    fewer than `fewest_deaths`, or where no model of death can be fitted, its hazard has no covariates.
    """
    deaths = int((cohort.status == DEATH).sum())
    if deaths == 0:
        return None
    sets = cohort.matrix(names)[None] if sets is None else sets
    of_death, how = _hazard_of_death(cohort, sets, alone=deaths < fewest_deaths)
    every, names_of_patterns = cells(len(names)), patterns(len(names))
    served = 1 - np.exp(-np.outer(np.exp(every @ base.coef), base.cumulative(YEARS)))
    absolute = absolute_risk(base, of_death, every, YEARS)
    return CompetingDeath(
        deaths,
        how,
        plain_numbers(1 - kaplan_meier(cohort.time, cohort.event).at(YEARS)),
        plain_numbers(aalen_johansen(cohort.time, cohort.status, RECURRENCE).at(YEARS)),
        dict(zip(names_of_patterns, map(plain_numbers, served), strict=True)),
        dict(zip(names_of_patterns, map(plain_numbers, absolute), strict=True)),
    )


def absolute_risk(recurrence: Baseline, death: Baseline, x: Floats, years: Floats) -> Floats:
    """F(t|x) of x (n, p) at years (k,) → (n, k). At equal times recurrences come before deaths."""
    times = np.union1d(recurrence.times, death.times)
    first, second = (np.exp(x @ b.coef)[:, None] * b.cumulative(times) for b in (recurrence, death))
    step = np.diff(first, axis=1, prepend=0.0)
    before = np.exp(-(first - step) - np.hstack([np.zeros((len(x), 1)), second[:, :-1]]))
    risk = np.cumsum(before * -np.expm1(-step), axis=1)
    reached = np.searchsorted(times, years, side="right")
    return np.hstack([np.zeros((len(x), 1)), risk])[:, reached]


def _hazard_of_death(cohort: Cohort, sets: Floats, *, alone: bool) -> tuple[Baseline, str]:
    """The hazard of death, by the predictors where that can be fitted to every set, and what was done."""
    died, p = cohort.status == DEATH, sets.shape[2]
    try:
        fits = [] if alone else [fit_cox(x, cohort.time, died) for x in sets]
    except TrainingError:
        fits = []  # no finite model of death
    if not fits:
        return baseline(np.zeros(p), np.zeros((p, p)), sets[0], cohort.time, died), "one hazard for all"
    bases = [
        baseline(fit.coef, fit.covariance, x, cohort.time, died) for fit, x in zip(fits, sets, strict=True)
    ]
    base = bases[0] if len(bases) == 1 else mean_baseline(bases)
    return base, "a Cox model on the same predictors"
