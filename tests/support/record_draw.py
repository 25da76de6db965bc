"""What every drawn chart needs: choices that shrink to the first, times at the edges of windows, references."""

import csv
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

TABLES = Path(__file__).resolve().parents[2] / "fhir_mapping" / "tables"
BASE = "http://ehr.example/fhir"
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
AS_OF = ("2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z", "2024-02-29T22:30:00Z")
SHAPES = (
    *("day",) * 5,
    *("instant",) * 5,
    "second-before",
    "second-after",
    "offset",
    "naive",
    "fraction",
    "month",
    "year",
)


@cache
def codes_of(table: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """(system, code) of every role of a table; `I41*` is drawn as I41 and as I41.9."""
    found: dict[str, list[tuple[str, str]]] = {}
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            code = row["code"]
            spelled = [code[:-1], code[:-1] + "9"] if code.endswith("*") else [code]
            found.setdefault(row["role"], []).extend((row["system"], one) for one in spelled)
    return {role: tuple(pairs) for role, pairs in found.items()}


@cache
def statins() -> tuple[str, ...]:
    """The roles of medicines whose class is statin: one for each ingredient, or the class alone."""
    with (TABLES / "agents.csv").open(encoding="utf-8", newline="") as file:
        named = [row["ingredient"] for row in csv.DictReader(file) if row["class"] == "statin"]
    return tuple(name for name in named if name in codes_of("medications"))


@cache
def index(length: int) -> st.SearchStrategy:
    return st.integers(0, length - 1)


class Chart:
    """One drawn record: `draw`, the moment `as_of`, and the resources so far."""

    def __init__(self, draw, as_of: str) -> None:
        self.draw = draw
        self.as_of = datetime.fromisoformat(as_of)
        self.as_of_text = as_of
        self.resources: list[dict] = []
        self.full_urls: dict[int, str] = {}
        self.counts: dict[str, int] = {}
        self.patient_reference = "Patient/p1"

    def pick(self, *options):
        """One of the options; the first is the simplest. Hypothesis likes both ends, so both are the first."""
        return options[self.draw(index(len(options) + 1)) % len(options)]

    def rarely(self, number: int) -> bool:
        """True once in so many draws."""
        return self.draw(index(number)) == 1

    def how_many(self, *numbers: int) -> range:
        return range(self.pick(*numbers))

    def instant(self, age: float) -> datetime:
        return self.as_of - timedelta(days=age)

    def when(self, age: float, shapes: tuple = SHAPES) -> str:
        """The moment so many days before `as_of`, written in one of the shapes."""
        return written(self.instant(age), self.pick(*shapes))

    def edge(self, *edges: float, shapes: tuple = SHAPES) -> str:
        """A time at the edge of a window, a day before it or a day after it."""
        return self.when(self.pick(*edges) + self.pick(0, 0, 0, 1, -1), shapes)

    def add(self, kind: str, **content) -> dict:
        """A resource of the patient, with an id of its own."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        letter = "".join(c for c in kind if c.isupper()).lower()
        resource = {"resourceType": kind, "id": f"{letter}{self.counts[kind]}"}
        if kind not in ("Medication", "Appointment"):
            resource["subject"] = {"reference": self.patient_reference}
        resource.update({name: value for name, value in content.items() if value is not None})
        self.resources.append(resource)
        return resource

    def code(self, table: str, *roles: str) -> dict:
        """A CodeableConcept with a code of one of the roles, sometimes spelled by an alias."""
        system, code = self.pick(*codes_of(table)[self.pick(*roles)])
        if self.rarely(12):
            system, code = respelled(system, code)
        return {"coding": [{"system": system, "code": code}]}


ALIASES = {
    LOINC: "urn:oid:2.16.840.1.113883.6.1",
    SNOMED: "https://snomed.info/sct",
    "http://hl7.org/fhir/sid/icd-10-cm": "urn:oid:2.16.840.1.113883.6.90",
}


def respelled(system: str, code: str) -> tuple[str, str]:
    """The same code as other senders write it."""
    if "icd" in system:
        return ALIASES.get(system, system), code.replace(".", "").lower()
    if system.endswith("mondo.owl"):
        return system, code.removeprefix("MONDO:")
    if system.endswith("orpha.net"):
        return system, f"ORPHA:{code}"
    return ALIASES.get(system, system), code


def written(moment: datetime, shape: str) -> str:
    """A moment as a FHIR date or time of the given shape."""
    if shape == "second-before":
        moment -= timedelta(seconds=1)
    if shape == "second-after":
        moment += timedelta(seconds=1)
    if shape == "offset":
        return moment.astimezone(timezone(timedelta(hours=8))).isoformat()
    if shape == "naive":
        return moment.replace(tzinfo=None).isoformat()
    if shape == "fraction":
        return moment.strftime("%Y-%m-%dT%H:%M:%S.500Z")
    if shape in ("day", "month", "year"):
        return moment.strftime({"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[shape])
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
