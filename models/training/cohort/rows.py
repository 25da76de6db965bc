"""The rows of a cohort, checked: the columns known by name, every cell read, the cells of a row held against each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from models.training.cohort.read import Table
from models.training.cohort.schema import (
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
    read_candidate,
    read_group,
)
from models.training.errors import TrainingError

PER_YEAR = MappingProxyType({"time_years": 1.0, "time_months": MONTHS_PER_YEAR, "time_days": DAYS_PER_YEAR})
DATES = ("time_zero", "end_date")
_Value = TypeVar("_Value")
OLDEST = 120  # years
_ENDS = MappingProxyType({RECURRENCE: "a recurrence", DEATH: "a death"})


@dataclass(frozen=True, slots=True)
class CheckedPatients:
    """Checked patients in the order of the table; `candidates` are by name, None: missing, `groups` too, empty: missing."""

    patients: tuple[CohortRow, ...]
    candidates: Mapping[str, tuple[float | None, ...]]
    groups: Mapping[str, tuple[str, ...]]
    named: frozenset[str]  # the columns of the schema that are there
    raw: tuple[str, ...]  # of these the raw ones
    unused: tuple[str, ...]  # the columns that nobody read


def read_patients(
    table: Table,
    columns: Mapping[str, str],
    candidates: Sequence[str],
    cutoffs: Sequence[Cutoff],
    groups: Sequence[str] = (),
) -> CheckedPatients:
    """Check every row; raises TrainingError, which names the first problem and says how many more there are."""
    own_names = _find_columns(table, columns)
    _check_columns(table, own_names, cutoffs)
    further = _find_candidates(table, own_names, candidates)
    problems: list[Problem] = []
    patients: list[CohortRow] = []
    for cells, place in zip(table.rows, table.places, strict=True):
        by_column = dict(zip(table.columns, cells, strict=True))
        try:
            patient = CohortRow.model_validate({name: by_column[own] for name, own in own_names.items()})
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            problems.extend(Problem(place, str(each["loc"][0]), str(each["msg"])) for each in details)
            continue
        problems.extend(_row_problems(patient, place, own_names, cutoffs))
        patients.append(_coded(patient, cutoffs))
    problems.extend(_duplicates(table, own_names))
    values: dict[str, tuple[float | None, ...]]
    values = {name: _further(table, name, read_candidate, problems) for name in further}
    if "age" in candidates and "age" in own_names:
        values["age"] = tuple(patient.age for patient in patients)
    named = {
        name: tuple(getattr(patient, name) for patient in patients) for name in GROUPS if name in own_names
    }
    others = _find_groups(table, own_names, groups)
    named |= {name: _further(table, name, read_group, problems) for name in others}
    if problems:
        raise TrainingError(_sentence(table, own_names, problems))
    raw = tuple(name for name in RAW if name in own_names)
    used = {*own_names.values(), *further, *others}
    unused = tuple(c for c in table.columns if c not in used)
    return CheckedPatients(tuple(patients), values, named, frozenset(own_names), raw, unused)


def years(row: CohortRow) -> float:
    """Follow-up since time zero."""
    if row.time_zero and row.end_date:
        return (row.end_date - row.time_zero).days / DAYS_PER_YEAR
    written = ((getattr(row, name), by) for name, by in PER_YEAR.items())
    return next(float(value) / by for value, by in written if value is not None)


def status(row: CohortRow) -> int:
    """How follow-up ended: 0, 1 or 2."""
    return row.status if row.status is not None else int(bool(row.event))


def _find_columns(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """Our names of the columns → the file's own, in lower case."""
    for name, own in columns.items():
        if name not in COLUMNS:
            raise TrainingError(
                f"{name} is no column of the data dictionary; these are: {', '.join(COLUMNS)}"
            )
        if NAMES.get(own.lower(), name) != name:
            raise TrainingError(
                f"{table.name}: {own} is the name of another column, it is not read as {name}"
            )
        if own.lower() not in table.columns:
            raise TrainingError(f"{table.name}: there is no column {own} to read as {name}")
    own_names = {name: own.lower() for name, own in columns.items()}
    if len(set(own_names.values())) < len(own_names):
        raise TrainingError(f"{table.name}: one column is to be read as two of ours")
    for own in table.columns:
        name = NAMES.get(own, "")
        if not name or name in columns or own in own_names.values():
            continue
        if name in own_names:
            raise TrainingError(f"{table.name}: {own_names[name]} and {own} are both {name}: keep one")
        own_names[name] = own
    return own_names


def _check_columns(table: Table, own_names: Mapping[str, str], cutoffs: Sequence[Cutoff]) -> None:
    """Whether all that a cohort needs is there, and nothing twice."""
    times = [name for name in PER_YEAR if name in own_names]
    dates = [name for name in DATES if name in own_names]
    times += ["time_zero with end_date"] if len(dates) == len(DATES) else []
    if len(times) > 1:
        raise TrainingError(f"{table.name}: follow-up is given twice, as {times[0]} and {times[1]}: keep one")
    if dates and not times:
        other = next(name for name in DATES if name not in dates)
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
    if "death_date" in own_names and not dates:
        raise TrainingError(f"{table.name}: the column death_date needs time_zero and end_date beside it")


def _find_candidates(
    table: Table, own_names: Mapping[str, str], candidates: Sequence[str]
) -> tuple[str, ...]:
    """The further columns to read: those asked for that are not predictors or raw values already."""
    for name in candidates:
        if name in own_names and name not in {*PREDICTORS, *RAW, "age"}:
            raise TrainingError(f"{table.name}: {name} cannot be a candidate")
        if name not in own_names and name.lower() not in table.columns:
            raise TrainingError(
                f"{table.name}: there is no column {name}, which was asked for as a candidate"
            )
    return tuple(dict.fromkeys(name.lower() for name in candidates if name not in own_names))


def _find_groups(table: Table, own_names: Mapping[str, str], groups: Sequence[str]) -> tuple[str, ...]:
    """The columns by which patients are to be grouped, beside those that are read anyway."""
    for name in groups:
        if name in own_names and name not in {*GROUPS, "subtype"}:
            raise TrainingError(f"{table.name}: patients cannot be grouped by {name}; name a column of words")
        if name not in own_names and name.lower() not in table.columns:
            raise TrainingError(f"{table.name}: there is no column {name} to group patients by")
    return tuple(dict.fromkeys(name.lower() for name in groups if name not in own_names))


def _further(
    table: Table, name: str, read: Callable[[str], _Value], problems: list[Problem]
) -> tuple[_Value, ...]:
    """A column that the schema does not know."""
    index = table.columns.index(name)
    values: list[_Value] = []
    for cells, place in zip(table.rows, table.places, strict=True):
        try:
            values.append(read(cells[index]))
        except PydanticCustomError as error:
            problems.append(Problem(place, name, error.message()))
    return tuple(values)


def _duplicates(table: Table, own_names: Mapping[str, str]) -> Iterator[Problem]:
    index, first = table.columns.index(own_names["id"]), dict[str, int]()
    for cells, place in zip(table.rows, table.places, strict=True):
        if cells[index] and first.setdefault(cells[index], place) != place:
            yield Problem(place, "id", f"the same patient as {table.unit} {first[cells[index]]}")


def _row_problems(
    row: CohortRow, place: int, own_names: Mapping[str, str], cutoffs: Sequence[Cutoff]
) -> Iterator[Problem]:
    """What is wrong with cells that are each readable."""
    if empty := [name for name in (*PER_YEAR, *DATES) if name in own_names and getattr(row, name) is None]:
        yield Problem(place, empty[0], "empty: follow-up must be known")
    elif row.status is None and row.event is None:
        yield Problem(
            place, "status" if "status" in own_names else "event", "empty: how follow-up ended must be known"
        )
    else:
        yield from _time_problems(row, place, own_names)
    if row.age is not None and not 0 <= row.age <= OLDEST:
        yield Problem(place, "age", f"not between 0 and {OLDEST} years")
    for cutoff in cutoffs:
        yield from _raw_problems(row, place, cutoff)


def _time_problems(row: CohortRow, place: int, own_names: Mapping[str, str]) -> Iterator[Problem]:
    column = next(name for name in (*PER_YEAR, "end_date") if name in own_names)
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


def _raw_problems(row: CohortRow, place: int, cutoff: Cutoff) -> Iterator[Problem]:
    value, coded = getattr(row, cutoff.raw), getattr(row, cutoff.predictor)
    if value is None:
        return
    if not float(cutoff.low) <= value <= float(cutoff.high):
        yield Problem(place, cutoff.raw, f"outside the plausible range of {cutoff.low:f} to {cutoff.high:f}")
    elif coded is not None and coded != cutoff.is_present(value):
        sign = "≥" if cutoff.inclusive else ">"
        yield Problem(
            place, cutoff.predictor, f"{cutoff.raw} says otherwise: present is {sign} {cutoff.threshold:f}"
        )


def _coded(row: CohortRow, cutoffs: Sequence[Cutoff]) -> CohortRow:
    """The row with the predictors that only a raw value gives."""
    coded = {
        cutoff.predictor: cutoff.is_present(value)
        for cutoff in cutoffs
        if getattr(row, cutoff.predictor) is None and (value := getattr(row, cutoff.raw)) is not None
    }
    return row.model_copy(update=coded) if coded else row


def _sentence(table: Table, own_names: Mapping[str, str], problems: Sequence[Problem]) -> str:
    """The first problem in the order of the file, and how many more there are."""
    order = {own: number for number, own in enumerate(table.columns)}
    first = min(problems, key=lambda p: (p.place, order.get(own_names.get(p.column, p.column), 0)))
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    column = own_names.get(first.column, first.column)
    return f"{table.name}, {table.unit} {first.place}, column {column}: {first.sentence}{more}"
