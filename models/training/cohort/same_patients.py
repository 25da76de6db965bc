"""Whether a cohort is the one that a model was fitted to, whatever file it comes from.

The artefact keeps one digest over the analysed values of all patients together. It keeps none of a patient: time,
status and four yes or no are so few possibilities that each could be guessed. So it can be told that two cohorts are the
same, and not how many patients they share.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from models.training.cohort.schema import DAYS_PER_YEAR
from models.training.statistics.arrays import Floats, Statuses

_EDGE = 1 / 90_000  # of a day, a second: half a day is rounded up, and no time in decimals lies on the edge
_ALIKE = 0.005  # person-years that differ by less are those of the same people, written in another unit


def digest(time: Floats, status: Statuses, predictors: Floats) -> str:
    """The digest of n patients: time (n,) in years, status (n,), predictors (n, 4), nan: missing.

    A line a patient, sorted: the day on which follow-up ended, the status, the predictors. Order, ids, names of columns,
    formats and units of time do not change it. Times are taken to the day, as no file says more: in years with three
    decimals, or in months with two, a day is still the same day.
    """
    days = np.floor(time * DAYS_PER_YEAR + 0.5 + _EDGE).astype(np.int64)
    marks = np.where(np.isnan(predictors), "?", np.where(predictors > 0, "1", "0"))
    lines = sorted(f"{day} {end} {''.join(row)}" for day, end, row in zip(days, status, marks, strict=True))
    return sha256("\n".join(("imnm-cds-patients/1", *lines)).encode()).hexdigest()


def are_the_same(record: Mapping[str, Any], file_sha256: str, patients_sha256: str) -> bool:
    """Whether a cohort is the one of a fit record: the same file, or the same patients in another one."""
    same_file = bool(file_sha256) and record.get("cohort_sha256") == file_sha256
    return same_file or (bool(patients_sha256) and record.get("patients_sha256") == patients_sha256)


def coincidence(record: Mapping[str, Any], time: Floats, events: int) -> str:
    """A warning where other patients have as many recurrences in as many person-years; empty: they differ."""
    years = record.get("person_years")
    if (record.get("patients"), record.get("recurrences")) != (len(time), events) or not years:
        return ""
    if abs(float(time.sum()) - float(years)) > _ALIKE * float(years):
        return ""
    return (
        f"the model was fitted to as many patients ({len(time)}) with as many recurrences ({events}) in as many "
        "person-years; if they are the same people, this is no validation in new patients"
    )
