"""Imputation by chained equations, and its parts, each against what it is defined by."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from models.training.errors import TrainingError
from models.training.statistics.imputation import chained
from models.training.statistics.imputation.chained import impute, impute_many, nelson_aalen
from models.training.statistics.resampling import draw_resamples


def gaps(seed: int = 1, n: int = 200):
    """Two binary columns and a continuous one that go together, a quarter of each not known."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) + rng.normal(size=(n, 1))
    x = np.column_stack([z[:, 0] > 0.5, z[:, 1] > 0, z[:, 2]]).astype(float)
    time = rng.exponential(np.exp(-x @ [0.8, 0.6, 0.3])) + 0.01
    event = rng.random(n) < 0.6
    x[rng.random(x.shape) < 0.25] = np.nan
    return x, time, event


def test_what_is_known_stays_and_nothing_is_left_unknown():
    x, time, event = gaps()
    completed = impute(x, time, event, imputations=5, seed=1)
    known = ~np.isnan(x)
    assert completed.shape == (5, *x.shape)
    assert np.isfinite(completed).all()
    assert (completed[:, known] == x[known]).all()
    assert np.isin(completed[..., :2], (0, 1)).all()
    assert (completed[0] != completed[1])[~known].mean() > 0.2


def test_the_same_seed_gives_the_same_values_and_another_gives_others():
    first, same, other = (impute(*gaps(), imputations=3, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_each_resample_is_completed_from_its_own_patients_in_the_order_of_its_rows():
    x, time, event = gaps()
    counts = draw_resamples(len(x), 7, 2)
    completed = impute_many(x, time, event, counts, 3)
    for values, count in zip(completed, counts, strict=True):
        of = x[np.repeat(np.arange(len(x)), count)]
        assert (values[~np.isnan(of)] == of[~np.isnan(of)]).all()


def test_who_is_not_in_a_resample_says_nothing_in_it():
    x, time, event = gaps()
    counts = draw_resamples(len(x), 4, 2)
    counts[:, 0] += counts[:, 50:].sum(axis=1)
    counts[:, 50:] = 0
    other = x.copy()
    other[50:] = 1 - other[50:]
    of = (time, np.where(np.arange(len(x)) < 50, event, ~event), counts, 3)
    np.testing.assert_array_equal(impute_many(x, time, event, counts, 3), impute_many(other, *of))


def test_the_cumulative_hazard_is_that_of_the_repeated_rows():
    _, time, event = gaps()
    time = np.ceil(4 * time)
    counts = draw_resamples(len(time), 5, 2)
    for hazard, count in zip(nelson_aalen(time, event, counts), counts, strict=True):
        again = np.repeat(np.arange(len(time)), count)
        moments = np.unique(time[again][event[again]])
        steps = [((time[again] == t) & event[again]).sum() / (time[again] >= t).sum() for t in moments]
        expected = [sum(s for s, t in zip(steps, moments, strict=True) if t <= own) for own in time]
        np.testing.assert_allclose(hazard, expected, rtol=1e-12)


@pytest.mark.parametrize("separated", [False, True])
def test_the_logistic_fit_is_the_maximum_of_the_augmented_likelihood_also_under_separation(separated):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3, 4, 60))
    z[:, 3] = z[:, 3] > 0
    design = np.concatenate([np.ones((3, 1, 60)), z], axis=1)
    y = (z[:, 0] > 0).astype(float) if separated else (rng.random((3, 60)) < expit(z[:, 0])).astype(float)
    known = rng.random((3, 60)) < 0.7
    x, outcome, weight = chained._augmented(design, y, known)
    coef, information = chained._logistic(x, outcome, weight)
    for b in range(3):

        def loss(beta, b=b):
            score = beta @ x[b]
            return -(weight[b] * (outcome[b] * score - np.logaddexp(0, score))).sum()

        best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose(coef[b], best.x, atol=1e-4)
        risk = expit(best.x @ x[b])
        np.testing.assert_allclose(
            information[b], (x[b] * weight[b] * risk * (1 - risk)) @ x[b].T, rtol=1e-3, atol=1e-3
        )


def test_a_column_known_of_too_few_is_refused():
    x, time, event = gaps()
    x[9:, 1] = np.nan
    with pytest.raises(TrainingError, match="column 2 is known of"):
        impute(x, time, event, imputations=1, seed=1)


def test_a_column_that_does_not_vary_among_the_known_is_imputed_all_the_same():
    x, time, event = gaps()
    x[:, 0] = np.where(np.isnan(x[:, 0]), np.nan, 1.0)
    x[:, 2] = np.where(np.isnan(x[:, 2]), np.nan, 3.0)
    assert np.isfinite(impute(x, time, event, imputations=2, seed=1)).all()
