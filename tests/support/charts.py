"""Small FHIR R4 charts for tests of transport: an IMNM patient, a healthy one. The clinic is in `tests/spec`."""

from datetime import UTC, datetime, timedelta

AS_OF = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CORE = (SNOMED, "715863001")
BROAD = (ICD, "G72.49")


def clock() -> datetime:
    return AS_OF


def ago(days: float) -> str:
    return (AS_OF - timedelta(days=days)).isoformat()


def patient(patient_id: str = "p1", **members: object) -> dict:
    name = [{"family": "Example", "given": ["Eve"]}]
    shape = {
        "resourceType": "Patient",
        "id": patient_id,
        "name": name,
        "gender": "female",
        "birthDate": "1970-05-17",
    }
    return shape | members


def condition(
    code: tuple[str, str] = CORE, number: str = "c1", patient_id: str = "p1", **members: object
) -> dict:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    shape = {
        "resourceType": "Condition",
        "id": number,
        "clinicalStatus": {"coding": [{"system": system, "code": "active"}]},
        "category": [{"coding": [{"code": "problem-list-item"}]}],
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "onsetDateTime": ago(400),
    }
    return shape | members


def observation(loinc: str, number: str, days: float = 10, patient_id: str = "p1", **members: object) -> dict:
    shape = {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": loinc}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": ago(days),
    }
    return shape | members


def enzyme(loinc: str, number: str, value: float, days: float = 10, patient_id: str = "p1") -> dict:
    quantity = {"value": value, "unit": "U/L", "system": "http://unitsofmeasure.org", "code": "U/L"}
    return observation(loinc, number, days, patient_id, valueQuantity=quantity)


def antibody(value: str = "positive", number: str = "srp", patient_id: str = "p1") -> dict:
    return observation("33921-8", number, 390, patient_id, valueString=value)


def prescription(number: str = "m1", patient_id: str = "p1", **members: object) -> dict:
    shape = {
        "resourceType": "MedicationRequest",
        "id": number,
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": ago(380),
    }
    if "medicationReference" not in members:
        coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6851"}
        shape["medicationCodeableConcept"] = {"coding": [coding]}
    return shape | members


def imnm_chart(patient_id: str = "p1") -> list[dict]:
    """A chart that is scored, two predictors known: high De Ritis ratio and high ANA titre."""
    return [
        patient(patient_id),
        condition(patient_id=patient_id),
        antibody(patient_id=patient_id),
        observation("5048-4", "ana", 380, patient_id, valueString="1:640"),
        enzyme("1920-8", "ast", 400, 20, patient_id),
        enzyme("1742-6", "alt", 100, 20, patient_id),
        enzyme("2157-6", "ck", 4000, 20, patient_id),
        enzyme("2157-6", "ck0", 9000, 395, patient_id),
        prescription(patient_id=patient_id),
    ]


def healthy_chart(patient_id: str = "p2") -> list[dict]:
    return [
        patient(patient_id),
        condition((SNOMED, "44054006"), "c9", patient_id),
        enzyme("2157-6", "ck9", 120, 30, patient_id),
    ]
