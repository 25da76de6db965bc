"""Rules S6 and V: bands, the follow-up table, the indicator, silence, suggestions; and how a policy is refused."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from models.artefact import ModelError, Policy
from models.inputs import FOLLOW_UP_PARTS, FollowUpFacts, Part
from models.policy import SuggestedOrder, advise, band_of, load_policy
from models.registry import default_folder
from models.risk import Abstained, Estimate, Extremes, NextBestTest, Scored

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = date(2026, 3, 1)
PATH = default_folder() / "policy.toml"


@cache
def policy() -> Policy:
    return load_policy(PATH)


def days_ago(days):
    return TODAY - timedelta(days=days)


def next_test(predictor):
    found = policy().tests[predictor]
    return NextBestTest(predictor, found.name, found.orders[0], found.orders[1:])


def scored(risk, lowest=None, highest=None, unknown=(), test=None):
    ends = {"2y": Extremes(lowest, highest)} if unknown else {}
    return Scored("0000", 0, tuple(unknown), {"2y": Estimate(risk, 0.0, 1.0)}, ends, {}, test)


def abstained(test=None):
    return Abstained("too-few-predictors", "", (), "????", test)


LOW, INTERMEDIATE, HIGH = scored(0.12), scored(0.28), scored(0.57)


def facts(default=0, *, appointments=(), statin="", **items):
    """All items of the table, each part done `default` days ago; `ck_ast_alt=(…)` gives one item's parts."""
    parts = {
        name: tuple(Part(p, None if default is None else days_ago(default)) for p in of_item)
        for name, of_item in FOLLOW_UP_PARTS.items()
    }
    parts |= {name.replace("_", "-"): given for name, given in items.items()}
    return FollowUpFacts(AS_OF, TODAY, parts, tuple(appointments), statin)


def advice(outcome, given=None, *, possible_relapse=False):
    return advise(policy(), outcome, given or facts(), possible_relapse=possible_relapse)


def item(name, given, outcome=HIGH):
    return next(i for i in advice(outcome, given).follow_up if i.item == name)


def visit(days):
    return (Part("visit", days_ago(days), "Encounter/e1"),)


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
    assert (found.band, found.decides) == ("high", "")


def test_the_band_is_uncertain_where_an_unknown_predictor_decides_it():
    found = band_of(policy(), scored(0.15, 0.12, 0.28, ["high_ana"]))
    assert (found.band, found.column) == ("uncertain", "low")
    assert found.decides == "low to intermediate: the ANA titre decides"


def test_two_unknown_predictors_decide_together():
    found = band_of(policy(), scored(0.4, 0.12, 0.57, ["cardiac_involvement", "high_drr"]))
    assert found.decides == "low to high: the cardiac assessment and the AST/ALT ratio decide"


# V1, V2: last and due


@pytest.mark.parametrize(
    ("days", "state", "overdue_days"),
    [(0, "ok", 0), (27, "ok", 0), (28, "due", 0), (42, "due", 0), (43, "overdue", 1), (50, "overdue", 8)],
)
def test_an_item_is_due_from_fourteen_days_before_the_day_and_overdue_after_it(days, state, overdue_days):
    found = item("visit", facts(visit=visit(days)))
    assert (found.state, found.overdue_days) == (state, overdue_days)
    assert (found.last, found.due) == (days_ago(days), days_ago(days) + timedelta(days=42))
    assert found.evidence == ("Encounter/e1",)


INTERVALS = {
    "visit": (180, 90, 42),
    "ck-ast-alt": (90, 56, 28),
    "troponin-ecg": (365, 180, 180),
    "echo": (None, None, 180),
    "lung-function": (365, 365, 180),
}


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize(("column", "outcome"), list(enumerate([LOW, INTERMEDIATE, HIGH])))
def test_each_band_has_the_interval_of_the_table(name, column, outcome):
    found = [i for i in advice(outcome).follow_up if i.item == name]
    interval = INTERVALS[name][column]
    assert [i.due for i in found] == ([] if interval is None else [TODAY + timedelta(days=interval)])


def test_the_items_stand_in_the_order_of_the_table():
    assert [i.item for i in advice(HIGH).follow_up] == list(INTERVALS)


def test_an_item_with_several_parts_was_last_done_on_the_earliest_of_their_latest_days():
    parts = (Part("ck", days_ago(2)), Part("ast", days_ago(40)), Part("alt", days_ago(1)))
    found = item("ck-ast-alt", facts(ck_ast_alt=parts))
    assert (found.state, found.last, found.open_parts) == ("overdue", days_ago(40), ("ast",))


def test_a_part_never_done_makes_the_item_never():
    found = item("troponin-ecg", facts(troponin_ecg=(Part("troponin-i", days_ago(400)), Part("ecg"))))
    assert (found.state, found.last, found.due, found.overdue_days) == ("never", None, None, None)
    assert found.open_parts == ("troponin-i", "ecg")


def test_an_item_that_does_not_apply_is_left_out():
    assert "lung-function" not in [i.item for i in advice(HIGH, facts(lung_function=())).follow_up]


def test_a_part_that_could_not_be_read_makes_the_item_unknown():
    parts = (Part("ck", days_ago(1)), Part("ast", days_ago(60), readable=False), Part("alt", days_ago(1)))
    found = item("ck-ast-alt", facts(ck_ast_alt=parts))
    assert (found.state, found.last, found.due, found.overdue_days) == ("unknown", days_ago(60), None, None)


def test_what_was_read_is_enough_where_it_makes_the_item_ok():
    assert item("echo", facts(echo=(Part("echo", days_ago(10), readable=False),))).state == "ok"


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
    found = item("visit", facts(visit=visit(100), appointments=[AS_OF + offset]))
    assert (found.state, found.overdue_days) == (state, 58 if state == "overdue" else 0)


@pytest.mark.parametrize(("age", "state"), [(0, "planned"), (28, "planned"), (28.1, "overdue")])
def test_an_order_counts_while_it_is_not_older_than_the_interval(age, state):
    ordered = (AS_OF - timedelta(days=age),)
    parts = (Part("ck", days_ago(1)), Part("ast", days_ago(60), orders=ordered), Part("alt", days_ago(1)))
    assert item("ck-ast-alt", facts(ck_ast_alt=parts)).state == state


def test_every_part_that_is_not_ok_needs_its_own_order():
    parts = (Part("ck", days_ago(60), orders=(AS_OF,)), Part("ast", days_ago(60)), Part("alt", days_ago(1)))
    found = item("ck-ast-alt", facts(ck_ast_alt=parts))
    assert (found.state, found.open_parts, found.ordered_parts) == ("overdue", ("ast",), ("ck",))


def test_an_order_for_something_never_done_makes_it_planned():
    assert item("echo", facts(echo=(Part("echo", orders=(AS_OF,)),))).state == "planned"


def test_an_unreadable_item_is_not_called_planned():
    assert item("echo", facts(echo=(Part("echo", orders=(AS_OF,), readable=False),))).state == "unknown"


# V5, V6: column, indicator, silence, abstention


def test_an_uncertain_band_uses_the_column_of_its_estimate():
    found = advice(scored(0.5, 0.28, 0.57, ["high_ana"]))
    assert (found.band, found.column, found.indicator) == ("uncertain", "high", "warning")
    assert found.decides == "intermediate to high: the ANA titre decides"
    assert "echo" in [i.item for i in found.follow_up]


@pytest.mark.parametrize(
    ("outcome", "done", "indicator"),
    [
        (HIGH, 0, "warning"),
        (INTERMEDIATE, 0, "info"),
        (INTERMEDIATE, 80, "warning"),
        (INTERMEDIATE, 50, "info"),
        (INTERMEDIATE, None, "warning"),
        (LOW, None, "info"),
    ],
)
def test_the_indicator_warns_in_the_high_band_and_for_gaps_in_the_intermediate_one(outcome, done, indicator):
    assert advice(outcome, facts(done)).indicator == indicator


@pytest.mark.parametrize("outcome", [LOW, INTERMEDIATE, HIGH, abstained()])
def test_a_possible_relapse_warns_in_every_band_and_on_abstention(outcome):
    found = advice(outcome, possible_relapse=True)
    assert (found.indicator, found.silent) == ("warning", False)


@pytest.mark.parametrize("outcome", [LOW, INTERMEDIATE, HIGH, abstained()])
def test_an_active_statin_is_the_last_row_in_every_band_and_on_abstention(outcome):
    found = advice(outcome, facts(statin="MedicationRequest/m1"))
    assert (found.follow_up[-1].item, found.follow_up[-1].state) == ("statin", "warn")
    assert found.follow_up[-1].evidence == ("MedicationRequest/m1",)
    assert not found.silent


def test_a_statin_row_alone_does_not_raise_the_indicator():
    assert advice(LOW, facts(statin="MedicationRequest/m1")).indicator == "info"


def test_the_low_band_is_silent_when_nothing_is_overdue_or_never_done():
    assert advice(LOW).silent
    assert advice(LOW, facts(80)).silent  # CK, AST, ALT due in ten days
    assert not advice(LOW, facts(91)).silent
    assert not advice(LOW, facts(None)).silent


def test_only_the_certain_low_band_can_be_silent():
    assert not advice(scored(0.15, 0.12, 0.28, ["high_ana"])).silent
    assert not advice(INTERMEDIATE).silent
    assert not advice(abstained()).silent


def test_a_policy_can_switch_silence_off():
    loud = replace(policy(), quiet_low=False)
    assert not advise(loud, LOW, facts(), possible_relapse=False).silent


def test_abstention_has_no_follow_up_table_and_suggests_the_next_best_test():
    found = advice(abstained(next_test("high_ana")), facts(None))
    assert (found.band, found.column, found.decides, found.follow_up) == (None, None, "", ())
    assert found.indicator == "info"
    assert [s.item for s in found.suggestions] == ["high_ana"]


# V7: suggestions


def suggested(outcome, given):
    return [(s.kind, s.item, [c.code for c in s.codes]) for s in advice(outcome, given).suggestions]


def test_nothing_is_suggested_where_nothing_is_missing():
    assert suggested(HIGH, facts()) == []


def test_the_next_best_test_comes_first_and_at_most_four_are_suggested():
    found = suggested(replace(HIGH, next_best_test=next_test("high_ana")), facts(None))
    assert found == [
        ("order", "high_ana", ["5048-4"]),
        ("appointment", "visit", ["394810000"]),
        ("order", "ck-ast-alt", ["2157-6", "1920-8", "1742-6"]),
        ("order", "troponin-ecg", ["89579-7", "29303009"]),
    ]


def test_the_overdue_come_before_the_never_done_and_those_before_the_due():
    given = facts(
        visit=visit(35), troponin_ecg=(Part("troponin-i"), Part("ecg")), echo=(Part("echo", days_ago(181)),)
    )
    assert [name for _, name, _ in suggested(HIGH, given)] == ["echo", "troponin-ecg", "visit"]


def test_no_code_is_suggested_twice():
    found = suggested(
        replace(HIGH, next_best_test=next_test("high_drr")), facts(ck_ast_alt=facts(None).items["ck-ast-alt"])
    )
    assert found == [("order", "high_drr", ["1920-8", "1742-6"]), ("order", "ck-ast-alt", ["2157-6"])]


def test_a_suggestion_whose_codes_are_all_suggested_already_is_dropped():
    parts = (Part("ck", days_ago(60)), Part("ast", days_ago(1)), Part("alt", days_ago(1)))
    found = suggested(
        replace(HIGH, next_best_test=next_test("treatment_refractory")), facts(ck_ast_alt=parts)
    )
    assert found == [("order", "treatment_refractory", ["2157-6"])]


def test_what_is_ordered_already_is_not_suggested_again():
    parts = (Part("troponin-i", orders=(AS_OF,)), Part("ecg"))
    found = suggested(
        replace(HIGH, next_best_test=next_test("cardiac_involvement")), facts(troponin_ecg=parts)
    )
    assert found == [("order", "troponin-ecg", ["29303009"])]


def test_nothing_is_suggested_for_an_item_that_could_not_be_read():
    assert suggested(HIGH, facts(echo=(Part("echo", readable=False),))) == []


def test_only_the_open_parts_are_suggested_and_the_label_names_them():
    parts = (Part("ck", days_ago(1)), Part("ast", days_ago(60)), Part("alt", days_ago(60)))
    assert [s.label for s in advice(HIGH, facts(ck_ast_alt=parts)).suggestions] == ["AST, ALT"]


def test_lung_function_is_ordered_as_fvc_and_dlco_and_a_chest_ct_where_it_belongs():
    parts = (Part("lung-function"), Part("chest-ct"))
    assert suggested(HIGH, facts(lung_function=parts)) == [
        ("order", "lung-function", ["19868-9", "19911-7", "16335031000119103"])
    ]


def test_every_code_names_its_system():
    codes = [c for i in policy().items.values() for part in i.parts.values() for c in part]
    assert {(c.vocabulary, c.system) for c in codes} == {
        ("LOINC", "http://loinc.org"),
        ("SNOMED CT", "http://snomed.info/sct"),
    }
    assert (
        SuggestedOrder("order", "echo", (codes[0], codes[1])).label == "rheumatology or neurology visit, CK"
    )


# Reading a policy


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('schema = "imnm-cds-policy/1"', 'schema = "imnm-cds-policy/2"', "'imnm-cds-policy/2' is not"),
        ("low_below = {", "lower_below = {", "'low_below' is missing; add it there"),
        ("value = 0.45", "value = 0.15", "must rise between 0 and 1; correct it there"),
        ("value = 0.45", 'value = "0.45"', "bands.high_from needs a probability"),
        ('value = 14, unit = "d"', 'value = 14, unit = "h"', "advice.due_within needs the unit d"),
        ("value = 14,", "value = 99999999999,", "correct it there"),
        ("value = 14,", "value = 14.5,", "advice.due_within needs a whole number"),
        ("value = 14,", "value = -14,", "advice.due_within needs a whole number"),
        ('mark = "assumed", source = "S5"', 'mark = "guessed", source = "S5"', "score.known_at_least needs"),
        (
            'source = "S5"',
            'source = ""',
            "score.known_at_least needs the unit {predictors}, a mark and a source",
        ),
        ("quiet_low = true", 'quiet_low = "yes"', "advice.quiet_low must be true or false"),
        ('orders = ["ana"]', 'orders = ["anna"]', "'anna' is missing"),
        (
            'parts.echo = ["echo"]',
            'parts.ecco = ["echo"]',
            "follow_up.echo must have the parts of a known item (echo)",
        ),
        (
            "[follow_up.visit]",
            "[follow_up.vist]\nlabel = 'x'\nkind = 'order'\nparts.x = []\n[follow_up.visit]",
            "(none)",
        ),
        (
            'kind = "appointment"',
            'kind = "meeting"',
            "follow_up.visit must be of the kind order or appointment",
        ),
        ("high = { value = 42", "hihg = { value = 42", "intervals for low, intermediate, high only"),
        ("[bands]", "[bands", "correct it there"),
        ('[vocabularies]\n"LOINC" = "http://loinc.org"', "[vocabularies]", "'LOINC' is missing"),
        ("= { value = 2, unit", "= 2 #", "score.known_at_least needs the unit {predictors}"),
        ("[codes]", "[codes]\nfev1 = 1", "correct it there"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, before, after, message):
    text = PATH.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        load_policy(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_policy_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"policy\.toml cannot be read \(No such file"):
        load_policy(tmp_path / "policy.toml")
