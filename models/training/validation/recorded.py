"""The record of a fit as it is read back from model.json: by whoever validates, and for the report.

A file may have been changed by hand and signed again. What is read of its record is checked in one place, before
anything is computed with it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from models.training.errors import TrainingError
from models.training.fitting.death import CompetingDeath
from models.training.fitting.form import Form
from models.training.fitting.missing import Missingness
from models.training.fitting.sample_size import SampleSize
from models.training.fitting.shrinkage import Shrinkage
from models.training.fitting.univariable import Univariable
from models.training.fitting.updating.in_words import RecordedSteps
from models.training.plain_json import Count, NotNegative
from models.training.statistics.arrays import patterns
from models.training.statistics.partial_likelihood import Ties

_STEPS = ("ridge", "firth", "seed", "shrinkage", "missingness")
_NEEDED = {
    "fit": _STEPS,
    "baseline update": ("recalibration",),
    "recalibration": ("recalibration",),
    "no update": ("recalibration",),
}
"""What must be said of each kind, be it null: what is not said would be taken for not done."""
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Proportionality:
    """The score test of proportional hazards by predictor and of all together; None: not estimable."""

    chi_square: tuple[float | None, ...]
    p: tuple[float | None, ...]
    chi_square_global: float | None
    p_global: float | None


@dataclass(frozen=True, slots=True)
class FitRecord:
    """Of the record that `train` leaves in model.json, what a validation needs and the report shows.

    `recalibration` belongs to an update, all that has no value there to a fit.
    """

    kind: Literal["fit", "baseline update", "recalibration", "no update"]
    centre: str
    time_zero: str
    patients: Count
    recurrences: Count
    person_years: Annotated[float, msgspec.Meta(gt=0)]
    libraries: Mapping[str, str]
    cohort_sha256: _Digest
    patients_sha256: _Digest
    synthetic: bool
    baseline_ties: Ties
    warnings: tuple[str, ...] = ()
    method: str = ""
    ties: str = ""
    ridge: NotNegative = 0.0
    firth: bool = False
    seed: Count = 0
    shrinkage: Shrinkage | None = None
    univariable: tuple[Univariable, ...] = ()
    proportionality: Proportionality | None = None
    sample_size: SampleSize | None = None
    missingness: Missingness | None = None
    forms: tuple[Form, ...] = ()
    competing_death: CompetingDeath | None = None
    recalibration: RecordedSteps | None = None


def fit_record_of(folder: Path) -> dict[str, Any]:
    """How the model in a folder was fitted, as `train` recorded it; empty where there is no record.

    Raises TrainingError where a part of it is not as `train` writes it, or belongs to a model of another size.
    """
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    record: dict[str, Any] = document.get("fit", {})
    read = fit_record_in(record)
    if read is None:
        return {}
    if lacking := [name for name in _NEEDED[read.kind] if name not in record]:
        raise _unreadable(f"fit.{lacking[0]} is missing")
    count, wrong = len(document["predictors"]), ""
    test, missing, death = read.proportionality, read.missingness, read.competing_death
    if test and {len(test.chi_square), len(test.p)} != {count}:
        wrong = "proportionality"
    elif missing and missing.imputations and set(missing.sizes) != {count}:
        wrong = "missingness"
    elif death and (
        {len(row) for row in death.absolute.values()} != {len(document["baseline_cumulative_hazard"])}
        or set(death.absolute) != set(patterns(count))
    ):
        wrong = "competing_death.absolute"
    elif any(not form.reason and not form.is_whole for form in read.forms):
        wrong = "forms"
    if wrong:
        raise _unreadable(f"fit.{wrong} has not one number for each predictor, pattern, horizon or point")
    return record


def fit_record_in(record: Mapping[str, Any]) -> FitRecord | None:
    """The record of a fit, None where it is empty. Raises TrainingError where it is not as `train` writes it."""
    if record == {}:
        return None
    try:
        return msgspec.convert(record, FitRecord)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        raise _unreadable(f"fit{path.strip('`').removeprefix('$')}: {what}") from None


def _unreadable(what: str) -> TrainingError:
    return TrainingError(
        f"the record of the model's fit cannot be read: {what} (model.json); restore the folder, or write it again with"
        " `imnm-cds train`"
    )
