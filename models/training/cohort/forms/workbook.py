"""An Excel workbook (.xlsx) → the cells of one of its sheets, by python-calamine: values alone, no formula is computed.

Of the readers calamine is the one that is kept up, needs no further package and reads in memory-safe code; openpyxl had its last
release in June 2024. calamine gives a cell with an error as empty, and a formula that no program has computed yet.
Neither is a missing value, so these cells are looked up in the sheet.
"""

import io
import re
import zlib
from collections.abc import Sequence
from zipfile import BadZipFile, ZipFile

from models.training.cohort.forms.file_form import FileForm
from models.training.cohort.forms.typed_cells import as_text
from models.training.cohort.table import MAX_BYTES, MAX_COLUMNS, Table, UnusableFileError, make_table

_AROUND = 1000  # rows above, below and between those of patients that may be empty
_MEMBERS = 10_000  # files in the archive; a workbook has some dozens
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*?\br:id=\"([^\"]+)\"")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^<>]*>")
_ERROR = re.compile(
    rb"<(?:\w+:)?c\s([^<>]*\bt=\"e\"[^<>]*)>(?:<(?:\w+:)?f[^<>]*/>|<(?:\w+:)?f[^<>]*>[^<]*</(?:\w+:)?f>)?<(?:\w+:)?v>([^<]{1,20})<"
)
_NOT_COMPUTED = re.compile(
    rb"<(?:\w+:)?c\s((?![^<>]*\bt=\"str\")[^<>]*)>(?:<(?:\w+:)?f[^<>]*/>|<(?:\w+:)?f[^<>]*>[^<]*</(?:\w+:)?f>)"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?</"
)
"""A formula without a value; one whose value is an empty text says so."""
_NO_RESULT = b"#FORMULA!"
_PLACE = re.compile(rb"\br=\"([A-Z]{1,3})([0-9]{1,7})\"")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|is)>")
_ROW = re.compile(rb"<(?:\w+:)?row\s[^<>]*?\br=\"([0-9]{1,9})\"")


def read_workbook(name: str, data: bytes, form: FileForm, max_rows: int) -> Table:
    """Read the only sheet that holds anything, or the one that the map names. Raises UnusableFileError."""
    from python_calamine import CalamineError, load_workbook

    try:
        parts = _parts(data)
        with load_workbook(io.BytesIO(data)) as workbook:
            index = _index(form.sheet, workbook.sheet_names, [bool(_VALUE.search(part)) for part in parts])
            _require_near(parts[index], max_rows)
            sheet = workbook.get_sheet_by_index(index)
            merged = sheet.merged_cell_ranges or ()
            cells = [[as_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    except (
        BadZipFile,
        CalamineError,
        IndexError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise UnusableFileError(
            "this is no Excel workbook (.xlsx) that can be read, or a broken one"
        ) from error
    for (row, column), text in _errors(parts[index]).items():
        if row < len(cells) and column < len(cells[row]):
            cells[row][column] = text
    first = next((number for number, row in enumerate(cells) if any(row)), None)
    if first is None:
        raise UnusableFileError("the sheet is empty")
    if any(start[0] <= first <= end[0] for start, end in merged):
        raise UnusableFileError(
            f"cells of the header (row {first + 1}) are merged: each column needs a name of its own"
        )
    starts = [start for start, _ in merged if first < start[0] < len(cells)]
    if below := [row + 1 for row, column in starts if any(cells[row][column : column + 1])]:
        raise UnusableFileError(f"cells of row {min(below)} are merged: all but one of them would be empty")
    return make_table(name, "row", data, cells[first], enumerate(cells[first + 1 :], start=first + 2))


def _parts(data: bytes) -> list[bytes]:
    """The XML of every sheet, in the order of the workbook. Raises KeyError for an archive that is no workbook."""
    archive = ZipFile(io.BytesIO(data))
    members = archive.infolist()
    if len(members) > _MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
        raise UnusableFileError(f"unpacked it is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort")
    targets = {
        _attribute(b"Id", relation): _attribute(b"Target", relation).decode()
        for relation in _RELATION.findall(archive.read(_RELATIONS))
    }
    sheets = [targets[key] for key in _SHEET.findall(archive.read(_WORKBOOK))]
    return [archive.read(path.removeprefix("/") if path.startswith("/") else f"xl/{path}") for path in sheets]


def _require_near(part: bytes, max_rows: int) -> None:
    """Refuse a sheet that reaches far, before calamine makes room for all the cells in between."""
    rows = max((int(row[1]) for row in _ROW.finditer(part)), default=0)
    # The longest letters, of these the last in the alphabet
    _, last = max(((len(place[1]), place[1]) for place in _PLACE.finditer(part)), default=(0, b""))
    width = _column(last.decode()) + 1
    if rows > max_rows + _AROUND or width > MAX_COLUMNS:
        raise UnusableFileError(
            f"the sheet reaches over {rows} rows and {width} columns; at most {max_rows} and {MAX_COLUMNS} are read:"
            " delete what lies beyond the table"
        )


def _index(wanted: str, names: Sequence[str], filled: Sequence[bool]) -> int:
    """The place of the sheet to read among all."""
    if wanted:
        if wanted not in names:
            raise UnusableFileError(f"there is no sheet {wanted}; there are: {', '.join(names)}")
        return names.index(wanted)
    some = [number for number, has_cells in enumerate(filled) if has_cells]
    if len(some) > 1:
        sheets = ", ".join(names[number] for number in some)
        raise UnusableFileError(f"there are {len(some)} sheets: {sheets}; name one as `sheet` in a map")
    return some[0] if some else 0


def _errors(part: bytes) -> dict[tuple[int, int], str]:
    """The cells of a sheet that hold an error such as #DIV/0!, or a formula without a value, by row and column from 0."""
    errors = {}
    not_computed = [(attributes, _NO_RESULT) for attributes in _NOT_COMPUTED.findall(part)]
    for attributes, text in (*_ERROR.findall(part), *not_computed):
        place = _PLACE.search(attributes)
        if place is None:
            raise UnusableFileError(
                f"a cell holds the error {text.decode()}, and the file does not say which one"
            )
        errors[int(place[2]) - 1, _column(place[1].decode())] = text.decode()
    return errors


def _attribute(name: bytes, element: bytes) -> bytes:
    value = re.search(rb"\b" + name + rb"=\"([^\"]*)\"", element)
    return value[1] if value else b""


def _column(letters: str) -> int:
    """The number of a column from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
