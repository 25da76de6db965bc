"""Performance by sex, age and further groups, and what is to be said of their differences."""

from collections.abc import Sequence

from models.training.report import markup as m
from models.training.validation.groups import in_words
from models.training.validation.supplement.fairness import GroupPerformance, GroupsOf
from models.training.validation.validation import Measure

_REFERENCE = "reference"


def fairness(groupings: Sequence[GroupsOf], years: float) -> str:
    """One table of all groups, and a sentence for each grouping; nothing where no group is known."""
    if not groupings:
        return ""
    rows = [_row(grouping, group) for grouping in groupings for group in grouping.groups]
    heads = [
        "Group",
        "Patients",
        "Recurrences",
        "Harrell’s C",
        "Difference of C",
        "Observed over expected",
        "Ratio to the reference",
        "Calibration slope",
        "Difference of slope",
    ]
    note = (
        f"At {in_words(years)}. The reference is the largest group. Patients of two groups are different people, so "
        "differences have analytic limits; no limit allows for the number of comparisons."
    )
    table = ""
    if rows:
        table = m.table("Performance by group, and differences (95 % limits)", heads, rows, note=note)
    return m.section(
        "fairness", "Groups of patients", m.listed([_in_words(grouping) for grouping in groupings]), table
    )


def _row(grouping: GroupsOf, group: GroupPerformance) -> list[str]:
    performance, is_reference = group.performance, group.label == grouping.reference

    def compared(difference: Measure) -> str:
        if is_reference:
            return _REFERENCE
        return "–" if difference.value is None else m.measure(difference)

    return [
        f"{m.words(grouping.label)}: {m.words(group.label)}",
        m.number(performance.n),
        m.number(performance.events),
        m.measure(performance.concordance),
        compared(group.concordance_difference),
        m.measure(performance.observed_over_expected),
        compared(group.ratio_of_observed_over_expected),
        m.measure(performance.slope),
        compared(group.slope_difference),
    ]


def _in_words(grouping: GroupsOf) -> str:
    """Whether groups differ beyond chance, and who is not in the table."""
    groups = grouping.groups
    apart = [f"C in {g.label}" for g in groups if _excludes(g.concordance_difference, 0)]
    apart += [
        f"observed over expected in {g.label}"
        for g in groups
        if _excludes(g.ratio_of_observed_over_expected, 1)
    ]
    apart += [f"slope in {g.label}" for g in groups if _excludes(g.slope_difference, 0)]
    if grouping.reason:
        text = f"not shown, {grouping.reason}"
    elif not any(g.concordance_difference.given for g in groups):
        text = "no two groups have enough recurrences to be compared"
    elif apart:
        text = f"against {grouping.reference}, different beyond chance: {'; '.join(apart)}"
    else:
        text = "no difference is larger than chance allows, which is no proof that there is none"
    notes = [f"{grouping.unknown} not known"] if grouping.unknown else []
    if grouping.small:
        notes.append(f"groups with fewer than five patients not shown: {grouping.small}")
    aside = f" ({'; '.join(notes)})" if notes else ""
    return m.words(f"{grouping.label}: {text}{aside}.")


def _excludes(difference: Measure, nothing: float) -> bool:
    low, high = difference.low, difference.high
    return low is not None and high is not None and not low <= nothing <= high
