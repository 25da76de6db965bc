# ruff: noqa: N802 - the functions bear the ids of the rules
"""The follow-up table: what was done, what is planned and what is overdue (rules 7, V1 to V5)."""

from datetime import timedelta

from .cardiac import counted
from .evidence import SOURCES, rule_V1_last_done, rule_V1_times, rule_V2_unread, rule_V3_ordered
from .falls import rule_X2_fall
from .statins import rule_V_statin
from .tables import load_model
from .times import day_of
from .visits import rule_V3_booked, rule_V4_last_visit, rule_V4_unknown

PHASE_COLUMNS = {"relapse": "relapse", "rising": "relapse", "active": "active"}
OPEN = ("due", "overdue", "never")


def rule_V5_band_column(column: str, phase: str) -> str:
    """The column of the band, never below intermediate where the phase is improving or unknown."""
    return "intermediate" if column == "low" and phase in ("improving", "unknown") else column


def rule_V5_interval(record: dict, item: str, column: str, phase: str) -> timedelta | None:
    """The shorter of the phase's and the band's interval; of the lung function the one by the age of the ILD."""
    told = load_model()[1]["follow_up"][item]
    if "with_ild" in told and counted(record, "ild"):
        return rule_V_lung_interval(record, told["with_ild"])
    columns = [rule_V5_band_column(column, phase), PHASE_COLUMNS.get(phase, "")]
    held = [told["every"][name]["value"] for name in columns if name in told["every"]]
    return timedelta(days=min(held)) if held else None


def rule_V_lung_interval(record: dict, with_ild: dict) -> timedelta:
    """120 days in the year after the earliest dated ILD, then (none dated: always) 180 days."""
    begun = [one["when"]["first"] for one in counted(record, "ild") if one["when"]]
    within = timedelta(days=with_ild["within"]["value"])
    young = bool(begun) and record["as_of"] - min(begun) <= within
    return timedelta(days=with_ild["first" if young else "then"]["value"])


def rule_V2_state(record: dict, last, interval: timedelta | None) -> str:
    """never, ok, due or overdue; what has no interval is done once."""
    if last is None:
        return "never"
    if interval is None:
        return "ok"
    today, due = day_of(record["as_of"], record["zone"]), last + interval
    if today > due:
        return "overdue"
    soon = timedelta(days=load_model()[1]["advice"]["due_within"]["value"])
    return "due" if due - today <= soon else "ok"


def rule_V_ct_again(record: dict) -> bool:
    """An FVC fall that is later than the latest CT."""
    fall = rule_X2_fall(record, "fvc")
    return fall is not None and all(fall["last"] > time for time in rule_V1_times(record, "chest-ct"))


def rule_V_part(record: dict, part: str, interval: timedelta | None) -> dict:
    """One part: when it was last done, and its state (V1, V2, V3, V4)."""
    last = rule_V4_last_visit(record) if part == "visit" else rule_V1_last_done(record, part)
    state = rule_V2_state(record, last, interval)
    if part == "chest-ct" and state == "ok" and rule_V_ct_again(record):
        state = "due"
    if state != "ok" and rule_V2_unread(record, part):
        state = "unknown"
    elif state != "ok" and rule_V3_planned(record, part, interval):
        state = "planned"
    elif part == "visit" and state in ("overdue", "never") and rule_V4_unknown(record, interval):
        state = "unknown"
    return {"part": part, "state": state, "day": last}


def rule_V3_planned(record: dict, part: str, interval: timedelta | None) -> bool:
    if part == "visit":
        return rule_V3_booked(record, interval)
    return rule_V3_ordered(record, part, interval)


def rule_V1_item_state(record: dict, parts: list[dict], last, interval: timedelta | None) -> str:
    states = [part["state"] for part in parts]
    if "unknown" in states:
        return "unknown"
    waiting = [state for state in states if state != "ok"]
    if waiting and all(state == "planned" for state in waiting):
        return "planned"
    if interval is None:
        return "never" if last is None else "due" if waiting else "ok"
    return rule_V2_state(record, last, interval)


def rule_V_item(record: dict, item: str, interval: timedelta | None) -> dict:
    """One line of the table."""
    names = load_model()[1]["follow_up"][item]["parts"]
    parts = [rule_V_part(record, part, interval) for part in names]
    days = [part["day"] for part in parts]
    last = None if None in days else min(days)
    line: dict = {"item": item, "state": rule_V1_item_state(record, parts, last, interval)}
    line["parts"] = [shown_part(part) for part in parts]
    line["interval"] = interval
    if line["state"] == "unknown" or last is None:
        return line
    line["last"] = last.isoformat()
    if interval is not None:
        late = day_of(record["as_of"], record["zone"]) - (last + interval)
        line["due"] = (last + interval).isoformat()
        line["overdue_days"] = late.days if line["state"] == "overdue" else 0
    return line


def shown_part(part: dict) -> dict:
    line = {"part": part["part"], "state": part["state"]}
    return {**line, "last": part["day"].isoformat()} if part["day"] else line


def rule_V_has_row(record: dict, item: str) -> bool:
    """Which items only some patients have."""
    ild = bool(counted(record, "ild"))
    if item == "lung-function":
        return ild or record["srp"] == "positive"
    if item == "chest-ct":
        return ild
    if item == "antibodies":
        return "positive" not in (record["srp"], record["hmgcr"])
    return True


def rule_V_follow_up(record: dict, column: str, phase: str) -> list[dict]:
    """The follow-up table in the column of a band and a phase."""
    table = []
    for item, told in load_model()[1]["follow_up"].items():
        if not rule_V_has_row(record, item):
            continue
        interval = None if told.get("once") else rule_V5_interval(record, item, column, phase)
        if interval is not None or told.get("once"):
            table.append(rule_V_item(record, item, interval))
    return table + rule_V_statin(record)


def all_read(record: dict, line: dict) -> bool:
    """Were all sources of an item read (S5)?"""
    parts = {part["part"] for part in line.get("parts", [])}
    return not any(SOURCES[part] & (record["failed"] | record["not_offered"]) for part in parts)
