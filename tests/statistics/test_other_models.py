"""Proportional hazards, competing events, logistic models, sample size."""

import numpy as np
import pytest

from models.training.errors import TrainingError
from models.training.fitting.sample_size import sample_size
from models.training.statistics.competing.fine_gray import fine_gray
from models.training.statistics.cox import fit_cox
from models.training.statistics.proportionality import score_test
from models.training.statistics.survival import aalen_johansen
from tests.statistics.competing import cause_specific
from tests.statistics.logistic import (
    case_control_pairs,
    fit_logistic,
    fit_logistic_many,
    flic,
    logistic_accuracy,
    nagelkerke,
)
from tests.statistics.support import cohort, competing


def test_the_score_test_of_one_column_is_its_global_test():
    x, time, event = cohort(1)
    test = score_test(x[:, :1], time, event, fit_cox(x[:, :1], time, event))
    assert test.chi_square[0] == pytest.approx(test.chi_square_global)
    assert test.p[0] == pytest.approx(test.p_global)


def test_the_score_test_finds_an_effect_that_fades_and_rejects_by_chance_at_its_level():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (400, 1)).astype(float)
    early = rng.exponential(np.where(x[:, 0] == 1, 0.3, 3.0))
    time = np.where(early < 0.5, early, 0.5 + rng.exponential(np.where(x[:, 0] == 1, 3.0, 0.6)))
    event = np.ones(400, dtype=bool)
    assert score_test(x, time, event, fit_cox(x, time, event)).p[0] < 1e-6
    found = []
    for seed in range(120):
        z, moment, seen = cohort(seed, n=80, p=2)
        found.append(score_test(z, moment, seen, fit_cox(z, moment, seen)).p_global < 0.1)
    assert 0.03 < np.mean(found) < 0.2


def test_the_score_test_does_not_depend_on_units_or_order():
    x, time, event = cohort(2)
    test = score_test(x, time, event, fit_cox(x, time, event))
    order = np.random.default_rng(0).permutation(len(x))
    moved = x[order] * [3, 1, 1] + np.array([10, 0, 0])
    again = score_test(moved, time[order] * 7, event[order], fit_cox(moved, time[order] * 7, event[order]))
    np.testing.assert_allclose(again.chi_square, test.chi_square)
    assert again.chi_square_global == pytest.approx(test.chi_square_global)


def test_absolute_risk_without_covariates_is_aalen_johansen_s():
    x, time, status = competing(3)
    models = cause_specific(x, time, status, without_covariates=[1, 2], ties="breslow")
    t = np.array([0.5, 3.0, 8.0, time.max() + 1])
    for cause in (1, 2):
        risk = models.absolute_risk(x[:2], t, cause)
        np.testing.assert_allclose(risk[0], aalen_johansen(time, status, cause).at(t), atol=1e-12)
        np.testing.assert_allclose(risk[0], risk[1])
    assert np.isnan(risk[:, 3]).all()


def test_absolute_risks_of_all_causes_stay_below_1_and_rise():
    x, time, status = competing(4)
    models = cause_specific(x, time, status)
    t = np.linspace(0, time.max(), 20)
    first, second = models.absolute_risk(x, t), models.absolute_risk(x, t, 2)
    assert (np.diff(first, axis=1) >= 0).all()
    assert (first + second <= 1 + 1e-12).all()


def test_without_competing_events_fine_and_gray_is_cox_by_breslow():
    x, time, event = cohort(5)
    found = fine_gray(x, time, event.astype(int))
    np.testing.assert_allclose(found.coef, fit_cox(x, time, event, ties="breslow").coef, atol=1e-8)


def test_without_censoring_a_competing_event_stays_at_risk_for_ever():
    x, time, status = competing(6)
    status = np.where(status == 0, 1, status)
    stays = np.where(status == 2, time.max() + 1, time)
    expected = fit_cox(x, stays, status == 1, ties="breslow").coef
    np.testing.assert_allclose(fine_gray(x, time, status).coef, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, s: (x, np.where(s == 1, 0, s)), "no event of the first cause"),
        (lambda x, s: (x * [1, 0, 1], s), "column 2 is constant"),
        (lambda x, s: (np.column_stack([x, x[:, 0]]), s), "converge"),
    ],
    ids=["no-events", "constant", "collinear"],
)
def test_what_fine_and_gray_cannot_fit_is_refused(change, words):
    x, time, status = competing(7)
    x, status = change(x, status)
    with pytest.raises(TrainingError, match=words):
        fine_gray(x, time, status)


def outcomes(seed: int, n: int = 120):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(50, 10, n), rng.integers(0, 2, n)]).astype(float)
    return x, rng.random(n) < 1 / (1 + np.exp(-(0.08 * (x[:, 0] - 50) + x[:, 1] - 0.5)))


def test_a_two_by_two_table_gives_its_log_odds_ratio():
    x = np.repeat([1.0, 1, 0, 0], [12, 8, 5, 15])[:, None]
    y = np.repeat([True, False, True, False], [12, 8, 5, 15])
    fit = fit_logistic(x, y)
    np.testing.assert_allclose(fit.coef, [np.log(5 / 15), np.log(12 * 15 / (8 * 5))], atol=1e-9)
    assert fit.covariance[1, 1] == pytest.approx(1 / 12 + 1 / 8 + 1 / 5 + 1 / 15)


def test_firth_adds_one_half_to_each_cell_of_a_two_by_two_table():
    x = np.repeat([1.0, 0, 0], [10, 5, 15])[:, None]
    y = np.repeat([True, True, False], [10, 5, 15])  # nobody exposed is without the outcome
    with pytest.raises(TrainingError, match="separates"):
        fit_logistic(x, y)
    fit = fit_logistic(x, y, firth=True)
    assert fit.coef[1] == pytest.approx(np.log(10.5 / 0.5 * 15.5 / 5.5), abs=1e-8)
    assert np.isfinite(fit.lower).all()
    assert fit.lower[1] > 0


def test_profile_limits_lie_where_the_likelihood_has_fallen_by_its_quantile():
    x, y = outcomes(1)
    fit = fit_logistic(x, y)
    assert (fit.lower < fit.coef).all()
    assert (fit.coef < fit.upper).all()
    wald = 1.96 * np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(fit.upper - fit.coef, wald, rtol=0.2)
    narrower = fit_logistic(x, y, level=0.5)
    assert (narrower.upper < fit.upper).all()


def test_flic_makes_the_mean_risk_the_observed_share_and_keeps_the_slopes():
    x, y = outcomes(2, n=40)
    fit = fit_logistic(x, y, firth=True)
    coef = flic(x, y, fit)
    assert coef[1:].tolist() == fit.coef[1:].tolist()
    assert (1 / (1 + np.exp(-(coef[0] + x @ coef[1:])))).mean() == pytest.approx(y.mean())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x, np.ones_like(y)), "same for everybody"),
        (lambda x, y: (x * [1, 0], y), "column 2 is constant"),
        (lambda x, y: (np.column_stack([x, x[:, 0] + x[:, 1]]), y), "collinear"),
        (lambda x, y: (np.column_stack([x, y]), y), "separates"),
    ],
    ids=["one-outcome", "constant", "collinear", "separation"],
)
def test_what_a_logistic_model_cannot_fit_is_refused(change, words):
    x, y = change(*outcomes(3))
    with pytest.raises(TrainingError, match=words):
        fit_logistic(x, y)


def test_many_logistic_fits_are_those_of_the_repeated_rows_and_separated_ones_are_nan():
    x, y = outcomes(4)
    counts = np.random.default_rng(0).multinomial(len(y), np.full(len(y), 1 / len(y)), size=4)
    counts[3] *= y == (x[:, 1] == 1)  # only who fits the second column
    found = fit_logistic_many(x, y, counts)
    for often, coef in zip(counts[:3], found, strict=False):
        again = np.repeat(np.arange(len(y)), often)
        np.testing.assert_allclose(coef, fit_logistic(x[again], y[again]).coef, atol=1e-7)
    assert np.isnan(found[3]).all()


def test_accuracy_of_a_perfect_ranking_and_of_none():
    y = np.array([True, True, False, False])
    found = logistic_accuracy(np.array([3.0, 2.0, -1.0, -2.0]), y)
    assert found.c == found.c_lrm == 1
    assert found.g == pytest.approx(np.mean([1, 4, 5, 3, 4, 1]))
    assert logistic_accuracy(np.zeros(4), y).c == 0.5
    assert logistic_accuracy(np.zeros(4), y).brier == 0.25
    assert nagelkerke(np.zeros((1, 4)), y, np.ones((1, 4)))[0] == pytest.approx(0)
    assert case_control_pairs(y).concordance(np.array([[1.0, 0, 0, 0]]))[0] == pytest.approx(0.75)


def test_lrm_s_c_ties_risks_of_one_interval():
    y = np.array([True, False])
    found = logistic_accuracy(np.array([1e-5, 0.0]), y)
    assert (found.c, found.c_lrm) == (1, 0.5)


def test_sample_sizes_are_those_of_pmsampsize():
    plan = {"rate": 0.065, "horizon": 2.0, "follow_up": 2.07}
    found = sample_size(0.051, 25, **plan)
    assert (found.shrinkage, found.optimism, found.n) == (4286, 866, 4286)
    assert found.events_per_parameter == pytest.approx(23.07, abs=0.01)
    assert found.precision < found.n
    assert found.margin < 0.05


def test_an_r_squared_that_the_event_rate_does_not_allow_is_refused():
    for r_squared in (0.0, 0.95):
        with pytest.raises(TrainingError, match="must lie between 0 and"):
            sample_size(r_squared, 4, rate=0.15, horizon=2.0, follow_up=3.0)
