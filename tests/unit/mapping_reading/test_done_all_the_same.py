"""V1: what was done although its result cannot be used, and what was not although there is a result."""

import pytest

from fhir_mapping.rules.follow_up import follow_up

PARTS = {  # the code of an Observation, and the part of the follow-up table that it shows
    "2157-6": "ck",
    "1920-8": "ast",
    "1742-6": "alt",
    "89579-7": "troponin-i",
    "19868-9": "lung-function",  # FVC
    "19911-7": "lung-function",  # DLCO
    "10230-1": "echo",  # LVEF
}
ILD = ("J84.10", "http://hl7.org/fhir/sid/icd-10-cm")
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@pytest.fixture(params=PARTS)
def last(request, record, observation, condition):
    """The day on which the part of a code was last done, of a record with one Observation of it; None: never."""

    def make(**bent):
        one = observation(code=request.param, value=None, **bent)
        items = follow_up(record(one, condition("ild", *ILD))).items
        (part,) = (p for parts in items.values() for p in parts if p.name == PARTS[request.param])
        assert part.evidence == ("Observation/o1" if part.last else "")
        return part.last and part.last.isoformat()

    return make


def absent(code):
    return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": code}]}}


@pytest.mark.parametrize(
    "bent",
    [
        {"valueQuantity": {"value": 40, "unit": "furlong"}},
        {"valueQuantity": {"value": 40}},
        {"valueString": "see note"},
        {"valueString": "40 furlong"},
        {
            "valueQuantity": {
                "value": 1e12,
                "unit": "U/L",
                "system": "http://unitsofmeasure.org",
                "code": "U/L",
            }
        },
        {"valueCodeableConcept": {"text": "raised"}},
        {"valueBoolean": True},
        {},
        *map(absent, ("masked", "not-permitted", "unsupported", "as-text", "error", "not-a-number")),
        *map(absent, ("negative-infinity", "positive-infinity")),
    ],
    ids=str,
)
def test_a_result_that_cannot_be_used_for_its_value_or_unit_was_done(last, bent):
    assert last(**bent) == "2026-01-01"


@pytest.mark.parametrize(
    "bent",
    [
        {"valueString": "not performed"},
        {"valueString": "CANCELLED"},
        {"valueString": "Pending"},
        {"valueString": "haemolysed"},
        {"valueString": "TNP"},
        {"valueCodeableConcept": {"text": "insufficient"}},
        *map(absent, ("not-performed", "unknown", "not-applicable", "temp-unknown", "asked-declined")),
        {"dataAbsentReason": {"text": "not done"}},
        {"status": "registered"},
        {"status": "preliminary"},
        {"status": "cancelled", "valueString": "see note"},
        {"status": "entered-in-error", "valueString": "see note"},
        {"status": "unknown", "valueString": "see note"},
        {"status": None, "valueString": "see note"},
        {"status": "preliminary", "valueString": "see note"},
        {"effectiveDateTime": None, "valueString": "see note"},
        {"effectiveDateTime": "2027-01-01", "valueString": "see note"},
        {"subject": None, "valueString": "see note"},
        {"subject": {"reference": "Patient/p2"}, "valueString": "see note"},
        {"focus": [{"reference": "Patient/p2"}], "valueString": "see note"},
    ],
    ids=str,
)
def test_what_says_that_there_is_no_result_or_is_refused_for_something_else_was_not(last, bent):
    assert last(**bent) is None


def test_two_analytes_in_one_were_not_done_as_either(record, observation, coded):
    both = {"coding": [*coded("1920-8")["coding"], *coded("1742-6")["coding"]]}
    items = follow_up(record(observation(code=both, value=None, valueString="see note"))).items
    assert [p.last for p in items["ck-ast-alt"]] == [None, None, None]


@pytest.mark.parametrize(("later", "day"), [("see note", "2026-02-01"), ("not performed", "2026-01-01")])
def test_the_latest_that_was_done_counts_be_it_unusable(record, observation, later, day):
    used = observation()
    unusable = observation("o2", value=None, valueString=later, effectiveDateTime="2026-02-01")
    (ck, *_) = follow_up(record(used, unusable)).items["ck-ast-alt"]
    assert ck.last.isoformat() == day
