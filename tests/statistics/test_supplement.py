"""Centres, groups, death, effects over time and other models: what is said, and what is not."""

import json
import re
import warnings
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from models.inputs import Horizon
from models.registry import default_folder
from models.training.errors import TrainingError
from models.training.report.figures.gallery import Gallery
from models.training.report.sections.comparison import comparisons
from models.training.report.sections.time_varying import time_varying as effects_section
from models.training.statistics.accuracy import brier_at
from models.training.statistics.benefit import net_benefit
from models.training.statistics.competing.fine_gray import fine_gray
from models.training.statistics.discrimination import auc_at, harrell_c
from models.training.statistics.resampling import draw_resamples
from models.training.statistics.smooth import cloglog
from models.training.validation.analysis_set import analysis_set, score_all
from models.training.validation.supplement.against import Rival
from models.training.validation.supplement.centres import at_centres
from models.training.validation.supplement.comparison import FigureDifference, ModelComparison, compare
from models.training.validation.supplement.competing import _limits, competing_events
from models.training.validation.supplement.fairness import AGES, age_groups, age_limits, fairness
from models.training.validation.supplement.pooling import LOG, LOGIT, pooled, random_effects
from models.training.validation.supplement.supplement import Asked, supplement
from models.training.validation.supplement.time_varying import Effect, PeriodRatios, TimeVarying, time_varying
from models.training.validation.validate import validate
from models.training.validation.validation import measure, missing

from .supplemented import in_groups
from .support import rendered
from .test_validate import own, record, shipped, unshrunk
from .trained import DEATHS, DEMO, GAPS, TIME_ZERO, cohort, command, made

TWO = Horizon("2y")


def made_of(path=DEATHS, *rivals):
    """The supplement of the shipped model in another cohort than its own."""
    people = in_groups(cohort(path))
    found, asked = validate(shipped(), people, resamples=20), Asked(rivals=rivals)
    return supplement(shipped(), analysis_set(shipped(), people, {}), found, {}, asked, resamples=20)


of = cache(made_of)


@cache
def of_own():
    """The supplement of a model in the cohort that it was fitted to."""
    asked = Asked(rivals=(Rival(shipped(), {}),))
    fit = record() | {"kind": "fit"}
    among = analysis_set(unshrunk(), in_groups(cohort()), fit)
    return supplement(unshrunk(), among, own(), fit, asked, resamples=40)


def risks(people, model=None):
    return score_all(model or shipped(), people.matrix(shipped().names)).risks


# centres


def test_a_centre_is_left_out_only_of_a_model_that_was_fitted_here():
    assert of_own().centres.left_out
    assert not of().centres.left_out


def test_the_largest_centre_comes_first_and_who_has_none_is_counted():
    centres = of().centres
    sizes = [centre.performance.n for centre in centres.centres]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + centres.unknown == 200
    assert [c.others for c in centres.centres] == [sum(sizes) - n for n in sizes]


def test_a_left_out_centre_has_no_part_in_the_fit_that_is_tried_there():
    people = in_groups(cohort())
    north = np.array(people.groups["centre"]) == "North"
    turned = replace(people, time=np.where(north, people.time[::-1], people.time))
    first, second = (
        supplement(unshrunk(), among, own(), record(), Asked(), resamples=20).centres.centres[0].performance
        for among in (analysis_set(unshrunk(), of, record()) for of in (people, turned))
    )
    assert first.expected == second.expected
    assert first.concordance != second.concordance


def test_centres_with_few_recurrences_have_no_estimate_and_small_ones_are_not_shown():
    centre = tuple(["large"] * 150 + ["middle"] * 46 + ["small"] * 4)
    people = replace(cohort(), groups={"centre": centre}, status=(np.arange(200) < 155).astype(np.int64))
    found = at_centres(people, risks(people)[:, 1], TWO)
    assert [each.label for each in found.centres] == ["large", "middle"]
    assert found.small == 1
    few = found.centres[1].performance
    assert few.concordance == few.slope == missing("fewer than 10 recurrences")
    assert found.concordance.mean.reason == "fewer than two centres have an estimate"


@pytest.mark.parametrize(
    ("centre", "words"),
    [(("one",), "fewer than two"), (("",), "fewer than two"), (tuple(map(str, range(60))), "more than 50")],
)
def test_without_centres_to_leave_out_the_reason_is_kept(centre, words):
    people = in_groups(cohort(), centre=centre)
    with pytest.raises(TrainingError, match=words):
        at_centres(people, risks(people)[:, 1], TWO)
    found = validate(shipped(), people, resamples=20)
    among = analysis_set(shipped(), people, {})
    more = supplement(shipped(), among, found, {}, Asked(), resamples=20)
    assert more.centres is None
    assert words in more.not_by_centre
    items = json.loads(rendered(found, shipped(), more=more)[1])["checklists"]["tripod_ai"]["items"]
    assert words in next(item["answer"] for item in items if item["id"] == "12d")


def test_alike_centres_have_no_spread_and_unlike_ones_a_wide_prediction():
    alike = random_effects(np.array([0.3, 0.31, 0.29, 0.3]), np.full(4, 0.04))
    unlike = random_effects(np.array([-1.0, 0.2, 0.9, 1.8]), np.full(4, 0.04))
    assert alike.tau_squared == 0
    assert unlike.i_squared > 0.9
    assert unlike.prediction[0] < unlike.limits[0] < unlike.mean < unlike.limits[1] < unlike.prediction[1]


def test_estimates_that_have_no_place_on_the_scale_are_left_out_of_the_mean():
    found = pooled([measure(1.0, 0.0), measure(1.0, 0.1), measure(0.7, 0.05), measure(0.8, 0.05)], LOGIT)
    assert found.centres == 2
    assert 0.7 < found.mean.value < 0.8
    assert found.predicted.reason == "fewer than three centres have an estimate"
    assert pooled([measure(0.0, 0.1), measure(1.0, 0.1)], LOG).centres == 1


# groups


def test_age_groups_stand_in_the_order_of_their_ages():
    people = made()
    risk = np.full(len(people), 0.3)
    aged = replace(people, beside={"age": np.linspace(1, 109, len(people))})
    found = fairness(aged, risk, TWO, (5.0, 18.0, 100.0))[0]
    labels = [group.label for group in found.groups]
    assert labels == ["under 5", "5 to under 18", "18 to under 100", "100 and over"]


def test_a_risk_that_is_one_but_for_rounding_has_limits_from_0_to_1_and_no_warning():
    curve = SimpleNamespace(at=lambda t: np.array([1 - 1e-16]), standard_error=lambda t: np.array([0.1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _limits(curve, np.array([2.0])) == ((0.0,), (1.0,))


def test_age_groups_begin_at_their_limits():
    names = age_groups(np.array([49.9, 50, 64, 65, np.nan]), AGES)
    assert names == ("under 50", "50 to under 65", "50 to under 65", "65 and over", "")


@pytest.mark.parametrize("text", ["x", "65,50", "0,50", "50,50", "50,130", "nan", ",", "50;65"])
def test_age_limits_that_do_not_rise_are_refused(text):
    with pytest.raises(TrainingError, match="rising limits in years"):
        age_limits(text)
    assert age_limits(" ") == AGES
    assert age_limits("40, 60") == (40.0, 60.0)


def test_each_group_is_what_it_would_be_alone_and_differences_add_variances():
    people = in_groups(cohort(DEATHS))
    risk = risks(people)[:, 1]
    sex = fairness(people, risk, TWO)[0]
    female = np.array(people.groups["sex"]) == "female"
    alone = harrell_c(people.time[female], people.event[female], cloglog(risk[female]))
    both = {group.label: group for group in sex.groups}
    assert both["female"].performance.concordance.value == alone.value
    other = next(group for group in sex.groups if group.label != sex.reference)
    base = both[sex.reference].performance
    difference = other.concordance_difference
    assert difference.value == pytest.approx(other.performance.concordance.value - base.concordance.value)
    assert difference.se**2 == pytest.approx(other.performance.concordance.se**2 + base.concordance.se**2)
    ratio = other.ratio_of_observed_over_expected
    assert ratio.low < ratio.value < ratio.high


def test_the_reference_is_the_largest_group_and_is_not_compared_with_itself():
    for grouping in of().fairness:
        able = [group for group in grouping.groups if group.performance.concordance.given]
        largest = max(able, key=lambda group: group.performance.n)
        assert grouping.reference == largest.label
        assert not largest.concordance_difference.given


def test_small_groups_and_columns_of_text_are_not_shown():
    odd = tuple(["rare"] * 4 + ["common"] * 196)
    people = replace(in_groups(cohort(), remark=tuple(map(str, range(50)))), beside={})
    people = replace(people, groups=dict(people.groups) | {"odd": odd})
    found = {grouping.name: grouping for grouping in fairness(people, risks(people)[:, 1], TWO)}
    assert ([group.label for group in found["odd"].groups], found["odd"].small) == (["common"], 1)
    assert found["remark"].groups == ()
    assert found["remark"].reason == "more than 12 different values"
    assert "centre" not in found


# death


def test_death_is_shown_from_three_in_a_hundred_on():
    assert of().competing.share == 0.04
    assert of().competing.curves
    few = competing_events(shipped(), cohort(), ["0000"] * 200, risks(cohort()), {})
    assert (few.deaths, few.reason, few.curves) == (0, "nobody died", ())
    status = np.where(np.arange(200) < 5, 2, cohort().status)
    people = replace(cohort(), status=status)
    some = competing_events(shipped(), people, ["0000"] * 200, risks(people), {})
    assert some.reason == "fewer than 3 % of the patients died"


def test_recurrence_and_death_of_a_group_never_pass_everybody():
    for curves in of().competing.curves:
        both = max(curves.recurrence.values, default=0) + max(curves.death.values, default=0)
        assert 0 < both <= 1
        assert list(curves.death.values) == sorted(curves.death.values)


def test_absolute_risks_stand_beside_the_served_ones_where_the_record_has_them():
    people = cohort(DEATHS)
    scores = score_all(shipped(), people.matrix(shipped().names))
    halves = {pattern: tuple(risk / 2) for pattern, risk in zip(scores.patterns, scores.risks, strict=True)}
    found = competing_events(shipped(), people, scores.patterns, scores.risks, halves)
    expected = {(at.risk, at.years): at.expected for at in found.accuracy}
    assert expected["absolute", 2.0] == pytest.approx(expected["served", 2.0] / 2)
    assert {at.risk for at in of().competing.accuracy} == {"served"}


def test_counting_death_changes_what_is_observed_and_the_score_of_the_mean():
    for at, with_death in zip(
        validate(shipped(), cohort(DEATHS), resamples=20).horizons, of().competing.accuracy, strict=True
    ):
        assert with_death.observed.value < at.observed.value
        assert with_death.brier_null.value != at.brier_null.value


def test_fine_and_grays_limits_hold_in_simulated_cohorts():
    """The sandwich's standard error is that of the estimates over cohorts: a wrong one would be off by far more."""
    found, errors = [], []
    for seed in range(120):
        chance = np.random.default_rng(seed)
        x = chance.integers(0, 2, (300, 1)).astype(float)
        # recurrences arise by a subdistribution hazard with log ratio 0.7, the others die (Fine and Gray 1999, 4.)
        share = 1 - 0.5 ** np.exp(0.7 * x[:, 0])
        recurs = chance.random(300) < share
        u = chance.random(300)
        inside = 1 - (1 - u * share) ** np.exp(-0.7 * x[:, 0])
        until = np.where(recurs, -np.log(1 - inside / 0.5), chance.exponential(1.0, 300))
        lost = chance.uniform(0.2, 3.0, 300)
        status = np.where(until <= lost, np.where(recurs, 1, 2), 0)
        fit = fine_gray(x, np.minimum(until, lost), status)
        found.append(fit.coef[0])
        errors.append(np.sqrt(fit.covariance[0, 0]))
    assert np.mean(found) == pytest.approx(0.7, abs=0.06)
    assert np.mean(errors) == pytest.approx(np.std(found, ddof=1), rel=0.2)


# effects over time


def test_hazard_ratios_by_period_are_given_only_where_the_test_is_small():
    assert of().time_varying.p > 0.05
    assert of().time_varying.periods == ()
    x = np.arange(400) % 2 == 1
    chance = np.random.default_rng(3)
    early, late = chance.exponential(1.2, 400), chance.exponential(4.0, 400)
    people = made(400, cardiac_involvement=x.astype(float))
    people = replace(
        people,
        time=np.where(x, np.minimum(early, 4), np.minimum(late, 4)) + 0.01,
        status=(np.where(x, early, late) < 4).astype(np.int64),
    )
    crossed = replace(people, time=np.where(x & (people.time > 1), people.time + 2.5, people.time))
    found = time_varying(shipped(), crossed)
    assert found.p < 0.05
    assert [(period.begin, period.end) for period in found.periods] == [(0, 1), (1, 2), (2, None)]
    assert sum(period.events for period in found.periods) == found.events
    first, second = (period.hazard_ratios[0] for period in found.periods[:2])
    assert first.value > 1
    assert second.reason or second.value < first.value


def test_a_period_with_few_recurrences_has_no_ratio():
    people = made(200, events=60)
    people = replace(people, time=np.where(people.event, np.minimum(people.time, 0.9), people.time))
    found = time_varying(shipped(), people)
    assert all(ratio.reason for period in found.periods[1:] for ratio in period.hazard_ratios)


# other models


def test_the_figures_of_a_comparison_are_those_of_each_model_alone():
    people, cuts = cohort(DEMO), np.array([0.2, 0.45])
    first = risks(people)
    second = np.clip(first**1.3 + 0.02 * np.arange(200)[:, None] / 200, 0, 1)
    rows = compare(people, first, second, shipped().horizons, cuts, resamples=20, seed=1, decisive=1)
    for row in rows:
        for own_value, of_model in ((row.model, first), (row.other, second)):
            risk = of_model[:, 1 if row.at is None else int(row.at) - 1]
            expected = {
                "C": lambda risk=risk: harrell_c(people.time, people.event, cloglog(risk)).value,
                "AUC": lambda risk=risk, row=row: (
                    auc_at(people.time, people.event, cloglog(risk), row.at).value
                ),
                "Brier": lambda risk=risk, row=row: brier_at(people.time, people.event, risk, row.at).value,
                "net benefit": lambda risk=risk, row=row: net_benefit(
                    people.time, people.event, risk, row.at, np.array([row.threshold])
                ).model[0],
            }[row.figure]()
            assert own_value is None or own_value == pytest.approx(expected, abs=1e-12)
        if row.difference.given:
            assert row.difference.value == pytest.approx(row.model - row.other)


def test_limits_of_a_difference_come_from_resamples_with_both_models_in_each():
    people = cohort(DEMO)
    first, second = risks(people), risks(people) ** 1.3
    second[:, 1] = np.where(people.matrix(["high_ana"])[:, 0] == 1, second[:, 1] * 0.6, second[:, 1])
    rows = compare(
        people, first, second, shipped().horizons, np.array([0.2]), resamples=30, seed=7, decisive=1
    )
    brier = next(row for row in rows if (row.figure, row.at) == ("Brier", 2.0))
    again = []
    for count in draw_resamples(200, 30, 7):
        rows_of = np.repeat(np.arange(200), count)
        values = [
            brier_at(people.time[rows_of], people.event[rows_of], risk[rows_of, 1], 2.0).value
            for risk in (first, second)
        ]
        again.append(values[0] - values[1])
    low, high = np.quantile(again, [0.025, 0.975])
    assert (brier.difference.low, brier.difference.high) == pytest.approx((low, high), abs=1e-12)


def test_a_model_against_itself_differs_in_nothing():
    (found,) = made_of(DEATHS, Rival(shipped(), {})).comparisons
    assert found.fitted_here == ""
    assert all(row.difference.value in {0.0, None} for row in found.rows)
    assert all(row.difference.low in {0.0, None} for row in found.rows)


def test_the_advantage_of_a_model_in_its_own_cohort_is_less_its_optimism_and_has_no_limits():
    (found,) = of_own().comparisons
    assert found.fitted_here == "model"
    c = found.rows[0]
    optimism = own().internal.concordance.optimism
    assert c.corrected.value == pytest.approx(c.difference.value - optimism)
    assert c.corrected.low is None
    html, _ = rendered(own(), unshrunk(), more=of_own())
    assert "so it looks better than it is" in html
    assert "beyond chance" not in html.split('id="comparison"')[1].split("</section>")[0]


def test_the_other_model_is_known_where_it_was_fitted_to_these_patients():
    people = in_groups(cohort())
    found = validate(shipped(), people, resamples=20)
    asked = Asked(rivals=(Rival(unshrunk(), record() | {"kind": "fit"}),))
    among = analysis_set(shipped(), people, {})
    (compared,) = supplement(shipped(), among, found, {}, asked, resamples=20).comparisons
    assert compared.fitted_here == "other"
    assert not any(row.corrected.given for row in compared.rows)


def test_a_model_that_nobody_can_be_scored_by_is_not_compared():
    strange = replace(
        shipped(),
        predictors=(replace(shipped().predictors[0], name="unheard_of"), *shipped().predictors[1:]),
    )
    (found,) = made_of(GAPS, Rival(strange, {})).comparisons
    assert "unheard_of" in found.reason
    assert found.rows == ()


# the commands


def test_validate_compares_with_a_folder_and_groups_by_a_column(tmp_path):
    lines = DEATHS.read_text(encoding="utf-8").splitlines()
    table = tmp_path / "cohort.csv"
    more = [f"{line},{'ab'[n % 2]},{40 + n % 40}" for n, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]},ward,age", *more]), encoding="utf-8")
    folder, out = str(default_folder()), tmp_path / "out"
    ended = command(
        *("validate", folder, table, "--out", out, "--time-zero", TIME_ZERO, "--bootstrap", "20"),
        *("--against", folder, "--group", "ward", "--age-groups", "60"),
    )
    assert (ended.status, ended.error) == (0, "")
    found = json.loads((out / "report.json").read_text(encoding="utf-8"))["supplement"]
    labels = {of["name"]: [group["label"] for group in of["groups"]] for of in found["fairness"]}
    assert labels == {"age": ["under 60", "60 and over"], "ward": ["a", "b"]}
    assert len(found["comparisons"]) == 1


def test_a_wrong_age_limit_ends_before_anything_is_read(tmp_path):
    ended = command(
        *("validate", default_folder(), tmp_path / "none.csv", "--out", tmp_path / "out"),
        *("--time-zero", TIME_ZERO, "--age-groups", "sixty"),
    )
    assert ended.status == 2
    assert "rising limits in years" in ended.error


# what the page says of it

RATIO = measure(2.0, limits=(1.5, 2.7))


def test_hazard_ratios_by_period_stand_in_a_table_with_the_years_of_each():
    effects = (
        Effect("high_ana", "High ANA titre", 0.7, 0.01, (0.1, 1, 3), (0, 1, 1), (-1, 0, 0), (1, 2, 2)),
    )
    periods = (PeriodRatios(0, 1, 100, 30, (RATIO,)), PeriodRatios(2, None, 40, 3, (missing("too few"),)))
    html = effects_section(TimeVarying(0.01, 100, 33, effects, periods), 3, Gallery())
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", html)
    assert {"Period", "Followed", "Recurrences", "High ANA titre"} <= set(heads)
    assert "0 to 1 years" in html
    assert "from 2 years" in html
    assert "The hazard ratios change with time" in html
    assert "No sign" in effects_section(TimeVarying(0.6, 100, 33, effects), 3, Gallery())


@pytest.mark.parametrize(
    ("c", "brier", "said"),
    [
        ((0.01, 0.05), (-0.02, -0.01), "better in"),
        ((-0.05, -0.01), (0.01, 0.02), "worse in"),
        ((-0.01, 0.05), (-0.02, 0.01), "neither better nor worse"),
        ((0.01, 0.05), (0.01, 0.02), "but worse in"),
    ],
)
def test_a_difference_is_called_better_or_worse_only_beyond_chance(c, brier, said):
    rows = tuple(
        FigureDifference(
            figure, at, None, 0.7, 0.7, measure(sum(limits) / 2, limits=limits), missing("not fitted here")
        )
        for figure, at, limits in (("C", None, c), ("Brier", 2.0, brier))
    )
    html = comparisons([ModelComparison("other", "1", "", "local-fit", "", 100, 40, 20, rows)], "ours", 2.0)
    assert said in html


def test_a_comparison_that_was_not_made_says_why():
    found = ModelComparison("other", "1", "", "local-fit", "", reason="nobody can be scored")
    assert "Not compared: nobody can be scored." in comparisons([found], "ours", 2.0)
    assert comparisons([], "ours", 2.0) == ""
