"""The reconstruction: a short one agrees within its wide error, and a changed model is found out."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.inputs import Horizon
from models.registry import default_folder, load_model
from models.training.cohort.cohort import PREDICTORS
from models.training.errors import TrainingError
from models.training.simulation import reconstruct as module
from models.training.simulation.reconstruct import (
    accepted_draws,
    draw_prior,
    reconstruct,
)
from models.training.simulation.simulate import RECONSTRUCTION, settings
from models.training.statistics.arrays import cells
from tests.statistics.trained import command

MODEL = load_model(default_folder())
FEW = 6000
PRIOR, RUN = (settings(RECONSTRUCTION)[name] for name in ("prior", "run"))


@cache
def accepted():
    return accepted_draws(FEW, RUN["seed"])


@pytest.fixture
def short(monkeypatch):
    """The draws of one short run for all tests."""
    monkeypatch.setattr(module, "accepted_draws", lambda *_: accepted())
    return lambda model=MODEL: reconstruct(model, FEW)


def test_a_short_reconstruction_agrees_with_the_shipped_model(short):
    found = short()
    assert found.agrees
    assert found.accepted == len(accepted()) > 60
    assert len(found.numbers) == 1 + 3 + 28
    assert found.numbers[0].own_error < 0.03


def test_the_error_is_that_of_both_sides(short):
    number = short().numbers[0]
    shipped = settings(RECONSTRUCTION)["shipped"]["accepted"]
    both = number.own_error * np.sqrt(1 + len(accepted()) / shipped)
    assert number.error == pytest.approx(both)
    assert number.z == pytest.approx((number.reconstructed - number.shipped) / both)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"log_hazard_ratios": (1.1,) * 4}, "log hazard ratio, each"),
        ({"baseline_hazard": {**MODEL.baseline_hazard, Horizon("3y"): 0.27}}, "baseline hazard at 3y"),
        (
            {"covariance": tuple(tuple(2 * v for v in row) for row in MODEL.covariance)},
            "variance of high_ana",
        ),
    ],
    ids=["ratios", "baseline", "covariance"],
)
def test_a_model_with_other_numbers_does_not_agree(short, changed, name):
    found = short(replace(MODEL, **changed))
    assert not found.agrees
    assert name in {number.name for number in found.numbers if not number.agrees}


def test_the_same_seed_gives_the_same_draws_and_more_draws_only_add():
    again = accepted_draws(2000, RUN["seed"])
    assert (accepted()[: len(again)] == again).all()


def test_the_errors_are_those_of_repeated_runs():
    """The Monte-Carlo error of the point, by splitting one run into many."""
    parts = np.array_split(accepted(), 8)
    years = np.array([1.0, 2.0, 3.0])
    points = np.array([[value for _, value, _ in module._point(part, years)] for part in parts])
    claimed = [one for _, _, one in module._point(accepted(), years)]
    ratio = points.std(axis=0, ddof=1) * np.sqrt(len(parts[0])) / claimed
    assert ratio == pytest.approx(np.ones(4), abs=0.75)  # 7 degrees of freedom


def test_the_prior_lies_within_its_bounds_and_the_hazard_gives_the_risk():
    drawn = draw_prior(PRIOR, 2000, np.random.default_rng(1))
    bounds = {name: PRIOR[name] for name in ("shape", "lateness", "loss_per_year")} | {
        "risk": PRIOR["risk_2y"]
    }
    for name, (low, high) in bounds.items():
        values = getattr(drawn, name)
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    assert np.exp(drawn.log_hazard_ratios).min() >= 1
    assert np.exp(drawn.log_hazard_ratios).max() <= 5
    scores = drawn.log_hazard_ratios @ cells(4).T
    risk = (drawn.joint * -np.expm1(-drawn.hazard[:, None] * np.exp(scores))).sum(axis=1)
    assert risk == pytest.approx(drawn.risk, abs=1e-9)


def test_without_the_anchor_as_many_draws_are_accepted_as_were_for_the_shipped_numbers():
    wide = dict(PRIOR) | {"risk_2y": [0.10, 0.60]}
    found = len(accepted_draws(6000, 3, prior=wide))
    expected = 6000 * 8823 / 659_000
    assert abs(found - expected) < 3.5 * np.sqrt(expected)


def test_too_few_accepted_draws_are_refused():
    with pytest.raises(TrainingError, match="ask for more draws"):
        reconstruct(MODEL, 200, 1)


def test_a_model_with_other_predictors_is_refused():
    with pytest.raises(TrainingError, match="another order"):
        reconstruct(replace(MODEL, predictors=MODEL.predictors[::-1]), 200, 1)


def test_the_default_is_as_precise_as_the_shipped_numbers():
    share = len(accepted()) / FEW
    assert RUN["draws"] * share == pytest.approx(settings(RECONSTRUCTION)["shipped"]["accepted"], rel=0.3)


def test_the_command_prints_shipped_and_reconstructed_and_ends_with_0(short):
    ended = command("simulate", "--reconstruct", "--draws", FEW)
    assert ended.status == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    for text in ("0.9194", "0.1335", "variance of high_ana", "All numbers agree."):
        assert text in ended.out


def test_the_command_ends_with_1_where_numbers_do_not_agree(short, monkeypatch):
    other = replace(MODEL, log_hazard_ratios=(1.2,) * len(PREDICTORS))
    monkeypatch.setattr("cds_service.commands.simulate.load_model", lambda _: other)
    ended = command("simulate", "--reconstruct", "--draws", FEW)
    assert ended.status == 1
    assert "These do not agree: log hazard ratio, each" in " ".join(ended.out.split())


def test_the_command_prints_json(short):
    document = json.loads(command("simulate", "--reconstruct", "--draws", FEW, "--json").out)
    assert document["accepted"] == len(accepted())
    assert len(document["numbers"]) == 32
