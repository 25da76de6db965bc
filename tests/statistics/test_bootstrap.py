"""Optimism: the batched validation is the plain loop, and its parts add up."""

import numpy as np
import pytest

from models.training.errors import TrainingError
from models.training.statistics.cox import fit_cox
from models.training.statistics.discrimination import harrell_c
from models.training.statistics.resampling import draw_resamples
from tests.statistics.logistic import fit_logistic, mean_difference
from tests.statistics.r_only import heuristic_shrinkage
from tests.statistics.rms import multiplicities, optimism, optimism_logistic
from tests.statistics.support import cohort


def test_resamples_keep_their_size_and_their_seed():
    counts = draw_resamples(50, 20, 7)
    assert (counts.sum(axis=1) == 50).all()
    assert (counts == draw_resamples(50, 20, 7)).all()
    assert (counts != draw_resamples(50, 20, 8)).any()


def test_row_numbers_become_multiplicities():
    assert multiplicities(np.array([[0, 0, 2]]), 4).tolist() == [[2, 0, 1, 0]]


def test_the_whole_validation_is_that_of_a_plain_loop():
    x, time, event = cohort(1, n=80)
    counts = draw_resamples(80, 12, 3)
    found, whole = optimism(x, time, event, counts), fit_cox(x, time, event)
    rows = []
    for often in counts:
        again = np.repeat(np.arange(80), often)
        inside = fit_cox(x[again], time[again], event[again])
        score = x @ inside.coef
        outside = fit_cox(score[:, None], time, event)
        ratio_in = 2 * (inside.log_likelihood - inside.log_likelihood_null)
        ratio_out = 2 * (outside.log_likelihood - outside.log_likelihood_null)
        null_in, null_out = -2 * inside.log_likelihood_null, -2 * outside.log_likelihood_null
        rows.append(
            [
                2 * harrell_c(time[again], event[again], score[again]).value - 1,
                2 * harrell_c(time, event, score).value - 1,
                outside.coef[0],
                (1 - np.exp(-ratio_in / 80)) / (1 - np.exp(-null_in / 80)),
                (1 - np.exp(-ratio_out / 80)) / (1 - np.exp(-null_out / 80)),
                (ratio_in - 1) / null_in,
                (ratio_out - 1) / null_out,
                -2 / null_in,
                np.abs(score[again][:, None] - score[again]).sum() / (80 * 79),
                outside.coef[0] * np.abs(score[:, None] - score).sum() / (80 * 79),
            ]
        )
    index = found.indexes
    expected = [
        index["Dxy"].training, index["Dxy"].test, index["Slope"].test, index["R2"].training, index["R2"].test,
        index["D"].training, index["D"].test, index["U"].training, index["g"].training, index["g"].test,
    ]  # fmt: skip
    np.testing.assert_allclose(np.mean(rows, axis=0), expected, atol=1e-8)
    assert found.shrinkage == index["Slope"].test
    assert index["Dxy"].original == pytest.approx(2 * harrell_c(time, event, x @ whole.coef).value - 1)


def test_the_parts_add_up_and_only_the_last_c_is_corrected():
    x, time, event = cohort(2)
    found = optimism(x, time, event, draw_resamples(len(x), 40, 1))
    for index in found.indexes.values():
        assert index.optimism == pytest.approx(index.training - index.test, abs=1e-12)
        assert index.corrected == pytest.approx(index.original - index.optimism, abs=1e-12)
    assert found.indexes["Q"].test == pytest.approx(found.indexes["D"].test - found.indexes["U"].test)
    c = found.c
    assert c.corrected == pytest.approx(c.apparent - (c.mean_in_resamples - c.mean_on_original))
    assert c.mean_on_original < c.apparent
    assert found.coefficients.shape == (40, 3)


def test_the_sample_itself_as_its_only_resample_has_no_optimism():
    x, time, event = cohort(3)
    found = optimism(x, time, event, np.ones((1, len(x)), dtype=int))
    assert found.c.corrected == pytest.approx(found.c.apparent)
    assert found.shrinkage == pytest.approx(1)
    assert found.indexes["R2"].optimism == pytest.approx(0, abs=1e-10)


def test_resamples_that_cannot_be_fitted_are_left_out_and_counted():
    x, time, event = cohort(4)
    counts = draw_resamples(len(x), 5, 2)
    counts[2] *= ~event
    found, others = optimism(x, time, event, counts), optimism(x, time, event, np.delete(counts, 2, axis=0))
    assert found.failed == 1
    assert np.isnan(found.coefficients[2]).all()
    assert found.c == others.c
    with pytest.raises(TrainingError, match="no resample"):
        optimism(x, time, event, counts[[2]])


def test_the_heuristic_factor_is_one_less_parameters_over_the_likelihood_ratio():
    x, time, event = cohort(5)
    fit = fit_cox(x, time, event)
    ratio = 2 * (fit.log_likelihood - fit.log_likelihood_null)
    assert heuristic_shrinkage(fit) == pytest.approx((ratio - 3) / ratio)


def test_the_logistic_validation_is_that_of_a_plain_loop():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(90, 2))
    y = rng.random(90) < 1 / (1 + np.exp(-x @ [1, -0.5]))
    counts = draw_resamples(90, 8, 1)
    found = optimism_logistic(x, y, counts)
    rows = []
    for often in counts:
        again = np.repeat(np.arange(90), often)
        inside = fit_logistic(x[again], y[again])
        score = inside.coef[0] + x @ inside.coef[1:]
        outside = fit_logistic(score[:, None], y)
        brier = [((t - 1 / (1 + np.exp(-s))) ** 2).mean() for t, s in ((y[again], score[again]), (y, score))]
        rows.append([*outside.coef, *brier])
    index = found.indexes
    expected = [index["Intercept"].test, index["Slope"].test, index["B"].training, index["B"].test]
    np.testing.assert_allclose(np.mean(rows, axis=0), expected, atol=1e-8)
    assert index["Emax"].corrected > 0
    assert found.failed == 0


def test_gini_s_mean_difference_of_repeated_values_is_that_of_the_repeated_rows():
    scores, counts = np.array([[3.0, 1.0, 1.0, 7.0]]), np.array([[2, 0, 1, 3]])
    values = np.repeat(scores[0], counts[0])
    expected = np.abs(values[:, None] - values).sum() / (6 * 5)
    assert mean_difference(scores, counts)[0] == pytest.approx(expected)
