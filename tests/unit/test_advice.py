"""From an outcome, a phase and what was done to advice: bands (S6), columns (V5), items (V1 to V4), suggestions (V7)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from models.advice import advise, ask, band_of
from models.artefact import Policy
from models.inputs import FOLLOW_UP_PARTS, BookedVisit, FollowUpFacts, Part, Statin
from models.policy import load_policy
from models.registry import default_folder
from models.risk import Abstained, Estimate, Extremes, NextBestTest, Scored

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = date(2026, 3, 1)


@cache
def policy() -> Policy:
    return load_policy(default_folder() / "policy.toml")


def days_ago(days):
    return TODAY - timedelta(days=days)


def next_test(predictor):
    found = policy().tests[predictor]
    return NextBestTest(predictor, found.name, found.orders)


def scored(risk, lowest=None, highest=None, unknown=(), test=None):
    ends = {"2y": Extremes(lowest, highest)} if unknown else {}
    return Scored("0000", 0, tuple(unknown), {"2y": Estimate(risk, 0.0, 1.0)}, ends, {}, test)


def abstained(test=None, code="too-few-predictors"):
    return Abstained(code, "", (), "????", test)


LOW, INTERMEDIATE, HIGH = scored(0.12), scored(0.28), scored(0.57)


def facts(default=0, *, without=(), parts=None, **more):
    """Each part of every item done `default` days ago; `parts` are given as they are, and more are facts."""
    given = {part.name: part for part in parts or ()}
    items = {
        item: tuple(
            given.get(name, Part(name, None if default is None else days_ago(default))) for name in names
        )
        for item, names in FOLLOW_UP_PARTS.items()
        if item not in without
    }
    return FollowUpFacts(AS_OF, TODAY, items, **more)


def advice(outcome=HIGH, given=None, phase="controlled"):
    return advise(policy(), outcome, given or facts(), phase)


def item(name, *parts, outcome=HIGH, phase="controlled", **more):
    found = advice(outcome, facts(parts=parts, **more), phase).follow_up
    return next((row for row in found if row.item == name), None)


def visit(days, **more):
    return Part("visit", None if days is None else days_ago(days), "Encounter/e1", **more)


# S6: the band


@pytest.mark.parametrize(
    ("risk", "band"),
    [
        (0.0, "low"),
        (0.1999, "low"),
        (0.20, "intermediate"),
        (0.4499, "intermediate"),
        (0.45, "high"),
        (1.0, "high"),
    ],
)
def test_the_band_follows_the_two_year_risk(risk, band):
    assert band_of(policy(), scored(risk)).band == band


def test_unknown_predictors_that_cannot_move_the_band_leave_it_certain():
    found = band_of(policy(), scored(0.5, 0.46, 0.9, ["high_ana"]))
    assert (found.band, found.ends) == ("high", None)


def test_the_band_is_uncertain_where_an_unknown_predictor_decides_it():
    found = band_of(policy(), scored(0.15, 0.12, 0.28, ["high_ana"]))
    assert (found.band, found.column, found.ends) == ("uncertain", "low", ("low", "intermediate"))


# V1, V2: last and due


@pytest.mark.parametrize(
    ("days", "state", "overdue_days"),
    [(0, "ok", 0), (27, "ok", 0), (28, "due", 0), (42, "due", 0), (43, "overdue", 1), (50, "overdue", 8)],
)
def test_an_item_is_due_from_fourteen_days_before_the_day_and_overdue_after_it(days, state, overdue_days):
    found = item("visit", visit(days))
    assert (found.state, found.overdue_days) == (state, overdue_days)
    assert (found.last, found.due) == (days_ago(days), days_ago(days) + timedelta(days=42))
    assert found.evidence == ("Encounter/e1",)


def test_an_item_with_several_parts_was_last_done_on_the_earliest_of_their_latest_days():
    found = item("ck-ast-alt", Part("ck", days_ago(2)), Part("ast", days_ago(40)), Part("alt", days_ago(1)))
    assert (found.state, found.last, found.open_parts) == ("overdue", days_ago(40), ("ast",))


def test_each_part_has_its_own_state_and_day():
    found = item("ck-ast-alt", Part("ck", days_ago(20)), Part("ast", days_ago(40)), Part("alt"))
    assert [(p.part, p.state, p.last) for p in found.parts] == [
        ("ck", "due", days_ago(20)),
        ("ast", "overdue", days_ago(40)),
        ("alt", "never", None),
    ]
    assert found.open_parts == ("ck", "ast", "alt")


def test_a_part_never_done_makes_the_item_never():
    found = item("troponin-ecg", Part("troponin-i", days_ago(400)), Part("ecg"))
    assert (found.state, found.last, found.due, found.overdue_days) == ("never", None, None, None)


def test_an_item_that_does_not_apply_is_left_out():
    assert item("lung-function", without=("lung-function",)) is None


def test_a_part_that_could_not_be_read_makes_the_item_unknown():
    found = item("ck-ast-alt", Part("ast", days_ago(60), readable=False))
    assert (found.state, found.last, found.due, found.overdue_days) == ("unknown", days_ago(60), None, None)


def test_what_was_read_is_enough_where_it_makes_the_item_ok():
    assert item("echo", Part("echo", days_ago(10), readable=False)).state == "ok"


# Done once: chest CT and antibodies


@pytest.mark.parametrize(
    ("part", "state"),
    [
        (Part("chest-ct"), "never"),
        (Part("chest-ct", days_ago(5000)), "ok"),
        (Part("chest-ct", days_ago(10), again=True), "due"),
        (Part("chest-ct", readable=False), "unknown"),
        (Part("chest-ct", days_ago(10), readable=False), "ok"),
    ],
)
def test_what_is_done_once_is_never_overdue(part, state):
    found = item("chest-ct", part, outcome=LOW)
    assert (found.state, found.due) == (state, None)


@pytest.mark.parametrize("state", ["never", "due"])
def test_any_active_order_plans_what_is_done_once(state):
    part = Part("chest-ct", None if state == "never" else days_ago(10), again=state == "due")
    assert item("chest-ct", part).state == state
    assert item("chest-ct", part, ordered=frozenset({"chest-ct"})).state == "planned"


def test_an_antibody_without_an_answer_makes_the_item_never_in_every_column():
    for outcome in (LOW, INTERMEDIATE, HIGH, abstained()):
        found = item("antibodies", Part("anti-srp"), outcome=outcome)
        assert (found.state, found.open_parts) == ("never", ("anti-srp",))


# V3: planned


@pytest.mark.parametrize(
    ("offset", "state"),
    [
        (timedelta(0), "overdue"),
        (timedelta(seconds=1), "planned"),
        (timedelta(days=42), "planned"),
        (timedelta(days=42, seconds=1), "overdue"),
    ],
)
def test_a_booked_visit_counts_after_now_and_within_the_interval(offset, state):
    booked = (BookedVisit(AS_OF + offset, date(2026, 3, 9)),)
    found = item("visit", visit(100), appointments=booked)
    assert (found.state, found.overdue_days) == (state, 58 if state == "overdue" else 0)
    assert found.booked == (date(2026, 3, 9) if state == "planned" else None)


@pytest.mark.parametrize(("age", "state"), [(0, "planned"), (28, "planned"), (28.1, "overdue")])
def test_an_order_counts_while_it_is_not_older_than_the_interval(age, state):
    ordered = (AS_OF - timedelta(days=age),)
    assert item("ck-ast-alt", Part("ast", days_ago(60), orders=ordered)).state == state


def test_every_part_that_is_not_ok_needs_its_own_order():
    found = item("ck-ast-alt", Part("ck", days_ago(60), orders=(AS_OF,)), Part("ast", days_ago(60)))
    assert (found.state, found.open_parts) == ("overdue", ("ast",))
    assert [p.state for p in found.parts] == ["planned", "overdue", "ok"]


def test_an_order_for_something_never_done_makes_it_planned():
    assert item("echo", Part("echo", orders=(AS_OF,))).state == "planned"


def test_an_unreadable_item_is_not_called_planned():
    assert item("echo", Part("echo", orders=(AS_OF,), readable=False)).state == "unknown"


# V4: an Encounter that may have been the visit


@pytest.mark.parametrize(
    ("last", "unclear", "state"),
    [
        (None, 42, "unknown"),
        (None, 43, "never"),
        (100, 42, "unknown"),
        (100, 43, "overdue"),
        (40, 10, "due"),
        (10, 5, "ok"),
    ],
)
def test_an_unclear_encounter_within_the_interval_hides_what_is_overdue_or_never(last, unclear, state):
    assert item("visit", visit(last, unclear=days_ago(unclear))).state == state


def test_a_booked_visit_comes_before_an_unclear_encounter():
    booked = (BookedVisit(AS_OF + timedelta(days=9), date(2026, 3, 10)),)
    assert item("visit", visit(None, unclear=days_ago(1)), appointments=booked).state == "planned"


# V5: columns

UNCERTAIN_LOW = scored(0.15, 0.12, 0.28, ["high_ana"])


@pytest.mark.parametrize(
    ("outcome", "phase", "expected"),
    [
        (LOW, "controlled", (180, 90, 365, None, 365)),
        (INTERMEDIATE, "controlled", (90, 56, 180, None, 365)),
        (HIGH, "controlled", (42, 28, 180, 180, 180)),
        (UNCERTAIN_LOW, "controlled", (180, 90, 365, None, 365)),
        (abstained(), "controlled", (90, 56, 180, None, 365)),
        (abstained(code="record-incomplete"), "controlled", (90, 56, 180, None, 365)),
        (LOW, "improving", (90, 56, 180, None, 365)),
        (LOW, "unknown", (90, 56, 180, None, 365)),
        (HIGH, "improving", (42, 28, 180, 180, 180)),
        (LOW, "active", (28, 14, 180, 365, 180)),
        (HIGH, "active", (28, 14, 180, 180, 180)),
        (LOW, "relapse", (14, 14, 90, 365, 180)),
        (LOW, "rising", (14, 14, 90, 365, 180)),
        (HIGH, "relapse", (14, 14, 90, 180, 180)),
        (abstained(), "relapse", (14, 14, 90, 365, 180)),
    ],
)
def test_each_item_has_the_shortest_interval_of_its_columns(outcome, phase, expected):
    rows = {row.item: row for row in advice(outcome, None, phase).follow_up}
    names = ("visit", "ck-ast-alt", "troponin-ecg", "echo", "lung-function")
    assert tuple((rows[n].due - TODAY).days if n in rows else None for n in names) == expected


@pytest.mark.parametrize(("since", "interval"), [(0, 120), (365, 120), (365.1, 180), (None, 180), (-30, 120)])
@pytest.mark.parametrize(("outcome", "phase"), [(LOW, "controlled"), (HIGH, "relapse")])
def test_with_lung_disease_lung_function_has_its_own_interval_in_every_column(
    since, interval, outcome, phase
):
    given = facts(has_ild=True, ild_since=None if since is None else AS_OF - timedelta(days=since))
    found = next(row for row in advice(outcome, given, phase).follow_up if row.item == "lung-function")
    assert found.due == TODAY + timedelta(days=interval)


def test_the_items_stand_in_the_order_of_the_table():
    assert [row.item for row in advice(HIGH).follow_up] == list(FOLLOW_UP_PARTS)


# V6: indicator and silence


@pytest.mark.parametrize(
    ("outcome", "done", "indicator"),
    [
        (HIGH, 0, "warning"),
        (INTERMEDIATE, 0, "info"),
        (INTERMEDIATE, 80, "warning"),
        (INTERMEDIATE, 50, "info"),
        (INTERMEDIATE, None, "warning"),
        (LOW, None, "info"),
        (scored(0.5, 0.28, 0.57, ["high_ana"]), 0, "warning"),
        (scored(0.3, 0.12, 0.57, ["high_ana"]), 0, "info"),
        (abstained(), None, "info"),
    ],
)
def test_the_indicator_warns_in_the_high_band_and_for_gaps_in_the_intermediate_one(outcome, done, indicator):
    assert advice(outcome, facts(done)).indicator == indicator


@pytest.mark.parametrize("outcome", [LOW, INTERMEDIATE, abstained()])
@pytest.mark.parametrize(
    ("phase", "indicator"),
    [
        ("relapse", "warning"),
        ("rising", "warning"),
        ("active", "warning"),
        ("improving", "info"),
        ("unknown", "info"),
        ("controlled", "info"),
    ],
)
def test_a_phase_that_presses_warns_in_every_band_and_on_abstention(outcome, phase, indicator):
    found = advice(outcome, None, phase)
    assert (found.indicator, found.urgent) == (indicator, phase in {"relapse", "active"})
    assert found.quiet is (phase == "controlled" and outcome is LOW)


@pytest.mark.parametrize(("state", "indicator"), [("warn", "warning"), ("unknown", "info")])
def test_a_statin_is_the_last_row_and_is_never_passed_over_in_silence(state, indicator):
    statin = Statin(state, ("atorvastatin",), evidence=("MedicationRequest/m1",))
    for outcome in (LOW, INTERMEDIATE, abstained()):
        found = advice(outcome, facts(statin=statin))
        row = found.follow_up[-1]
        assert (row.item, row.state, row.evidence) == ("statin", state, ("MedicationRequest/m1",))
        assert (found.statin, found.indicator, found.quiet) == (statin, indicator, False)


def test_the_low_band_is_silent_when_nothing_is_overdue_or_never_done():
    assert advice(LOW).quiet
    assert advice(LOW, facts(80)).quiet  # CK, AST, ALT due in ten days
    assert not advice(LOW, facts(91)).quiet
    assert not advice(LOW, facts(None)).quiet


def test_an_antibody_that_was_never_answered_is_no_gap():
    given = facts(parts=[Part("anti-srp"), Part("anti-hmgcr")])
    assert advice(LOW, given).quiet
    assert advice(INTERMEDIATE, given).indicator == "info"


def test_an_item_that_is_unknown_does_not_bar_silence():
    assert advice(LOW, facts(parts=[visit(None, readable=False)])).quiet
    assert advice(LOW, facts(parts=[visit(None, unclear=TODAY)])).quiet


@pytest.mark.parametrize(
    ("outcome", "quiet"),
    [
        (UNCERTAIN_LOW, True),
        (replace(UNCERTAIN_LOW, next_best_test=next_test("high_ana")), False),
        (scored(0.15, 0.12, 0.4499, ["high_ana"]), True),
        (scored(0.15, 0.12, 0.45, ["high_ana"]), False),
        (scored(0.25, 0.12, 0.28, ["high_ana"]), False),
        (scored(0.15, 0.12, 0.18, ["high_ana"], next_test("high_ana")), True),
        (INTERMEDIATE, False),
        (abstained(), False),
    ],
)
def test_an_uncertain_band_is_silent_where_nothing_could_tell_more(outcome, quiet):
    assert advice(outcome).quiet is quiet


def test_a_policy_can_switch_silence_off():
    assert not advise(replace(policy(), quiet_low=False), LOW, facts(), "controlled").quiet


# E3


def test_a_possible_patient_is_asked_about_and_nothing_else():
    found = ask(policy(), facts(None, to_ask=("anti-srp", "anti-hmgcr", "ck"), ordered=frozenset({"ck"})))
    assert [(s.item, [o.code.code for o in s.orders], s.why) for s in found.suggestions] == [
        ("question", ["33921-8"], "question"),
        ("question", ["93493-5"], "question"),
    ]
    assert (found.band, found.follow_up, found.indicator, found.quiet) == (None, (), "info", False)
    assert {s.until for s in found.suggestions} == {TODAY + timedelta(days=7)}
