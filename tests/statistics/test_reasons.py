"""What the data do not allow ends in a reason, in nan, or in a sentence; never in a number that looks like a result."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.inputs import Horizon
from models.policy import load_policy
from models.registry import default_folder, load_model
from models.training.cohort.schema import DEATH
from models.training.errors import TrainingError
from models.training.fitting.model_card import model_card
from models.training.fitting.steps import Steps
from models.training.fitting.train import _warnings
from models.training.fitting.write_model import write_model
from models.training.plain_json import as_json
from models.training.report.compose import cannot_tell
from models.training.simulation import many_cohorts
from models.training.statistics import cox
from models.training.statistics.arrays import Counts
from models.training.statistics.resampling import SurvivalData, draw_resamples, refit
from models.training.validation import internal
from models.training.validation import performance as performing
from models.training.validation.at_horizon import PredictedRisks, at_horizon, with_correction
from models.training.validation.internal import drawn, nested
from models.training.validation.performance import Performance, Scales
from models.training.validation.validate import THRESHOLDS, validate
from models.training.validation.validation import estimable
from tests.statistics.bad_cohorts import TIME_ZERO, dated, text
from tests.statistics.support import cohort as people
from tests.statistics.trained import LABELS, cohort, fitted


def once(n: int) -> Counts:
    return np.ones((1, n), dtype=np.int64)


@cache
def separated() -> PredictedRisks:
    """Everybody with the higher risk had a recurrence, nobody with the lower."""
    high = np.repeat([True, False], 30)
    time = np.linspace(0.5, 4, 60)
    return PredictedRisks(time, high.astype(np.int64), np.where(high, 0.7, 0.2), Horizon("3y"))


def test_a_curve_that_separation_does_not_allow_has_the_reason_instead():
    measures = at_horizon(separated(), THRESHOLDS, once(60))
    assert "does not vary where events happen" in measures.curve.reason
    assert measures.ici.reason == measures.curve.reason
    assert measures.auc.given


def nothing_off() -> Performance:
    """An optimism of 0 for one horizon."""
    one = np.zeros(1)
    return Performance(one[0], one[0], one, one, one, np.zeros((1, 41)), np.zeros((1, len(THRESHOLDS))))


def test_without_a_curve_or_a_decision_there_is_nothing_to_correct():
    measures = with_correction(
        at_horizon(separated(), THRESHOLDS, once(60)), nothing_off(), 0, separated().risk
    )
    assert measures.curve.corrected == ()
    assert measures.ici_corrected.reason == measures.ici.reason
    assert len(measures.decision.corrected) == len(THRESHOLDS)
    beyond = replace(separated(), horizon=Horizon("9y"))
    measures = with_correction(at_horizon(beyond, THRESHOLDS, once(60)), nothing_off(), 0, beyond.risk)
    assert measures.decision.corrected == ()
    assert measures.auc_corrected.reason == "nobody was followed for 9 years"


def test_what_too_few_resamples_show_is_not_corrected():
    unseen = replace(nothing_off(), auc=np.array([np.nan]), curve=np.full((1, 41), np.nan))
    measures = with_correction(at_horizon(separated(), THRESHOLDS, once(60)), unseen, 0, separated().risk)
    assert measures.auc_corrected.reason == "fewer than four in five resamples show it"
    assert measures.curve.corrected == ()


def test_resamples_without_a_curve_have_a_slope_but_no_optimism_of_it(monkeypatch):
    def no_curve(*_):
        raise TrainingError("no curve")

    monkeypatch.setattr(performing, "smoother", no_curve)
    x, time, event = people(1, ties=False)
    data, t = SurvivalData(x, time, event), 8.0
    scales = Scales(np.array([t]), np.linspace(0.1, 0.9, 5)[None], THRESHOLDS)
    found = nested(
        Steps(), [data], [data.resample(c) for c in draw_resamples(len(time), 3, 1)], scales, drawn(1)
    )
    assert np.isfinite(found.optimism.slope)
    assert np.isnan(found.optimism.curve).all()
    assert np.isnan(found.optimism.ici).all()
    assert found.risks(x, 0).shape == (3, len(time))


def test_a_cohort_most_of_whose_resamples_give_no_model_has_no_internal_validation(monkeypatch):
    def no_fit(*_):
        raise TrainingError("no finite fit")

    monkeypatch.setattr(internal, "take", no_fit)
    record = {"kind": "fit", "cohort_sha256": cohort().sha256}
    validation = validate(load_model(default_folder()), cohort(), record=record, resamples=20)
    assert validation.internal is None
    assert validation.not_internal.startswith("20 of 20 resamples gave no model")
    for at in validation.horizons:
        reasons = {of.reason for of in (at.auc_corrected, at.ipa_corrected, at.ici_corrected)}
        assert reasons == {validation.not_internal}
    assert "nothing here allows for that" in cannot_tell(validation, load_model(default_folder()))[0]


def test_resamples_of_which_none_has_a_finite_fit_are_refused():
    x, time = np.tile([[0.0], [1.0]], (10, 1)), np.arange(20.0)
    event = np.isin(time, [4, 5])  # one event in each group: most resamples lack one of them
    data = SurvivalData(x, time, event)
    seed = next(s for s in range(20) if (draw_resamples(20, 1, s)[0, [4, 5]] == 0).any())
    with pytest.raises(TrainingError, match="no resample has a finite fit"):
        refit(data, 1, seed)


def test_a_fit_that_is_not_done_after_the_most_steps_gives_nan(monkeypatch):
    x, time, event = people(2)
    monkeypatch.setattr(cox, "MOST_STEPS", 1)
    assert np.isnan(cox.fit_slopes(x.T[:2], time, event)).all()
    monkeypatch.setattr(many_cohorts, "_MOST_STEPS", 1)
    ordered = many_cohorts.Ordered.of(x[None, :, 1].astype(np.int64), time[None], event[None])
    fits = many_cohorts.fit_each(ordered, 1, np.zeros((1, 1)))
    assert np.isnan(fits.coef).all()
    assert np.isnan(fits.variance).all()


def test_a_division_by_nothing_is_not_estimable():
    assert estimable(lambda: 1 / 0).reason == "not estimable in these data"


def test_a_number_that_is_not_finite_is_null_only_where_that_means_not_estimable():
    value = {"a": np.nan, "b": (np.float64(np.inf), 1)}
    assert as_json(value, not_finite_as_null=True) == {"a": None, "b": [None, 1]}
    with pytest.raises(ValueError, match="no place in JSON"):
        as_json(value)


def test_the_model_card_leaves_out_what_could_not_be_estimated(tmp_path):
    model = write_model(tmp_path / "m", fitted(), LABELS)
    document = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    document["fit"] |= {"concordance": None, "sample_size": None}
    document["fit"]["proportionality"]["p"] = [None] * 4
    card = model_card(document, model)
    assert "Harrell's C" not in card
    assert "Riley's criteria" not in card.split("## Limits")[0]
    assert " |  |\n" in card


POLICY = load_policy(default_folder() / "policy.toml")


def test_resamples_without_a_finite_fit_are_among_the_warnings():
    trained = fitted()
    warned = _warnings(replace(trained, shrinkage=replace(trained.shrinkage, without_fit=3)), POLICY)
    assert "3 resamples had no finite fit and do not count" in warned


def test_a_file_of_a_single_column_lacks_the_others(tmp_path):
    (tmp_path / "c.csv").write_text("id\nA\n")
    with pytest.raises(TrainingError, match="columns are missing: time_years"):
        cohort(tmp_path / "c.csv")


def test_a_death_on_the_day_that_ends_follow_up_is_no_contradiction(tmp_path):
    from cds_service.commands.cohort import load_cohort

    table = dated(status=lambda n: str(DEATH if n == 1 else n % 2))
    for row in table:
        row["death_date"] = row["end_date"] if row["status"] == str(DEATH) else ""
    assert (load_cohort(text(table)(tmp_path), time_zero=TIME_ZERO).status == DEATH).sum() == 1
