# ruff: noqa: N802 - the functions bear the ids of the rules
"""Treatment refractory, `refractory.v1` (rules 3.4, T5 to T10)."""

from datetime import timedelta

from .drr import of_analyte
from .exposures import (
    agents_on_record,
    last_day,
    rule_T3_days_treated,
    rule_T3_episodes,
    rule_T4_glucocorticoid_on,
)
from .tables import number
from .times import day_of, days
from .values import above, at_most, height, over_limit

STEROID = "glucocorticoid"
ESCALATIONS = ("rituximab", "cyclophosphamide", "fcrn", "complement", "jak")
MEDICATION_KEYS = {
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
}


def span(record: dict, name: str) -> timedelta:
    return days(number(record["tables"], f"refractory.{name}"))


def raised(record: dict, ck: dict) -> bool | None:
    return over_limit(ck, number(record["tables"], "refractory.ck_times_uln"))


def rule_T5_said(record: dict) -> bool:
    """A code that the site map gives the role `refractory`."""
    facts = [*record["results"], *record["done"]]
    facts += [c for c in record["conditions"] if c["confirmed"]]
    return any("refractory" in fact["roles"] for fact in facts)


def rule_T6_qualifies(record: dict, episode: dict) -> bool:
    """Was the agent given long enough to count?"""
    long_enough = span(record, "agent_days")
    if episode["class"] in ("rituximab", "cyclophosphamide"):
        return record["as_of"] - episode["start"] >= long_enough
    if episode["class"] == "ivig" and rule_T6_ivig_courses(record, episode):
        return True
    return episode["end"] - episode["start"] >= long_enough


def rule_T6_ivig_courses(record: dict, episode: dict) -> bool:
    """Administrations on at least 3 days that are at least 14 days apart."""
    given = [t for t in episode["treatments"] if t["kind"] == "MedicationAdministration"]
    dates = sorted({day_of(one["start"], record["zone"]) for one in given})
    chosen: list = []
    for day in dates:
        if not chosen or day - chosen[-1] >= span(record, "ivig_days_apart"):
            chosen.append(day)
    return len(chosen) >= number(record["tables"], "refractory.ivig_days_of_administration")


def rule_T6_not_tolerated(record: dict) -> set[str]:
    return {agent for agent, held in agents_on_record(record).items() if any(t["intolerance"] for t in held)}


def rule_T6_steroid_beside(record: dict, episodes: list[dict], second: dict) -> bool:
    """At least one day of systemic glucocorticoid within the second's episode."""
    for steroid in episodes:
        if steroid["agent"] != STEROID:
            continue
        first_day = max(day_of(e["start"], record["zone"]) for e in (steroid, second))
        ended = min(last_day(record, e["start"], e["end"]) for e in (steroid, second))
        if first_day <= ended:
            return True
    return False


def rule_T6_still_active(record: dict, agents: list[dict], first: dict, second: dict) -> bool:
    """A raised CK in 90 to 730 days, 10 mg/day prednisone on day 180, or a third agent after 90 days."""
    begun = second["start"]
    low, high = begun + span(record, "ck_from_days"), begun + span(record, "ck_to_days")
    for ck in of_analyte(record, "ck"):
        if low <= ck["last"] <= high and raised(record, ck) is True:
            return True
    on_day = begun + span(record, "glucocorticoid_on_day")
    if on_day <= record["as_of"]:
        dose = rule_T4_glucocorticoid_on(record, day_of(on_day, record["zone"]))
        if dose >= number(record["tables"], "refractory.glucocorticoid_mg"):
            return True
    for third in agents:
        if third["agent"] in (first["agent"], second["agent"]):
            continue
        if third["start"] >= begun + span(record, "third_after_days"):
            return True
    return False


def rule_T6_two_agents(record: dict, episodes: list[dict]) -> bool:
    not_tolerated = rule_T6_not_tolerated(record)
    agents = [e for e in episodes if e["agent"] != STEROID and e["agent"] not in not_tolerated]
    qualifying = [episode for episode in agents if rule_T6_qualifies(record, episode)]
    for first in qualifying:
        for second in qualifying:
            if first["agent"] == second["agent"]:
                continue
            if second["start"] < first["start"] + span(record, "second_after_days"):
                continue
            if not rule_T6_steroid_beside(record, episodes, second):
                continue
            if rule_T6_still_active(record, agents, first, second):
                return True
    return False


def rule_T7_year_of_steroid(record: dict, episodes: list[dict]) -> bool:
    """A year of glucocorticoid, and the first CK after it still above 2 x ULN and half the early peak."""
    year = span(record, "glucocorticoid_days")
    percent = number(record["tables"], "refractory.ck_of_peak_percent")
    for episode in episodes:
        if episode["agent"] != STEROID or episode["end"] - episode["start"] < year:
            continue
        early_end = episode["start"] + span(record, "peak_within_days")
        every = of_analyte(record, "ck")
        early = [ck for ck in every if episode["start"] <= ck["last"] <= early_end]
        late = [ck for ck in every if episode["start"] + year <= ck["last"] <= episode["end"]]
        if not early or not late:
            continue
        peak = max(at_most(ck) for ck in early)
        first = min(late, key=lambda ck: (ck["last"], -ck["value"]))
        enough = above(first["value"] * 100, first["comparator"], peak * percent)
        if raised(record, first) is True and enough is True:
            return True
    return False


def rule_T8_escalated_unwatched(record: dict, episodes: list[dict]) -> bool:
    """(iv): escalation at least 90 days after another agent, with no CK afterwards."""
    agents = [episode for episode in episodes if episode["agent"] != STEROID]
    begun = [(e["start"], e["agent"]) for e in agents if e["class"] in ESCALATIONS]
    begun += [(one["begun"], "") for one in record["done"] if "plasma-exchange" in one["roles"]]
    for start, agent in begun:
        earlier = [e for e in agents if e["agent"] != agent]
        if not any(start - e["start"] >= span(record, "escalation_after_days") for e in earlier):
            continue
        if not any(ck["last"] > start for ck in of_analyte(record, "ck")):
            return True
    return False


def rule_T8_reason(record: dict, episodes: list[dict], treated: timedelta) -> str:
    """Why a treated patient is neither present nor absent; the first that holds."""
    every = of_analyte(record, "ck")
    latest = max(every, key=lambda ck: (ck["last"], height(ck)), default=None)
    recent = latest is not None and record["as_of"] - latest["last"] <= span(record, "latest_ck_days")
    if recent and raised(record, latest) is True:
        return "CK still raised"
    if treated < span(record, "treated_enough_days"):
        return "treated < 180 days"
    first_day = min(episode["start"] for episode in episodes)
    if not any(ck["last"] >= first_day for ck in every):
        return "no CK on treatment"
    if not recent:
        return "latest CK > 180 days old"
    return "CK not decided"


def rule_T9_absent(record: dict, treated: timedelta) -> bool:
    every = of_analyte(record, "ck")
    if not every or treated < span(record, "treated_enough_days"):
        return False
    latest = max(every, key=lambda ck: (ck["last"], height(ck)))
    if record["as_of"] - latest["last"] > span(record, "latest_ck_days"):
        return False
    return raised(record, latest) is False


def rule_T_treatment_refractory(record: dict) -> dict:
    """The predictor `treatment_refractory`."""
    episodes = rule_T3_episodes(record)
    treated = rule_T3_days_treated(record, episodes)
    for rule, holds in (
        ("T5", rule_T5_said(record)),
        ("T6", rule_T6_two_agents(record, episodes)),
        ("T7", rule_T7_year_of_steroid(record, episodes)),
    ):
        if holds:
            return {"state": "present", "rule": rule, "stale": False}
    if episodes and "enzymes" in record["not_offered"] and not of_analyte(record, "ck"):
        reason = "not offered by the server"  # F9: without CK nothing more can be said
        return {"state": "missing", "rule": "T10", "stale": False, "reason": reason}
    if rule_T8_escalated_unwatched(record, episodes):
        reason = "no CK since escalation"
        return {"state": "indeterminate", "rule": "T8", "stale": False, "reason": reason}
    if rule_T9_absent(record, treated):
        return {"state": "absent", "rule": "T9", "stale": False}
    if treated >= span(record, "treated_at_least_days"):
        reason = rule_T8_reason(record, episodes, treated)
        return {"state": "indeterminate", "rule": "T8", "stale": False, "reason": reason}
    reason = "treated < 90 days" if episodes else "no medication data"
    if not episodes and record["not_offered"] >= MEDICATION_KEYS:
        reason = "not offered by the server"
    return {"state": "missing", "rule": "T10", "stale": False, "reason": reason}
