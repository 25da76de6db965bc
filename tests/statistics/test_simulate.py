"""`simulate`: cohorts of the model and of the scenarios, the same bytes for the same seed, labelled as synthetic."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.registry import default_folder, load_model
from models.training.cohort.cohort import PREDICTORS, read_cohort
from models.training.cohort.schema import DEATH, RECURRENCE
from models.training.errors import TrainingError
from models.training.fitting.served import YEARS, at_horizons
from models.training.simulation.many_cohorts import Ordered, fit_each, rank_each
from models.training.simulation.simulate import (
    COLUMNS,
    MOST_PATIENTS,
    RECONSTRUCTION,
    SCENARIOS,
    assumed_population,
    recipe_of_model,
    recipe_of_scenario,
    resemblance,
    scenario_names,
    settings,
    simulate,
)
from models.training.simulation.synthetic import FollowUpPlan, Hazard, draw, hazard_for_risk, one_factor
from models.training.statistics.arrays import cells
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.discrimination import auc_at, harrell_c
from tests.statistics.trained import command

MODEL = load_model(default_folder())
LARGE = 40_000
SIGMA = 4.5  # of a normal estimate: passes by chance all but once in 100,000


def read(tmp_path, text):
    path = tmp_path / "synthetic.csv"
    path.write_text(text, encoding="utf-8")
    return read_cohort(path, time_zero="the moment of the question")


# One cohort as CSV


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    recipe = recipe_of_model(MODEL)
    assert simulate(recipe, 50, 3) == simulate(recipe, 50, 3) != simulate(recipe, 50, 4)


def test_the_first_rows_never_change():
    assert simulate(recipe_of_model(MODEL), 3, 1).splitlines() == [
        "id,time_years,status,cardiac_involvement,high_ana,treatment_refractory,high_drr,subtype,synthetic",
        "SYN-000001,0.372613,0,0,1,0,0,anti-SRP,imnm-recurrence 1.0.1 (literature-reconstructed); seed 1",
        "SYN-000002,0.424476,1,1,1,0,1,anti-SRP,imnm-recurrence 1.0.1 (literature-reconstructed); seed 1",
        "SYN-000003,2.534723,0,0,0,0,0,anti-SRP,imnm-recurrence 1.0.1 (literature-reconstructed); seed 1",
    ]


def test_every_row_says_that_it_is_synthetic_and_the_cohort_can_be_read(tmp_path):
    found = read(tmp_path, simulate(recipe_of_scenario("proportional", 0.05), 300, 1))
    assert all(one.startswith("SYN-") for one in found.ids)
    assert found.unused == ("synthetic",) == COLUMNS[-1:]
    assert set(found.status) == {0, RECURRENCE, DEATH}
    assert set(found.subtype) == {"anti-SRP", "anti-HMGCR", "seronegative"}


def test_nobody_dies_unless_asked_for(tmp_path):
    assert DEATH not in read(tmp_path, simulate(recipe_of_model(MODEL), 300, 1)).status


@pytest.mark.parametrize("n", [0, MOST_PATIENTS + 1])
def test_a_cohort_of_nobody_or_of_too_many_is_refused(n):
    with pytest.raises(TrainingError, match="patients"):
        simulate(recipe_of_model(MODEL), n, 1)


def test_an_unknown_scenario_is_refused_and_the_known_ones_are_named():
    with pytest.raises(TrainingError, match="proportional, time-varying"):
        recipe_of_scenario("fading")


def test_a_model_with_other_predictors_is_refused():
    other = replace(MODEL, predictors=(replace(MODEL.predictors[0], name="age"), *MODEL.predictors[1:]))
    with pytest.raises(TrainingError, match="age"):
        recipe_of_model(other)


# What is drawn is what was asked for


def test_a_large_cohort_trains_back_to_the_model(tmp_path):
    found = read(tmp_path, simulate(recipe_of_model(MODEL), LARGE // 2, 11))
    x = found.matrix(PREDICTORS)
    fit = fit_cox(x, found.time, found.event)
    assert np.abs(fit.coef - MODEL.log_hazard_ratios) == pytest.approx(
        0, abs=SIGMA * np.sqrt(fit.covariance.diagonal().max())
    )
    base = baseline(fit.coef, fit.covariance, x, found.time, found.event)
    served = at_horizons(base, YEARS)
    shipped = np.array(list(MODEL.baseline_hazard.values()))
    away = (np.log(served.hazard) - np.log(shipped)) / np.sqrt(served.covariance.diagonal()[-3:])
    assert np.abs(away).max() < SIGMA


def test_patterns_follow_the_joint_table_in_the_models_order():
    recipe = recipe_of_model(MODEL)
    drawn = draw(recipe, LARGE, 1, np.random.default_rng(5))
    share = np.bincount(drawn.pattern[0], minlength=16) / LARGE
    expected = np.array([MODEL.joint["".join(str(int(m)) for m in cell)] for cell in cells(4)])
    assert np.abs(share - expected).max() < SIGMA * np.sqrt(0.25 / LARGE)


def test_another_order_of_predictors_in_the_model_gives_the_same_columns(tmp_path):
    turned = replace(
        MODEL,
        predictors=MODEL.predictors[::-1],
        log_hazard_ratios=MODEL.log_hazard_ratios[::-1],
        joint={pattern[::-1]: share for pattern, share in MODEL.joint.items()},
    )
    found = read(tmp_path, simulate(recipe_of_model(turned), LARGE // 8, 2))
    prevalence = settings(SCENARIOS)["population"]["prevalence"]
    for name in PREDICTORS:
        assert found.predictors[name].mean() == pytest.approx(prevalence[name], abs=0.03)


def test_the_assumed_population_is_the_models_joint_table():
    assert assumed_population()[0] == pytest.approx(list(MODEL.joint.values()), abs=1e-11)


def test_deaths_come_at_the_given_rate():
    drawn = draw(recipe_of_model(MODEL, 0.04), LARGE, 1, np.random.default_rng(6))
    rate = (drawn.status == DEATH).sum() / drawn.time.sum()
    assert rate == pytest.approx(0.04, abs=SIGMA * 0.04 / np.sqrt((drawn.status == DEATH).sum()))


def test_nobody_is_followed_for_longer_than_recruitment_lasted():
    drawn = draw(recipe_of_model(MODEL), LARGE, 1, np.random.default_rng(7))
    assert 0 < drawn.time.min() < drawn.time.max() <= settings(SCENARIOS)["follow_up"]["recruitment_years"]


def test_subtypes_have_their_shares():
    drawn = draw(recipe_of_model(MODEL), LARGE, 1, np.random.default_rng(8))
    share = np.bincount(drawn.subtype[0]) / LARGE
    assert share == pytest.approx([32 / 57, 12 / 57, 13 / 57], abs=0.012)


def test_in_the_proportional_scenario_effects_do_not_change_and_the_risk_is_that_asked_for():
    found = settings(SCENARIOS)["scenarios"]["proportional"]
    drawn = followed("proportional")
    assert (drawn.time[drawn.status == 1] <= 2).sum() / drawn.time.size == pytest.approx(
        found["risk_2y"], abs=0.011
    )
    x = cells(4)[drawn.pattern[0]]
    early = np.minimum(drawn.time[0], 1.0)
    first = fit_cox(x, early, (drawn.status[0] == 1) & (drawn.time[0] <= 1))
    assert first.coef == pytest.approx(np.full(4, found["log_hazard_ratio"]), abs=0.12)


def test_in_the_time_varying_scenario_effects_rise_and_then_turn_round():
    found = settings(SCENARIOS)["scenarios"]["time-varying"]
    drawn = followed("time-varying")
    x, time, event = cells(4)[drawn.pattern[0]], drawn.time[0], drawn.status[0] == 1
    for begin, end, effect in ((0, 1, 0.8), (1, 2, 1.5), (2, 9, -0.5)):
        rows = time > begin
        fit = fit_cox(x[rows], np.minimum(time, end)[rows], (event & (time <= end))[rows])
        assert fit.coef == pytest.approx(np.full(4, effect * found["log_hazard_ratio"]), abs=0.2), begin


def test_the_time_varying_scenario_has_the_aucs_that_it_says():
    drawn = followed("time-varying")
    number = cells(4).sum(axis=1)[drawn.pattern[0]]
    for t, value in ((1, 0.75), (2, 0.85), (3, 0.83)):
        case, control = (drawn.time[0] <= t) & (drawn.status[0] == 1), drawn.time[0] > t
        share = np.array([[(number[rows] == k).mean() for k in range(5)] for rows in (case, control)])
        won = (np.sign(np.subtract.outer(np.arange(5), np.arange(5))) + 1) / 2
        assert share[0] @ won @ share[1] == pytest.approx(value, abs=0.012), t


def followed(name):
    """A large cohort of a scenario, all followed from the same day on, without loss."""
    recipe = replace(recipe_of_scenario(name), plan=FollowUpPlan(20.0, 1e-6, 0.0))
    return draw(recipe, LARGE, 1, np.random.default_rng(9))


# Parts


def test_a_hazard_goes_through_its_points_and_is_weibull_between_them():
    hazard = Hazard(np.array([1.0, 2.0, 3.0]), 0.1 * np.array([1.0, 2.0, 3.0]) ** 1.3)
    t = np.array([0.0, 0.01, 0.5, 1.5, 2.5, 7.0])
    assert hazard.at(t) == pytest.approx(0.1 * t**1.3)
    assert hazard.when(hazard.at(t)) == pytest.approx(t)


def test_a_hazard_with_one_point_is_constant():
    hazard = Hazard(np.array([2.0]), np.array([0.3]))
    assert hazard.at(np.array([1.0, 4.0])) == pytest.approx([0.15, 0.6])


def test_a_hazard_that_falls_is_refused():
    with pytest.raises(TrainingError, match="rise"):
        Hazard(np.array([1.0, 2.0]), np.array([0.3, 0.2]))


def test_a_joint_table_has_its_prevalences_and_without_correlation_is_a_product():
    prevalence = np.array([[0.3, 0.2, 0.6]])
    table = one_factor(prevalence, np.array([0.3]))[0]
    assert table @ cells(3) == pytest.approx(prevalence[0], abs=1e-8)
    product = np.where(cells(3) == 1, prevalence, 1 - prevalence).prod(axis=1)
    assert one_factor(prevalence, np.zeros(1))[0] == pytest.approx(product, abs=1e-12)


def test_the_hazard_for_a_risk_gives_that_risk():
    joint, scores = assumed_population(), cells(4) @ np.array([[2.0], [0.1], [1.0], [0.5]])
    hazard = hazard_for_risk(np.tile(joint, (3, 1)), np.tile(scores.T, (3, 1)), np.array([0.01, 0.4, 0.97]))
    risk = [(joint[0] * -np.expm1(-h * np.exp(scores[:, 0]))).sum() for h in hazard]
    assert risk == pytest.approx([0.01, 0.4, 0.97])


def test_many_cohorts_at_once_are_fitted_and_ranked_as_each_alone():
    drawn = draw(recipe_of_model(MODEL), 150, 30, np.random.default_rng(10))
    cohorts = Ordered.of(drawn.pattern, drawn.time, drawn.status == RECURRENCE)
    fits = fit_each(cohorts, 4, np.zeros((30, 4)))
    ranking = rank_each(cohorts, fits.coef, YEARS)
    for b in range(30):
        x, time, event = cells(4)[cohorts.pattern[b]], cohorts.time[b], cohorts.event[b]
        alone = fit_cox(x, time, event)
        assert fits.coef[b] == pytest.approx(alone.coef, abs=1e-9)
        assert fits.variance[b] == pytest.approx(alone.covariance.diagonal(), rel=1e-5)
        score = x @ fits.coef[b]
        assert ranking.c[b] == pytest.approx(harrell_c(time, event, score).value, abs=1e-12)
        aucs = [auc_at(time, event, score, t).value for t in YEARS]
        assert ranking.auc[b] == pytest.approx(aucs, abs=1e-12)


def test_a_cohort_without_a_finite_fit_is_nan_and_leaves_the_others_alone():
    drawn = draw(recipe_of_model(MODEL), 150, 3, np.random.default_rng(12))
    event, pattern = drawn.status == RECURRENCE, drawn.pattern.copy()
    pattern[1] = np.where(event[1], pattern[1] | 1, pattern[1] & 14)  # the last predictor separates
    pattern[2] &= 7  # the first predictor is absent in all
    fits = fit_each(Ordered.of(pattern, drawn.time, event), 4, np.full((3, 4), 0.9))
    assert np.isfinite(fits.coef).all(axis=1).tolist() == [True, False, False]


# Resemblance to the abstract


def test_the_published_aucs_are_rare_under_proportional_hazards():
    found = resemblance(recipe_of_model(MODEL), 200, 1500, 1)
    assert (found.cohorts, found.failed) == (1500, 0)
    assert all(share.high < 0.015 for share in found.shares)
    c = found.figures[0]
    assert c.mean == pytest.approx(0.737, abs=0.004)  # population 0.724, and the optimism of four parameters
    assert c.sd == pytest.approx(0.03, abs=0.003)


def test_cohorts_without_a_finite_fit_are_counted_and_left_out():
    ended = command("simulate", "--resemblance", 40, "--n", 15)
    found = resemblance(recipe_of_model(MODEL), 15, 40, 1)
    assert found.failed > 0
    assert f"{found.failed} cohorts had no finite fit or AUC" in ended.out


@pytest.mark.parametrize(("n", "cohorts"), [(0, 1), (5_001, 1), (20, 0), (20, 1_000_001)])
def test_more_cohorts_than_can_be_drawn_are_refused_before_any_is(n, cohorts):
    with pytest.raises(TrainingError, match="1 to 1000000 cohorts of 1 to 5000 patients"):
        resemblance(recipe_of_model(MODEL), n, cohorts, 1)


def test_shares_carry_exact_limits():
    share = resemblance(recipe_of_scenario("time-varying"), 200, 200, 1).shares[0]
    assert share.share == share.count / 200
    assert share.low < share.share < share.high


# The numbers behind


@pytest.mark.parametrize("path", [SCENARIOS, RECONSTRUCTION], ids=lambda p: p.name)
def test_every_block_of_numbers_names_its_mark_and_source(path):
    blocks = dict(settings(path))
    blocks.pop("schema")
    blocks |= {f"scenario {name}": block for name, block in blocks.pop("scenarios", {}).items()}
    for name, block in blocks.items():
        assert block["mark"] in {"published", "derived", "assumed"}, name
        assert block["source"], name


# The command


@pytest.mark.parametrize("scenario", scenario_names())
def test_the_command_writes_a_named_scenario(tmp_path, scenario):
    out = tmp_path / "cohort.csv"
    assert command("simulate", "--scenario", scenario, "--n", 30, "--seed", 5, "--out", out).status == 0
    assert out.read_text(encoding="utf-8") == simulate(recipe_of_scenario(scenario), 30, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


def test_the_command_prints_the_shipped_models_cohort_where_no_file_is_named():
    ended = command("simulate", "--n", 20)
    assert ended.out == simulate(recipe_of_model(MODEL), 20, 1)


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    out = tmp_path / "patients.csv"
    out.write_text("real", encoding="utf-8")
    ended = command("simulate", "--out", out)
    assert (ended.status, out.read_text(encoding="utf-8")) == (2, "real")
    assert "is there already" in ended.error


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    ended = command("simulate", "--out", tmp_path / "nowhere" / "cohort.csv")
    assert ended.status == 2
    assert "cannot be written" in ended.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--scenario", "proportional", "--model", default_folder()),
        ("--reconstruct", "--scenario", "proportional"),
        ("--draws", 10),
        ("--resemblance", 10, "--out", "cohort.csv"),
    ],
    ids=lambda a: " ".join(map(str, a[::2])),
)
def test_options_that_contradict_each_other_are_refused(arguments):
    ended = command("simulate", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert len(ended.error.splitlines()) == 1


def test_the_command_says_how_often_cohorts_look_like_the_abstract():
    ended = command("simulate", "--resemblance", 60, "--n", 120)
    assert ended.status == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    for text in ("60 synthetic cohorts of 120", "AUC at 2y", "0.840", "95 % limits"):
        assert text in ended.out
    document = json.loads(command("simulate", "--resemblance", 60, "--n", 120, "--json").out)
    assert document["cohorts"] + document["failed"] == 60
