"""`imnm-cds describe`: Table 1 by antibody subtype and by recurrence, with follow-up, missingness and comparisons.

Shares, quartiles (R's type 7), differences and tests leave out missing values, which are counted for every column and
group. Follow-up is described by the reverse Kaplan-Meier method, rates have exact Poisson limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from models.training.cohort.cohort import PREDICTORS, Cohort, FlowStep
from models.training.cohort.schema import CENSORED, COLUMNS, DEATH, RECURRENCE, SUBTYPES, CohortRow, extra
from models.training.statistics.arrays import Counts, Floats, Members
from models.training.statistics.comparing import (
    Tested,
    compare_counts,
    compare_numbers,
    difference_of_counts,
    difference_of_numbers,
    holm,
)
from models.training.statistics.limits import poisson_limits
from models.training.statistics.survival import kaplan_meier

FEWEST_IN_A_CELL = 5  # smaller cells are named, because persons might be recognised in them
_MOST_WORDS = 50  # of a column of centres or other groups; more are free text
PER = 100.0  # person-years of a rate
_ADJUSTMENT = "Holm"
_YES_OR_NO = ("absent", "present")

Kind = Literal["yes or no", "word", "number"]


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Lower quartile, median, upper quartile; None: not reached, or nobody."""

    lower: float | None = None
    median: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What happened in a group. `rate` is recurrences per 100 person-years with exact 95 % limits.

    `years` are quartiles of follow-up by reverse Kaplan-Meier: recurrence and death end the observation of it.
    """

    recurrences: int
    deaths: int
    person_years: float
    rate: float
    low: float
    high: float
    years: Quartiles


@dataclass(frozen=True, slots=True)
class Group:
    """A group of patients, or all of them."""

    label: str
    n: int
    follow_up: FollowUp


@dataclass(frozen=True, slots=True)
class Cell:
    """One column in one group: how many known and missing; counts and shares of its levels, or quartiles of numbers."""

    known: int
    missing: int
    counts: tuple[int, ...] = ()
    shares: tuple[float | None, ...] = ()
    quartiles: Quartiles = Quartiles()


@dataclass(frozen=True, slots=True)
class Difference:
    """The standardised difference of two groups, by label; None: not defined."""

    first: str
    second: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One column over the groups. `levels` are those of words (yes or no: absent, present); `largest` is of |value|."""

    name: str
    label: str
    kind: Kind
    unit: str
    levels: tuple[str, ...]
    all: Cell
    groups: tuple[Cell, ...]
    differences: tuple[Difference, ...]
    largest: float | None
    test: Tested
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class Contrast:
    """The cohort by one thing. `left_out` have no known value of it; `tests` is the size of the family of p-values."""

    by: Literal["subtype", "recurrence"]
    label: str
    groups: tuple[Group, ...]
    left_out: int
    rows: tuple[Characteristic, ...]
    tests: int


@dataclass(frozen=True, slots=True)
class SmallCell:
    """A count below five: of which level of which column, in which group."""

    by: str
    group: str
    column: str
    level: str
    count: int


@dataclass(frozen=True, slots=True)
class TableOne:
    """The characteristics of a cohort. `contrasts` lack the one by subtype where no subtype is known.

    `synthetic`: the patients are not real.
    """

    cohort: str
    sha256: str
    time_zero: str
    flow: tuple[FlowStep, ...]
    all: Group
    contrasts: tuple[Contrast, ...]
    adjustment: str
    small_cells: tuple[SmallCell, ...]
    unused: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class _Column:
    """Values (n,), nan: missing; of words the number of the level."""

    name: str
    label: str
    kind: Kind
    unit: str
    levels: tuple[str, ...]
    values: Floats

    def counts(self, members: Members) -> Counts:
        known = self.values[members & ~np.isnan(self.values)]
        return np.bincount(known.astype(np.int64), minlength=len(self.levels))

    def numbers(self, members: Members) -> Floats:
        return np.asarray(self.values[members & ~np.isnan(self.values)])


def table_one(cohort: Cohort) -> TableOne:
    """Describe a cohort: all of it, by antibody subtype where any is known, and by recurrence."""
    subtype = np.array(cohort.subtype)
    by_subtype = {name: subtype == name for name in SUBTYPES if (subtype == name).any()}
    by_recurrence = {"recurrence": cohort.event, "no recurrence": ~cohort.event}
    columns = _columns(cohort)
    contrasts = []
    if by_subtype:
        others = [column for column in columns if column.name != "subtype"]
        contrasts.append(_contrast(cohort, "subtype", "antibody subtype", by_subtype, others))
    seen = {label: members for label, members in by_recurrence.items() if members.any()}
    contrasts.append(_contrast(cohort, "recurrence", "recurrence during follow-up", seen, columns))
    small = [
        SmallCell(contrast.by, group.label, row.label, level, count)
        for contrast in contrasts
        for row in contrast.rows
        for group, cell in zip(contrast.groups, row.groups, strict=True)
        for level, count in zip(row.levels, cell.counts, strict=bool(cell.counts))
        if count < FEWEST_IN_A_CELL
    ]
    return TableOne(
        cohort=cohort.name,
        sha256=cohort.sha256,
        time_zero=cohort.time_zero,
        flow=cohort.flow,
        all=_group("all", cohort, np.ones(len(cohort), dtype=bool)),
        contrasts=tuple(contrasts),
        adjustment=_ADJUSTMENT,
        small_cells=tuple(small),
        unused=cohort.unused,
        synthetic=cohort.synthetic,
    )


def _columns(cohort: Cohort) -> list[_Column]:
    """The predictors, the raw values, the subtype, the candidates: yes or no where they hold nothing but 0 and 1."""
    columns = [
        _Column(name, _label(name), "yes or no", "", _YES_OR_NO, cohort.predictors[name])
        for name in PREDICTORS
    ]
    for name, values in {**cohort.raw, **cohort.beside}.items():
        declared = extra(name)
        if declared["type"] == "yes or no":
            columns.append(_Column(name, _label(name), "yes or no", "", _YES_OR_NO, values))
            continue
        unit = str(declared["unit"])
        columns.append(_Column(name, _label(name), "number", "" if unit == "1" else unit, (), values))
    if any(cohort.subtype):
        numbers = {name: float(number) for number, name in enumerate(SUBTYPES)}
        values = np.array([numbers.get(name, np.nan) for name in cohort.subtype])
        columns.append(_Column("subtype", _label("subtype"), "word", "", SUBTYPES, values))
    for name, words in cohort.groups.items():
        if any(words) and len(set(words)) <= _MOST_WORDS:
            levels = tuple(sorted(set(filter(None, words))))
            values = np.array([levels.index(word) if word else np.nan for word in words])
            columns.append(_Column(name, _label(name), "word", "", levels, values))
    indicators = {name for own, each in cohort.categories.items() for name in each.indicators(own)}
    columns += [
        _Column(name, name, "word", "", each.levels, each.values) for name, each in cohort.categories.items()
    ]
    for name, values in cohort.candidates.items():
        if name in indicators or name in cohort.beside:
            continue
        if np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
            columns.append(_Column(name, name, "yes or no", "", _YES_OR_NO, values))
        else:
            columns.append(_Column(name, name, "number", cohort.units.get(name, ""), (), values))
    return columns


def _label(name: str) -> str:
    meaning = CohortRow.model_fields[name].description if name in COLUMNS else None
    return (meaning or name).removesuffix(" at time zero").removesuffix(", at time zero").split(",")[0]


def _contrast(
    cohort: Cohort,
    by: Literal["subtype", "recurrence"],
    label: str,
    members: dict[str, Members],
    columns: Sequence[_Column],
) -> Contrast:
    rows = [_characteristic(column, members) for column in columns]
    tested = [index for index, row in enumerate(rows) if row.test.p is not None]
    adjusted = holm([p for row in rows if (p := row.test.p) is not None])
    for index, p in zip(tested, adjusted, strict=True):
        rows[index] = replace(rows[index], p_adjusted=p)
    return Contrast(
        by=by,
        label=label,
        groups=tuple(_group(name, cohort, inside) for name, inside in members.items()),
        left_out=len(cohort) - sum(int(inside.sum()) for inside in members.values()),
        rows=tuple(rows),
        tests=len(tested),
    )


def _characteristic(column: _Column, members: dict[str, Members]) -> Characteristic:
    if column.kind == "number":
        numbers = {label: column.numbers(inside) for label, inside in members.items()}
        test = compare_numbers(list(numbers.values()))
        differences = tuple(
            Difference(first, second, difference_of_numbers(numbers[first], numbers[second]))
            for first, second in combinations(members, 2)
        )
    else:
        counts = {label: column.counts(inside) for label, inside in members.items()}
        test = compare_counts(np.column_stack(list(counts.values())))
        differences = tuple(
            Difference(first, second, difference_of_counts(counts[first], counts[second]))
            for first, second in combinations(members, 2)
        )
    sizes = [abs(difference.value) for difference in differences if difference.value is not None]
    return Characteristic(
        name=column.name,
        label=column.label,
        kind=column.kind,
        unit=column.unit,
        levels=column.levels,
        all=_cell(column, np.ones(len(column.values), dtype=bool)),
        groups=tuple(_cell(column, inside) for inside in members.values()),
        differences=differences,
        largest=max(sizes) if len(sizes) == len(differences) and sizes else None,
        test=test,
    )


def _cell(column: _Column, members: Members) -> Cell:
    values = column.numbers(members)
    known, missing = len(values), int(members.sum()) - len(values)
    if column.kind == "number":
        return Cell(known, missing, quartiles=quartiles(values))
    counts = tuple(int(count) for count in column.counts(members))
    return Cell(known, missing, counts, tuple(count / known if known else None for count in counts))


def quartiles(values: Floats) -> Quartiles:
    """The quartiles of known values by R's type 7, which is numpy's linear interpolation."""
    if not len(values):
        return Quartiles()
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
    return Quartiles(float(lower), float(median), float(upper))


def _group(label: str, cohort: Cohort, members: Members) -> Group:
    time, status = cohort.time[members], cohort.status[members]
    recurrences, person_years = int((status == RECURRENCE).sum()), float(time.sum())
    low, high = poisson_limits(recurrences)
    followed = kaplan_meier(time, status == CENSORED)  # reversed: had nobody had an event
    return Group(
        label,
        len(time),
        FollowUp(
            recurrences=recurrences,
            deaths=int((status == DEATH).sum()),
            person_years=person_years,
            rate=PER * recurrences / person_years,
            low=PER * low / person_years,
            high=PER * high / person_years,
            years=Quartiles(*(followed.time_of(share) for share in (0.75, 0.5, 0.25))),
        ),
    )
