"""What `imnm-cds describe` does: the characteristics of a cohort, as tables of at most 80 columns or as JSON."""

import json
import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.commands.progress import progress_bars
from cds_service.commands.train import CohortSource
from models.training.cohort.describe import TableOne, table_one
from models.training.report.describe_text import TextTable, tables
from models.training.validation.validation import as_json

SCHEMA = "imnm-cds-table-one/1"
_WIDEST_WORD = 12  # "Seronegative"; a longer name of a column is broken


def run_describe(source: CohortSource, console: Console, *, as_json_object: bool = False) -> None:
    """Read a cohort and print what it is like. Raises TrainingError."""
    with progress_bars() as report:
        found = table_one(source.read(report))
    if as_json_object:
        document = {"schema": SCHEMA, **as_json(found)}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    else:
        show(console, found)


def show(console: Console, found: TableOne) -> None:
    """Print the flow, then every table with its notes."""
    console.print(Text(f"{found.cohort}, followed from {found.time_zero}", style="bold"))
    for step in found.flow:
        why = f", {step.taken_out} taken out: {step.reason}" if step.taken_out else ""
        console.print(Text(f"  {step.left} {step.step}{why}"))
    for table in tables(found):
        _show_table(console, table)
    if found.unused:
        console.print(Text(f"Columns that were not read: {', '.join(found.unused)}."))


def _show_table(console: Console, described: TextTable) -> None:
    console.print()
    console.print(Text(described.title, style="bold"))
    lines = [described.columns, *described.rows]
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for column, head in enumerate(described.columns):
        longest = max((len(word) for line in lines for word in line[column].split()), default=1)
        table.add_column(Text(head), overflow="fold", min_width=min(longest, _WIDEST_WORD))
    for row in described.rows:
        table.add_row(*map(_text, row))
    console.print(table)
    console.print(Text(described.note, style="dim"))


def _text(cell: str) -> Text:
    """A level of the row above is set in."""
    return Text(cell.replace("– ", "  ", 1) if cell.startswith("– ") else cell)
