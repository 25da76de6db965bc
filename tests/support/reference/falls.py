# ruff: noqa: N802 - the functions bear the ids of the rules
"""Falls of the forced vital capacity and of the ejection fraction (rule X2)."""

from fractions import Fraction

from .drr import of_analyte, ratio_of
from .numbers import Magnitude, bounded, rule_F5_text
from .questions import highest_of
from .tables import UCUM, as_text, canonical_system, codings_of, number, rule_F4_rows_of_coding
from .times import days
from .units import rule_F6_spelling
from .values import COMPARATORS, as_decimal, text_value


def span(record: dict, name: str):
    return days(number(record["tables"], f"context.{name}"))


def unit_of(record: dict, quantity: dict) -> str:
    """The unit in one spelling: the UCUM code, else the text (F6)."""
    code, text = as_text(quantity.get("code")), as_text(quantity.get("unit")).strip()
    if code and canonical_system(record["tables"], quantity.get("system")) == UCUM:
        return rule_F6_spelling(code, is_code=True)
    return rule_F6_spelling(text, is_code=False) if text else ""


def rule_X2_volume(record: dict, result: dict) -> tuple[Magnitude | None, str]:
    """The number and the unit of an FVC, in whatever unit, as F5 reads them."""
    resource = result["resource"]
    quantity, interval = resource.get("valueQuantity"), resource.get("valueRange")
    if quantity:
        value, sign = as_decimal(quantity.get("value")), as_text(quantity.get("comparator"))
        if value is None or sign not in COMPARATORS:
            return None, ""
        return bounded(value, sign), unit_of(record, quantity)
    if interval:
        ends = [interval.get("low") or {}, interval.get("high") or {}]
        low, high = (as_decimal(end.get("value")) for end in ends)
        if low is None or high is None:
            return None, ""
        units = {unit_of(record, end) for end in ends} - {""}
        return Magnitude(*sorted((Fraction(low), Fraction(high)))), units.pop() if len(units) == 1 else ""
    return rule_X2_volume_in_text(text_value(record["tables"], resource))


def rule_X2_volume_in_text(text: str) -> tuple[Magnitude | None, str]:
    for written in rule_F5_text(text):
        if not written.unit or len(written.unit.split()) > 1:
            continue
        low, high = min(written.first), max(written.second or written.first)
        unit = rule_F6_spelling(written.unit, is_code=False)
        if written.comparator:
            return bounded(high if written.comparator.startswith("<") else low, written.comparator), unit
        return Magnitude(*sorted((low, high))), unit
    return None, ""


def codes_of(record: dict, result: dict, analyte: str) -> set[tuple[str, str]]:
    """The codings that say what was measured."""
    tables, held = record["tables"], set()
    for coding in codings_of(result["resource"].get("code") or {}):
        if any(analyte in roles for roles in rule_F4_rows_of_coding(tables, "observations", coding)):
            held.add((canonical_system(tables, as_text(coding.get("system"))), as_text(coding.get("code"))))
    return held


def readable(record: dict, analyte: str) -> list[dict]:
    """Results with a number: its magnitude, unit and codes beside their time."""
    found = []
    for result in of_analyte(record, analyte):
        magnitude, unit = (result.get("magnitude"), "%")
        if analyte == "fvc":
            magnitude, unit = rule_X2_volume(record, result)
        if magnitude is not None and unit:
            codes = codes_of(record, result, analyte)
            found.append({**result, "magnitude": magnitude, "unit": unit, "codes": codes})
    return found


def rule_X2_fell(record: dict, latest: dict, earlier: dict) -> bool:
    """Surely: by 10 % of the earlier FVC, or by 10 points of the ejection fraction."""
    now, then = latest["magnitude"], earlier["magnitude"]
    if latest["analyte"] == "lvef":
        points = Fraction(number(record["tables"], "context.lvef_fall_points"))
        return now.high is not None and then.low is not None and then.low - now.high >= points
    percent = Fraction(number(record["tables"], "context.fvc_fall_percent"))
    if then.low is None or then.low <= 0:
        return False
    return ratio_of(now, then).above(1 - percent / 100) is False


def is_lower_than_another(one: dict, others: list[dict]) -> bool:
    """Of several results of one time, code and unit the highest is the value: a volume is the best of its efforts."""
    return any(other["magnitude"].order > one["magnitude"].order for other in others if are_alike(one, other))


def are_alike(one: dict, other: dict) -> bool:
    return one["unit"] == other["unit"] and bool(one["codes"] & other["codes"])


def as_high_as_any(one: dict, others: list[dict]) -> dict:
    """A result of which only that is known that the highest of those that are alike has."""
    return one | {"magnitude": highest_of([other for other in others if are_alike(one, other)])}


def rule_X2_fall(record: dict, analyte: str) -> dict | None:
    """The latest result of the last 365 days, where it fell from one of the 730 days before it."""
    every = readable(record, analyte)
    newest = max((one["last"] for one in every), default=None)
    if newest is None or record["as_of"] - newest > span(record, "fall_recent_days"):
        return None
    together = [one for one in every if one["last"] == newest]
    for latest in (one for one in together if not is_lower_than_another(one, together)):
        for earlier in every:
            apart = newest - earlier["last"]
            in_window = earlier["last"] < newest and apart <= span(record, "fall_before_days")
            highest = as_high_as_any(latest, together)
            if in_window and are_alike(latest, earlier) and rule_X2_fell(record, highest, earlier):
                return latest
    return None
