"""`train` fits what it says: by two programs, shrunk by the bootstrap's slope, refused where there is too little."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from models.training.cohort.cohort import PREDICTORS
from models.training.errors import TrainingError
from models.training.fitting import shrinkage
from models.training.fitting.adequacy import COMFORTABLE_PER_PARAMETER, LEAST_PER_PARAMETER, LEAST_RECURRENCES
from models.training.fitting.death import absolute_risk
from models.training.fitting.sample_size import sample_size
from models.training.fitting.selection import eliminate, select
from models.training.fitting.shrinkage import common_shrinkage
from models.training.fitting.train import Options, _sample_size, train
from models.training.statistics import by_lifelines
from models.training.statistics.baseline import baseline
from models.training.statistics.by_lifelines import AGREEMENT, fit_by_lifelines
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.resampling import SurvivalData, draw_resamples, refit
from tests.statistics.competing import cause_specific
from tests.statistics.trained import DEATHS, DEMO, GAPS, cohort, command, fitted, made

FEW = Options(bootstrap=20)
WEAK_SEED = 0  # of a cohort of chance alone


def data_of(found) -> SurvivalData:
    return SurvivalData(found.matrix(PREDICTORS), found.time, found.event)


# The fit


@pytest.mark.parametrize("path", [DEMO, DEATHS, GAPS], ids=lambda p: p.stem)
def test_lifelines_and_our_own_fit_agree_to_a_millionth(path):
    data = data_of(cohort(path).complete(PREDICTORS))
    theirs = fit_by_lifelines(PREDICTORS, data.x, data.time, data.event)
    own = fit_cox(data.x, data.time, data.event)
    np.testing.assert_allclose(theirs.coef, own.coef, atol=AGREEMENT / 100, rtol=0)
    np.testing.assert_allclose(theirs.covariance, own.covariance, atol=AGREEMENT / 100, rtol=0)
    assert theirs.log_likelihood == pytest.approx(own.log_likelihood, abs=1e-9)


def test_two_programs_that_disagree_are_refused(monkeypatch):
    data = data_of(cohort())

    def wrong(*arguments, **options) -> CoxFit:
        fit = fit_cox(*arguments, **options)
        return replace(fit, coef=fit.coef + 2e-6)

    monkeypatch.setattr(by_lifelines, "fit_cox", wrong)
    with pytest.raises(TrainingError, match=r"lifelines and our own fit differ by 2\.0e-06, more than 1e-06"):
        fit_by_lifelines(PREDICTORS, data.x, data.time, data.event)


def test_lifelines_without_convergence_is_one_sentence(monkeypatch):
    monkeypatch.setattr(by_lifelines, "_TIGHT", {"max_steps": 1})
    data = data_of(cohort())
    with pytest.raises(TrainingError, match="lifelines did not converge on this cohort; use ridge or firth"):
        fit_by_lifelines(PREDICTORS, data.x, data.time, data.event)


def test_complete_cases_alone_are_fitted_on_request_and_the_flow_says_so():
    found = fitted(GAPS, imputations=0)
    whole = ~np.isnan(cohort(GAPS).matrix(PREDICTORS)).any(axis=1)
    assert len(found.cohort) == whole.sum() < 200
    assert found.cohort.flow[-1].left == len(found.cohort)
    assert found.missing == {name: int(np.isnan(cohort(GAPS).column(name)).sum()) for name in PREDICTORS}
    assert sum(found.missing.values()) > 0


def test_each_predictor_alone_is_fitted_on_those_of_whom_it_is_known():
    found = fitted(GAPS)
    for row in found.univariable:
        values = cohort(GAPS).column(row.name)
        known = ~np.isnan(values)
        alone = fit_cox(values[known][:, None], cohort(GAPS).time[known], cohort(GAPS).event[known])
        assert (row.n, row.events) == (known.sum(), cohort(GAPS).event[known].sum())
        assert row.hazard_ratio == pytest.approx(np.exp(alone.coef[0]))
        assert row.low < row.hazard_ratio < row.high
        assert 0 < row.p < 1


def test_a_candidate_that_cannot_be_fitted_has_a_reason_and_stops_nothing():
    wider = replace(cohort(), candidates={"always": np.ones(200)})
    row = train(wider, FEW).univariable[-1]
    assert (row.name, row.n, row.hazard_ratio) == ("always", 200, None)
    assert row.reason


# Shrinkage


def test_the_factor_is_the_mean_slope_of_models_of_resamples_in_the_whole_cohort():
    data, slopes = data_of(cohort()), []
    for counts in draw_resamples(200, 12, seed=3):
        rows = np.repeat(np.arange(200), counts)
        model = fit_cox(data.x[rows], data.time[rows], data.event[rows])
        slopes.append(fit_cox((data.x @ model.coef)[:, None], data.time, data.event).coef[0])
    found = fitted(bootstrap=12, seed=3).shrinkage
    assert found.mean_slope == pytest.approx(np.mean(slopes), abs=1e-8)
    assert found.factor == found.mean_slope
    assert found.standard_error == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(12), abs=1e-8)
    assert (found.resamples, found.without_fit) == (12, 0)


def test_the_baseline_is_estimated_under_the_shrunken_predictor():
    found = fitted()
    factor = found.shrinkage.factor
    np.testing.assert_allclose(found.base.coef, factor * found.fit.coef)
    np.testing.assert_allclose(found.base.covariance, found.fit.covariance)
    data = data_of(found.cohort)
    lp = (data.x @ found.fit.coef * factor)[:, None]
    offset = baseline(np.ones(1), np.zeros((1, 1)), lp, data.time, data.event)
    t = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(found.base.cumulative(t), offset.cumulative(t), rtol=1e-12)
    assert (found.base.cumulative(t) > fitted(shrinkage="none").base.cumulative(t)).all()


def test_shrinkage_can_be_off():
    found = fitted(shrinkage="none")
    assert found.shrinkage is None
    assert (found.base.coef == found.fit.coef).all()
    assert found.figures is not None


def test_without_shrinkage_overfitting_is_warned_of_where_it_was_measured_and_nowhere_else():
    assert fitted(shrinkage="none").mean_slope > 0.9
    assert not any("too extreme" in warning for warning in fitted(shrinkage="none").warnings)
    assert not any("owed to chance" in warning for warning in fitted(shrinkage="none").warnings)
    weak = train(made(120, events=60, seed=WEAK_SEED), replace(FEW, shrinkage="none"))
    said = f"in resamples is {weak.mean_slope:.2f}: overfitting, and the hazard ratios are not shrunk"
    assert any(said in warning for warning in weak.warnings)


def test_resamples_of_which_too_many_have_no_finite_fit_correct_nothing():
    rare = np.zeros(200)
    people = made(events=60, high_drr=rare)
    rare[np.flatnonzero(people.event)[0]] = 1.0
    found = train(people, replace(FEW, shrinkage="none"))
    assert (found.figures, found.mean_slope) == (None, None)
    assert any("no finite fit to tell how much is owed to chance" in warning for warning in found.warnings)


def test_a_mean_slope_above_one_does_not_steepen(monkeypatch):
    data = data_of(cohort())
    refits = refit(data, 20, 1)
    flat = replace(refits, coef=refits.coef / 2)
    found = common_shrinkage([data], [flat])
    assert found.mean_slope > 1
    assert found.factor == 1


def test_resamples_without_a_fit_are_counted_and_too_many_refused():
    data = data_of(cohort())
    refits = refit(data, 20, 1)
    assert common_shrinkage([data], [replace(refits, failed=5)]).without_fit == 5
    with pytest.raises(TrainingError, match="6 of 26 resamples have no finite fit; use ridge or firth"):
        common_shrinkage([data], [replace(refits, failed=6)])


def test_predictors_that_point_the_wrong_way_in_the_cohort_are_refused():
    data = data_of(cohort())
    refits = refit(data, 20, 1)
    with pytest.raises(TrainingError, match="these predictors do not predict recurrence here"):
        common_shrinkage([data], [replace(refits, coef=-refits.coef)])


def test_notable_overfitting_is_warned_of():
    weak = train(made(120, events=60, seed=WEAK_SEED), FEW)
    assert 0 < weak.shrinkage.mean_slope < shrinkage.WEAK == 0.9
    assert any("overfitting" in warning for warning in weak.warnings)


# Penalties


@pytest.mark.parametrize("option", ["--ridge=inf", "--ridge=1e308", f"--seed={2**64}"])
def test_a_penalty_or_a_seed_that_no_fit_can_take_is_refused_before_the_fit(option, tmp_path):
    ended = command("train", DEMO, "--time-zero", "onset", "--out", tmp_path / "m", option)
    assert ended.status == 2
    assert f"Invalid value for '{option.partition('=')[0]}': Input should be less than" in ended.error


def test_ridge_pulls_towards_none_and_is_not_shrunk_again():
    found = fitted(ridge=2.0)
    data = data_of(found.cohort)
    np.testing.assert_allclose(found.fit.coef, fit_cox(data.x, data.time, data.event, ridge=2.0).coef)
    assert (np.abs(found.base.coef) < np.abs(fitted().fit.coef)).all()
    assert (found.shrinkage, found.figures) == (None, None)
    assert "theta = 2" in found.method


def test_firth_fits_what_separates():
    drr = np.zeros(200)
    drr[np.flatnonzero(~cohort().event)[:30]] = 1
    separated = replace(cohort(), predictors={**cohort().predictors, "high_drr": drr})
    with pytest.raises(TrainingError, match=r"no recurrence in the patients with high_drr.*use firth"):
        train(separated, FEW)
    found = train(separated, Options(firth=True))
    assert np.isfinite(found.fit.coef).all()
    assert found.fit.coef[3] < -1
    assert "Firth" in found.method


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(ridge=1.0, firth=True), "two penalties: give one"),
        (Options(ridge=1.0, shrinkage="bootstrap"), "not shrunk by bootstrap as well"),
        (Options(firth=True, shrinkage="bootstrap"), "not shrunk by bootstrap as well"),
    ],
)
def test_two_ways_of_shrinking_are_refused(options, says):
    with pytest.raises(TrainingError, match=says):
        train(cohort(), options)


# Too little


def test_the_limits_are_those_of_the_literature():
    assert (LEAST_RECURRENCES, LEAST_PER_PARAMETER, COMFORTABLE_PER_PARAMETER) == (20, 5, 10)


def test_nineteen_recurrences_are_refused_and_twenty_are_not():
    with pytest.raises(TrainingError, match=r"made\.csv: 19 recurrences in 200 patients .* at least 20"):
        train(made(events=19), Options(ridge=2.0))
    assert train(made(events=20), Options(ridge=2.0)).fit.coef.shape == (4,)


def test_with_candidates_to_select_from_each_needs_five_recurrences():
    chance = np.random.default_rng(5)
    wider = replace(cohort(), candidates={f"c{i}": chance.normal(size=200) for i in range(11)})
    with pytest.raises(TrainingError, match=r"73 recurrences in 200 patients .* at least 75 are needed"):
        train(wider, replace(FEW, select=True))


@pytest.mark.parametrize(("events", "warned"), [(39, True), (40, False)])
def test_below_ten_for_each_parameter_there_is_a_warning(events, warned):
    found = train(made(events=events), Options(ridge=2.0))
    assert any(f"{events} recurrences are fewer than 10 for each of 4" in w for w in found.warnings) is warned


def test_a_cohort_that_ends_before_the_last_horizon_is_refused():
    short = replace(cohort(), time=np.minimum(cohort().time, 2.9))
    with pytest.raises(TrainingError, match="nobody was followed for 3 years"):
        train(short, FEW)


def test_a_year_without_recurrence_is_refused():
    time = cohort().time.copy()
    time[cohort().event & (time > 2) & (time <= 3)] = 3.5
    with pytest.raises(TrainingError, match="no recurrence from 2 to 3 years"):
        train(replace(cohort(), time=time), FEW)


def test_few_patients_at_the_last_horizon_are_warned_of():
    time = np.minimum(cohort().time, 2.99)
    time[np.argsort(cohort().time)[-4:]] = 3.2
    warnings = train(replace(cohort(), time=time), Options(ridge=1.0)).warnings
    assert "only 4 patients were followed for 3 years: the risk there rests on them" in warnings


@pytest.mark.parametrize(("value", "word"), [(0.0, "absent"), (1.0, "present")])
def test_a_predictor_that_does_not_vary_is_named(value, word):
    same = replace(cohort(), predictors={**cohort().predictors, "high_ana": np.full(200, value)})
    with pytest.raises(TrainingError, match=f"high_ana is {word} in all 200 patients"):
        train(same, FEW)


@pytest.mark.parametrize(("turned", "word"), [(False, "the same"), (True, "opposite")])
def test_two_predictors_that_are_one_are_named(turned, word):
    of = cohort().predictors
    other = 1 - of["high_ana"] if turned else of["high_ana"]
    with pytest.raises(TrainingError, match=f"high_ana and high_drr are {word} in all 200 patients"):
        train(replace(cohort(), predictors={**of, "high_drr": other}), FEW)


def test_collinear_predictors_are_refused_with_the_name_of_the_cohort():
    of = cohort().predictors
    one, two = of["high_ana"], of["high_drr"] * (1 - of["high_ana"])
    collinear = {"cardiac_involvement": one, "high_ana": two, "treatment_refractory": one + two}
    with pytest.raises(TrainingError, match=r"demo_reconstructed_200\.csv: the predictors are collinear"):
        train(replace(cohort(), predictors={**of, **collinear}), FEW)


# Proportional hazards, sample size


def test_effects_that_change_with_time_are_warned_of():
    time, chance = cohort().time.copy(), np.random.default_rng(2)
    present = chance.integers(0, 2, 200).astype(float)
    early, late = (present == 1) & cohort().event, (present == 0) & cohort().event
    time[early], time[late] = chance.uniform(0.1, 1.4, early.sum()), chance.uniform(1.3, 3.5, late.sum())
    changing = replace(cohort(), time=time, predictors={**cohort().predictors, "high_ana": present})
    found = train(changing, FEW)
    assert found.proportionality.p[1] < 0.01
    assert any("hazards are not proportional" in warning for warning in found.warnings)


def test_the_sample_size_is_that_of_rileys_criteria_at_what_was_found():
    found = fitted()
    r_squared = 1 - np.exp(-2 * (found.fit.log_likelihood - found.fit.log_likelihood_null) / 200)
    years = cohort().time.sum()
    riley = sample_size(r_squared, 4, rate=73 / years, horizon=2.0, follow_up=years / 200)
    assert found.size == riley
    assert not any("would be needed" in warning for warning in found.warnings)


def test_predictors_that_explain_nothing_have_no_sample_size():
    fit = fitted().fit
    assert _sample_size(cohort(), replace(fit, log_likelihood=fit.log_likelihood_null)) is None


def test_a_cohort_smaller_than_rileys_criteria_ask_is_warned_of():
    weak = train(made(120, events=60, seed=WEAK_SEED), FEW)
    assert f"{weak.size.n} patients would be needed (Riley's criteria), 120 were analysed" in weak.warnings


# Death


def test_without_deaths_there_is_nothing_to_compete():
    assert fitted().death is None


def test_with_deaths_the_absolute_risk_is_below_the_served_one():
    found = fitted(DEATHS)
    assert found.death.deaths == 8
    assert found.death.hazard == "one hazard for all"
    assert found.death.kaplan_meier[1] == pytest.approx(0.454, abs=5e-4)
    assert found.death.aalen_johansen[1] == pytest.approx(0.442, abs=5e-4)
    for pattern, served in found.death.served.items():
        assert all(a - 0.03 < b < a for a, b in zip(served, found.death.absolute[pattern], strict=True))
    assert any("8 of 200 patients died before a recurrence" in warning for warning in found.warnings)


def test_the_absolute_risk_is_near_the_product_limit_and_without_deaths_the_served_one():
    found, x = fitted(DEATHS), cohort(DEATHS).matrix(PREDICTORS)
    t, cells = np.array([1.0, 2.0, 3.0]), np.zeros((1, 4))
    model = cause_specific(x, cohort(DEATHS).time, cohort(DEATHS).status, without_covariates=(2,))
    of = model.causes
    np.testing.assert_allclose(
        absolute_risk(of[1], of[2], cells, t), model.absolute_risk(cells, t), atol=1e-3
    )
    nobody = replace(of[2], hazard=np.zeros_like(of[2].hazard))
    served = 1 - np.exp(-np.exp(x @ found.base.coef)[:, None] * found.base.cumulative(t))
    np.testing.assert_allclose(absolute_risk(found.base, nobody, x, t), served, rtol=1e-13)


def test_with_enough_deaths_their_hazard_depends_on_the_predictors():
    status = cohort().status.copy()
    status[np.flatnonzero(status == 0)[:40]] = 2
    found = train(replace(cohort(), status=status), FEW)
    assert found.death.hazard == "a Cox model on the same predictors"


def test_deaths_that_allow_no_model_have_one_hazard():
    status = cohort().status.copy()
    absent = np.flatnonzero((status == 0) & (cohort().column("high_ana") == 0))
    status[absent[:30]] = 2
    assert train(replace(cohort(), status=status), FEW).death.hazard == "one hazard for all"


# Selection


def test_selection_keeps_what_matters_and_says_how_often():
    chance = np.random.default_rng(11)
    wider = replace(
        cohort(), candidates={"noise": chance.normal(size=200), "more_noise": chance.normal(size=200)}
    )
    found = train(wider, Options(bootstrap=30, select=True))
    assert set(found.selection.kept) >= set(PREDICTORS)
    assert min(found.selection.inclusion[name] for name in PREDICTORS) > 0.7
    assert max(found.selection.inclusion[name] for name in ("noise", "more_noise")) < 0.6
    assert found.selection.warning in found.warnings
    np.testing.assert_array_equal(found.fit.coef, fitted().fit.coef)


def test_without_asking_nothing_is_selected():
    assert fitted().selection is None


def test_backward_elimination_is_that_of_a_plain_loop():
    chance = np.random.default_rng(4)
    x = np.column_stack([cohort().matrix(PREDICTORS)[:, :2], chance.normal(size=(200, 2))])
    data = SurvivalData(x, cohort().time, cohort().event)
    counts = draw_resamples(200, 3, seed=9)
    kept, fitted_ = eliminate(data, counts)
    assert fitted_.all()
    for row, keeps in zip(counts, kept, strict=True):
        rows = np.repeat(np.arange(200), row)
        assert tuple(np.flatnonzero(keeps)) == plain_elimination(x[rows], data.time[rows], data.event[rows])


def plain_elimination(x, time, event):
    def likelihood(columns):
        fit = fit_cox(x[:, list(columns)] if columns else x[:, :1], time, event)
        return fit.log_likelihood if columns else fit.log_likelihood_null

    now = tuple(range(x.shape[1]))
    while now:
        smaller = max(combinations(now, len(now) - 1), key=likelihood)
        if 2 * (likelihood(now) - likelihood(smaller)) >= 2:
            break
        now = smaller
    return now


def test_selection_among_nothing_but_chance_may_keep_nothing():
    data = data_of(made(seed=21))
    found = select(PREDICTORS, data, 20, 1)
    assert set(found.kept) <= set(PREDICTORS)
    assert 0 <= found.same <= 1


def test_columns_that_cannot_be_fitted_together_are_refused():
    data = data_of(cohort())
    x = np.column_stack([data.x, data.x[:, 0]])
    with pytest.raises(TrainingError):
        select((*PREDICTORS, "again"), replace(data, x=x), 20, 1)


# Progress, repetition


def test_progress_is_reported_to_its_end():
    seen = {}
    train(
        cohort(),
        Options(bootstrap=101, select=True),
        lambda what, done, of: seen.__setitem__(what, (done, of)),
    )
    assert seen == {
        "the Cox model": (1, 1),
        "models of resamples": (101, 101),
        "selection in resamples": (101, 101),
    }


def test_the_same_seed_gives_the_same_and_another_seed_another_factor():
    again = train(cohort(), Options(bootstrap=40))
    np.testing.assert_array_equal(again.base.coef, fitted().base.coef)
    assert fitted(seed=2).shrinkage.factor != fitted().shrinkage.factor
