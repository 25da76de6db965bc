"""The steps of recalibration: R's log-likelihoods, slopes and baselines; which step the closed test keeps; how sure it is."""

import csv
from functools import cache

import numpy as np
import pytest
from scipy.stats import chi2

from models.training.fitting.updating.recalibration import STEPS, Recalibration, recalibration
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox, score_and_information
from tests.statistics.datasets import DEFAULT
from tests.statistics.test_landmarks import columns, syn200
from tests.support.nightly import count

TOLERANCE = 1e-6
YEARS = np.array([1.0, 2.0, 3.0])
FIVE = ("size_20_50", "size_gt50", "nodes2", "nodes3", "grade3")
FOUR = ("cardiac", "ana_high", "refractory", "drr_high")


def of_file(name, names, time="time"):
    of = columns(name)
    return np.column_stack([of[column] for column in names]), of[time], of["event"] == 1


DATA = {
    "demo200": lambda: of_file("demo_reconstructed_200.csv", FOUR, "time_years"),
    "syn200": syn200,
    "rotterdam5": lambda: of_file("rotterdam5.csv", FIVE),
    "gbsg5": lambda: of_file("gbsg5.csv", FIVE),
}
PAIRS = (("demo200", "syn200"), ("rotterdam5", "gbsg5"))


@cache
def given(old):
    """The coefficients of a model, and its baseline at 1, 2 and 3 years."""
    x, time, event = DATA[old]()
    fit = fit_cox(x, time, event)
    return fit.coef, baseline(fit.coef, fit.covariance, x, time, event).cumulative(YEARS)


def compared(coef, hazard, x, time, event, allowed=STEPS) -> Recalibration:
    expected = np.interp(time, [0, *YEARS], [0, *hazard]) * np.exp(x @ coef)
    observed = int((event & (time <= 3)).sum())
    return recalibration(x, coef, time, event, observed, float(expected.sum()), allowed)


@cache
def found(old, new):
    return compared(*given(old), *DATA[new]())


def ours(row):
    old, new, step, at = row["developed_on"], row["dataset"], row["term"], int(row["at"])
    (coef, hazard), (x, time, event), of = given(old), DATA[new](), found(old, new)
    names = FOUR if old == "demo200" else FIVE
    level = of.observed * np.log(of.ratio) - of.observed
    values = {
        "given_coef": lambda: coef[names.index(step)],
        "given_cumhaz": lambda: hazard[at - 1],
        "observed": lambda: of.observed,
        "expected": lambda: of.expected,
        "log_ratio": lambda: np.log(of.ratio),
        "se_log_ratio": lambda: of.observed**-0.5,
        "chi_square_of_level": lambda: (
            2 * (of.log_likelihoods["in the large"] - of.log_likelihoods["nothing"])
        ),
        "loglik": lambda: of.log_likelihoods[step] - level,
        "slope": lambda: of.slope,
        "se_slope": lambda: np.sqrt(of.of_slope.covariance[0, 0]),
        "refit_coef": lambda: fit_cox(x, time, event).coef[names.index(step)],
        "chi_square_against_refit": lambda: of_step(of, step).chi_square,
        "p_against_refit": lambda: of_step(of, step).p,
        "cumhaz": lambda: baseline(
            served(of, step, coef, x, time, event), np.zeros((len(coef),) * 2), x, time, event
        ).cumulative(YEARS)[at - 1],
    }
    return values[row["quantity"]]()


def of_step(of, step):
    return next(test for test in of.tests if test.step == step)


def served(of, step, coef, x, time, event):
    if step == "refit":
        return fit_cox(x, time, event).coef
    return coef * (of.slope if step == "intercept and slope" else 1)


def numbers():
    with (DEFAULT / "recalibration.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_number_of_r_is_met():
    wrong = [(row, ours(row)) for row in numbers() if not abs(ours(row) - float(row["value"])) <= TOLERANCE]
    assert not wrong
    assert {(row["developed_on"], row["dataset"]) for row in numbers()} == set(PAIRS)


def test_the_degrees_of_freedom_are_those_of_r():
    for row in numbers():
        if row["quantity"] == "chi_square_against_refit":
            assert of_step(found(row["developed_on"], row["dataset"]), row["term"]).degrees == int(row["at"])


# The closed test


def fake(**log_likelihoods):
    """n, l, s, r: the log-likelihoods of the steps."""
    names = dict(zip(("n", "l", "s", "r"), STEPS, strict=True))
    of = {names[key]: value for key, value in log_likelihoods.items()}
    return Recalibration(50, 50.0, of, dict(zip(STEPS, (0, 1, 2, 5), strict=True)), None)


AT_LIMIT = {degrees: chi2.isf(0.05, degrees) / 2 for degrees in (1, 3, 4, 5)}


@pytest.mark.parametrize(
    ("of", "step"),
    [
        (fake(n=-AT_LIMIT[5] + 1e-9, l=-9, s=-9, r=0), "nothing"),
        (fake(n=-AT_LIMIT[5] - 1e-9, l=-AT_LIMIT[4] + 1e-9, s=0, r=0), "in the large"),
        (fake(n=-9, l=-AT_LIMIT[4] - 1e-9, s=-AT_LIMIT[3] + 1e-9, r=0), "intercept and slope"),
        (fake(n=-9, l=-9, s=-AT_LIMIT[3] - 1e-9, r=0), "refit"),
        (fake(n=-AT_LIMIT[1] + 1e-9, l=0), "nothing"),
        (fake(n=-AT_LIMIT[1] - 1e-9, l=0), "in the large"),
        (fake(n=-9, l=-AT_LIMIT[1] - 1e-9, s=0), "intercept and slope"),
    ],
)
def test_the_smallest_step_that_is_not_rejected_at_five_percent_is_kept(of, step):
    assert of.step == step


def test_only_steps_that_are_allowed_are_tested_and_the_slope_is_known_all_the_same():
    (coef, hazard), data = given("demo200"), DATA["syn200"]()
    few = compared(coef, hazard, *data, allowed=STEPS[:2])
    assert (few.largest, [test.step for test in few.tests]) == ("in the large", ["nothing"])
    assert few.tests[0].chi_square == pytest.approx(3.394469002916651, abs=1e-6)
    assert few.slope == found("demo200", "syn200").slope


def test_the_closed_test_keeps_a_right_model_in_ninety_five_of_a_hundred_cohorts():
    """The two likelihood ratios, of the level and of the linear predictor, add up to a chi-square of p + 1 degrees."""
    rng, kept, steps = np.random.default_rng(20261130), 0, count(100, 2000)
    coef, hazard = np.array([0.9, 0.6, 0.7, 0.9]), np.array([0.06, 0.12, 0.18])
    for _ in range(steps):
        x = (rng.random((400, 4)) < 0.35).astype(float)
        until = rng.uniform(1.0, 5.0, 400)
        drawn = -np.log(rng.random(400)) / (0.06 * np.exp(x @ coef))
        kept += compared(coef, hazard, x, np.minimum(drawn, until), drawn <= until).step == "nothing"
    spread = 3 * np.sqrt(0.05 * 0.95 / steps)
    assert abs(kept / steps - 0.95) < spread


@pytest.mark.parametrize(
    ("ratio", "spread", "step"),
    [(2.0, 1.0, "in the large"), (1.0, 0.4, "intercept and slope"), (2.5, 0.4, "intercept and slope")],
)
def test_what_is_wrong_is_what_is_changed(ratio, spread, step):
    rng, steps = np.random.default_rng(7), []
    coef, hazard = np.array([0.9, 0.6, 0.7, 0.9]), np.array([0.06, 0.12, 0.18])
    for _ in range(20):
        x = (rng.random((600, 4)) < 0.35).astype(float)
        until = rng.uniform(1.0, 5.0, 600)
        drawn = -np.log(rng.random(600)) / (0.06 * ratio * np.exp(spread * (x @ coef)))
        steps.append(compared(coef, hazard, x, np.minimum(drawn, until), drawn <= until).step)
    assert steps.count(step) >= 16


def test_other_effects_ask_for_a_refit():
    x, time, event = DATA["syn200"]()
    assert compared(np.array([0.0, 0.0, 0.0, 0.9]), np.array([0.1, 0.2, 0.3]), x, time, event).step == "refit"


# Its numbers


def test_the_limits_of_observed_over_expected_are_exact():
    of = Recalibration(10, 5.0, {}, {}, None)
    low, high = of.ratio_limits
    assert (of.ratio, round(low * 5, 3), round(high * 5, 3)) == (2.0, 4.795, 18.39)  # Garwood's limits of 10
    assert Recalibration(0, 5.0, {}, {}, None).ratio_limits[0] == 0


def test_patients_who_all_have_the_same_risk_can_be_recalibrated_in_the_large_alone():
    x, time, event = DATA["syn200"]()
    of = compared(np.array([0.0, 0.0, 0.0, 0.0]), np.array([0.1, 0.2, 0.3]), x, time, event)
    assert (tuple(of.log_likelihoods), of.slope, of.slope_limits) == (STEPS[:2], None, None)


def test_score_and_information_are_the_derivatives_of_the_log_likelihood():
    x, time, event = DATA["syn200"]()
    fit = fit_cox(x, time, event)
    score, information = score_and_information(x, time, event, fit.coef)
    np.testing.assert_allclose(score, 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.inv(information), fit.covariance, rtol=1e-8)
    wider = np.column_stack([x, np.ones(len(x))])
    score, information = score_and_information(wider, time, event, np.append(0.7 * fit.coef, 0.3))
    assert score[4] == 0
    assert not information[4].any()
    np.testing.assert_allclose(
        information[:4, :4] @ (0.3 * fit.coef), score[:4], rtol=0.15, atol=1.5
    )  # Newton's step from 0.7 b leads near b
