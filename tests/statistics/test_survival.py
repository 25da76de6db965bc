"""Kaplan-Meier, the censoring, log-rank and Aalen-Johansen, by hand and against lifelines."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from models.training.errors import TrainingError
from models.training.statistics.survival import aalen_johansen, censoring, kaplan_meier, log_rank
from tests.statistics.support import cohort, competing

TIME, EVENT = np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False, True])


def test_kaplan_meier_by_hand():
    curve = kaplan_meier(TIME, EVENT)
    np.testing.assert_allclose(curve.at(np.array([0.5, 1, 1.9, 2, 3.5, 4])), [1, 0.8, 0.8, 0.6, 0.6, 0])
    assert np.isnan(curve.at(np.array([4.5]))[0])
    assert curve.log_variance[1] == pytest.approx(1 / (5 * 4) + 1 / (4 * 3))


def test_limits_are_none_where_nothing_has_happened_or_all():
    lower, upper = kaplan_meier(TIME, EVENT).limits(np.array([0.5, 2, 4]))
    assert np.isnan(lower[[0, 2]]).all()
    assert 0 < lower[1] < 0.6 < upper[1] < 1


@pytest.mark.parametrize(("share", "first"), [(0.75, 6), (0.5, 12), (0.25, 18)])
def test_a_share_that_is_reached_exactly_is_reached_whatever_the_rounding(share, first):
    # of 24 patients, one event at each time: after 12 of them half are left, in binary 0.5000000000000001
    assert kaplan_meier(np.arange(1.0, 25.0), np.ones(24, dtype=bool)).time_of(share) == first


def test_at_equal_times_events_precede_censorings():
    lost = censoring(TIME, EVENT)
    # at 2 one of the two has the event first, so three are at risk of being lost
    np.testing.assert_allclose(lost.before(np.array([2.0, 2.5, 3.5])), [1, 2 / 3, 2 / 3 * 1 / 2])
    np.testing.assert_allclose(lost.at(np.array([1.0, 2.0])), [1, 2 / 3])


@pytest.mark.parametrize("seed", range(3))
def test_kaplan_meier_with_limits_and_log_rank_are_those_of_lifelines(seed):
    x, time, event = cohort(seed)
    t = np.array([3.0, 8.0])
    theirs, ours = KaplanMeierFitter().fit(time, event), kaplan_meier(time, event)
    np.testing.assert_allclose(ours.at(t), theirs.survival_function_at_times(t))
    limits = theirs.confidence_interval_.loc[t].to_numpy()
    np.testing.assert_allclose(np.stack(ours.limits(t), axis=1), limits, atol=1e-9)
    group = (x[:, 1] + 2 * x[:, 2]).astype(int)
    test = log_rank(time, event, group)
    expected = multivariate_logrank_test(time, group, event)
    assert test.chi_square == pytest.approx(expected.test_statistic)
    assert test.p == pytest.approx(expected.p_value)
    assert test.degrees == 3


def test_cumulative_incidences_by_hand_add_up_with_survival_to_1():
    status = np.array([1, 2, 0, 1, 0])
    time = np.arange(1.0, 6.0)
    first, second = aalen_johansen(time, status, 1), aalen_johansen(time, status, 2)
    t = np.array([1.0, 4.0])
    np.testing.assert_allclose(first.at(t), [1 / 5, 1 / 5 + 3 / 5 / 2])
    np.testing.assert_allclose(first.at(t) + second.at(t) + kaplan_meier(time, status > 0).at(t), 1)


def test_without_another_cause_the_incidence_is_1_less_kaplan_meier_and_the_variance_greenwood_s():
    _, time, event = cohort(4)
    t = np.array([3.0, 8.0])
    curve, incidence = kaplan_meier(time, event), aalen_johansen(time, event.astype(int), 1)
    np.testing.assert_allclose(incidence.at(t), 1 - curve.at(t))
    greenwood = curve.at(t) * np.sqrt(curve.log_variance[np.searchsorted(curve.times, t)])
    np.testing.assert_allclose(incidence.standard_error(t), greenwood, rtol=1e-9)


def test_cumulative_incidence_is_that_of_lifelines():
    _, time, status = competing(5)
    time = time + np.random.default_rng(0).uniform(0, 0.5, len(time))  # lifelines would move ties by chance
    theirs = AalenJohansenFitter().fit(time, status, event_of_interest=1).cumulative_density_
    expected = [theirs[theirs.index <= t].iloc[-1, 0] for t in (3.0, 8.0)]
    np.testing.assert_allclose(aalen_johansen(time, status, 1).at(np.array([3.0, 8.0])), expected, atol=1e-9)


def test_nobody_and_a_single_group_are_refused():
    with pytest.raises(TrainingError, match="nobody"):
        kaplan_meier(np.array([]), np.array([], dtype=bool))
    with pytest.raises(TrainingError, match="two groups"):
        log_rank(TIME, EVENT, np.zeros(5, dtype=int))
