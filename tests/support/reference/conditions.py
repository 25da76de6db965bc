# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which Conditions count, and how (rules M1, F3, E6)."""

from .times import parse_time, rule_F3_time

OTHER_MUSCLE_DISEASES = (
    "broad",
    "broad-antibody",
    "broad-hmgcr",
    "dermatomyositis",
    "inclusion-body-myositis",
)


def rule_M1_condition(record: dict, resource: dict) -> tuple[str, str]:
    """Verification and clinical status of a Condition, as M1 reads them."""
    verification = code_in(resource.get("verificationStatus")) or "confirmed"
    clinical = code_in(resource.get("clinicalStatus"))
    abated = None
    has_abatement = any(name.startswith("abatement") for name in resource)
    period = resource.get("abatementPeriod") or {}
    for text in (resource.get("abatementDateTime"), period.get("end"), period.get("start")):
        abated = abated or parse_time(text, record["zone"])
    later = abated is not None and abated["first"] > record["as_of"]
    if not clinical:
        clinical = "resolved" if has_abatement and not later else "active"
    elif later and clinical in ("inactive", "resolved"):
        clinical = "active"
    return verification, clinical


def code_in(concept) -> str:
    for coding in (concept or {}).get("coding") or []:
        if coding.get("code"):
            return coding["code"]
    return ""


def keep_condition(record: dict, resource: dict, roles: set[str]) -> str:
    if not roles:
        return ""
    verification, clinical = rule_M1_condition(record, resource)
    if verification in ("refuted", "entered-in-error"):
        return verification
    period = resource.get("onsetPeriod") or {}
    onset = parse_time(resource.get("onsetDateTime"), record["zone"])
    onset = onset or parse_time(period.get("start"), record["zone"])
    recorded = parse_time(resource.get("recordedDate"), record["zone"])
    when = onset or recorded
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
            "recorded": recorded,
            "confirmed": verification == "confirmed",
            "clinical": clinical,
            "eligible": clinical in ("active", "recurrence", "relapse", "remission"),
        }
    )
    return ""
