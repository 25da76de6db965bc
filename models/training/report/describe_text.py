"""Table 1 as texts: the same rows for the terminal and for the report."""

from collections.abc import Iterator, Mapping
from math import floor, log10
from typing import Any

from models.training.cohort.describe import PER, Cell, Contrast, Group, Quartiles, Row, TableOne
from models.training.statistics.comparing import Tested

DASH = "–"
_MARKS = {
    "chi-square": "c",
    "Fisher's exact": "f",
    "Kruskal-Wallis": "k",
    "Wilcoxon rank sum": "w",
}


def tables(found: TableOne) -> tuple[Mapping[str, Any], ...]:
    """Every table with title, columns, rows of texts (the first cell is the heading of its row), and a note."""
    return (_follow_up(found), *(_characteristics(found, contrast) for contrast in found.contrasts))


def _follow_up(found: TableOne) -> Mapping[str, Any]:
    groups = [found.all, *(group for c in found.contrasts if c.by == "subtype" for group in c.groups)]
    rows = {
        "Patients": lambda g: str(g.n),
        "Recurrences": lambda g: str(g.follow_up.recurrences),
        "Deaths without recurrence": lambda g: str(g.follow_up.deaths),
        "Person-years": lambda g: _written(g.follow_up.person_years, 1),
        f"Recurrences per {PER:.0f} person-years": _rate,
        "Years of follow-up": lambda g: _quartiles(g.follow_up.years),
    }
    return {
        "title": "Follow-up",
        "columns": ["", *(_first_upper(group.label) for group in groups)],
        "rows": [[name, *map(text, groups)] for name, text in rows.items()],
        "note": "Rates with exact 95 % Poisson limits. Years of follow-up: median (quartiles) by reverse Kaplan-Meier; "
        "–: not reached.",
    }


def _rate(group: Group) -> str:
    found = group.follow_up
    return f"{_written(found.rate, 1)} ({_written(found.low, 1)}, {_written(found.high, 1)})"


def _characteristics(found: TableOne, contrast: Contrast) -> Mapping[str, Any]:
    heads = [f"{_first_upper(group.label)} n = {group.n}" for group in (found.all, *contrast.groups)]
    return {
        "title": f"Characteristics by {contrast.label}",
        "columns": ["", *heads, "SMD", "p", found.adjustment],
        "rows": [line for row in contrast.rows for line in _lines(row)],
        "note": " ".join(_notes(found, contrast)),
    }


def _lines(row: Row) -> Iterator[list[str]]:
    """The row itself; of words with more than two levels a row for each; then how many are missing, where any are."""
    cells = (row.all, *row.groups)
    size = DASH if row.largest is None else _written(row.largest, 2)
    ending = [size, _p(row.test), DASH if row.p_adjusted is None else _written_p(row.p_adjusted)]
    label = f"{row.label}, {row.unit}" if row.unit else row.label
    if row.kind == "number":
        yield [label, *(_quartiles(cell.quartiles) for cell in cells), *ending]
    elif row.kind == "yes or no":
        yield [label, *(_count(cell, 1) for cell in cells), *ending]
    else:
        yield [label, *("" for _ in cells), *ending]
        for index, level in enumerate(row.levels):
            yield [f"– {level}", *(_count(cell, index) for cell in cells), "", "", ""]
    if row.all.missing:
        yield ["– missing", *(str(cell.missing) for cell in cells), "", "", ""]


def _count(cell: Cell, level: int) -> str:
    share = cell.shares[level]
    return DASH if share is None else f"{cell.counts[level]} ({_written(share, 0, percent=True)} %)"


def _quartiles(found: Quartiles) -> str:
    if found.lower is found.median is found.upper is None:
        return DASH
    lower, median, upper = map(_short, (found.lower, found.median, found.upper))
    return f"{median} ({lower}, {upper})"


def _short(value: float | None) -> str:
    """Two decimals below 10, one below 100; more where there would be nothing left; whole numbers in full."""
    if value is None:
        return DASH
    if value == round(value):
        return _written(value, 0)
    return _written(value, max(0, min(2, 2 - floor(log10(abs(value)))), -floor(log10(abs(value)))))


def _p(test: Tested) -> str:
    return DASH if test.p is None else f"{_written_p(test.p)} {_MARKS[test.name]}"


def _notes(found: TableOne, contrast: Contrast) -> Iterator[str]:
    used = {row.test.name for row in contrast.rows if row.test.p is not None}
    yield "Counts (%) or medians (quartiles); these, differences and tests leave out missing values."
    yield "SMD: standardised difference" + (
        ", the largest of the pairs." if len(contrast.groups) > 2 else "."  # noqa: PLR2004
    )
    if used:
        yield "Tests: " + ", ".join(f"{mark} {name}" for name, mark in _MARKS.items() if name in used) + "."
        yield f"{found.adjustment}: p adjusted by {found.adjustment}'s method for the {contrast.tests} tests of this table."
    for row in contrast.rows:
        if row.test.reason:
            yield f"{row.label}: not tested, {row.test.reason}."
    if contrast.left_out:
        yield f"{contrast.left_out} patients without a known {contrast.label} are in no group."
    if contrast.by == "recurrence":
        yield (
            "Who was followed for longer had more time for a recurrence: this table ignores it, hazard ratios do not."
        )
    if small := [cell for cell in found.small_cells if cell.by == contrast.by]:
        cells = "; ".join(f"{c.column} {c.level}, {c.group}: {c.count}" for c in small)
        yield f"Cells below 5, in which persons might be recognised: {cells}."


# The report imports this module, and importing any part of the report imports all of it: so only when it is needed.


def _written(value: float, decimals: int, *, percent: bool = False) -> str:
    from models.training.report.words import written

    return written(value, decimals, percent=percent)


def _written_p(p: float) -> str:
    from models.training.report.words import written_p

    return written_p(p)


def _first_upper(text: str) -> str:
    return text if "-" in text else text[:1].upper() + text[1:]
