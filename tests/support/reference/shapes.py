# ruff: noqa: N802 - the functions bear the ids of the rules
"""The JSON shapes of the elements that a rule reads (rule F3, `unreadable`)."""

from decimal import Decimal

TEXT, NUMBER, WHOLE, FLAG, SIGN = "text", "number", "whole", "flag", "sign"
CODING: dict = {"system": TEXT, "code": TEXT, "display": TEXT}
CONCEPT: dict = {"coding": [CODING], "text": TEXT}
QUANTITY: dict = {"value": NUMBER, "comparator": SIGN, "unit": TEXT, "system": TEXT, "code": TEXT}
RANGE: dict = {"low": QUANTITY, "high": QUANTITY}
RATIO: dict = {"numerator": QUANTITY, "denominator": QUANTITY}
PERIOD: dict = {"start": TEXT, "end": TEXT}
REFERENCE: dict = {"reference": TEXT, "display": TEXT}
VALUE: dict = {
    "valueQuantity": QUANTITY,
    "valueCodeableConcept": CONCEPT,
    "valueString": TEXT,
    "valueInteger": WHOLE,
    "valueRange": RANGE,
    "valueRatio": RATIO,
    "dataAbsentReason": CONCEPT,
    "interpretation": [CONCEPT],
    "referenceRange": [
        {**RANGE, "type": CONCEPT, "appliesTo": [CONCEPT], "age": RANGE, "text": TEXT},
    ],
}
ANY: dict = {
    "resourceType": TEXT,
    "id": TEXT,
    "status": TEXT,
    "subject": REFERENCE,
    "patient": REFERENCE,
}
TIMED: dict = {"effectiveDateTime": TEXT, "effectivePeriod": PERIOD, "effectiveInstant": TEXT, "issued": TEXT}
TIMING: dict = {
    "repeat": {
        "boundsPeriod": PERIOD,
        "frequency": WHOLE,
        "frequencyMax": WHOLE,
        "period": NUMBER,
        "periodMax": NUMBER,
        "periodUnit": TEXT,
    }
}
DOSE: dict = {
    "timing": TIMING,
    "route": CONCEPT,
    "asNeededBoolean": FLAG,
    "asNeededCodeableConcept": CONCEPT,
    "doseAndRate": [{"doseQuantity": QUANTITY}],
}
MEDICINE: dict = {**ANY, "medicationCodeableConcept": CONCEPT, "medicationReference": REFERENCE}
SHAPES: dict[str, dict] = {
    "Medication": {
        **ANY,
        "code": CONCEPT,
        "form": CONCEPT,
        "ingredient": [{"itemCodeableConcept": CONCEPT}],
    },
    "Observation": {
        **ANY,
        **TIMED,
        **VALUE,
        "code": CONCEPT,
        "focus": [REFERENCE],
        "specimen": REFERENCE,
        "hasMember": [REFERENCE],
        "component": [{**VALUE, "code": CONCEPT}],
    },
    "Condition": {
        **ANY,
        "code": CONCEPT,
        "clinicalStatus": CONCEPT,
        "verificationStatus": CONCEPT,
        "onsetDateTime": TEXT,
        "onsetPeriod": PERIOD,
        "recordedDate": TEXT,
        "abatementDateTime": TEXT,
        "abatementPeriod": PERIOD,
    },
    "Procedure": {**ANY, "code": CONCEPT, "performedDateTime": TEXT, "performedPeriod": PERIOD},
    "DiagnosticReport": {**ANY, **TIMED, "code": CONCEPT, "result": [REFERENCE]},
    "ServiceRequest": {
        **ANY,
        "code": CONCEPT,
        "intent": TEXT,
        "doNotPerform": FLAG,
        "authoredOn": TEXT,
    },
    "Encounter": {
        **ANY,
        "class": CODING,
        "type": [CONCEPT],
        "serviceType": CONCEPT,
        "period": PERIOD,
        "participant": [{"individual": REFERENCE}],
    },
    "Appointment": {
        **ANY,
        "serviceType": [CONCEPT],
        "specialty": [CONCEPT],
        "appointmentType": CONCEPT,
        "start": TEXT,
        "created": TEXT,
        "participant": [{"actor": REFERENCE}],
    },
    "MedicationRequest": {
        **MEDICINE,
        "intent": TEXT,
        "doNotPerform": FLAG,
        "authoredOn": TEXT,
        "statusReason": CONCEPT,
        "dosageInstruction": [DOSE],
        "dispenseRequest": {
            "validityPeriod": PERIOD,
            "numberOfRepeatsAllowed": WHOLE,
            "expectedSupplyDuration": QUANTITY,
        },
    },
    "MedicationStatement": {
        **MEDICINE,
        **TIMED,
        "statusReason": [CONCEPT],
        "dosage": [DOSE],
    },
    "MedicationAdministration": {
        **MEDICINE,
        **TIMED,
        "statusReason": [CONCEPT],
        "dosage": {"route": CONCEPT},
    },
    "MedicationDispense": {
        **MEDICINE,
        "whenHandedOver": TEXT,
        "whenPrepared": TEXT,
        "daysSupply": QUANTITY,
        "statusReasonCodeableConcept": CONCEPT,
        "dosageInstruction": [DOSE],
    },
}


def without_nulls(data):
    """F3: a null in a list is passed over; an element that is null is not there."""
    if isinstance(data, dict):
        return {key: without_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [without_nulls(value) for value in data if value is not None]
    return data


def fits(value, shape: str) -> bool:
    if shape == TEXT:
        return isinstance(value, str)
    if shape == SIGN:
        return value in ("<", "<=", ">", ">=")
    if shape == FLAG:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if shape == WHOLE:
        return isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite() and value % 1 == 0)
    return isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite())


def pruned(value, shape) -> tuple[object, bool]:
    """The value without what has the wrong shape, and whether all of it fitted."""
    if isinstance(shape, str):
        return (value, True) if fits(value, shape) else (None, False)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return None, False
        parts = [pruned(part, shape[0]) for part in value]
        return [part for part, _ in parts if part is not None], all(good for _, good in parts)
    if not isinstance(value, dict):
        return None, False
    kept, sound = {}, True
    for name, held in value.items():
        if name not in shape:
            kept[name] = held
            continue
        part, good = pruned(held, shape[name])
        sound = sound and good
        if part is not None:
            kept[name] = part
    return kept, sound


def rule_F3_broken(resource: dict) -> set[str]:
    """The elements of which something has the wrong shape."""
    shape = SHAPES[resource["resourceType"]]
    read = {name: held for name, held in resource.items() if name in shape}
    return {name for name, held in read.items() if not pruned(held, shape[name])[1]}


def rule_F3_shape(resource: dict) -> tuple[dict, bool]:
    """The resource as far as it can be read, and whether every element that a rule reads has its shape."""
    shape = SHAPES[resource["resourceType"]]
    if any(name in resource for name in TIMED if name != "issued"):
        shape = {name: held for name, held in shape.items() if name != "issued"}  # nobody reads it then
    return pruned(resource, shape)
