"""Dates as a table writes them → ISO dates. Whether the day or the month stands first is decided by the whole column."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

DateFormat = Literal["", "yyyy-mm-dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "dd-mm-yyyy", "mm-dd-yyyy"]

_TIME = r"(?:[T ]+\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)?"  # the time of day says nothing here
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}", re.ASCII)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}", re.ASCII)
_MONTHS = 12
AMBIGUOUS = "day and month cannot be told apart in this column: say its date_format in a map"


def iso_dates(cells: Sequence[str], form: DateFormat = "") -> tuple[str | None, ...]:
    """The cells as ISO dates; None where day and month may be either. What is no date stays as it is.

    2024-03-31 and 31.03.2024 are plain. Of 31/03/2024 the day stands first if any cell of the column says so, with a
    number above 12, and none says the opposite. `form` says what is written, and nothing else is read then.
    """
    day_first: bool | None = not form.startswith("mm")
    if not form:
        written = [match for cell in cells if (match := _YEAR_LAST.fullmatch(cell)) and match[2] != "."]
        first, second = (any(int(match[place]) > _MONTHS for match in written) for place in (1, 3))
        day_first = None if first == second else first
    return tuple(_iso(cell, day_first, form) for cell in cells)


def _iso(cell: str, day_first: bool | None, form: DateFormat) -> str | None:
    year_first, year_last = _YEAR_FIRST.fullmatch(cell), _YEAR_LAST.fullmatch(cell)
    written = year_first or year_last
    if written is None:
        return cell
    if form:
        sign = next(character for character in form if not character.isalpha())
        if written[2] != sign or bool(year_first) != form.startswith("y"):
            return cell
    if year_first:
        year, month, day = (int(year_first[place]) for place in (1, 3, 4))
    else:
        if not form and written[2] == ".":
            day_first = True
        if day_first is None:
            return None
        day, month = (int(written[place]) for place in ((1, 3) if day_first else (3, 1)))
        year = int(written[4])
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return cell
