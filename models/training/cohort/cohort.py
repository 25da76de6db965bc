"""The cohort: who was followed from when, for how long, how it ended, and what was known at time zero.

Everything that cannot be used is refused by row and column; nothing is left out without a step of the flow table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import compress
from pathlib import Path

import numpy as np

from models.artefact import TimeZero
from models.training.cohort.categories import Category
from models.training.cohort.column_map import ColumnMap
from models.training.cohort.read import read_table
from models.training.cohort.rows import numbers_of, read_patients, status, years
from models.training.cohort.same_patients import digest
from models.training.cohort.schema import PREDICTORS, RECURRENCE, Cutoff
from models.training.cohort.table import MAX_ROWS, Table, as_compared
from models.training.cohort.translate import TitreReader, plain_titre
from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats, Members, Statuses

__all__ = ["MAX_ROWS", "PREDICTORS", "Cohort", "FlowStep", "from_rows", "read_cohort"]


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One step from screened to analysed: what it was, how many are left, how many were taken out and why."""

    step: str
    left: int
    taken_out: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cohort:
    """n patients in the order of the file. `time` (n,) years since time zero, > 0; `status` (n,) 0, 1 or 2.

    `predictors`, `raw`, `beside` and `candidates` are by name, each (n,), nan: missing; predictors are 0 or 1. `subtype` is
    anti-SRP, anti-HMGCR, seronegative, or empty where it is not known. `groups` are centre, sex and the further columns
    that were asked for, as words by name, each (n), empty: not known. `unused` names columns that were not read;
    `synthetic` is whether the file says that its patients are not real.
    `categories` are the words behind those candidates that are indicators; `units` are of candidates, by name.
    `sha256` is of the file, `patients_sha256` of all that were followed, however they are written.
    """

    name: str
    ids: tuple[str, ...]
    time: Floats
    status: Statuses
    predictors: Mapping[str, Floats]
    raw: Mapping[str, Floats]
    subtype: tuple[str, ...]
    candidates: Mapping[str, Floats]
    time_zero: str
    flow: tuple[FlowStep, ...]
    sha256: str
    unused: tuple[str, ...] = ()
    beside: Mapping[str, Floats] = field(default_factory=dict)
    categories: Mapping[str, Category] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    patients_sha256: str = ""
    anchored: TimeZero | None = None  # where time zero lies in a record, if it can be read from one (S11)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    synthetic: bool = False

    def __len__(self) -> int:
        """How many patients."""
        return len(self.ids)

    @property
    def event(self) -> Events:
        """Whether follow-up ended with a recurrence."""
        return np.asarray(self.status == RECURRENCE)

    def column(self, name: str) -> Floats:
        """One predictor, candidate or raw value (n,). Raises TrainingError for any other name."""
        for among in (self.predictors, self.candidates, self.raw, self.beside):
            if name in among:
                return among[name]
        raise TrainingError(f"{self.name}: there is no column {name} in this cohort")

    def matrix(self, names: Sequence[str]) -> Floats:
        """The columns side by side (n, p). Raises TrainingError for a name that is not there."""
        return np.column_stack([self.column(name) for name in names])

    def complete(self, names: Sequence[str]) -> "Cohort":
        """Only the patients of whom all these are known, with a step of the flow table. Raises TrainingError."""
        missing = np.isnan(self.matrix(names))
        kept = np.asarray(~missing.any(axis=1))
        if not kept.any():
            raise TrainingError(f"{self.name}: of nobody all of {', '.join(names)} are known")
        lacks = [f"{name} {count}" for name, count in zip(names, missing.sum(axis=0), strict=True) if count]
        return self.left(kept, "all predictors known", f"missing: {', '.join(lacks)}")

    def left(self, kept: Members, what: str, reason: str) -> "Cohort":
        """Only who is kept (n,), with a step of the flow table; `reason` is why the others, if any, were taken out."""
        out = int((~kept).sum())
        step = FlowStep(what, int(kept.sum()), out, reason if out else "")
        return replace(self.where(kept), flow=(*self.flow, step))

    def where(self, kept: Members) -> "Cohort":
        """Only some of the patients (n,); the caller adds the step of the flow table."""

        def of(columns: Mapping[str, Floats]) -> dict[str, Floats]:
            return {name: values[kept] for name, values in columns.items()}

        return replace(
            self,
            ids=tuple(compress(self.ids, kept)),
            time=self.time[kept],
            status=self.status[kept],
            predictors=of(self.predictors),
            raw=of(self.raw),
            beside=of(self.beside),
            subtype=tuple(compress(self.subtype, kept)),
            candidates=of(self.candidates),
            categories={
                name: replace(words, values=words.values[kept]) for name, words in self.categories.items()
            },
            groups={name: tuple(compress(words, kept)) for name, words in self.groups.items()},
        )


def read_cohort(
    path: Path,
    *,
    time_zero: str,
    column_map: ColumnMap | None = None,
    candidates: Sequence[str] = (),
    groups: Sequence[str] = (),
    cutoffs: Sequence[Cutoff] = (),
    read_titre: TitreReader = plain_titre,
    max_rows: int = MAX_ROWS,
    today: date | None = None,
) -> Cohort:
    """Read a cohort from a text, Excel or Parquet file; `docs/data-dictionary.md` says what may stand in it.

    `time_zero` says in words what time zero is. `column_map` says how the file is written; `candidates` and `groups` are
    further columns of it. `cutoffs` code raw values where the coded ones are not given, `read_titre` reads the text of a
    titre; no date may be after `today` (None: not known). Raises TrainingError: one sentence that names every column that
    cannot be used, where and why.
    """
    column_map = column_map or ColumnMap()
    table = read_table(path, column_map.file, max_rows=max_rows)
    return _cohort(table, time_zero, column_map, candidates, cutoffs, (), read_titre, groups, today)


def from_rows(
    rows: Sequence[Mapping[str, str]],
    *,
    name: str,
    unit: str,
    places: Sequence[int],
    time_zero: str,
    candidates: Sequence[str],
    cutoffs: Sequence[Cutoff],
    flow: Sequence[FlowStep],
    sha256: str,
) -> Cohort:
    """Make a cohort of rows that were not read from a table, all with the same columns of the schema.

    `unit` and `places` say where each row comes from ("file", 3); `flow` is what happened before. Raises TrainingError.
    """
    columns = tuple(rows[0]) if rows else ()
    cells = tuple(tuple(row[column] for column in columns) for row in rows)
    table = Table(name, unit, sha256, tuple(map(as_compared, columns)), columns, cells, tuple(places), ".")
    return _cohort(table, time_zero, ColumnMap(), candidates, cutoffs, flow, plain_titre)


def _cohort(
    table: Table,
    time_zero: str,
    column_map: ColumnMap,
    candidates: Sequence[str],
    cutoffs: Sequence[Cutoff],
    flow: Sequence[FlowStep],
    read_titre: TitreReader,
    groups: Sequence[str] = (),
    today: date | None = None,
) -> Cohort:
    if not time_zero.strip():
        raise TrainingError("say in words what time zero is, for instance: 180 days after diagnosis")
    if not table.rows:
        raise TrainingError(_nobody(table, flow))
    checked = read_patients(table, column_map, candidates, cutoffs, read_titre, groups, today)
    patients = checked.patients
    categories = {name: c for name, c in checked.candidates.items() if isinstance(c, Category)}
    columns: dict[str, Floats] = {}
    for column, values in checked.candidates.items():
        columns |= values.indicators(column) if isinstance(values, Category) else {column: values}
    steps = tuple(flow) or (FlowStep("in the file", len(patients)),)
    if checked.deaths_by_date:
        what = f"of these {checked.deaths_by_date} died at the end of follow-up by the date of death alone"
        steps = (*steps, FlowStep(what, len(patients)))
    cohort = Cohort(
        name=table.name,
        ids=tuple(patient.id for patient in patients),
        time=np.array([years(patient) for patient in patients]),
        status=np.array([status(patient) for patient in patients], dtype=np.int64),
        predictors={name: numbers_of(patients, name) for name in PREDICTORS},
        raw={name: numbers_of(patients, name) for name in checked.raw},
        beside={name: numbers_of(patients, name) for name in checked.beside},
        subtype=tuple(patient.subtype or "" for patient in patients),
        candidates=columns,
        time_zero=time_zero.strip(),
        flow=steps,
        sha256=table.sha256,
        unused=checked.unused,
        synthetic=table.is_synthetic,
        groups=checked.groups,
        categories=categories,
        units={name: rule.unit for name, rule in column_map.candidates.items() if rule.unit},
    )
    kept = np.asarray(cohort.time > 0)
    if not kept.any():
        raise TrainingError(f"{cohort.name}: nobody was followed beyond time zero")
    followed = cohort.left(kept, "followed beyond time zero", "censored at time zero")
    return replace(
        followed, patients_sha256=digest(followed.time, followed.status, followed.matrix(PREDICTORS))
    )


def _nobody(table: Table, flow: Sequence[FlowStep]) -> str:
    taken = [step for step in flow if step.taken_out]
    if not taken:
        return f"{table.name}: there are no patients in it"
    most = max(taken, key=lambda step: step.taken_out)
    return f"{table.name}: nobody is left; {most.taken_out} of {flow[0].left} were taken out: {most.reason}"
