"""The arrays that pass between the modules: n patients, p columns, B resamples, k times."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Events = NDArray[np.bool_]
"""Who had the event, (n,)."""
Members = NDArray[np.bool_]
"""Who, or which columns, belong to a group."""
Counts = NDArray[np.int64]
"""How often each patient is in each resample, (B, n); how many are in each cell of a table."""
Statuses = NDArray[np.int64]
"""How follow-up ended, (n,): 0 censored, 1 recurrence, 2 death."""


def plain_numbers(values: Floats) -> tuple[float, ...]:
    """An array (k,) as plain floats."""
    return tuple(float(value) for value in values)
