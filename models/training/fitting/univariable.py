"""Each predictor alone: a Cox model with one column, on everybody of whom it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import norm

from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.statistics.cox import fit_cox
from models.training.statistics.limits import hazard_ratio


@dataclass(frozen=True, slots=True)
class Univariable:
    """One row of the table: patients and recurrences, hazard ratio with 95 % limits, Wald's p; or `reason` why not.

    The hazard ratio is of present against absent, or for each unit of a candidate that is a number.
    """

    name: str
    n: int
    events: int
    hazard_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""


def univariable_table(cohort: Cohort, names: Sequence[str]) -> tuple[Univariable, ...]:
    """The table of these columns, in their order. Raises TrainingError for a name that is not there."""
    rows = []
    for name in names:
        values = cohort.column(name)
        known = ~np.isnan(values)
        time, event = cohort.time[known], cohort.event[known]
        size = (name, int(known.sum()), int(event.sum()))
        try:
            fit = fit_cox(values[known][:, None], time, event)
        except TrainingError as error:
            rows.append(Univariable(*size, reason=str(error)))
            continue
        log_ratio, se = float(fit.coef[0]), sqrt(float(fit.covariance[0, 0]))
        p = 2 * float(norm.sf(abs(log_ratio) / se))
        rows.append(Univariable(*size, *hazard_ratio(log_ratio, se), p))
    return tuple(rows)
