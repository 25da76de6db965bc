# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which facts count (rules 1): every resource is judged, and kept or refused with its first reason."""

from datetime import timedelta
from fractions import Fraction

from . import ana, exposures
from .bundles import (
    entries_of,
    find_patient,
    rule_F1_subject,
    rule_F2_extensions,
    rule_F7_versions,
    subjects_of,
    target_of,
)
from .conditions import keep_condition
from .tables import rule_F4_rows_of, words_of
from .times import parse_time, rule_F3_time
from .values import (
    DIMENSION,
    FLIPPED,
    as_decimal,
    rule_F5_plausible,
    rule_F6_factor,
    rule_F6_lvef_percent,
    rule_F8_limits,
)

MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
ANSWERS = ("ana", "anti-srp", "anti-hmgcr")
RESULT_STATUS = ("final", "amended", "corrected")
VALUE_NAMES = (
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "valueRange",
    "valueRatio",
    "valueSampledData",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
)


def build(data, as_of, zone, tables: dict, options: dict) -> dict:
    """The facts that count, in plain lists, and the refusals."""
    record = {
        "as_of": as_of,
        "zone": zone,
        "tables": tables,
        "tolerance": timedelta(hours=24),
        "accept_unknown": options["accept_unknown_status"],
        "any_encounter_counts": options["any_encounter_counts"],
        "failed": set(options["failed"]),
        "not_offered": set(options["not_offered"]),
        "results": [],
        "conditions": [],
        "treatments": [],
        "done": [],
        "plans": [],
        "report_members": {},
        "refused": [],
        "notes": [],
    }
    last, superseded = rule_F7_versions(entries_of(data))
    record["entries"] = last
    record["by_url"] = {url.split("/_history/")[0]: resource for url, resource in last if url}
    full_url, patient = find_patient(last)
    tail = f"/Patient/{patient.get('id')}"
    record["base"] = full_url[: -len(tail)] if full_url.endswith(tail) and "://" in full_url else ""
    record["patient"] = {
        "id": patient.get("id"),
        "sex": patient.get("gender") if patient.get("gender") in ("male", "female") else "",
        "born": patient.get("birthDate"),
        "resource": patient,
    }
    for _, resource in superseded:
        if roles_of(record, resource):
            refuse(record, resource, "superseded")
    for _, resource in last:
        judge(record, resource)
    rule_F7_duplicates(record)
    return record


def refuse(record: dict, resource: dict, reason: str) -> None:
    record["refused"].append(
        {"resource": f"{resource['resourceType']}/{resource.get('id')}", "reason": reason}
    )


def concept_of(record: dict, resource: dict):
    kind = resource["resourceType"]
    if kind in MEDICATIONS:
        return exposures.rule_T1_medication(record, resource)
    if kind == "Encounter":
        return [resource.get("class") or {}, *(resource.get("type") or []), resource.get("serviceType") or {}]
    if kind == "Appointment":
        kinds = [*(resource.get("serviceType") or []), *(resource.get("specialty") or [])]
        return [*kinds, resource.get("appointmentType") or {}]
    return resource.get("code") or {}


TABLES_OF = {
    "Observation": ("observations",),
    "Condition": ("conditions",),
    "Procedure": ("procedures",),
    "DiagnosticReport": ("observations", "procedures"),
    "ServiceRequest": ("observations", "procedures"),
    "Encounter": ("visits", "specialties"),
    "Appointment": ("visits", "specialties"),
    **dict.fromkeys(MEDICATIONS, ("medications",)),
}


def roles_of(record: dict, resource: dict) -> set[str]:
    """The role words of the table rows that the resource's codes match."""
    concept = concept_of(record, resource) if resource["resourceType"] in TABLES_OF else {}
    names = TABLES_OF.get(resource["resourceType"], ())
    return {word for name in names for word in words_of(record["tables"], name, concept)}


def judge(record: dict, resource: dict) -> None:
    """F1, F2, F3 and what follows, in the order of the rules; the first reason is kept."""
    kind = resource.get("resourceType")
    if kind not in TABLES_OF:
        owned = kind != "Patient" and subjects_of(record, resource) is not None
        if owned and rule_F1_subject(record, resource) == "other patient":
            refuse(record, resource, "other patient")
        return
    roles = roles_of(record, resource)
    reason = rule_F1_subject(record, resource)
    if reason:
        if reason == "other patient" or roles:
            refuse(record, resource, reason)
        return
    keep = {
        "Observation": keep_observation,
        "Condition": keep_condition,
        "Procedure": keep_procedure,
        "DiagnosticReport": keep_report,
        "Encounter": keep_encounter,
        "ServiceRequest": keep_order,
        "Appointment": keep_appointment,
    }.get(kind, keep_medication)
    reason = rule_F2_extensions(resource) or keep(record, resource, roles)
    if reason and roles:
        refuse(record, resource, reason)


def rule_F3_status(record: dict, resource: dict, accepted: tuple) -> str:
    """The status itself is the reason."""
    status = resource.get("status")
    if not status:
        return "no status"
    if status in accepted or (status == "unknown" and record["accept_unknown"]):
        return ""
    return status


def rule_F3_observation_time(record: dict, resource: dict) -> dict | None:
    """The first of the times that is written; one that cannot be read is no time."""
    period = resource.get("effectivePeriod") or {}
    for text in (
        resource.get("effectiveDateTime"),
        period.get("end"),
        period.get("start"),
        resource.get("effectiveInstant"),
        resource.get("issued"),
    ):
        if text:
            return parse_time(text, record["zone"])
    return None


def base_of(resource: dict, moment: dict, roles: set[str]) -> dict:
    kind, number = resource["resourceType"], resource.get("id")
    return {**moment, "id": number, "name": f"{kind}/{number}", "roles": roles, "resource": resource}


def keep_observation(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    reason = rule_F3_status(record, resource, RESULT_STATUS)
    if reason:
        return reason
    moment, reason = rule_F3_time(record, rule_F3_observation_time(record, resource))
    if reason:
        return reason
    analytes = {row[0] for row in rule_F4_rows_of(record["tables"], "observations", resource.get("code"))}
    if len(analytes) > 1:
        return "conflicting codes"
    result = base_of(resource, moment, roles)
    result["analyte"] = analytes.pop()
    result["specimen"] = target_of(record, (resource.get("specimen") or {}).get("reference"))
    reason = rule_F5_data_absent(record, resource, result) or measure(record, resource, result)
    if reason:
        if result["analyte"] in ("ast", "alt") and reason in ("no unit", "unknown unit"):
            record["unit_refused"] = True
        return reason
    record["results"].append(result)
    return ""


def rule_F5_data_absent(record: dict, resource: dict, result: dict) -> str:
    """No value, or the reason why there is none; members stand for an ANA panel without value (A1)."""
    absent = resource.get("dataAbsentReason")
    if any(name in resource for name in VALUE_NAMES):
        return "data absent" if absent else ""
    if any(name in one for one in resource.get("component") or [] for name in VALUE_NAMES):
        return ""
    if resource.get("hasMember"):
        return ""
    if absent:
        return "data absent"
    if result["analyte"] in ANSWERS and resource.get("interpretation"):
        return ""
    return "data absent" if result["analyte"] in (*DIMENSION, *ANSWERS) else ""


def measure(record: dict, resource: dict, result: dict) -> str:
    """Value, unit and limits of an analyte with a magnitude (F5, F6, F8); titres of an ANA."""
    tables, analyte = record["tables"], result["analyte"]
    if analyte == "ana":
        return ana.rule_F5_titres(record, result)
    if analyte not in DIMENSION:
        return ""
    quantity = resource.get("valueQuantity") or {}
    written = as_decimal(quantity.get("value", resource.get("valueInteger")))
    if written is None:
        return "data absent"
    factor, reason = rule_F6_factor(tables, quantity, DIMENSION[analyte])
    if factor is None:
        return reason
    value, comparator = written * factor, quantity.get("comparator") or ""
    if analyte == "lvef":
        value = rule_F6_lvef_percent(tables, written)
    if analyte == "alt-ast-ratio":
        if value <= 0:
            return "implausible"
        value, comparator = Fraction(1) / Fraction(value), FLIPPED[comparator]
    if not rule_F5_plausible(tables, analyte, value):
        return "implausible"
    result["value"], result["comparator"] = value, comparator
    result.update(rule_F8_limits(record, resource, analyte, quantity, result))
    return ""


def keep_procedure(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    if resource.get("status") != "completed":
        return resource.get("status") or "no status"
    period = resource.get("performedPeriod") or {}
    texts = (resource.get("performedDateTime"), period.get("end"), period.get("start"))
    moments = [parse_time(text, record["zone"]) for text in texts]
    moment, reason = rule_F3_time(record, next((m for m in moments if m), None))
    if reason:
        return reason
    begun = parse_time(period.get("start"), record["zone"]) or moment
    record["done"].append({**base_of(resource, moment, roles), "begun": min(begun["first"], record["as_of"])})
    return ""


def keep_report(record: dict, resource: dict, roles: set[str]) -> str:
    reason = rule_F3_status(record, resource, (*RESULT_STATUS, "appended"))
    if reason:
        return reason
    members = {target_of(record, one.get("reference")) for one in resource.get("result") or []}
    record["report_members"][resource.get("id")] = members
    if not roles:
        return ""
    moment, reason = rule_F3_time(record, rule_F3_observation_time(record, resource))
    if reason:
        return reason
    record["done"].append({**base_of(resource, moment, roles), "begun": moment["first"]})
    return ""


def keep_encounter(record: dict, resource: dict, roles: set[str]) -> str:
    if resource.get("status") not in ("finished", "in-progress"):
        return ""
    period = resource.get("period") or {}
    start, end = (parse_time(period.get(name), record["zone"]) for name in ("start", "end"))
    if resource["status"] == "in-progress":
        end = None  # not yet: V4 counts it at its start
    moment, reason = rule_F3_time(record, end or start)
    if reason:
        return reason
    record["done"].append({**base_of(resource, moment, roles), "start": start})
    return ""


def keep_order(record: dict, resource: dict, roles: set[str]) -> str:
    """An order in force; it may ask for a later day but not be written on one (F3)."""
    proposed = resource.get("intent") in ("proposal", "option")
    if resource.get("status") != "active" or proposed or resource.get("doNotPerform") is True:
        return ""
    made = parse_time(resource.get("authoredOn"), record["zone"])
    if made:
        made, reason = rule_F3_time(record, made)
        if reason:
            return reason
    record["plans"].append({"kind": "ServiceRequest", "roles": roles, "made": made, "resource": resource})
    return ""


def keep_appointment(record: dict, resource: dict, roles: set[str]) -> str:
    """A booked visit; it may lie ahead but not be made there (F3)."""
    if resource.get("status") != "booked":
        return ""
    start, made = (parse_time(resource.get(name), record["zone"]) for name in ("start", "created"))
    if made:
        made, reason = rule_F3_time(record, made)
        if reason:
            return reason
    plan = {"kind": "Appointment", "roles": roles, "start": start, "made": made, "resource": resource}
    record["plans"].append(plan)
    return ""


def keep_medication(record: dict, resource: dict, roles: set[str]) -> str:
    reason = exposures.rule_T2_counts(resource)
    if reason:
        return reason
    if not roles:
        return ""
    treatment, reason = exposures.rule_T3_treatment(record, resource)
    if reason == "undated" and on_the_list(resource, roles):
        record["undated_statin"] = True  # a list that gives no dates still warns
        return ""
    excluded = exposures.rule_T1_excluded_route(record, resource)
    if reason and not (excluded and reason in ("undated", "future")):
        return reason
    if len(roles) > 1:
        return "conflicting codes"
    if not excluded:
        record["treatments"].append({**treatment, "ingredient": next(iter(roles))})
    return ""


def on_the_list(resource: dict, roles: set[str]) -> bool:
    """Is this an active statin of the medication list (rules 7)?"""
    listed = resource["resourceType"] in ("MedicationRequest", "MedicationStatement")
    return listed and roles == {"statin"} and resource.get("status") == "active"


def rule_F7_duplicates(record: dict) -> None:
    """The same code, time, value and specimen, or medicine, period and dosage, count once."""
    for name, same in (("results", same_result), ("treatments", exposures.same_treatment)):
        kept: list[dict] = []
        for one in sorted(record[name], key=lambda fact: str(fact["id"])):
            twin = next((other for other in kept if same(one, other)), None)
            if twin is None:
                kept.append(one)
            elif name == "results":
                join_reports(record, twin, one)
        record[name] = kept


def same_result(one: dict, other: dict) -> bool:
    names = ("code", "component", "hasMember", "interpretation", *VALUE_NAMES)
    if any(one["resource"].get(name) != other["resource"].get(name) for name in names):
        return False
    return (one["specimen"], one["first"], one["last"]) == (other["specimen"], other["first"], other["last"])


def join_reports(record: dict, kept: dict, dropped: dict) -> None:
    """A report that lists the dropped copy lists the kept one."""
    for members in record["report_members"].values():
        if dropped["name"] in members:
            members.add(kept["name"])
