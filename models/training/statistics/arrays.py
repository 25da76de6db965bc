"""The arrays that pass between the modules: n patients, p columns, B resamples, k times."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.training.errors import TrainingError

Floats = NDArray[np.float64]
Events = NDArray[np.bool_]
"""Who had the event, (n,)."""
Members = NDArray[np.bool_]
"""Who, or which columns, belong to a group."""
Counts = NDArray[np.int64]
"""How often each patient is in each resample, (B, n); how many are in each cell of a table."""
Statuses = NDArray[np.int64]
"""How follow-up ended, (n,): 0 censored, 1 recurrence, 2 death."""


def require_people(n: int) -> None:
    """Refuse an empty group: no statistic is defined of nobody. Raises TrainingError."""
    if not n:
        raise TrainingError("there is nobody to follow")


def standard_error(influence: Floats) -> float:
    """The standard error of a mean by its influence function (n,); nan of one person."""
    return float(influence.std(ddof=1) / np.sqrt(len(influence))) if len(influence) > 1 else float("nan")


def plain_numbers(values: Floats) -> tuple[float, ...]:
    """An array (k,) as plain floats."""
    return tuple(float(value) for value in values)


def cells(p: int) -> Floats:
    """All patterns of p binary predictors as rows of 0 and 1, (2^p, p), in the order of joint tables: 00, 01, 10, 11."""
    return np.array(list(product((0.0, 1.0), repeat=p)))


def patterns(p: int) -> list[str]:
    """The same as keys: "00", "01", "10", "11"."""
    return ["".join(marks) for marks in product("01", repeat=p)]
