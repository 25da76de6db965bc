import json

import pytest

from cds_service.fhir.bundle import UnreadableError, issue_codes, read_page, read_resource
from tests.support.ehr_simulator import outcome

PATIENT = {"resourceType": "Patient", "id": "p1"}
ONE = {"resourceType": "Condition", "id": "c1"}
TWO = {"resourceType": "Condition", "id": "c2"}


def bundle(*entries: object, **members: object) -> bytes:
    return json.dumps({"resourceType": "Bundle", "entry": list(entries)} | members).encode()


def page(*entries: object, **members: object):
    return read_page(bundle(*entries, **members), "Condition", 64)


def held(page_) -> list[str]:
    return [json.loads(entry.json)["id"] for entry in page_.entries]


def test_the_resources_of_a_page_stay_as_they_arrived():
    read = page(
        {"fullUrl": "urn:uuid:1", "resource": ONE}, {"resource": TWO, "search": {"mode": "match"}}, total=2
    )
    assert [json.loads(entry.json) for entry in read.entries] == [ONE, TWO]
    assert [entry.full_url for entry in read.entries] == ["urn:uuid:1", ""]
    assert (read.matches, read.total, read.next_link, read.broken) == (2, 2, "", False)


@pytest.mark.parametrize("empty", [{}, {"entry": None}, {"entry": []}, {"total": 0}, {"link": None}])
def test_a_bundle_without_entries_says_none_found(empty):
    read = read_page(json.dumps({"resourceType": "Bundle"} | empty).encode(), "Condition", 64)
    assert (read.entries, read.broken) == ((), False)


def test_the_next_page_is_named():
    links = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}]
    assert page({"resource": ONE}, link=links).next_link == "b"


def test_only_what_was_asked_for_counts_and_medications_sent_along_are_kept():
    include, match = {"mode": "include"}, {"mode": "match"}
    read = page(
        {"resource": ONE, "search": match},
        {"resource": TWO, "search": include},
        {"resource": PATIENT, "search": match},
        {"resource": {"resourceType": "Medication", "id": "m1"}, "search": include},
    )
    assert held(read) == ["c1", "m1"]
    assert read.matches == 2


def test_a_bundle_of_other_resources_is_no_answer():
    with pytest.raises(UnreadableError, match="other resources"):
        page({"resource": PATIENT})


def test_remarks_of_the_server_are_counted_and_are_no_results():
    read = page({"resource": outcome("informational", "warning"), "search": {"mode": "outcome"}}, total=0)
    assert (read.entries, read.matches, read.warnings) == ((), 0, 1)


@pytest.mark.parametrize("severity", ["error", "fatal"])
def test_an_error_among_the_entries_fails_the_page(severity):
    with pytest.raises(UnreadableError, match="reported an error"):
        page({"resource": ONE}, {"resource": outcome("exception", severity)})


@pytest.mark.parametrize(
    "broken", [5, None, {}, {"resource": 5}, {"resource": {"resourceType": 5}}, {"fullUrl": "x"}]
)
def test_a_broken_entry_leaves_the_others_readable_and_the_page_incomplete(broken):
    read = page({"resource": ONE}, broken)
    assert (held(read), read.broken) == (["c1"], True)


def test_a_resource_with_a_broken_field_is_kept_for_the_mapping_to_refuse():
    read = page({"resource": ONE | {"code": 7}})
    assert (held(read), read.broken) == (["c1"], False)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"<html>", b"[]", b"null", b'"x"', b'{"resourceType":"Bundle"', b"\xef\xbb\xbf{}"),
        *(
            b'{"resourceType":"Bundle","entry":5}',
            json.dumps(outcome("x")).encode(),
            json.dumps(ONE).encode(),
        ),
    ],
)
def test_anything_but_a_bundle_is_unreadable(text):
    with pytest.raises(UnreadableError):
        read_page(text, "Condition", 64)


@pytest.mark.parametrize(("depth", "fine"), [(63, True), (64, True), (65, False)])
def test_a_resource_may_be_64_levels_deep(depth, fine):
    resource = json.dumps(ONE)[:-1] + ', "x": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    text = f'{{"resourceType": "Bundle", "entry": [{{"resource": {resource}}}]}}'.encode()
    if fine:
        assert held(read_page(text, "Condition", 64)) == ["c1"]
    else:
        with pytest.raises(UnreadableError, match="deeply"):
            read_page(text, "Condition", 64)


def test_a_resource_is_read_if_it_is_the_one_asked_for():
    text = json.dumps(PATIENT).encode()
    assert read_resource(text, "Patient", "p1", 64, "https://x/Patient/p1").full_url == "https://x/Patient/p1"
    for kind, number in (("Patient", "p2"), ("Medication", "p1")):
        with pytest.raises(UnreadableError, match="the answer is"):
            read_resource(text, kind, number, 64)


def test_the_codes_of_an_operation_outcome_are_read_and_of_anything_else_not():
    assert issue_codes(json.dumps(outcome("required")).encode()) == {"required"}
    assert issue_codes(b'{"resourceType":"Patient","issue":[{"code":"required"}]}') == frozenset()
    assert issue_codes(b"<html>") == frozenset()
