"""A draft of a column map: guesses by the names of columns and by what stands in them, to be read and mended by hand."""

import json
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import asdict

from models.training.cohort.categories import MOST_LEVELS
from models.training.cohort.column_map import UNKNOWN
from models.training.cohort.forms.file_form import FileForm
from models.training.cohort.forms.written_dates import iso_dates
from models.training.cohort.forms.written_numbers import looks_like_number
from models.training.cohort.problems import showable
from models.training.cohort.schema import COLUMNS, NAMES, CohortRow, can_read, extra, is_missing, presence
from models.training.cohort.table import Table, as_compared
from models.training.cohort.translate import TitreReader
from models.training.cohort.words import words_by_meaning

_ENOUGH = 0.5  # of what is known in a column must be readable, or the name misleads
_MOST_VALUES = 20
_HEAD = """\
# Which column of {name} is which of ours: a draft, guessed by names and contents. Read every line.
# Put the file's column, or a value, where a question mark stands; delete what is not there.
# Take the # from a candidate that is to be described. docs/data-dictionary.md says what each column means.
"""
_COULD_BE = {"time": ("time_years", "time_months", "time_days"), "dates": ("time_zero", "end_date")}


def draft_map(table: Table, form: FileForm, read_titre: TitreReader) -> str:
    """The draft as TOML: every column of ours that is needed or was found, then the others as candidates.

    `form` says how the file is written, as far as somebody had to say so.
    """
    own_names = _assign(table, read_titre)
    lines = [_HEAD.format(name=table.name)]
    if said := [(key, text) for key, text in asdict(form).items() if text]:
        lines += ["[file]", *(f"{key} = {_quoted(text)}" for key, text in said), ""]
    for name in _wanted(own_names):
        own = own_names.get(name)
        column = UNKNOWN if own is None else table.as_written(own)
        lines += [
            f"[columns.{name}]  # {CohortRow.model_fields[name].description}",
            f"column = {_quoted(column)}",
        ]
        if own is not None and str(extra(name)["type"]) not in {"text", "date", "number"}:
            lines += _values([cell for cell in table.cells(own) if not can_read(name, cell)])
        elif name == "ana_titre" and own is not None:
            lines += _values([c for c in table.cells(own) if not is_missing(c) and read_titre(c) is None])
        lines.append("")
    for own, written in zip(table.columns, table.written, strict=True):
        if own not in own_names.values():
            lines += _candidate(table, own, written)
    return "\n".join(lines) + "\n"


def _assign(table: Table, read_titre: TitreReader) -> dict[str, str]:
    """Our names → the file's columns, the best guesses first; each once. Dates win over a time beside them."""
    headers = words_by_meaning("headers.csv", "column")
    guesses = []  # in order the best stands first: by name, by content, then in our order and the file's
    for place, own in enumerate(table.columns):
        # Blanks in place of signs, but for a slash: "Pat.-Nr." is "Pat Nr"
        letters = "".join(sign if sign.isalnum() or sign == "/" else " " for sign in own)
        said = f" {as_compared(letters)} "
        for number, name in enumerate(COLUMNS):
            words = headers.get(name, frozenset())
            if NAMES.get(own) == name:
                by_name = 3  # the name is ours
            elif said.strip() in words:
                by_name = 2  # a word for it
            elif any(f" {word} " in said for word in words):
                by_name = 1  # such a word is in it
            else:
                continue
            known = [cell for cell in table.cells(own) if not is_missing(cell)]
            readable = sum(map(_reader(name, read_titre), known)) / len(known) if known else 1.0
            if readable >= _ENOUGH:
                guesses.append((-by_name, -readable, number, place, name, own))
    own_names: dict[str, str] = {}
    for *_, name, own in sorted(guesses):
        if name not in own_names and own not in own_names.values():
            own_names[name] = own
    if all(name in own_names for name in _COULD_BE["dates"]):
        unwanted = set(_COULD_BE["time"])
    else:
        unwanted = {*_COULD_BE["dates"], "death_date"}
        unwanted |= set([name for name in _COULD_BE["time"] if name in own_names][1:])
    return {name: own for name, own in own_names.items() if name not in unwanted}


def _reader(name: str, read_titre: TitreReader) -> Callable[[str], bool]:
    if name == "ana_titre":
        return lambda cell: presence(cell) is None and read_titre(cell) is not None
    match str(extra(name)["type"]):
        case "number":
            return looks_like_number
        case "date":
            return lambda cell: iso_dates([cell])[0] != cell or can_read(name, cell)
        case _:
            return lambda cell: can_read(name, cell)


def _wanted(own_names: Mapping[str, str]) -> list[str]:
    """Our columns in their order: those that were found, and those that are needed and were not."""
    alternatives = [("id",), ("status", "event"), ("cardiac_involvement",), ("high_ana", "ana_titre")]
    alternatives += [("treatment_refractory",), ("high_drr", "de_ritis_ratio")]
    needed = {names[0] for names in alternatives if not any(name in own_names for name in names)}
    if not any(name in own_names for names in _COULD_BE.values() for name in names):
        needed |= {"time_years"}
    return [name for name in COLUMNS if name in own_names or name in needed]


def _values(unread: Sequence[str]) -> list[str]:
    """The words that somebody must translate; what may be about a person is counted alone."""
    shown = showable(unread)[:_MOST_VALUES]
    lines = [f"values.{_quoted(cell)} = {_quoted(UNKNOWN)}" for cell in shown]
    if hidden := sum(cell not in shown for cell in unread):
        lines.append(f"# {hidden} more cells cannot be read; they are not shown here, look into the file")
    return lines


def _candidate(table: Table, own: str, written: str) -> list[str]:
    """A block that is switched off: a column that may be described beside ours."""
    known = [cell for cell in table.cells(own) if not is_missing(cell)]
    different = len({as_compared(cell) for cell in known})
    if not known:
        what = "empty"
    elif all(presence(cell) is not None for cell in known):
        what = "yes or no"
    elif 2 * sum(map(looks_like_number, known)) >= len(known):
        what = "numbers"
    elif different <= MOST_LEVELS:
        what = f"{different} different words"
    else:
        what = "text"
    return [f"# [candidates.{_quoted(written)}]  # {what}, {len(table.rows) - len(known)} missing"]


def _quoted(text: str) -> str:
    """A text as a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
