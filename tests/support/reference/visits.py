# ruff: noqa: N802 - the functions bear the ids of the rules
"""Visits: which Encounters are one, which may be one, and which are booked (rules V3, V4)."""

from datetime import timedelta

from .bundles import resource_at
from .tables import as_text, codings_of, number, words_of
from .times import day_of

STATUSES = (
    "planned",
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
    "finished",
    "cancelled",
    "entered-in-error",
)
CLASSES = {"ambulatory", "inpatient", "other-class", "visit"}


def encounters(record: dict) -> list[dict]:
    return [fact for fact in record["done"] if fact["resource"]["resourceType"] == "Encounter"]


def specialty_codings(record: dict, encounter: dict) -> list[dict]:
    """serviceType and the specialty of the participants."""
    found = codings_of(encounter.get("serviceType") or {})
    for participant in encounter.get("participant") or []:
        reference = (participant.get("individual") or {}).get("reference")
        role = resource_at(record, reference, encounter)
        if role and role.get("resourceType") == "PractitionerRole":
            found += codings_of(role.get("specialty") or [])
    return found


def rule_V4_by_specialty(record: dict, encounter: dict) -> bool | None:
    """A visit or none by what is coded; None where no specialty is."""
    tables = record["tables"]
    coded, kinds = specialty_codings(record, encounter), codings_of(encounter.get("type") or [])
    if "visit" in words_of(tables, "visits", coded + kinds):
        return True
    return False if coded or "specialty" in words_of(tables, "specialties", kinds) else None


def class_words(record: dict, encounter: dict) -> set[str]:
    return words_of(record["tables"], "visits", [encounter.get("class") or {}])


def rule_V4_is_visit(record: dict, encounter: dict) -> bool:
    """By specialty; where none is coded, any ambulatory Encounter (client setting)."""
    said = rule_V4_by_specialty(record, encounter)
    if said is not None:
        return said
    return "ambulatory" in class_words(record, encounter) and record["any_encounter_counts"]


def rule_V4_day(record: dict, fact: dict):
    """The calendar day of an Encounter; today for one that is going on."""
    when = fact["last"]
    if fact["resource"].get("status") == "in-progress":
        hours = float(number(record["tables"], "visit.todays_visit_hours"))
        begun = fact["start"]["first"] if fact["start"] else fact["last"]
        stay = "inpatient" in class_words(record, fact["resource"])
        today = stay or record["as_of"] - begun <= timedelta(hours=hours)
        when = record["as_of"] if today else begun
    return day_of(when, record["zone"])


def rule_V4_last_visit(record: dict):
    days = [
        rule_V4_day(record, fact) for fact in encounters(record) if rule_V4_is_visit(record, fact["resource"])
    ]
    return max(days, default=None)


def rule_V4_may_be_visit(record: dict, encounter: dict) -> bool:
    """No specialty is coded, and nobody can say by class (or status) whether it was a visit."""
    if not record["any_encounter_counts"] or rule_V4_by_specialty(record, encounter) is not None:
        return False
    known = class_words(record, encounter) & CLASSES
    if rule_V4_status_unclear(encounter):
        return not known or "ambulatory" in known
    return not known


def rule_V4_status_unclear(encounter: dict) -> bool:
    return as_text(encounter.get("status")) not in STATUSES


def rule_V4_unknown(record: dict, interval: timedelta) -> bool:
    """Is there, within the interval, an Encounter that may have been the visit?"""
    today = day_of(record["as_of"], record["zone"])
    for fact in [*encounters(record), *record["unclear_encounters"]]:
        within = today - rule_V4_day(record, fact) <= interval
        if within and rule_V4_may_be_visit(record, fact["resource"]):
            return True
    return False


def rule_V3_booked(record: dict, interval: timedelta) -> bool:
    """A booked visit that begins after as_of and within the interval."""
    tables, as_of = record["tables"], record["as_of"]
    for plan in record["plans"]:
        if plan["kind"] != "Appointment" or plan["start"] is None:
            continue
        if plan["made"] is not None and plan["made"]["first"] > as_of:
            continue
        resource = plan["resource"]
        coded = codings_of([*(resource.get("serviceType") or []), *(resource.get("specialty") or [])])
        kind = codings_of(resource.get("appointmentType") or {})
        if "specialty" in words_of(tables, "specialties", kind):
            coded += kind
        if coded and "visit" not in words_of(tables, "visits", coded):
            continue
        if as_of < plan["start"]["first"] <= as_of + interval:
            return True
    return False
