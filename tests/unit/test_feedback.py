"""Reading feedback: what clients really send is taken, what is wrong is named, and no free text is kept."""

import json
from datetime import UTC, datetime

import pytest

from cds_service.errors import InvalidRequestError
from cds_service.settings.limits import Limits
from cds_service.web.feedback import read
from tests.support.feedback import CARD, EPIC, SUGGESTION, SYSTEM, accepted, epic, overridden

AT = datetime(2026, 3, 1, 8, 59, 30, tzinfo=UTC)


def read_json(content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(read(body, "imnm-recurrence", Limits()))


def read_item(item):
    (kept,) = read_json({"feedback": [item]})
    return kept


def refusal(content):
    with pytest.raises(InvalidRequestError) as caught:
        read_json(content)
    return caught.value.message


class TestTheForms:
    def test_the_list_of_the_standard_is_read_in_its_order(self):
        first, second = read_json({"feedback": [accepted(), overridden()]})
        assert (first.card, first.outcome, first.at) == (CARD, "accepted", AT)
        assert (first.suggestions, first.reasons, first.commented) == ((SUGGESTION,), (), False)
        assert (second.outcome, second.suggestions) == ("overridden", ())
        assert second.reasons == ((SYSTEM, "action-completed"),)
        assert second.service == "imnm-recurrence"

    @pytest.mark.parametrize("item", [accepted(), overridden(), epic()])
    def test_a_single_object_and_a_bare_item_are_lists_of_one(self, item):
        assert read_json({"feedback": item}) == read_json(item) == read_json({"feedback": [item]})

    @pytest.mark.parametrize("empty", [..., None, []])
    def test_an_acceptance_that_names_no_suggestion_is_taken(self, empty):
        assert read_item(accepted(acceptedSuggestions=empty)).suggestions == ()

    @pytest.mark.parametrize("empty", [..., None, [], {}])
    def test_an_override_that_gives_no_reason_is_taken(self, empty):
        kept = read_item(overridden(overrideReason=empty))
        assert (kept.reasons, kept.commented) == ((), False)

    def test_the_order_and_repetition_of_suggestions_say_nothing(self):
        ids = [{"id": SUGGESTION}, {"id": CARD}, {"id": SUGGESTION.upper()}]
        assert read_item(accepted(acceptedSuggestions=ids)).suggestions == tuple(sorted((CARD, SUGGESTION)))

    def test_members_that_nobody_reads_may_be_anything(self):
        kept = read_item(
            overridden(extension={"x": [1, {}]}, jwt=None, overrideReason={"reason": None, "x": 1})
        )
        assert kept.reasons == ()

    @pytest.mark.parametrize("uuid", [CARD.upper(), CARD.replace("-", ""), f"urn:uuid:{CARD}", f"{{{CARD}}}"])
    def test_a_uuid_is_one_however_it_is_written(self, uuid):
        assert read_item(accepted(card=uuid)).card == CARD


class TestEpic:
    def test_a_reason_is_read_from_the_plural_as_an_object_and_as_a_list(self):
        reason = {"reason": {"system": SYSTEM, "code": "x-1"}}
        plural = overridden(overrideReason=..., overrideReasons=reason)
        assert read_item(plural).reasons == ((SYSTEM, "x-1"),)
        plural["overrideReasons"] = [reason, {"reason": {"system": SYSTEM, "code": "x-2"}}]
        assert read_item(plural).reasons == ((SYSTEM, "x-1"), (SYSTEM, "x-2"))

    def test_the_extension_alone_gives_its_category(self):
        kept = read_item(epic())
        assert (kept.reasons, kept.commented) == (((EPIC, "12"),), True)

    def test_the_title_stands_in_for_a_category_and_text_in_it_for_other(self):
        title = {f"{EPIC}.reasonTitle": "declined"}
        assert read_item(epic(extension=title)).reasons == ((EPIC, "declined"),)
        title = {f"{EPIC}.reasonTitle": "Mrs Smith declined"}
        assert read_item(epic(extension=title)).reasons == ((EPIC, "other"),)

    @pytest.mark.parametrize("value", [True, 7, 1e300, ["x"], {"a": 1}])
    def test_a_category_that_is_no_text_is_other(self, value):
        assert read_item(epic(extension={f"{EPIC}.reasonCategory": value})).reasons == ((EPIC, "other"),)

    @pytest.mark.parametrize(
        "extension", [None, {}, [], "x", 1, {"com.example": "12"}, {f"{EPIC}.reasonCategory": None}]
    )
    def test_an_extension_of_anybody_else_gives_no_reason(self, extension):
        assert read_item(epic(extension=extension)).reasons == ()


class TestFreeText:
    @pytest.mark.parametrize(
        "text",
        ["Mrs Smith declined", "", None, "x" * 65, "a\nb", "<b>", "é", "-x", "a\u200bb", "%s", "'; --"],
    )
    def test_in_place_of_a_code_is_other(self, text):
        assert read_item(overridden(text)).reasons == ((SYSTEM, "other"),)

    @pytest.mark.parametrize(
        "system",
        [
            "Mrs Smith",
            "",
            None,
            "http://",
            "ftp://x",
            "http://x/?patient=Smith",
            "http://x/a b",
            "http://x/#Smith",
            "http://" + "x" * 201,
            "urn:\n",
            "http://user@x/%53mith",
        ],
    )
    def test_in_place_of_a_code_system_is_left_out(self, system):
        assert read_item(overridden(overrideReason={"reason": {"system": system, "code": "a"}})).reasons == (
            ("", "a"),
        )

    @pytest.mark.parametrize(
        "system", [SYSTEM, "https://x.example:8443/a_b-c.d", "urn:oid:1.2.3", "urn:uuid:" + CARD]
    )
    def test_a_code_system_is_kept(self, system):
        kept = read_item(overridden(overrideReason={"reason": {"system": system, "code": "a"}}))
        assert kept.reasons == ((system, "a"),)

    @pytest.mark.parametrize("comment", ["zq-name", "zq" * 100_000, "zq\ud83d\ude00\n\x1b[31m"])
    def test_a_comment_is_counted_and_nothing_of_it_kept(self, comment):
        kept = read_item(overridden(overrideReason={"userComment": comment}))
        assert (kept.commented, kept.reasons) == (True, ())
        assert "zq" not in repr(kept)

    @pytest.mark.parametrize("comment", ["", None])
    def test_an_empty_comment_is_none(self, comment):
        assert read_item(overridden(overrideReason={"userComment": comment})).commented is False


WRONG = [1, 1.5, True, {}, [], "zq-text"]
PLACES = {  # member → an item with that value there, and the types that are right
    "acceptedSuggestions": (lambda value: accepted(acceptedSuggestions=value), list),
    "acceptedSuggestions[0]": (lambda value: accepted(acceptedSuggestions=[value]),),
    "acceptedSuggestions[0].id": (lambda value: accepted(acceptedSuggestions=[{"id": value}]),),
    "overrideReason": (lambda value: overridden(overrideReason=value), list, dict),
    "overrideReason[0]": (lambda value: overridden(overrideReason=[value]), dict),
    "overrideReason[0].reason": (lambda value: overridden(overrideReason={"reason": value}), dict),
    "overrideReason[0].reason.code": (overridden, str),
    "overrideReason[0].reason.system": (
        lambda value: overridden(overrideReason={"reason": {"system": value}}),
        str,
    ),
    "overrideReason[0].userComment": (lambda value: overridden(overrideReason={"userComment": value}), str),
    "overrideReasons[0].reason.code": (
        lambda value: overridden(overrideReason=..., overrideReasons={"reason": {"code": value}}),
        str,
    ),
}


class TestWhatIsWrong:
    @pytest.mark.parametrize("name", ["card", "outcome", "outcomeTimestamp"])
    def test_a_member_that_is_needed_and_missing_is_named(self, name):
        assert (
            refusal({"feedback": [accepted(), accepted(**{name: ...})]}) == f"feedback[1].{name} is missing"
        )

    @pytest.mark.parametrize("value", [None, *WRONG])
    @pytest.mark.parametrize("name", ["card", "outcome", "outcomeTimestamp"])
    def test_a_member_that_is_needed_and_wrong_is_named(self, name, value):
        message = refusal({"feedback": [accepted(**{name: value})]})
        assert message.startswith(f"feedback[0].{name} ")
        assert "zq" not in message

    @pytest.mark.parametrize(
        ("place", "value"), [(p, v) for p, (_, *fine) in PLACES.items() for v in WRONG if type(v) not in fine]
    )
    def test_a_member_of_the_wrong_type_is_named(self, place, value):
        message = refusal({"feedback": [PLACES[place][0](value)]})
        assert message.startswith(f"feedback[0].{place}")
        assert "zq" not in message

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({}, "feedback is missing"),
            ({"feedback": []}, "feedback is empty"),
            ({"feedback": None}, "feedback has the wrong type"),
            ({"feedback": "zq"}, "feedback has the wrong type"),
            ({"feedback": 1}, "feedback has the wrong type"),
            ({"feedback": [None]}, "feedback[0] has the wrong type"),
            ({"feedback": [[accepted()]]}, "feedback[0] has the wrong type"),
            ({"feedback": {}}, "feedback[0].card is missing"),
            ([accepted()], "the body has the wrong type"),
            ("zq", "the body has the wrong type"),
            (None, "the body has the wrong type"),
            (accepted(card="zq"), "feedback[0].card must be a UUID"),
            (accepted(card=f"{CARD}0"), "feedback[0].card must be a UUID"),
            (accepted(outcome="zq"), "feedback[0].outcome must be accepted or overridden"),
            (accepted(outcome="Accepted"), "feedback[0].outcome must be accepted or overridden"),
        ],
    )
    def test_a_body_that_is_no_feedback_is_refused_in_a_sentence(self, content, message):
        assert refusal(content) == message

    def test_more_items_than_a_batch_has_are_refused_before_they_are_read(self):
        most = Limits().feedback_items
        assert len(read_json({"feedback": [accepted()] * most})) == most
        assert refusal({"feedback": [accepted()] * (most + 1)}) == f"feedback has more than {most} items"
        assert refusal({"feedback": [None] * (most + 1)}) == f"feedback has more than {most} items"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "the body is not JSON"),
            (b"\xff", "the body is not UTF-8"),
            (b'{"feedback": [], "feedback": []}', "the body names a member twice"),
            (b'{"feedback": [{"card": "a", "card": "a"}]}', "the body names a member twice"),
            (b'{"feedback": [{"card": "zq\\u0000"}]}', "the body contains the character NUL"),
            (b'{"feedback": [{"\\u0000": 1}]}', "the body contains the character NUL"),
            (b'{"feedback": [["\\u0000"]]}', "the body contains the character NUL"),
            (b'{"feedback": [{"x": NaN}]}', "the body is not JSON"),
            (b'{"feedback": [{"x": -Infinity}]}', "the body is not JSON"),
            (b'{"feedback": [{"x": "\\ud800"}]}', "the body is not JSON"),
            (b'{"feedback": ' + b"[" * 64 + b"]" * 64 + b"}", "the body is nested too deeply"),
            (b'{"feedback": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body is nested too deeply"),
        ],
    )
    def test_bytes_that_have_more_than_one_reading_are_refused(self, body, message):
        assert refusal(body) == message


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-03-01T08:59:30Z", AT),
            ("2026-03-01t08:59:30z", AT),
            ("2026-03-01T08:59:30.000Z", AT),
            ("2026-03-01T08:59:30+00:00", AT),
            ("2026-03-01T08:59:30-00:00", AT),
            ("2026-03-01T09:59:30+01:00", AT),
            ("2026-02-28T22:59:30-10:00", AT),
            ("2026-03-01T14:44:30+05:45", AT),
            ("2026-03-01T08:59:30.5Z", AT.replace(microsecond=500_000)),
            ("2026-03-01T08:59:30.123456789Z", AT.replace(microsecond=123_456)),
            ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
            ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
            ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("9999-12-31T23:59:59+01:00", datetime(9999, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ],
    )
    def test_a_time_with_an_offset_is_a_moment(self, text, moment):
        at = read_item(accepted(outcomeTimestamp=text)).at
        assert at == moment
        assert at.tzinfo is UTC

    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-01T08:59:30",
            "2026-03-01",
            "2026-03-01T08:59Z",
            "2026-03-01 08:59:30Z",
            "20260301T085930Z",
            "",
            "zq",
            "2026-03-01T08:59:30.Z",
            "2026-03-01T08:59:30 Z",
            "2026-03-01T08:59:30+0100",
            "2026-03-01T08:59:30Z\n",
            "2026-W09-7T08:59:30Z",
            "-2026-03-01T08:59:30Z",
            "12026-03-01T08:59:30Z",
        ],
    )
    def test_a_time_without_an_offset_or_of_another_form_is_refused(self, text):
        message = refusal(accepted(outcomeTimestamp=text))
        assert message == (
            "feedback[0].outcomeTimestamp must be a date and time with an offset, like 2026-03-01T09:30:00Z"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "2026-02-30T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-01T25:00:00Z",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "2026-03-01T08:59:30+99:00",
            "٢٠٢٦-03-01T08:59:30Z",
            "0001-01-01T00:00:00+10:00",
            "9999-12-31T23:59:59-10:00",
        ],
    )
    def test_a_time_that_does_not_exist_is_refused(self, text):
        message = refusal(accepted(outcomeTimestamp=text))
        assert message == "feedback[0].outcomeTimestamp is no date and time that exists"
