# ruff: noqa: N802 - the functions bear the ids of the rules
"""Cardiac involvement, `cardiac.v1-clinical` (rules 3.3)."""

from .drr import of_analyte
from .tables import number
from .times import days
from .values import below, height, over_limit


def in_window(record: dict, moment) -> bool:
    """Not before 365 days ahead of myositis onset; without an onset (E9) nothing is too early."""
    if record["onset"] is None or moment is None:
        return True
    return moment >= record["onset"] - days(number(record["tables"], "cardiac.before_onset_days"))


def starts(condition: dict):
    return condition["when"]["first"] if condition["when"] else None


def counted(record: dict, role: str) -> list[dict]:
    return [c for c in record["conditions"] if c["confirmed"] and role in c["roles"]]


def rule_C1_tier_a(record: dict) -> list[dict]:
    return [c for c in counted(record, "cardiac-a") if in_window(record, starts(c))]


def rule_C2_low_lvef(record: dict) -> list[dict]:
    """Ejection fractions below 50 % in the window, the lowest first."""
    limit = number(record["tables"], "cardiac.lvef_below")
    low = []
    for result in of_analyte(record, "lvef"):
        if in_window(record, result["last"]) and below(result["value"], result["comparator"], limit) is True:
            low.append(result)
    return sorted(low, key=lambda result: result["value"])


def rule_C4_explained(record: dict) -> bool:
    return bool(counted(record, "heart-failure-cause"))


def latest_within(record: dict, analyte: str) -> dict | None:
    """The latest result of an analyte, if it is at most 365 days old; of several at once the highest."""
    found = of_analyte(record, analyte)
    if not found:
        return None
    newest = max(found, key=lambda result: (result["last"], height(result)))
    searched = days(number(record["tables"], "cardiac.search_days"))
    return newest if record["as_of"] - newest["last"] <= searched else None


def rule_C3_marker_raised(record: dict) -> bool:
    for analyte in ("troponin-i", "nt-probnp"):
        newest = latest_within(record, analyte)
        if newest and over_limit(newest) is True:
            return True
    return False


def rule_C3_indeterminate(record: dict) -> str:
    """A raised marker, a tier C Condition in the window, or a tier A Condition before it (`pre-existing`)."""
    if rule_C3_marker_raised(record):
        return "raised marker"
    if any(in_window(record, starts(c)) for c in counted(record, "cardiac-c")):
        return "tier C"
    if any(not in_window(record, starts(c)) for c in counted(record, "cardiac-a")):
        return "pre-existing"
    return ""


def rule_M1_unconfirmed(record: dict) -> bool:
    roles = ("cardiac-a", "cardiac-c")
    return any(not c["confirmed"] and any(r in c["roles"] for r in roles) for c in record["conditions"])


def rule_C6_negative_search(record: dict) -> bool:
    """The latest troponin I or T within its own limit, or the latest LVEF at least 50 %, within 365 days."""
    for analyte in ("troponin-i", "troponin-t"):
        newest = latest_within(record, analyte)
        if newest and over_limit(newest) is False:
            return True
    newest = latest_within(record, "lvef")
    limit = number(record["tables"], "cardiac.lvef_below")
    return bool(newest) and below(newest["value"], newest["comparator"], limit) is False


def rule_C_cardiac_involvement(record: dict) -> dict:
    """The predictor `cardiac_involvement`."""
    tier_a, low = rule_C1_tier_a(record), rule_C2_low_lvef(record)
    explained = rule_C4_explained(record)
    plain = [c for c in tier_a if "heart-failure" not in c["roles"]]
    if plain or (tier_a and not explained):
        return {"state": "present", "rule": "C1", "stale": False}
    if low and not explained:
        first = low[0]
        return {"state": "present", "rule": "C2", "stale": False, "value": first["value"]}
    if tier_a or low:
        return {"state": "indeterminate", "rule": "C4", "stale": False, "reason": "otherwise explained"}
    reason = rule_C3_indeterminate(record)
    if reason:
        return {"state": "indeterminate", "rule": "C3", "stale": False, "reason": reason}
    if rule_M1_unconfirmed(record):
        return {"state": "indeterminate", "rule": "M1", "stale": False}
    if rule_C6_negative_search(record):
        return {"state": "absent", "rule": "C6", "stale": False}
    reason = "not offered by the server" if "cardiacTests" in record["not_offered"] else "not assessed"
    return {"state": "missing", "rule": "C6", "stale": False, "reason": reason}
