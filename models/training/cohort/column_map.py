"""The map of a hospital's own table: which of its columns is which of ours, and how it writes what (`--map`, TOML).

[file]                            # only what is not found by itself
sheet = "Daten"

[columns.cardiac_involvement]     # our name
column = "Herz beteiligt"         # the file's
values = { "ja (Echo)" = "present" }

[candidates.Zentrum]              # a further column, under the name that tables and reports give it
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from models.training.cohort.forms.file_form import FileForm
from models.training.cohort.forms.written_dates import DateFormat
from models.training.cohort.schema import COLUMNS
from models.training.errors import TrainingError

UNKNOWN = "?"
"""What a draft holds in place of what somebody must say."""
_MAX_BYTES = 1024 * 1024  # MAX_COLUMNS columns of 2 kB


class MappedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of the file: its name there (empty: the same as ours), and how it writes what.

    `values` are cells as they stand → what is to be read in their place. `unit` is what tables print beside the name of
    a candidate, `reference` the word of a candidate with which its others are compared.
    """

    column: str = ""
    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    date_format: DateFormat = ""
    unit: str = ""
    reference: str = ""


class ColumnMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole map: `columns` by our names, `candidates` by the names that they are to have."""

    file: FileForm = FileForm()
    columns: Mapping[str, MappedColumn] = msgspec.field(default_factory=dict)
    candidates: Mapping[str, MappedColumn] = msgspec.field(default_factory=dict)

    def with_columns(self, columns: Mapping[str, str]) -> "ColumnMap":
        """The same, and these of our names are other columns of the file."""
        own = {name: replace(self.columns.get(name, MappedColumn()), column=c) for name, c in columns.items()}
        return replace(self, columns={**self.columns, **own})

    def rule(self, name: str) -> MappedColumn:
        """How one of our columns, or a candidate, is written."""
        return self.columns.get(name) or self.candidates.get(name) or MappedColumn()


def read_map(path: Path) -> ColumnMap:
    """Read and check a map. Raises TrainingError, which names the file and the key."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise TrainingError(
                f"{path.name} is larger than {_MAX_BYTES // 1024**2} MiB: that is no map of columns"
            )
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        column_map = msgspec.convert(content, ColumnMap)
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise TrainingError(f"{path.name} is no map of columns: {error}") from None
    for name, column in column_map.columns.items():
        if name not in COLUMNS:
            raise TrainingError(
                f"{path.name}: {name} is no column of the data dictionary; these are: {', '.join(COLUMNS)}"
            )
        if not column.column:
            raise TrainingError(f"{path.name}, columns.{name}: say which `column` of the file it is")
    unanswered = [
        f"{kind}.{name}"
        for kind, columns in (("columns", column_map.columns), ("candidates", column_map.candidates))
        for name, column in columns.items()
        if UNKNOWN in {column.column, *column.values.values()}
    ]
    if unanswered:
        raise TrainingError(
            f"{path.name}: question marks are left in {', '.join(unanswered)}: put the file's column, or what a value"
            " means, in their place"
        )
    return column_map
