# ruff: noqa: N802 - the functions bear the ids of the rules
"""What a resource may be whose code cannot be read (rule U1, ADR 6)."""

from .roles import TABLES_OF, roles_of, rule_T1_as_written, rule_T1_parts
from .spelling import rule_U3_named, texts_of
from .tables import codings_of, words_of

ANYTHING = {
    "Observation": {
        *("ast", "alt", "ast-alt-ratio", "ck", "troponin-i", "troponin-t", "nt-probnp", "lvef"),
        *("ana", "titre", "anti-srp", "anti-hmgcr"),
    },
    "Condition": {"core", "cardiac-a"},
    "Procedure": {"agent"},
}
NAMED = {"Observation": ["anti-srp", "anti-hmgcr"], "Condition": ["core"], "Procedure": []}


def rule_U1_may_be(record: dict, raw: dict) -> set[str]:
    """The roles of a resource without a role by code that it may have all the same."""
    kind, code = raw["resourceType"], raw.get("code")
    if kind not in ANYTHING or roles_of(record, raw):
        return set()
    tables = record["tables"]
    if kind != "Procedure":
        bare = in_every_system(tables, TABLES_OF[kind][0], code)
        if bare:
            return bare
        texts = texts_of([{"text": code}] if isinstance(code, str) else code)
        taken_back_by = "not-antibody" if kind == "Observation" else ""
        if rule_U3_named(tables, texts, NAMED[kind], taken_back_by=taken_back_by):
            return set()
        if kind == "Observation" and not texts and not any(part.get("code") for part in codings_of(code)):
            return ANYTHING[kind]
    return ANYTHING[kind] if is_broken(code) else set()


def in_every_system(tables: dict, table: str, code) -> set[str]:
    """The roles of codes without a system, read as codes of each system of the table."""
    bare = [part.get("code") for part in codings_of(code)]
    bare = [
        str(held)
        for held, part in zip(bare, codings_of(code), strict=True)
        if held and not (isinstance(part.get("system"), str) and part["system"])
    ]
    written = [{"system": system, "code": one} for system in tables["codes"][table] for one in bare]
    return words_of(tables, table, {"coding": written}) if written else set()


def rule_T1_is_broken(record: dict, raw: dict) -> bool:
    """Has a code of a medicine the wrong shape, its own, that of its Medication or of an ingredient?"""
    medication = rule_T1_as_written(record, raw)
    codes = (raw.get("medicationCodeableConcept"), medication.get("code"), *rule_T1_parts(medication))
    return any(is_broken(code) for code in codes)


def is_broken(code) -> bool:
    """Has a code the wrong shape, and is it not its text alone?"""
    if code is None:
        return False
    if not isinstance(code, dict):
        return True
    held = code.get("coding", [])
    codings = held if isinstance(held, list) else [held]
    if not all(isinstance(part, dict) for part in codings):
        return True
    names = ("system", "code")
    if any(name in part and not isinstance(part[name], str) for part in codings for name in names):
        return True
    fits = isinstance(code.get("text", ""), str)
    return not fits and not (codings and all(name in part for part in codings for name in names))
