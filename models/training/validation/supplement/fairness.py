"""How the model does by sex, by age group and by any named column, with the differences (TRIPOD+AI, item 14).

Groups are made of different patients, so differences have analytic limits: variances add up, of observed over expected
on the log scale. The reference is the largest group with an estimate. Nothing is adjusted for the number of comparisons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, hypot, log

import numpy as np
from numpy.typing import NDArray

from models.inputs import Horizon
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats
from models.training.statistics.limits import Z
from models.training.validation.supplement.parts import FEWEST_SHOWN, PartPerformance, part_performance
from models.training.validation.validation import Measure, measure, missing

AGES = (50.0, 65.0)
"""From 65 on: the older patients of ICH E7. 50 is assumed, so that the younger ones make two groups."""
OLDEST = 120.0
_MOST_GROUPS = 12  # of one column; more are no groups


@dataclass(frozen=True, slots=True)
class GroupPerformance:
    """One group, and by how much it differs from the reference: C and slope by difference, the O/E by ratio."""

    label: str
    performance: PartPerformance
    concordance_difference: Measure
    ratio_of_observed_over_expected: Measure
    slope_difference: Measure


@dataclass(frozen=True, slots=True)
class GroupsOf:
    """The groups of one column. `small` groups have fewer than five patients and are not shown; `reason`: none is.

    `reference` is the label of the group that the others are compared with; empty where none has an estimate.
    """

    name: str
    label: str
    horizon: str
    groups: tuple[GroupPerformance, ...]
    reference: str
    small: int
    unknown: int
    reason: str = ""


def fairness(
    cohort: Cohort, risk: Floats, horizon: Horizon, ages: Sequence[float] = AGES
) -> tuple[GroupsOf, ...]:
    """The performance of the risks (n,) at a horizon by every known grouping of the cohort but centre."""
    named = [(name, words) for name, words in cohort.groups.items() if name != "centre" and any(words)]
    age = cohort.beside.get("age", np.empty(0))
    if np.isfinite(age).any():
        named.insert(int(bool(named) and named[0][0] == "sex"), ("age", age_groups(age, ages)))
    return tuple(_groups_of(name, np.array(words), cohort, risk, horizon) for name, words in named)


def age_limits(text: str) -> tuple[float, ...]:
    """The limits of age groups as a user writes them, "50,65"; empty: ours. Raises TrainingError."""
    if not text.strip():
        return AGES
    try:
        limits = tuple(float(part) for part in text.split(","))
    except ValueError:
        limits = ()
    rising = all(low < high for low, high in pairwise((0.0, *limits, OLDEST)))
    if not (limits and rising and len(limits) < _MOST_GROUPS):
        raise TrainingError(
            f"age groups: give rising limits in years, like 50,65, at most {_MOST_GROUPS - 1}"
        )
    return limits


def age_groups(age: Floats, cuts: Sequence[float]) -> tuple[str, ...]:
    """The age group of each patient, empty where the age is not known: "under 50", "50 to 64", "65 and over"."""
    names = [
        f"under {cuts[0]:g}",
        *(f"{low:g} to under {high:g}" for low, high in pairwise(cuts)),
        f"{cuts[-1]:g} and over",
    ]
    number = np.searchsorted(cuts, age, side="right")
    return tuple("" if np.isnan(a) else names[k] for a, k in zip(age, number, strict=True))


def _from_youngest(label: str) -> tuple[bool, float, str]:
    """The place of a label: age groups by their ages, whatever their number of digits, words by the alphabet."""
    first = label.partition(" ")[0]
    return not label.startswith("under "), float(first) if first.isdecimal() else 0.0, label


def _groups_of(
    name: str, words: NDArray[np.str_], cohort: Cohort, risk: Floats, horizon: Horizon
) -> GroupsOf:
    label = f"{name[:1].upper()}{name[1:]}"
    labels = np.unique(words[words != ""])
    unknown = int((words == "").sum())
    if len(labels) > _MOST_GROUPS:
        reason = f"more than {_MOST_GROUPS} different values"
        return GroupsOf(name, label, horizon, (), "", 0, unknown, reason)
    parts = {}
    for word in sorted(map(str, labels), key=_from_youngest):
        rows = words == word
        if rows.sum() >= FEWEST_SHOWN:
            parts[word] = part_performance(cohort.time[rows], cohort.status[rows], risk[rows], horizon)
    able = [word for word, part in parts.items() if part.concordance.given]
    reference = max(able, key=lambda word: parts[word].n, default="")
    largest = parts.get(reference)
    groups = []
    for word, part in parts.items():
        if largest is None or part is largest:
            why = "no group to compare with" if largest is None else "the others are compared with it"
            none = missing(why)
            groups.append(GroupPerformance(word, part, none, none, none))
            continue
        concordance = _difference(part.concordance, largest.concordance)
        over = _ratio(part.observed_over_expected, largest.observed_over_expected)
        groups.append(GroupPerformance(word, part, concordance, over, _difference(part.slope, largest.slope)))
    reason = "" if groups else f"no group has {FEWEST_SHOWN} patients"
    small = len(labels) - len(parts)
    return GroupsOf(name, label, horizon, tuple(groups), reference, small, unknown, reason)


def _difference(first: Measure, second: Measure) -> Measure:
    if first.value is None or second.value is None:
        return missing(first.reason or second.reason)
    if first.se is None or second.se is None:
        return measure(first.value - second.value)
    return measure(first.value - second.value, hypot(first.se, second.se))


def _ratio(first: Measure, second: Measure) -> Measure:
    """The ratio of two positive numbers, its limits on the log scale."""
    if first.value is None or second.value is None:
        return missing(first.reason or second.reason)
    if not (first.value > 0 and second.value > 0 and first.se and second.se):
        return missing("not estimable in these data")
    between = log(first.value / second.value)
    width = Z * hypot(first.se / first.value, second.se / second.value)
    return measure(exp(between), limits=(exp(between - width), exp(between + width)))
