"""Which orders are suggested, in which order, and until when (V7)."""

from datetime import timedelta

import pytest

from models.inputs import BookedVisit, Part
from tests.support.changes import replace
from tests.unit.test_advice import (
    AS_OF,
    HIGH,
    INTERMEDIATE,
    LOW,
    TODAY,
    abstained,
    advice,
    days_ago,
    facts,
    next_test,
    visit,
)


def suggested(outcome=HIGH, given=None, phase="controlled"):
    return [(s.item, [o.part for o in s.orders]) for s in advice(outcome, given, phase).suggestions]


def asking(predictor, outcome=HIGH):
    return replace(outcome, next_best_test=next_test(predictor))


def test_nothing_is_suggested_where_nothing_is_missing():
    assert suggested() == []


def test_the_next_best_test_comes_first_and_at_most_four_are_suggested():
    assert suggested(asking("high_ana"), facts(None)) == [
        ("high_ana", ["ana"]),
        ("visit", ["visit"]),
        ("ck-ast-alt", ["ck", "ast", "alt"]),
        ("troponin-ecg", ["troponin-i", "ecg"]),
    ]


def test_the_overdue_come_before_the_never_done_and_those_before_the_due():
    given = facts(parts=[visit(35), Part("troponin-i"), Part("ecg"), Part("echo", days_ago(181))])
    assert [item for item, _ in suggested(HIGH, given)] == ["echo", "troponin-ecg", "visit"]


def test_the_next_best_test_brings_the_open_parts_of_its_item():
    given = facts(parts=[Part("ck"), Part("ast"), Part("alt")])
    assert suggested(asking("high_drr"), given) == [("high_drr", ["ast", "alt", "ck"])]
    given = facts(parts=[Part("ast")])
    assert suggested(asking("treatment_refractory"), given) == [("treatment_refractory", ["ck", "ast"])]
    assert suggested(asking("treatment_refractory")) == [("treatment_refractory", ["ck"])]


def test_the_next_best_test_is_given_on_abstention_with_the_follow_up():
    assert suggested(abstained(next_test("high_ana")), facts(parts=[Part("ecg")])) == [
        ("high_ana", ["ana"]),
        ("troponin-ecg", ["ecg"]),
    ]


def test_only_the_open_parts_are_suggested():
    given = facts(parts=[Part("ast", days_ago(60)), Part("alt", days_ago(60), orders=(AS_OF,))])
    assert suggested(HIGH, given) == [("ck-ast-alt", ["ast"])]


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, [("troponin-ecg", ["ecg"])]), (181, [("cardiac_involvement", ["troponin-i", "ecg"])])],
)
def test_what_is_ordered_within_its_interval_is_not_suggested_again(age, expected):
    ordered = (AS_OF - timedelta(days=age),)
    given = facts(parts=[Part("troponin-i", orders=ordered), Part("ecg")], ordered=frozenset({"troponin-i"}))
    assert suggested(asking("cardiac_involvement"), given) == expected


def test_a_test_that_stands_in_no_row_is_not_suggested_where_any_order_for_it_is_active():
    assert suggested(asking("high_ana"), facts(ordered=frozenset({"ana"}))) == []


def test_what_is_ordered_though_it_is_not_due_is_not_suggested_either():
    given = facts(
        parts=[Part("ast", days_ago(1), orders=(AS_OF,)), Part("alt", days_ago(1), orders=(AS_OF,))]
    )
    assert suggested(asking("high_drr"), given) == []


def test_nothing_is_suggested_for_what_could_not_be_read():
    assert suggested(HIGH, facts(parts=[Part("echo", readable=False)])) == []
    unread = [Part(part, readable=False) for part in ("ck", "ast", "alt")]
    assert suggested(asking("high_drr"), facts(parts=unread)) == []


@pytest.mark.parametrize(("age", "expected"), [(42, []), (42.1, [("visit", ["visit"])])])
def test_a_referral_is_no_booked_visit_and_is_not_suggested_again(age, expected):
    given = facts(parts=[visit(100, orders=(AS_OF - timedelta(days=age),))])
    assert next(row.state for row in advice(HIGH, given).follow_up if row.item == "visit") == "overdue"
    assert suggested(HIGH, given) == expected


def test_a_booked_visit_is_not_suggested():
    booked = (BookedVisit(AS_OF + timedelta(days=9), TODAY + timedelta(days=9)),)
    assert suggested(HIGH, facts(parts=[visit(None)], appointments=booked)) == []


def test_a_chest_ct_is_never_suggested_in_pregnancy_though_its_row_stays():
    given = facts(parts=[Part("chest-ct")])
    assert suggested(HIGH, given) == [("chest-ct", ["chest-ct"])]
    assert suggested(HIGH, replace(given, pregnant=True)) == []
    rows = {row.item: row.state for row in advice(HIGH, replace(given, pregnant=True)).follow_up}
    assert rows["chest-ct"] == "never"


# S5: a record that could not be read whole


@pytest.mark.parametrize("phase", ["controlled", "improving", "unknown"])
def test_an_incomplete_record_offers_nothing(phase):
    assert suggested(abstained(code="record-incomplete"), facts(None), phase) == []


@pytest.mark.parametrize("phase", ["relapse", "rising", "active"])
def test_in_a_phase_that_presses_it_offers_the_items_whose_sources_were_all_read(phase):
    given = facts(parts=[visit(None), Part("ck", readable=False), Part("ast"), Part("alt"), Part("echo")])
    assert suggested(abstained(code="record-incomplete"), given, phase) == [
        ("visit", ["visit"]),
        ("echo", ["echo"]),
    ]


# until when


@pytest.mark.parametrize(
    ("outcome", "phase", "part", "days"),
    [
        (HIGH, "controlled", Part("echo"), 7),
        (HIGH, "controlled", Part("echo", days_ago(200)), 7),
        (HIGH, "controlled", Part("echo", days_ago(170)), 10),
        (HIGH, "controlled", Part("echo", days_ago(175)), 7),
        (HIGH, "controlled", Part("chest-ct", days_ago(10), again=True), 7),
        (LOW, "controlled", visit(None), 28),
        (INTERMEDIATE, "controlled", visit(100), 28),
        (HIGH, "relapse", visit(None), 14),
        (HIGH, "relapse", visit(20), 14),
        (HIGH, "active", visit(None), 28),
        (HIGH, "controlled", visit(30), 12),
        (HIGH, "controlled", visit(40), 7),
    ],
)
def test_an_order_is_to_be_done_by_its_due_day_but_not_within_a_week(outcome, phase, part, days):
    found = advice(outcome, facts(parts=[part]), phase).suggestions
    wanted = next(s for s in found if [o.part for o in s.orders] == [part.name])
    assert wanted.until == TODAY + timedelta(days=days)


def test_the_next_best_test_is_to_be_done_within_a_week():
    (found,) = advice(asking("high_ana")).suggestions
    assert (found.until, found.why) == (TODAY + timedelta(days=7), "next-best-test")
