"""Read the tables that a clinician edits, and say in one sentence where one of them is wrong."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
MARKS = frozenset({"published", "derived", "assumed"})


class TableError(ValueError):
    """A table is wrong: which file, which row (the header is row 1; 0: the file as a whole), and what to do."""

    def __init__(self, file: str, row: int, message: str) -> None:
        self.file = file
        self.row = row
        self.message = message
        where = f"{file}, row {row}" if row else file
        super().__init__(f"{where}: {message}")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a CSV table, by column name; no cell is empty."""

    file: str
    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def error(self, message: str) -> TableError:
        """Make the error that names this row."""
        return TableError(self.file, self.number, message)


def read_rows(file: Path, columns: Iterable[str]) -> tuple[TableRow, ...]:
    """Read the rows of a CSV file with a header line. Columns that nobody asked for are left alone.

    Raises TableError if the file cannot be read, a column is missing or there twice, a cell is empty or cannot be seen
    as it is, or a row has too many cells.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return tuple(_rows(file.name, lines, tuple(columns)))
    except OSError as error:
        raise TableError(file.name, 0, f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        why = "a quotation mark is not closed" if isinstance(error, csv.Error) else "it is not UTF-8"
        raise TableError(file.name, 0, f"cannot be read, {why}: save it as UTF-8 CSV") from error


def _rows(file: str, lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[TableRow]:
    reader = csv.DictReader(lines, strict=True)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise TableError(
            file,
            1,
            f"column {', '.join(missing)} is missing: the header must name {', '.join(columns)}, between commas",
        )
    if twice := [column for column in columns if (reader.fieldnames or ()).count(column) > 1]:
        raise TableError(file, 1, f"column {twice[0]} stands twice: delete one")
    for cells in reader:
        number = reader.line_num
        if None in cells:
            raise TableError(
                file, number, "has more cells than the header: put a text with a comma in quotes"
            )
        row = {column: (cells[column] or "").strip() for column in columns}
        empty = [column for column, cell in row.items() if not cell]
        if empty:
            raise TableError(file, number, f"{', '.join(empty)} is empty: fill it in or delete the row")
        if broken := [column for column, cell in row.items() if _UNSEEN.search(cell)]:
            raise TableError(
                file, number, f"{broken[0]} holds a line break or another character that is not seen"
            )
        yield TableRow(file, number, row)
