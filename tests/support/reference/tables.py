# ruff: noqa: N802 - the functions bear the ids of the rules
"""The clinical tables as plain lists, read with the standard library alone."""

import csv
import json
import tomllib
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TABLES_DIR = ROOT / "fhir_mapping" / "tables"
MODEL_DIR = ROOT / "models" / "imnm_recurrence"

CODE_TABLES = (
    "observations",
    "conditions",
    "medications",
    "procedures",
    "visits",
    "specialties",
    "qualifiers",
)
ICD = (
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://id.who.int/icd/release/11/mms",
)
PREFIXES = {
    "http://www.orpha.net": "ORPHA:",
    "http://purl.obolibrary.org/obo/mondo.owl": "MONDO:",
    "http://purl.obolibrary.org/obo/hp.owl": "HP:",
}
UCUM = "http://unitsofmeasure.org"


def read_csv(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def load(folder: Path) -> dict:
    """All tables of one folder; codes are looked up by canonical system."""
    aliases = {row["alias"]: row["system"] for row in read_csv(folder / "systems.csv")}
    tables: dict = {"aliases": aliases, "codes": {}, "rows": {}}
    for name in CODE_TABLES:
        by_system: dict[str, list] = {}
        tables["rows"][name] = read_csv(folder / f"{name}.csv")
        for row in tables["rows"][name]:
            code = plain_code(row["system"], row["code"])
            by_system.setdefault(row["system"], []).append((code, row["role"].split()))
        tables["codes"][name] = by_system
    tables["agents"] = {row["ingredient"]: row for row in read_csv(folder / "agents.csv")}
    tables["units"] = {
        (row["dimension"], row["form"], row["unit"]): Fraction(row["factor"])
        if "/" in row["factor"]
        else Decimal(row["factor"])
        for row in read_csv(folder / "units.csv")
    }
    tables["written_units"] = {
        (dimension, unit.casefold()): factor
        for (dimension, form, unit), factor in tables["units"].items()
        if form == "text"
    }
    rules = tomllib.loads((folder / "rules.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    tables["rules"] = rules
    tables["site_codes"] = []
    return tables


@cache
def load_model(folder: Path = MODEL_DIR) -> tuple[dict, dict]:
    """The model artefact and the policy."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    policy = tomllib.loads((folder / "policy.toml").read_text(encoding="utf-8"))
    return model, policy


def number(tables: dict, name: str) -> Decimal:
    """A number of rules.toml, by section and key: `high_drr.threshold`."""
    section, key = name.split(".")
    return Decimal(str(tables["rules"][section][key]["value"]))


def words(tables: dict, name: str) -> list[str]:
    return tables["rules"]["words"][name]


def canonical_system(tables: dict, system: str | None) -> str:
    return tables["aliases"].get(system or "", system or "")


def plain_code(system: str, code: str) -> str:
    """F4: ICD codes without the dot and in upper case; optional prefixes removed."""
    if system in ICD:
        return code.replace(".", "").upper()
    prefix = PREFIXES.get(system, "")
    if prefix and code.upper().startswith(prefix):
        return code[len(prefix) :]
    return code


def rule_F4_rows_of(tables: dict, table: str, concept) -> list[list[str]]:
    """The role words of every table row that one of the codings of a CodeableConcept matches."""
    found = []
    for coding in codings_of(concept):
        system = canonical_system(tables, coding.get("system"))
        code = plain_code(system, coding.get("code") or "")
        for wanted, roles in tables["codes"][table].get(system, []):
            same = code.startswith(wanted[:-1]) if wanted.endswith("*") else code == wanted
            if same and roles not in found:
                found.append(roles)
    for system, code, role in tables["site_codes"]:
        for coding in codings_of(concept):
            given = canonical_system(tables, coding.get("system"))
            if (
                given == canonical_system(tables, system)
                and coding.get("code") == code
                and belongs(table, role)
            ):
                found.append(role.split())
    return found


def belongs(table: str, role: str) -> bool:
    """Which table a site-mapped role extends: the one that has the word, or where rules 3.4 and 6 look for it."""
    word = role.split(maxsplit=1)[0]
    extra = {
        "refractory": ("observations", "conditions", "procedures"),
        "severe-weakness": ("observations", "conditions"),
        "plasma-exchange": ("procedures",),
    }
    if word in extra:
        return table in extra[word]
    return any(word in row["role"].split() for row in load(TABLES_DIR)["rows"][table])


def codings_of(concept) -> list[dict]:
    """The codings of a CodeableConcept, of a list of them, or of a bare Coding."""
    if isinstance(concept, list):
        return [coding for one in concept for coding in codings_of(one)]
    if not isinstance(concept, dict):
        return []
    if "coding" in concept or "text" in concept:
        return concept.get("coding") or []
    return [concept] if concept.get("code") else []


def words_of(tables: dict, table: str, concept) -> set[str]:
    return {word for roles in rule_F4_rows_of(tables, table, concept) for word in roles}
