"""Discrimination, accuracy, calibration and benefit."""

import numpy as np
import pytest
from lifelines.utils import concordance_index

from models.training.statistics.accuracy import brier_at
from models.training.statistics.baseline import baseline
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import (
    KNOTS,
    calibration_at,
    calibration_slope,
    restricted_cubic,
)
from models.training.statistics.cox import fit_cox
from models.training.statistics.discrimination import Pairs, auc_at, harrell_c, uno_c
from models.training.statistics.resampling import draw_resamples
from tests.statistics.support import cohort, competing

TIME, EVENT = np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True])
NEVER_LOST = np.ones(4, dtype=bool)


def fitted(seed: int, t: float):
    x, time, event = cohort(seed)
    fit = fit_cox(x, time, event)
    base = baseline(fit.coef, fit.covariance, x, time, event)
    return time, event, x @ fit.coef, 1 - base.survival(x, np.array([t]))[:, 0]


def test_pairs_are_counted_by_hand_with_ties_one_half():
    # usable: 1-2, 1-3, 1-4, 2-3 (an event before a censoring at one time), 2-4
    assert harrell_c(TIME, EVENT, np.array([4.0, 1, 3, 1])).value == pytest.approx((3 + 0 + 0.5) / 5)
    assert harrell_c(TIME, EVENT, np.array([4.0, 3, 2, 1])).value == 1
    assert np.isnan(harrell_c(TIME, ~NEVER_LOST, TIME).value)


def test_scores_that_differ_by_rounding_tie():
    assert harrell_c(np.array([1.0, 2.0]), np.array([True, True]), np.array([0.3, 0.1 + 0.2])).value == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_harrell_s_c_is_that_of_lifelines(seed):
    x, time, event = cohort(seed)
    score = np.round(x @ [0.8, 0.6, 0.4], 10)
    assert harrell_c(time, event, score).value == pytest.approx(concordance_index(time, -score, event))


def test_uno_s_c_without_censoring_is_harrell_s_and_tau_cuts_the_later_pairs():
    score = np.array([4.0, 1, 3, 2])
    time = np.arange(1.0, 5.0)
    assert uno_c(time, NEVER_LOST, score).value == pytest.approx(harrell_c(time, NEVER_LOST, score).value)
    assert uno_c(time, NEVER_LOST, score, tau=1.5).value == 1


def test_many_scores_and_resamples_give_the_c_of_the_repeated_rows():
    x, time, event = cohort(4, n=70)
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(5, 3)) @ x.T, 1)  # with many ties
    counts = draw_resamples(70, 5, 1)
    pairs = Pairs(time, event)
    inside, outside = pairs.concordance(scores, counts), pairs.concordance(scores)
    for score, often, within, original in zip(scores, counts, inside, outside, strict=True):
        again = np.repeat(np.arange(70), often)
        apart = score[again]
        assert original == pytest.approx(harrell_c(time, event, score).value)
        assert within == pytest.approx(harrell_c(time[again], event[again], apart).value)


def test_c_is_nan_without_pairs_and_for_scores_that_are():
    pairs = Pairs(TIME, EVENT)
    assert np.isnan(pairs.concordance(np.ones((1, 4)), np.array([[0, 0, 0, 5]])))[0]
    assert np.isnan(pairs.concordance(np.array([[1, np.nan, 2, 3]])))[0]


def test_the_order_of_rows_and_a_monotone_change_of_score_do_not_matter():
    time, event, score, risk = fitted(5, 8.0)
    order = np.random.default_rng(0).permutation(len(time))
    for measure in (harrell_c, uno_c, lambda *a: auc_at(*a, 8.0)):
        first = measure(time, event, score)
        assert measure(time[order], event[order], score[order]).value == pytest.approx(first.value)
        assert measure(time, event, risk).se == pytest.approx(first.se)


def test_the_auc_without_censoring_is_the_share_of_ordered_pairs():
    time = np.arange(1.0, 5.0)
    score = np.array([4.0, 2, 3, 2])
    assert auc_at(time, NEVER_LOST, score, 2.0).value == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert auc_at(time, NEVER_LOST, score, 2.0, strictly_before=True).value == 1
    assert np.isnan(auc_at(time, NEVER_LOST, score, 0.5).value)


def test_controls_of_the_auc_may_include_who_had_another_event():
    time, status = np.arange(1.0, 5.0), np.array([1, 2, 1, 1])
    score = np.array([2.0, 3, 1, 1])
    assert auc_at(time, status, score, 2.5).value == 1
    assert auc_at(time, status, score, 2.5, controls_event_free=False).value == pytest.approx(2 / 3)


def test_the_brier_score_without_censoring_is_the_mean_square():
    time, risk = np.arange(1.0, 5.0), np.array([0.9, 0.6, 0.4, 0.2])
    found = brier_at(time, NEVER_LOST, risk, 2.0)
    assert found.value == pytest.approx((0.1**2 + 0.4**2 + 0.4**2 + 0.2**2) / 4)
    assert found.null == pytest.approx(0.25)
    assert found.ipa == pytest.approx(1 - found.value / 0.25)


def test_censoring_weights_make_up_for_who_was_lost():
    # lost at 1: of the three others each stands for 4/3
    time, event = np.array([1.0, 2, 3, 4]), np.array([False, True, True, True])
    risk = np.array([0.5, 0.9, 0.4, 0.2])
    assert brier_at(time, event, risk, 2.0).value == pytest.approx((0.1**2 + 0.4**2 + 0.2**2) / 3)


def test_a_model_is_calibrated_in_its_own_data():
    time, event, score, risk = fitted(6, 8.0)
    assert calibration_slope(time, event, score).value == pytest.approx(1, abs=1e-8)
    curve = calibration_at(time, event, risk, -np.log1p(-risk), 8.0)
    assert 0 <= curve.e50 <= curve.e90 <= curve.emax < 0.2
    assert curve.ici == pytest.approx(np.abs(curve.observed - risk).mean())


def test_hazards_stand_in_for_a_risk_that_rounds_to_1():
    time, event, _, risk = fitted(8, 8.0)
    hazard = -np.log1p(-risk)
    risk[0], hazard[0] = 1.0, 40.0
    assert np.isfinite(calibration_at(time, event, risk, hazard, 8.0).ici)


def test_the_spline_is_a_line_beyond_its_outer_knots_and_without_knots_the_column_alone():
    x = np.linspace(0, 10, 101)
    curved = restricted_cubic(x, np.quantile(x, KNOTS))[:, 1]
    np.testing.assert_allclose(curved[x <= 1], 0)
    np.testing.assert_allclose(np.diff(curved[x >= 9.05], 2), 0, atol=1e-12)
    two = (x > 5).astype(float)
    assert restricted_cubic(two, np.quantile(two, KNOTS)).shape == (101, 1)


def test_net_benefit_by_hand():
    time, risk = np.arange(1.0, 5.0), np.array([0.9, 0.6, 0.4, 0.2])
    found = net_benefit(time, NEVER_LOST, risk, 2.0, np.array([0.25, 0.5, 0.95]))
    np.testing.assert_allclose(found.model, [0.5 - 0.25 / 3, 0.5, 0])
    np.testing.assert_allclose(found.treat_all, [0.5 - 0.5 / 3, 0, 0.5 - 0.5 * 19])
    assert found.unfollowed.tolist() == [False, False, True]


def test_a_positive_group_that_was_not_followed_to_the_horizon_is_flagged():
    time, event = np.array([1.0, 2, 5, 6]), np.array([True, False, True, False])
    found = net_benefit(time, event, np.array([0.8, 0.8, 0.1, 0.1]), 4.0, np.array([0.5]))
    assert found.unfollowed[0]
    assert found.model[0] == 0


def test_standard_errors_are_those_of_repeated_sampling():
    time, event, _, _ = fitted(9, 8.0)
    _, _, status = competing(9)
    assert status.max() == 2
    x, _, _ = cohort(9)
    score = x @ [0.8, 0.6, 0.4]
    drawn = []
    for often in draw_resamples(len(time), 300, 2):
        again = np.repeat(np.arange(len(time)), often)
        drawn.append(
            (
                harrell_c(time[again], event[again], score[again]).value,
                auc_at(time[again], event[again], score[again], 8.0).value,
            )
        )
    expected = harrell_c(time, event, score).se, auc_at(time, event, score, 8.0).se
    np.testing.assert_allclose(np.std(drawn, axis=0), expected, rtol=0.25)
