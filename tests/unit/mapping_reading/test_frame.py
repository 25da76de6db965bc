"""A Bundle is decoded without the texts of its resources; each is there when somebody asks for it."""

import json

import pytest

from fhir_mapping.versions import AnyReader
from fhir_mapping.versions.superseded import canonical
from tests.support.bends import plain


def bundle(*resources, **beside):
    entries = [{"fullUrl": f"urn:{place}", "resource": each} for place, each in enumerate(resources)]
    return json.dumps({"resourceType": "Bundle", "entry": entries} | beside).encode()


def nested(levels):
    return b'{"a":[' * (levels // 2) + b"1" + b"]}" * (levels // 2)


def deeper(frames, ask):
    return deeper(frames - 1, ask) if frames else ask()


def test_each_entry_finds_its_own_text():
    resources = [plain("o1"), {"resourceType": "Medication", "id": "m"}, plain("o2", "1920-8", 80)]
    _, entries = AnyReader().bundle(bundle(*resources), unchanged=True)
    assert [json.loads(entry.json) for entry, *_ in entries] == resources
    assert [fit for _, _, *fit in entries] == [
        ["Observation", "Observation/o1"],
        ["", ""],
        ["Observation", "Observation/o2"],
    ]


@pytest.mark.parametrize(
    "resource", [plain() | {"id": 7}, {"resourceType": "Basic"}, {"resourceType": 5}, None, [], "x"]
)
def test_where_one_does_not_fit_the_bundle_is_read_otherwise(resource):
    assert AnyReader().bundle(bundle(plain("o2"), resource), unchanged=True) is None


@pytest.mark.parametrize("levels", [64, 800])
def test_who_asks_for_a_text_may_stand_deeper_than_who_read_it(levels):
    text = bundle(plain() | {"x": "@"}).replace(b'"@"', nested(levels))
    _, ((entry, *_),) = AnyReader().bundle(text, unchanged=True)
    assert nested(levels) in deeper(150, lambda: entry.json)


def test_what_can_just_be_read_can_be_written_in_its_one_form():
    for levels in range(600, 1100, 2):
        assert canonical(nested(levels)) == nested(levels)
