"""A resource that is wrong in every way is refused for the first reason in the order that `checks` promises."""

import json

import pytest

AST, ALT = "1920-8", "1742-6"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def rxnorm(*codes):
    return {"coding": [{"system": RXNORM, "code": code} for code in codes]}


def observation_repairs(coded):
    """Each reason, and the repair after which it is gone."""
    both = {"coding": [*coded(AST)["coding"], *coded(ALT)["coding"]]}
    broken = {
        "resourceType": "Observation",
        "id": "x",
        "subject": {"reference": "Patient/p2"},
        "issued": 5,
        "focus": [{"reference": "Patient/p3"}],
        "modifierExtension": [{"url": "urn:x"}],
        "status": "preliminary",
        "code": both,
        "dataAbsentReason": {"text": "unknown"},
    }
    return broken, [
        ("unreadable", {"issued": None}),
        ("other patient", {"subject": {}}),
        ("no subject", {"subject": {"reference": "Patient/p1"}}),
        ("other subject", {"focus": None}),
        ("modifier extension", {"modifierExtension": None}),
        ("preliminary", {"status": "final"}),
        ("undated", {"effectiveDateTime": "2027-01-01"}),
        ("future", {"effectiveDateTime": "2026-01-01"}),
        ("conflicting codes", {"code": coded(AST)}),
        ("data absent", {"dataAbsentReason": None, "valueQuantity": {"value": 10**9}}),
        ("no unit", {"valueQuantity": {"value": 10**9, "unit": "U/L"}}),
        ("implausible", {"valueQuantity": {"value": 100, "unit": "U/L"}}),
    ]


def condition_repairs(coded):
    broken = {
        "resourceType": "Condition",
        "id": "x",
        "subject": {"reference": "Patient/p2"},
        "recordedDate": 5,
        "modifierExtension": [{"url": "urn:x"}],
        "verificationStatus": {"coding": [{"code": "refuted"}]},
        "code": coded("715863001", "http://snomed.info/sct"),
    }
    return broken, [
        ("unreadable", {"recordedDate": "2027-01-01"}),
        ("other patient", {"subject": {}}),
        ("no subject", {"subject": {"reference": "Patient/p1"}}),
        ("modifier extension", {"modifierExtension": None}),
        ("refuted", {"verificationStatus": None}),
        ("future", {"recordedDate": "2026-01-01"}),
    ]


def medication_repairs(_):
    product = {"resourceType": "Medication", "id": "m", "code": rxnorm("8640", "6851"), "implicitRules": "x"}
    broken = {
        "resourceType": "MedicationRequest",
        "id": "x",
        "subject": {"reference": "Patient/p2"},
        "authoredOn": 5,
        "contained": [product],
        "medicationReference": {"reference": "#m"},
        "medicationCodeableConcept": rxnorm("8640"),
        "doNotPerform": True,
    }
    return broken, [
        ("unreadable", {"authoredOn": None, "medicationCodeableConcept": None}),
        ("other patient", {"subject": {}}),
        ("no subject", {"subject": {"reference": "Patient/p1"}}),
        ("implicit rules", {"contained": [{**product, "implicitRules": None}]}),
        ("no status", {"status": "active"}),
        ("unknown status", {"intent": "order"}),
        ("do not perform", {"doNotPerform": None}),
        ("undated", {"authoredOn": "2026-01-01"}),
        ("conflicting codes", {"contained": [{**product, "implicitRules": None, "code": rxnorm("8640")}]}),
    ]


def procedure_repairs(coded):
    broken = {
        "resourceType": "Procedure",
        "id": "x",
        "subject": {"reference": "Patient/p2"},
        "performedDateTime": 5,
        "modifierExtension": [{"url": "urn:x"}],
        "code": coded("29303009", "http://snomed.info/sct"),
    }
    return broken, [
        ("unreadable", {"performedDateTime": None}),
        ("other patient", {"subject": {}}),
        ("no subject", {"subject": {"reference": "Patient/p1"}}),
        ("modifier extension", {"modifierExtension": None}),
        ("no status", {"status": "completed"}),
        ("undated", {"performedDateTime": "2026-01-01"}),
    ]


@pytest.mark.parametrize(
    "repairs", [observation_repairs, condition_repairs, medication_repairs, procedure_repairs]
)
def test_the_first_reason_is_kept(record, coded, repairs):
    resource, steps = repairs(coded)
    said = []
    for _, repair in steps:
        said.append([refused.reason for refused in record(resource).refused])
        resource = {**resource, **repair}
    assert said == [[reason] for reason, _ in steps]
    counted = record(resource)
    assert counted.refused == ()
    assert len([*counted.results, *counted.diagnoses, *counted.treatments, *counted.done]) == 1


def test_an_older_version_is_superseded_whosever_it_was(record, observation):
    older = observation(subject={"reference": "Patient/p2"}, meta={"versionId": "1"})
    found = record(older, observation(meta={"versionId": "2"}))
    assert [(refused.resource, refused.reason) for refused in found.refused] == [
        ("Observation/o1", "superseded")
    ]
    assert len(found.results) == 1


def test_what_has_no_code_of_ours_is_refused_only_as_unreadable_or_another_patients(
    record, observation, coded
):
    nothing = observation(code=coded("1"), status="draft", subject=None)
    assert record(nothing).refused == ()
    assert [r.reason for r in record({**nothing, "focus": 5}).refused] == ["unreadable"]
    assert [r.reason for r in record({**nothing, "subject": {"reference": "Patient/p2"}}).refused] == [
        "other patient"
    ]
    broken = json.dumps(nothing).encode()[:-1]
    assert [r.reason for r in record(broken).refused] == ["unreadable"]
