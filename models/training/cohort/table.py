"""The cells of a cohort file as text, with the place of every row; its limits, and what its header may be."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from unicodedata import normalize

MAX_ROWS = 20_000  # four times the largest myositis register; 1,000 resamples of so many take 160 MB
MAX_COLUMNS = 500  # a cohort has four predictors and some candidates: more is another kind of file
MAX_BYTES = 64 * 1024 * 1024  # MAX_ROWS rows of 3 kB

SYNTHETIC = "synthetic"
"""The column by which `simulate` says that its patients are not real."""

_NUMBER = re.compile(r"[-+]?[0-9.]+")


class UnusableFileError(ValueError):
    """The rest of a sentence that begins with the name of the file."""


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file as text. `places` is the number of each row's `unit`: the line of a CSV file, from 1.

    `columns` are the names in lower case, by which columns are found; `written` are the same as the file writes them.
    """

    name: str
    unit: str  # "line", "row", "file"
    sha256: str
    columns: tuple[str, ...]
    written: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]
    decimal: Literal["", "."] = ""  # the sign before decimals where the form of the file leaves no other

    @property
    def is_synthetic(self) -> bool:
        """Whether a column of the file, however it is written and whatever it is read as, says that the patients are not real."""
        letters = ("".join(filter(str.isalpha, normalize("NFKC", name))) for name in self.written)
        return any(name.casefold() == SYNTHETIC for name in letters)

    def cells(self, column: str) -> tuple[str, ...]:
        """The cells of a column, by its name in lower case."""
        index = self.columns.index(column)
        return tuple(row[index] for row in self.rows)

    def as_written(self, column: str) -> str:
        """The name of a column as the file writes it."""
        return self.written[self.columns.index(column)]


def make_table(
    name: str,
    unit: str,
    data: bytes,
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    decimal: Literal["", "."] = "",
) -> Table:
    """A table of a header and its rows, each with its place; what is empty at the right and in between is left out.

    Raises UnusableFileError for a header that does not name every column once, or a row of another length.
    """
    names = [" ".join(normalize("NFC", cell).split()) for cell in header]
    # A letter with its accent apart, as a Mac writes it, looks the same and is the same
    kept = [(place, [normalize("NFC", cell).strip() for cell in cells]) for place, cells in rows]
    kept = [(place, cells) for place, cells in kept if any(cells)]
    width = len(names)
    while width and not names[width - 1] and not any(any(cells[width - 1 : width]) for _, cells in kept):
        width -= 1
    columns = _columns(names[:width])
    for place, cells in kept:
        if len(cells) < width or any(cells[len(names) :]):
            raise UnusableFileError(
                f"line {place} has {len(cells)} cells under a header of {len(names)}; put a cell that holds the"
                " separator in quotes"
            )
    rest = tuple(tuple(cells[:width]) for _, cells in kept)
    places = tuple(place for place, _ in kept)
    return Table(name, unit, sha256(data).hexdigest(), columns, tuple(names[:width]), rest, places, decimal)


def as_compared(name: str) -> str:
    """A name of a column, or the words of a cell, as they are compared: in lower case, every run of blanks one blank."""
    return " ".join(name.split()).lower()


def _columns(names: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns in lower case, each once."""
    columns = tuple(map(as_compared, names))
    if len(columns) > MAX_COLUMNS:
        raise UnusableFileError(f"{len(columns)} columns; at most {MAX_COLUMNS} are read")
    if "" in columns:
        raise UnusableFileError(
            f"column {columns.index('') + 1} has no name: name it in the header or take it out"
        )
    if any(_NUMBER.fullmatch(name) for name in columns):
        raise UnusableFileError("the first line holds numbers: it must name the columns")
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise UnusableFileError(f"two columns are called {twice[0]}: take one out")
    return columns
