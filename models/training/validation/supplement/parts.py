"""How risks do in one part of the patients: a centre, a sex, an age group. Numbers with their standard errors."""

from dataclasses import dataclass

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Statuses
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.discrimination import harrell_c
from models.training.statistics.smooth import cloglog
from models.training.statistics.survival import kaplan_meier
from models.training.validation.groups import kaplan_meier_risk
from models.training.validation.subgroups import FEWEST_EVENTS
from models.training.validation.validation import Measure, estimable, estimated, measure, missing

FEWEST_SHOWN = 5  # patients: a smaller part is not shown, because persons might be recognised in it


@dataclass(frozen=True, slots=True)
class PartPerformance:
    """Discrimination and calibration in a part of the patients at one horizon; where too few recurred, the reason."""

    n: int
    events: int
    expected: float | None
    observed: Measure
    concordance: Measure
    observed_over_expected: Measure
    slope: Measure


def part_performance(time: Floats, status: Statuses, risk: Floats, horizon: Horizon) -> PartPerformance:
    """Of predicted risks (n,) at a horizon."""
    event = status == 1
    if event.sum() < FEWEST_EVENTS:
        return without_estimate(time, status, f"fewer than {FEWEST_EVENTS} recurrences")
    expected, score = float(risk.mean()), cloglog(risk)
    observed = estimable(lambda: kaplan_meier_risk(time, status, horizon.years))
    if observed.value is not None and observed.low is not None and observed.high is not None:
        curve = kaplan_meier(time, event)
        last = np.searchsorted(curve.times, horizon.years, side="right") - 1
        se = (1 - observed.value) * float(np.sqrt(curve.log_variance[last]))  # Greenwood
        observed = measure(observed.value, se, (observed.low, observed.high))
    return PartPerformance(
        len(time),
        int(event.sum()),
        expected,
        observed,
        estimable(lambda: estimated(harrell_c(time, event, score))),
        estimable(lambda: _over(observed, expected)),
        estimable(lambda: estimated(calibration_slope(time, event, score), measure)),
    )


def without_estimate(time: Floats, status: Statuses, reason: str) -> PartPerformance:
    """Only the counts, and why there is no more."""
    none = missing(reason)
    return PartPerformance(len(time), int((status == 1).sum()), None, none, none, none, none)


def _over(observed: Measure, expected: float) -> Measure:
    if observed.value is None:
        raise TrainingError(observed.reason)
    if observed.se is None or observed.low is None or observed.high is None:
        return measure(observed.value / expected)
    ends = observed.low / expected, observed.high / expected
    return measure(observed.value / expected, observed.se / expected, ends)
