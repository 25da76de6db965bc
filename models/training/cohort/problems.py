"""What is wrong in a table, in one sentence: by column what, how often and where, with the bad values that may be shown."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from models.training.cohort.schema import Problem
from models.training.cohort.table import Table

_LINES, _VALUES, _KINDS = 5, 5, 10  # at most so many are named
_LONGEST = 24  # a longer text is a remark, and may be about somebody
_NUMBER = re.compile(r"[-+]?[\d.,]{1,6}", re.ASCII)
_DIGITS = 3  # more digits in a text may be a date of birth or a number of a patient
_OFTEN = 3  # a text that stands in fewer rows may be a name
_NEVER = frozenset({"id", "time_zero", "end_date", "death_date"})


def sentence(table: Table, own_names: Mapping[str, str], problems: Sequence[Problem]) -> str:
    """Every problem by column and kind, in the order of the file; `own_names` are ours → the file's."""
    order = {own: number for number, own in enumerate(table.columns)}
    kinds: dict[tuple[int, str, str], list[int]] = {}
    for problem in problems:
        own = own_names.get(problem.column, problem.column)
        kinds.setdefault((order.get(own, len(order)), own, problem.sentence), []).append(problem.place)
    by_place = dict(zip(table.places, table.rows, strict=True))
    hidden = {own for name, own in own_names.items() if name in _NEVER}
    said = []
    in_order = sorted(kinds.items(), key=lambda kind: (kind[0][0], min(kind[1])))
    for (number, own, what), places in in_order[:_KINDS]:
        written = table.as_written(own) if own in order else own
        cells = [by_place[place][number] for place in places] if own in order and own not in hidden else []
        shown = showable(cells)[:_VALUES]
        there = f"; there stands {', '.join(shown)}" if shown else ""
        said.append(f"{_places(table.unit, places)}, column {written}: {what}{there}")
    more = f"; and {len(kinds) - _KINDS} more kinds of problems" if len(kinds) > _KINDS else ""
    return f"{table.name}, {'; '.join(said)}{more}"


def showable(cells: Sequence[str]) -> list[str]:
    """The distinct cells that may be shown, the most frequent first: short numbers, and short texts that repeat.

    An id, a date, a name or a remark is not repeated in a message.
    """
    counted = Counter(cell for cell in cells if cell)
    return [
        cell
        for cell, count in counted.most_common()
        if _NUMBER.fullmatch(cell)
        or (count >= _OFTEN and len(cell) <= _LONGEST and sum(sign.isdigit() for sign in cell) <= _DIGITS)
    ]


def _places(unit: str, places: Sequence[int]) -> str:
    if len(places) == 1:
        return f"{unit} {places[0]}"
    named = ", ".join(map(str, sorted(places)[:_LINES]))
    return f"{len(places)} {unit}s ({named}{', …' if len(places) > _LINES else ''})"
