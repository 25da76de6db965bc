"""The baseline hazard and survival with its limits."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from tests.statistics.r_only import survival_at
from tests.statistics.support import cohort


def test_without_an_effect_the_hazard_is_events_over_people_at_risk():
    x, time, event = (
        np.array([[0.0], [1.0], [0.0], [1.0]]),
        np.array([1.0, 2, 2, 3]),
        np.array([1, 1, 0, 1], bool),
    )
    base = baseline(np.zeros(1), np.zeros((1, 1)), x, time, event)
    np.testing.assert_allclose(
        base.cumulative(np.array([0.5, 1, 2.5, 3])), [0, 1 / 4, 1 / 4 + 1 / 3, 1 / 4 + 4 / 3]
    )
    np.testing.assert_allclose(base.variance, np.cumsum([1 / 16, 1 / 9, 1]))


def test_breslow_and_efron_differ_for_tied_events_as_by_hand():
    x, time, event = np.array([[0.0], [1.0], [0.0]]), np.array([1.0, 1, 2]), np.array([True, True, False])
    none = (np.zeros(1), np.zeros((1, 1)), x, time, event)
    assert baseline(*none).hazard[0] == pytest.approx(1 / 3 + 1 / 2)
    assert baseline(*none, ties="breslow").hazard[0] == pytest.approx(2 / 3)


def test_breslow_s_baseline_is_that_of_lifelines():
    x, time, event = cohort(1, ties=False)
    frame = pd.DataFrame(x, columns=list("abc")).assign(time=time, event=event.astype(int))
    theirs = CoxPHFitter().fit(frame, "time", "event", fit_options={"precision": 1e-10, "r_precision": 1e-14})
    fit = fit_cox(x, time, event)
    base = baseline(fit.coef, fit.covariance, x, time, event, ties="breslow")
    moments = np.array([5.0, 10.0])
    steps = theirs.predict_cumulative_hazard(pd.DataFrame(np.zeros((1, 3)), columns=list("abc")))[0]
    expected = [steps[steps.index <= t].iloc[-1] for t in moments]
    np.testing.assert_allclose(base.cumulative(moments), expected, atol=1e-8)


def test_survival_falls_lies_within_its_limits_and_ends_with_follow_up():
    x, time, event = cohort(2)
    fit = fit_cox(x, time, event)
    base = baseline(fit.coef, fit.covariance, x, time, event)
    curve = survival_at(base, x[:5], np.array([1.0, 5.0, 20.0, time.max() + 1]))
    assert (np.diff(curve.survival[:, :3], axis=1) <= 0).all()
    inside = curve.survival[:, 1:3]
    assert (curve.lower[:, 1:3] < inside).all()
    assert (inside < curve.upper[:, 1:3]).all()
    assert np.isnan(curve.survival[:, 3]).all()


def test_the_origin_of_covariates_does_not_change_a_person_s_survival():
    x, time, event = cohort(3)
    curves = []
    for shift in (0.0, 40.0):
        fit = fit_cox(x + shift, time, event)
        base = baseline(fit.coef, fit.covariance, x + shift, time, event)
        curves.append(survival_at(base, x[:4] + shift, np.array([5.0, 10.0])))
    np.testing.assert_allclose(curves[0].survival, curves[1].survival, atol=1e-9)
    np.testing.assert_allclose(curves[0].lower, curves[1].lower, atol=1e-9)
