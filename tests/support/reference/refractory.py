# ruff: noqa: N802 - the functions bear the ids of the rules
"""Treatment refractory, `refractory.v1` (rules 3.4, T5 to T10)."""

from datetime import timedelta
from fractions import Fraction

from .absence import rule_U1_says_no_result
from .drr import of_analyte, ratio_of
from .exposures import (
    NOT_AGENTS,
    agents_on_record,
    rule_T3_days_treated,
    rule_T3_episodes,
    rule_T4_glucocorticoid_on,
)
from .questions import Answer, can_be_highest, highest_of
from .tables import number
from .times import day_of, days
from .values import height, highest_over_limit, over_limit

STEROID = "glucocorticoid"
AGENT = "an agent could not be read"
OLDER = "an older CK could not be read"
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


def highest_raised(record: dict, together: list[dict]) -> Answer:
    return highest_over_limit(together, number(record["tables"], "refractory.ck_times_uln"))


def rule_T5_said(record: dict) -> bool:
    """A code that the site map gives the role `refractory`."""
    facts = [one for one in record["results"] if not rule_U1_says_no_result(record, one["resource"])]
    facts += record["done"]
    facts += [c for c in record["conditions"] if c["confirmed"]]
    return any("refractory" in fact["roles"] for fact in facts)


def rule_T5_may_be_said(record: dict) -> bool:
    """May what nobody read say so? The client has a code for it, and what was read does not say present."""
    mapped = any("refractory" in role.split() for _, _, role in record["tables"]["site_codes"])
    return mapped and rule_T_treatment_refractory({**record, "notes": []})["state"] != "present"


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
        last_day = min(day_of(e["covers"], record["zone"]) for e in (steroid, second))
        if first_day <= last_day:
            return True
    return False


def rule_T6_ck_window(record: dict, second: dict) -> tuple:
    return second["start"] + span(record, "ck_from_days"), second["start"] + span(record, "ck_to_days")


def rule_T6_still_active(record: dict, agents: list[dict], first: dict, second: dict) -> bool:
    """A raised CK in 90 to 730 days, 10 mg/day prednisone on day 180, or a third agent after 90 days."""
    begun = second["start"]
    low, high = rule_T6_ck_window(record, second)
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


def rule_T6_pairs(record: dict, episodes: list[dict]) -> tuple[list[dict], list[tuple[dict, dict]]]:
    """The non-steroid episodes, and the pairs of them that lack nothing but activity."""
    not_tolerated = rule_T6_not_tolerated(record)
    agents = [e for e in episodes if e["agent"] != STEROID and e["agent"] not in not_tolerated]
    qualifying = [episode for episode in agents if rule_T6_qualifies(record, episode)]
    pairs = []
    for first in qualifying:
        for second in qualifying:
            if first["agent"] == second["agent"]:
                continue
            if second["start"] < first["start"] + span(record, "second_after_days"):
                continue
            if rule_T6_steroid_beside(record, episodes, second):
                pairs.append((first, second))
    return agents, pairs


def rule_T6_two_agents(record: dict, episodes: list[dict]) -> bool:
    agents, pairs = rule_T6_pairs(record, episodes)
    return any(rule_T6_still_active(record, agents, first, second) for first, second in pairs)


def rule_T7_windows(record: dict, episodes: list[dict]) -> list[dict]:
    """The early and the late window of every glucocorticoid episode of a year, and the CK in them."""
    year = span(record, "glucocorticoid_days")
    windows = []
    for episode in episodes:
        if episode["agent"] != STEROID or episode["end"] - episode["start"] < year:
            continue
        early = (episode["start"], episode["start"] + span(record, "peak_within_days"))
        late = (episode["start"] + year, episode["end"])
        every = of_analyte(record, "ck")
        windows.append(
            {
                "early": early,
                "late": late,
                "early_ck": [ck for ck in every if early[0] <= ck["last"] <= early[1]],
                "late_ck": [ck for ck in every if late[0] <= ck["last"] <= late[1]],
            }
        )
    return windows


def rule_T7_first_late(window: dict) -> list[dict]:
    """The first late CK: all that were taken then, of which the highest counts."""
    first = min((ck["last"] for ck in window["late_ck"]), default=None)
    return [ck for ck in window["late_ck"] if ck["last"] == first]


def rule_T7_decides(record: dict, window: dict) -> bool | None:
    """Is the first late CK above 2 x ULN and above half the early peak? None where that is left open."""
    half = Fraction(number(record["tables"], "refractory.ck_of_peak_percent")) / 100
    first = rule_T7_first_late(window)
    if not first or not window["early_ck"]:
        return False
    ratio = ratio_of(highest_of(first), highest_of(window["early_ck"]))
    answers = (highest_raised(record, first).truth, ratio.above(half))
    if False in answers:
        return False
    return None if None in answers else True


def rule_T7_year_of_steroid(record: dict, episodes: list[dict]) -> bool:
    """A year of glucocorticoid, and the first CK after it still above 2 x ULN and half the early peak."""
    return any(rule_T7_decides(record, window) is True for window in rule_T7_windows(record, episodes))


def rule_T8_escalated_unwatched(record: dict, episodes: list[dict]) -> bool:
    """(iv): escalation at least 90 days after another agent, with no CK afterwards."""
    agents = [episode for episode in episodes if episode["agent"] != STEROID]
    begun = [(e["start"], e["agent"]) for e in agents if e["class"] in ESCALATIONS]
    begun += [(fact["begun"], "") for fact in record["done"] if "plasma-exchange" in fact["roles"]]
    for start, agent in begun:
        earlier = [e for e in agents if e["agent"] != agent]
        if not any(start - e["start"] >= span(record, "escalation_after_days") for e in earlier):
            continue
        if not any(ck["last"] > start for ck in of_analyte(record, "ck")):
            return True
    return False


def latest_ck(record: dict) -> dict | None:
    return max(of_analyte(record, "ck"), key=lambda ck: (ck["last"], height(ck)), default=None)


def rule_T8_raised(record: dict) -> Answer:
    """Is the latest CK above 2 x ULN? Of one time the highest, whichever that is."""
    latest = latest_ck(record)
    return highest_raised(record, [ck for ck in of_analyte(record, "ck") if ck["last"] == latest["last"]])


def rule_T8_reason(record: dict, episodes: list[dict], treated: timedelta) -> str:
    """Why a treated patient is neither present nor absent; the first that holds."""
    latest = latest_ck(record)
    recent = latest is not None and record["as_of"] - latest["last"] <= span(record, "latest_ck_days")
    if recent and rule_T8_raised(record).truth is True:
        return "CK still raised"
    if treated < span(record, "treated_enough_days"):
        return "treated < 180 days"
    first_day = min(episode["start"] for episode in episodes)
    if not any(ck["last"] >= first_day for ck in of_analyte(record, "ck")):
        return "no CK on treatment"
    if not recent:
        return "latest CK > 180 days old"
    return "CK not decided"


def rule_T9_absent(record: dict, treated: timedelta) -> bool:
    latest = latest_ck(record)
    if latest is None or treated < span(record, "treated_enough_days"):
        return False
    if record["as_of"] - latest["last"] > span(record, "latest_ck_days"):
        return False
    return rule_T8_raised(record).truth is False


def rule_T9_newer_ck(record: dict) -> list:
    """Doubts in CK later than the latest CK."""
    latest = latest_ck(record)
    doubts = [doubt for doubt in record["doubts"] if doubt.role == "ck"]
    return [doubt for doubt in doubts if latest is None or doubt.last > latest["last"]]


def rule_T9_agents(record: dict) -> list:
    """Doubts in an agent of T1, by code or by words, at any time."""
    agents = record["tables"]["agents"]
    names = {name for name in agents if agents[name]["class"] not in NOT_AGENTS} | {"agent"}
    return [doubt for doubt in record["doubts"] if doubt.role in names]


def rule_U5b_may_be_raised(record: dict, doubt) -> bool:
    """A CK that could not be used and holds a number that may be above 2 x ULN."""
    if doubt.role != "ck":
        return False
    if doubt.number is None:
        return doubt.number_unit_unknown
    times = number(record["tables"], "refractory.ck_times_uln")
    held = {"magnitude": doubt.number, "limits": list(doubt.limits), "default_limit": doubt.default_limit}
    return over_limit(held, times) is not False


def rule_U5b_older_ck(record: dict, episodes: list[dict]) -> list:
    """CK doubts in the window of a T6 or T7 that lacks nothing else."""
    doubts = [doubt for doubt in record["doubts"] if rule_U5b_may_be_raised(record, doubt)]
    _, pairs = rule_T6_pairs(record, episodes)
    barring = []
    for doubt in doubts:
        windows = [rule_T6_ck_window(record, second) for _, second in pairs]
        windows += [window for held in rule_T7_windows(record, episodes) for window in lacking(record, held)]
        if any(low <= doubt.last <= high for low, high in windows):
            barring.append(doubt)
    return barring


def rule_U5b_open_ck(record: dict, episodes: list[dict]) -> list[dict]:
    """CK results that leave T6 or T7 open, where nothing else is lacking."""
    left_open: list[dict] = []
    if not record.get("open_ck", True):
        return left_open
    _, pairs = rule_T6_pairs(record, episodes)
    for ck in of_analyte(record, "ck"):
        windows = [rule_T6_ck_window(record, second) for _, second in pairs]
        if raised(record, ck) is None and any(low <= ck["last"] <= high for low, high in windows):
            left_open.append(ck)
    for window in rule_T7_windows(record, episodes):
        if rule_T7_decides(record, window) is None:
            held = [*window["early_ck"], *can_be_highest(rule_T7_first_late(window))]
            left_open += [ck for ck in held if not ck["magnitude"].exact and ck not in left_open]
    return left_open


def lacking(record: dict, window: dict) -> list[tuple]:
    """Where a CK would make a T7 that lacks nothing else: before the first late one, or the missing early peak."""
    first = rule_T7_first_late(window)
    if window["early_ck"]:
        low, high = window["late"]
        return [(low, first[0]["last"] if first else high)]
    return [window["early"]] if first and highest_raised(record, first).truth is True else []


def rule_T9_barred(record: dict, episodes: list[dict]) -> str:
    """The first doubt that makes `absent` indeterminate: newer CK, agent, older CK."""
    if rule_T9_newer_ck(record):
        return "a newer CK could not be read"
    if rule_T9_agents(record):
        return AGENT
    older = rule_U5b_older_ck(record, episodes) or rule_U5b_open_ck(record, episodes)
    return OLDER if older else ""


def indeterminate(rule: str, reason: str) -> dict:
    return {"state": "indeterminate", "rule": rule, "stale": False, "reason": reason}


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
            return {"state": "present", "rule": rule, "stale": False, "reason": ""}
    if episodes and "enzymes" in record["not_offered"] and not of_analyte(record, "ck"):
        return rule_T10_missing(
            record, "not offered by the server"
        )  # F9: without CK nothing more can be said
    if rule_T8_escalated_unwatched(record, episodes):
        return indeterminate("T8", "no CK since escalation")
    if rule_T9_absent(record, treated):
        barred = rule_T9_barred(record, episodes)
        if not barred:
            return {"state": "absent", "rule": "T9", "stale": False, "reason": ""}
        left_open = [(ck, "ck") for ck in rule_U5b_open_ck(record, episodes)]
        return {**indeterminate("T9", barred), "open": left_open}
    if treated >= span(record, "treated_at_least_days"):
        feature = indeterminate("T8", rule_T8_reason(record, episodes, treated))
        if feature["reason"] == "CK not decided":
            left_by = rule_T8_raised(record).left_by
            feature["open"] = [(ck, "ck") for ck in of_analyte(record, "ck") if ck["name"] in left_by]
        return feature
    reason = "treated < 90 days" if episodes else "no medication data"
    if not episodes and record["not_offered"] >= MEDICATION_KEYS:
        reason = "not offered by the server"
    return rule_T10_missing(record, reason)


def rule_T10_missing(record: dict, reason: str) -> dict:
    """missing, or indeterminate where an agent could not be read."""
    if rule_T9_agents(record):
        return indeterminate("U5", AGENT)
    return {"state": "missing", "rule": "T10", "stale": False, "reason": reason}
