"""A text file with a separator → its cells: how it is encoded, what separates its cells, its records."""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from models.training.cohort.forms.file_form import SEPARATORS, FileForm
from models.training.cohort.table import Table, UnusableFileError, make_table

_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, or one with a password: save it as .xlsx without one, or as CSV",
    b"\x1f\x8b": "is compressed: unpack it first",
    b"PAR1": "is a Parquet file: give it the ending .parquet",
}
_SAID = re.compile(rf"sep=([{''.join(SEPARATORS)}])(?:\r\n|\n|\r)", re.IGNORECASE)
"""The first line by which Excel is told the separator; it is no header."""
_BY_MARK = ((BOM_UTF8, "utf-8-sig"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))


def read_text_file(name: str, data: bytes, form: FileForm, max_rows: int) -> Table:
    """Read it. Raises UnusableFileError."""
    text = _text(data, form)
    if said := _SAID.match(text):  # the line stays, empty: lines keep their numbers
        text = "\n" + text[said.end() :]
    separator = form.separator or (said[1] if said else "") or _separator(text)
    (_, header), *lines = _records(text, separator, max_rows) or [(1, [])]
    # A decimal comma among commas would be in quotes everywhere: nobody writes so
    return make_table(name, "line", data, header, lines, "." if separator == "," else "")


def _separator(text: str) -> str:
    """What parts the header into most cells. Raises UnusableFileError where several signs do."""
    widths = {}
    for sign in SEPARATORS:
        try:
            header = next(csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=sign), [])
            widths[sign] = len(header)
        except csv.Error:
            widths[sign] = 0
    most = max(widths.values())
    separator, *others = [sign for sign, width in widths.items() if width == most]
    if others and most > 1:
        named = " or ".join(SEPARATORS[sign] for sign in (separator, *others))
        raise UnusableFileError(f"the cells may be separated by {named}: name the separator in a map")
    return separator


def _text(data: bytes, form: FileForm) -> str:
    """The text: in the encoding that is given, or by its byte order mark, else UTF-8, else Windows-1252."""
    for begin, sentence in _FOREIGN.items():
        if data.startswith(begin):
            raise UnusableFileError(sentence)
    if not data.strip():
        raise UnusableFileError("the file is empty")
    by_mark = next((encoding for mark, encoding in _BY_MARK if data.startswith(mark)), "")
    encodings = [by_mark or form.encoding] if by_mark or form.encoding else ["utf-8", "windows-1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            continue
        if "\0" in text:
            place = text.count("\n", 0, text.index("\0")) + 1
            raise UnusableFileError(f"line {place} holds a NUL byte: this is no text file")
        return text
    raise UnusableFileError(
        f"line {line} cannot be read as {' or '.join(encodings)}: save the file as UTF-8, or name its encoding in a map"
    )


def _records(text: str, separator: str, max_rows: int) -> list[tuple[int, list[str]]]:
    """Every record with the line it begins on; lines without anything in them are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, list[str]]] = []
    while True:
        place = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UnusableFileError(f"line {place} is not CSV: {error}") from None
        if cells is None:
            return records
        if any(cell.strip() for cell in cells):
            records.append((place, cells))
        if len(records) > max_rows + 1:
            raise UnusableFileError(
                f"more than {max_rows} rows: that is no cohort, or raise max_rows (--max-rows)"
            )
