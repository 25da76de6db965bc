"""The columns of a table as the schema reads them: a map's own words, decimal commas, dates and titres translated.

What cannot be translated stays as it is: the schema's readers refuse it, and say what is accepted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.training.cohort.column_map import ColumnMap
from models.training.cohort.forms.written_dates import AMBIGUOUS, iso_dates
from models.training.cohort.forms.written_numbers import (
    DecimalSign,
    decimal_signs,
    looks_like_number,
    with_decimal_point,
)
from models.training.cohort.schema import Problem, extra, is_missing, presence
from models.training.cohort.table import Table, as_compared

TWO_READINGS = "as 1.280 it may be 1.28 or 1280: say the file's `decimal` in a map"
_NO_TITRE = "neither a titre like 1:320, nor a word for negative, nor empty"


@dataclass(frozen=True, slots=True)
class WrittenTitre:
    """A titre as text: its reciprocal where that is one number, else whether it is high; None: not to be told."""

    reciprocal: float | None
    high: bool | None = None


TitreReader = Callable[[str], WrittenTitre | None]
"""Reads a titre from text; None: there is none in it."""


@dataclass(frozen=True, slots=True)
class TranslatedColumns:
    """Cells by our names and by the names of candidates, in the order of the rows, and what cannot be translated."""

    columns: Mapping[str, Sequence[str]]
    candidates: Mapping[str, Sequence[str]]
    problems: tuple[Problem, ...]


def plain_titre(text: str) -> WrittenTitre | None:
    """`320` or `1:320`: what is read where no reader of laboratory texts is given."""
    number = text.removeprefix("1:")
    return WrittenTitre(float(number)) if number.isascii() and number.isdigit() else None


def translate(
    table: Table,
    own_names: Mapping[str, str],
    candidates: Mapping[str, str],
    column_map: ColumnMap,
    read_titre: TitreReader,
) -> TranslatedColumns:
    """Translate the columns of a table: `own_names` are ours → the file's, `candidates` the same of further columns."""
    said: dict[str, Sequence[str]] = {}
    for name, own in {**own_names, **candidates}.items():
        values = {as_compared(cell): meant for cell, meant in column_map.rule(name).values.items()}
        cells = table.cells(own)
        said[name] = [values.get(as_compared(cell), cell) for cell in cells] if values else cells
    numeric = [name for name in own_names if _kind(name) == "number" and name != "ana_titre"]
    numeric += [name for name in candidates if _is_numeric(said[name])]
    signs = {name: _agreed(decimal_signs(said[name])) for name in numeric}
    of_file = _agreed(frozenset(sign for sign in signs.values() if sign)) or table.decimal
    problems: list[Problem] = []

    def column(name: str) -> Sequence[str]:
        cells, place = said[name], own_names.get(name) or candidates[name]
        if name in signs:
            sign = column_map.file.decimal or signs[name] or of_file
            return _checked(
                table, place, [with_decimal_point(c, sign) for c in cells], TWO_READINGS, problems
            )
        if _kind(name) == "date":
            dates = iso_dates(cells, column_map.rule(name).date_format)
            return _checked(table, place, dates, AMBIGUOUS, problems)
        return cells

    columns = {name: column(name) for name in own_names}
    if "ana_titre" in own_names:
        columns |= _titres(table, own_names["ana_titre"], columns, read_titre, problems)
    return TranslatedColumns(columns, {name: column(name) for name in candidates}, tuple(problems))


def _kind(name: str) -> str:
    try:
        return str(extra(name)["type"])
    except KeyError:
        return ""


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a further column holds numbers: at least half of what is known in it, and not words for yes and no alone."""
    known = [cell for cell in cells if not is_missing(cell)]
    numbers = sum(map(looks_like_number, known))
    return 2 * numbers >= len(known) > 0 and any(presence(cell) is None for cell in known)


def _agreed(signs: frozenset[DecimalSign]) -> DecimalSign:
    return next(iter(signs)) if len(signs) == 1 else ""


def _checked(
    table: Table,
    own: str,
    translated: Sequence[str | None],
    sentence: str,
    problems: list[Problem],
) -> Sequence[str]:
    """The translated cells; one that has two readings is a problem, and empty from then on."""
    for place, cell in zip(table.places, translated, strict=True):
        if cell is None:
            problems.append(Problem(place, own, sentence))
    return [cell if cell is not None else "" for cell in translated]


def _titres(
    table: Table,
    own: str,
    columns: Mapping[str, Sequence[str]],
    read_titre: TitreReader,
    problems: list[Problem],
) -> dict[str, Sequence[str]]:
    """The reciprocal titres; and whether each is high where only its text says so: "negative", "<1:80" are not."""
    titres, high = list[str](), list(columns.get("high_ana", [""] * len(table.rows)))
    for row, (cell, place) in enumerate(zip(columns["ana_titre"], table.places, strict=True)):
        titre = WrittenTitre(None) if is_missing(cell) else read_titre(cell)
        if titre is None:
            problems.append(Problem(place, own, _NO_TITRE))
            titre = WrittenTitre(None)
        titres.append("" if titre.reciprocal is None else f"{titre.reciprocal:.10g}")
        if titre.high is None or titre.reciprocal is not None:
            continue  # a number is coded, and held against the coded one, by its cutoff
        if is_missing(high[row]):
            high[row] = str(int(titre.high))
        elif presence(high[row]) not in {None, titre.high}:
            problems.append(Problem(place, "high_ana", "ana_titre says otherwise"))
    return {"ana_titre": titres, "high_ana": high}
