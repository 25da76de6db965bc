# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which Conditions count, and how (rules M1, F3, E6)."""

from .tables import SNOMED, as_text, canonical_system, codings_of, rule_F4_rows_of_coding
from .times import parse_time, rule_F3_first_written, rule_F3_time

OTHER_MUSCLE_DISEASES = (
    "broad",
    "broad-antibody",
    "broad-hmgcr",
    "dermatomyositis",
    "inclusion-body-myositis",
)
CLINICAL = ("active", "recurrence", "relapse", "inactive", "remission", "resolved")
VERIFICATION = ("unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error")
PARENT = {
    "recurrence": "active",
    "relapse": "active",
    "remission": "inactive",
    "resolved": "inactive",
    "provisional": "unconfirmed",
    "differential": "unconfirmed",
}
CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
ELIGIBLE = ("active", "recurrence", "relapse", "remission")


def rule_M1_status(tables: dict, resource: dict, element: str, value_set: tuple) -> tuple[str, str]:
    """The one status that the codings of an element agree on, nothing where it is absent, or `unknown status`."""
    concept = resource.get(element)
    if not concept:
        return "", ""
    known: set[str] = set()
    for coding in codings_of(concept):
        system = canonical_system(tables, as_text(coding.get("system")))
        code = as_text(coding.get("code")).casefold()
        for roles in rule_F4_rows_of_coding(tables, "statuses", coding):
            if roles[0] == element and roles[1] in value_set:
                known.add(roles[1])
        if system != SNOMED and code in value_set:
            known.add(code)
    narrow = known - {PARENT[status] for status in known if status in PARENT}
    if len(narrow) != 1:
        return "", "unknown status"
    return narrow.pop(), ""


def rule_M1_certainty(tables: dict, resource: dict) -> tuple[str, str]:
    """The German certainty of the codings that have a role: A, G, V, Z or nothing; or `unknown status`."""
    said: set[str] = set()
    for coding in codings_of(resource.get("code") or {}):
        if not rule_F4_rows_of_coding(tables, "conditions", coding):
            continue
        extensions = coding.get("extension")
        for extension in extensions if isinstance(extensions, list) else []:
            if isinstance(extension, dict) and extension.get("url") == CERTAINTY:
                held = extension.get("valueCoding")
                code = held.get("code") if isinstance(held, dict) else extension.get("valueCode")
                said.add(as_text(code).upper())
    if not said:
        return "", ""
    if len(said) > 1 or not said <= {"A", "G", "V", "Z"}:
        return "", "unknown status"
    return said.pop(), ""


def rule_M1_condition(record: dict, resource: dict) -> tuple[str, str, str]:
    """Verification and clinical status of a Condition as M1 reads them, and the reason of a refusal."""
    tables = record["tables"]
    certainty, reason = rule_M1_certainty(tables, resource)
    verification, reason2 = rule_M1_status(tables, resource, "verificationStatus", VERIFICATION)
    clinical, reason3 = rule_M1_status(tables, resource, "clinicalStatus", CLINICAL)
    if certainty in ("A", "G", "V"):
        verification = {"A": "refuted", "G": "confirmed", "V": "provisional"}[certainty]
        reason2 = ""
    if certainty == "Z":
        clinical, reason3 = "resolved", ""
    verification = verification or "confirmed"
    if verification in ("refuted", "entered-in-error") and not reason2:
        return verification, clinical, verification
    reason = reason or reason2 or reason3
    abated = rule_M1_abated(record, resource)
    later = abated is not None and abated["first"] > record["as_of"]
    if not clinical:
        clinical = "resolved" if rule_M1_is_over(record, resource) else "active"
    elif later and clinical in ("inactive", "resolved"):
        clinical = "active"
    return verification, clinical, reason


def rule_M1_is_over(record: dict, resource: dict) -> bool:
    """Is there an abatement[x] that is not after `as_of`? A date or a period that cannot be read is none (F3)."""
    abated = rule_M1_abated(record, resource)
    if abated is not None:
        return abated["first"] <= record["as_of"]
    return any(f"abatement{kind}" in resource for kind in ("Age", "Range", "String"))


def rule_M1_abated(record: dict, resource: dict) -> dict | None:
    """When the Condition ended, where that is written as a time."""
    period = resource.get("abatementPeriod") or {}
    written = (resource.get("abatementDateTime"), period.get("end"), period.get("start"))
    return rule_F3_first_written(written, record["zone"])


def rule_F3_condition_time(record: dict, resource: dict) -> dict | None:
    """onsetDateTime or the start of onsetPeriod, else recordedDate."""
    period = resource.get("onsetPeriod") or {}
    written = (resource.get("onsetDateTime"), period.get("start"), resource.get("recordedDate"))
    return rule_F3_first_written(written, record["zone"])


def keep_condition(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    verification, clinical, reason = rule_M1_condition(record, resource)
    if reason:
        return reason
    when = rule_F3_condition_time(record, resource)
    if when:
        when, reason = rule_F3_time(record, when)
        if reason:
            return reason
    if "core" in roles:  # E6: in one Condition a core code wins over any other name of a muscle disease
        roles = roles - set(OTHER_MUSCLE_DISEASES)
    record["conditions"].append(
        {
            "id": resource.get("id"),
            "name": f"Condition/{resource.get('id')}",
            "roles": roles,
            "when": when,
            "recorded": parse_time(resource.get("recordedDate"), record["zone"]),
            "abated": rule_M1_abated(record, resource),
            "over": rule_M1_is_over(record, resource),
            "confirmed": verification == "confirmed",
            "clinical": clinical,
            "eligible": clinical in ELIGIBLE,
        }
    )
    return ""


def rule_U4_named_core(record: dict, resource: dict, broken: set[str]) -> bool:
    """Is a Condition that is `core` by words eligible in the sense of M1? What cannot be read does not exclude it."""
    verification, clinical, reason = rule_M1_condition(record, resource)
    is_open = "verificationStatus" in broken
    if reason in ("refuted", "entered-in-error"):
        return is_open
    if reason:
        return True
    is_active = "clinicalStatus" in broken or clinical in ELIGIBLE
    return (is_open or verification == "confirmed") and is_active
