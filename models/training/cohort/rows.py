"""The rows of a cohort, checked: the columns known by name, every cell read, the cells of a row held against each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from models.training.cohort.categories import Category, category
from models.training.cohort.column_map import ColumnMap
from models.training.cohort.forms.written_numbers import looks_like_number
from models.training.cohort.problems import sentence
from models.training.cohort.schema import (
    BESIDE,
    CENSORED,
    COLUMNS,
    DAYS_PER_YEAR,
    DEATH,
    GROUPS,
    LONGEST_FOLLOW_UP_YEARS,
    MONTHS_PER_YEAR,
    NAMES,
    PREDICTORS,
    RAW,
    RECURRENCE,
    CohortRow,
    Cutoff,
    Problem,
    is_missing,
    presence,
    read_group,
    read_number,
)
from models.training.cohort.table import Table, as_compared
from models.training.cohort.translate import TitreReader, translate
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats

_PER_YEAR = MappingProxyType({"time_years": 1.0, "time_months": MONTHS_PER_YEAR, "time_days": DAYS_PER_YEAR})
_DATES = ("time_zero", "end_date")
OLDEST = 120  # years
_ENDS = MappingProxyType({RECURRENCE: "a recurrence", DEATH: "a death"})


@dataclass(frozen=True, slots=True)
class CheckedPatients:
    """Checked patients in the order of the table.

    `candidates` are by name: numbers (nan: missing), or words; `groups` are words by name, empty: missing.
    """

    patients: tuple[CohortRow, ...]
    candidates: Mapping[str, Floats | Category]
    groups: Mapping[str, tuple[str, ...]]
    raw: tuple[str, ...]  # the raw columns that are there
    beside: tuple[str, ...]  # of those that are described beside the predictors
    unused: tuple[str, ...]  # the columns that nobody read
    deaths_by_date: int  # of how many a date of death alone said how follow-up ended


def read_patients(
    table: Table,
    column_map: ColumnMap,
    candidates: Sequence[str],
    cutoffs: Sequence[Cutoff],
    read_titre: TitreReader,
    groups: Sequence[str],
    today: date | None,
) -> CheckedPatients:
    """Check every row; raises TrainingError, which names every column that cannot be used, where and why.

    No date may be after `today` (None: not known).
    """
    own_names = _find_columns(table, column_map)
    _check_columns(table, own_names, cutoffs)
    further = _find_candidates(table, own_names, column_map, candidates)
    translated = translate(table, own_names, further, column_map, read_titre)
    problems = list(translated.problems)
    patients, deaths = _read_rows(table, own_names, translated.columns, cutoffs, today, problems)
    columns: dict[str, Floats | Category] = {
        name: _read_further(table, further[name], cells, column_map.rule(name).reference, problems)
        for name, cells in translated.candidates.items()
    }
    columns |= {
        table.as_written(own_names[name]): _read_further(
            table, own_names[name], translated.columns[name], "", problems
        )
        for name in GROUPS
        if name in candidates and name in own_names
    }
    named = {
        name: _as_first_written(getattr(patient, name) for patient in patients)
        for name in GROUPS
        if name in own_names
    }
    others = _other_groups(table, own_names, groups, problems)
    named |= others
    if problems:
        raise TrainingError(sentence(table, own_names, problems))
    raw, beside = (tuple(name for name in names if name in own_names) for names in (RAW, BESIDE))
    asked = {NAMES.get(as_compared(name), name) for name in candidates}
    columns |= {name: numbers_of(patients, name) for name in beside if name in asked}
    used = {*own_names.values(), *further.values(), *map(as_compared, others)}
    unused = tuple(w for w, c in zip(table.written, table.columns, strict=True) if c not in used)
    return CheckedPatients(tuple(patients), columns, named, raw, beside, unused, deaths)


def numbers_of(patients: Iterable[CohortRow], name: str) -> Floats:
    """One column of the schema as numbers (n,), nan: missing."""
    values = (getattr(patient, name) for patient in patients)
    return np.array([np.nan if value is None else float(value) for value in values])


def years(row: CohortRow) -> float:
    """Follow-up since time zero."""
    if row.time_zero and row.end_date:
        return (row.end_date - row.time_zero).days / DAYS_PER_YEAR
    written = ((getattr(row, name), by) for name, by in _PER_YEAR.items())
    return next(float(value) / by for value, by in written if value is not None)


def status(row: CohortRow) -> int:
    """How follow-up ended: 0, 1 or 2. Who had no recurrence and died on the day of its end, died."""
    said = row.status if row.status is not None else int(bool(row.event))
    return DEATH if _died_by_date(row) else said


def _died_by_date(row: CohortRow) -> bool:
    """Whether the date of death alone says that follow-up ended with it: the columns know of no recurrence and no death."""
    alive = row.status == CENSORED if row.status is not None else not row.event
    return alive and row.death_date is not None and row.death_date == row.end_date


def _find_columns(table: Table, column_map: ColumnMap) -> dict[str, str]:
    """Our names of the columns → the file's own, in lower case."""
    given = {name: as_compared(rule.column) for name, rule in column_map.columns.items()}
    for name, own in given.items():
        if name not in COLUMNS:
            raise TrainingError(
                f"{name} is no column of the data dictionary; these are: {', '.join(COLUMNS)}"
            )
        if NAMES.get(own, name) != name:
            raise TrainingError(
                f"{table.name}: {own} is the name of another column, it is not read as {name}"
            )
        if own not in table.columns:
            raise TrainingError(f"{table.name}: there is no column {own} to read as {name}")
    if len(set(given.values())) < len(given):
        raise TrainingError(f"{table.name}: one column is to be read as two of ours")
    own_names = dict(given)
    for own in table.columns:
        name = NAMES.get(own, "")
        if not name or name in given or own in own_names.values():
            continue
        if name in own_names:
            raise TrainingError(f"{table.name}: {own_names[name]} and {own} are both {name}: keep one")
        own_names[name] = own
    return own_names


def _check_columns(table: Table, own_names: Mapping[str, str], cutoffs: Sequence[Cutoff]) -> None:
    """Whether all that a cohort needs is there, and nothing twice."""
    times = [name for name in _PER_YEAR if name in own_names]
    dates = [name for name in _DATES if name in own_names]
    times += ["time_zero with end_date"] if len(dates) == len(_DATES) else []
    if len(times) > 1:
        raise TrainingError(f"{table.name}: follow-up is given twice, as {times[0]} and {times[1]}: keep one")
    if dates and not times:
        other = next(name for name in _DATES if name not in dates)
        raise TrainingError(f"{table.name}: the column {dates[0]} needs {other} beside it")
    missing = [] if "id" in own_names else ["id"]
    missing += [] if times else ["time_years (or time_months, time_days, or time_zero with end_date)"]
    missing += [] if {"status", "event"} & own_names.keys() else ["status (or event)"]
    by_raw = {cutoff.predictor: cutoff.raw for cutoff in cutoffs}
    missing += [p for p in PREDICTORS if p not in own_names and by_raw.get(p) not in own_names]
    if missing:
        near = get_close_matches(missing[0].split(" ")[0], set(table.columns) - set(own_names.values()), 1)
        hint = f"; is it the column {near[0]}?" if near else ""
        raise TrainingError(f"{table.name}: columns are missing: {', '.join(missing)}{hint}")
    if "death_date" in own_names and len(dates) < len(_DATES):
        raise TrainingError(f"{table.name}: the column death_date needs time_zero and end_date beside it")


def _find_candidates(
    table: Table, own_names: Mapping[str, str], column_map: ColumnMap, asked: Sequence[str]
) -> dict[str, str]:
    """The further columns to read, those of the map and those asked for: the names they get → the file's own.

    What is a predictor or a raw value is read already.
    """
    further = {name: as_compared(rule.column or name) for name, rule in column_map.candidates.items()}
    for name in (NAMES.get(as_compared(name), name) for name in asked):
        if name in own_names or name in further:
            if name in own_names and name not in {*PREDICTORS, *RAW, *BESIDE, *GROUPS}:
                raise TrainingError(f"{table.name}: {name} cannot be a candidate")
        elif as_compared(name) not in further.values():
            known = as_compared(name) in table.columns
            further[table.as_written(as_compared(name)) if known else name] = as_compared(name)
    for name, own in further.items():
        if own not in table.columns:
            raise TrainingError(f"{table.name}: there is no column {own}, which was asked for as a candidate")
        if own in own_names.values() or name in {*COLUMNS, *NAMES}:
            raise TrainingError(f"{table.name}: {name} cannot be a candidate: it is read as another column")
    return further


def _other_groups(
    table: Table, own_names: Mapping[str, str], groups: Sequence[str], problems: list[Problem]
) -> dict[str, tuple[str, ...]]:
    """The columns by which patients are to be grouped, beside those that are read anyway: as written → their words."""
    others = {}
    for name in groups:
        own = as_compared(name)
        if name in own_names and name not in {*GROUPS, "subtype"}:
            raise TrainingError(f"{table.name}: patients cannot be grouped by {name}; name a column of words")
        if name not in own_names and own not in table.columns:
            raise TrainingError(f"{table.name}: there is no column {name} to group patients by")
        if name not in own_names and own not in own_names.values():
            others[table.as_written(own)] = own
    words: dict[str, tuple[str, ...]] = {}
    for written, own in others.items():
        read = []
        for cell, place in zip(table.cells(own), table.places, strict=True):
            try:
                read.append(read_group(cell))
            except PydanticCustomError as error:
                problems.append(Problem(place, own, error.message()))
        words[written] = _as_first_written(read)
    return words


def _as_first_written(words: Iterable[str]) -> tuple[str, ...]:
    """The names of groups, each as it is written first: capitals and blanks make no other group."""
    first: dict[str, str] = {}
    return tuple(first.setdefault(as_compared(word), word) for word in words)


def _read_further(
    table: Table, own: str, cells: Sequence[str], reference: str, problems: list[Problem]
) -> Floats | Category:
    """A column that the schema does not know: numbers, or words for present and absent as 1 and 0, or other words."""
    known = [cell for cell in cells if not is_missing(cell)]
    numbers = [presence(cell) is not None or looks_like_number(cell) for cell in known]
    if 2 * sum(numbers) < len(known):
        return category(table, own, cells, reference, problems)
    values = np.full(len(cells), np.nan)
    for row, (cell, place) in enumerate(zip(cells, table.places, strict=True)):
        said = presence(cell)
        try:
            number = float(said) if said is not None else read_number(cell)
        except PydanticCustomError as error:
            problems.append(Problem(place, own, error.message()))
            continue
        values[row] = np.nan if number is None else number
    return values


def _read_rows(
    table: Table,
    own_names: Mapping[str, str],
    columns: Mapping[str, Sequence[str]],
    cutoffs: Sequence[Cutoff],
    today: date | None,
    problems: list[Problem],
) -> tuple[list[CohortRow], int]:
    """The rows that can be read, with the predictors that only a raw value gives, and how many of them died by date.

    `problems` gets what is wrong with a row, and each patient who is there twice.
    """
    told = {(problem.place, problem.column) for problem in problems}
    patients, deaths = list[CohortRow](), 0
    for row, place in enumerate(table.places):
        try:
            patient = CohortRow.model_validate({name: column[row] for name, column in columns.items()})
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            problems.extend(Problem(place, str(each["loc"][0]), str(each["msg"])) for each in details)
            continue
        wrong = _row_problems(patient, place, own_names, cutoffs, today)
        problems.extend(problem for problem in wrong if (place, own_names.get(problem.column)) not in told)
        deaths += _died_by_date(patient)
        coded = {
            cutoff.predictor: cutoff.is_present(value)
            for cutoff in cutoffs
            if getattr(patient, cutoff.predictor) is None
            and (value := getattr(patient, cutoff.raw)) is not None
        }
        patients.append(patient.model_copy(update=coded) if coded else patient)
    index, first = table.columns.index(own_names["id"]), dict[str, int]()
    for cells, place in zip(table.rows, table.places, strict=True):
        if cells[index] and first.setdefault(cells[index], place) != place:
            problems.append(Problem(place, "id", f"the same patient as {table.unit} {first[cells[index]]}"))
    return patients, deaths


def _row_problems(
    row: CohortRow,
    place: int,
    own_names: Mapping[str, str],
    cutoffs: Sequence[Cutoff],
    today: date | None,
) -> Iterator[Problem]:
    """What is wrong with cells that are each readable."""
    for name in (*_DATES, "death_date"):
        day = getattr(row, name)
        if today and day and day > today:
            yield Problem(place, name, "after today")
    if empty := [name for name in (*_PER_YEAR, *_DATES) if name in own_names and getattr(row, name) is None]:
        yield Problem(place, empty[0], "empty: follow-up must be known")
    elif row.status is None and row.event is None:
        yield Problem(
            place, "status" if "status" in own_names else "event", "empty: how follow-up ended must be known"
        )
    else:
        yield from _time_problems(row, place, own_names)
    yield from _beside_problems(row, place)
    for cutoff in cutoffs:
        value, coded = getattr(row, cutoff.raw), getattr(row, cutoff.predictor)
        if value is None:
            continue
        if not float(cutoff.low) <= value <= float(cutoff.high):
            plausible = f"{cutoff.low:f} to {cutoff.high:f}"
            yield Problem(place, cutoff.raw, f"outside the plausible range of {plausible}")
        elif coded is not None and coded != cutoff.is_present(value):
            present = f"{'≥' if cutoff.inclusive else '>'} {cutoff.threshold:f}"
            yield Problem(place, cutoff.predictor, f"{cutoff.raw} says otherwise: present is {present}")


def _beside_problems(row: CohortRow, place: int) -> Iterator[Problem]:
    if row.age is not None and not 0 <= row.age <= OLDEST:
        yield Problem(place, "age", f"not between 0 and {OLDEST} years")
    for name in BESIDE:
        if name != "age" and (getattr(row, name) or 0) < 0:
            yield Problem(place, name, "below 0: leave empty what is not known")


def _time_problems(row: CohortRow, place: int, own_names: Mapping[str, str]) -> Iterator[Problem]:
    column = next(name for name in (*_PER_YEAR, "end_date") if name in own_names)
    time, end = years(row), status(row)
    if row.status is not None and row.event is not None and row.event != (row.status == RECURRENCE):
        yield Problem(place, "event", "status says otherwise")
    if time < 0:
        yield Problem(place, column, "before time zero")
    elif time == 0 and end in _ENDS:
        yield Problem(place, column, f"{_ENDS[end]} at time zero: nobody was followed yet; see time zero")
    elif time > LONGEST_FOLLOW_UP_YEARS:
        yield Problem(place, column, f"more than {LONGEST_FOLLOW_UP_YEARS:.0f} years: is it in another unit?")
    if row.death_date and row.end_date:
        if row.end_date > row.death_date:
            yield Problem(place, "end_date", f"{_ENDS.get(end, 'follow-up')} after death_date")
        elif end == DEATH and row.end_date != row.death_date:
            yield Problem(place, "end_date", "status says death, and death_date is another day")
