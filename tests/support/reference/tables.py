# ruff: noqa: N802 - the functions bear the ids of the rules
"""The clinical tables as plain lists, read with the standard library alone, and looked up as rule F4 says."""

import csv
import json
import re
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
    "statuses",
)
ICD_10 = (
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
)
ICD_11 = "http://id.who.int/icd/release/11/mms"
ICD_9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
UCUM = "http://unitsofmeasure.org"
PREFIXES = {
    "http://www.orpha.net": ("ORPHA:", "ORPHANET_"),
    "http://purl.obolibrary.org/obo/mondo.owl": ("MONDO:",),
    "http://purl.obolibrary.org/obo/hp.owl": ("HP:",),
}


def read_csv(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of_table(folder: Path, name: str) -> list[dict]:
    """The rows of a table of codes: system, code and role."""
    if name == "statuses":
        rows = read_csv(folder / "statuses.csv")
        return [{**row, "role": f"{row['element']} {row['status']}"} for row in rows]
    rows = read_csv(folder / f"{name}.csv")
    if name == "medications":
        rows = rows + read_csv(folder / "rxnorm_drugs.csv")
    return rows


@cache
def load(folder: Path) -> dict:
    """All tables of one folder; codes are looked up by canonical system."""
    aliases = {row["alias"]: row["system"] for row in read_csv(folder / "systems.csv")}
    tables: dict = {"aliases": aliases, "codes": {}, "rows": {}, "site_codes": []}
    tables["alias_shapes"] = [
        (re.compile(re.escape(alias).replace(r"\*", ".*")), system)
        for alias, system in aliases.items()
        if "*" in alias
    ]
    for name in CODE_TABLES:
        by_system: dict[str, list] = {}
        tables["rows"][name] = rows_of_table(folder, name)
        for row in tables["rows"][name]:
            system = canonical_system(tables, row["system"])
            code = plain_code(system, row["code"])
            by_system.setdefault(system, []).append((code, row["role"].split()))
        tables["codes"][name] = by_system
    tables["agents"] = {row["ingredient"]: row for row in read_csv(folder / "agents.csv")}
    tables["units"] = [
        (row["dimension"], row["form"], row["unit"], exact(row["factor"]))
        for row in read_csv(folder / "units.csv")
    ]
    tables["rules"] = read_toml(folder / "rules.toml")
    tables["words"] = read_csv(folder / "words.csv")
    return tables


def exact(text: str) -> Fraction:
    return Fraction(text)


def read_toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


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


def words(tables: dict, role: str) -> list[str]:
    """The words of a role."""
    return [row["words"] for row in tables["words"] if row["role"] == role]


def canonical_system(tables: dict, system: str | None) -> str:
    """F4: aliases, releases and editions of a code system; `*` in an alias stands for any text."""
    given = system or ""
    if given in tables["aliases"]:
        return tables["aliases"][given]
    for shape, name in tables["alias_shapes"]:
        if shape.fullmatch(given):
            return name
    return given


def plain_code(system: str, code: str) -> str:
    """F4: ICD codes without the dot and in upper case; optional prefixes removed."""
    if system in (*ICD_10, ICD_11, ICD_9):
        return code.replace(".", "").upper()
    if system in (ATC, HCPCS):
        return code.upper()
    for prefix in PREFIXES.get(system, ()):
        if code.upper().startswith(prefix):
            return code[len(prefix) :]
    return code


def rule_F4_family(system: str) -> list[tuple[str, ...]]:
    """The systems in whose rows a code is looked up: its own first, then the rest of the ICD-10 family."""
    if system in ICD_10:
        return [(system,), tuple(other for other in ICD_10 if other != system)]
    return [(system,)]


def rule_F4_rows_of_coding(tables: dict, table: str, coding: dict) -> list[list[str]]:
    """The role words of every row of a table that one coding matches."""
    system = canonical_system(tables, as_text(coding.get("system")))
    written = readable_code(coding.get("code"))
    matched: list[list[str]] = []
    for systems in rule_F4_family(system):
        for name in systems:
            code = plain_code(name, written)
            for wanted, roles in tables["codes"][table].get(name, []):
                same = code.startswith(wanted[:-1]) if wanted.endswith("*") else code == wanted
                if same and roles not in matched:
                    matched.append(roles)
        if matched:
            break
    for given, code, role in tables["site_codes"]:
        same_system = system == canonical_system(tables, given)
        if same_system and written == code and belongs(table, role) and role.split() not in matched:
            matched.append(role.split())
    return matched


def readable_code(code) -> str:
    """U1: a code that is written as a number can still be read."""
    is_number = isinstance(code, int | Decimal) and not isinstance(code, bool)
    return str(code) if is_number else as_text(code)


def rule_F4_rows_of(tables: dict, table: str, concept) -> list[list[str]]:
    """The role words of every table row that one of the codings of a CodeableConcept matches."""
    matched: list[list[str]] = []
    for coding in codings_of(concept):
        for roles in rule_F4_rows_of_coding(tables, table, coding):
            if roles not in matched:
                matched.append(roles)
    return matched


def belongs(table: str, role: str) -> bool:
    """Which table a site-mapped role extends: the one that has the word, or where the rules look for it."""
    word = role.split(maxsplit=1)[0]
    extra = {
        "refractory": ("observations", "conditions", "procedures"),
        "severe-weakness": ("observations", "conditions"),
        "plasma-exchange": ("procedures",),
        "necrotizing-biopsy": ("observations", "conditions", "procedures"),
    }
    if word in extra:
        return table in extra[word]
    return any(word in row["role"].split() for row in load(TABLES_DIR)["rows"][table])


def as_text(value) -> str:
    return value if isinstance(value, str) else ""


def codings_of(concept) -> list[dict]:
    """The codings of a CodeableConcept, of a list of them, or of a bare Coding, as far as they can be read."""
    if isinstance(concept, list):
        return [coding for part in concept for coding in codings_of(part)]
    if not isinstance(concept, dict):
        return []
    if "coding" in concept or "text" in concept:
        held = concept.get("coding")
        held = held if isinstance(held, list) else [held]
        return [coding for coding in held if isinstance(coding, dict)]
    return [concept] if concept.get("code") else []


def words_of(tables: dict, table: str, concept) -> set[str]:
    return {word for roles in rule_F4_rows_of(tables, table, concept) for word in roles}
