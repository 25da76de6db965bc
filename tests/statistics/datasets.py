"""A folder of reference numbers: its rows, and its data sets as datasets.toml describes them."""

import csv
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tests.statistics.rms import multiplicities

FUNCTIONS = {"log": np.log, "log2": np.log2, "sqrt": np.sqrt}
DEFAULT = Path(__file__).parents[1] / "data" / "reference"


@dataclass(frozen=True)
class Row:
    """One number of R; `value` is nan where R has none."""

    dataset: str
    model: str
    quantity: str
    term: str
    time: float | None
    at: float | None
    value: float
    se: float | None
    tolerance: float | None
    se_tolerance: float | None


@dataclass(frozen=True)
class Dataset:
    """One data set, or the plan of a study without one."""

    name: str
    settings: dict
    names: tuple[str, ...]
    x: np.ndarray
    columns: dict[str, np.ndarray]
    counts: np.ndarray | None
    developed_on: "Dataset | None"
    seed: int

    @cached_property
    def time(self) -> np.ndarray:
        """Follow-up in the unit of the reference numbers."""
        return self.columns["time"] / self.settings.get("time_unit", 1)

    @cached_property
    def event(self) -> np.ndarray:
        """Whether the event was seen."""
        return self.columns["event"] == 1

    @cached_property
    def status(self) -> np.ndarray:
        """0 censored, 1 the event, more: competing."""
        return self.columns["status"].astype(np.int64)

    @cached_property
    def outcome(self) -> np.ndarray:
        """The binary outcome of a logistic model."""
        return self.columns["outcome"] == 1


@dataclass(frozen=True)
class Folder:
    """All rows and data sets, and why some rows need not be met: (dataset, model) → reason."""

    rows: tuple[Row, ...]
    datasets: dict[str, Dataset]
    not_met: dict[tuple[str, str], str]


def read(folder: Path = DEFAULT) -> Folder:
    """Read a folder: reference_numbers.csv, datasets.toml, data/."""
    settings = tomllib.loads((folder / "datasets.toml").read_text(encoding="utf-8"))
    excused = {(e["dataset"], e["model"]): e["reason"] for e in settings.pop("not_met", [])}
    seed = settings.pop("bootstrap", {}).get("seed", 1)
    datasets: dict[str, Dataset] = {}
    for name in sorted(settings, key=lambda n: "developed_on" in settings[n]):
        datasets[name] = read_dataset(folder, name, settings[name], datasets, seed)
    with (folder / "reference_numbers.csv").open(encoding="utf-8", newline="") as lines:
        return Folder(tuple(_row(line) for line in csv.DictReader(lines)), datasets, excused)


NO_VALUE = {"", "NA", "NaN"}


def _row(line: dict[str, str]) -> Row:
    def number(field: str) -> float | None:
        return None if line[field] in NO_VALUE else float(line[field])

    value = number("value")
    return Row(
        *(line[field] for field in ("dataset", "model", "quantity", "term")),
        *(number(field) for field in ("time", "at")),
        value=float("nan") if value is None else value,
        **{field: number(field) for field in ("se", "tolerance", "se_tolerance")},
    )


def read_dataset(folder: Path, name: str, settings: dict, earlier: dict[str, Dataset], seed: int) -> Dataset:
    """Read one data set of a folder as its part of datasets.toml says, after those it was developed on."""
    predictors = settings.get("predictors", {})
    if not predictors:
        return Dataset(name, settings, (), np.empty((0, 0)), {}, None, None, seed)
    with (folder / "data" / settings["file"]).open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))
    wanted = {k: settings[k] for k in ("time", "event", "status", "outcome") if k in settings}
    columns = {k: _column(table, expression) for k, expression in (wanted | predictors).items()}
    whole = ~np.isnan(np.stack(list(columns.values()))).any(axis=0)
    columns = {k: values[whole] for k, values in columns.items()}
    counts = None
    if "shared_resamples" in settings:
        rows = np.loadtxt(folder / "data" / settings["shared_resamples"], delimiter=",", dtype=np.int64)
        counts = multiplicities(rows, int(whole.sum()))
    x = np.column_stack([columns[k] for k in predictors])
    source = earlier.get(settings.get("developed_on", ""))
    return Dataset(name, settings, tuple(predictors), x, columns, counts, source, seed)


def _column(table: list[dict[str, str]], expression: str) -> np.ndarray:
    """A column, a function of one, or whether it equals a value."""
    if equality := re.fullmatch(r"(\w+) == (.+)", expression):
        column, value = equality.groups()
        return np.array([np.nan if r[column] in {"", "NA"} else float(r[column] == value) for r in table])
    if call := re.fullmatch(r"(\w+)\((\w+)\)", expression):
        return FUNCTIONS[call[1]](_column(table, call[2]))
    return np.array([float("nan" if r[expression] in {"", "NA"} else r[expression]) for r in table])
