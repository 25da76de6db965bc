"""Unknown predictors in the fit: who is analysed, what is pooled, what is said of complete cases, and of bands."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.artefact import Policy
from models.policy import load_policy
from models.registry import default_folder, load_model
from models.training.cohort.cohort import PREDICTORS
from models.training.errors import TrainingError
from models.training.fitting.adequacy import warnings_on_bands
from models.training.fitting.missing import IMPUTATIONS, analysed, incomplete
from models.training.fitting.served import YEARS, at_horizons, joint_table
from models.training.fitting.train import Options, _warnings, train
from models.training.fitting.write_model import write_model
from models.training.report.compose import compose
from models.training.report.page import page
from models.training.statistics.arrays import patterns
from models.training.validation.recorded import fit_record_of
from models.training.validation.validate import validate
from tests.statistics import imputed_cohorts
from tests.statistics.trained import DEATHS, GAPS, LABELS, cohort, command, fitted
from tests.support.nightly import count

SHARE = 200  # patients of the cohort with gaps


def sparse(share: float, seed: int = 1):
    """The cohort without gaps, a share of one predictor taken out."""
    whole = cohort(DEATHS)
    unknown = np.random.default_rng(seed).permutation(len(whole)) < round(share * len(whole))
    values = np.where(unknown, np.nan, whole.predictors["high_ana"])
    return replace(whole, predictors={**whole.predictors, "high_ana": values})


def policy() -> Policy:
    """The shipped policy."""
    return load_policy(default_folder() / "policy.toml")


def test_everybody_is_analysed_and_what_is_known_stays():
    found = fitted(GAPS)
    assert len(found.cohort) == len(cohort(GAPS)) == SHARE
    assert found.sets.shape == (IMPUTATIONS, SHARE, 4)
    known = cohort(GAPS).matrix(PREDICTORS)
    assert (found.sets[:, ~np.isnan(known)] == known[~np.isnan(known)]).all()
    assert found.cohort.flow[-1].step == "analysed, the unknown predictors of 73 imputed"
    assert found.cohort.flow[-1].taken_out == 0


@pytest.mark.parametrize(("share", "sets"), [(0.05, 1), (0.055, IMPUTATIONS), (0.0, 1)])
def test_complete_cases_suffice_where_they_are_95_in_100(share, sets):
    assert len(analysed(sparse(share), None, 1).sets) == sets


@pytest.mark.parametrize("asked", [0, 2, 7])
def test_the_number_of_sets_is_that_asked_for(asked):
    found = analysed(sparse(0.02), asked, 1)
    assert len(found.sets) == (asked or 1)
    assert len(found.cohort) == (SHARE if asked else SHARE - 4)


def test_one_set_is_refused_and_so_is_a_predictor_that_is_known_of_too_few():
    with pytest.raises(TrainingError, match=r"imputations: 0 .* or 2 to 1000$"):
        analysed(cohort(GAPS), 1, 1)
    with pytest.raises(TrainingError, match="high_ana is known of 9 of 200 patients"):
        analysed(sparse(191 / 200), None, 1)


def test_what_is_served_is_pooled_over_the_sets():
    found = fitted(GAPS)
    each = [at_horizons(base, YEARS) for base in found.bases]
    served = found.at(YEARS)
    np.testing.assert_allclose(
        np.log(served.hazard), np.mean([np.log(at.hazard) for at in each], axis=0), rtol=1e-12
    )
    np.testing.assert_allclose(found.base.coef, found.shrinkage.factor * found.fit.coef, rtol=1e-12)
    within = np.mean([at.covariance for at in each], axis=0)
    assert (served.covariance.diagonal() > within.diagonal()).all()
    assert found.figures.apparent > found.figures.corrected
    assert found.shrinkage.resamples == 40
    assert len(found.missingness.degrees) == 4
    assert all(0 < share < 1 for share in found.missingness.missing_information)
    model_covariance = served.covariance[:4, :4]
    np.testing.assert_allclose(model_covariance, found.base.covariance, rtol=1e-12)


def test_the_joint_table_is_made_of_mean_counts():
    sets = fitted(GAPS).sets
    keys = patterns(4)
    one_each = np.array([list(joint_table(x).values()) for x in sets]).mean(axis=0)
    np.testing.assert_allclose(list(joint_table(sets).values()), one_each, atol=0.01)
    assert list(joint_table(sets)) == keys
    same = np.tile(sets[:1], (3, 1, 1))
    assert joint_table(same) == pytest.approx(joint_table(sets[0]))


def test_measured_values_and_candidates_inform_but_a_value_not_its_own_predictor():
    of = cohort(GAPS)
    rng = np.random.default_rng(1)
    rarely = np.where(rng.random(SHARE) < 0.6, np.nan, 1.0)
    wider = replace(
        of, candidates={"age": rng.normal(60, 9, SHARE), "same": np.ones(SHARE), "rarely": rarely}
    )
    start = incomplete(wider)
    assert start.auxiliaries == ("de_ritis_ratio", "age")
    assert start.coded_from == {3: 4}
    np.testing.assert_array_equal(start.columns[:, 4], np.log2(of.raw["de_ritis_ratio"]))
    assert start.columns.shape == (SHARE, 6)


# What is said


def test_the_difference_of_complete_cases_is_said_in_words():
    found = fitted(GAPS)
    missing, whole = found.missingness, ~np.isnan(cohort(GAPS).matrix(PREDICTORS)).any(axis=1)
    event = cohort(GAPS).event
    assert (missing.complete, missing.others) == (whole.sum(), (~whole).sum())
    assert missing.sentence in found.warnings
    shares = [round(100 * event[part].mean()) for part in (whole, ~whole)]
    assert f"complete cases have {shares[0]} % recurrences, the others {shares[1]} %" in missing.sentence
    alone = fitted(GAPS, imputations=0)
    np.testing.assert_allclose(missing.alone.log_hazard_ratios, alone.fit.coef)
    hazard = alone.at(YEARS).hazard[1]
    assert missing.alone.baseline_risk == pytest.approx(1 - np.exp(-hazard))
    assert f"{100 * missing.served.baseline_risk:.1f} %, from complete cases alone" in missing.sentence
    assert alone.missingness.imputations == 0
    assert "complete cases alone were analysed" in alone.missingness.sentence
    assert fitted(DEATHS).missingness is None


def test_complete_cases_that_are_too_few_for_a_fit_are_left_out_of_the_comparison():
    of = cohort(DEATHS)
    rng = np.random.default_rng(2)
    predictors = {name: np.where(rng.random(SHARE) < 0.6, np.nan, of.predictors[name]) for name in PREDICTORS}
    found = train(replace(of, predictors=predictors), Options(imputations=3, bootstrap=21))
    assert found.missingness.alone is None
    assert "from complete cases alone" not in found.missingness.sentence


@pytest.mark.parametrize(
    ("risk", "coef", "warned"),
    [
        (0.1999, (1.0, 1.0), False),
        (0.2, (1.0, 1.0), True),
        (0.25, (1.0, -0.9), False),
        (0.5, (1.0, -0.2), True),
    ],
)
def test_it_is_said_where_no_pattern_of_predictors_is_low(risk, coef, warned):
    said = warnings_on_bands(policy(), np.array(coef), -np.log1p(-risk))
    assert bool(said) is warned
    if warned:
        assert "no pattern of predictors is low" in said[0]
        assert "low is below 20 %" in said[0]


@pytest.mark.parametrize(("low_below", "warned"), [(0.01, True), (0.44, False)])
def test_a_model_is_held_against_the_policy_that_goes_with_it(low_below, warned):
    said = _warnings(fitted(GAPS), replace(policy(), low_below=low_below))
    assert any("no pattern" in text for text in said) is warned
    assert _warnings(fitted(GAPS), policy()) == fitted(GAPS).warnings


def test_card_and_report_tell_what_was_imputed_and_show_measured_values(tmp_path):
    found = fitted(GAPS)
    model = write_model(tmp_path / "m", found, LABELS)
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "imputed 20 times by chained equations" in card
    assert "Sensitivity analysis: 127 complete cases" in card
    assert "± t standard errors by Rubin's rules" in card
    assert "unknown predictors imputed" in load_model(tmp_path / "m").description["population"]
    record = fit_record_of(tmp_path / "m")
    validation = validate(model, cohort(GAPS), record=record, resamples=20)
    html, figures = page(compose(validation, model, None, "", record))
    for section in ("imputed", "form"):
        assert f'<section id="{section}"' in html
        assert f'<a href="#{section}">' in html
    assert "form-high-drr" in figures
    assert "marginal" not in html.split('<section id="form"')[1].split("</section>")[0]
    assert "rule S3" in html
    assert json.loads(json.dumps(record))["missingness"]["imputations"] == IMPUTATIONS


def test_a_report_without_gaps_or_measured_values_has_neither_section(tmp_path):
    model = write_model(tmp_path / "m", fitted(), LABELS)
    record = fit_record_of(tmp_path / "m")
    html, _ = page(compose(validate(model, cohort(), record=record, resamples=20), model, None, "", record))
    assert 'id="imputed"' not in html
    assert '"#form"' not in html


def test_the_command_takes_the_number_of_sets_and_not_with_an_update(tmp_path):
    asked = ("--time-zero", "x", "--out", tmp_path / "m", "--imputations", "3", "--bootstrap", "20")
    ended = command("train", GAPS, *asked)
    assert ended.status == 0, ended.error
    assert load_model(tmp_path / "m")
    assert fit_record_of(tmp_path / "m")["missingness"]["imputations"] == 3
    ended = command("train", GAPS, "--update", tmp_path / "m", *asked[:3], tmp_path / "n", *asked[4:])
    assert ended.status
    assert "leave out what says how to fit" in ended.error


# Where the truth is known


def test_imputation_covers_the_truth_where_complete_cases_do_not():
    cohorts = count(30, 2000)
    ways, (effects, risk) = imputed_cohorts.compare(cohorts), imputed_cohorts.truth()
    imputed, alone = ways["imputed"], ways["complete cases"]
    low, high = imputed_cohorts.COVERAGE if cohorts >= 2000 else (0.85, 1.0)
    cover = np.nanmean(imputed.covered, axis=0)
    assert (cover.mean() if cohorts < 2000 else cover.min()) >= low
    assert cover.max() <= high
    off = np.nanmean(imputed.risk) - risk
    assert abs(off) < imputed_cohorts.BIAS if cohorts >= 2000 else abs(off) < 0.04
    assert np.nanmean(alone.risk) - risk > 0.06
    assert len(effects) == 4


def test_where_everybody_lacks_a_predictor_the_fit_says_that_there_is_no_complete_case():
    people = cohort()
    lacks = np.arange(len(people)) % len(people.predictors)
    unknown = {
        name: np.where(lacks == k, np.nan, column)
        for k, (name, column) in enumerate(people.predictors.items())
    }
    found = train(replace(people, predictors=unknown), Options(bootstrap=20, imputations=2))
    assert "of 200 of 200 patients: there is no complete case; unknown predictors were imputed" in " ".join(
        found.warnings
    )
