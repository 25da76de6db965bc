"""U5b: a number in a value of the wrong JSON shape is looked for all the same, and what it says is safer than nothing."""

import json

import pytest

from tests.spec.language import read
from tests.spec.run import answer

OLDER = "an older ejection fraction could not be read"
LOW = [  # an ejection fraction that may be below 50 %
    {"valueQuantity": {"value": "35", "unit": "%"}},
    {"valueQuantity": [{"value": 35, "unit": "%"}]},
    {"valueQuantity": [[{"value": "35", "unit": "%"}]]},
    {"valueQuantity": [{"value": 60, "unit": "%"}, {"value": 35, "unit": "%"}]},
    {"valueQuantity": {"value": [35], "unit": ["%"]}},
    {"valueQuantity": {"value": {"value": 35}, "unit": "%"}},
    {"valueQuantity": {"value": "35 %", "unit": "%"}},
    {"valueQuantity": {"value": "<50", "unit": "%"}},
    {"valueQuantity": {"value": 35, "comparator": "~", "unit": "%"}},
    {"valueQuantity": {"value": 35, "comparator": "ca.", "unit": "%"}},
    {"valueQuantity": {"value": 35, "comparator": 3, "unit": "%"}},
    {"valueQuantity": {"value": 60, "comparator": ["<"], "unit": "%"}},
    {"valueQuantity": {"value": 60, "comparator": "≤", "unit": "%"}},
    {"valueQuantity": {"value": 35, "unit": 5}},
    {"valueQuantity": {"value": 35, "unit": {"text": "%"}, "code": "%"}},
    {"valueQuantity": {"value": 60, "unit": 5}},  # the unit cannot be read: it may be any
    {"valueQuantity": {"value": 60, "unit": ["%", "U/L"]}},
    {"valueQuantity": {"value": 35, "unit": "%", "system": 5}},
    {"valueQuantity": 35},
    {"valueQuantity": "35 %"},
    {"valueInteger": "35"},
    {"valueInteger": [35]},
    {"valueInteger": 35.5},
    {"valueRange": {"low": {"value": "30", "unit": "%"}, "high": {"value": "35", "unit": "%"}}},
    {"valueRange": {"low": {"value": 45, "unit": "%"}, "high": {"value": "55", "unit": "%"}}},
    {"valueRange": {"low": 30, "high": 35}},
    {"valueRange": {"high": {"value": "55", "unit": "%"}}},
    {"valueRange": [{"low": {"value": 30, "unit": "%"}, "high": {"value": 35, "unit": "%"}}]},
    {"valueRange": "30-35 %"},
    {"valueString": 35},
    {"valueString": ["35 %"]},
    {"valueString": {"value": 35}},
    {"valueCodeableConcept": "35 %"},
    {"valueCodeableConcept": ["35 %"]},
    {"valueCodeableConcept": [{"text": "35 %"}]},
    {"valueCodeableConcept": {"text": 35}},
    {"valueCodeableConcept": {"coding": 7, "text": "35 %"}},
    {"valueCodeableConcept": {"coding": [{"system": "urn:local", "code": "7"}], "text": ["35 %"]}},
    {"valueQuantity": {"value": "see comment"}, "valueString": "35 %"},
    {"valueString": "see comment", "valueQuantity": [{"value": 35, "unit": "%"}]},
]
HIGH = [
    {"valueQuantity": [{"value": 60, "unit": "%"}]},
    {"valueQuantity": {"value": "60", "unit": "%"}},
    {"valueQuantity": {"value": 60, "comparator": ">=", "unit": ["%"]}},
    {"valueRange": {"low": {"value": "55", "unit": "%"}, "high": {"value": "60", "unit": "%"}}},
    {"valueCodeableConcept": "60 %"},
    {"valueQuantity": []},
    {"valueQuantity": [True, None]},
    {"valueQuantity": {"value": {}}},
    {"valueString": {"text": {"text": "poor"}}},
]


def cardiac(value):
    """What is said of the heart beside a normal troponin and an ejection fraction of 90 days ago, so written."""
    record = read("imnm; troponin-i 5 limit=16 @-30d; lvef @-90d")
    record.resources[-1] |= value
    feature = answer(record)["features"]["cardiac_involvement"]
    return feature["state"], feature.get("reason")


@pytest.mark.parametrize("value", LOW, ids=json.dumps)
def test_a_number_in_a_value_of_the_wrong_shape_counts_where_a_rule_looks_back(value):
    assert cardiac(value) == ("indeterminate", OLDER)


@pytest.mark.parametrize("value", HIGH, ids=json.dumps)
def test_one_that_does_not_matter_or_no_number_bars_nothing(value):
    assert cardiac(value)[0] == "absent"


def test_what_nests_without_end_says_nothing():
    nested: list = []
    for _ in range(400):
        nested = [nested]
    assert cardiac({"valueQuantity": nested})[0] == "absent"
