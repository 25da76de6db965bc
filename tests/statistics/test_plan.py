"""`imnm-cds plan`: sample sizes for development and validation, before there are data."""

import json
from dataclasses import replace
from math import asinh, ceil

import numpy as np
import pytest
from typer.testing import CliRunner

from cds_service.cli import app
from models.registry import default_folder, load_model
from models.training.errors import TrainingError
from models.training.fitting.sample_size import sample_size
from models.training.simulation.planning import Widths, Wishes, concordance_by_cell, expected_shrinkage, plan
from models.training.simulation.simulate import recipe_of_model
from models.training.simulation.synthetic import draw
from models.training.statistics.arrays import cells
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.discrimination import harrell_c
from tests.support.nightly import count

RECIPE = recipe_of_model(load_model(default_folder()))
PLAN = plan(RECIPE, Wishes(2.0, 4), Widths())
Z = 1.959964


def needed(made):
    return {row.measure: row for row in made.validation}


def test_the_shipped_models_population_is_what_is_planned_for():
    assert PLAN.assumed.risk == pytest.approx(0.37, abs=0.01)
    assert PLAN.assumed.concordance == pytest.approx(0.731, abs=0.015)
    assert [plan(RECIPE, Wishes(t, 4), Widths()).assumed.risk for t in (1.0, 3.0)] == pytest.approx(
        [0.21, 0.48], abs=0.02
    )


def test_what_is_wished_for_is_what_the_drawn_patients_show():
    made = plan(RECIPE, Wishes(2.0, 6, concordance=0.8, risk=0.2, follow_up=1.5), Widths()).assumed
    assert (made.concordance, made.risk, made.follow_up) == pytest.approx((0.8, 0.2, 1.5), rel=0.01)
    assert plan(RECIPE, Wishes(2.0, 6, r_squared=0.1), Widths()).assumed.r_squared == 0.1


def test_development_is_riley_at_the_assumed_r_squared_and_rate():
    a = PLAN.assumed
    assert PLAN.development == sample_size(a.r_squared, 4, rate=a.rate, horizon=2.0, follow_up=a.follow_up)


@pytest.mark.parametrize(("r_squared", "parameters"), [(0.051, 30), (0.24, 4), (0.1, 12)])
def test_the_expected_shrinkage_is_riley_first_criterion_read_the_other_way(r_squared, parameters):
    n = sample_size(r_squared, parameters, rate=0.065, horizon=2.0, follow_up=2.07).shrinkage
    assert expected_shrinkage(n, r_squared, parameters) == pytest.approx(0.9, abs=1e-3)
    assert (
        expected_shrinkage(n - 1, r_squared, parameters) < 0.9 <= expected_shrinkage(n, r_squared, parameters)
    )


def test_the_fewer_patients_the_more_shrinkage():
    factors = [expected_shrinkage(n, 0.24, 4) for n in (1, 5, 50, 500, 10**7)]
    assert factors == sorted(factors)
    assert 0.24 < factors[0] < factors[-1] < 1


def information_of_the_slope(recipe, steps: int = 4000) -> float:
    """Cox's information on the slope, of one patient: the spread of the score among those at risk, when events come.

    An integral over entry, loss and the hazard: none of the code that draws and fits is in it.
    """
    score = cells(4) @ recipe.log_hazard_ratios[0]
    years, entry = recipe.plan.recruitment_years, recipe.plan.lateness
    t = (np.arange(steps) + 0.5) * years / steps
    base = recipe.hazard.at(np.append(0.0, t + years / steps / 2))
    staying = np.exp(-recipe.plan.loss_per_year * t) * (1 - t / years) ** entry
    at_risk = recipe.joint * np.exp(-recipe.hazard.at(t)[:, None] * np.exp(score)) * staying[:, None]
    weight = at_risk * np.exp(score)
    mean = (weight @ score) / weight.sum(axis=1)
    spread = (weight @ score**2) / weight.sum(axis=1) - mean**2
    return float((np.diff(base) * weight.sum(axis=1) * spread).sum())


def test_the_width_of_the_slope_is_that_of_coxs_information():
    width = 2 * Z / np.sqrt(1000 * information_of_the_slope(RECIPE))
    assert PLAN.expected[-1].slope == pytest.approx(width, rel=0.03)


def test_where_nobody_is_censored_observed_over_expected_needs_what_pmvalsampsize_says():
    all_followed = replace(
        RECIPE, plan=replace(RECIPE.plan, loss_per_year=0.0, lateness=0.001)
    )  # all enter at once
    made = plan(all_followed, Wishes(2.0, 4), Widths())
    se = asinh(0.1) / Z
    assert needed(made)["observed/expected"].n == pytest.approx(
        (1 - made.assumed.risk) / made.assumed.risk / se**2, rel=0.06
    )
    assert ceil((1 - 0.018) / 0.018 / (asinh(0.5) / 1.96) ** 2) == pytest.approx(
        905, abs=1
    )  # its own example


@pytest.mark.parametrize("measure", ["calibration slope", "observed/expected", "C"])
def test_the_number_needed_is_the_least_that_gives_the_width(measure):
    name = {"calibration slope": "slope", "observed/expected": "observed_over_expected", "C": "concordance"}[
        measure
    ]
    row = needed(PLAN)[measure]
    enough, short = plan(RECIPE, Wishes(2.0, 4), Widths(), (row.n, row.n - 1)).expected
    assert getattr(enough, name) <= row.width < getattr(short, name)


def test_c_counted_by_cell_is_harrells_with_its_standard_error():
    drawn = draw(RECIPE, 400, 1, np.random.default_rng(3))
    cell, time, event = drawn.pattern[0], drawn.time[0], drawn.status[0] == 1
    score = cells(4) @ np.array([0.9, 0.4, 0.9, 0.1])
    counted, compared = concordance_by_cell(cell, time, event, score), harrell_c(time, event, score[cell])
    assert (counted.value, counted.se) == pytest.approx((compared.value, compared.se), abs=1e-12)


def test_cohorts_of_300_have_intervals_as_wide_as_planned():
    cohorts = count(60, 1000)
    drawn = draw(RECIPE, 300, cohorts, np.random.default_rng(5))
    score = (cells(4) @ RECIPE.log_hazard_ratios[0])[drawn.pattern]
    slopes, cs = [], []
    for k in range(cohorts):
        event = drawn.status[k] == 1
        slopes.append(calibration_slope(drawn.time[k], event, score[k]).se)
        cs.append(harrell_c(drawn.time[k], event, score[k]).se)
    planned = next(row for row in PLAN.expected if row.n == 300)
    assert 2 * Z * np.mean(slopes) == pytest.approx(planned.slope, rel=0.06)
    assert 2 * Z * np.mean(cs) == pytest.approx(planned.concordance, rel=0.06)


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (Wishes(2.0, 4, concordance=0.5), "the C must lie between 0.5 and 1"),
        (Wishes(2.0, 4, concordance=0.97), "a C of 0.97 cannot be reached"),
        (Wishes(2.0, 4, risk=1.0), "the risk must lie between 0 and 1"),
        (Wishes(0.0, 4), "the horizon must lie between 0 and 100"),
        (Wishes(9.0, 4), "nobody is followed to the horizon"),
        (Wishes(2.0, 4, follow_up=9.0), "a mean follow-up of 9 cannot be reached"),
        (Wishes(2.0, 0), "one parameter at least"),
        (Wishes(2.0, 4, r_squared=0.95), "R² must lie between"),
        (Wishes(2.0, 4, r_squared=0.0), "R² must lie between"),
        (Wishes(2.0, 2000), "50 patients are too few for 2000 parameters"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(wishes, sentence):
    with pytest.raises(TrainingError, match=sentence):
        plan(RECIPE, wishes, Widths())


def test_the_command_prints_words_or_json():
    words = CliRunner().invoke(app, ["plan", "--n", "180"])
    assert words.exit_code == 0, words.output
    for said in ("To develop a model", "To validate a model", "calibration slope, an interval 0.2 wide"):
        assert said in words.output
    printed = json.loads(CliRunner().invoke(app, ["plan", "--n", "180", "--json"]).output)
    assert printed["schema"] == "imnm-cds-plan/1"
    assert printed["assumed"]["origin"].endswith("(literature-reconstructed)")
    assert printed["development"]["n"] == PLAN.development.n
    assert printed["expected"][0]["n"] == 180
