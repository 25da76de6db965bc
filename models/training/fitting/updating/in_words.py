"""What the recalibration steps found, in sentences: for the terminal, the model card and the report."""

from collections.abc import Mapping
from typing import Any, TypedDict

from models.training.fitting.updating.recalibration import REJECTED_BELOW, Recalibration, Step
from models.training.plain_json import NotNegative, Probability
from models.training.statistics.limits import with_limits

_CHANGED: Mapping[Step, str] = {
    "nothing": "nothing is changed: the given model is served as it is",
    "in the large": "the baseline hazard is changed, the hazard ratios stay",
    "intercept and slope": "the baseline hazard is changed, and all log hazard ratios by one factor",
    "refit": "the given model is replaced by a fit to these patients",
}


class RecordedTest(TypedDict):
    """A step against the largest that can be estimated."""

    step: Step
    chi_square: float
    degrees: int
    p: Probability


class RecordedSteps(TypedDict):
    """Of the steps as the record of the fit keeps them, what is put into sentences."""

    step: Step
    largest: Step
    ratio: NotNegative
    ratio_limits: tuple[NotNegative, NotNegative]
    slope: float | None
    slope_limits: tuple[float, float] | None
    tests: tuple[RecordedTest, ...]
    rejected_below: float


def recorded(recalibration: Recalibration) -> dict[str, Any]:
    """The steps as the record of the fit keeps them."""
    return {
        "step": recalibration.step,
        "largest": recalibration.largest,
        "observed": recalibration.observed,
        "expected": recalibration.expected,
        "ratio": recalibration.ratio,
        "ratio_limits": recalibration.ratio_limits,
        "slope": recalibration.slope,
        "slope_limits": recalibration.slope_limits,
        "log_likelihoods": recalibration.log_likelihoods,
        "tests": recalibration.tests,
        "rejected_below": REJECTED_BELOW,
    }


def in_words(record: RecordedSteps) -> list[str]:
    """How the given model fits and what was changed, a sentence each, from the record."""
    ratio = with_limits(record["ratio"], *record["ratio_limits"])
    slope = "no finite estimate"
    if record["slope"] is not None and record["slope_limits"] is not None:
        slope = with_limits(record["slope"], *record["slope_limits"])
    tests = []
    for test in record["tests"]:
        p = "< 0.001" if test["p"] < 0.001 else f"= {test['p']:.3f}"  # noqa: PLR2004 - as a table shows it
        tests.append(f"{test['step']} χ² {test['chi_square']:.2f} on {test['degrees']}, p {p}")
    return [
        (
            f"Under the given model: observed over expected recurrences {ratio}, calibration slope {slope} "
            "(in brackets 95 % limits)."
        ),
        f"Likelihood ratio against {record['largest']}: {'; '.join(tests)}.",
        (
            f"Taken: {record['step']}, the smallest step that is not rejected at {100 * record['rejected_below']:g} %; "
            f"{_CHANGED[record['step']]}."
        ),
    ]
