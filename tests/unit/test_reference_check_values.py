"""The numbers that rules 4 print hold in the independent implementation."""

import pytest

from tests.support.reference import score
from tests.support.reference.tables import load_model

JOINT = {
    "0000": 0.282585018661,
    "0001": 0.073576252394,
    "0010": 0.109240330281,
    "0011": 0.036865282303,
    "0100": 0.096405611362,
    "0101": 0.032608953965,
    "0110": 0.048021716735,
    "0111": 0.020696834300,
    "1000": 0.096405611362,
    "1001": 0.032608953965,
    "1010": 0.048021716735,
    "1011": 0.020696834300,
    "1100": 0.042475326103,
    "1101": 0.018334272190,
    "1110": 0.026844668762,
    "1111": 0.014612616584,
}
ESTIMATES = [
    ("0000", "2y", 0.124999),
    ("1000", "2y", 0.284565),
    ("1001", "2y", 0.568189),
    ("1101", "2y", 0.878271),
    ("0111", "2y", 0.878271),
    ("1111", "2y", 0.994914),
    ("0?01", "2y", 0.371665),
    ("0??1", "2y", 0.479942),
    ("0000", "1y", 0.059769),
]
RANGES = [
    ("1001", "2y", 0.306629, 0.854242),
    ("0?01", "2y", 0.157633, 0.755272),
    ("0??1", "2y", 0.173759, 0.926119),
    ("0000", "1y", 0.030409, 0.115732),
]
TOLERANCE = 6e-7


@pytest.fixture
def model():
    return load_model()[0]


def test_the_joint_table_is_that_of_the_rules(model):
    assert model["joint"] == pytest.approx(JOINT, abs=1e-12)
    assert sum(model["joint"].values()) == pytest.approx(1, abs=1e-9)


def test_the_coefficients_are_those_of_the_rules(model):
    assert model["log_hazard_ratios"] == [0.9194] * 4
    assert model["baseline_cumulative_hazard"] == {"1y": 0.06163, "2y": 0.13353, "3y": 0.20988}


@pytest.mark.parametrize(("pattern", "horizon", "expected"), ESTIMATES)
def test_the_estimate_is_the_printed_one(model, pattern, horizon, expected):
    assert score.rule_S3_estimate(model, pattern, horizon) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("pattern", "horizon", "low", "high"), RANGES)
def test_the_plausible_range_is_the_printed_one(model, pattern, horizon, low, high):
    ends = [score.rule_S3_quantile(model, pattern, horizon, p) for p in (0.05, 0.95)]
    assert ends == pytest.approx([low, high], abs=TOLERANCE)


def test_a_known_pattern_has_the_closed_form_of_the_range(model):
    mean, deviation = score.rule_S2_normal(model, "1001", "2y")
    closed = 1 - score.exp(-score.exp(mean - 1.6448536269514722 * deviation))
    assert score.rule_S3_quantile(model, "1001", "2y", 0.05) == pytest.approx(closed, abs=1e-12)


def test_the_lowest_and_highest_estimate_lie_over_the_unknowns(model):
    assert score.rule_S3_ends(model, "0?01") == pytest.approx((0.2846, 0.5682), abs=5e-5)


def test_the_population_means_are_those_of_the_cells(model):
    means = [score.rule_S3_estimate(model, "????", horizon) for horizon in score.HORIZONS]
    assert means == pytest.approx([0.21514, 0.36949, 0.48156], abs=5e-6)
