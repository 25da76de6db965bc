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
    own = resource.get("medicationCodeableConcept")
    medication = rule_T1_as_written(record, resource)
    code = medication.get("code") or {}
    if own:
        return [own, code, *rule_T1_parts(medication)] if medication else own
    if words_of(record["tables"], "medications", code):
        return code
    parts = rule_T1_parts(medication)
    return [*parts, code] if parts else code


def rule_T1_as_written(record: dict, resource: dict) -> dict:
    """The Medication, whatever the shape of its elements; an empty one where there is none."""
    pointer = resource.get("medicationReference")
    reference = pointer.get("reference") if isinstance(pointer, dict) else None
    held = resource_at(record, reference, resource)
    return held if held is not None and held.get("resourceType") == "Medication" else {}


def rule_T1_parts(medication: dict) -> list:
    """The concepts of its ingredients, or what stands there in the place of one."""
    held = medication.get("ingredient")
    parts = held if isinstance(held, list) else [] if held is None else [held]
    return [part.get("itemCodeableConcept") or {} if isinstance(part, dict) else part for part in parts]


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
