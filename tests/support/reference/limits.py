# ruff: noqa: N802 - the functions bear the ids of the rules
"""The laboratory's own limits: which reference range is the patient's (rule F8)."""

from fractions import Fraction

from .spelling import says_any, texts_of
from .tables import as_text, number, words_of
from .times import completed_years, day_of, parse_time
from .units import rule_F6_factor
from .values import DIMENSION, as_decimal, rule_F5_plausible

DEFAULTS = ("ast", "alt", "ck")


def rule_F8_limits(record: dict, resource: dict, analyte: str, quantity: dict, moment: dict) -> dict:
    """Own upper limits (several, if no one of them is chosen), the lower limit, and the limit for display."""
    tables = record["tables"]
    high = limits_of(record, resource, "high", quantity, analyte, moment)
    low = limits_of(record, resource, "low", quantity, analyte, moment)
    default = Fraction(number(tables, f"upper_limit.{analyte}")) if analyte in DEFAULTS else None
    shown = high[0] if len(high) == 1 else default
    return {"limits": high, "default_limit": default, "uln": shown, "lln": low[0] if len(low) == 1 else None}


def limits_of(record: dict, resource: dict, side: str, quantity: dict, analyte: str, moment: dict) -> list:
    """The different limits of one side that are left after F8's choice."""
    ranges = []
    for held in resource.get("referenceRange") or []:
        limit = convert_limit(record["tables"], held.get(side), quantity, analyte)
        if limit is not None:
            ranges.append((held, limit))
    kept = rule_F8_choice(record, [held for held, _ in ranges], moment)
    return sorted({limit for held, limit in ranges if any(held is other for other in kept)})


def rule_F8_choice(record: dict, ranges: list[dict], moment: dict) -> list[dict]:
    """The most specific match of sex and age, then the only one left, the one that says normal, or all."""
    special = [(range_matches(record, held, moment), held) for held in ranges]
    most = max((rank for rank, _ in special if rank is not None), default=None)
    left = [held for rank, held in special if rank is not None and rank == most]
    if len(left) > 1:
        normal = [held for held in left if says_normal(record["tables"], held)]
        if len(normal) == 1:
            return normal
    return left


def says_normal(tables: dict, held: dict) -> bool:
    """Does its own text or type say normal or negative?"""
    if "normal-range" in words_of(tables, "qualifiers", held.get("type") or {}):
        return True
    said = [as_text(held.get("text")), *texts_of(held.get("type") or {})]
    return any(says_any(tables, text, role) for text in said for role in ("negative", "normal"))


def convert_limit(tables: dict, limit, quantity: dict, analyte: str) -> Fraction | None:
    """The limit by its own unit, else by the unit of the value; an implausible one is none."""
    value = as_decimal((limit or {}).get("value"))
    if value is None or value <= 0:
        return None
    unit_holder = limit if limit.get("code") or limit.get("unit") else quantity
    factor, _ = rule_F6_factor(tables, unit_holder, DIMENSION[analyte])
    if factor is None or not rule_F5_plausible(tables, analyte, Fraction(value) * factor):
        return None
    return Fraction(value) * factor


def range_matches(record: dict, held: dict, moment: dict) -> int | None:
    """How specific a reference range is for this patient (0, 1, 2), or None where it does not apply."""
    tables, patient = record["tables"], record["patient"]
    if held.get("type") and "normal-range" not in words_of(tables, "qualifiers", held["type"]):
        return None
    special = 0
    for population in held.get("appliesTo") or []:
        if patient["sex"] not in words_of(tables, "qualifiers", population) or not patient["sex"]:
            return None  # another sex, or a population of which we know nothing
    special += 1 if held.get("appliesTo") else 0
    if held.get("age"):
        if not age_matches(record, held["age"], moment):
            return None
        special += 1
    return special


def age_matches(record: dict, age: dict, moment: dict) -> bool:
    """The age at the result lies in a range; years are completed years, other units days of 24 h."""
    zone = record["zone"]
    born = parse_time(record["patient"]["born"], zone)
    if born is None:
        return False
    held_days = Fraction((moment["last"] - born["last"]).total_seconds()) / 86400
    years = completed_years(day_of(born["last"], zone), day_of(moment["last"], zone))
    for side in ("low", "high"):
        bound = age.get(side)
        if not bound:
            continue
        value = as_decimal(bound.get("value"))
        factor, _ = rule_F6_factor(record["tables"], bound, "time")
        if factor is None or value is None:
            return False
        in_years = (bound.get("code") or bound.get("unit")) in ("a", "year", "years")
        held, edge = (years, Fraction(value)) if in_years else (held_days, Fraction(value) * factor)
        if (side == "low" and held < edge) or (side == "high" and held > edge):
            return False
    return True
