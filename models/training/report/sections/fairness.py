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
    rows = [_row(of, group) for of in groupings for group in of.groups]
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
    return m.section(
        "fairness",
        "Groups of patients",
        m.listed([_in_words(of) for of in groupings]),
        m.table("Performance by group, and differences (95 % limits)", heads, rows, note=note)
        if rows
        else "",
    )


def _row(of: GroupsOf, group: GroupPerformance) -> list[str]:
    part, itself = group.performance, group.label == of.reference

    def compared(difference: Measure) -> str:
        if itself:
            return _REFERENCE
        return "–" if difference.value is None else m.measure(difference)

    return [
        f"{m.words(of.label)}: {m.words(group.label)}",
        m.number(part.n),
        m.number(part.events),
        m.measure(part.concordance),
        compared(group.concordance_difference),
        m.measure(part.observed_over_expected),
        compared(group.ratio_of_observed_over_expected),
        m.measure(part.slope),
        compared(group.slope_difference),
    ]


def _in_words(of: GroupsOf) -> str:
    """Whether groups differ beyond chance, and who is not in the table."""
    apart = [
        *(f"C in {g.label}" for g in of.groups if _excludes(g.concordance_difference, 0)),
        *(
            f"observed over expected in {g.label}"
            for g in of.groups
            if _excludes(g.ratio_of_observed_over_expected, 1)
        ),
        *(f"slope in {g.label}" for g in of.groups if _excludes(g.slope_difference, 0)),
    ]
    compared = [g for g in of.groups if g.concordance_difference.given]
    if of.reason:
        text = f"not shown, {of.reason}"
    elif not compared:
        text = "no two groups have enough recurrences to be compared"
    elif apart:
        text = f"against {of.reference}, different beyond chance: {'; '.join(apart)}"
    else:
        text = "no difference is larger than chance allows, which is no proof that there is none"
    notes = [f"{of.unknown} not known"] if of.unknown else []
    notes += [f"groups with fewer than five patients not shown: {of.small}"] if of.small else []
    aside = f" ({'; '.join(notes)})" if notes else ""
    return m.words(f"{of.label}: {text}{aside}.")


def _excludes(difference: Measure, nothing: float) -> bool:
    low, high = difference.low, difference.high
    return low is not None and high is not None and not low <= nothing <= high
