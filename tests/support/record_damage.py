"""Ways to make one resource unreadable: each is a doubt by rule U1, and each leaves the number where it is.

Every way changes a resource in place, and answers whether it applies to one of its type. The resources are those of
the record generator: valid FHIR but for the damage.
"""

from collections.abc import Callable

Way = Callable[[dict], bool]
LOINC = "http://loinc.org"
TIMES = ("effectiveDateTime", "effectivePeriod", "issued", "authoredOn", "whenHandedOver", "whenPrepared")
UNKNOWN = [{"url": "http://local.example/unknown", "valueBoolean": True}]


def is_observation(resource: dict) -> bool:
    return resource["resourceType"] == "Observation"


def is_condition(resource: dict) -> bool:
    return resource["resourceType"] == "Condition"


def is_medicine(resource: dict) -> bool:
    return resource["resourceType"].startswith("Medication") and resource["resourceType"] != "Medication"


def no_subject(resource: dict) -> bool:
    return resource.pop("subject", None) is not None


def subject_by_identifier_alone(resource: dict) -> bool:
    resource["subject"] = {"identifier": {"value": "4711"}}
    return True


def subject_on_another_server(resource: dict) -> bool:
    resource["subject"] = {"reference": "https://internal.example/fhir/Patient/p1"}
    return True


def subject_that_was_not_sent(resource: dict) -> bool:
    resource["subject"] = {"reference": "urn:uuid:5f1c8f0e-0000-4000-8000-00000000ffff"}
    return True


def subject_of_a_wrong_type(resource: dict) -> bool:
    resource["subject"] = "Patient/p1"
    return True


def modifier_extension(resource: dict) -> bool:
    resource["modifierExtension"] = UNKNOWN
    return True


def modifier_extension_inside(resource: dict) -> bool:
    name = next(
        (name for name in ("code", "valueQuantity", "medicationCodeableConcept") if name in resource), ""
    )
    if name:
        resource[name] = {**resource[name], "modifierExtension": UNKNOWN}
    return bool(name)


def implicit_rules(resource: dict) -> bool:
    resource["implicitRules"] = "http://local.example/rules"
    return True


def no_status(resource: dict) -> bool:
    return not is_condition(resource) and resource.pop("status", None) is not None


def status_that_does_not_exist(resource: dict) -> bool:
    if is_condition(resource):
        resource["clinicalStatus"] = {"coding": [{"code": "rumbling"}]}
    else:
        resource["status"] = "rumbling"
    return True


def status_of_a_wrong_type(resource: dict) -> bool:
    if is_condition(resource):
        resource["clinicalStatus"] = {"coding": "active"}
    else:
        resource["status"] = {"code": resource.get("status")}
    return True


def statuses_that_disagree(resource: dict) -> bool:
    resource["clinicalStatus"] = {"coding": [{"code": "active"}, {"code": "resolved"}]}
    return is_condition(resource)


def status_unknown(resource: dict) -> bool:
    resource["status"] = "unknown"
    return not is_condition(resource)


def preliminary(resource: dict) -> bool:
    resource["status"] = "preliminary"
    return is_observation(resource) and any(name.startswith("value") for name in resource)


def undated(resource: dict) -> bool:
    for name in TIMES:
        resource.pop(name, None)
    for name in ("dispenseRequest", "dosageInstruction"):
        resource.pop(name, None)
    return not is_condition(resource)


def time_in_other_words(resource: dict) -> bool:
    """A time that is no FHIR time is none, and no other element stands in for it (F3)."""
    undated(resource)
    name = {"Observation": "effectiveDateTime", "MedicationRequest": "authoredOn"}.get(
        resource["resourceType"]
    )
    if name:
        resource[name] = "the day before yesterday"
    return bool(name)


def time_of_a_wrong_type(resource: dict) -> bool:
    name = "recordedDate" if is_condition(resource) else next((n for n in TIMES if n in resource), "")
    if name:
        resource[name] = {"year": 2026} if name != "effectivePeriod" else "2026"
    return bool(name)


def conflicting_codes(resource: dict) -> bool:
    if is_observation(resource):
        held = {coding.get("code") for coding in resource["code"]["coding"]}
        other = {"system": LOINC, "code": "2345-7"}
        other["code"] = "14804-9" if "2157-6" in held else "2157-6"
        resource["code"] = {"coding": [*resource["code"]["coding"], other]}
        return True
    if not is_medicine(resource) or "medicationCodeableConcept" not in resource:
        return False
    held = resource["medicationCodeableConcept"].get("coding", [])
    other = {"system": "http://www.whocc.no/atc", "code": "L04AX03"}
    if any(coding.get("code") in ("L04AX03", "6851") for coding in held):
        other["code"] = "L04AX01"
    resource["medicationCodeableConcept"] = {"coding": [*held, other]}
    return True


def no_unit(resource: dict) -> bool:
    quantity = resource.get("valueQuantity")
    if not quantity:
        return False
    resource["valueQuantity"] = {k: v for k, v in quantity.items() if k in ("value", "comparator")}
    return True


def unknown_unit(resource: dict) -> bool:
    return no_unit(resource) and resource["valueQuantity"].update(unit="stars") is None


def units_that_disagree(resource: dict) -> bool:
    if not no_unit(resource):
        return False
    clash = {"unit": "kU/L", "system": "http://unitsofmeasure.org", "code": "U/L"}
    resource["valueQuantity"].update(clash)
    return True


def number_as_text(resource: dict) -> bool:
    quantity = resource.get("valueQuantity")
    if quantity:
        resource["valueQuantity"] = {**quantity, "value": str(quantity["value"])}
    return bool(quantity)


def value_beside_a_reason_for_its_absence(resource: dict) -> bool:
    resource["dataAbsentReason"] = {"coding": [{"code": "masked"}]}
    return is_observation(resource)


NAMES = {  # of a code: what it is called
    "715863001": "Immune-mediated necrotizing myopathy",
    "33921-8": "Anti-SRP antibody",
    "93493-5": "Anti-HMGCR antibody",
    "1256": "azathioprine 50 mg",
    "6851": "Methotrexate",
    "8640": "prednisone 5 mg tablet",
    "121191": "rituximab infusion",
    "83367": "ATORVASTATIN 40 MG",
}


def named_not_coded(resource: dict) -> bool:
    """What it is stands there in words alone (U3)."""
    element = "medicationCodeableConcept" if is_medicine(resource) else "code"
    codings = resource.get(element, {}).get("coding", ())
    words = next((NAMES[coding["code"]] for coding in codings if coding.get("code") in NAMES), "")
    if words:
        resource[element] = {"text": words}
    return bool(words)


def medicine_that_is_nowhere(resource: dict) -> bool:
    if not is_medicine(resource):
        return False
    for name in ("medicationCodeableConcept", "contained"):
        resource.pop(name, None)
    resource["medicationReference"] = {"reference": "Medication/nowhere"}
    return True


def concept_of(resource: dict) -> str:
    """The element that says what a resource is."""
    return "medicationCodeableConcept" if is_medicine(resource) else "code"


def code_of_a_wrong_shape(resource: dict) -> bool:
    """Nobody can say what it is."""
    name = concept_of(resource)
    if name in resource:
        resource[name] = {"coding": 3}
    return name in resource


def code_without_its_system(resource: dict) -> bool:
    name = concept_of(resource)
    codings = resource.get(name, {}).get("coding", [])
    if codings and not is_medicine(resource):
        resource[name] = {"coding": [{"code": coding["code"]} for coding in codings]}
    return bool(codings) and not is_medicine(resource)
