"""F1: whose a resource is. F2: elements that change its meaning. What cannot be read is refused by name."""

import json

import pytest

from fhir_mapping.versions import version
from fhir_mapping.versions.references import references
from tests.support.changes import replace

BASE = "https://ehr.example/fhir"
UUID = "urn:uuid:7c2b0b5e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        f"{BASE}/Patient/p1",
        f"{BASE}/Patient/p1/_history/3",
        UUID,
        UUID.upper(),
        "http://other.example/Patient/p1",
        "http://ehr.example/fhir/Patient/p1",
        "HTTPS://EHR.Example:443/fhir/Patient/p1",
        "http://ehr.example:443/fhir//Patient/p1",
        "https://ehr.example:/fhir/Patient/p1/",
        "https://ehr.example/fhir/%50atient/p%31//_history/3",
        "/Patient/p1",
        "//Patient//p1",
        "/fhir/Patient/p1",
        " Patient/p1",
        "https://old.example/r4/Patient/p1",
        "http://OLD.example:80/r4/Patient/p1/_history/3",
        "/r4/Patient/p1",
    ],
)
def test_the_patient_of_the_chart_has_many_addresses(record, observation, patient, reference):
    full_url = (
        UUID if reference.lower() == UUID else reference if "other" in reference else f"{BASE}/Patient/p1"
    )
    found = record(
        (full_url, patient()),
        observation(subject={"reference": reference}),
        base=BASE,
        also_known_as=("https://old.example", "https://OLD.example/r4/"),
    )
    assert len(found.results) == 1
    assert found.refused == ()


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p2",
        "Patient/p11",
        f"{BASE}/Patient/p2",
        "http://other.example/fhir/Patient/p2",
        f"{BASE}/patient/p2",
        "Patient/p2|1",
        "Patient/p2?_format=json",
        "#p1",
        "#Patient/p1",
        "Group/p1",
        f"{BASE}/Group/p1",
    ],
)
def test_every_other_address_is_another_patient(reasons, observation, reference):
    assert reasons(observation(subject={"reference": reference}), base=BASE) == {
        "Observation/o1": "other patient"
    }


@pytest.mark.parametrize(
    "reference",
    [
        "http://other.example/fhir/Patient/p1",
        f"{BASE}x/Patient/p1",
        "https://ehr.example:8443/fhir/Patient/p1",
        "https://ehr.example/Patient/p1/_history/2",
        "ftp://ehr.example/fhir/Patient/p1",
        "/other/Patient/p1",
        "urn:uuid:unknown",
        "URN:OID:1.2.3",
        "http://other.example/fhir/Patient/xPatient/p1",
        "http://other.example/fhir/Group/p1",
        f"{BASE}/Patient/p1/x",
        f"{BASE}/patient/p1",
        f"{BASE}/Patient/P1",
        "Patient/p1?x\ny/Patient/p2",
        "Patient%2Fp1",
        "p1",
    ],
)
def test_the_same_patient_elsewhere_and_what_names_nobody_may_be_this_one(reasons, observation, reference):
    assert reasons(observation(subject={"reference": reference}), base=BASE) == {
        "Observation/o1": "subject elsewhere"
    }


@pytest.mark.parametrize(("slashes", "found"), [(100, {}), (2000, {"Observation/o1": "subject elsewhere"})])
def test_an_address_of_more_than_2000_characters_leads_nowhere(reasons, observation, slashes, found):
    reference = f"{BASE}{'/' * slashes}Patient/p1"
    assert reasons(observation(subject={"reference": reference}), base=BASE) == found


def test_without_a_base_no_absolute_reference_is_known(reasons, observation):
    found = reasons(
        observation("o1", subject={"reference": f"{BASE}/Patient/p1"}),
        observation("o2", subject={"reference": f"{BASE}/Patient/p2"}),
    )
    assert found == {"Observation/o1": "subject elsewhere", "Observation/o2": "other patient"}


def test_of_several_subjects_one_that_is_surely_another_decides(reasons):
    both = [{"reference": "urn:uuid:unknown"}, {"reference": "Patient/p2"}]
    assert reasons({"resourceType": "Account", "id": "x", "subject": both}) == {"Account/x": "other patient"}


def test_a_full_url_leads_to_another_patient_too(reasons, observation, patient):
    other = (UUID, patient(id="p2"))
    assert reasons(other, observation(subject={"reference": UUID})) == {
        "Patient/p2": "other patient",
        "Observation/o1": "other patient",
    }


def test_a_full_url_that_two_resources_claim_leads_nowhere(reasons, observation, patient):
    found = reasons((UUID, patient()), (UUID, patient(id="p2")), observation(subject={"reference": UUID}))
    assert found["Observation/o1"] == "subject elsewhere"


@pytest.mark.parametrize(
    "subject", [None, {}, {"identifier": {"value": "p1"}}, {"display": "Jane"}, {"reference": ""}]
)
def test_without_an_address_there_is_no_subject(reasons, observation, subject):
    assert reasons(observation(subject=subject)) == {"Observation/o1": "no subject"}


def test_no_subject_of_a_code_that_no_rule_reads_is_not_judged(reasons, observation):
    assert reasons(observation(code="2345-7", subject=None)) == {}


@pytest.mark.parametrize("full_url", ["p9", "", "/Patient/p9", "Patient/p9"])
def test_a_full_url_that_is_no_address_claims_nothing(full_url):
    assert references(BASE, (), [(full_url, "Patient/p1")]).resolve(full_url) == full_url.removeprefix("/")


@pytest.mark.parametrize(
    ("base", "resolved"),
    [
        ("fhir", "Patient/p1"),
        ("/fhir", "Patient/p1"),
        ("//fhir", "Patient/p1"),
        ("https://fhir", "fhir/Patient/p1"),
        ("urn:fhir", "fhir/Patient/p1"),
        ("https:/fhir", "fhir/Patient/p1"),
        ("", "fhir/Patient/p1"),
    ],
)
def test_a_base_without_a_host_is_no_reason_to_stop(base, resolved):
    assert references(base, (), ()).resolve("/fhir/Patient/p1") == resolved


def test_the_focus_is_handed_over_as_what_it_leads_to(gathered, observation, patient):
    focus = ["Patient/p1", f"{BASE}/Condition/c1", UUID, "#x", None]
    resource = observation(focus=[{"reference": reference} for reference in focus])
    found = version("R4").read(gathered((UUID, patient()), resource, base=BASE))[1].content()
    assert found.focus == ("Patient/p1", "Condition/c1", "Patient/p1", "#x", "")


def test_a_focus_is_another_subject_and_is_told_before_anything_else(reasons, observation):
    found = reasons(
        observation(
            focus=[{"reference": "Patient/p3"}], status="preliminary", modifierExtension=[{"url": "x"}]
        )
    )
    assert found == {"Observation/o1": "other subject"}


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "CarePlan", "id": "x", "subject": {"reference": "Patient/p2"}},
        {"resourceType": "AllergyIntolerance", "id": "x", "patient": {"reference": "Patient/p2"}},
        {
            "resourceType": "Account",
            "id": "x",
            "subject": [{"reference": "Patient/p1"}, {"reference": "Patient/p2"}],
        },
        {
            "resourceType": "Odd",
            "id": "x",
            "subject": {"reference": "Patient/p1"},
            "patient": {"reference": "Patient/p2"},
        },
        {"resourceType": "Observation", "id": "x", "subject": {"reference": "Patient/p2"}},
        {"resourceType": "Patient", "id": "x"},
    ],
)
def test_any_resource_of_another_patient_is_refused(record, resource):
    (refused,) = record(resource).refused
    assert (refused.resource, refused.reason, refused.roles) == (
        f"{resource['resourceType']}/x",
        "other patient",
        frozenset(),
    )


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Organization", "id": "x"},
        {"resourceType": "CarePlan", "id": "x", "subject": {"reference": "Patient/p1"}},
        {"resourceType": "CarePlan", "id": "x", "subject": {"identifier": {"value": "p1"}}},
        {"resourceType": "CarePlan", "id": "x", "subject": "p2"},
        {"resourceType": "CarePlan", "id": "x", "subject": {"reference": 5}},
    ],
)
def test_other_types_are_judged_by_their_subject_alone(record, resource):
    assert record(resource).refused == ()


def appointment(*actors, **more):
    participants = [{"actor": {"reference": actor}} for actor in actors]
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-04-01T08:00:00Z",
        "participant": participants,
        **more,
    }


@pytest.mark.parametrize(
    ("actors", "reason"),
    [
        (["Practitioner/x", "Patient/p1"], None),
        (["Patient/p2", "Patient/p1"], None),
        (["Patient/p2"], "other patient"),
        (["http://other.example/Patient/p1"], "subject elsewhere"),
        (["http://other.example/Patient/p2"], "other patient"),
        (["Practitioner/x", "Location/Patient"], "no subject"),
        ([], "no subject"),
    ],
)
def test_an_appointment_is_its_patient_actors(record, actors, reason):
    found = record(appointment(*actors))
    assert [r.reason for r in found.refused] == ([reason] if reason else [])
    assert len(found.planned) == (0 if reason else 1)


# F2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"modifierExtension": [{"url": "http://x"}]}, "modifier extension"),
        ({"implicitRules": "http://x"}, "implicit rules"),
        (
            {"component": [{"code": {"text": "x"}, "modifierExtension": [{"url": "http://x"}]}]},
            "modifier extension",
        ),
        ({"contained": [{"resourceType": "Specimen", "implicitRules": "http://x"}]}, "implicit rules"),
        ({"modifierExtension": [{"url": "http://x"}], "implicitRules": "http://x"}, "modifier extension"),
        ({"modifierExtension": {"url": "http://x"}}, "modifier extension"),
    ],
)
def test_what_changes_the_meaning_anywhere_inside_is_refused(reasons, observation, more, reason):
    assert reasons(observation(status="preliminary", **more)) == {"Observation/o1": reason}


@pytest.mark.parametrize(
    "more",
    [
        {"modifierExtension": []},
        {"modifierExtension": None},
        {"implicitRules": ""},
        {"note": [{"text": "no modifierExtension, no implicitRules"}]},
        {"note": [{"text": "\\u006dodifierExtension \u00e9"}]},
        {"extension": [{"url": "modifierExtension", "valueString": "x"}]},
    ],
)
def test_the_names_alone_change_nothing(record, observation, more):
    assert len(record(observation(**more)).results) == 1


def test_an_escaped_name_is_the_same_name(reasons, observation):
    json_text = json.dumps(observation(modifierExtension=[{"url": "x"}])).replace(
        '"modifierExtension"', '"\\u006dodifierExtension"'
    )
    assert reasons(json_text.encode()) == {"Observation/o1": "modifier extension"}


def test_what_only_a_full_reading_finds_broken_is_unreadable(reasons, observation):
    deep = b"[" * 400 + b"]" * 400
    json_text = json.dumps(observation(note="NOTE")).encode()
    assert "Observation/o1" not in reasons(json_text.replace(b'"NOTE"', deep))
    from fhir_mapping.checks.extensions import not_understood_in

    assert not_understood_in(b'{"modifierExtension": [') == "unreadable"


# What cannot be read


@pytest.mark.parametrize(
    "more",
    [
        {"status": 5},
        {"valueQuantity": {"value": "1000", "unit": "U/L"}},
        {"valueQuantity": {"value": True}},
        {"valueQuantity": {"value": 1, "comparator": "~"}},
        {"valueQuantity": [1]},
        {"subject": {"reference": "Patient/p1"}, "effectivePeriod": "2026"},
        {"valueInteger": 1.5},
        {"component": {}},
    ],
)
def test_a_resource_with_wrong_json_types_is_unreadable_and_breaks_no_other(record, observation, more):
    found = record(observation("o1", **more), observation("o2"))
    assert [(r.resource, r.reason, r.roles) for r in found.refused] == [
        ("Observation/o1", "unreadable", {"ck"})
    ]
    assert [r.resource for r in found.results] == ["Observation/o2"]


def test_a_number_beyond_every_number_is_unreadable(reasons, observation):
    json_text = json.dumps(observation()).replace("1000", "1e99999999999999999999")
    assert reasons(json_text.encode()) == {"Observation/o1": "unreadable"}


def test_a_resource_is_unreadable_before_it_is_anybodys(reasons, observation):
    for subject in ({"reference": "Patient/p2"}, {}, "Patient/p1", {"reference": 5}):
        assert reasons(observation(status=5, subject=subject)) == {"Observation/o1": "unreadable"}


def test_an_unreadable_appointment_is_unreadable_whoever_takes_part(reasons):
    for resource in (
        appointment("Patient/p2", status=5),
        appointment("Patient/p1", status=5),
        appointment(participant="p1"),
        appointment(participant=[{"actor": {"reference": "Patient/p1"}}, 5]),
    ):
        assert reasons(resource) == {"Appointment/a1": "unreadable"}


@pytest.mark.parametrize(
    "json_text", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100000, b'{"resourceType": 5}']
)
def test_what_is_no_resource_is_refused_and_breaks_nothing(record, observation, json_text):
    found = record(json_text, observation())
    assert len(found.results) == 1
    assert all(r.roles == frozenset() for r in found.refused)


def test_several_broken_entries_break_nothing(record, observation):
    found = record(b"{", b"[", observation())
    assert (len(found.results), len(found.refused)) == (1, 1)


def test_an_unreadable_resource_is_known_by_the_codings_that_can_be_read(record, observation):
    codings = [
        {"system": "http://loinc.org"},
        {"system": 5, "code": "2157-6"},
        "CK",
        {"system": "http://loinc.org", "code": "2157-6"},
    ]
    (refused,) = record(observation(code={"coding": codings})).refused
    assert (refused.reason, refused.roles) == ("unreadable", {"ck"})


def test_an_unreadable_patient_is_named(record):
    found = record({"resourceType": "Patient", "id": "p1", "birthDate": 1970})
    assert found.patient is None
    assert [(r.resource, r.reason) for r in found.refused] == [("Patient/p1", "unreadable")]


def test_a_resource_without_an_id_is_known_by_its_full_url(record, observation):
    nameless = {key: value for key, value in observation().items() if key != "id"}
    found = record((UUID, nameless), (f"{BASE}/Observation/o7/_history/1", nameless))
    assert [r.resource for r in found.results] == ["Observation/7c2b0b5e-0000-4000-8000-000000000001"]
    assert found.results[0].id == UUID.removeprefix("urn:uuid:")


# F9


def test_what_could_not_be_read_stays_known(gathered, as_of, observation):
    from fhir_mapping.checks import judge
    from fhir_mapping.record import Entry, Source

    sources = {
        "enzymes": Source("failed", (Entry(json.dumps(observation()).encode()),), "page 2 failed"),
        "ana": Source("failed"),
        "orders": Source("not-offered", detail="HTTP 404"),
        "conditions": Source("read"),
    }
    found = judge(gathered(sources=sources), as_of)
    assert found.failed == {"enzymes": "page 2 failed", "ana": "failed"}
    assert found.not_offered == {"orders"}
    assert len(found.results) == 1


def test_where_the_states_of_sources_alone_have_changed_the_facts_stay_as_they_were(
    gathered, as_of, observation
):
    from fhir_mapping.checks import judge, with_states
    from fhir_mapping.record import Entry, Source

    read = Source("read", (Entry(json.dumps(observation()).encode()),))
    before = gathered(sources={"enzymes": read})
    failed = gathered(sources={"enzymes": replace(read, state="failed"), "ana": Source("not-offered")})
    record = judge(before, as_of)
    assert with_states(record, before) is record
    assert with_states(record, failed) == judge(failed, as_of)
    assert with_states(record, failed).failed == {"enzymes": "failed"}
