"""What the words of the specification tables stand for: times, codes and their systems."""

import csv
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
TABLES = Path(__file__).parents[2] / "fhir_mapping" / "tables"
UCUM = "http://unitsofmeasure.org"
SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd10gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd11": "http://id.who.int/icd/release/11/mms",
    "orpha": "http://www.orpha.net",
    "mondo": "http://purl.obolibrary.org/obo/mondo.owl",
    "hpo": "http://purl.obolibrary.org/obo/hp.owl",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "nucc": "http://nucc.org/provider-taxonomy",
    "department": "http://fhir.de/CodeSystem/dkgev/Fachabteilungsschluessel",
    "department2": "http://fhir.de/CodeSystem/dkgev/Fachabteilungsschluessel-erweitert",
    "kbv": "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT",
    "servicetype": "http://terminology.hl7.org/CodeSystem/service-type",
    "practice": "http://terminology.hl7.org/CodeSystem/c80-practice-codes",
    "act": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "interp": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "status": "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason",
    "gender": "http://hl7.org/fhir/administrative-gender",
    "v3gender": "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender",
    "range": "http://terminology.hl7.org/CodeSystem/referencerange-meaning",
    "absent": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
    "nullflavor": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    "local": "urn:local",
}
CODE_FILES = (
    "observations",
    "conditions",
    "medications",
    "rxnorm_drugs",
    "procedures",
    "visits",
    "specialties",
    "qualifiers",
)
# Words that name a whole role of the tables; any other word is looked for among the words of the roles.
ROLES = {
    "ana": "ana titre",
    "ana-screen": "ana",
    "ana-pattern": "ana pattern",
    "cytoplasmic-pattern": "ana pattern cytoplasmic",
    "anti-srp-titre": "anti-srp titre",
}


@cache
def first_code(table: str, word: str) -> dict[str, str]:
    """The first code of a table whose role has this word (the tables are read as they stand on disk)."""
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            whole = ROLES.get(word, word)
            if row["role"] == whole or (word not in ROLES and word in row["role"].split()):
                return {"system": row["system"], "code": row["code"].replace("*", "")}
    raise KeyError(f"no code for {word!r} in {table}.csv")


@cache
def every_code(role: str) -> tuple[str, ...]:
    """Every code of the tables that has this whole role (of a class of medicines: every ingredient's), as written here."""
    names = {system: name for name, system in SYSTEMS.items()}
    with (TABLES / "agents.csv").open(encoding="utf-8", newline="") as rows:
        roles = {role} | {row["ingredient"] for row in csv.DictReader(rows) if row["class"] == role}
    codes = []
    for table in CODE_FILES:
        with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as rows:
            codes += [row for row in csv.DictReader(rows) if row["role"] in roles]
    if not codes:
        raise KeyError(f"no code for {role!r}")
    return tuple(f"{names[row['system']]}:{row['code'].replace('*', '')}" for row in codes)


@cache
def every_word(role: str) -> tuple[str, ...]:
    """Every word of `words.csv` that has this role, as a text may hold it."""
    with (TABLES / "words.csv").open(encoding="utf-8", newline="") as rows:
        words = [row["words"] for row in csv.DictReader(rows) if row["role"] == role]
    if not words:
        raise KeyError(f"no word for {role!r}")
    return tuple(word.replace(" & ", " ").replace("*", "") for word in words)


def coding(table: str, word: str) -> dict[str, str]:
    """`snomed:123` or a role word of the table."""
    prefix, colon, code = word.partition(":")
    if colon and prefix in SYSTEMS:
        return {"system": SYSTEMS[prefix], "code": code}
    return first_code(table, word)


def codings(table: str, words: str) -> list[dict[str, str]]:
    """`ast+local:GOT` → two codings; `uncoded` → none."""
    return [coding(table, word) for word in words.split("+") if word != "uncoded"]


def is_in(table: str, word: str) -> bool:
    """Whether a table has this word."""
    try:
        coding(table, word)
    except KeyError:
        return False
    return True


def when(text: str) -> str | None:
    """`-10d`, `-10d12h`, `+3d` or a FHIR date → the written date; `none` → None."""
    if text == "none":
        return None
    counted = re.fullmatch(r"([+-])(\d+)d(?:(\d+)h)?(?:(\d+)m)?", text)
    if not counted:
        return text
    sign, days, hours, minutes = counted.groups()
    back = timedelta(days=int(days), hours=int(hours or 0), minutes=int(minutes or 0))
    moment = AS_OF - back if sign == "-" else AS_OF + back
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def period(text: str) -> dict[str, str]:
    """`-10d..-5d` → a Period; either side may be left out."""
    start, _, end = text.partition("..")
    sides = {"start": when(start or "none"), "end": when(end or "none")}
    return {side: time for side, time in sides.items() if time}
