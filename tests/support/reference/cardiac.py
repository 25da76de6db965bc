# ruff: noqa: N802 - the functions bear the ids of the rules
"""Cardiac involvement, `cardiac.v1-clinical` (rules 3.3)."""

from .doubts import Doubt
from .drr import is_interval, of_analyte
from .questions import can_be_highest
from .tables import number
from .times import days
from .values import height, highest_over_limit, over_limit

NAMES = {"troponin-i": "troponin I", "troponin-t": "troponin T", "lvef": "ejection fraction"}
TROPONIN_T = "troponin T raised, may come from skeletal muscle: troponin I decides"
NEWER = "a newer result could not be read"
DIAGNOSIS = "a diagnosis could not be read"
OLDER = "an older ejection fraction could not be read"


def in_window(record: dict, moment) -> bool:
    """Not before 365 days ahead of myositis onset; without an onset (E9) nothing is too early."""
    if record["onset"] is None or moment is None:
        return True
    return moment >= record["onset"] - days(number(record["tables"], "cardiac.before_onset_days"))


def starts(condition: dict):
    return condition["when"]["first"] if condition["when"] else None


def counted(record: dict, role: str) -> list[dict]:
    return [c for c in record["conditions"] if c["confirmed"] and role in c["roles"]]


def searched(record: dict):
    return days(number(record["tables"], "cardiac.search_days"))


def rule_C1_tier_a(record: dict) -> list[dict]:
    return [c for c in counted(record, "cardiac-a") if in_window(record, starts(c))]


def rule_C2_low_lvef(record: dict) -> list[dict]:
    """Ejection fractions below 50 % in the window, the lowest first; an interval is as low as its upper end."""
    limit = number(record["tables"], "cardiac.lvef_below")
    low = []
    for result in of_analyte(record, "lvef"):
        if in_window(record, result["last"]) and result["magnitude"].below(limit) is True:
            low.append(result)
    return sorted(low, key=height)


def rule_C4_explained(record: dict) -> bool:
    return bool(counted(record, "heart-failure-cause"))


def latest(record: dict, analyte: str) -> dict | None:
    """The latest result of an analyte; of several at once the one that is written the highest."""
    every = of_analyte(record, analyte)
    return max(every, key=lambda result: (result["last"], result["magnitude"].order), default=None)


def latest_within(record: dict, analyte: str) -> dict | None:
    newest = latest(record, analyte)
    return newest if newest and record["as_of"] - newest["last"] <= searched(record) else None


def of_its_time(record: dict, result: dict) -> list[dict]:
    return [one for one in of_analyte(record, result["analyte"]) if one["last"] == result["last"]]


def rule_C3_raised(record: dict, newest: dict | None) -> bool:
    """Is the latest raised? Of one time any that can be the highest is the latest."""
    if newest is None:
        return False
    return any(rule_C3_is_above(record, one) for one in can_be_highest(of_its_time(record, newest)))


def rule_C3_is_above(record: dict, result: dict) -> bool:
    """Above its own limit, or, without one, above the doubt limit of the table."""
    if result["limits"]:
        return over_limit(result) is True
    name = result["analyte"].replace("-", "_")
    return result["magnitude"].above(number(record["tables"], f"cardiac.{name}_doubt")) is True


def rule_C3_troponin_t(record: dict) -> bool:
    """The latest troponin T is raised, and no normal troponin I within 7 days of it, or later, answers it."""
    newest = latest_within(record, "troponin-t")
    if not rule_C3_raised(record, newest):
        return False
    near = days(number(record["tables"], "cardiac.troponin_i_within_days"))
    for result in of_analyte(record, "troponin-i"):
        if over_limit(result) is False and result["last"] >= newest["last"] - near:
            return False
    return True


def rule_C3_indeterminate(record: dict) -> str:
    """The first that holds: troponin T, troponin I, NT-proBNP, tier C in the window, tier A before it."""
    troponin_i = rule_C3_raised(record, latest_within(record, "troponin-i"))
    if rule_C3_troponin_t(record) and not troponin_i:
        return TROPONIN_T
    if troponin_i:
        return "troponin I raised"
    if rule_C3_raised(record, latest_within(record, "nt-probnp")):
        return "NT-proBNP raised"
    if any(in_window(record, starts(c)) for c in counted(record, "cardiac-c")):
        return "tier C"
    if any(not in_window(record, starts(c)) for c in counted(record, "cardiac-a")):
        return "pre-existing"
    return ""


def rule_M1_unconfirmed(record: dict) -> bool:
    roles = ("cardiac-a", "cardiac-c")
    return any(not c["confirmed"] and any(r in c["roles"] for r in roles) for c in record["conditions"])


def rule_C6_is_negative(record: dict, result: dict | None) -> bool:
    if result is None:
        return False
    if result["analyte"] == "lvef":
        return result["magnitude"].below(number(record["tables"], "cardiac.lvef_below")) is False
    return highest_over_limit(of_its_time(record, result), 1).truth is False


def rule_C6_searches(record: dict) -> list[dict]:
    """The latest troponin I, troponin T and ejection fraction, each where it is negative."""
    newest = [latest(record, analyte) for analyte in ("troponin-i", "troponin-t", "lvef")]
    return [result for result in newest if rule_C6_is_negative(record, result)]


def rule_C6_newer_doubts(record: dict, after) -> list[Doubt]:
    """Doubts of the last 365 days in a cardiac test, later than the newest negative search."""
    roles = ("lvef", "troponin-i", "troponin-t", "nt-probnp")
    recent = [doubt for doubt in record["doubts"] if doubt.role in roles]
    recent = [doubt for doubt in recent if record["as_of"] - doubt.last <= searched(record)]
    return [doubt for doubt in recent if after is None or doubt.last > after]


def rule_U5b_older_lvef(record: dict) -> list[Doubt]:
    """Ejection fractions in C2's window that could not be used and may be below 50 %."""
    limit = number(record["tables"], "cardiac.lvef_below")
    barring = []
    for doubt in record["doubts"]:
        if doubt.role != "lvef" or not in_window(record, doubt.last):
            continue
        matters = doubt.number is not None and doubt.number.below(limit) is not False
        if matters or doubt.number_unit_unknown:
            barring.append(doubt)
    return barring


def rule_C6_barred(record: dict, after) -> str:
    """The first reason why `absent` or `missing` cannot be said, or nothing."""
    if rule_C6_newer_doubts(record, after):
        return NEWER
    if any(doubt.role == "cardiac" for doubt in record["doubts"]):
        return DIAGNOSIS
    return OLDER if rule_U5b_older_lvef(record) else ""


def rule_C6_feature(record: dict) -> dict:
    """absent after a negative search within 365 days, else missing; or indeterminate by a doubt."""
    searches = rule_C6_searches(record)
    recent = [result for result in searches if record["as_of"] - result["last"] <= searched(record)]
    if recent:
        newest = max(recent, key=lambda result: result["last"])
        barred = rule_C6_barred(record, newest["last"])
        if barred:
            return {"state": "indeterminate", "rule": "C6", "stale": False, "reason": barred}
        return {"state": "absent", "rule": "C6", "stale": False, "reason": "", "date": newest["text"][:10]}
    barred = rule_C6_barred(record, None)
    if barred:
        return {"state": "indeterminate", "rule": "U5", "stale": False, "reason": barred}
    reason = "not assessed"
    if "cardiacTests" in record["not_offered"]:
        reason = "not offered by the server"
    elif searches:
        newest = max(searches, key=lambda result: result["last"])
        reason = f"last {NAMES[newest['analyte']]} on {newest['text'][:10]}, over 365 days ago"
    return {"state": "missing", "rule": "C6", "stale": False, "reason": reason}


def rule_C_cardiac_involvement(record: dict) -> dict:
    """The predictor `cardiac_involvement`."""
    tier_a, low = rule_C1_tier_a(record), rule_C2_low_lvef(record)
    explained = rule_C4_explained(record)
    plain = [c for c in tier_a if "heart-failure" not in c["roles"]]
    if plain or (tier_a and not explained):
        return {"state": "present", "rule": "C1", "stale": False, "reason": ""}
    if low and not explained:
        value = None if is_interval(low[0]) else low[0]["value"]
        return {"state": "present", "rule": "C2", "stale": False, "reason": "", "value": value}
    if tier_a or low:
        return {"state": "indeterminate", "rule": "C4", "stale": False, "reason": "otherwise explained"}
    reason = rule_C3_indeterminate(record)
    if reason:
        return {"state": "indeterminate", "rule": "C3", "stale": False, "reason": reason}
    if rule_M1_unconfirmed(record):
        return {"state": "indeterminate", "rule": "M1", "stale": False, "reason": "unconfirmed"}
    return rule_C6_feature(record)
