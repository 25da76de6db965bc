"""What a version module hands over beside the coded facts: intervals, words, the text of a limit."""

from decimal import Decimal

import pytest

from fhir_mapping.versions import version


@pytest.fixture
def first(gathered):
    def make(*resources, **settings):
        return version("R4").read(gathered(*resources, **settings))[0]

    return make


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ({"low": {"value": 30}, "high": {"value": 35}}, ("", 30, 35, "")),
        ({"low": {"value": 30, "unit": "%"}, "high": {"value": 35, "unit": "%"}}, ("", 30, 35, "%")),
        ({"low": {"value": 30}, "high": {"value": 35, "unit": "%"}}, ("", 30, 35, "%")),
        ({"low": {"value": 30, "unit": "%"}, "high": {"value": 30}}, ("", 30, 30, "%")),
        ({"low": {"value": 55, "unit": "%"}}, (">=", 55, None, "%")),
        ({"high": {"value": 30, "unit": "%"}}, ("<=", 30, None, "%")),
    ],
)
def test_a_range_is_a_number_and_its_other_end(first, observation, written, number):
    found = first(observation(value=None, valueRange=written)).content().own.value.number
    assert (found.comparator, found.value, found.upto, found.unit) == number


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"low": {"unit": "%"}},
        {"low": {"value": 35}, "high": {"value": 30}},
        {"low": {"value": 30, "unit": "%"}, "high": {"value": 35, "unit": "1"}},
        {"low": {"value": 30, "comparator": "<"}, "high": {"value": 35}},
    ],
)
def test_what_is_no_interval_is_no_number(first, observation, written):
    assert first(observation(value=None, valueRange=written)).content().own.value.number is None


def test_a_quantity_comes_before_a_range(first, observation):
    found = first(observation(value=7, valueRange={"low": {"value": 1}})).content().own.value.number
    assert (found.value, found.upto) == (Decimal(7), None)


def test_a_limit_has_its_text(first, observation):
    (limit,) = (
        first(observation(referenceRange=[{"text": "< 1:80", "high": {"value": 80}}])).content().own.ranges
    )
    assert (limit.text, limit.high.value) == ("< 1:80", 80)


def test_what_it_is_has_its_words(first, observation, condition):
    coding = {"system": "http://loinc.org", "code": "2157-6", "display": "CK"}
    code = {"coding": [coding, {"display": ""}, {"display": "Kreatinkinase"}], "text": "CK (NAC)"}
    for resource in (observation(code=code), condition() | {"code": code}):
        (concept,) = first(resource).concepts
        assert (concept.text, concept.displays) == ("CK (NAC)", ("CK", "Kreatinkinase"))
        assert [coding.code for coding in concept.codings] == ["2157-6"]


def test_a_status_is_handed_over_as_written(first, observation, condition):
    assert first(observation(status="Final ")).status == "Final "
    written = {"coding": [{"system": "urn:x", "code": "Active"}], "text": "active"}
    found = first(condition(clinicalStatus=written)).content()
    assert ([(c.system, c.code) for c in found.clinical.codings], found.clinical.text) == (
        [("urn:x", "Active")],
        "active",
    )
    assert found.verification is None
