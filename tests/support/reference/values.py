# ruff: noqa: N802 - the functions bear the ids of the rules
"""Numbers with units, plausible values and upper limits (rules F5, F6, F8), and what a comparator leaves open."""

from decimal import Decimal
from fractions import Fraction

from .tables import UCUM, canonical_system, number, words_of
from .times import completed_years, day_of, parse_time

DIMENSION = {
    "ast": "enzyme",
    "alt": "enzyme",
    "ck": "enzyme",
    "ldh": "enzyme",
    "hbdh": "enzyme",
    "lymphocytes": "cells",
    "neutrophils": "cells",
    "troponin-i": "mass-concentration",
    "troponin-t": "mass-concentration",
    "nt-probnp": "mass-concentration",
    "lvef": "fraction",
    "ast-alt-ratio": "ratio",
    "alt-ast-ratio": "ratio",
}
PLAUSIBLE = {
    "ast": "ast",
    "alt": "alt",
    "ck": "ck",
    "lvef": "lvef",
    "ast-alt-ratio": "ast_alt_ratio",
    "alt-ast-ratio": "ast_alt_ratio",
    "troponin-i": "troponin",
    "troponin-t": "troponin",
    "nt-probnp": "nt_probnp",
}
FLIPPED = {"": "", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def as_decimal(value) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def rule_F6_factor(tables: dict, quantity: dict, dimension: str) -> tuple[Decimal | None, str]:
    """The factor to the canonical unit, or the reason of the refusal."""
    code, text = quantity.get("code"), (quantity.get("unit") or "").strip()
    units = tables["units"]
    by_text = tables["written_units"].get((dimension, text.casefold()))
    if code and canonical_system(tables, quantity.get("system")) == UCUM:
        by_code = units.get((dimension, "ucum", code))
        if by_code is None:
            return None, "unknown unit"
        if text and by_text is not None and by_text != by_code:
            return None, "unknown unit"
        return by_code, ""
    if text:
        return (by_text, "") if by_text is not None else (None, "unknown unit")
    if code:
        return None, "unknown unit"
    none = units.get((dimension, "text", "(none)"))
    return (none, "") if none is not None else (None, "no unit")


def rule_F5_plausible(tables: dict, analyte: str, value: Decimal) -> bool:
    name = PLAUSIBLE.get(analyte)
    if name is None:
        return True
    low = number(tables, f"plausible.{name}_low")
    high = number(tables, f"plausible.{name}_high")
    return low <= value <= high


def rule_F6_lvef_percent(tables: dict, value: Decimal) -> Decimal:
    """An ejection fraction of at most 1 is a fraction, whatever its unit."""
    return value * 100 if value <= number(tables, "lvef.fraction_at_most") else value


def rule_F8_limits(record: dict, resource: dict, analyte: str, quantity: dict, moment: dict) -> dict:
    """Upper and lower limit in the canonical unit; `default` where the upper limit is ours."""
    tables = record["tables"]
    high = pick_limit(record, resource, "high", quantity, analyte, moment)
    low = pick_limit(record, resource, "low", quantity, analyte, moment)
    if high is None and analyte in ("ast", "alt", "ck"):
        return {"uln": number(tables, f"upper_limit.{analyte}"), "lln": low, "default": True}
    return {"uln": high, "lln": low, "default": False}


def pick_limit(record: dict, resource: dict, side: str, quantity: dict, analyte: str, moment: dict):
    best = None
    for one in resource.get("referenceRange") or []:
        limit = convert_limit(record["tables"], one.get(side), quantity, analyte)
        special = range_matches(record, one, moment)
        if limit is None or special is None:
            continue
        if best is None or special > best[0]:
            best = (special, limit)
    return best[1] if best else None


def convert_limit(tables: dict, limit, quantity: dict, analyte: str) -> Decimal | None:
    """The limit by its own unit, else by the unit of the value; an implausible one is none."""
    value = as_decimal((limit or {}).get("value"))
    if value is None or value <= 0:
        return None
    unit_holder = limit if limit.get("code") or limit.get("unit") else quantity
    factor, _ = rule_F6_factor(tables, unit_holder, DIMENSION[analyte])
    if factor is None or not rule_F5_plausible(tables, analyte, value * factor):
        return None
    return value * factor


def range_matches(record: dict, one: dict, moment: dict) -> int | None:
    """How specific a reference range is for this patient (0, 1, 2), or None where it does not apply."""
    tables, patient = record["tables"], record["patient"]
    if one.get("type") and "normal-range" not in words_of(tables, "qualifiers", one["type"]):
        return None
    special = 0
    for population in one.get("appliesTo") or []:
        if patient["sex"] not in words_of(tables, "qualifiers", population) or not patient["sex"]:
            return None  # another sex, or a population of which we know nothing
    special += 1 if one.get("appliesTo") else 0
    if one.get("age"):
        if not age_matches(record, one["age"], moment):
            return None
        special += 1
    return special


def age_matches(record: dict, age: dict, moment: dict) -> bool:
    """The age at the result lies in a range; years are completed years, other units days of 24 h."""
    zone = record["zone"]
    born = parse_time(record["patient"]["born"], zone)
    if born is None:
        return False
    days = Fraction((moment["last"] - born["last"]).total_seconds()) / 86400
    years = completed_years(day_of(born["last"], zone), day_of(moment["last"], zone))
    for side in ("low", "high"):
        bound = age.get(side)
        if not bound:
            continue
        factor, _ = rule_F6_factor(record["tables"], bound, "time")
        if factor is None:
            return False
        in_years = (bound.get("code") or bound.get("unit")) in ("a", "year", "years")
        held, edge = (
            (years, bound["value"]) if in_years else (days, Fraction(bound["value"]) * Fraction(factor))
        )
        if (side == "low" and held < edge) or (side == "high" and held > edge):
            return False
    return True


def above(value: Decimal, comparator: str, limit: Decimal) -> bool | None:
    """Is the true value above the limit? None where the comparator leaves it open (D6)."""
    if comparator == "":
        return value > limit
    if comparator in ("<", "<="):
        return False if value <= limit else None
    if comparator == ">":
        return True if value >= limit else None
    return True if value > limit else None


def below(value: Decimal, comparator: str, limit: Decimal) -> bool | None:
    """Is the true value below the limit?"""
    if comparator == "":
        return value < limit
    if comparator in (">", ">="):
        return False if value >= limit else None
    if comparator == "<":
        return True if value <= limit else None
    return True if value < limit else None


def over_limit(result: dict, times=1) -> bool | None:
    """Is a result above so many times its own upper limit? None: no limit, or a comparator leaves it open."""
    if result["uln"] is None:
        return None
    return above(result["value"], result["comparator"], result["uln"] * times)


def at_least(result: dict) -> Decimal:
    """The lowest that the true value can be."""
    return Decimal(0) if result["comparator"].startswith("<") else result["value"]


def at_most(result: dict) -> Decimal:
    """The highest that the true value can be."""
    return Decimal("Infinity") if result["comparator"].startswith(">") else result["value"]


def height(result: dict) -> tuple:
    """Which of two results is the higher; of equal numbers `>` is above none, and none above `<`."""
    sign = {"<": -2, "<=": -1, "": 0, ">=": 1, ">": 2}[result["comparator"]]
    return result["value"], sign
