# ruff: noqa: N802 - the functions bear the ids of the rules
"""Magnitudes of Observations, and what is plausible (rules F5, F6)."""

from decimal import Decimal
from fractions import Fraction

from .numbers import Magnitude, bounded, rule_F5_allows, rule_F5_text
from .questions import Answer, asked, can_be_highest, highest_of
from .tables import as_text, number, words_of
from .units import rule_F6_factor, rule_F6_lookup, rule_F6_no_unit

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
    "nt-probnp": "nt-probnp-concentration",
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
    "ana": "ana_titre",
}
COMPARATORS = ("", "<", "<=", ">", ">=")


def as_decimal(value) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def rule_F5_plausible(tables: dict, analyte: str, value) -> bool:
    name = PLAUSIBLE.get(analyte)
    if name is None:
        return True
    low = number(tables, f"plausible.{name}_low")
    high = number(tables, f"plausible.{name}_high")
    return Fraction(low) <= value <= Fraction(high)


def rule_F6_lvef_percent(tables: dict, magnitude: Magnitude) -> Magnitude:
    """An ejection fraction of at most 1 is a fraction, whatever its unit."""
    whole = Fraction(number(tables, "lvef.fraction_at_most"))
    return magnitude.times(100) if all(end <= whole for end in magnitude.ends) else magnitude


def text_value(tables: dict, holder: dict) -> str:
    """valueString, or the text of a valueCodeableConcept without a coding in our tables (F5)."""
    if holder.get("valueString"):
        return as_text(holder["valueString"])
    concept = holder.get("valueCodeableConcept") or {}
    return "" if words_of(tables, "qualifiers", concept) else as_text(concept.get("text"))


def rule_F5_magnitude(tables: dict, resource: dict, analyte: str) -> tuple[Magnitude | None, str, dict]:
    """The magnitude in the canonical unit, or the reason why there is none; and what holds its unit."""
    quantity, interval = resource.get("valueQuantity"), resource.get("valueRange")
    if quantity is not None:
        read = quantity_magnitude(tables, quantity, analyte)
    elif "valueInteger" in resource:
        quantity = {"value": resource["valueInteger"]}
        read = quantity_magnitude(tables, quantity, analyte)
    elif interval is not None:
        read = range_magnitude(tables, interval, analyte)
        quantity = interval.get("high") or interval.get("low") or {}
    else:
        magnitude, reason, unit = text_magnitude(tables, text_value(tables, resource), analyte)
        read, quantity = (magnitude, reason), {"unit": unit}
    magnitude, reason = read
    if magnitude is not None:
        magnitude, reason = finished(tables, magnitude, analyte)
    return magnitude, reason, quantity


def finished(tables: dict, magnitude: Magnitude, analyte: str) -> tuple[Magnitude | None, str]:
    """Percent, the inverse ratio and the plausible range of a magnitude in its canonical unit."""
    if analyte == "lvef":
        magnitude = rule_F6_lvef_percent(tables, magnitude)
    if analyte == "alt-ast-ratio":
        if any(end <= 0 for end in magnitude.ends):
            return None, "implausible"
        low = None if magnitude.high is None else 1 / magnitude.high
        high = None if magnitude.low is None else 1 / magnitude.low
        magnitude = Magnitude(low, high, magnitude.high_open, magnitude.low_open)
    if not all(rule_F5_plausible(tables, analyte, end) for end in magnitude.ends):
        return None, "implausible"
    return magnitude, ""


def quantity_magnitude(tables: dict, quantity: dict, analyte: str) -> tuple[Magnitude | None, str]:
    value, comparator = as_decimal(quantity.get("value")), as_text(quantity.get("comparator"))
    if value is None or comparator not in COMPARATORS:
        return None, "no number"
    factor, reason = rule_F6_factor(tables, quantity, DIMENSION[analyte])
    if factor is None:
        return None, reason
    return bounded(value, comparator).times(factor), ""


def range_magnitude(tables: dict, interval: dict, analyte: str) -> tuple[Magnitude | None, str]:
    """A valueRange: an end without a unit has that of the other."""
    ends: dict[str, Fraction | None] = {"low": None, "high": None}
    held = {name: interval.get(name) or {} for name in ends}
    for name, other in (("low", "high"), ("high", "low")):
        value = as_decimal(held[name].get("value"))
        if value is None:
            continue
        own = held[name].get("code") or held[name].get("unit")
        factor, reason = rule_F6_factor(tables, held[name] if own else held[other], DIMENSION[analyte])
        if factor is None:
            return None, reason
        ends[name] = Fraction(value) * factor
    low, high = ends["low"], ends["high"]
    if low is None and high is None:
        return None, "no number"
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Magnitude(low, high), ""


def text_magnitude(tables: dict, text: str, analyte: str) -> tuple[Magnitude | None, str, str]:
    """A text that is wholly a number, and its unit; else the reason."""
    unknown = ""
    for written in rule_F5_text(text):
        if written.unit:
            factor = rule_F6_lookup(tables, written.unit, DIMENSION[analyte], "text")
        else:
            factor = rule_F6_no_unit(tables, DIMENSION[analyte])
        if factor is None:
            strange = len(written.unit.split()) > 1
            unknown = unknown or ("" if strange else "unknown unit" if written.unit else "no unit")
            continue
        whole = Fraction(number(tables, "lvef.fraction_at_most")) if analyte == "lvef" else None

        def plausible(value, whole=whole):
            in_percent = value * 100 if whole is not None and value <= whole else value
            in_percent = 1 / value if analyte == "alt-ast-ratio" and value else in_percent
            return rule_F5_plausible(tables, analyte, in_percent)

        magnitude, reason = rule_F5_allows(written, factor, plausible)
        return magnitude, reason, written.unit
    return None, unknown or "no number", ""


def over_limit(result: dict, times=1) -> bool | None:
    """Is a result above so many times its upper limit (F8)? None: no limit, or it is left open."""
    answers = {result["magnitude"].above(Fraction(limit) * Fraction(times)) for limit in result["limits"]}
    if len(answers) == 1:
        return answers.pop()
    if result["default_limit"] is not None:
        return result["magnitude"].above(Fraction(result["default_limit"]) * Fraction(times))
    return None


def as_the_highest(ck: dict, results: list[dict]) -> dict:
    """A CK, if it is the highest of these: not below any of them."""
    floor = highest_of(results)
    if floor.low is None:
        return ck
    return ck | {"magnitude": Magnitude(floor.low, None, low_open=floor.low_open)}


def highest_over_limit(results: list[dict], times) -> Answer:
    """Is the highest of these above so many times its own limit, whichever of them it is?"""
    tops = can_be_highest(results)
    over = {over_limit(as_the_highest(top, results), times) or over_limit(top, times) for top in tops}
    return asked(over.pop() if len(over) == 1 else None, *tops)


def highest_within_limit(results: list[dict]) -> Answer:
    """Is the highest of these surely within its own limit? Open where that depends on which of them it is."""
    tops = can_be_highest(results)
    within = {(over_limit(as_the_highest(top, results), 1) or over_limit(top, 1)) is False for top in tops}
    return asked(within.pop() if len(within) == 1 else None, *tops)


def height(result: dict) -> tuple:
    """Which of two results is the higher; of equal numbers `>` is above none, and none above `<`."""
    sign = {"<": -2, "<=": -1, "": 0, ">=": 1, ">": 2}[result["comparator"]]
    return result["value"], sign


def shown_number(magnitude: Magnitude) -> tuple[Fraction, str]:
    """The number and comparator that stand for a magnitude; of an interval its upper end."""
    if magnitude.high is None:
        return magnitude.written[-1], ">" if magnitude.low_open else ">="
    if magnitude.low is None:
        return magnitude.written[-1], "<" if magnitude.high_open else "<="
    return magnitude.high, ""
