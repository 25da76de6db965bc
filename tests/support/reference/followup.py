# ruff: noqa: N802 - the functions bear the ids of the rules
"""What was done, what is planned and what is overdue (rules 7, V1 to V5)."""

from datetime import timedelta

from .bundles import resource_at
from .cardiac import counted
from .tables import codings_of, load_model, number, words_of
from .times import day_of

EVIDENCE: dict[str, dict] = {
    "ck": {"results": ("ck",), "orders": ("ck",)},
    "ast": {"results": ("ast",), "orders": ("ast", "ast-alt-panel")},
    "alt": {"results": ("alt",), "orders": ("alt", "ast-alt-panel")},
    "troponin-i": {"results": ("troponin-i",), "orders": ("troponin-i",)},
    "ecg": {"done": ("ecg",), "kinds": ("Procedure", "DiagnosticReport"), "orders": ("ecg",)},
    "echo": {
        "results": ("lvef",),
        "done": ("echo",),
        "kinds": ("Procedure", "DiagnosticReport"),
        "orders": ("echo", "lvef"),
    },
    "lung-function": {
        "results": ("fvc", "dlco"),
        "done": ("fvc", "dlco"),
        "kinds": ("DiagnosticReport",),
        "orders": ("fvc", "dlco"),
    },
    "chest-ct": {
        "results": ("chest-ct",),
        "done": ("chest-ct",),
        "kinds": ("DiagnosticReport",),
        "orders": ("chest-ct",),
    },
}
PARTS = {
    "ck-ast-alt": ("ck", "ast", "alt"),
    "troponin-ecg": ("troponin-i", "ecg"),
    "echo": ("echo",),
}
SOURCES = {
    "visit": {"encounters"},
    "ck": {"enzymes"},
    "ast": {"enzymes"},
    "alt": {"enzymes"},
    "troponin-i": {"cardiacTests"},
    "ecg": {"procedures", "reports"},
    "echo": {"cardiacTests", "procedures", "reports"},
    "lung-function": {"lungFunction", "reports"},
    "chest-ct": {"reports"},
}


def resources_type(fact: dict) -> str:
    return fact["resource"]["resourceType"]


def specialty_codings(record: dict, encounter: dict) -> list[dict]:
    """serviceType and the specialty of the participants."""
    found = codings_of(encounter.get("serviceType") or {})
    for participant in encounter.get("participant") or []:
        reference = (participant.get("individual") or {}).get("reference")
        role = resource_at(record, reference, encounter)
        if role and role.get("resourceType") == "PractitionerRole":
            found += codings_of(role.get("specialty") or [])
    return found


def rule_V4_is_visit(record: dict, encounter: dict) -> bool:
    """By specialty; where none is coded, any ambulatory Encounter (client setting)."""
    tables = record["tables"]
    coded, kinds = specialty_codings(record, encounter), codings_of(encounter.get("type") or [])
    if "visit" in words_of(tables, "visits", coded + kinds):
        return True
    if coded or "specialty" in words_of(tables, "specialties", kinds):
        return False
    ambulatory = "ambulatory" in words_of(tables, "visits", [encounter.get("class") or {}])
    return ambulatory and record["any_encounter_counts"]


def rule_V4_last_visit(record: dict):
    """The calendar day of the last visit; today for one that is going on."""
    zone, as_of = record["zone"], record["as_of"]
    hours = float(number(record["tables"], "visit.todays_visit_hours"))
    found = []
    for fact in record["done"]:
        if resources_type(fact) != "Encounter" or not rule_V4_is_visit(record, fact["resource"]):
            continue
        when = fact["last"]
        if fact["resource"]["status"] == "in-progress":
            stay = words_of(record["tables"], "visits", [fact["resource"].get("class") or {}])
            begun = fact["start"]["first"] if fact["start"] else fact["last"]
            today = "inpatient" in stay or as_of - begun <= timedelta(hours=hours)
            when = as_of if today else begun
        found.append(day_of(when, zone))
    return max(found, default=None)


def rule_V1_last_done(record: dict, part: str):
    """The calendar day on which a part was last done."""
    evidence, zone = EVIDENCE[part], record["zone"]
    found = [
        day_of(r["last"], zone) for r in record["results"] if r["analyte"] in evidence.get("results", ())
    ]
    for fact in record["done"]:
        if resources_type(fact) in evidence.get("kinds", ()) and fact["roles"] & set(evidence["done"]):
            found.append(day_of(fact["last"], zone))
    return max(found, default=None)


def rule_V2_state(record: dict, last, interval: timedelta) -> str:
    if last is None:
        return "never"
    _, policy = load_model()
    today, due = day_of(record["as_of"], record["zone"]), last + interval
    if today > due:
        return "overdue"
    soon = timedelta(days=policy["advice"]["due_within"]["value"])
    return "due" if due - today <= soon else "ok"


def rule_V3_ordered(record: dict, part: str, interval: timedelta) -> bool:
    """An active order for the part, written at most one interval ago."""
    for plan in record["plans"]:
        if plan["kind"] != "ServiceRequest" or not plan["roles"] & set(EVIDENCE[part]["orders"]):
            continue
        made = plan["made"]
        if made is None or made["first"] > record["as_of"]:
            continue
        if record["as_of"] - min(made["last"], record["as_of"]) <= interval:
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


def row(record: dict, item: str, state: str, last, interval: timedelta) -> dict:
    """One line of the follow-up table."""
    if state == "unknown":
        return {"item": item, "state": state}
    line = {"item": item, "state": state}
    if last is not None:
        late = day_of(record["as_of"], record["zone"]) - (last + interval)
        line["last"], line["due"] = last.isoformat(), (last + interval).isoformat()
        line["overdue_days"] = late.days if state == "overdue" else 0
    return line


def rule_V2_unknown(record: dict, waiting: list[str]) -> bool:
    """Is there a part, not known to be done in time, of which a source could not be read?"""
    unread = record["failed"] | record["not_offered"]
    return any(SOURCES[part] & unread for part in waiting)


def rule_V_item(record: dict, item: str, done: dict, interval: timedelta) -> dict:
    """One item from the days on which its parts were last done (V1, V2, V3)."""
    last = None if None in done.values() else min(done.values())
    state = rule_V2_state(record, last, interval)
    waiting = [part for part in done if rule_V2_state(record, done[part], interval) != "ok"]
    if rule_V2_unknown(record, waiting):
        state = "unknown"
    elif item == "visit":
        state = "planned" if waiting and rule_V3_booked(record, interval) else state
    elif waiting and all(rule_V3_ordered(record, part, interval) for part in waiting):
        state = "planned"
    return row(record, item, state, last, interval)


def rule_V_statin(record: dict) -> list[dict]:
    """An active lipid-lowering statin in anti-HMGCR disease."""
    if record["hmgcr"] != "positive":
        return []
    if record.get("undated_statin"):
        return [{"item": "statin", "state": "warn"}]
    for one in record["treatments"]:
        listed = one["kind"] in ("MedicationRequest", "MedicationStatement")
        if one["ingredient"] == "statin" and listed and one["status"] == "active":
            return [{"item": "statin", "state": "warn"}]
    return []


def rule_V_follow_up(record: dict, column: str) -> list[dict]:
    """The follow-up table in the column of a band."""
    _, policy = load_model()
    parts = dict(PARTS)
    if counted(record, "ild"):
        parts["lung-function"] = ("lung-function", "chest-ct")
    elif record["srp"] == "positive":
        parts["lung-function"] = ("lung-function",)
    table = []
    for item in ("visit", "ck-ast-alt", "troponin-ecg", "echo", "lung-function"):
        every = policy["follow_up"][item]["every"].get(column)
        if every is None or (item != "visit" and item not in parts):
            continue
        interval = timedelta(days=every["value"])
        done = {part: rule_V1_last_done(record, part) for part in parts.get(item, ())}
        if item == "visit":
            done = {"visit": rule_V4_last_visit(record)}
        table.append(rule_V_item(record, item, done, interval))
    return table + rule_V_statin(record)
