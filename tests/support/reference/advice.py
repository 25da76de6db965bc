# ruff: noqa: N802 - the functions bear the ids of the rules
"""What the card offers, how loud it is and when it stays away (rules E3, R5, S5, V6, V7)."""

from .cardiac import counted
from .drr import of_analyte
from .evidence import rule_V2_unread, rule_V3_ordered
from .followup import OPEN, all_read
from .phase import HEADLINES
from .score import rule_S6_band_of
from .tables import load_model, number
from .times import days


def rule_V_pregnant(record: dict) -> bool:
    """A counted pregnancy of the last 300 days that is not abated; an undated one counts."""
    recent = days(number(record["tables"], "context.pregnancy_days"))
    for condition in counted(record, "pregnancy"):
        when = condition["when"]
        if not condition["over"] and (when is None or record["as_of"] - when["last"] <= recent):
            return True
    return False


def can_be_suggested(record: dict, part: str, interval) -> bool:
    """Not a CT in pregnancy, and not what is ordered already (a referral is no booked visit)."""
    if part == "chest-ct" and rule_V_pregnant(record):
        return False
    return not rule_V3_ordered(record, part, interval)


def open_parts(record: dict, line: dict) -> list[str]:
    """Parts that are due, overdue or were never done, and may be suggested."""
    parts = [part["part"] for part in line.get("parts", []) if part["state"] in OPEN]
    return [part for part in parts if can_be_suggested(record, part, line["interval"])]


def rule_V7_next_test(record: dict, predictor: str, table: list[dict]) -> dict | None:
    """The next best test, with the open parts of the item that holds its code; not what is ordered already or unread."""
    unread = {part["part"] for line in table for part in line.get("parts", []) if part["state"] == "unknown"}
    names = [name for name in load_model()[1]["next_best_test"][predictor]["parts"] if name not in unread]
    beside: list[str] = []
    kept = []
    for name in names:
        holding = [line for line in table if name in [part["part"] for part in line.get("parts", [])]]
        interval = holding[0]["interval"] if holding else None
        if not rule_V3_ordered(record, name, interval):
            kept.append(name)
        for line in holding:
            beside += [part for part in open_parts(record, line) if part not in (*names, *beside)]
    return {"item": predictor, "parts": [*kept, *beside]} if kept else None


def rule_V7_suggestions(record: dict, answer: dict) -> list[dict]:
    """At most four: the next best test first, then what is overdue, then never done, then due."""
    table, phase = answer["follow_up"], answer["activity"]["phase"]
    if answer.get("abstention", {}).get("code") == "record-incomplete":
        table = [line for line in table if phase in HEADLINES and all_read(record, line)]
    found = []
    if answer.get("next_best_test"):
        test = rule_V7_next_test(record, answer["next_best_test"], table)
        found = [test] if test else []
    held = {part for one in found for part in one["parts"]}
    open_lines = [line for state in ("overdue", "never", "due") for line in table if line["state"] == state]
    for line in open_lines:
        parts = [part for part in open_parts(record, line) if part not in held]
        if parts:
            found.append({"item": line["item"], "parts": parts})
    return found[: load_model()[1]["advice"]["suggestions_at_most"]["value"]]


def rule_E3_questions(record: dict) -> list[dict]:
    """What would answer whether it is IMNM: the antibodies without an answer, and CK where none is recent."""
    recent = days(number(record["tables"], "activity.recent_days"))
    asked = []
    for part, answer in (("anti-srp", record["srp"]), ("anti-hmgcr", record["hmgcr"])):
        if answer not in ("positive", "negative"):
            asked.append(part)
    if not any(record["as_of"] - ck["last"] <= recent for ck in of_analyte(record, "ck")):
        asked.append("ck")
    open_questions = [part for part in asked if not rule_V2_unread(record, part)]
    return [
        {"item": "question", "parts": [part]}
        for part in open_questions
        if not rule_V3_ordered(record, part, None)
    ]


def open_items(table: list[dict]) -> bool:
    """Is an item overdue or never done? `antibodies` does not count (V6)."""
    return any(line["state"] in ("overdue", "never") for line in table if line["item"] != "antibodies")


def any_part_open(table: list[dict]) -> bool:
    """Is a part overdue or never done, also of an item of which another part is not known (V1, V6)?"""
    parts = [part for line in table if line["item"] != "antibodies" for part in line.get("parts", [])]
    return any(part["state"] in ("overdue", "never") for part in parts)


def rule_V6_indicator(answer: dict) -> str:
    table = answer["follow_up"]
    warned = any(line["item"] == "statin" and line["state"] == "warn" for line in table)
    if answer["activity"]["phase"] in HEADLINES or warned:
        return "warning"
    if answer["outcome"] != "scored":
        return "info"
    band = answer["column"]  # of an uncertain band that in which the estimate lies
    return "warning" if band == "high" or (band == "intermediate" and open_items(table)) else "info"


def rule_V6_low_enough(answer: dict) -> bool:
    """The band is low; or uncertain, the estimate low, the highest end not high, and no test would tell more."""
    if answer["band"] != "uncertain":
        return answer["band"] == "low"
    _, policy = load_model()
    highest = answer["range_over_unknowns"]["2y"]["highest"]
    not_high = rule_S6_band_of(policy, highest) != "high"
    return answer["column"] == "low" and not_high and not answer.get("next_best_test")


def rule_V6_silent(record: dict, answer: dict) -> bool:
    """May the card stay away?"""
    table = answer["follow_up"]
    if not load_model()[1]["advice"]["quiet_low"] or answer["outcome"] != "scored":
        return False
    if answer["activity"]["phase"] != "controlled" or record["failed"] or answer["doubts"]:
        return False
    if any_part_open(table) or any(line["item"] == "statin" for line in table):
        return False
    return rule_V6_low_enough(answer)
