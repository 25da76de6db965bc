"""The rows of a cohort, checked: the columns found, every cell read, the cells of a row held against each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from pydantic_core import PydanticCustomError

from models.training.cohort.read import Table
from models.training.cohort.schema import (
    COLUMNS,
    DAYS_PER_YEAR,
    DEATH,
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
    read_row,
)
from models.training.errors import TrainingError

PER_YEAR = MappingProxyType({"time_years": 1.0, "time_months": MONTHS_PER_YEAR, "time_days": DAYS_PER_YEAR})
DATES = ("time_zero", "end_date")
_ENDS = MappingProxyType({RECURRENCE: "a recurrence", DEATH: "a death"})


@dataclass(frozen=True, slots=True)
class Rows:
    """Checked patients in the order of the table; `candidates` are by name, None: missing."""

    patients: tuple[CohortRow, ...]
    candidates: Mapping[str, tuple[float | None, ...]]
    raw: tuple[str, ...]  # the raw columns that are there
    unused: tuple[str, ...]  # the columns that nobody read


def read_rows(
    table: Table, columns: Mapping[str, str], candidates: Sequence[str], cutoffs: Sequence[Cutoff]
) -> Rows:
    """Check every row; raises TrainingError, which names the first problem and says how many more there are."""
    found = _find_columns(table, columns)
    _check_columns(table, found, cutoffs)
    further = _find_candidates(table, found, candidates)
    problems: list[Problem] = []
    patients: list[CohortRow] = []
    for cells, place in zip(table.rows, table.places, strict=True):
        by_column = dict(zip(table.columns, cells, strict=True))
        one = read_row({name: by_column[own] for name, own in found.items()}, place)
        if isinstance(one, CohortRow):
            problems.extend(_row_problems(one, place, found, cutoffs))
            patients.append(_coded(one, cutoffs))
        else:
            problems.extend(one)
    problems.extend(_duplicates(table, found))
    values = {name: _candidate(table, name, problems) for name in further}
    _raise(table, found, problems)
    raw = tuple(name for name in RAW if name in found)
    used = {*found.values(), *further}
    return Rows(tuple(patients), values, raw, tuple(c for c in table.columns if c not in used))


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
    """Our names of the columns → the file's own."""
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
    found = {name: own.lower() for name, own in columns.items()}
    if len(set(found.values())) < len(found):
        raise TrainingError(f"{table.name}: one column is to be read as two of ours")
    for own in table.columns:
        name = NAMES.get(own, "")
        if not name or name in columns or own in found.values():
            continue
        if name in found:
            raise TrainingError(f"{table.name}: {found[name]} and {own} are both {name}: keep one")
        found[name] = own
    return found


def _check_columns(table: Table, found: Mapping[str, str], cutoffs: Sequence[Cutoff]) -> None:
    """Whether all that a cohort needs is there, and nothing twice."""
    times = [name for name in PER_YEAR if name in found]
    dates = [name for name in DATES if name in found]
    times += ["time_zero with end_date"] if len(dates) == len(DATES) else []
    if len(times) > 1:
        raise TrainingError(f"{table.name}: follow-up is given twice, as {times[0]} and {times[1]}: keep one")
    if dates and not times:
        other = next(name for name in DATES if name not in dates)
        raise TrainingError(f"{table.name}: the column {dates[0]} needs {other} beside it")
    missing = [] if "id" in found else ["id"]
    missing += [] if times else ["time_years (or time_months, time_days, or time_zero with end_date)"]
    missing += [] if {"status", "event"} & found.keys() else ["status (or event)"]
    by_raw = {cutoff.predictor: cutoff.raw for cutoff in cutoffs}
    missing += [p for p in PREDICTORS if p not in found and by_raw.get(p) not in found]
    if missing:
        near = get_close_matches(missing[0].split(" ")[0], set(table.columns) - set(found.values()), 1)
        hint = f"; is it the column {near[0]}?" if near else ""
        raise TrainingError(f"{table.name}: columns are missing: {', '.join(missing)}{hint}")
    if "death_date" in found and not dates:
        raise TrainingError(f"{table.name}: the column death_date needs time_zero and end_date beside it")


def _find_candidates(table: Table, found: Mapping[str, str], candidates: Sequence[str]) -> tuple[str, ...]:
    """The further columns to read: those asked for that are not predictors or raw values already."""
    for name in candidates:
        if name in found and name not in {*PREDICTORS, *RAW}:
            raise TrainingError(f"{table.name}: {name} cannot be a candidate")
        if name not in found and name.lower() not in table.columns:
            raise TrainingError(
                f"{table.name}: there is no column {name}, which was asked for as a candidate"
            )
    return tuple(dict.fromkeys(name.lower() for name in candidates if name not in found))


def _candidate(table: Table, name: str, problems: list[Problem]) -> tuple[float | None, ...]:
    index = table.columns.index(name)
    values: list[float | None] = []
    for cells, place in zip(table.rows, table.places, strict=True):
        try:
            values.append(read_candidate(cells[index]))
        except PydanticCustomError as error:
            problems.append(Problem(place, name, error.message()))
    return tuple(values)


def _duplicates(table: Table, found: Mapping[str, str]) -> Iterator[Problem]:
    index, first = table.columns.index(found["id"]), dict[str, int]()
    for cells, place in zip(table.rows, table.places, strict=True):
        if cells[index] and first.setdefault(cells[index], place) != place:
            yield Problem(place, "id", f"the same patient as {table.unit} {first[cells[index]]}")


def _row_problems(
    row: CohortRow, place: int, found: Mapping[str, str], cutoffs: Sequence[Cutoff]
) -> Iterator[Problem]:
    """What is wrong with cells that are each readable."""
    if empty := [name for name in (*PER_YEAR, *DATES) if name in found and getattr(row, name) is None]:
        yield Problem(place, empty[0], "empty: follow-up must be known")
    elif row.status is None and row.event is None:
        yield Problem(
            place, "status" if "status" in found else "event", "empty: how follow-up ended must be known"
        )
    else:
        yield from _time_problems(row, place, found)
    for cutoff in cutoffs:
        yield from _raw_problems(row, place, cutoff)


def _time_problems(row: CohortRow, place: int, found: Mapping[str, str]) -> Iterator[Problem]:
    column = next(name for name in (*PER_YEAR, "end_date") if name in found)
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


def _raise(table: Table, found: Mapping[str, str], problems: Sequence[Problem]) -> None:
    if not problems:
        return
    order = {own: number for number, own in enumerate(table.columns)}
    first = min(problems, key=lambda p: (p.place, order.get(found.get(p.column, p.column), 0)))
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    column = found.get(first.column, first.column)
    raise TrainingError(f"{table.name}, {table.unit} {first.place}, column {column}: {first.sentence}{more}")
