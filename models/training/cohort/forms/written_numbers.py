"""Numbers as a table writes them, with a decimal point or comma and signs between thousands → with a decimal point.

"1.280" is 1.28 or 1,280. What the other numbers of its column are like decides, else those of the whole file.
"""

import re
from collections.abc import Iterable
from typing import Literal

DecimalSign = Literal["", ".", ","]

_GAP = "[ '\u2019\u00a0\u202f]"
_HEAD = r"[1-9]\d{0,2}"  # before the first separator of thousands: 0.280 is no 280
_WHOLE = re.compile(rf"[-+]?(?:\d+(?:e[-+]?\d+)?|{_HEAD}(?:{_GAP}\d{{3}})+)", re.ASCII | re.IGNORECASE)
_BY_SIGN = {
    sign: re.compile(
        rf"[-+]?(?:\d+|{_HEAD}(?:(?:{other}|{_GAP})\d{{3}})+)?{point}\d*(?:e[-+]?\d+)?"
        rf"|[-+]?{_HEAD}(?:{other}\d{{3}})+(?:{point}\d*)?",
        re.ASCII | re.IGNORECASE,
    )
    for sign, point, other in ((".", r"\.", ","), (",", ",", r"\."))
}
_SEPARATORS = re.compile(rf"{_GAP}|[.,]")
_GAPS = re.compile(_GAP)
_OTHER: dict[str, DecimalSign] = {".": ",", ",": "."}


def decimal_signs(cells: Iterable[str]) -> frozenset[DecimalSign]:
    """The signs before decimals that these cells prove; a cell with two readings proves none."""
    signs: set[DecimalSign] = set()
    for cell in cells:
        if len(readings := _signs_of(cell)) == 1:
            signs |= readings
    return frozenset(signs)


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number in some writing."""
    return bool(_WHOLE.fullmatch(cell) or _signs_of(cell))


def with_decimal_point(cell: str, sign: DecimalSign) -> str | None:
    """The number with a decimal point; None where it has two readings and no sign decides. No number stays as it is."""
    if _WHOLE.fullmatch(cell):
        return _GAPS.sub("", cell)
    readings = _signs_of(cell)
    if not readings:
        return cell
    if sign not in readings:
        if len(readings) > 1:
            return None
        if sign:
            return cell  # a decimal comma among decimal points is no number here
        (sign,) = readings
    return _GAPS.sub("", cell).replace(_OTHER[sign], "").replace(sign, ".")


def _signs_of(cell: str) -> frozenset[DecimalSign]:
    """By which signs before decimals a cell with a separator is a number."""
    if not _SEPARATORS.search(cell) or not any(sign.isdigit() for sign in cell):
        return frozenset()
    signs: tuple[DecimalSign, ...] = (".", ",")
    return frozenset(sign for sign in signs if _BY_SIGN[sign].fullmatch(cell))
