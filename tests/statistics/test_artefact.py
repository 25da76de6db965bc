"""The written folder: it serves lifelines' own numbers, holds no patient, and is whole or not there."""

import json
from dataclasses import replace
from datetime import date
from itertools import product
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from models.artefact import ModelError
from models.registry import checksum, default_folder, load_model
from models.risk import DECISION_HORIZON, cell_distribution, cell_risk, estimate
from models.training.cohort.cohort import PREDICTORS
from models.training.errors import TrainingError
from models.training.fitting import write_model as writing
from models.training.fitting.fit_record import Labels
from models.training.fitting.model_card import model_card
from models.training.fitting.served import FEWEST_IN_A_CELL, at_horizons, joint_table
from models.training.fitting.train import Options, train
from models.training.fitting.write_model import require_free, write_model
from models.training.statistics.baseline import baseline
from tests.statistics.r_only import survival_at
from tests.statistics.trained import DEATHS, DEMO, GAPS, LABELS, cohort, fitted

YEARS = np.array([1.0, 2.0, 3.0])
CELLS = np.array(list(product([0.0, 1.0], repeat=4)))
NAMES = ["".join(map(str, cell)) for cell in CELLS.astype(int)]
FILES = {"model.json", "golden.json", "policy.toml", "MODEL_CARD.md"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "local"
    write_model(place, fitted(), LABELS)
    return place


def read(folder, name="model.json"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


# lifelines


@pytest.mark.parametrize("path", [DEMO, DEATHS, GAPS], ids=lambda p: p.stem)
def test_without_shrinkage_the_served_model_is_lifelines_own(path, tmp_path):
    found = fitted(path, shrinkage="none", baseline="breslow", imputations=0)
    model = write_model(tmp_path / "m", found, LABELS)
    table = pd.DataFrame(found.cohort.matrix(PREDICTORS), columns=list(PREDICTORS))
    table = table.assign(time=found.cohort.time, event=found.cohort.event)
    theirs = CoxPHFitter()
    theirs.fit(table, "time", "event", fit_options={"precision": 1e-12, "r_precision": 1e-12})
    everybody = pd.DataFrame(CELLS, columns=list(PREDICTORS))
    centred = theirs.predict_log_partial_hazard(everybody).to_numpy()
    shift = float(table[list(PREDICTORS)].mean() @ theirs.params_)
    steps = theirs.predict_survival_function(
        everybody
    )  # at its own times: between them lifelines interpolates
    for column, (cell, log_hazard) in enumerate(zip(NAMES, centred, strict=True)):
        ours = sum(r for r, mark in zip(model.log_hazard_ratios, cell, strict=True) if mark == "1")
        assert ours == pytest.approx(log_hazard + shift, abs=1e-10)
        for horizon, t in zip(model.horizons, YEARS, strict=True):
            at = steps.index.to_numpy().searchsorted(t, side="right") - 1
            assert 1 - cell_risk(model, cell, horizon) == pytest.approx(steps.iloc[at, column], abs=1e-10)


# Uncertainty


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_delta_method_gives_the_limits_of_the_survival_curve(ties):
    """Of every pattern, as survfit has them: se of log Λ is se(Λ)/Λ."""
    found = fitted(DEATHS, shrinkage="none", baseline=ties)
    served = at_horizons(found.base, YEARS)
    curve = survival_at(found.base, CELLS, YEARS)
    spread = curve.se_cumulative_hazard / -np.log(curve.survival)
    for row, cell in enumerate(CELLS):
        for k in range(3):
            g = np.concatenate([cell, np.eye(3)[k]])
            assert np.sqrt(g @ served.covariance @ g) == pytest.approx(spread[row, k], rel=1e-10)


def test_the_covariance_with_the_hazard_ratios_is_a_derivative():
    found, step = fitted(), 1e-6
    x, time, event = found.cohort.matrix(PREDICTORS), found.cohort.time, found.cohort.event

    def log_hazard(coef):
        return np.log(baseline(coef, found.base.covariance, x, time, event).cumulative(YEARS))

    slopes = np.array(
        [
            (log_hazard(found.base.coef + d) - log_hazard(found.base.coef - d)) / (2 * step)
            for d in step * np.eye(4)
        ]
    )
    served = at_horizons(found.base, YEARS)
    np.testing.assert_allclose(served.covariance[:4, 4:], found.base.covariance @ slopes, rtol=1e-6)
    np.testing.assert_allclose(served.covariance[:4, :4], found.base.covariance, rtol=1e-14)


def test_hazards_of_later_horizons_share_what_came_before():
    served = at_horizons(fitted().base, YEARS)
    still = replace(fitted().base, covariance=np.zeros((4, 4)))
    alone = at_horizons(still, YEARS).covariance[4:, 4:] * np.outer(served.hazard, served.hazard)
    np.testing.assert_allclose(alone[0], alone[0, 0])
    np.testing.assert_allclose(alone[1, 1:], alone[1, 1])
    assert alone[0, 0] < alone[1, 1] < alone[2, 2]


def test_the_plausible_range_is_that_of_the_served_covariance(folder):
    model, served = load_model(folder), at_horizons(fitted().base, YEARS)
    u = cell_distribution(model, "1010", DECISION_HORIZON)
    g = np.array([1, 0, 1, 0, 0, 1, 0])
    assert u.variance == pytest.approx(g @ served.covariance @ g, rel=1e-12)
    low = 1 - exp(-exp(u.mean - 1.6448536269514722 * u.stdev))
    assert estimate(model, "1010", DECISION_HORIZON).low == pytest.approx(low, abs=1e-12)


def test_a_horizon_without_a_recurrence_before_it_has_no_hazard():
    with pytest.raises(TrainingError, match="a recurrence before each horizon"):
        at_horizons(fitted().base, np.array([0.0, 1.0, 2.0]))
    with pytest.raises(TrainingError, match="follow-up to the last"):
        at_horizons(fitted().base, np.array([1.0, 2.0, 99.0]))


# The joint table


def patients(*counts):
    return np.repeat(CELLS, counts, axis=0)


def test_large_cells_are_smoothed_counts():
    table = joint_table(patients(*[20 + i for i in range(16)]))
    n = sum(20 + i for i in range(16))
    for i, name in enumerate(NAMES):
        assert table[name] == pytest.approx((20 + i + 1 / 16) / (n + 1), rel=1e-12)


@pytest.mark.parametrize("path", [DEMO, DEATHS])
def test_a_joint_table_is_positive_sums_to_one_and_keeps_the_margins_roughly(path):
    x = cohort(path).matrix(PREDICTORS)
    table = joint_table(x)
    assert min(table.values()) > 0
    assert sum(table.values()) == pytest.approx(1, abs=1e-12)
    for j in range(4):
        share = sum(p for name, p in table.items() if name[j] == "1")
        assert share == pytest.approx(x[:, j].mean(), abs=0.05)


def test_cells_of_fewer_than_five_patients_cannot_be_told_apart():
    """Moving patients among small cells changes nothing in the table."""
    large = [40, 30, 20, 20, 20, 20, 20, 20]
    one = joint_table(patients(*large, 4, 0, 1, 2, 0, 1, 1, 3))
    other = joint_table(patients(*large, 0, 4, 2, 1, 1, 0, 3, 1))
    assert FEWEST_IN_A_CELL == 5
    for name in NAMES:
        assert one[name] == pytest.approx(other[name], rel=1e-12)


def test_one_small_cell_alone_is_pooled_with_the_next_larger():
    counts = [30] * 14 + [9, 2]
    table, n = joint_table(patients(*counts)), 30 * 14 + 11
    assert table["1110"] + table["1111"] == pytest.approx((11 + 2 / 16) / (n + 1), rel=1e-12)
    assert table["1111"] != pytest.approx((2 + 1 / 16) / (n + 1), rel=1e-3)
    assert table["1101"] == pytest.approx((30 + 1 / 16) / (n + 1), rel=1e-12)


def test_empty_cells_are_pooled_with_one_that_hides_them():
    counts = [30] * 13 + [7, 0, 0]
    table, n = joint_table(patients(*counts)), 30 * 13 + 7
    pool = table["1101"] + table["1110"] + table["1111"]
    assert pool == pytest.approx((7 + 3 / 16) / (n + 1), rel=1e-12)
    assert min(table.values()) > 0


# What is written


def test_the_folder_holds_what_is_served_and_anyone_may_read_it(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "policy.toml").read_bytes() == (default_folder() / "policy.toml").read_bytes()
    assert [path.name for path in folder.parent.iterdir()] == ["local"]


def test_the_model_is_a_local_fit_that_says_whose(folder):
    model = load_model(folder)
    assert model.evidence == "local-fit"
    assert model.limits == (
        "Local fit: 200 patients with 73 recurrences, West Hospital, 2026-03-01. Not validated in other patients."
    )
    assert "these 200 patients only" in model.range_note
    assert "fitted from 180 days after the start of treatment" in model.time_zero_note
    assert (model.id, model.version, model.rules) == ("imnm-recurrence-local", "2026.3.1", "2")
    assert model.names == PREDICTORS
    np.testing.assert_allclose(model.log_hazard_ratios, fitted().base.coef, rtol=0)
    assert log(model.baseline_hazard["2y"]) == pytest.approx(log(at_horizons(fitted().base, YEARS).hazard[1]))


def test_every_known_pattern_is_golden_and_some_with_unknowns(folder):
    patterns = [pair["pattern"] for pair in read(folder, "golden.json")["pairs"]]
    assert set(patterns) >= set(NAMES)
    assert {pattern.count("?") for pattern in patterns} == {0, 1, 2}
    assert len(patterns) == len(set(patterns))


def test_how_it_was_fitted_is_on_record_and_under_the_checksum(folder, tmp_path):
    document = read(folder)
    fit = document["fit"]
    assert fit["cohort_sha256"] == cohort().sha256
    assert (fit["patients"], fit["recurrences"], fit["seed"]) == (200, 73, 1)
    assert fit["missing"] == dict.fromkeys(PREDICTORS, 0)
    assert fit["shrinkage"]["factor"] == fitted().shrinkage.factor
    assert fit["libraries"]["lifelines"] == "0.30.3"
    assert {"mark", "source"} == set(document["provenance"]["fit"])
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    fit["patients"] += 1
    (tmp_path / "model.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ModelError, match="the checksum of model"):
        load_model(tmp_path)


def test_a_reader_of_the_schema_ignores_how_it_was_fitted(folder, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    document = read(folder)
    del document["fit"], document["provenance"]["fit"]
    document["sha256"] = checksum(document)
    (tmp_path / "model.json").write_text(json.dumps(document), encoding="utf-8")
    assert replace(load_model(tmp_path), sha256="", provenance={}) == replace(
        load_model(folder), sha256="", provenance={}
    )


def test_no_patient_is_in_the_folder(tmp_path):
    ids = tuple(f"pseudonym-{i}" for i in range(200))
    write_model(tmp_path / "m", train(replace(cohort(), ids=ids), Options(bootstrap=20)), LABELS)
    whole = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "m").iterdir())
    assert "pseudonym" not in whole
    late = [f"{t:.6f}" for t in cohort().time]
    assert [t for t in late if t in whole] == []


def test_the_same_fit_gives_the_same_bytes(folder, tmp_path):
    again = train(cohort(), Options(bootstrap=40))
    write_model(tmp_path / "m", again, LABELS)
    for name in FILES:
        assert (tmp_path / "m" / name).read_bytes() == (folder / name).read_bytes()


def test_the_model_card_says_what_was_found(folder):
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    found = fitted()
    for words in (
        "# Model card: imnm-recurrence-local 2026.3.1",
        "200 patients of West Hospital, 73 recurrences, 0 deaths",
        (
            f"multiplied by {found.shrinkage.factor:.4f}: the mean calibration slope of 40 of 40 bootstrap resamples is "
            f"{found.shrinkage.mean_slope:.4f} (Monte-Carlo"
        ),
        f"{found.figures.apparent:.3f} apparent, {found.figures.corrected:.3f} corrected",
        f"{exp(found.base.coef[0]):.2f}",
        cohort().sha256,
        "followed from 180 days after the start of treatment",
        "Nobody died before a recurrence",
        "| `1111` |",
        f"ask for {found.size.n} patients",
    ):
        assert words in card


def test_the_model_card_says_what_death_changes_and_what_is_served(tmp_path):
    write_model(tmp_path / "m", fitted(DEATHS), LABELS)
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    death = fitted(DEATHS).death
    largest = 100 * max(np.subtract(death.served[cell], death.absolute[cell]).max() for cell in death.served)
    assert "**Served** is the risk if nobody died" in card
    assert f"lower by at most {largest:.1f} percentage points" in card
    assert "8 of 200 patients died before a recurrence" in card


def test_the_model_card_writes_risks_as_the_bedside_card_does(folder):
    model = load_model(folder)
    low = replace(model, baseline_hazard={h: value / 100 for h, value in model.baseline_hazard.items()})
    card = model_card(read(folder), low)
    assert "| `0000` | < 1 % (< 1 % to < 1 %) |" in card
    assert "| 0 % (" not in card


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {},
            "of the fit before shrinkage. Those of a served hazard ratio lie round the shrunken one and are as wide",
        ),
        ({"shrinkage": "none"}, "1.96 standard errors (Wald). All together"),
        ({"ridge": 2.0}, "of the penalised fit"),
        ({"firth": True}, "of the penalised fit"),
    ],
    ids=["shrunk", "not shrunk", "ridge", "firth"],
)
def test_the_model_card_says_how_the_limits_of_hazard_ratios_came_about(tmp_path, options, words):
    write_model(tmp_path / "m", fitted(**options), LABELS)
    assert words in (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_served_hazard_ratio_is_shrunken_and_as_uncertain_as_that_of_the_fit(folder):
    model, found, p = load_model(folder), fitted(), len(PREDICTORS)
    assert found.shrinkage.factor < 1
    np.testing.assert_allclose(model.log_hazard_ratios, found.shrinkage.factor * found.fit.coef)
    np.testing.assert_allclose(np.array(model.covariance)[:p, :p], found.fit.covariance)


def test_a_selection_is_on_the_card_as_not_served(tmp_path):
    chance = np.random.default_rng(11)
    wider = replace(cohort(), candidates={"noise": chance.normal(size=200), "flat": np.ones(200)})
    without = replace(wider, candidates={"noise": wider.candidates["noise"]})
    found = train(without, Options(bootstrap=20, select=True))
    write_model(tmp_path / "m", found, LABELS)
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**Not served:**" in card
    assert "| `noise` |" in card
    write_model(tmp_path / "n", train(wider, Options(ridge=1.0)), LABELS)
    card = (tmp_path / "n" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| `flat` | 200 | 73 |" in card
    assert "No shrinkage after the fit." in card


def test_a_synthetic_cohort_is_called_synthetic(tmp_path):
    model = write_model(tmp_path / "m", fitted(), replace(LABELS, synthetic=True))
    assert model.evidence == "synthetic"
    assert "200 synthetic patients" in model.limits
    assert "not for decisions" in model.limits


def test_an_own_policy_goes_with_the_model(tmp_path):
    text = (default_folder() / "policy.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace("low_below = { value = 0.20", "low_below = { value = 0.15"), encoding="utf-8")
    assert write_model(tmp_path / "m", fitted(), LABELS, own).policy.low_below == 0.15


# Whole or not there


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(TrainingError, match="is not empty; name a folder that is not there yet"):
        write_model(tmp_path, fitted(), LABELS)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "m").mkdir()
    write_model(tmp_path / "m", fitted(), LABELS)
    assert {path.name for path in (tmp_path / "m").iterdir()} == FILES


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(TrainingError, match=f"{name} is not a folder"):
            require_free(tmp_path / name)
    with pytest.raises(TrainingError, match=r"there is no folder .*nowhere to write it in"):
        require_free(tmp_path / "nowhere" / "m")


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), ModelError("no"), KeyboardInterrupt()]
)
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, failure):
    def fail(*_):
        raise failure

    monkeypatch.setattr(writing, "load_model", fail)
    with pytest.raises((TrainingError, ModelError, KeyboardInterrupt)) as ended:
        write_model(tmp_path / "m", fitted(), LABELS)
    assert list(tmp_path.iterdir()) == []
    if isinstance(failure, OSError):
        assert "m cannot be written: No space left on device" in str(ended.value)


def test_a_folder_that_may_not_be_written_in_is_one_sentence(tmp_path, monkeypatch):
    def fail(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", fail)
    with pytest.raises(TrainingError, match="m cannot be written: Permission denied"):
        write_model(tmp_path / "m", fitted(), LABELS)


def test_a_policy_that_cannot_be_used_leaves_nothing_behind(tmp_path):
    with pytest.raises(ModelError, match=r"absent\.toml cannot be read"):
        write_model(tmp_path / "m", fitted(), LABELS, tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("")
    with pytest.raises(ModelError):
        write_model(tmp_path / "m", fitted(), LABELS, tmp_path / "bad.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize(
    "centre", ["", " West", "*West*", "a\nb", "<b>", "x" * 121, "–", "\u200b", "West\u202e", "a\u2028b"]
)
def test_a_centre_that_a_card_could_not_print_is_refused(centre):
    with pytest.raises(TrainingError, match="the centre's name must be 1 to 120 characters"):
        Labels(centre, date(2026, 3, 1))
