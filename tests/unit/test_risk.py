"""Rules 4: the estimate, its plausible range, unknown predictors, abstention, contributions, the next best test."""

import json
from dataclasses import replace
from functools import cache
from itertools import product
from math import exp, expm1, log, sqrt
from statistics import NormalDist

import pytest

from models import risk
from models.artefact import DecidingTest
from models.inputs import Predictor, State
from models.registry import Model, default_folder, load_model
from models.risk import Abstained, Scored

STATES = {"1": State.PRESENT, "0": State.ABSENT, "?": State.MISSING, "~": State.INDETERMINATE}


@cache
def model() -> Model:
    return load_model(default_folder())


HELPED = {"cardiac_involvement": "not assessed", "high_ana": "no ANA result", "high_drr": "no AST"}


def predictors(pattern, reason=""):
    """The predictors of a pattern in the model's order; "~" is indeterminate, "?" missing.

    `reason` is why refractory is not known, or whatever HELPED does not say.
    """
    states = (STATES[mark] for mark in pattern)
    names = zip(model().names, states, strict=True)
    return {n: Predictor(s, "" if s.known else HELPED.get(n, reason)) for n, s in names}


def scored(pattern, reason="no data") -> Scored:
    outcome = risk.score(model(), predictors(pattern, reason), {})
    assert isinstance(outcome, Scored)
    return outcome


def abstained(pattern, unread=(), reason="no data") -> Abstained:
    outcome = risk.score(model(), predictors(pattern, reason), dict(unread))
    assert isinstance(outcome, Abstained)
    return outcome


# S1 to S4: the check values of the rules


def test_the_predictors_stand_in_the_order_of_the_rules():
    assert model().names == ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")


@pytest.mark.parametrize(
    ("pattern", "horizon", "expected"),
    [
        ("0000", "1y", (0.059769, 0.030409, 0.115732)),
        ("0000", "2y", (0.124999,)),
        ("1000", "2y", (0.284565,)),
        ("1001", "2y", (0.568189, 0.306629, 0.854242)),
        ("1110", "2y", (0.878271,)),
        ("1101", "2y", (0.878271,)),
        ("1011", "2y", (0.878271,)),
        ("0111", "2y", (0.878271,)),
        ("1111", "2y", (0.994914,)),
        ("0?01", "2y", (0.371665, 0.157633, 0.755272)),
        ("0??1", "2y", (0.479942, 0.173759, 0.926119)),
    ],
)
def test_the_check_values_of_the_rules_are_met(pattern, horizon, expected):
    got = scored(pattern).risk[horizon]
    assert (got.estimate, got.low, got.high)[: len(expected)] == pytest.approx(expected, abs=1e-6)


def test_the_lowest_and_highest_estimate_are_reported_with_an_unknown_predictor():
    over = scored("0?01").range_over_unknowns
    assert set(over) == {"1y", "2y", "3y"}
    assert (over["2y"].lowest, over["2y"].highest) == pytest.approx((0.284565, 0.568189), abs=1e-6)


def test_without_an_unknown_predictor_there_is_no_range_over_unknowns():
    assert scored("0101").range_over_unknowns == {}


REFERENCE = {  # the reconstruction's own table: estimate, 5 % and 95 % points at 1, 2 and 3 years
    "0000": [(0.06, 0.03, 0.116), (0.125, 0.069, 0.222), (0.189, 0.104, 0.33)],
    "1000": [(0.143, 0.066, 0.296), (0.285, 0.143, 0.516), (0.409, 0.213, 0.685)],
    "0001": [(0.143, 0.067, 0.292), (0.285, 0.146, 0.508), (0.409, 0.218, 0.677)],
    "1010": [(0.321, 0.146, 0.615), (0.568, 0.3, 0.862), (0.733, 0.425, 0.957)],
    "1110": [(0.622, 0.309, 0.922), (0.878, 0.565, 0.995), (0.963, 0.725, 1.0)],
    "1111": [(0.913, 0.61, 0.998), (0.995, 0.88, 1.0), (1.0, 0.963, 1.0)],
}


@pytest.mark.parametrize("pattern", REFERENCE)
def test_every_risk_of_the_reconstruction_is_met_to_a_thousandth(pattern):
    got = [(e.estimate, e.low, e.high) for e in scored(pattern).risk.values()]
    for mine, theirs in zip(got, REFERENCE[pattern], strict=True):
        assert mine == pytest.approx(theirs, abs=0.001)


def test_every_golden_pair_is_met_far_below_its_tolerance():
    pairs = json.loads((default_folder() / "golden.json").read_text(encoding="utf-8"))["pairs"]
    assert len(pairs) == 28
    for pair in pairs:
        for horizon, want in pair["risk"].items():
            got = risk.estimate(model(), pair["pattern"], horizon)
            assert (got.estimate, got.low, got.high) == pytest.approx(tuple(want.values()), abs=1e-12)


def test_a_known_pattern_has_the_closed_form_of_the_normal_distribution():
    got, z = scored("1001").risk["2y"], 1.6448536269514722
    rows = (0, 3, 5)
    u = log(0.13353) + 2 * 0.9194
    width = z * sqrt(sum(model().covariance[i][j] for i in rows for j in rows))
    assert (got.low, got.high) == pytest.approx([-expm1(-exp(u - width)), -expm1(-exp(u + width))], abs=1e-14)


def test_indeterminate_and_missing_give_the_same_risk_and_neither_is_read_as_absent():
    assert scored("0~01").risk == scored("0?01").risk
    assert scored("0?01").risk["2y"].estimate > scored("0001").risk["2y"].estimate


@pytest.mark.parametrize("pattern", ["".join(p) for p in product("01?", repeat=4)])
def test_range_estimate_and_extremes_are_ordered_for_every_pattern_and_rise_with_time(pattern):
    estimates = [risk.estimate(model(), pattern, h) for h in model().horizons]
    ends = [risk.extremes(model(), pattern, h) for h in model().horizons]
    for got, end in zip(estimates, ends, strict=True):
        assert 0 < got.low < got.estimate < got.high < 1
        assert end.lowest - 1e-12 <= got.estimate <= end.highest + 1e-12
    assert [e.estimate for e in estimates] == sorted(e.estimate for e in estimates)


def test_the_probabilities_of_the_open_cells_sum_to_one_and_keep_the_proportions_of_the_joint_table():
    cells = risk.cells(model(), "0?01")
    assert list(cells) == ["0001", "0101"]
    assert sum(cells.values()) == pytest.approx(1, abs=1e-15)
    assert cells["0001"] / cells["0101"] == pytest.approx(0.073576252394 / 0.032608953965, rel=1e-12)


@pytest.mark.parametrize("probability", [0.001, 0.05, 0.5, 0.9, 0.999])
def test_a_quantile_of_well_separated_parts_is_found_where_the_density_between_them_vanishes(probability):
    parts = [(0.3, NormalDist(0, 0.001)), (0.7, NormalDist(3, 0.001))]
    point = risk.quantile(parts, probability)
    assert sum(w * u.cdf(point) for w, u in parts) == pytest.approx(probability, abs=1e-9)


def test_the_same_question_gives_the_same_answer_to_the_last_bit():
    assert scored("0??1") == scored("0??1")


# S5: abstention


def test_two_known_predictors_are_enough_and_one_is_not():
    assert scored("0??1").present == 1
    outcome = abstained("???1")
    assert outcome.code == "too-few-predictors"
    assert outcome.reason == "1 of 4 predictors known, at least 2 are needed"


def test_what_would_help_is_named_with_its_loinc():
    assert abstained("???1", reason="no CK on treatment").needs == (
        "cardiac assessment (LOINC 89579-7)",
        "ANA titre (LOINC 5048-4)",
        "response to treatment (LOINC 2157-6)",
    )
    assert abstained("1???").needs[-1] == "AST/ALT ratio (LOINC 1920-8, 1742-6)"


def test_no_test_is_named_for_a_refractory_state_that_no_test_can_settle():
    assert abstained("???1", reason="treated < 90 days").needs == (
        "cardiac assessment (LOINC 89579-7)",
        "ANA titre (LOINC 5048-4)",
    )


def test_an_unread_source_gives_no_number_and_is_named():
    outcome = abstained("0101", {"enzymes": "timed out", "ana": "HTTP 503"})
    assert outcome.code == "record-incomplete"
    assert outcome.reason == "could not be read: enzymes (timed out), ana (HTTP 503)"
    assert outcome.needs == ("enzymes", "ana")
    assert outcome.next_best_test is None


def test_an_unread_source_wins_over_too_few_predictors_and_no_test_is_offered():
    outcome = abstained("???1", {"enzymes": "timed out"})
    assert outcome.code == "record-incomplete"
    assert outcome.next_best_test is None


# S7: contributions


def test_only_present_predictors_contribute_each_with_its_hazard_ratio_and_the_risk_without_it():
    contributions = scored("0?01").contributions
    assert list(contributions) == ["high_drr"]
    assert contributions["high_drr"].hazard_ratio == pytest.approx(2.507785, abs=1e-6)
    assert contributions["high_drr"].risk_2y_without == pytest.approx(0.1656, abs=1e-4)


def test_the_risk_without_a_predictor_is_the_risk_with_it_recorded_absent():
    got = scored("1?01")
    for name, other in (("cardiac_involvement", "0?01"), ("high_drr", "1?00")):
        assert got.contributions[name].risk_2y_without == scored(other).risk["2y"].estimate


# S8: the next best test


def test_all_known_needs_no_next_test():
    assert scored("0101").next_best_test is None


@pytest.mark.parametrize(
    ("pattern", "predictor", "orders"),
    [
        ("01?1", "treatment_refractory", ["2157-6"]),
        ("010?", "high_drr", ["1920-8", "1742-6"]),
        ("0?01", "high_ana", ["5048-4"]),
        ("?101", "cardiac_involvement", ["89579-7"]),
    ],
)
def test_a_single_unknown_predictor_is_the_next_best_test_with_its_orders(pattern, predictor, orders):
    test = scored(pattern, reason="no CK since escalation").next_best_test
    assert test.predictor == predictor
    assert [orderable.code.code for orderable in test.orders] == orders


def test_the_smallest_expected_width_wins_over_the_order_of_ties():
    assert risk.expected_width(model(), "11??", "treatment_refractory") == pytest.approx(0.23166, abs=1e-5)
    assert risk.expected_width(model(), "11??", "high_drr") == pytest.approx(0.24776, abs=1e-5)
    assert scored("11??", reason="CK not decided").next_best_test.predictor == "treatment_refractory"


def test_what_does_not_compete_leaves_the_place_to_the_next():
    assert scored("11??", reason="CK still raised").next_best_test.predictor == "high_drr"


def test_the_expected_width_is_the_mean_over_the_answers_of_what_stays_open():
    no = risk.extremes(model(), "00?1", "2y")
    yes = risk.extremes(model(), "10?1", "2y")
    cells = risk.cells(model(), "?0?1")
    share = cells["1001"] + cells["1011"]
    by_hand = (1 - share) * (no.highest - no.lowest) + share * (yes.highest - yes.lowest)
    assert risk.expected_width(model(), "?0?1", "cardiac_involvement") == pytest.approx(by_hand, abs=1e-14)


def test_after_the_only_unknown_predictor_becomes_known_no_width_is_left():
    assert risk.expected_width(model(), "0?01", "high_ana") == 0


def test_equal_widths_are_decided_by_the_order_of_the_policy():
    widths = [risk.expected_width(model(), "??01", n) for n in ("high_ana", "cardiac_involvement")]
    assert round(widths[0], 9) == round(widths[1], 9)
    assert scored("??01").next_best_test.predictor == "high_ana"


@pytest.mark.parametrize(
    ("reason", "competes"),
    [
        ("no CK since escalation", True),
        ("no CK on treatment", True),
        ("latest CK > 180 days old", True),
        ("CK not decided", True),
        ("CK still raised", False),
        ("treated < 180 days", False),
        ("treated < 90 days", False),
        ("no medication data", False),
    ],
)
def test_treatment_refractory_competes_only_where_a_ck_would_answer_it(reason, competes):
    assert (scored("01?1", reason).next_best_test is not None) == competes


@pytest.mark.parametrize(
    ("name", "reason", "competes"),
    [
        ("high_drr", "no ALT", True),
        ("high_drr", "no ALT today", False),
        ("high_drr", "not the same day", True),
        ("high_drr", "no pair within 5 years", True),
        ("high_drr", "unit", True),
        ("high_drr", "a newer result could not be read", True),
        ("high_drr", "ALT < 5 U/L", False),
        ("high_drr", "no pair from active disease", False),
        ("high_drr", "AST and ALT may not come from muscle: liver disease", False),
        ("high_ana", "a result could not be read", True),
        ("high_ana", "not read", False),
        ("cardiac_involvement", "last troponin I on 2024-11-03, over 365 days ago", True),
        ("cardiac_involvement", "last seen today", False),
        ("cardiac_involvement", "troponin T raised", False),
        ("cardiac_involvement", "troponin T raised, may come from skeletal muscle: troponin I decides", True),
        ("cardiac_involvement", "a newer result could not be read", True),
        ("cardiac_involvement", "a diagnosis could not be read", False),
        ("cardiac_involvement", "an older ejection fraction could not be read", False),
        ("cardiac_involvement", "pre-existing", False),
        ("treatment_refractory", "a newer CK could not be read", True),
        ("treatment_refractory", "an agent could not be read", False),
        ("treatment_refractory", "not read", False),
    ],
)
def test_a_test_competes_only_where_it_would_answer_the_reason(name, reason, competes):
    assert model().policy.tests[name].helps(reason) is competes


def test_no_sign_in_a_reason_but_the_dots_stands_for_anything():
    asked = DecidingTest("a test", (), ("why [a-z]? *", "as of …"))
    assert [asked.helps(r) for r in ("why [a-z]? *", "why a?", "why [a-z]? yes", "as of 2026", "as")] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_the_next_best_test_is_given_on_abstention():
    assert abstained("???1").next_best_test.predictor in {"high_ana", "cardiac_involvement"}


# A model of another hospital


def test_a_protective_predictor_still_gives_ordered_extremes():
    other = replace(model(), log_hazard_ratios=(-0.5, 0.9194, 0.9194, 0.9194))
    ends = risk.extremes(other, "?001", "2y")
    assert ends.lowest < ends.highest


def test_the_known_pattern_is_kept_for_the_reader():
    assert scored("1~01").pattern == "1?01"
    assert scored("1~01").unknown == ("high_ana",)
    assert scored("1~01").present == 2


def test_what_was_computed_of_a_pattern_is_kept_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(risk, "_COMPUTED_AT_MOST", 2)
    fresh = replace(model())
    assert fresh.computed == {}
    kept, also, beyond = (
        risk.estimate(fresh, pattern, risk.DECISION_HORIZON) for pattern in ("1111", "1?11", "0000")
    )
    assert len(fresh.computed) == 2
    assert [risk.estimate(fresh, p, risk.DECISION_HORIZON) for p in ("1111", "1?11", "0000")] == [
        kept,
        also,
        beyond,
    ]
    assert risk.estimate(fresh, "1111", risk.DECISION_HORIZON) is kept
    assert risk.estimate(fresh, "0000", risk.DECISION_HORIZON) is not beyond
