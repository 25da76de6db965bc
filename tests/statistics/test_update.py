"""`train --update`: as much of a given model is changed as a cohort asks for, and it is said, recorded and served."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.artefact import TimeZero
from models.inputs import Horizon
from models.registry import default_folder, load_model
from models.risk import estimate
from models.training.errors import TrainingError
from models.training.fitting.fit_record import Labels
from models.training.fitting.served import YEARS, at_horizons
from models.training.fitting.train import Options, train
from models.training.fitting.updating.recalibration import recalibration
from models.training.fitting.updating.update import _scaled, _with_slope, update
from models.training.fitting.write_model import write_model
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.resampling import SurvivalData
from tests.statistics.trained import GAPS, LABELS, cohort, made
from tests.support.landmarks import with_landmarks

EQUAL = (0.9194,) * 4


@cache
def parent():
    return load_model(default_folder())


@cache
def drawn(*, ratio: float = 1.0, effects=EQUAL, n: int = 500, seed: int = 3):
    """A cohort of the shipped model, but with so many times its baseline hazard, or with other effects."""
    rng, of = np.random.default_rng(seed), made(n, events=n // 2, seed=seed)
    x = (rng.random((n, 4)) < 0.3).astype(float)
    hazard = -np.log(rng.random(n)) / (ratio * np.exp(x @ np.array(effects)))
    knots = np.array([0.0, *parent().baseline_hazard.values(), 0.9])
    time = np.interp(hazard, knots, [0.0, 1.0, 2.0, 3.0, 12.0])
    until = rng.uniform(0.5, 8.0, n)
    return replace(
        of,
        time=np.maximum(np.minimum(time, until), 1e-3),
        status=(time <= until).astype(np.int64),
        predictors=dict(zip(of.predictors, x.T, strict=True)),
    )


COHORTS = {
    "nothing": drawn,
    "in the large": lambda: drawn(ratio=2.0),
    "intercept and slope": lambda: drawn(effects=(0.3,) * 4),
    "refit": lambda: drawn(effects=(1.8, -0.2, 0.9, 0.2)),
}


def few(ratio: float):
    """A cohort with fewer than fifty recurrences."""
    of = drawn(ratio=ratio, n=60 if ratio > 1 else 90, seed=5)
    assert 20 <= of.event.sum() < 50
    return of


def updated(step, **options):
    return update(COHORTS[step](), parent(), Options(bootstrap=40, **options))


def document(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("step", COHORTS)
def test_what_the_cohort_asks_for_is_changed_and_no_more(step):
    found = updated(step)
    assert found.recalibration.step == step
    assert (found.refit is not None) == (step == "refit")
    coef = found.coef
    given = np.array(EQUAL)
    if step in {"nothing", "in the large"}:
        np.testing.assert_array_equal(coef, given)
    if step == "intercept and slope":
        np.testing.assert_allclose(coef, found.recalibration.slope * given)
    if step == "nothing":
        assert tuple(found.served.hazard) == tuple(parent().baseline_hazard.values())
        np.testing.assert_array_equal(found.served.covariance, np.array(parent().covariance))


def test_in_the_large_the_baseline_is_that_of_the_offset():
    found, of = updated("in the large"), COHORTS["in the large"]()
    lp = (of.matrix(parent().names) @ np.array(EQUAL))[:, None]
    offset = baseline(np.ones(1), np.zeros((1, 1)), lp, of.time, of.event)
    np.testing.assert_allclose(found.served.hazard, offset.cumulative(YEARS), rtol=1e-12)
    np.testing.assert_array_equal(found.served.covariance[:4, :4], np.array(parent().covariance)[:4, :4])
    assert found.recalibration.ratio == pytest.approx(2.0, abs=0.3)


def test_with_a_slope_the_baseline_is_estimated_under_it():
    found, of = updated("intercept and slope"), COHORTS["intercept and slope"]()
    lp = (of.matrix(parent().names) @ np.array(EQUAL))[:, None]
    fit = fit_cox(lp, of.time, of.event)
    assert found.recalibration.slope == pytest.approx(float(fit.coef[0]), abs=1e-12)
    offset = baseline(fit.coef, fit.covariance, lp, of.time, of.event)
    np.testing.assert_allclose(found.served.hazard, offset.cumulative(YEARS), rtol=1e-9)


def test_fewer_than_fifty_recurrences_allow_only_a_factor_and_the_slope_is_said_all_the_same():
    found = update(few(2.5), parent(), Options())
    assert (found.step, found.is_scaled) == ("in the large", True)
    assert [test.step for test in found.recalibration.tests] == ["nothing"]
    ratio = found.recalibration.ratio
    np.testing.assert_allclose(found.served.hazard, [ratio * h for h in parent().baseline_hazard.values()])
    assert found.recalibration.slope is not None
    assert any("only a factor of the baseline is estimated" in warning for warning in found.warnings)
    assert update(few(1.0), parent(), Options()).step == "nothing"


def test_a_slope_whose_interval_excludes_one_is_warned_of_where_it_is_not_corrected():
    flat = drawn(ratio=2.0, effects=(0.0,) * 4, n=110, seed=8)
    assert flat.event.sum() < 50
    found = update(flat, parent(), Options())
    low, high = found.recalibration.slope_limits
    assert high < 1
    slope = f"{found.recalibration.slope:.2f} ({low:.2f} to {high:.2f})"
    assert (
        f"the calibration slope is {slope}: the risks of the given model lie too far apart for these patients"
        in (found.warnings)
    )
    assert not any("calibration slope" in warning for warning in updated("nothing").warnings)
    assert not any("calibration slope" in warning for warning in updated("intercept and slope").warnings)


def test_a_slope_that_turns_the_given_model_round_is_no_update():
    turned = drawn(effects=(-0.4,) * 4)
    with pytest.raises(TrainingError, match=r"the calibration slope is -0\.\d\d: .* without --update"):
        update(turned, parent(), Options(bootstrap=40))


def test_a_predictor_that_does_not_vary_leaves_no_refit():
    of = COHORTS["refit"]()
    flat = replace(of, predictors={**of.predictors, "high_ana": np.zeros(len(of))})
    found = update(flat, parent(), Options())
    assert "refit" not in found.recalibration.log_likelihoods
    assert found.served.covariance.shape == (7, 7)


# How sure it is


def jacobian(function, at, step=1e-5):
    columns = []
    for i in range(len(at)):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        columns.append((function(up) - function(down)) / (2 * step))
    return np.column_stack(columns)


def test_the_covariance_of_the_slope_s_ratios_is_that_of_the_whole_procedure():
    of = COHORTS["intercept and slope"]()
    data = SurvivalData(of.matrix(parent().names), of.time, of.event)
    given = np.array([0.9, 0.5, 1.1, 0.7])

    def procedure(coef):
        return coef * fit_cox((data.x @ coef)[:, None], data.time, data.event).coef

    found = recalibration(data.x, given, data.time, data.event, 50, 50.0)
    covariance = np.array(parent().covariance)[:4, :4]
    moved = jacobian(procedure, given)
    variance = float(found.of_slope.covariance[0, 0])
    expected = moved @ covariance @ moved.T + variance * np.outer(given, given)
    coef, ours = _with_slope(data, given, covariance, found)
    np.testing.assert_allclose(coef, procedure(given), rtol=1e-10)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-8)
    assert np.linalg.eigvalsh(ours).min() > 0


def test_the_covariance_of_the_scaled_baseline_is_that_of_the_whole_procedure():
    of, given = few(2.5), parent()
    data = SurvivalData(of.matrix(given.names), of.time, of.event)
    found = update(of, given, Options()).recalibration

    def procedure(parameters):
        coef, hazard = parameters[:4], np.exp(parameters[4:])
        expected = np.interp(data.time, [0, 1, 2, 3], [0, *hazard]) @ np.exp(data.x @ coef)
        return np.concatenate([coef, parameters[4:] + np.log(found.observed / expected)])

    start = np.concatenate([EQUAL, np.log(list(given.baseline_hazard.values()))])
    moved = jacobian(procedure, start)
    of_count = np.outer([0] * 4 + [1] * 3, [0] * 4 + [1] * 3) / found.observed
    ours = _scaled(data, given, found)
    np.testing.assert_allclose(
        ours.covariance, moved @ np.array(given.covariance) @ moved.T + of_count, atol=1e-8
    )
    np.testing.assert_allclose(np.log(ours.hazard), procedure(start)[4:], rtol=1e-10)


# What is written


LIMITS = {
    "nothing": "No update needed in 500 patients with",
    "in the large": "Baseline risk estimated on 500 patients with",
    "intercept and slope": "Baseline risk and slope (0.20) estimated on 500 patients with",
    "refit": "Refitted, for imnm-recurrence 1.0.1 did not fit here.",
}
KINDS = {
    "nothing": "no update",
    "in the large": "baseline update",
    "intercept and slope": "recalibration",
    "refit": "fit",
}


@pytest.mark.parametrize("step", COHORTS)
def test_the_card_the_record_and_the_limits_say_which_step_was_taken(step, tmp_path):
    model = write_model(tmp_path / "m", updated(step), LABELS)
    assert LIMITS[step] in model.limits
    fit = document(tmp_path / "m")["fit"]
    assert (fit["kind"], fit["parent"]["sha256"]) == (KINDS[step], parent().sha256)
    assert fit["recalibration"]["step"] == step
    assert [test["step"] for test in fit["recalibration"]["tests"]] == list(COHORTS)[:3]
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"Taken: {step}, the smallest step that is not rejected at 5 %" in card
    assert "calibration slope " in card
    local = step == "refit"
    assert model.evidence == ("local-fit" if local else "literature-reconstructed")
    assert model.id == ("imnm-recurrence-local" if local else "imnm-recurrence-updated")
    assert (model.joint == parent().joint) != local


def test_where_nothing_is_needed_every_number_that_is_served_is_the_given_one(tmp_path):
    model = write_model(tmp_path / "m", updated("nothing"), LABELS)
    same = replace(
        model,
        id=parent().id,
        version=parent().version,
        sha256=parent().sha256,
        limits=parent().limits,
        provenance=parent().provenance,
    )
    assert same == parent()
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "No update was needed: every number that is served is that of imnm-recurrence 1.0.1" in card
    assert model.limits.endswith(parent().limits)


def test_a_scaled_baseline_says_its_factor(tmp_path):
    found = update(few(2.5), parent(), Options())
    model = write_model(tmp_path / "m", found, LABELS)
    assert f"Baseline risk times {found.recalibration.ratio:.2f}, estimated on 60 patients" in model.limits
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "The baseline hazard is the given one times observed over expected recurrences" in card


def test_a_model_that_was_updated_once_needs_nothing_the_next_time(tmp_path):
    for step in ("in the large", "intercept and slope"):
        model = write_model(tmp_path / step, updated(step), LABELS)
        again = update(COHORTS[step](), model, Options())
        assert again.step == "nothing"
        assert write_model(tmp_path / f"{step} again", again, LABELS).id == "imnm-recurrence-updated"


def test_an_update_needs_twenty_recurrences_too():
    with pytest.raises(TrainingError, match="19 recurrences"):
        update(made(events=19), parent(), Options())


def test_an_update_of_a_model_with_other_predictors_is_refused():
    other = replace(parent(), predictors=parent().predictors[:3])
    with pytest.raises(TrainingError, match="imnm-recurrence has other predictors"):
        update(cohort(), other, Options())
    later = replace(parent(), baseline_hazard={Horizon("2y"): 0.1, Horizon("5y"): 0.3})
    with pytest.raises(TrainingError, match="imnm-recurrence has other horizons: 2y, 5y"):
        update(cohort(), later, Options())


# Landmarks


ANCHORED = TimeZero("first-agent", 180)


@pytest.mark.parametrize("step", ["in the large", "intercept and slope", "refit"])
def test_an_updated_baseline_has_landmarks_where_time_zero_can_be_read(step, tmp_path):
    of = replace(COHORTS[step](), anchored=ANCHORED)
    model = write_model(tmp_path / "m", update(of, parent(), Options(bootstrap=40)), LABELS)
    assert document(tmp_path / "m")["schema"] == "imnm-cds-model/2"
    assert model.time_zero == ANCHORED
    assert [later.days for later in model.landmarks] == [365, 730, 1095]
    assert model.from_landmark(730).log_hazard_ratios == model.log_hazard_ratios


def test_nothing_keeps_the_landmarks_and_a_factor_or_another_time_zero_loses_them_and_says_so(tmp_path):
    given = with_landmarks(parent())
    given = replace(
        given,
        provenance={
            **given.provenance,
            **dict.fromkeys(("time_zero", "landmarks"), given.provenance["joint"]),
        },
    )
    kept = write_model(tmp_path / "kept", update(COHORTS["nothing"](), given, Options()), LABELS)
    assert (kept.time_zero, kept.landmarks) == (given.time_zero, given.landmarks)
    card = (tmp_path / "kept" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert re.search(r"\| 1095 \|  \|  \| \d+ % \(", card)
    lost = update(COHORTS["in the large"](), given, Options())
    assert any("from landmarks are lost: give --anchor" in warning for warning in lost.warnings)
    assert write_model(tmp_path / "lost", lost, LABELS).landmarks == ()
    scaled = update(replace(few(2.5), anchored=ANCHORED), given, Options())
    assert any("from landmarks are lost: a factor says nothing" in warning for warning in scaled.warnings)
    assert write_model(tmp_path / "scaled", scaled, LABELS).time_zero is None


def test_a_fit_without_an_anchor_has_one_baseline_and_the_card_says_so(tmp_path):
    of = COHORTS["refit"]()
    write_model(tmp_path / "m", update(of, parent(), Options(bootstrap=40)), Labels("West", LABELS.day))
    assert document(tmp_path / "m")["schema"] == "imnm-cds-model/1"
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "there is one baseline for everybody" in card


def test_the_card_lists_every_landmark_with_its_size_and_why_one_is_not_given(tmp_path):
    of = replace(COHORTS["refit"](), anchored=ANCHORED)
    short = replace(of, time=np.minimum(of.time, 5.2), status=np.where(of.time > 5.2, 0, of.status))
    model = write_model(tmp_path / "m", update(short, parent(), Options(bootstrap=40)), LABELS)
    assert [later.days for later in model.landmarks] == [365, 730]
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "180 days after the first day of any agent (T1), in calendar days" in card
    risk = estimate(model.from_landmark(365), "0000", "2y").estimate
    assert f"| 365 | {(short.time > 365 / 365.25).sum()} |" in card
    assert f"| {round(100 * risk)} % (" in card
    assert "not given: nobody was followed for 3 years after it" in card


def test_landmarks_of_an_imputed_fit_are_pooled_as_its_baseline_from_time_zero_is(tmp_path):
    of = replace(cohort(GAPS), anchored=ANCHORED)
    found = train(of, Options(bootstrap=20, imputations=3))
    assert len(found.bases) == 3
    model = write_model(tmp_path / "m", found, LABELS)
    later = model.from_landmark(365)
    hazards = [at_horizons(base, YEARS, 365 / 365.25).hazard for base in found.bases]
    np.testing.assert_allclose(
        list(later.baseline_hazard.values()), np.exp(np.mean(np.log(hazards), axis=0)), rtol=1e-12
    )
    within = np.mean([at_horizons(base, YEARS, 365 / 365.25).covariance for base in found.bases], axis=0)
    assert np.all(np.diag(np.array(later.covariance)) > np.diag(within))
