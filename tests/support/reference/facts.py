# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which facts count (rules 1): every resource is judged, and kept or refused with its first reason.

Texts have no limit here. The product reads 1,000 characters and calls a longer answer a doubt (ADR 16); no generator
writes a text as long, and `tests/unit/mapping_reading/test_long_texts.py` holds it.
"""

from datetime import timedelta

from . import ana, answers, doubts, exposures
from .absence import VALUE_NAMES, has_value
from .bundles import (
    entries_of,
    find_patient,
    rule_F1_subject,
    rule_F2_extensions,
    rule_F7_versions,
    subjects_of,
    target_of,
    urls_of,
)
from .conditions import keep_condition
from .limits import rule_F8_limits
from .roles import MEDICATIONS, TABLES_OF, analytes_of, roles_of, rule_T1_as_written
from .shapes import rule_F3_shape
from .statins import LISTS, is_statin
from .statuses import rule_F3_status, rule_T2_counts
from .tables import as_text, number, words_of
from .times import parse_time, rule_F3_birth_date, rule_F3_first_written, rule_F3_time, rule_T3_once
from .unsaid import rule_U1_may_be
from .values import DIMENSION, rule_F5_magnitude, shown_number
from .visits import rule_V4_status_unclear

ANSWERS = ("ana", "anti-srp", "anti-hmgcr", "other-msa")
LIMIT_NEEDED = ("troponin-i", "troponin-t", "nt-probnp")


def build(data, as_of, zone, tables: dict, options: dict) -> dict:
    """The facts that count, in plain lists, the doubts and the refusals."""
    record = {
        "as_of": as_of,
        "zone": zone,
        "tables": tables,
        "tolerance": timedelta(days=float(number(tables, "facts.future_tolerance"))),
        "accept_unknown": options["accept_unknown_status"],
        "any_encounter_counts": options["any_encounter_counts"],
        "also_known_as": tuple(options["also_known_as"]),
        "failed": set(options["failed"]),
        "not_offered": set(options["not_offered"]),
        **{name: [] for name in ("results", "conditions", "treatments", "done", "plans")},
        **{name: [] for name in ("refused", "doubts", "notes", "named_core")},
        **{name: [] for name in ("unread_results", "unclear_encounters", "unread_conditions")},
        "report_members": {},
    }
    entries = entries_of(data)
    last, superseded = rule_F7_versions(entries)
    record["entries"] = last
    record["by_url"] = urls_of(entries, last)
    full_url, patient = find_patient(last)
    full_url = full_url.split("/_history/")[0]
    tail = f"/Patient/{patient.get('id')}"
    of_patient = full_url[: -len(tail)] if full_url.endswith(tail) and "://" in full_url else ""
    record["base"] = options["base"] or of_patient
    record["patient"] = {
        "id": patient.get("id", options["patient_id"]),
        "sex": patient.get("gender") if patient.get("gender") in ("male", "female") else "",
        "born": rule_F3_birth_date(patient.get("birthDate")),
        "resource": patient,
    }
    for _, resource in superseded:
        if roles_of(record, resource):
            refuse(record, resource, "superseded")
    for _, resource in last:
        judge(record, resource)
    exposures.rule_T3_until_next_order(record)
    rule_F7_duplicates(record)
    doubts.rule_U1_no_value(record)
    return record


def refuse(record: dict, resource: dict, reason: str) -> None:
    record["refused"].append({"resource": name_of(resource), "reason": reason})


def name_of(resource: dict) -> str:
    return f"{resource['resourceType']}/{resource.get('id')}"


def judge(record: dict, raw: dict) -> None:
    """The checks in the order of rules 1; the first reason is kept, and what U1 calls a doubt."""
    kind = as_text(raw.get("resourceType"))
    if kind not in TABLES_OF:
        owned = kind not in ("", "Patient") and subjects_of(record, raw) is not None
        if owned and rule_F1_subject(record, raw) == "other patient":
            refuse(record, raw, "other patient")
        return
    resource, sound = rule_F3_shape(raw)
    roles = roles_of(record, raw)
    unsaid = rule_U1_may_be(record, raw)
    if kind in MEDICATIONS and (medication := rule_T1_as_written(record, raw)):
        sound = sound and rule_F3_shape(medication)[1]
    reason = "unreadable" if unsaid or not sound else ""
    reason = reason or rule_F1_subject(record, resource) or rule_F2_extensions(raw)
    reason = reason or keeper_of(kind)(record, resource, roles)
    wordless = reason == "unresolved" and not exposures.rule_U3_medicine_texts(record, resource)
    if unsaid and rule_F1_subject(record, resource) == "other patient":
        reason = "other patient"
    if wordless or (reason and (roles or reason == "other patient")):
        refuse(record, raw, reason)
    if kind == "Condition" and reason in doubts.REASONS:
        record["unread_conditions"].append({"roles": roles or unsaid})
    doubts.rule_U1_consider(record, raw, resource, reason)
    if kind == "Observation":
        doubts.rule_V1_done_all_the_same(record, resource, reason)


def keeper_of(kind: str):
    """What reads a resource of a type."""
    return {
        "Observation": keep_observation,
        "Condition": keep_condition,
        "Procedure": keep_procedure,
        "DiagnosticReport": keep_report,
        "Encounter": keep_encounter,
        "ServiceRequest": keep_order,
        "Appointment": keep_appointment,
    }.get(kind, keep_medication)


def rule_F3_observation_time(record: dict, resource: dict) -> dict | None:
    """The first of the times that is written; one that cannot be read is no time."""
    period = resource.get("effectivePeriod") or {}
    written = (
        resource.get("effectiveDateTime"),
        period.get("end"),
        period.get("start"),
        resource.get("effectiveInstant"),
        resource.get("issued"),
    )
    return rule_F3_first_written(written, record["zone"])


def rule_F3_procedure_time(record: dict, resource: dict) -> dict | None:
    period = resource.get("performedPeriod") or {}
    written = (resource.get("performedDateTime"), period.get("end"), period.get("start"))
    return rule_F3_first_written(written, record["zone"])


def base_of(resource: dict, moment: dict, roles: set[str]) -> dict:
    return {
        **moment,
        "id": resource.get("id"),
        "name": name_of(resource),
        "roles": roles,
        "resource": resource,
    }


def keep_observation(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    reason = rule_F3_status(record, resource)
    if reason:
        return reason
    moment, reason = rule_F3_time(record, rule_F3_observation_time(record, resource))
    if reason:
        return reason
    analytes = analytes_of(record, resource)
    if len(analytes) > 1:
        return "conflicting codes"
    result = base_of(resource, moment, roles)
    result["analyte"] = analytes.pop()
    result["specimen"] = target_of(record, (resource.get("specimen") or {}).get("reference"))
    reason = rule_F5_data_absent(resource, result) or measure(record, resource, result)
    if reason:
        return reason
    record["results"].append(result)
    return ""


def rule_F5_data_absent(resource: dict, result: dict) -> str:
    """A dataAbsentReason is never a value; beside components or members it does not speak for them."""
    if resource.get("dataAbsentReason") is None:
        return ""
    if has_value(resource) or result["analyte"] in DIMENSION:
        return "data absent"
    parts = resource.get("component") or []
    stand_for_it = resource.get("hasMember") or any(has_value(part) for part in parts)
    return "" if stand_for_it else "data absent"


def measure(record: dict, resource: dict, result: dict) -> str:
    """Value, unit and limits of an analyte with a magnitude (F5, F6, F8); answers of an ANA or antibody."""
    tables, analyte = record["tables"], result["analyte"]
    if analyte == "ana":
        return ana.rule_F5_titres(record, result)
    if analyte in ANSWERS:
        answer = answers.rule_E7_answer(record, resource, result)
        result["answer"], result["open"] = answer["answer"], answer["open"]
        return answer["reason"]
    if analyte not in DIMENSION:
        return ""
    result["empty"] = not has_value(resource)
    if result["empty"]:
        return ""
    magnitude, reason, quantity = rule_F5_magnitude(tables, resource, analyte)
    if magnitude is None:
        return reason
    result["magnitude"] = magnitude
    result["value"], result["comparator"] = shown_number(magnitude)
    result.update(rule_F8_limits(record, resource, analyte, quantity, result))
    if analyte in LIMIT_NEEDED and len({magnitude.above(limit) for limit in result["limits"]}) > 1:
        return "several reference ranges"
    return ""


def keep_procedure(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    reason = rule_F3_status(record, resource)
    if reason:
        return reason
    moment, reason = rule_F3_time(record, rule_F3_procedure_time(record, resource))
    if reason:
        return reason
    period = resource.get("performedPeriod") or {}
    begun = parse_time(period.get("start"), record["zone"]) or moment
    given = words_of(record["tables"], "medications", resource.get("code") or {})
    given &= set(record["tables"]["agents"])
    if len(given) > 1:
        return "conflicting codes"
    record["done"].append({**base_of(resource, moment, roles), "begun": min(begun["first"], record["as_of"])})
    if given:  # T1: an infusion by its HCPCS code counts as an administration
        record["treatments"].append(rule_T1_infusion(record, resource, begun, moment, given.pop()))
    return ""


def rule_T1_infusion(record: dict, resource: dict, begun: dict, moment: dict, ingredient: str) -> dict:
    """A completed Procedure with the HCPCS code of an infusion, as an administration at performed[x]."""
    start = min(begun["first"], record["as_of"])
    took_a_while = (resource.get("performedPeriod") or {}).get("start")
    end = max(start, min(moment["last"] if took_a_while else rule_T3_once(moment), record["as_of"]))
    return {
        "id": resource.get("id"),
        "name": f"Procedure/{resource.get('id')}",
        "kind": "MedicationAdministration",
        "start": start,
        "end": end,
        "covers": end,
        "status": "completed",
        "intolerance": False,
        "resource": {"resourceType": "Procedure"},
        "ingredient": ingredient,
    }


def keep_report(record: dict, resource: dict, roles: set[str]) -> str:
    reason = rule_F3_status(record, resource)
    if reason:
        return reason
    members = {target_of(record, member.get("reference")) for member in resource.get("result") or []}
    record["report_members"][resource.get("id")] = members
    if not roles:
        return ""
    moment, reason = rule_F3_time(record, rule_F3_observation_time(record, resource))
    if reason:
        return reason
    record["done"].append({**base_of(resource, moment, roles), "begun": moment["first"]})
    return ""


def keep_encounter(record: dict, resource: dict, roles: set[str]) -> str:
    unclear = rule_V4_status_unclear(resource)
    if resource.get("status") not in ("finished", "in-progress") and not unclear:
        return ""
    period = resource.get("period") or {}
    start = parse_time(period.get("start"), record["zone"])
    ended = rule_F3_first_written((period.get("end"), period.get("start")), record["zone"])
    if resource.get("status") == "in-progress":
        ended = start  # V4 counts it at its start
    moment, reason = rule_F3_time(record, ended)
    if reason:
        return "" if unclear else reason
    kept = "unclear_encounters" if unclear else "done"
    record[kept].append({**base_of(resource, moment, roles), "start": start})
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
    reason = rule_T2_counts(record, resource)
    if reason:
        return reason
    treatment, reason = exposures.rule_T3_treatment(record, resource)
    excluded = exposures.rule_T1_excluded_route(record, resource)
    ingredients = exposures.rule_T1_ingredients(record, roles)
    if excluded:
        return "conflicting codes" if len(ingredients) > 1 else ""
    if reason == "undated" and on_the_list(record, resource, roles):
        record["undated_statin"] = True  # a list that gives no dates still warns
        return ""
    if reason:
        return reason
    if exposures.rule_T1_unresolved(record, resource):
        return "unresolved"
    if len(ingredients) > 1:
        return "conflicting codes"
    if ingredients:
        record["treatments"].append({**treatment, "ingredient": next(iter(ingredients))})
    return ""


def on_the_list(record: dict, resource: dict, roles: set[str]) -> bool:
    """Is this an active statin of the medication list (rules 7)?"""
    listed = resource["resourceType"] in LISTS and resource.get("status") == "active"
    return listed and bool(roles) and all(is_statin(record, role) for role in roles)


def rule_F7_duplicates(record: dict) -> None:
    """The same code, time, value and specimen, or medicine, period and dosage, count once."""
    for name, same in (("results", same_result), ("treatments", exposures.same_treatment)):
        kept: list[dict] = []
        for fact in sorted(record[name], key=lambda fact: str(fact["id"])):
            twin = next((other for other in kept if same(fact, other)), None)
            if twin is None:
                kept.append(fact)
            elif name == "results":
                join_reports(record, twin, fact)
        record[name] = kept


def same_result(fact: dict, other: dict) -> bool:
    names = ("code", "component", "hasMember", "interpretation", *VALUE_NAMES)
    if any(fact["resource"].get(name) != other["resource"].get(name) for name in names):
        return False
    return (fact["specimen"], fact["first"], fact["last"]) == (
        other["specimen"],
        other["first"],
        other["last"],
    )


def join_reports(record: dict, kept: dict, dropped: dict) -> None:
    """A report that lists the dropped copy lists the kept one."""
    for members in record["report_members"].values():
        if dropped["name"] in members:
            members.add(kept["name"])
