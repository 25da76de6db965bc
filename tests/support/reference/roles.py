# ruff: noqa: N802 - the functions bear the ids of the rules
"""Which roles the codes of a resource have (rules F4, T1)."""

from .bundles import resource_at
from .shapes import rule_F3_shape
from .tables import rule_F4_rows_of, words_of

MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
TABLES_OF = {
    "Observation": ("observations",),
    "Condition": ("conditions",),
    "Procedure": ("procedures", "medications"),
    "DiagnosticReport": ("observations", "procedures"),
    "ServiceRequest": ("observations", "procedures"),
    "Encounter": ("visits", "specialties"),
    "Appointment": ("visits", "specialties"),
    **dict.fromkeys(MEDICATIONS, ("medications",)),
}


def rule_T1_medication_resource(record: dict, resource: dict) -> dict | None:
    """The Medication that a medication resource points to, contained or in the Bundle."""
    pointer = resource.get("medicationReference")
    reference = pointer.get("reference") if isinstance(pointer, dict) else None
    held = resource_at(record, reference, resource)
    if held is None or held.get("resourceType") != "Medication":
        return None
    return rule_F3_shape(held)[0]


def rule_T1_medication(record: dict, resource: dict):
    """The code of the medicine: on the resource, or on the Medication it points to, else its ingredients."""
    if resource.get("medicationCodeableConcept"):
        return resource["medicationCodeableConcept"]
    medication = rule_T1_medication_resource(record, resource) or {}
    code = medication.get("code") or {}
    if words_of(record["tables"], "medications", code):
        return code
    parts = [part.get("itemCodeableConcept") or {} for part in medication.get("ingredient") or []]
    return [*parts, code] if parts else code


def concept_of(record: dict, resource: dict):
    kind = resource["resourceType"]
    if kind in MEDICATIONS:
        return rule_T1_medication(record, resource)
    if kind == "Encounter":
        names = ("class", "type", "serviceType")
    elif kind == "Appointment":
        names = ("serviceType", "specialty", "appointmentType")
    else:
        return resource.get("code") or {}
    return [resource.get(name) or {} for name in names]


def roles_of(record: dict, resource: dict) -> set[str]:
    """The role words of the table rows that the resource's codes match."""
    names = TABLES_OF.get(resource.get("resourceType", ""), ())
    concept = concept_of(record, resource) if names else {}
    return {word for name in names for word in words_of(record["tables"], name, concept)}


def analytes_of(record: dict, resource: dict) -> set[str]:
    """The first role words of the rows that an Observation's codings match: what it measures."""
    return {row[0] for row in rule_F4_rows_of(record["tables"], "observations", resource.get("code"))}
