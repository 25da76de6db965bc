"""Bodies of hook calls for measurements: distinct Observations of 2 kB as a large EHR writes them, all 17 keys.

Half of the Observations are written as Synthea writes them, half as a hospital does: with identifiers, a local coding,
performers, an interpretation and a reference range. The same arguments give the same bytes.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.charts import ICD, LOINC, SNOMED, ago, antibody, condition, observation, patient
from tests.support.service import call_body, prefetch_of

Resource = dict[str, Any]

_UCUM = "http://unitsofmeasure.org"
_LOCAL = "urn:oid:1.2.840.114350.1.13.0.1.7.2.768282"
_V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_FLAG = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_TESTS = (  # LOINC, name, unit, lowest and highest value, limits; enzymes are most of what such a chart holds
    ("2157-6", "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma", "U/L", (120, 900), (26, 192)),
    ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", (18, 90), (10, 35)),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", (15, 80), (10, 40)),
    ("2532-0", "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma", "U/L", (150, 420), (120, 246)),
    ("731-0", "Lymphocytes [#/volume] in Blood by Automated count", "10*3/uL", (1, 4), (1, 4)),
    ("751-8", "Neutrophils [#/volume] in Blood by Automated count", "10*3/uL", (2, 8), (2, 7)),
    ("6598-7", "Troponin T.cardiac [Mass/volume] in Serum or Plasma", "ng/L", (3, 13), (0, 14)),
)  # fmt: skip


def body(observations: int, *, imnm: bool = True, real: bool = False) -> bytes:
    """A hook call whose prefetch is whole. `real`: with the diagnoses, medicines, visits and reports of years."""
    chart = [patient(), *_diagnoses(imnm=imnm, number=30 if real else 3), *_tests(observations)]
    if imnm:
        chart += [antibody(), observation("5048-4", "ana", 380, valueString="1:640")]
    chart += _care(20, 2, 4) if not real else _care(140, 100, 40)
    return json.dumps(call_body(fhirServer=None, prefetch=prefetch_of(chart)), separators=(",", ":")).encode()


def _tests(number: int) -> Iterator[Resource]:
    for n in range(number):
        loinc, name, unit, (lowest, highest), limits = _TESTS[n % len(_TESTS)]
        value = lowest + (n * 7919) % 1000 * (highest - lowest) / 1000
        quantity = {"value": round(value, 1), "unit": unit, "system": _UCUM, "code": unit}
        days = 15 + n * 1.7 % 1500
        yield (_of_a_hospital if n % 2 else _of_synthea)(
            observation(loinc, f"o{n}", days, valueQuantity=quantity), name, limits
        )


def _of_synthea(result: Resource, name: str, _limits: tuple[int, int]) -> Resource:
    number = result["id"]
    result["id"] = f"{number}-4f6b-0ff4-c3d5-1cdf0d3d8ba4"
    result["meta"] = {
        "versionId": "1",
        "lastUpdated": "2026-02-01T05:11:45.131-05:00",
        "profile": [
            "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab",
            "http://hl7.org/fhir/us/core/StructureDefinition/us-core-laboratory-result-observation",
        ],
    }
    result["category"] = [{"coding": [{"system": _CATEGORY, "code": "laboratory", "display": "Laboratory"}]}]
    result["code"] = {"coding": [{"system": LOINC, "code": _loinc(result), "display": name}], "text": name}
    result["encounter"] = {"reference": f"Encounter/{number}-83d1-6ab2-a4ea-1bbf5e1d0a3e"}
    result["issued"] = result["effectiveDateTime"]
    words = f"{name} {result['valueQuantity']['value']} {result['valueQuantity']['unit']}"
    result["text"] = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words} {"result " * 110}</div>',
    }
    return result


def _of_a_hospital(result: Resource, name: str, limits: tuple[int, int]) -> Resource:
    number, unit = result["id"], result["valueQuantity"]["unit"]
    low, high = ({"value": limit, "unit": unit, "system": _UCUM, "code": unit} for limit in limits)
    flag = "H" if result["valueQuantity"]["value"] > limits[1] else "N"
    return result | {
        "id": f"eX{number}.Tq5Yw2w1sJ3d8hT8PqkPvQ3Zr4f0b9d1c7eQ",
        "identifier": [
            {
                "use": "official",
                "type": {"coding": [{"system": _V2, "code": "FILL", "display": "Filler Identifier"}]},
                "system": f"urn:oid:1.2.840.114350.1.13.0.1.7.{part}.798268.{part}{number}",
                "value": f"{part}{number}-000123456789",
            }
            for part in (2, 3, 6)
        ],
        "category": [
            {
                "coding": [
                    {"system": _CATEGORY, "code": "laboratory", "display": "Laboratory"},
                    {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.10.798268.30", "code": "Lab"},
                ],
                "text": "Laboratory",
            }
        ],
        "code": {
            "coding": [
                {"system": _LOCAL, "code": f"15{number}", "display": name.upper()},
                {"system": LOINC, "code": _loinc(result), "display": name},
                {"system": "urn:oid:2.16.840.1.113883.6.1", "code": _loinc(result), "display": name},
            ],
            "text": name,
        },
        "encounter": {"reference": f"Encounter/e{number}", "display": "Office visit"},
        "issued": result["effectiveDateTime"],
        "performer": [{"reference": f"Practitioner/p{number}", "display": "Laboratory of the hospital"}],
        "interpretation": [{"coding": [{"system": _FLAG, "code": flag}], "text": flag}],
        "specimen": {"reference": f"Specimen/s{number}", "display": "Serum"},
        "referenceRange": [{"low": low, "high": high, "text": f"{limits[0]} - {limits[1]} {unit}"}],
    }


def _loinc(result: Resource) -> str:
    return str(result["code"]["coding"][0]["code"])


def _diagnoses(*, imnm: bool, number: int) -> Iterator[Resource]:
    if imnm:
        yield condition()
    others = (
        ("E11.9", "Type 2 diabetes"),
        ("I10", "Hypertension"),
        ("M54.5", "Low back pain"),
        ("E78.5", "Lipids"),
    )
    for n in range(number):
        code, name = others[n % len(others)]
        coding = {"system": ICD, "code": code, "display": name}
        yield condition(number=f"d{n}", recordedDate=ago(900 - n)) | {
            "code": {"coding": [coding], "text": name}
        }


def _care(medicines: int, visits: int, reports: int) -> Iterator[Resource]:
    """Medicines of four kinds, visits, reports, and one procedure, appointment and order each."""
    kinds: tuple[Callable[[str, float, Resource], Resource], ...] = (_ordered, _listed, _handed_over, _given)
    drugs = (("6851", "methotrexate"), ("8640", "prednisone"), ("6809", "metformin"), ("29046", "lisinopril"))
    for n in range(medicines):
        code, name = drugs[n // 4 % len(drugs)]
        concept = {"coding": [{"system": _RXNORM, "code": code, "display": name}], "text": f"{name} by mouth"}
        yield kinds[n % len(kinds)](f"m{n}", 30 + 9 * n, concept)
    for n in range(visits):
        yield _visit(f"v{n}", 25 + 14 * n)
    for n in range(reports):
        yield _about(
            "DiagnosticReport", f"r{n}", status="final", effectiveDateTime=ago(20 + 30 * n),
            code={"coding": [{"system": LOINC, "code": "24323-8"}], "text": "Comprehensive metabolic panel"},
            result=[{"reference": f"Observation/o{n}-4f6b-0ff4-c3d5-1cdf0d3d8ba4"}],
        )  # fmt: skip
    yield _about("Procedure", "x", status="completed", performedDateTime=ago(300),
                 code={"coding": [{"system": SNOMED, "code": "40701008", "display": "Echocardiography"}]})  # fmt: skip
    yield _about("Appointment", "a", status="booked", start=ago(-20), subject=None,
                 participant=[{"actor": {"reference": "Patient/p1"}, "status": "accepted"}])  # fmt: skip
    yield _about("ServiceRequest", "q", status="active", intent="order", authoredOn=ago(5),
                 code={"coding": [{"system": LOINC, "code": "2157-6"}]})  # fmt: skip


def _about(kind: str, number: str, **members: object) -> Resource:
    resource = {"resourceType": kind, "id": number, "subject": {"reference": "Patient/p1"}} | members
    return {name: value for name, value in resource.items() if value is not None}


def _dosage(text: str) -> list[Resource]:
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    dose = {"doseQuantity": {"value": 5, "unit": "mg", "system": _UCUM, "code": "mg"}}
    return [{"text": text, "timing": timing, "doseAndRate": [dose]}]


def _ordered(number: str, days: float, drug: Resource) -> Resource:
    return _about(
        "MedicationRequest", number, status="completed" if days > 90 else "active", intent="order",
        authoredOn=ago(days), medicationCodeableConcept=drug, dosageInstruction=_dosage("once a day"),
        dispenseRequest={"expectedSupplyDuration": {"value": 90, "unit": "days", "system": _UCUM, "code": "d"}},
    )  # fmt: skip


def _listed(number: str, days: float, drug: Resource) -> Resource:
    period = {"start": ago(days), "end": ago(days - 20)}
    return _about(
        "MedicationStatement", number, status="completed", effectivePeriod=period,
        medicationCodeableConcept=drug, dosage=_dosage("once a day"),
    )  # fmt: skip


def _handed_over(number: str, days: float, drug: Resource) -> Resource:
    supply = {"value": 90, "unit": "days", "system": _UCUM, "code": "d"}
    return _about(
        "MedicationDispense", number, status="completed", whenHandedOver=ago(days),
        medicationCodeableConcept=drug, daysSupply=supply, dosageInstruction=_dosage("once a day"),
    )  # fmt: skip


def _given(number: str, days: float, drug: Resource) -> Resource:
    return _about(
        "MedicationAdministration", number, status="completed", effectiveDateTime=ago(days),
        medicationCodeableConcept=drug,
    )  # fmt: skip


def _visit(number: str, days: float) -> Resource:
    period = {"start": ago(days), "end": ago(days - 0.03)}
    return _about(
        "Encounter", number, status="finished", period=period,
        type=[{"coding": [{"system": SNOMED, "code": "185349003", "display": "Encounter for check up"}]}],
        participant=[{"individual": {"reference": f"Practitioner/p{number}", "display": "Dr. Example"}}],
        **{"class": {"system": _ACT, "code": "AMB", "display": "ambulatory"}},
    )  # fmt: skip
