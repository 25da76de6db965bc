"""A cohort file → its cells as text, with the place of every row: CSV or Parquet, read strictly."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from models.training.errors import TrainingError

MAX_ROWS = 20_000  # four times the largest myositis register; 1,000 resamples of so many take 160 MB
MAX_COLUMNS = 500  # a cohort has four predictors and some candidates: more is another kind of file
MAX_BYTES = 64 * 1024 * 1024  # MAX_ROWS rows of 3 kB

_PARQUET = frozenset({".parquet", ".pq"})
_FOREIGN = {
    b"PK\x03\x04": "is an Excel workbook or an archive: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook: save it as CSV (UTF-8)",
    b"\x1f\x8b": "is compressed: unpack it first",
    b"\xff\xfe": "is in UTF-16: save it as UTF-8",
    b"\xfe\xff": "is in UTF-16: save it as UTF-8",
    b"PAR1": "is a Parquet file: give it the ending .parquet",
}
_NUMBER = re.compile(r"[-+]?[0-9.]+")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file as text. `places` is the number of each row's `unit`: the line of a CSV file, from 1."""

    name: str
    unit: str  # "line", "row", "file"
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]


def read_table(path: Path, *, max_rows: int = MAX_ROWS) -> Table:
    """Read a CSV or Parquet file. Raises TrainingError with one sentence that names the file and the line."""
    if path.is_dir():
        raise TrainingError(f"{path.name} is a folder: give a file, or a folder of FHIR Bundles or NDJSON")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TrainingError(f"{path.name} is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort")
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read: {error.strerror}") from None
    read = _parquet if path.suffix.lower() in _PARQUET else _csv
    try:
        return read(path, data, max_rows)
    except _UnusableFileError as error:
        raise TrainingError(f"{path.name}: {error}") from None


def as_table(
    name: str, unit: str, rows: Sequence[Mapping[str, str]], places: Sequence[int], digest: str
) -> Table:
    """Rows that were read elsewhere, all with the same columns."""
    columns = tuple(rows[0]) if rows else ()
    cells = tuple(tuple(row[column] for column in columns) for row in rows)
    return Table(name, unit, digest, columns, cells, tuple(places))


class _UnusableFileError(ValueError):
    """The rest of a sentence that begins with the name of the file."""


def _csv(path: Path, data: bytes, max_rows: int) -> Table:
    text = _text(data)
    header, *lines = _records(text, max_rows) or [(1, [])]
    columns = _columns(header[1])
    for place, cells in lines:
        if len(cells) != len(columns):
            raise _UnusableFileError(
                f"line {place} has {len(cells)} cells under a header of {len(columns)}; put a cell that holds"
                " a comma in quotes, and write numbers with a decimal point"
            )
    rows = tuple(tuple(cell.strip() for cell in cells) for _, cells in lines)
    places = tuple(place for place, _ in lines)
    return Table(path.name, "line", sha256(data).hexdigest(), columns, rows, places)


def _text(data: bytes) -> str:
    for begin, sentence in _FOREIGN.items():
        if data.startswith(begin):
            raise _UnusableFileError(sentence)
    if not data.strip():
        raise _UnusableFileError("the file is empty")
    if b"\0" in data:
        raise _UnusableFileError(f"line {_line(data, data.index(0))} holds a NUL byte: this is no text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnusableFileError(
            f"line {_line(data, error.start)} is not UTF-8: save the file as UTF-8"
        ) from None


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _records(text: str, max_rows: int) -> list[tuple[int, list[str]]]:
    """Every record with the line it begins on; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    while True:
        place = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _UnusableFileError(f"line {place} is not CSV: {error}") from None
        if cells is None:
            return records
        if not records and len(cells) == 1:
            for separator, name in _SEPARATORS.items():
                if separator in cells[0]:
                    raise _UnusableFileError(f"the columns are separated by {name}: save it with commas")
        if cells:
            records.append((place, cells))
        if len(records) > max_rows + 1:
            raise _UnusableFileError(f"more than {max_rows} rows: that is no cohort, or raise max_rows")


def _columns(header: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns in lower case, each once."""
    columns = tuple(cell.strip().lower() for cell in header)
    if len(columns) > MAX_COLUMNS:
        raise _UnusableFileError(f"{len(columns)} columns; at most {MAX_COLUMNS} are read")
    if "" in columns:
        raise _UnusableFileError(
            f"column {columns.index('') + 1} has no name: name it in the header or take it out"
        )
    if any(_NUMBER.fullmatch(name) for name in columns):
        raise _UnusableFileError("the first line holds numbers: it must name the columns")
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise _UnusableFileError(f"two columns are called {twice[0]}: take one out")
    return columns


def _parquet(path: Path, data: bytes, max_rows: int) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        columns = _columns(file.schema_arrow.names)
        if file.metadata.num_rows > max_rows:
            raise _UnusableFileError(f"more than {max_rows} rows: that is no cohort, or raise max_rows")
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(group).total_byte_size for group in groups) > MAX_BYTES:
            raise _UnusableFileError(
                f"unpacked it is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort"
            )
        cells = [[_cell(value) for value in column.to_pylist()] for column in file.read().columns]
    except (pa.ArrowException, OSError) as error:
        raise _UnusableFileError("this is no Parquet file, or a broken one") from error
    rows = tuple(zip(*cells, strict=True))
    return Table(path.name, "row", sha256(data).hexdigest(), columns, rows, tuple(range(1, len(rows) + 1)))


def _cell(value: Any) -> str:
    """A value of Parquet as CSV would have it; what is neither text, number nor date is nothing we can read."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case str():
            return value.strip()
        case int() | float():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case _:
            return "(neither text, number nor date)"
