"""Excel workbooks as Excel writes them, small and always the same bytes: what the reader is tested with."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_STYLES = (
    f'<styleSheet {_MAIN}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/>'
    '</borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
_FIRST_DAY = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel knows no time zones


@dataclass(frozen=True)
class ErrorCell:
    """A cell whose formula ended in an error."""

    text: str = "#DIV/0!"


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]], merged: str = "") -> bytes:
    """A workbook with these sheets, each a list of rows; `merged` is a range of the first one, like A1:B1."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _parts(sheets, merged).items():
            archive.writestr(
                zipfile.ZipInfo(name),
                compress_type=zipfile.ZIP_DEFLATED,
                data=f'<?xml version="1.0" encoding="UTF-8"?>{text}',
            )
    return out.getvalue()


def _parts(sheets: Mapping[str, Sequence[Sequence[Any]]], merged: str) -> dict[str, str]:
    numbers = range(1, len(sheets) + 1)
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = {"/xl/workbook.xml": "sheet.main", "/xl/styles.xml": "styles"}
    overrides |= {f"/xl/worksheets/sheet{n}.xml": "worksheet" for n in numbers}
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, name in zip(numbers, sheets, strict=True)
    )
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        + "".join(f'<Override PartName="{k}" ContentType="{types}.{v}+xml"/>' for k, v in overrides.items())
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}<Relationship'
        f' Id="rId99" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": _STYLES,
    }
    for n, rows in zip(numbers, sheets.values(), strict=True):
        cells = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged and n == 1 else ""
        parts[f"xl/worksheets/sheet{n}.xml"] = _sheet(rows, cells)
    return parts


def _sheet(rows: Sequence[Sequence[Any]], after: str) -> str:
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = (_cell(f"{_letters(column)}{number}", value) for column, value in enumerate(row))
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    return f"<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData>{after}</worksheet>"


def _cell(place: str, value: Any) -> str:
    match value:
        case None | "":
            return ""
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case ErrorCell():
            return f'<c r="{place}" t="e"><f>A1/0</f><v>{value.text}</v></c>'
        case int() | float():
            return f'<c r="{place}"><v>{value!r}</v></c>'
        case datetime():
            return f'<c r="{place}" s="2"><v>{(value - _FIRST_DAY).total_seconds() / 86400!r}</v></c>'
        case date():
            return f'<c r="{place}" s="1"><v>{(value - _FIRST_DAY.date()).days}</v></c>'
        case _:
            return (
                f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
            )


def _letters(column: int) -> str:
    first, last = divmod(column, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)
