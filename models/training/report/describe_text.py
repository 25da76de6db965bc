"""Table 1 as texts: the same rows for the terminal and for the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10

from models.training.cohort.describe import PER, Cell, Characteristic, Contrast, Quartiles, TableOne
from models.training.report.words import written, written_p

DASH = "–"
_MARKS = {
    "chi-square": "c",
    "Fisher's exact": "f",
    "Kruskal-Wallis": "k",
    "Wilcoxon rank sum": "w",
}


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts: the first cell of a row is its heading; one that begins with a dash is a level of the row above."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def tables(described: TableOne) -> tuple[TextTable, ...]:
    """Follow-up, then the characteristics by each thing that they are given by."""
    # In every table, also where it stands alone, its first head says whose patients are not real
    who = "Synthetic patients" if described.synthetic else ""
    texts = [_follow_up(described, who)]
    for contrast in described.contrasts:
        heads = [f"{_first_upper(group.label)} n = {group.n}" for group in (described.all, *contrast.groups)]
        texts.append(
            TextTable(
                title=f"Characteristics by {contrast.label}",
                columns=(who, *heads, "SMD", "p", described.adjustment),
                rows=tuple(tuple(line) for row in contrast.rows for line in _lines(row)),
                note=" ".join(_notes(described, contrast)),
            )
        )
    return tuple(texts)


def _follow_up(described: TableOne, who: str) -> TextTable:
    by_subtype = [group for c in described.contrasts if c.by == "subtype" for group in c.groups]
    groups = [described.all, *by_subtype]
    names = (
        "Patients",
        "Recurrences",
        "Deaths without recurrence",
        "Person-years",
        f"Recurrences per {PER:.0f} person-years",
        "Years of follow-up",
    )
    columns = []
    for group in groups:
        seen = group.follow_up
        columns.append(
            (
                str(group.n),
                str(seen.recurrences),
                str(seen.deaths),
                written(seen.person_years, 1),
                f"{written(seen.rate, 1)} ({written(seen.low, 1)}, {written(seen.high, 1)})",
                _quartiles(seen.years),
            )
        )
    return TextTable(
        title="Follow-up",
        columns=(who, *(_first_upper(group.label) for group in groups)),
        rows=tuple(zip(names, *columns, strict=True)),
        note="Rates with exact 95 % Poisson limits. Years of follow-up: median (quartiles) by reverse Kaplan-Meier; "
        "–: not reached.",
    )


def _lines(row: Characteristic) -> Iterator[list[str]]:
    """The row itself; of words with more than two levels a row for each; then how many are missing, where any are."""
    cells = (row.all, *row.groups)
    size = DASH if row.largest is None else written(row.largest, 2)
    p = DASH if row.test.p is None else f"{written_p(row.test.p)} {_MARKS[row.test.name]}"
    ending = [size, p, DASH if row.p_adjusted is None else written_p(row.p_adjusted)]
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
    return DASH if share is None else f"{cell.counts[level]} ({written(share, 0, percent=True)} %)"


def _quartiles(of: Quartiles) -> str:
    """Two decimals below 10, one below 100; more where there would be nothing left; whole numbers in full."""
    if of.lower is of.median is of.upper is None:
        return DASH
    texts = []
    for value in (of.lower, of.median, of.upper):
        if value is None:
            texts.append(DASH)
        elif value == round(value):
            texts.append(written(value, 0))
        else:
            magnitude = floor(log10(abs(value)))
            texts.append(written(value, max(0, min(2, 2 - magnitude), -magnitude)))
    lower, median, upper = texts
    return f"{median} ({lower}, {upper})"


def _notes(described: TableOne, contrast: Contrast) -> Iterator[str]:
    used = {row.test.name for row in contrast.rows if row.test.p is not None}
    yield "Counts (%) or medians (quartiles); these, differences and tests leave out missing values."
    yield "SMD: standardised difference" + (
        ", the largest of the pairs." if len(contrast.groups) > 2 else "."  # noqa: PLR2004
    )
    if used:
        yield "Tests: " + ", ".join(f"{mark} {name}" for name, mark in _MARKS.items() if name in used) + "."
        yield f"{described.adjustment}: p adjusted by {described.adjustment}'s method for the {contrast.tests} tests of this table."
    for row in contrast.rows:
        if row.test.reason:
            yield f"{row.label}: not tested, {row.test.reason}."
    if contrast.left_out:
        yield f"{contrast.left_out} patients without a known {contrast.label} are in no group."
    if contrast.by == "recurrence":
        yield (
            "Who was followed for longer had more time for a recurrence: this table ignores it, hazard ratios do not."
        )
    if small := [cell for cell in described.small_cells if cell.by == contrast.by]:
        cells = "; ".join(f"{c.column} {c.level}, {c.group}: {c.count}" for c in small)
        yield f"Cells below 5, in which persons might be recognised: {cells}."


def _first_upper(text: str) -> str:
    return text if "-" in text else text[:1].upper() + text[1:]
