"""The sample patients: synthetic charts whose dates are written relative to a base day.

The demonstration shifts every date to today, so that "low and quiet" stays quiet; tests pin the base day.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "patients"
_DATE = re.compile(r'"(\d{4}-\d{2}-\d{2})(?=["T])')  # every date in the files is written in full


class UnknownPatientError(ValueError):
    """There is no sample patient of that name; the message names those there are."""


@dataclass(frozen=True, slots=True)
class SamplePatient:
    """`name` is the Patient id, `story` one line for people."""

    name: str
    story: str


@dataclass(frozen=True, slots=True)
class PatientBanner:
    """What stands above a chart: the name, and sex and date of birth in words as far as they are known."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Samples:
    """All sample patients, and the day as of which their charts are written."""

    base_day: date
    patients: tuple[SamplePatient, ...]

    def find(self, name: str) -> SamplePatient:
        """The sample patient of that name. Raises UnknownPatientError."""
        for sample in self.patients:
            if sample.name == name:
                return sample
        names = ", ".join(sample.name for sample in self.patients)
        raise UnknownPatientError(f"there is no sample patient {name!r}; there are: {names}")


def samples() -> Samples:
    """The list of sample patients, in the order in which it is shown."""
    listed = tomllib.loads((FOLDER / "patients.toml").read_text("utf-8"))
    patients = tuple(SamplePatient(entry["name"], entry["story"]) for entry in listed["patient"])
    return Samples(listed["base_day"], patients)


def chart(name: str, shift: timedelta = timedelta(0)) -> dict[str, Any]:
    """The chart of one sample patient as a Bundle of type `collection`, every date moved by `shift` (whole days)."""
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    moved = _DATE.sub(lambda day: f'"{date.fromisoformat(day[1]) + shift}', text)
    bundle: dict[str, Any] = json.loads(moved)
    return bundle


def banner(bundle: Mapping[str, Any]) -> PatientBanner:
    """The banner of a chart: whose it is."""
    patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    name: Mapping[str, Any] = next(iter(patient.get("name", ())), {})
    full = " ".join([*name.get("given", ()), name.get("family", "")]).strip()
    born = f"born {patient['birthDate']}" if "birthDate" in patient else ""
    return PatientBanner(full or "no name", ", ".join(filter(None, (patient.get("gender"), born))))
