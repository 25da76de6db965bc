"""One result of those in several completed sets, by Rubin's rules."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from models.training.validation.validation import Measure, UnitMeasure, measure, unit_measure

Result = TypeVar("Result")


def pooled(several: Sequence[Result]) -> Result:
    """Results of one shape, nested dataclasses and tuples, as one of that shape.

    Measures are pooled by Rubin's rules, numbers are averaged, whole ones rounded. Where one set has no number there is
    none; where the sets differ in how many there are, and for words, the first set stands for all.
    """
    if len(several) == 1:
        return several[0]
    result: Result = _pooled(several)
    return result


def _pooled(several: Sequence[Any]) -> Any:
    first = several[0]
    if isinstance(first, Measure):
        return _measure(several)
    if is_dataclass(first):
        names = [f.name for f in fields(first)]
        return type(first)(**{n: _pooled([getattr(result, n) for result in several]) for n in names})  # type: ignore[misc]
    if isinstance(first, tuple):
        alike = all(len(result) == len(first) for result in several)
        return tuple(_pooled(column) for column in zip(*several, strict=True)) if alike else first
    if any(result is None for result in several):
        return None
    if isinstance(first, int):
        return round(float(np.mean(several)))
    return float(np.mean(several)) if isinstance(first, float) else first


def _measure(several: Sequence[Measure]) -> Measure:
    if len(set(several)) == 1:
        return several[0]  # what was not imputed keeps the limits of its own scale
    values = [estimate.value for estimate in several if estimate.value is not None]
    if len(values) < len(several):
        return next(estimate for estimate in several if estimate.value is None)
    errors = [estimate.se for estimate in several if estimate.se is not None]
    value = float(np.mean(values))
    if len(errors) == len(several):
        within, between = np.mean(np.square(errors)), np.var(values, ddof=1)
        se = float(np.sqrt(within + (1 + 1 / len(values)) * between))
        return unit_measure(value, se) if isinstance(several[0], UnitMeasure) else measure(value, se)
    ends = [
        (estimate.low, estimate.high)
        for estimate in several
        if estimate.low is not None and estimate.high is not None
    ]
    if len(ends) < len(several):
        return measure(value)
    low, high = np.mean(ends, axis=0)
    return measure(value, limits=(float(low), float(high)))
