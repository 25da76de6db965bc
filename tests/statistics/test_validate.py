import csv
import json
import random
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.artefact import Model
from models.inputs import Horizon, Predictor, State
from models.registry import default_folder, load_model
from models.risk import score
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.plain_json import as_json
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import calibration_at
from models.training.statistics.discrimination import harrell_c
from models.training.statistics.smooth import cloglog, smoother
from models.training.statistics.survival import aalen_johansen, kaplan_meier
from models.training.validation.analysis_set import analysis_set, score_all
from models.training.validation.at_horizon import PredictedRisks, at_horizon, with_correction
from models.training.validation.groups import aalen_johansen_risk, kaplan_meier_risk, sure_until
from models.training.validation.performance import Performance
from models.training.validation.pooled import pooled
from models.training.validation.validate import THRESHOLDS, validate
from models.training.validation.validation import Measure, Validation, measure, unit_measure

from .trained import DATA, DEATHS, GAPS, LABELS, cohort, fitted, made


@cache
def shipped() -> Model:
    return load_model(default_folder())


def unshrunk() -> Model:
    """The shipped model with the numbers of a fit to the demonstration cohort."""
    base = fitted(shrinkage="none").base
    hazard = base.cumulative(np.array([1.0, 2.0, 3.0])).tolist()
    return replace(
        shipped(),
        log_hazard_ratios=tuple(base.coef.tolist()),
        baseline_hazard=dict(zip(map(Horizon, ("1y", "2y", "3y")), hazard, strict=True)),
    )


@cache
def record(path=None, kind: str = "fit") -> dict:
    return {"kind": kind, "cohort_sha256": (cohort(path) if path else cohort()).sha256}


@cache
def own() -> Validation:
    """The demonstration cohort under the model that was fitted to it."""
    return validate(unshrunk(), cohort(), record=record(), resamples=40)


@cache
def elsewhere(path=GAPS) -> Validation:
    return validate(shipped(), cohort(path), resamples=20)


@cache
def of_r() -> dict[tuple[str, str, float | None], tuple[float, float]]:
    with (DATA.parent / "reference_numbers.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "demo200"]
    return {
        (row["model"], row["quantity"], float(row["time"]) if row["time"] else None): (
            float(row["value"]),
            float(row["tolerance"] or 0),
        )
        for row in rows
    }


def meets(value: float, quantity: str, time: float | None = None, model: str = "cox_efron") -> bool:
    expected, tolerance = of_r()[model, quantity, time]
    return abs(value - expected) <= max(tolerance, 1e-8)


@pytest.mark.parametrize(
    ("field", "quantity"),
    [
        ("auc", "auc_score"),
        ("brier", "brier"),
        ("ipa", "ipa"),
        ("observed_over_expected", "oe_ratio"),
        ("ici", "ici_tight"),
        ("e50", "e50_tight"),
        ("e90", "e90_tight"),
        ("emax", "emax_tight"),
    ],
)
def test_the_numbers_of_the_demonstration_cohort_are_those_of_r(field, quantity):
    for at in own().horizons:
        assert meets(getattr(at, field).value, quantity, at.years)


def test_concordance_is_that_of_r():
    assert meets(own().harrell.value, "harrell_c_rounded")
    assert all(meets(point.auc.value, "uno_c", point.years) for point in own().uno)
    assert abs(own().slope.value - 1) < 1e-8


def test_the_demonstration_cohort_shows_the_abstracts_three_aucs():
    assert [f"{at.auc.value:.2f}" for at in own().horizons] == ["0.77", "0.84", "0.74"]


def one_by_one(time, event, risk, t) -> list[float]:
    """Net benefit at each threshold from Kaplan-Meier among those above it; nan where nobody of them was followed."""
    found = []
    for threshold in THRESHOLDS:
        above = risk >= threshold
        if not above.any():
            found.append(0.0)
            continue
        happened = 1 - kaplan_meier(time[above], event[above]).at(np.array([t]))[0]
        found.append(above.mean() * (happened - (1 - happened) * threshold / (1 - threshold)))
    return found


def test_net_benefit_is_that_of_the_one_by_one_formula():
    risk = score_all(unshrunk(), cohort().matrix(unshrunk().names)).risks[:, 1]
    found = own().horizons[1].decision
    expected = one_by_one(cohort().time, cohort().event, risk, 2.0)
    assert [value is None for value in found.model] == list(np.isnan(expected))
    assert np.allclose([b for b in found.model if b is not None], np.array(expected)[~np.isnan(expected)])


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_net_benefit_of_any_cohort_is_that_of_the_one_by_one_formula(seed):
    chance = np.random.default_rng(seed)
    n = int(chance.integers(1, 60))
    time, event = np.ceil(chance.exponential(3, n) * 2) / 2, chance.random(n) < 0.5
    risk = np.round(chance.random(n), int(chance.integers(1, 4)))
    found = net_benefit(time, event, risk, 2.0, THRESHOLDS)
    model = np.where(found.unfollowed & ~found.nobody, np.nan, found.model)
    np.testing.assert_allclose(model, one_by_one(time, event, risk, 2.0), atol=1e-12)


def test_the_curve_goes_through_the_observed_risks_of_its_indices():
    people, model = cohort(), unshrunk()
    risk = score_all(model, people.matrix(model.names)).risks[:, 1]
    curve = smoother(cloglog(risk), people.time, people.event).at(cloglog(risk), 2.0)
    indices = calibration_at(people.time, people.event, risk, -np.log1p(-risk), 2.0)
    assert np.allclose(curve, indices.observed, atol=1e-9)


def test_a_curve_of_risks_that_hardly_differ_is_that_of_the_same_risks_apart():
    people, model = cohort(), unshrunk()
    u = cloglog(score_all(model, people.matrix(model.names)).risks[:, 1])
    apart = smoother(u, people.time, people.event).at(u, 2.0)
    near = (
        u.mean() + (u - u.mean()) / 1e4
    )  # as a penalty leaves them: the coefficients are 10,000 times as large
    assert np.allclose(smoother(near, people.time, people.event).at(near, 2.0), apart, atol=1e-6)


def test_risks_with_unknown_predictors_are_those_of_the_bedside():
    model, marks = shipped(), {1.0: State.PRESENT, 0.0: State.ABSENT}
    chance = random.Random(5)
    rows = [[chance.choice([0.0, 1.0, float("nan")]) for _ in model.names] for _ in range(60)]
    found = score_all(model, np.array(rows))
    for row, pattern, risks in zip(rows, found.patterns, found.risks, strict=True):
        known = {
            name: Predictor(marks.get(value, State.MISSING))
            for name, value in zip(model.names, row, strict=True)
        }
        bedside = score(model, known, {})
        assert bedside.pattern == pattern
        if pattern.count("?") <= 2:
            assert [bedside.risk[h].estimate for h in model.horizons] == list(risks)


def test_who_has_too_few_known_predictors_gets_no_score_and_is_counted():
    people = cohort()
    unknown = {
        name: np.where(np.arange(200) < 7, np.nan, values) for name, values in people.predictors.items()
    }
    unknown["high_drr"] = people.predictors["high_drr"]
    found = validate(shipped(), replace(people, predictors=unknown), resamples=20)
    assert (found.screened, found.n) == (200, 193)
    assert (found.flow[-1].taken_out, found.flow[-1].left) == (7, 193)
    assert "fewer than 2 of 4" in found.flow[-1].reason


def test_a_cohort_of_which_nobody_can_be_scored_is_refused():
    people = cohort()
    nothing = {name: np.full(200, np.nan) for name in people.predictors}
    with pytest.raises(TrainingError, match="nobody has 2 of the model's predictors known"):
        validate(shipped(), replace(people, predictors=nothing))


def test_only_the_cohort_of_the_fit_is_validated_internally():
    assert own().same_cohort == "fit"
    assert elsewhere().internal is None
    assert validate(shipped(), cohort(), record=record(GAPS), resamples=20).internal is None
    updated = validate(shipped(), cohort(), record=record(kind="baseline update"), resamples=20)
    assert (updated.same_cohort, updated.internal) == ("baseline update", None)


def test_the_four_bootstrap_figures_are_told_apart_and_one_is_corrected():
    figures = own().internal.concordance
    assert figures.mean_in_resamples > figures.apparent > figures.mean_on_original
    assert figures.corrected == pytest.approx(
        figures.apparent - (figures.mean_in_resamples - figures.mean_on_original)
    )
    assert figures.corrected < figures.apparent


def test_correction_takes_something_off_everything():
    for at in own().horizons:
        assert at.auc_corrected.value < at.auc.value
        assert at.ipa_corrected.value < at.ipa.value
        assert at.ici_corrected.value > at.ici.value
        assert at.curve.corrected != at.curve.observed
    assert own().internal.slope.value < own().slope.value


def test_correction_is_said_to_be_impossible_elsewhere():
    at = elsewhere().horizons[0]
    assert at.auc_corrected == Measure(None, reason="only for the cohort that the model was fitted to")
    assert (at.curve.corrected, at.decision.corrected) == ((), ())


def test_stability_has_a_row_for_each_own_risk_and_none_for_a_patient():
    found = own().internal.stability
    assert sum(row.n for row in found.rows) == 200
    assert len(found.rows) <= 16
    assert all(list(row.quantiles) == sorted(row.quantiles) for row in found.rows)
    assert 0 < found.mape < 0.1


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    first, again, other = (
        as_json(validate(unshrunk(), cohort(), record=record(), resamples=20, seed=seed))
        for seed in (4, 4, 5)
    )
    assert first == again
    assert first["internal"]["concordance"] != other["internal"]["concordance"]


def test_counts_below_a_curve_add_up_to_its_group():
    for grouping in elsewhere(DEATHS).groupings:
        for curve in grouping.curves:
            for row in curve.table:
                assert row.at_risk + row.censored + row.died + row.events == curve.n


def test_risk_groups_are_the_bands_of_the_policy():
    found = elsewhere(DEATHS).groupings[0]
    risk = score_all(shipped(), cohort(DEATHS).matrix(shipped().names)).risks[:, 1]
    expected = [
        int((risk < 0.2).sum()),
        int(((risk >= 0.2) & (risk < 0.45)).sum()),
        int((risk >= 0.45).sum()),
    ]
    assert [curve.n for curve in found.curves] == expected


def test_death_is_shown_as_a_competing_event_where_somebody_died():
    at = elsewhere(DEATHS).horizons[1]
    assert elsewhere(DEATHS).deaths == 8
    assert at.observed_competing.value < at.observed.value
    assert at.auc_competing.given
    assert own().horizons[1].auc_competing.reason == "nobody died"


def test_competing_risk_is_aalen_johansens_with_limits_round_it():
    people = cohort(DEATHS)
    found = aalen_johansen_risk(people.time, people.status, 2.0)
    assert found.value == float(aalen_johansen(people.time, people.status, 1).at(np.array([2.0]))[0])
    assert found.low < found.value < found.high


def test_subgroups_with_few_recurrences_say_so_instead_of_a_number():
    people = cohort()
    names = tuple("anti-SRP" if i < 180 else "anti-HMGCR" for i in range(200))
    found = {
        part.label: part
        for part in validate(shipped(), replace(people, subtype=names), resamples=20).subgroups
    }
    assert found["anti-SRP"].concordance.given
    assert found["anti-HMGCR"].concordance.reason == "fewer than 10 recurrences"
    assert found["all known"].n == 200


def test_missing_predictors_are_counted_by_predictor_and_by_pattern():
    found, matrix = elsewhere(), cohort(GAPS).matrix(shipped().names)
    kept = matrix[(~np.isnan(matrix)).sum(axis=1) >= 2]
    assert [row.unknown for row in found.missing] == np.isnan(kept).sum(axis=0).tolist()
    assert sum(row.n for row in found.patterns) == found.n == len(kept)


def _few(n: int) -> Cohort:
    return cohort().where(np.arange(200) < n)


SMALL = {
    "one patient": lambda: _few(1),
    "two patients": lambda: _few(2),
    "five patients": lambda: _few(5),
    "no recurrence": lambda: replace(cohort(), status=np.zeros(200, dtype=np.int64)),
    "nobody followed for a year": lambda: replace(cohort(), time=cohort().time / 20),
    "nobody followed for three years": lambda: replace(cohort(), time=np.minimum(cohort().time, 2.5)),
    "no recurrence in the first years": lambda: replace(cohort(), time=cohort().time + 3.5),
    "everybody recurred at once": lambda: replace(
        cohort(), time=np.ones(200), status=np.ones(200, dtype=np.int64)
    ),
    "everybody died": lambda: replace(cohort(), status=np.full(200, 2, dtype=np.int64)),
    "nobody censored": lambda: replace(cohort(), status=np.ones(200, dtype=np.int64)),
    "all predictors absent": lambda: made(**{name: np.zeros(200) for name in shipped().names}),
    "a predictor never known": lambda: replace(
        cohort(), predictors=dict(cohort().predictors) | {"high_ana": np.full(200, np.nan)}
    ),
    "one patient with each pattern": lambda: _few(16),
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_cohort_that_allows_little_says_why_and_never_fails(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = validate(shipped(), SMALL[kind](), resamples=20)
    text = json.dumps(as_json(found), allow_nan=False)
    assert found.n > 0
    assert '"value": null, "se": null, "low": null, "high": null, "reason": ""' not in text


def test_what_cannot_be_estimated_is_named():
    short = validate(shipped(), SMALL["nobody followed for three years"](), resamples=20).horizons[2]
    assert short.observed.reason == "nobody was followed for 3 years"
    assert short.auc.reason == short.brier.reason == short.ici.reason == short.observed.reason
    none = validate(shipped(), SMALL["no recurrence"](), resamples=20)
    assert none.horizons[0].auc.reason == "nobody had a recurrence within 1 year"
    assert none.groupings[0].log_rank.reason == "nobody had a recurrence"
    assert not none.harrell.given


def test_a_group_without_patients_has_no_risk():
    assert not kaplan_meier_risk(np.array([]), np.array([], dtype=np.int64), 1.0).given
    assert not aalen_johansen_risk(np.array([]), np.array([], dtype=np.int64), 1.0).given


def test_progress_is_told_to_its_end():
    seen: dict[str, tuple[int, int]] = {}

    def note(what: str, done: int, of: int) -> None:
        seen[what] = (done, of)

    validate(unshrunk(), cohort(), record=record(), resamples=20, progress=note)
    assert {"every step in resamples", "discrimination and calibration"} <= set(seen)
    assert all(done == of for done, of in seen.values())


def test_a_number_that_is_not_finite_never_becomes_json():
    with pytest.raises(ValueError, match="no place in JSON"):
        as_json(Measure(float("nan")))
    assert as_json({"day": LABELS.centre, "n": np.int64(3)}) == {"day": "West Hospital", "n": 3}


@cache
def imputed() -> Validation:
    """The cohort with gaps under a model that was fitted to it, its gaps imputed four times."""
    known = record(GAPS) | {"seed": 1, "missingness": {"imputations": 4}}
    return validate(unshrunk(), cohort(GAPS), record=known, resamples=20)


def test_where_the_fit_imputes_everybody_is_analysed_and_a_step_of_the_flow_says_so():
    found = imputed()
    assert (found.n, found.events, found.imputations) == (200, 99, 4)
    assert found.flow[-1].left == 200
    assert "imputed" in found.flow[-1].step
    assert found.internal.failed == 0
    assert found.horizons[1].ipa_corrected.given


@pytest.mark.parametrize(
    "bent",
    [
        {"missingness": {"imputations": 5}},
        {"missingness": {"imputations": "many"}, "seed": 1},
        {"missingness": {"imputations": 5}, "seed": -4},
        {"missingness": [1], "seed": 1},
    ],
    ids=str,
)
def test_a_record_that_does_not_say_how_its_fit_imputed_ends_in_one_sentence(bent):
    of = cohort(GAPS)
    record = {"kind": "fit", "cohort_sha256": of.sha256, "patients_sha256": of.patients_sha256} | bent
    with pytest.raises(
        TrainingError, match=r"the record of the model's fit cannot be read: missingness.*restore"
    ):
        analysis_set(load_model(default_folder()), of, record)


def test_figures_of_completed_sets_are_pooled_by_rubins_rules():
    people = cohort(GAPS)
    among = analysis_set(unshrunk(), people, record(GAPS) | {"seed": 1, "missingness": {"imputations": 4}})
    scores = [score_all(unshrunk(), x).risks[:, 1] for x in among.sets]
    each = [harrell_c(people.time, people.event, cloglog(risk)) for risk in scores]
    values = [one.value for one in each]
    spread = np.mean([one.se**2 for one in each]) + 1.25 * np.var(values, ddof=1)
    assert imputed().harrell.value == pytest.approx(np.mean(values))
    assert imputed().harrell.se == pytest.approx(np.sqrt(spread))


def test_what_is_the_same_in_every_completed_set_keeps_its_limits():
    people = cohort(GAPS)
    for at in imputed().horizons:
        assert at.observed_competing == aalen_johansen_risk(people.time, people.status, at.years)
        assert at.observed == kaplan_meier_risk(people.time, people.status, at.years)


def test_limits_of_a_share_end_at_0_and_1_in_one_set_and_in_several_and_those_of_a_slope_do_not():
    nearly, hardly, slope = unit_measure(0.97, 0.03), unit_measure(0.02, 0.03), measure(0.97, 0.03)
    assert (nearly.high, hardly.low) == (1.0, 0.0)
    assert nearly.low == pytest.approx(0.97 - 1.959964 * 0.03)
    assert slope.high == pytest.approx(0.97 + 1.959964 * 0.03)
    assert pooled([nearly, unit_measure(0.99, 0.03)]).high == 1.0
    assert pooled([slope, measure(0.99, 0.03)]).high > 1
    assert not unit_measure(np.nan).given
    assert unit_measure(1.0, 0.0).high is None


def test_what_one_completed_set_does_not_show_is_not_given():
    assert pooled([Measure(1.0), Measure(None, reason="nobody")]).reason == "nobody"
    assert pooled([(1, 2.0, "a", None), (2, 3.0, "b", 1.0)]) == (2, 2.5, "a", None)
    assert pooled([(1.0,), (1.0, 2.0)]) == (1.0,)


def test_complete_cases_are_analysed_where_they_were_fitted():
    found = validate(unshrunk(), cohort(GAPS), record=record(GAPS) | {"seed": 1}, resamples=20)
    whole = cohort(GAPS).complete(unshrunk().names)
    assert (found.n, found.events) == (len(whole), int(whole.event.sum()))
    assert found.flow == whole.flow
    assert sum(row.n for row in found.internal.stability.rows) == found.n


def test_where_the_model_acts_for_all_its_corrected_benefit_is_that_of_acting_for_all():
    equal = 0
    for at in (*own().horizons, *imputed().horizons):
        for apparent, corrected, everybody in zip(
            at.decision.model, at.decision.corrected, at.decision.treat_all, strict=True
        ):
            if apparent == pytest.approx(everybody, abs=1e-12):
                equal += 1
                assert corrected == pytest.approx(everybody, abs=1e-12)
    assert equal


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_no_optimism_moves_the_benefit_of_acting_for_all_or_for_nobody(seed):
    chance = np.random.default_rng(seed)
    n = int(chance.integers(30, 80))
    risk = np.round(chance.uniform(0.1, 0.5, n), 2)
    time, event = chance.exponential(3, n), chance.random(n) < 0.6
    at = at_horizon(
        PredictedRisks(time, event.astype(np.int64), risk, Horizon("2y")),
        THRESHOLDS,
        np.ones((1, n), dtype=int),
    )
    one, grid = np.zeros(1), np.zeros((1, 41))
    optimism = Performance(one[0], one[0], one, one, one, grid, chance.normal(size=(1, len(THRESHOLDS))))
    found = with_correction(at, optimism, 0, risk).decision
    for k, threshold in enumerate(found.thresholds):
        if threshold <= risk.min():
            assert found.corrected[k] == found.model[k] == pytest.approx(found.treat_all[k], abs=1e-12)
        if threshold > risk.max():
            assert found.corrected[k] == 0


@given(st.integers(0, 10_000), st.integers(1, 120))
@settings(max_examples=50, deadline=None)
def test_a_curve_is_drawn_in_full_while_a_tenth_of_its_group_and_five_are_at_risk(seed, n):
    time = np.random.default_rng(seed).exponential(2, n)
    until, needed = sure_until(time), max(5, 0.1 * n)
    if n < 5:
        assert until == 0
    else:
        assert (time >= until).sum() >= needed
        assert (time > until).sum() < needed
