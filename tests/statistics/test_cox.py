"""Cox's model: by hand, against lifelines, what it refuses, and what must not matter."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from models.training.errors import TrainingError
from models.training.statistics.cox import fit_cox, fit_many, fit_slopes, log_likelihoods
from models.training.statistics.resampling import draw_resamples
from tests.statistics.support import cohort


def test_two_people_at_risk_give_the_partial_likelihood_by_hand():
    x = np.array([[1.0], [0.0], [1.0], [0.0]])
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])
    fit = fit_cox(x, time, event)
    # one event of each kind: e/(2e+2) * 1/(e+2) is largest at e = exp(coef) = sqrt(2)
    assert fit.coef[0] == pytest.approx(np.log(2) / 2, abs=1e-9)
    assert fit.log_likelihood_null == pytest.approx(np.log(1 / 4 * 1 / 3))


def test_efron_and_breslow_share_out_two_tied_events_by_hand():
    x = np.array([[1.0], [0.0], [0.0], [1.0]])
    time, event = np.array([1.0, 1.0, 2.0, 3.0]), np.array([True, True, False, False])
    assert fit_cox(x, time, event).log_likelihood_null == pytest.approx(-np.log(4 * 3))
    assert fit_cox(x, time, event, ties="breslow").log_likelihood_null == pytest.approx(-np.log(4 * 4))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [True, False])
def test_coefficients_covariance_and_likelihood_are_those_of_lifelines(seed, ties):
    x, time, event = cohort(seed, ties=ties)
    frame = pd.DataFrame(x, columns=list("abc")).assign(time=time, event=event.astype(int))
    options = {"precision": 1e-10, "r_precision": 1e-14}
    theirs = CoxPHFitter().fit(frame, "time", "event", fit_options=options)
    ours = fit_cox(x, time, event)
    np.testing.assert_allclose(ours.coef, theirs.params_, atol=1e-6)
    np.testing.assert_allclose(ours.covariance, theirs.variance_matrix_, atol=1e-6)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood_, abs=1e-7)


def test_a_ridge_penalty_pulls_coefficients_towards_0_and_none_leaves_them():
    x, time, event = cohort(1)
    free, pulled = fit_cox(x, time, event), fit_cox(x, time, event, ridge=50.0)
    assert np.linalg.norm(pulled.coef) < np.linalg.norm(free.coef)
    assert pulled.log_likelihood < free.log_likelihood
    np.testing.assert_allclose(fit_cox(x, time, event, ridge=0.0).coef, free.coef)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, e: (x, np.zeros_like(e)), "no event"),
        (lambda x, e: (np.column_stack([x, np.full(len(x), 3.0)]), e), "column 4 is constant"),
        (lambda x, e: (np.column_stack([x, x[:, 0] * 2 - x[:, 1]]), e), "collinear"),
        (lambda x, e: (np.column_stack([x, e]), e), "separates|converge"),
    ],
    ids=["no-events", "constant", "collinear", "separation"],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(change, words):
    x, time, event = cohort(3)
    x, event = change(x, event)
    with pytest.raises(TrainingError, match=words):
        fit_cox(x, time, event)


def test_firth_gives_finite_coefficients_under_separation():
    x, time, _ = cohort(3, n=40)
    event = (x[:, 1] == 1) & (time < np.median(time))
    with pytest.raises(TrainingError):
        fit_cox(x[:, [1]], time, event)
    fit = fit_cox(x[:, [1]], time, event, firth=True)
    assert 0 < fit.coef[0] < 10


def test_the_order_of_rows_the_unit_of_time_and_the_origin_of_covariates_do_not_matter():
    x, time, event = cohort(4)
    fit, order = fit_cox(x, time, event), np.random.default_rng(0).permutation(len(x))
    for again in (
        fit_cox(x[order], time[order], event[order]),
        fit_cox(x, time * 365.25, event),
        fit_cox(x + np.array([5, -3, 100]), time, event),
    ):
        np.testing.assert_allclose(again.coef, fit.coef, atol=1e-9)
        np.testing.assert_allclose(again.covariance, fit.covariance, atol=1e-9)
        assert again.log_likelihood == pytest.approx(fit.log_likelihood)


def test_the_unit_of_a_covariate_scales_its_coefficient():
    x, time, event = cohort(5)
    np.testing.assert_allclose(
        fit_cox(x * [10, 1, 1], time, event).coef * [10, 1, 1], fit_cox(x, time, event).coef
    )


def test_a_row_of_ones_is_the_fit_itself_and_multiplicities_are_repeated_rows():
    x, time, event = cohort(6)
    counts = draw_resamples(len(x), 6, 1)
    counts[0] = 1
    many = fit_many(x, time, event, counts)
    for often, coef in zip(counts, many, strict=True):
        again = np.repeat(np.arange(len(x)), often)
        alone = fit_cox(x[again], time[again], event[again])
        np.testing.assert_allclose(coef, alone.coef, atol=1e-9)


def test_a_resample_does_not_depend_on_its_neighbours():
    x, time, event = cohort(7)
    counts = draw_resamples(len(x), 300, 2)
    many = fit_many(x, time, event, counts)
    np.testing.assert_allclose(many[200:], fit_many(x, time, event, counts[200:]), atol=1e-9)


def test_resamples_without_a_finite_fit_are_nan_and_the_others_are_not():
    x, time, event = cohort(8, n=60)
    counts = draw_resamples(60, 4, 3)
    counts[1] = counts[1] * ~event  # no event
    counts[2] = counts[2] * (x[:, 1] == 0)  # a column that does not vary
    found = fit_many(x, time, event, counts)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False]
    assert np.isfinite(found[[0, 3]]).all()


def test_likelihoods_of_resamples_are_those_of_the_repeated_rows():
    x, time, event = cohort(9)
    counts = draw_resamples(len(x), 3, 4)
    fitted, null = log_likelihoods(x, time, event, fit_many(x, time, event, counts), counts)
    for often, at_fit, at_none in zip(counts, fitted, null, strict=True):
        again = np.repeat(np.arange(len(x)), often)
        alone = fit_cox(x[again], time[again], event[again])
        assert at_fit == pytest.approx(alone.log_likelihood)
        assert at_none == pytest.approx(alone.log_likelihood_null)


def test_slopes_of_many_scores_are_those_of_one_at_a_time():
    x, time, event = cohort(10)
    scores = np.random.default_rng(1).normal(size=(3, 3)) @ x.T
    for score, slope in zip(scores, fit_slopes(scores, time, event), strict=True):
        assert slope == pytest.approx(fit_cox(score[:, None], time, event).coef[0], abs=1e-8)
