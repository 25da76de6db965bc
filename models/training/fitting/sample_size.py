"""How many patients the development of a survival model needs: Riley's criteria (Statistics in Medicine 2019).

1. Shrinkage of at least 0.9. 2. An optimism of Nagelkerke's R² of at most 0.05. 3. The overall risk at the horizon
known to within 0.05. As pmsampsize, whose answer rests on 1 and 2: for 3 it reports what that number gives.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

from models.training.errors import TrainingError

SHRINKAGE = 0.9
OPTIMISM = 0.05
MARGIN = 0.05
_Z = 1.96  # rounded as pmsampsize has it, so that answers agree


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Patients for each criterion; `n` is pmsampsize's answer, `margin` how exactly n gives the overall risk."""

    shrinkage: int
    optimism: int
    precision: int
    n: int
    events: float
    events_per_parameter: float
    margin: float


def sample_size(
    r_squared: float, parameters: int, *, rate: float, horizon: float, follow_up: float
) -> SampleSize:
    """Apply the criteria to an expected Cox-Snell R², an event rate, a horizon and a mean follow-up in one unit of time.

    Raises TrainingError without events or follow-up, and for an R² outside what this rate allows.
    """
    if not (rate > 0 and follow_up > 0 and horizon > 0):
        raise TrainingError("a sample size needs an event rate, a follow-up and a horizon above 0")
    largest = _largest_r_squared(rate, follow_up)
    if not 0 < r_squared < min(largest, SHRINKAGE):
        raise TrainingError(f"Cox-Snell's R² must lie between 0 and {largest:.2f} at this event rate")
    first = _for_shrinkage(SHRINKAGE, r_squared, parameters)
    second = _for_shrinkage(r_squared / (r_squared + OPTIMISM * largest), r_squared, parameters)
    n = max(first, second)
    # The smallest number from 1 that is enough, as every larger one is then
    third = 1 + bisect_left(
        range(1, 2**62), x=True, key=lambda people: _margin(people * follow_up, rate, horizon) <= MARGIN
    )
    events = n * follow_up * rate
    return SampleSize(
        first, second, third, n, events, events / parameters, _margin(n * follow_up, rate, horizon)
    )


def _for_shrinkage(shrinkage: float, r_squared: float, parameters: int) -> int:
    return ceil(parameters / ((shrinkage - 1) * log(1 - r_squared / shrinkage)))


def _largest_r_squared(rate: float, follow_up: float) -> float:
    """Cox-Snell's R² of a model without error, as pmsampsize has it: events are counted against people."""
    people = 10_000  # as many as pmsampsize takes, so that rounding agrees
    events = ceil(rate * (follow_up * people)) / people
    return 1 - exp(2 * (events * log(events) - events))


def _margin(person_time: float, rate: float, horizon: float) -> float:
    """The upper 95 % limit of the risk at the horizon, less the risk."""
    upper = rate + _Z * sqrt(rate / person_time)
    return exp(-rate * horizon) - exp(-upper * horizon)
