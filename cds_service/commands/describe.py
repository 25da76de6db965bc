"""What `imnm-cds describe` does: the characteristics of a cohort, as tables of at most 80 columns or as JSON."""

import re
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.commands.cohort import CohortSource
from cds_service.commands.progress import progress_bars
from cds_service.terminal import print_json
from fhir_mapping.cohort.titre_text import titre_reader
from fhir_mapping.terms import load_tables
from models.training.cohort.column_map import UNKNOWN, ColumnMap
from models.training.cohort.describe import TableOne, table_one
from models.training.cohort.draft import draft_map
from models.training.cohort.read import read_table
from models.training.cohort.table import MAX_ROWS
from models.training.errors import TrainingError
from models.training.plain_json import as_json
from models.training.report.describe_text import tables
from models.training.report.export import table_files, write_files

SCHEMA = "imnm-cds-table-one/1"
_WIDEST_WORD = 12  # "Seronegative"; a longer name of a column is broken


def run_describe(
    source: CohortSource, console: Console, *, as_json_object: bool = False, out: Path | None = None
) -> None:
    """Read a cohort and print what it is like, and write its tables into a folder if one is named. Raises TrainingError."""
    with progress_bars() as progress:
        described = table_one(source.read(progress))
    if out:
        write_files(out, table_files(described))
    if as_json_object:
        print_json({"schema": SCHEMA, **as_json(described)}, indent=1)
    else:
        show(console, described)


def run_draft(source: CohortSource, out: Path, console: Console) -> None:
    """Write a draft of the map of a table's columns to a new file. Raises TrainingError; then nothing is written."""
    if source.path.is_dir():
        raise TrainingError(f"{source.path.name} is a folder: a map is for a table")
    if out.exists():
        raise TrainingError(f"{out} is there already: name another file")
    given = source.column_map() or ColumnMap()
    table = read_table(source.path, given.file, max_rows=source.max_rows or MAX_ROWS)
    text = draft_map(table, given.file, titre_reader(load_tables()))
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise TrainingError(f"{out} cannot be written ({error.strerror}); name another file") from None
    open_questions = text.count(f'= "{UNKNOWN}"')
    console.print(
        Text(f"Written: {out}. {open_questions} question marks are to be answered; then: --map {out}"),
        soft_wrap=True,
    )


def show(console: Console, described: TableOne) -> None:
    """Print the flow, then every table with its notes."""
    who = f"{described.cohort}{', synthetic patients' if described.synthetic else ''}"
    console.print(Text(f"{who}, followed from {described.time_zero}", style="bold"))
    for step in described.flow:
        why = f", {step.taken_out} taken out: {step.reason}" if step.taken_out else ""
        console.print(Text(f"  {step.left} {step.step}{why}"))
    for content in tables(described):
        console.print()
        console.print(Text(content.title, style="bold"))
        lines = [content.columns, *content.rows]
        table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
        for column, head in enumerate(content.columns):
            longest = max((len(word) for line in lines for word in line[column].split()), default=1)
            table.add_column(Text(head), overflow="fold", min_width=min(longest, _WIDEST_WORD))
        for row in content.rows:
            # a level of the row above is set in
            table.add_row(*(Text(re.sub("^– ", "  ", cell)) for cell in row))
        console.print(table)
        console.print(Text(content.note, style="dim"))
    if described.unused:
        console.print(Text(f"Columns that were not read: {', '.join(described.unused)}."))
