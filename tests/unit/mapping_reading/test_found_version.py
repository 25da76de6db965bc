"""Which FHIR version a body really has."""

import pytest

from fhir_mapping.versions import MODULES, Version, found_version, version

SHAPES = [
    (
        {"resourceType": "Condition", "clinicalStatus": "active", "patient": {"reference": "Patient/p1"}},
        "DSTU2",
    ),
    ({"resourceType": "Condition", "verificationStatus": "confirmed", "patient": {}}, "DSTU2"),
    (
        {"resourceType": "Condition", "clinicalStatus": "active", "subject": {"reference": "Patient/p1"}},
        "STU3",
    ),
    ({"resourceType": "Condition", "clinicalStatus": {"coding": []}}, ""),
    ({"resourceType": "MedicationOrder"}, "DSTU2"),
    ({"resourceType": "DiagnosticOrder"}, "DSTU2"),
    ({"resourceType": "ProcedureRequest"}, "STU3"),
    ({"resourceType": "ReferralRequest"}, "STU3"),
    ({"resourceType": "MedicationStatement", "wasNotTaken": False}, "DSTU2"),
    ({"resourceType": "MedicationStatement", "taken": "y"}, "STU3"),
    ({"resourceType": "MedicationStatement", "medication": {"concept": {}}}, "R5"),
    ({"resourceType": "MedicationStatement", "medicationCodeableConcept": {}}, ""),
    ({"resourceType": "MedicationAdministration", "wasNotGiven": False}, "DSTU2"),
    ({"resourceType": "MedicationAdministration", "notGiven": False}, "STU3"),
    ({"resourceType": "MedicationRequest", "requester": {"agent": {}}}, "STU3"),
    ({"resourceType": "MedicationRequest", "requester": {"reference": "Practitioner/x"}}, ""),
    ({"resourceType": "MedicationRequest", "medication": {}}, "R5"),
    ({"resourceType": "MedicationDispense", "medication": {}}, "R5"),
    ({"resourceType": "Encounter", "class": "outpatient"}, "DSTU2"),
    ({"resourceType": "Encounter", "class": [{"coding": []}]}, "R5"),
    ({"resourceType": "Encounter", "actualPeriod": {}}, "R5"),
    ({"resourceType": "Encounter", "class": {"code": "AMB"}}, ""),
    ({"resourceType": "Observation", "interpretation": {"coding": []}}, "STU3"),
    ({"resourceType": "Observation", "interpretation": [{"coding": []}]}, ""),
    ({"resourceType": "Procedure", "notDone": False}, "STU3"),
    ({"resourceType": "Procedure"}, ""),
    ({"resourceType": "ServiceRequest", "code": {"concept": {}}}, "R5"),
    ({"resourceType": "ServiceRequest", "code": {"coding": []}}, ""),
]


@pytest.mark.parametrize(
    ("resource", "other"),
    [
        *SHAPES,
        *((resource | {"meta": "of a shape that does not fit"}, other) for resource, other in SHAPES),
        (b'{"resourceType": "MedicationRequest", "requester": {"\\u0061gent": {}}}', "STU3"),
        ({"resourceType": "Patient"}, ""),
        ({"resourceType": "Goal"}, ""),
        ({}, ""),
        (b"{", ""),
        (b"[" * 100000, ""),
    ],
)
def test_a_version_is_told_by_its_shape(gathered, resource, other):
    assert found_version(gathered(resource)) == other


def test_the_oldest_contradiction_is_named_whatever_the_order(gathered):
    old, new = {"resourceType": "MedicationOrder"}, {"resourceType": "MedicationRequest", "medication": {}}
    assert found_version(gathered(old, new)) == found_version(gathered(new, old)) == "DSTU2"


@pytest.mark.parametrize("name", MODULES)
def test_the_module_of_a_version_offers_what_is_asked_of_one(name):
    asked = {method for method in vars(Version) if not method.startswith("_")}
    assert asked == {
        "other_version",
        "products",
        "read",
        "read_apart",
        "reader",
        "unresolved_medications",
        "work",
    }
    assert [method for method in asked if not callable(getattr(version(name), method, None))] == []


def test_nothing_contradicts_r4(gathered):
    assert found_version(gathered()) == ""
