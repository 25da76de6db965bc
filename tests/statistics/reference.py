"""`python -m tests.statistics.reference [FOLDER]`: compute every number of a folder that R computed, and compare.

Prints the largest difference of each quantity with its tolerance and exits with status 1 if a row lies outside, unless
datasets.toml says why it need not be met. `--write` puts the table of the default folder into docs/statistics.md.
"""

import argparse
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from models.training.errors import TrainingError
from tests.statistics.datasets import DEFAULT, Folder, Row, read
from tests.statistics.quantities import answer

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
BEGIN, END = "<!-- begin: python -m tests.statistics.reference --write -->", "<!-- end -->"
HEADER = ("model", "quantity", "rows", "largest difference", "tolerance", "of the SE", "tolerance", "outside")
ROUNDING = 1e-10  # differences below this are rounding, and other machines round otherwise


@dataclass(frozen=True)
class Outcome:
    """A row with what we make of it; `reason` is why it need not be met."""

    row: Row
    difference: float = math.nan
    se_difference: float | None = None
    reason: str = ""
    failed: str = ""

    @property
    def met(self) -> bool:
        """Value and standard error within tolerance; an SE without a tolerance of its own has the value's.

        Where R has no value there must be none here either: nan, or a sentence that says why.
        """
        row = self.row
        if math.isnan(row.value):
            return not self.failed
        if self.failed or row.tolerance is None or not self.difference <= row.tolerance:
            return False
        return self.se_difference is None or self.se_difference <= _se_tolerance(row)


def _se_tolerance(row: Row) -> float:
    return row.tolerance if row.se_tolerance is None else row.se_tolerance


def check(folder: Folder) -> list[Outcome]:
    """Compare every row of a folder."""
    return [compare(folder, row) for row in folder.rows]


def compare(folder: Folder, row: Row) -> Outcome:
    """Compare one row."""
    if reason := folder.not_met.get((row.dataset, row.model)):
        return Outcome(row, reason=reason)
    try:
        value, se = answer(folder.datasets[row.dataset], row)
    except TrainingError as error:
        return Outcome(row, failed="" if math.isnan(row.value) else f"TrainingError: {error}")
    except (KeyError, ValueError) as error:
        return Outcome(row, failed=f"{type(error).__name__}: {error}")
    if math.isnan(row.value):
        return Outcome(row, failed="" if math.isnan(value) else f"R has no value, and here it is {value:.6g}")
    of_se = None if se is None or row.se is None else abs(se - row.se)
    return Outcome(row, abs(value - row.value), of_se)


def table(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    """One line for each model and quantity, in the order of the file."""
    groups: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.row.model, outcome.row.quantity].append(outcome)
    lines = [_line(*key, group) for key, group in groups.items()]
    outside = sum(not (o.met or o.reason) for o in outcomes)
    return [*lines, ("all", "", str(sum(not o.reason for o in outcomes)), "", "", "", "", str(outside))]


def _line(model: str, quantity: str, group: list[Outcome]) -> tuple[str, ...]:
    if all(o.reason for o in group):
        return (model, quantity, "0", "-", "-", "-", "-", f"{len(group)} not compared")
    compared = [o for o in group if not o.reason]
    errors = [o.se_difference for o in compared if o.se_difference is not None]
    return (
        model,
        quantity,
        str(len(compared)),
        number(max((o.difference for o in compared if not math.isnan(o.difference)), default=math.nan)),
        _tolerance({o.row.tolerance for o in compared}),
        number(max(errors)) if errors else "-",
        _tolerance({_se_tolerance(o.row) for o in compared}) if errors else "-",
        str(sum(not o.met for o in compared)),
    )


def number(difference: float) -> str:
    """Two digits, or that it is rounding."""
    if math.isnan(difference):
        return "no value"
    return "0" if difference == 0 else f"< {ROUNDING:.0e}" if difference < ROUNDING else f"{difference:.1e}"


def _tolerance(values: set[float | None]) -> str:
    return ", ".join("none" if v is None else f"{v:g}" for v in sorted(values, key=lambda v: v or 0))


def markdown(lines: list[tuple[str, ...]], folder: Folder) -> str:
    """The table as it stands in the document, and the rows that are not compared with the reason."""
    rows = [HEADER, ("---",) * len(HEADER), *lines]
    reasons = [f"- `{d}`, `{m}`: {reason}." for (d, m), reason in folder.not_met.items()]
    return "\n".join(["| " + " | ".join(r) + " |" for r in rows] + ["", "Not compared:", "", *reasons])


def in_document(text: str, generated: str) -> str:
    """A document with the generated part put in its place."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{generated}\n{END}{tail}"


def show(lines: list[tuple[str, ...]], outcomes: list[Outcome]) -> None:
    """Print the table, then each row outside."""
    widths = [max(len(line[k]) for line in [HEADER, *lines]) for k in range(len(HEADER))]
    for line in [HEADER, *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for o in outcomes:
        if not (o.met or o.reason):
            print(f"OUTSIDE {o.failed} {o.row} difference {o.difference:.2g}, of the SE {o.se_difference}")
    for reason in dict.fromkeys(o.reason for o in outcomes if o.reason):
        print(f"not compared, {sum(o.reason == reason for o in outcomes)} rows: {reason}")


def main(arguments: list[str]) -> int:
    """Check a folder; status 1 if a row lies outside its tolerance."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.reference", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--write", action="store_true", help="write the table into docs/statistics.md")
    options = parser.parse_args(arguments)
    folder = read(options.folder)
    outcomes = check(folder)
    lines = table(outcomes)
    show(lines, outcomes)
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(in_document(text, markdown(lines, folder)), encoding="utf-8")
    return int(any(not (o.met or o.reason) for o in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
