"""F7: of several versions the last counts; the same fact twice counts once."""

import itertools
import json

import pytest


def ck(observation, value, **meta):
    return observation(value=value, meta=meta)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            {"lastUpdated": "2026-01-01T00:00:00Z", "versionId": "9"},
            {"lastUpdated": "2026-01-02T00:00:00Z", "versionId": "1"},
        ),
        ({"versionId": "9"}, {"versionId": "10"}),
        ({"lastUpdated": "2026-01-09T00:00:00Z", "versionId": "1"}, {"versionId": "2"}),
        (
            {"lastUpdated": "2026-01-01T00:00:00Z", "versionId": "1"},
            {"lastUpdated": "2026-01-01T01:00:00+01:00", "versionId": "2"},
        ),
        ({"versionId": "abc"}, {"versionId": "b"}),
        (
            {"lastUpdated": "never", "versionId": "1"},
            {"lastUpdated": "2026-01-01T00:00:00Z", "versionId": "2"},
        ),
        ({"lastUpdated": 5, "versionId": "9"}, {"lastUpdated": 1, "versionId": "10"}),
        (
            {"lastUpdated": "2026-01-01T00:00:00Z", "versionId": 5},
            {"lastUpdated": "2025-12-31T20:00:00-05:00", "versionId": 1},
        ),
        ({}, {}),
    ],
)
def test_the_last_version_counts_in_any_order(record, observation, older, newer):
    # The later one in canonical JSON is the one with the greater value where versions say nothing.
    versions = [ck(observation, 1000, **older), ck(observation, 2000, **newer)]
    for order in itertools.permutations(versions):
        found = record(*order)
        assert [r.amount.value for r in found.results] == [2000]
        assert [(r.resource, r.reason, r.roles) for r in found.refused] == [
            ("Observation/o1", "superseded", {"ck"})
        ]


def test_the_order_never_matters_even_where_the_versions_contradict_one_another(record, observation):
    versions = [
        ck(observation, 1000, lastUpdated="2026-01-01T00:00:00Z", versionId="3"),
        ck(observation, 2000, lastUpdated="2026-01-02T00:00:00Z", versionId="1"),
        ck(observation, 3000, versionId="2"),
    ]
    found = {record(*order).results for order in itertools.permutations(versions)}
    assert len(found) == 1


def test_the_last_version_counts_even_if_it_is_refused(record, observation):
    found = record(
        ck(observation, 1000, versionId="1"), observation(status="entered-in-error", meta={"versionId": "2"})
    )
    assert found.results == ()
    assert {r.reason for r in found.refused} == {"superseded", "entered-in-error"}


def test_identical_copies_are_no_versions(record, observation):
    one = observation()
    other = json.dumps(dict(reversed(one.items())), indent=1).encode()
    for found in (record(one, one), record(one, one, other)):
        assert len(found.results) == 1
        assert found.refused == ()


def test_a_superseded_resource_without_our_codes_is_not_judged(record, observation):
    found = record(observation(code="2345-7", value=1), observation(code="2345-7", value=2))
    assert (found.results, found.refused) == ((), ())


def test_resources_without_an_id_are_not_versions_of_one_another(record, observation):
    first, second = observation(id_=None, value=1000), observation(id_=None, value=2000)
    del first["id"], second["id"]
    assert record(first, second).results == record(second, first).results
    assert len(record(first, second).results) == 2


def test_the_same_code_time_value_and_specimen_count_once_under_the_lower_id(record, observation):
    specimen = {"reference": "Specimen/s1"}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
    }
    found = record(
        observation("o2", specimen=specimen),
        observation("o1", unit="[iU]/L", specimen=specimen, effectiveDateTime="2026-01-01T09:00:00+01:00"),
        {**report, "result": [{"reference": "Observation/o2"}]},
    )
    assert [(r.resource, r.reports) for r in found.results] == [("Observation/o1", {"DiagnosticReport/r1"})]


@pytest.mark.parametrize(
    "other",
    [
        {"value": 1001},
        {"code": "30239-8"},
        {"effectiveDateTime": "2026-01-01T08:01:00Z"},
        {"specimen": {"reference": "Specimen/s2"}},
        {"valueQuantity": {"value": 1000, "unit": "U/L", "comparator": ">"}},
    ],
)
def test_what_differs_is_no_duplicate(record, observation, other):
    first = {"code": "1920-8", "specimen": {"reference": "Specimen/s1"}}
    assert len(record(observation("o1", **first), observation("o2", **{**first, **other})).results) == 2


def test_answers_are_duplicates_only_if_they_say_the_same(record, observation):
    answers = [
        observation("o1", "33921-8", None, valueString="1:40"),
        observation("o2", "33921-8", None, valueString="1:40"),
        observation("o3", "33921-8", None, valueString="1:40", interpretation=[{"text": "weak"}]),
    ]
    assert [r.id for r in record(*answers).results] == ["o1", "o3"]


def dosage(mg, **repeat):
    return {"doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg"}}], "timing": {"repeat": repeat}}


def test_medication_resources_with_the_same_ingredient_period_and_dosage_count_once(record, request_):
    bounds = {"boundsPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}
    found = record(
        request_(
            "m2",
            authoredOn="2026-01-02",
            dosageInstruction=[dosage(20, **bounds)],
            statusReason={"coding": [{"system": "s", "code": "x"}]},
        ),
        request_("m1", dosageInstruction=[dosage(20, **bounds)]),
        request_("m3", dosageInstruction=[dosage(10, **bounds)]),
    )
    assert [t.resource for t in found.treatments] == ["MedicationRequest/m1", "MedicationRequest/m3"]
    assert [c.code for c in found.treatments[0].status_reasons] == ["x"]


@pytest.mark.parametrize(
    "other",
    [
        {"authoredOn": "2026-01-02"},
        {"status": "completed"},
        {"code": "8638"},
        {"dosageInstruction": [dosage(20)]},
    ],
)
def test_medication_resources_that_differ_all_count(record, request_, other):
    assert len(record(request_("m1"), request_("m2", **other)).treatments) == 2


def test_a_period_that_is_written_counts_whatever_the_status(record, request_):
    bounds = {"boundsPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}
    same = [
        request_("m1", dosageInstruction=[dosage(20, **bounds)]),
        request_("m2", status="completed", dosageInstruction=[dosage(20, **bounds)]),
    ]
    assert [t.id for t in record(*same).treatments] == ["m1"]
    open_end = {"dosageInstruction": [dosage(20, boundsPeriod={"start": "2026-01-01"})]}
    assert (
        len(record(request_("m1", **open_end), request_("m2", status="completed", **open_end)).treatments)
        == 2
    )


def test_statements_with_the_same_period_count_once(record, request_):
    kept = {key: value for key, value in request_().items() if key not in {"intent", "authoredOn"}}
    made = {
        **kept,
        "resourceType": "MedicationStatement",
        "effectivePeriod": {"start": "2026-01-01", "end": "2026-02-01"},
    }
    found = record(
        {**made, "id": "s1"},
        {**made, "id": "s2", "status": "completed"},
        {**made, "id": "s3", "effectivePeriod": {"start": "2026-01-01"}},
    )
    assert [t.id for t in found.treatments] == ["s1", "s3"]
