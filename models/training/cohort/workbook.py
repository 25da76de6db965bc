"""An Excel workbook (.xlsx) → the cells of one of its sheets, by python-calamine: values alone, no formula is computed.

calamine gives a cell with an error as empty. An error is no missing value, so these cells are looked up in the sheet.
"""

import io
import re
from zipfile import BadZipFile, ZipFile

from models.training.cohort.column_map import FileForm
from models.training.cohort.table import MAX_BYTES, MAX_COLUMNS, Table, UnusableFileError, make_table
from models.training.cohort.typed_cells import as_text

_MEMBERS = 10_000  # files in the archive; a workbook has some dozens
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^>]*?\br:id=\"([^\"]+)\"")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
_ERROR = re.compile(
    rb"<(?:\w+:)?c\s([^>]*\bt=\"e\"[^>]*)>(?:<(?:\w+:)?f[^>]*>[^<]*</(?:\w+:)?f>)?<(?:\w+:)?v>([^<]{1,20})<"
)
_PLACE = re.compile(rb"\br=\"([A-Z]{1,3})([0-9]{1,7})\"")


def is_workbook(data: bytes) -> bool:
    """Whether these bytes are a zip archive, as every .xlsx is."""
    return data.startswith(b"PK\x03\x04")


def read_workbook(name: str, data: bytes, form: FileForm, max_rows: int) -> Table:
    """Read the only sheet that holds anything, or the one that the map names. Raises UnusableFileError."""
    from python_calamine import CalamineError, load_workbook

    try:
        archive = ZipFile(io.BytesIO(data))
        _require_small(archive)
        with load_workbook(io.BytesIO(data)) as workbook:
            index = _index(
                form.sheet,
                [(sheet, bool(workbook.get_sheet_by_name(sheet).height)) for sheet in workbook.sheet_names],
            )
            sheet = workbook.get_sheet_by_index(index)
            if sheet.total_height > max_rows + 1 or sheet.total_width > MAX_COLUMNS:
                raise UnusableFileError(
                    f"the sheet reaches over {sheet.total_height} rows and {sheet.total_width} columns; at most"
                    f" {max_rows} and {MAX_COLUMNS} are read: delete what lies beyond the table"
                )
            merged = sheet.merged_cell_ranges or ()
            cells = [[as_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
        errors = _errors(archive, index)
    except (BadZipFile, CalamineError, KeyError, NotImplementedError, RuntimeError) as error:
        raise UnusableFileError(
            "this is no Excel workbook (.xlsx) that can be read, or a broken one"
        ) from error
    for (row, column), text in errors.items():
        if row < len(cells) and column < len(cells[row]):
            cells[row][column] = text
    first = next((number for number, row in enumerate(cells) if any(row)), None)
    if first is None:
        raise UnusableFileError("the sheet is empty")
    if any(start[0] <= first <= end[0] for start, end in merged):
        raise UnusableFileError(
            f"cells of the header (row {first + 1}) are merged: each column needs a name of its own"
        )
    return make_table(name, "row", data, cells[first], enumerate(cells[first + 1 :], start=first + 2))


def _require_small(archive: ZipFile) -> None:
    members = archive.infolist()
    if len(members) > _MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
        raise UnusableFileError(f"unpacked it is larger than {MAX_BYTES // 1024**2} MiB: that is no cohort")


def _index(wanted: str, sheets: list[tuple[str, bool]]) -> int:
    """The place of the sheet to read among all."""
    names = [name for name, _ in sheets]
    if wanted:
        if wanted not in names:
            raise UnusableFileError(f"there is no sheet {wanted}; there are: {', '.join(names)}")
        return names.index(wanted)
    filled = [name for name, has_cells in sheets if has_cells]
    if len(filled) > 1:
        raise UnusableFileError(
            f"there are {len(filled)} sheets: {', '.join(filled)}; name one as `sheet` in a map"
        )
    return names.index(filled[0]) if filled else 0


def _errors(archive: ZipFile, index: int) -> dict[tuple[int, int], str]:
    """The cells of a sheet that hold an error such as #DIV/0!, by row and column from 0.

    Raises KeyError for an archive without the parts that a workbook has.
    """
    sheets = _SHEET.findall(archive.read(_WORKBOOK))
    targets = {
        _attribute(b"Id", relation): _attribute(b"Target", relation)
        for relation in _RELATION.findall(archive.read(_RELATIONS))
    }
    target = targets[sheets[index]].decode() if index < len(sheets) else ""
    part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    found = {}
    for attributes, text in _ERROR.findall(archive.read(part)):
        if place := _PLACE.search(attributes):
            found[int(place[2]) - 1, _column(place[1].decode())] = text.decode()
    return found


def _attribute(name: bytes, element: bytes) -> bytes:
    value = re.search(rb"\b" + name + rb"=\"([^\"]*)\"", element)
    return value[1] if value else b""


def _column(letters: str) -> int:
    """The number of a column from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
