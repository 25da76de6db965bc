# ruff: noqa: N802 - the functions bear the ids of the rules
"""What is not there: reasons why a value is absent, and values that say that there is no result (rule U1)."""

import re

from .roles import analytes_of
from .spelling import nfkc, plain, says_any, texts_of
from .tables import as_text, codings_of, words, words_of
from .values import DIMENSION

VALUE_NAMES = (
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "valueRange",
    "valueRatio",
    "valueSampledData",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
)
NO_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"  # of a code without a system


def has_value(holder: dict) -> bool:
    return any(name in holder for name in VALUE_NAMES)


def any_value(resource: dict) -> bool:
    return any(map(is_there, [resource, *(resource.get("component") or [])]))


def is_there(holder: dict) -> bool:
    """Whether a value is there, be it one of which nothing can be made; a Quantity without its number is none."""
    return any(name in holder for name in VALUE_NAMES if name != "valueQuantity") or (
        "value" in (holder.get("valueQuantity") or {})
    )


def rule_U1_wholly_no_result(record: dict, resource: dict) -> bool:
    """No doubt: a value all of which says that there is no result, and nothing beside it that says there is one."""
    tables, parts = record["tables"], resource.get("component") or []
    if not phrases_say_no_result(tables, resource):
        return False
    for part in parts:
        if rule_U1_absent_reason(tables, part) == "doubt":
            return False
        coded = codings_of(part.get("valueCodeableConcept") or {})
        if has_value(part) and (coded or not phrases_say_no_result(tables, part)):
            return False
    return not is_flagged(tables, resource)


def is_flagged(tables: dict, resource: dict) -> bool:
    """A flag, be it of a component, or a code of the value says that there is a result."""
    parts = resource.get("component") or []
    flags = [flag for held in (resource, *parts) for flag in held.get("interpretation") or []]
    if any(
        is_flag_in_words(tables, piece) for flag in flags for piece in as_text(flag.get("text")).split(";")
    ):
        return True
    said = [resource.get("valueCodeableConcept") or {}, *flags]
    return bool(
        {"positive", "negative", "weak", "interpretation"}
        & {word for concept in said for word in words_of(tables, "qualifiers", concept)}
    )


def rule_U1_pending(record: dict, resource: dict) -> bool:
    """Preliminary without a value: none is kept back, no flag says that there is one."""
    if resource.get("status") not in ("preliminary", "partial") or any_value(resource):
        return False
    parts = (resource, *(resource.get("component") or []))
    kept_back = any(rule_U1_absent_reason(record["tables"], part) == "doubt" for part in parts)
    return not kept_back and not is_flagged(record["tables"], resource)


def is_flag_in_words(tables: dict, text: str) -> bool:
    """Words in the place of a flag: an answer, or a flag's code or name."""
    called = [row for row in tables["rows"]["qualifiers"] if "interpretation" in row["role"].split()]
    names = {plain(row[column]) for row in called for column in ("code", "display")}
    return plain(text) in names or any(
        says_any(tables, text, role) for role in ("positive", "negative", "weak")
    )


def phrases_say_no_result(tables: dict, holder: dict) -> bool:
    """Whether each phrase of a text says that there is no result, and none of them gives an answer or a pattern."""
    text = as_text(holder.get("valueString"))
    text = nfkc(text or as_text((holder.get("valueCodeableConcept") or {}).get("text")))
    signs = [sign for role in ("positive-whole", "weak-whole") for sign in words(tables, role)]
    if any(sign in text for sign in signs) or any(letter.isdigit() for letter in text):
        return False
    pieces = re.split(r"[,;+()\[\]{}.!?\n]|\band\b| [-–—] ", text, flags=re.IGNORECASE)
    phrases = [piece for piece in pieces if any(letter.isalnum() for letter in piece)]
    results = ("positive", "negative", "weak", "cytoplasmic", "nuclear")
    return bool(phrases) and all(
        says_any(tables, phrase, "no-result") and not any(says_any(tables, phrase, role) for role in results)
        for phrase in phrases
    )


def rule_U1_says_no_result(record: dict, resource: dict) -> bool:
    """A value that speaks of no result: nobody has one to show that it was done (V1)."""
    held = [as_text(resource.get("valueString")), *texts_of(resource.get("valueCodeableConcept") or {})]
    bare = [text for text in held if not any(sign.isdigit() for sign in text)]
    return any(says_any(record["tables"], text, "no-result") for text in bare)


def rule_U1_absent_reason(tables: dict, holder: dict) -> str:
    """`doubt`, `none` or nothing: what a dataAbsentReason makes of a value; one that cannot be read makes a doubt."""
    if holder.get("dataAbsentReason") is None:
        return ""
    return "doubt" if rule_U1_kept_back(tables, holder) is not False else "none"


def rule_U1_kept_back(tables: dict, holder: dict) -> bool | None:
    """Does the reason say that there may be a value, or (False) that there is none? None: nobody can read it."""
    concept = holder.get("dataAbsentReason") or {}
    coded = [{**one, "system": as_text(one.get("system")) or NO_REASON} for one in codings_of(concept)]
    by_code = words_of(tables, "qualifiers", {"coding": coded})
    if "withheld" in by_code:
        return True
    called: dict[str, set[str]] = {"withheld": set(), "no-value": set()}
    for row in tables["rows"]["qualifiers"]:
        if row["role"] in called:
            called[row["role"]] |= {plain(row["code"]), plain(row["display"])}
    texts = texts_of(concept)
    if any(plain(text) in called["withheld"] for text in texts):
        return None
    no_result = any(phrases_say_no_result(tables, {"valueString": text}) for text in texts)
    is_none = "no-value" in by_code or no_result or any(plain(text) in called["no-value"] for text in texts)
    return False if is_none else None


def rule_U1_part_kept_back(record: dict, resource: dict) -> bool:
    """Is a component about an answer kept back? Of what is a magnitude no rule reads components."""
    analytes, tables = analytes_of(record, resource), record["tables"]
    if analytes & set(DIMENSION):
        return False
    for part in resource.get("component") or []:
        about = analytes_of(record, part)
        if (not about or about & analytes) and rule_U1_absent_reason(tables, part) == "doubt":
            return True
    return False
