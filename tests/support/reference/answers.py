# ruff: noqa: N802 - the functions bear the ids of the rules
"""Words, codes and titres of qualitative results (rules E7, A1, A2, A4)."""

import re
from decimal import Decimal

from .tables import words, words_of
from .values import FLIPPED, above, as_decimal, range_matches

TITRE = re.compile(r"(?<![0-9/.-])1\s*[:/]\s*([0-9]+(?:[,. ][0-9]{3})*)(?![0-9/])")
BEFORE = re.compile(r"(<=|>=|≤|≥|<|>|less than|greater than)\s*$", re.IGNORECASE)
SIGNS = {"≤": "<=", "≥": ">=", "less than": "<", "greater than": ">"}
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
SEPARATOR = re.compile(r"[,;+]|\band\b", re.IGNORECASE)
TITER_UNITS = ("{titer}", "{titre}", "titer", "titre", "1", "", None)


def text_of(holder: dict) -> str:
    """The free text of a value: valueString, or the text of a valueCodeableConcept."""
    return holder.get("valueString") or (holder.get("valueCodeableConcept") or {}).get("text") or ""


def whole_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def announces_reference(tables: dict, text: str):
    """The first whole word that says that a reference follows (A1), as a match."""
    announcing = "|".join(re.escape(word) for word in words(tables, "reference"))
    return re.search(rf"\b({announcing})\b", text, re.IGNORECASE)


def without_reference(tables: dict, text: str) -> str:
    """Text without its reference: brackets that hold one are blanked, and what follows one is cut off."""
    held = BRACKETS.sub(lambda m: " " * len(m[0]) if announces_reference(tables, m[0]) else m[0], text)
    match = announces_reference(tables, held)
    return held[: match.start()] if match else held


def rule_A1_bare(tables: dict, text: str) -> str:
    """Text with every bracket blanked (each letter stays in its place), and no reference."""
    return BRACKETS.sub(lambda m: " " * len(m[0]), without_reference(tables, text))


def phrase_spans(text: str) -> list[tuple[int, int]]:
    """Where the phrases of a text lie; a separator inside a titre such as 1:1,280 separates nothing."""
    spans = [match.span() for match in TITRE.finditer(text)]
    found, start = [], 0
    for match in SEPARATOR.finditer(text):
        if any(low <= match.start() < high for low, high in spans):
            continue
        found.append((start, match.start()))
        start = match.end()
    return [*found, (start, len(text))]


def phrases(text: str) -> list[str]:
    return [text[start:end] for start, end in phrase_spans(text)]


def titres_in(text: str) -> list[dict]:
    """Every titre in a text, with the comparator written before it."""
    found = []
    for match in TITRE.finditer(text):
        sign = BEFORE.search(text[: match.start()])
        written = sign.group(1).lower() if sign else ""
        digits = re.sub(r"[,. ]", "", match.group(1))
        found.append({"titre": Decimal(digits), "comparator": SIGNS.get(written, written)})
    return found


def ratio_titre(ratio: dict) -> dict | None:
    """1/320 and 320/1 are both 1:320; a comparator on the numerator of 1/320 is turned round (notes 4.2)."""
    upper, lower = ratio.get("numerator") or {}, ratio.get("denominator") or {}
    top, bottom = as_decimal(upper.get("value")), as_decimal(lower.get("value"))
    if not top or not bottom:
        return None
    if top > bottom:
        sign = upper.get("comparator") or FLIPPED[lower.get("comparator") or ""]
        return {"titre": top / bottom, "comparator": sign}
    sign = lower.get("comparator") or FLIPPED[upper.get("comparator") or ""]
    return {"titre": bottom / top, "comparator": sign}


def number_titre(holder: dict, under_titre_code: bool) -> dict | None:
    """A valueInteger, valueQuantity or bare number that is a titre."""
    quantity = holder.get("valueQuantity")
    if quantity:
        unit = quantity.get("code") or quantity.get("unit")
        says_titre = unit in TITER_UNITS[:4]
        value = as_decimal(quantity.get("value"))
        if value is not None and (says_titre or (under_titre_code and unit in TITER_UNITS)):
            return {"titre": value, "comparator": quantity.get("comparator") or ""}
    if under_titre_code and "valueInteger" in holder:
        return {"titre": Decimal(holder["valueInteger"]), "comparator": ""}
    bare = re.fullmatch(r"\s*(<=|>=|≤|≥|<|>)?\s*([0-9]+)\s*", text_of(holder))
    if under_titre_code and bare:
        written = bare.group(1) or ""
        return {"titre": Decimal(bare.group(2)), "comparator": SIGNS.get(written, written)}
    return None


def phrase_answer(tables: dict, phrase: str) -> str:
    """Negative first, then positive (E7)."""
    said = whole_words(phrase)
    if any(word in said for word in words(tables, "negative")):
        return "negative"
    for position, word in enumerate(said):
        negated = any(before in words(tables, "negation") for before in said[:position])
        if negated and word in words(tables, "negatable"):
            return "negative"
    if any(word in said for word in words(tables, "positive")):
        return "positive"
    return ""


def words_answer(tables: dict, holder: dict, text: str) -> str:
    """The answer that the codes or the words of a value give."""
    codes = words_of(tables, "qualifiers", holder.get("valueCodeableConcept") or {})
    for answer in ("negative", "positive"):
        if answer in codes:
            return answer
    for phrase in phrases(text):
        answer = phrase_answer(tables, phrase)
        if answer:
            return answer
    return ""


def says_weak(tables: dict, holder: dict, text: str) -> bool:
    """Weak, borderline, equivocal, indeterminate, or E, IND, WR (E7), in the value or the interpretation."""
    if "weak" in words_of(tables, "qualifiers", holder.get("valueCodeableConcept") or {}):
        return True
    if "weak" in words_of(tables, "qualifiers", holder.get("interpretation") or []):
        return True
    texts = [text] + [one.get("text") or "" for one in holder.get("interpretation") or []]
    return any(word in whole_words(text) for text in texts for word in words(tables, "weak"))


def own_limit(record: dict, holder: dict, units: tuple, moment: dict) -> Decimal | None:
    """The laboratory's own upper limit (F8), if it is in one of these unit texts or in none (F6)."""
    best = None
    for one in holder.get("referenceRange") or []:
        special = range_matches(record, one, moment)
        high = one.get("high") or {}
        value = as_decimal(high.get("value"))
        written = {high.get("unit"), high.get("code")} - {None, ""}
        if special is None or value is None or value <= 0 or (written and not written & set(units)):
            continue
        if best is None or special > best[0]:
            best = (special, value)
    return best[1] if best else None


def quantity_answer(record: dict, holder: dict, moment: dict) -> str:
    """A quantity against its own limit."""
    quantity = holder.get("valueQuantity") or {}
    value = as_decimal(quantity.get("value"))
    limit = own_limit(record, holder, (quantity.get("unit"), quantity.get("code")), moment)
    if value is None or limit is None:
        return ""
    over = above(value, quantity.get("comparator") or "", limit)
    return {True: "positive", False: "negative", None: ""}[over]


def titre_answer(record: dict, holder: dict, under_titre_code: bool, moment: dict) -> str:
    """A titre above its own limit, else any titre without `<`, is positive."""
    found = titres_in(without_reference(record["tables"], text_of(holder)))
    if holder.get("valueRatio"):
        found.append(ratio_titre(holder["valueRatio"]))
    found.append(number_titre(holder, under_titre_code))
    found = [one for one in found if one and one["titre"] >= 1]
    if not found:
        return ""
    highest = max(found, key=lambda one: one["titre"])
    limit = own_limit(record, holder, TITER_UNITS, moment)
    if limit is not None:
        over = above(highest["titre"], highest["comparator"], limit)
        return {True: "positive", False: "negative", None: ""}[over]
    return "negative" if highest["comparator"].startswith("<") else "positive"


def interpretation_answer(tables: dict, holder: dict) -> str:
    codes = words_of(tables, "qualifiers", holder.get("interpretation") or [])
    for answer in ("negative", "positive"):
        if answer in codes:
            return answer
    return ""


def rule_E7_answer(record: dict, resource: dict, under_titre_code: bool, moment: dict) -> str:
    """positive, negative, weak or nothing: what one antibody Observation says."""
    tables = record["tables"]
    holders = [resource] + (resource.get("component") or [])
    said = without_reference(tables, text_of(resource))
    if any(says_weak(tables, holder, without_reference(tables, text_of(holder))) for holder in holders):
        return "weak"
    return (
        words_answer(tables, resource, said)
        or quantity_answer(record, resource, moment)
        or titre_answer(record, resource, under_titre_code, moment)
        or interpretation_answer(tables, resource)
    )
