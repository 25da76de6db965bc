import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.fhir.bundle import (
    ANY_TYPE,
    SearchSet,
    UnreadableError,
    issue_codes,
    read_page,
    read_resource,
)
from tests.support.ehr_simulator import outcome

PATIENT = {"resourceType": "Patient", "id": "p1"}
ONE = {"resourceType": "Condition", "id": "c1"}
TWO = {"resourceType": "Condition", "id": "c2"}
THREE = {"resourceType": "Condition", "id": "c3"}
MEDICATION = {"resourceType": "Medication", "id": "m1"}
REMARK = {"resource": outcome("informational", "information"), "search": {"mode": "outcome"}}
WRONG = [5, 0.5, True, "text", "", [], [[]], {}, {"x": 1}]  # what may stand where something else belongs


def bundle(*entries: object, **members: object) -> bytes:
    return json.dumps({"resourceType": "Bundle", "entry": list(entries)} | members).encode()


def page(*entries: object, **members: object):
    return read_page(bundle(*entries, **members), "Condition")


def held(page_) -> list[str]:
    return [json.loads(entry.json)["id"] for entry in page_.entries]


def test_the_resources_of_a_page_stay_as_they_arrived():
    read = page(
        {"fullUrl": "urn:uuid:1", "resource": ONE}, {"resource": TWO, "search": {"mode": "match"}}, total=2
    )
    assert [json.loads(entry.json) for entry in read.entries] == [ONE, TWO]
    assert [entry.full_url for entry in read.entries] == ["urn:uuid:1", ""]
    assert (read.matches, read.total, read.next_link) == ({"Condition/c1", "Condition/c2"}, 2, "")
    assert read.failure == ""


@pytest.mark.parametrize("empty", [{}, {"entry": None}, {"entry": []}, {"total": 0}, {"link": None}])
def test_a_bundle_without_entries_says_none_found(empty):
    read = read_page(json.dumps({"resourceType": "Bundle"} | empty).encode(), "Condition")
    assert (read.entries, read.failure) == ([], "")


def test_the_next_page_is_named():
    links = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}]
    assert page({"resource": ONE}, link=links).next_link == "b"


def test_only_what_was_asked_for_is_kept_and_medications_sent_along():
    include, match = {"mode": "include"}, {"mode": "match"}
    read = page(
        {"resource": ONE, "search": match},
        {"resource": TWO, "search": include},
        {"resource": PATIENT, "search": match},
        {"resource": MEDICATION, "search": include},
    )
    assert held(read) == ["c1", "c2", "m1"]  # what is sent along is judged like everything else
    assert (read.matches, len(read.others)) == ({"Condition/c1"}, 3)


def test_a_bundle_of_other_resources_is_no_answer():
    with pytest.raises(UnreadableError, match="other resources"):
        page({"resource": PATIENT})


def test_remarks_of_the_server_are_counted_and_are_no_results():
    read = page({"resource": outcome("informational", "warning"), "search": {"mode": "outcome"}}, total=0)
    assert (read.entries, read.matches, read.warnings, read.failure) == ([], set(), 1, "")


@pytest.mark.parametrize(
    "broken",
    [
        *(5, [], {}, {"resource": 5}, {"resource": {}}, {"fullUrl": "x"}),
        *({"resource": {"resourceType": kind}} for kind in (5, "x", "", "Observation/1", "o-1", "final")),
    ],
)
def test_a_broken_entry_leaves_the_others_readable_and_the_page_incomplete(broken):
    read = page({"resource": ONE}, broken)
    assert (held(read), read.failure) == (["c1"], "an entry cannot be read")


def test_null_among_the_entries_is_passed_over_and_a_single_entry_is_a_list_of_one():
    assert page(None, {"resource": ONE}, None).failure == ""
    assert held(page(entry={"resource": ONE})) == ["c1"]


def test_in_a_file_an_entry_without_resource_is_no_loss():
    text = bundle({"request": {"method": "DELETE"}}, {"response": {"status": "201"}}, {"resource": PATIENT})
    assert (held(read_page(text, ANY_TYPE)), read_page(text, ANY_TYPE).failure) == (["p1"], "")


def test_a_resource_with_a_broken_field_is_kept_for_the_mapping_to_refuse():
    read = page({"resource": ONE | {"code": 7}})
    assert (held(read), read.failure) == (["c1"], "")


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
        read_page(text, "Condition")


@pytest.mark.parametrize(("depth", "fine"), [(65, True), (500, True), (100_000, False)])
def test_what_nests_deeper_than_a_decoder_goes_is_unreadable(depth, fine):
    resource = json.dumps(ONE)[:-1] + ', "x": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    text = f'{{"resourceType": "Bundle", "entry": [{{"resource": {resource}}}]}}'.encode()
    if fine:
        assert held(read_page(text, "Condition")) == ["c1"]
    else:
        with pytest.raises(UnreadableError, match="not FHIR JSON"):
            read_page(text, "Condition")


def test_a_resource_is_read_if_it_is_the_one_asked_for():
    text = json.dumps(PATIENT).encode()
    assert read_resource(text, "Patient", "p1", "https://x/Patient/p1").full_url == "https://x/Patient/p1"
    for kind, number in (("Patient", "p2"), ("Medication", "p1")):
        with pytest.raises(UnreadableError, match="the answer is"):
            read_resource(text, kind, number)


def test_the_codes_of_an_operation_outcome_are_read_and_of_anything_else_not():
    assert issue_codes(json.dumps(outcome("required")).encode()) == {"required"}
    assert issue_codes(b'{"resourceType":"Patient","issue":[{"code":"required"}]}') == frozenset()
    assert issue_codes(b"<html>") == frozenset()


class TestAFrameOfAWrongShape:
    """What has a wrong type loses itself and nothing else."""

    @pytest.mark.parametrize("wrong", WRONG)
    @pytest.mark.parametrize("member", ["total", "id", "type", "meta", "signature"])
    def test_of_the_bundle_loses_itself(self, member, wrong):
        read = page({"resource": ONE}, **{member: wrong})
        assert (held(read), read.failure, read.total) == (
            ["c1"],
            "",
            5 if (member, wrong) == ("total", 5) else None,
        )

    @pytest.mark.parametrize(
        ("total", "number"), [("3", 3), (3.0, 3), (3.5, None), (-1, None), ("three", None)]
    )
    def test_a_total_is_a_number_however_it_is_written(self, total, number):
        assert page({"resource": ONE}, total=total).total == number

    @pytest.mark.parametrize("wrong", [None, *WRONG])
    @pytest.mark.parametrize("member", ["fullUrl", "search", "link", "response"])
    def test_of_an_entry_loses_itself(self, member, wrong):
        read = page({"resource": ONE, member: wrong}, {"resource": TWO})
        assert (held(read), read.failure) == (["c1", "c2"], "")
        assert read.matches == {"Condition/c1", "Condition/c2"}

    @pytest.mark.parametrize("wrong", [None, *(value for value in WRONG if not isinstance(value, str))])
    def test_of_a_mode_loses_itself(self, wrong):
        read = page({"resource": ONE, "search": {"mode": wrong, "score": "x"}})
        assert (read.matches, read.failure) == ({"Condition/c1"}, "")

    @pytest.mark.parametrize("wrong", [None, *WRONG])
    @pytest.mark.parametrize("where", ["issue", "severity", "code"])
    def test_of_a_remark_loses_itself(self, where, wrong):
        remark = outcome("informational", "warning")
        if where == "issue":
            remark["issue"] = wrong
        else:
            remark["issue"].append({"severity": "warning", "code": "informational", where: wrong})
        assert held(page({"resource": remark}, {"resource": ONE})) == ["c1"]
        assert page({"resource": remark}, {"resource": ONE}).failure == ""

    @pytest.mark.parametrize("issue", [[None, 5, {"severity": "error"}], {"severity": "error", "code": []}])
    def test_of_an_issue_does_not_hide_what_else_it_says(self, issue):
        remark = {"resourceType": "OperationOutcome", "issue": issue}
        assert page({"resource": ONE}, {"resource": remark}).failure == "the server reported an error"

    @pytest.mark.parametrize(
        "wrong", ["next", ["https://x"], [{"relation": 5, "url": "b"}], [{}, {"url": "b"}], [["x"]]]
    )
    def test_of_a_link_may_hide_the_next_page_unless_the_server_counts(self, wrong):
        assert held(page({"resource": ONE}, link=wrong)) == ["c1"]
        assert searched(page({"resource": ONE}, link=wrong)) == "a link cannot be read"
        assert searched(page({"resource": ONE}, link=wrong, total=1)) == ""

    @pytest.mark.parametrize(
        "link", [{"relation": "next", "url": "b"}, [None, {"relation": "Next ", "url": " b"}]]
    )
    def test_of_links_that_can_be_read_all_the_same(self, link):
        assert (page({"resource": ONE}, link=link).next_link, page({"resource": ONE}, link=link).unclear) == (
            "b",
            False,
        )

    JSON = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 3)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["relation", "url", "mode", "issue", "code", "x"]), inner, max_size=3
            )
        ),
        max_leaves=5,
    )

    @given(total=JSON, link=JSON, full_url=JSON, search=JSON, remark=JSON, other=JSON)
    @settings(deadline=None, max_examples=200)
    def test_never_loses_a_resource(self, total, link, full_url, search, remark, other):
        read = page(
            {"resource": ONE, "fullUrl": full_url, "search": search},
            {"resource": {"resourceType": "OperationOutcome", "issue": remark}, "other": other},
            {"resource": TWO},
            total=total,
            link=link,
            other=other,
        )
        assert held(read) == ["c1", "c2"]


def searched(*pages) -> str:
    """Why these pages are not everything."""
    found = SearchSet()
    for each in pages:
        found.add(each)
    found.close()
    return found.failure


INCLUDE = {"resource": MEDICATION, "search": {"mode": "include"}}
FEWER = "the server counted more than it sent"
ISSUE_TYPES = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
    "success",
]  # the value set issue-type of FHIR R4, 4.0.1
NOT_WHOLE = {"forbidden", "security", "suppressed", "incomplete", "timeout", "too-costly"}  # F9


class TestWholeOrNot:
    @pytest.mark.parametrize("code", ISSUE_TYPES)
    @pytest.mark.parametrize("severity", ["information", "warning", "error", "fatal", "ERROR", ""])
    def test_a_remark_beside_matches_may_say_that_there_are_more_and_the_matches_stay(self, severity, code):
        remark = outcome(code, severity)
        read = page({"resource": ONE}, {"resource": remark, "search": {"mode": "outcome"}}, total=1)
        assert held(read) == ["c1"]
        assert bool(read.failure) is (severity.lower() in {"error", "fatal"} or code in NOT_WHOLE)

    @pytest.mark.parametrize("code", ["informational", "forbidden"])
    @pytest.mark.parametrize(
        "entry",
        [
            {"search": {"mode": "match"}},
            {"fullUrl": "https://x/Condition/c7"},
            {"fullUrl": "https://x/Condition/c7/_history/1", "search": {"mode": "outcome"}},
            {"fullUrl": "https://x/OperationOutcome/None", "search": {"mode": "match"}},
        ],
    )
    def test_a_remark_in_the_place_of_a_match_says_that_it_was_withheld(self, entry, code):
        read = page({"resource": ONE}, {"resource": outcome(code, "warning")} | entry, total=1)
        assert (held(read), read.failure) == (["c1"], "the server withheld a match")

    @pytest.mark.parametrize("full_url", ["", "urn:uuid:0", "https://x/OperationOutcome/1", "https://x/fhir"])
    def test_a_remark_in_its_own_place_says_no_such_thing(self, full_url):
        assert page({"resource": ONE}, REMARK | {"fullUrl": full_url}).failure == ""

    @pytest.mark.parametrize(
        ("resource", "mode"),
        [(ONE, "primary"), (ONE, "MATCH"), (ONE, "outcome"), (REMARK["resource"], "remark")],
    )
    def test_an_unknown_mode_leaves_open_what_the_entry_is(self, resource, mode):
        read = page({"resource": resource, "search": {"mode": mode}}, {"resource": TWO}, total=2)
        assert read.failure == "an entry has an unknown search mode"
        assert held(read) == (["c1", "c2"] if resource is ONE else ["c2"])

    @pytest.mark.parametrize("url", ["", " ", None, 5, ["b"], {}])
    def test_a_next_page_without_address_is_missing(self, url):
        read = page({"resource": ONE}, link=[{"relation": "next", "url": url}], total=1)
        assert (read.next_link, read.failure) == ("", "the link to the next page cannot be used")

    @pytest.mark.parametrize(
        ("pages", "total", "failure"),
        [
            ([[ONE, TWO]], 2, ""),
            ([[ONE, TWO]], 1, ""),
            ([[ONE, TWO]], None, ""),
            ([[ONE, TWO]], 3, FEWER),
            ([[ONE], [TWO]], 2, ""),
            ([[ONE, TWO], [TWO]], 3, FEWER),  # the third fell between two pages
            ([[ONE, TWO], [TWO]], 2, ""),
            ([[ONE, TWO], [TWO]], None, "the same resource is on two pages"),
            ([[ONE, TWO], [TWO]], 1, "the same resource is on two pages"),  # this total counts something else
            ([[ONE, ONE]], 2, FEWER),
            ([[ONE, ONE]], None, ""),  # a join of the server, not two states of a list
            ([[ONE], [TWO], [THREE]], 3, ""),
            ([[ONE], [TWO], [THREE, ONE]], None, "the same resource is on two pages"),
        ],
    )
    def test_distinct_resources_are_compared_with_the_total(self, pages, total, failure):
        assert searched(*(page(*({"resource": r} for r in each), total=total) for each in pages)) == failure

    @pytest.mark.parametrize("wrong", [None, 5, ""])
    def test_resources_without_id_are_told_apart_by_what_they_say(self, wrong):
        first, second = ({"resourceType": "Condition", "id": wrong, "code": {"text": t}} for t in "ab")
        assert searched(page({"resource": first}, {"resource": second}, total=2)) == ""
        assert searched(page({"resource": first}, {"resource": first}, total=2)) == FEWER

    def test_the_largest_total_of_all_pages_counts(self):
        assert searched(page({"resource": ONE}, total=2), page({"resource": TWO}, total=3)) == FEWER
        assert searched(page({"resource": ONE}), page({"resource": TWO}, total=3)) == FEWER

    @pytest.mark.parametrize(
        ("beside", "total", "failure"),
        [
            ([REMARK], 2, ""),
            ([REMARK], 1, ""),
            ([REMARK], 3, FEWER),
            ([REMARK, REMARK], 2, ""),  # the same remark on every page is one
            ([INCLUDE], 2, ""),
            ([INCLUDE], 3, FEWER),
            ([INCLUDE, REMARK], 3, ""),
            ([INCLUDE, REMARK], 4, FEWER),
            ([{"resource": PATIENT}], 2, ""),
            ([{"resource": TWO, "search": {"mode": "include"}}, INCLUDE], 2, FEWER),
        ],
    )
    def test_a_total_may_count_by_mistake_what_is_no_match(self, beside, total, failure):
        assert searched(page({"resource": ONE}, *beside, total=total)) == failure

    @pytest.mark.parametrize(
        ("alone", "total", "failure"),
        [
            ([], 1, FEWER),
            ([INCLUDE], 1, FEWER),
            ([INCLUDE, INCLUDE], 1, FEWER),
            ([{"resource": TWO, "search": {"mode": "include"}}], 1, FEWER),
            ([REMARK], 1, ""),  # it does no more than inform
            ([REMARK, INCLUDE], 1, ""),
            ([REMARK, INCLUDE], 2, FEWER),
        ],
    )
    def test_what_came_alone_may_stand_for_a_match(self, alone, total, failure):
        assert searched(page(*alone, total=total)) == failure

    @pytest.mark.parametrize("matches", [[], [{"resource": ONE}]], ids=["alone", "beside a match"])
    @pytest.mark.parametrize("code", sorted(set(ISSUE_TYPES) - NOT_WHOLE))
    @pytest.mark.parametrize("severity", ["information", "warning", "success"])
    def test_a_remark_that_may_stand_for_what_was_left_out_is_not_counted(self, severity, code, matches):
        remark = {"resource": outcome(code, severity), "search": {"mode": "outcome"}}
        only_informs = (severity, code) == ("information", "informational")
        assert searched(page(*matches, remark, total=len(matches) + 1)) == ("" if only_informs else FEWER)
        assert searched(page(*matches, remark, total=len(matches))) == ""
        assert searched(page(*matches, remark)) == ""

    @pytest.mark.parametrize("total", [None, 0])
    @pytest.mark.parametrize(
        "issue",
        [
            *("x", 5, True, None, [], {}, [5], ["x"], [[]], [{}], [{"code": "processing"}]),
            *(
                [{"severity": wrong, "code": "processing"}]
                for wrong in (None, "", "x", 5, [], ["error"], {"value": "error"})
            ),
            *([{"severity": "warning", "code": wrong}] for wrong in (None, "", 5, [], ["forbidden"])),
            [{"severity": "information", "code": "informational"}, 5],
        ],
    )
    def test_a_remark_that_cannot_be_read_may_be_an_error(self, issue, total):
        remark = {"resource": {"resourceType": "OperationOutcome", "issue": issue}}
        assert searched(page(remark, total=total)) == "a remark of the server cannot be read"
        assert held(page({"resource": ONE}, remark)) == ["c1"]

    @pytest.mark.parametrize(
        ("severity", "code"), [("error ", "x"), (" Fatal", "x"), ("warning", "Suppressed ")]
    )
    def test_a_remark_is_read_whatever_its_blanks_and_case(self, severity, code):
        assert searched(page({"resource": ONE}, {"resource": outcome(code, severity)}, total=1)) != ""

    @pytest.mark.parametrize("entries", [[], [{"resource": ONE}]])
    @pytest.mark.parametrize("total", [*(value for value in WRONG if value != 5), -1, "three", [3]])
    def test_a_total_that_cannot_be_read_may_count_more(self, total, entries):
        assert searched(page(*entries, total=total)) == "the number of matches cannot be read"

    @pytest.mark.parametrize("mode", ["match", ""])
    def test_medications_alone_answer_no_search_for_anything_else(self, mode):
        alone = {"resource": MEDICATION, "search": {"mode": mode}}
        assert searched(page(alone)) == "the answer holds other resources"
        assert searched(page({"resource": ONE}, alone)) == ""

    def test_a_total_that_counts_something_else_dispels_no_doubt(self):
        counted = page({"resource": ONE}, REMARK, total=2, link=[{"url": "b"}])
        assert searched(counted) == "a link cannot be read"

    def test_what_the_server_calls_a_part_is_everything_only_if_it_counts(self):
        for total, failure in ((1, ""), (2, FEWER), (None, "the server calls it a part")):
            found = SearchSet()
            found.add(page({"resource": ONE}, total=total), partial=True)
            found.close()
            assert found.failure == failure
