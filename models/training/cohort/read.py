"""A cohort file → its cells as text: a text file with a separator, an Excel workbook, or Parquet; read strictly."""

import io
from pathlib import Path
from typing import Any

from models.training.cohort.forms.file_form import FileForm
from models.training.cohort.forms.text_file import read_text_file
from models.training.cohort.forms.typed_cells import as_text
from models.training.cohort.forms.workbook import read_workbook
from models.training.cohort.table import MAX_BYTES, Table, UnusableFileError, make_table
from models.training.errors import TrainingError

_PARQUET = frozenset({".parquet", ".pq"})
_ZIP = b"PK\x03\x04"  # every .xlsx is a zip archive


def read_table(path: Path, form: FileForm, *, max_rows: int) -> Table:
    """Read a file; `form` says how it is written where that is not plain to see.

    Raises TrainingError with one sentence that names the file and the line.
    """
    if path.is_dir():
        raise TrainingError(f"{path.name} is a folder: give a file, or a folder of FHIR Bundles or NDJSON")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TrainingError(f"{path.name} is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort")
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read: {error.strerror}") from None
    try:
        if path.suffix.lower() in _PARQUET:
            return _parquet(path.name, data, max_rows)
        if data.startswith(_ZIP):
            return read_workbook(path.name, data, form, max_rows)
        return read_text_file(path.name, data, form, max_rows)
    except UnusableFileError as error:
        raise TrainingError(f"{path.name}: {error}") from None


def _parquet(name: str, data: bytes, max_rows: int) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        if file.metadata.num_rows > max_rows:
            raise UnusableFileError(
                f"more than {max_rows} rows: that is no cohort, or raise max_rows (--max-rows)"
            )
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(group).total_byte_size for group in groups) > MAX_BYTES:
            raise UnusableFileError(
                f"unpacked it is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort"
            )
        names, columns = file.schema_arrow.names, file.read().columns
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnusableFileError("this is no Parquet file, or a broken one") from error
    rows = enumerate(zip(*map(_values, names, columns), strict=True), start=1)
    return make_table(name, "row", data, names, rows)


def _values(name: str, column: Any) -> list[str]:
    """The values of a Parquet column as text. Raises UnusableFileError for one that Python cannot hold."""
    try:
        return [as_text(value) for value in column.to_pylist()]
    except (ArithmeticError, LookupError, ValueError) as error:
        raise UnusableFileError(
            f"column {name} holds a value of no calendar, time zone or encoding: write it as text"
        ) from error
