# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which landmark of a model is a patient's (rule S11)."""

from datetime import date

from .exposures import agents_on_record
from .refractory import rule_T9_agents
from .times import day_of


def rule_S11_anchor(record: dict, anchor: str) -> date | None:
    """The day of the anchor; None where it is not on record, or something unread may be earlier."""
    zone = record["zone"]
    if anchor == "onset":
        days = [day_of(record["onset"], zone)] if record["onset"] else []
        doubts = [doubt for doubt in record["doubts"] if doubt.role in ("core", "broad")]
    else:
        days = [day_of(one["start"], zone) for held in agents_on_record(record).values() for one in held]
        doubts = rule_T9_agents(record)
    for doubt in doubts:
        year, month, day = ([*doubt.date.split("-"), "1", "1"] if doubt.date else ["1"] * 3)[:3]
        if not days or date(int(year), int(month), int(day)) < min(days):
            return None
    return min(days, default=None)


def rule_S11_landmark(record: dict, model: dict) -> dict:
    """The latest landmark that is not after the patient's time since time zero, and that time where it is known."""
    zero = model["time_zero"]
    day = rule_S11_anchor(record, zero["anchor"])
    if day is None:
        return {"days": 0}
    since = (day_of(record["as_of"], record["zone"]) - day).days - zero["offset"]
    reached = [row["days"] for row in model["landmarks"] if row["days"] <= since]
    return {"days": max(reached, default=0), "since_time_zero": since}


def rule_S11_baseline(model: dict, days: int) -> dict:
    """The model with the baseline from that landmark."""
    held = [row for row in model["landmarks"] if row["days"] == days]
    return {**model, **held[0]} if held else model
