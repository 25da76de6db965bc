# ruff: noqa: N802 - the functions bear the ids of the rules
"""The status of a resource: what counts, what is a doubt, what never took place (rules F3, T2, U1)."""

VALUE_SETS = {  # HL7 FHIR R4
    "Observation": (
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
        "unknown",
    ),
    "DiagnosticReport": (
        "registered",
        "partial",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
        "unknown",
    ),
    "Procedure": (
        "preparation",
        "in-progress",
        "not-done",
        "on-hold",
        "stopped",
        "completed",
        "entered-in-error",
        "unknown",
    ),
    "MedicationRequest": (
        "active",
        "on-hold",
        "cancelled",
        "completed",
        "entered-in-error",
        "stopped",
        "draft",
        "unknown",
    ),
    "MedicationStatement": (
        "active",
        "completed",
        "entered-in-error",
        "intended",
        "stopped",
        "on-hold",
        "unknown",
        "not-taken",
    ),
    "MedicationAdministration": (
        "in-progress",
        "not-done",
        "on-hold",
        "completed",
        "entered-in-error",
        "stopped",
        "unknown",
    ),
    "MedicationDispense": (
        "preparation",
        "in-progress",
        "cancelled",
        "on-hold",
        "completed",
        "entered-in-error",
        "stopped",
        "declined",
        "unknown",
    ),
}
ACCEPTED = {
    "Observation": ("final", "amended", "corrected"),
    "DiagnosticReport": ("final", "amended", "corrected", "appended"),
    "Procedure": ("completed",),
    "MedicationRequest": ("active", "completed", "stopped", "on-hold"),
    "MedicationStatement": ("active", "completed", "stopped", "on-hold"),
    "MedicationAdministration": ("completed", "in-progress", "stopped"),
    "MedicationDispense": ("completed",),
}
INTENTS = (
    "proposal",
    "plan",
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
    "option",
)
COUNTED_INTENTS = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
DOUBTFUL = ("preliminary", "partial", "unknown")


def rule_F3_status(record: dict, resource: dict) -> str:
    """The reason of the refusal: the status itself, `no status` or `unknown status`; or nothing."""
    kind, status = resource["resourceType"], resource.get("status")
    if not status:
        return "no status"
    if status not in VALUE_SETS[kind]:
        return "unknown status"
    may_be_unknown = kind in ("Observation", "DiagnosticReport") and record["accept_unknown"]
    if status in ACCEPTED[kind] or (status == "unknown" and may_be_unknown):
        return ""
    return status


def rule_T2_counts(record: dict, resource: dict) -> str:
    """The status, else the intent, else `do not perform`."""
    reason = rule_F3_status(record, resource)
    if reason or resource["resourceType"] != "MedicationRequest":
        return reason
    intent = resource.get("intent")
    if intent not in INTENTS:
        return "unknown status"
    if intent not in COUNTED_INTENTS:
        return intent
    return "do not perform" if resource.get("doNotPerform") is True else ""


def rule_U1_never_took_place(resource: dict) -> bool:
    """A status of what never took place, a proposal or a plan: no doubt, whatever else is wrong."""
    kind, status = resource["resourceType"], resource.get("status")
    if kind not in VALUE_SETS:
        return False
    if status in VALUE_SETS[kind] and status not in (*ACCEPTED[kind], *DOUBTFUL):
        return True
    if kind != "MedicationRequest":
        return False
    intent = resource.get("intent")
    return resource.get("doNotPerform") is True or (intent in INTENTS and intent not in COUNTED_INTENTS)
