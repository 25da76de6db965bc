"""A model folder is served only if checksum, numbers, provenance and golden pairs hold; the factors are read as they are."""

import ast
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from models.policy import load_policy
from models.registry import Model, ModelError, checksum, default_folder, load_factors, load_model, model_of
from models.risk import estimate
from tests.support.landmarks import document as made


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(default_folder(), tmp_path / "model"))


def document(folder, file="model.json"):
    return json.loads((folder / file).read_text(encoding="utf-8"))


def write(folder, changed, file="model.json"):
    (folder / file).write_text(json.dumps(changed), encoding="utf-8")


def signed(folder, changed):
    """A changed model with a checksum that fits."""
    write(folder, changed | {"sha256": checksum(changed)})


def refusal(folder) -> str:
    with pytest.raises(ModelError) as refused:
        load_model(folder)
    text = str(refused.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


# What is served


def test_the_packaged_model_is_served_with_everything_a_card_needs():
    model = load_model(default_folder())
    assert isinstance(model, Model)
    assert (model.id, model.rules, model.evidence) == ("imnm-recurrence", "2", "literature-reconstructed")
    assert "abstract without coefficients; not validated" in model.limits
    assert "reconstruction and estimation only" in model.range_note
    assert "from today" in model.time_zero_note
    assert len(model.sha256) == 64
    assert {"population", "intended_use", "time_zero", "outcome"} <= set(model.description)


def test_the_numbers_are_those_of_the_rules():
    model = load_model(default_folder())
    assert model.log_hazard_ratios == (0.9194, 0.9194, 0.9194, 0.9194)
    assert model.baseline_hazard == {"1y": 0.06163, "2y": 0.13353, "3y": 0.20988}
    assert model.horizons == ("1y", "2y", "3y")
    assert model.interval == (0.05, 0.95)
    assert (model.joint["0000"], model.joint["1011"]) == (0.282585018661, 0.020696834300)
    assert model.joint["0001"] != model.joint["1000"]


def test_every_group_of_numbers_says_where_it_comes_from():
    model = load_model(default_folder())
    assert {name: p.mark for name, p in model.provenance.items()} == {
        "log_hazard_ratios": "derived",
        "baseline_cumulative_hazard": "derived",
        "covariance": "derived",
        "joint": "assumed",
        "interval": "assumed",
        "predictors": "assumed",
    }


def test_the_order_in_the_file_does_not_change_the_checksum(folder):
    turned = dict(reversed(document(folder).items()))
    write(folder, turned)
    assert load_model(folder) == load_model(default_folder())


@pytest.mark.parametrize("path", sorted(default_folder().parent.glob("*.py")), ids=lambda path: path.name)
def test_what_is_served_needs_the_standard_library_alone(path):
    imports = [
        n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    modules = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in imports}
    foreign = {m for m in modules if m.split(".")[0] not in sys.stdlib_module_names}
    assert {m for m in foreign if not m.startswith("models.") or m.startswith("models.training")} == set()


# What is refused


def test_a_coefficient_changed_by_a_billionth_is_refused(folder):
    changed = document(folder)
    changed["log_hazard_ratios"][0] += 1e-9
    write(folder, changed)
    assert "the checksum of model.json does not match its content; restore the folder" in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema", "imnm-cds-model/2", "the schema of model.json must be 'imnm-cds-model/1'"),
        ("evidence", "published", "evidence must be one of literature-reconstructed, local-fit, synthetic"),
        ("log_hazard_ratios", [0.9] * 3, "each predictor needs one log hazard ratio"),
        ("baseline_cumulative_hazard", {"1y": 0.1, "3y": 0.3}, "a baseline hazard at 2y is needed"),
        ("baseline_cumulative_hazard", {"1y": 0.1, "24m": 0.2, "3y": 0.3}, "'24m' is no horizon like 2y"),
        ("baseline_cumulative_hazard", {"1y": 0.2, "2y": 0.1, "3y": 0.3}, "must rise from above 0"),
        ("baseline_cumulative_hazard", {"1y": 0.0, "2y": 0.1, "3y": 0.3}, "must rise from above 0"),
        ("baseline_cumulative_hazard", {"2y": 0.1, "1y": 0.2, "3y": 0.3}, "the horizons must stand in order"),
        ("baseline_cumulative_hazard", {"1y": 0.1, "2y": 0.2}, "the covariance must have 6 rows and columns"),
        ("covariance", [[1.0]], "the covariance must have 7 rows and columns"),
        ("interval", [0.95, 0.05], "the interval must be from 0.05 to 0.95"),
        ("interval", [0.05, 1.0], "the interval must be from 0.05 to 0.95"),
        ("interval", [0.001, 0.002], "the interval must be from 0.05 to 0.95"),
        ("interval", [0.4, 0.6], "the interval must be from 0.05 to 0.95"),
        ("interval", [0.05, 0.95, 0.99], "the interval must be from 0.05 to 0.95"),
        ("joint", {"0": 0.5, "1": 0.5}, "the joint table must hold the 16 known patterns"),
        (
            "provenance",
            {},
            "is needed for baseline_cumulative_hazard, covariance, interval, joint, log_hazard",
        ),
        ("predictors", [{"title": "x"}], "unexpected keyword argument"),
        ("card", {}, "'limits' is missing in model.json or golden.json"),
        ("card", [], "list indices must be integers"),
        ("log_hazard_ratios", [0.9194, 0.9194, 0.9194, 0.9195], "the golden pair 0001 at 1y is not met"),
        ("log_hazard_ratios", [1e6] * 4, "math range error"),
    ],
)
def test_a_model_with_a_fitting_checksum_is_still_verified(folder, field, value, message):
    signed(folder, document(folder) | {field: value})
    assert message in refusal(folder)


SAYS_NOTHING = ("", " ", "\u00a0", "\u200b", "–", None, 0, [], ["words"])


@pytest.mark.parametrize("words", SAYS_NOTHING, ids=repr)
@pytest.mark.parametrize(
    "place",
    ["id", "version", "rules", "card.limits", "card.range", "card.time_zero"]
    + [f"description.{name}" for name in ("title", "intended_use", "not_intended_use", "outcome")],
)
def test_a_model_that_says_nothing_where_a_reader_looks_is_refused(folder, place, words):
    changed, (*groups, name) = document(folder), place.split(".")
    (changed[groups[0]] if groups else changed)[name] = words
    signed(folder, changed)
    assert f"words are needed for {place};" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.__setitem__("description", {}),
            "words are needed for description.assumptions, description.intended",
        ),
        (
            lambda m: m["description"].pop("not_intended_use"),
            "words are needed for description.not_intended_use",
        ),
        (lambda m: m["description"].__setitem__("further", " "), "words are needed for description.further"),
        (
            lambda m: m["predictors"][0].__setitem__("label", " "),
            "words are needed for the label of cardiac_involvement",
        ),
        (
            lambda m: m["predictors"][1].__setitem__("threshold", None),
            "words are needed for the threshold of high_ana",
        ),
        (
            lambda m: m["provenance"]["joint"].__setitem__("source", " "),
            "mark and source is needed for joint",
        ),
        (lambda m: m["provenance"].pop("predictors"), "mark and source is needed for predictors"),
        (
            lambda m: m["predictors"][1].__setitem__("unit", None),
            "the unit of a predictor must be a text",
        ),
    ],
)
def test_a_model_whose_parts_say_nothing_is_refused(folder, change, message):
    changed = document(folder)
    change(changed)
    signed(folder, changed)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["covariance"][0].__setitem__(1, 0.5), "symmetric and positive definite"),
        (lambda m: m["covariance"][6].__setitem__(6, 0.1), "symmetric and positive definite"),
        (lambda m: m["covariance"][3].pop(), "the covariance must have 7 rows and columns"),
        (
            lambda m: m["joint"].__setitem__("0000", m["joint"]["0000"] + 2e-9),
            "the joint table must sum to 1",
        ),
        (lambda m: m["joint"].__setitem__("1111", -0.1), "the joint table must be positive"),
        (
            lambda m: m["provenance"]["joint"].__setitem__("mark", "guessed"),
            "mark and source is needed for joint",
        ),
        (lambda m: m["provenance"]["joint"].__setitem__("source", ""), "mark and source is needed for joint"),
        (
            lambda m: m.__setitem__("performance", [{"auc": 0.77}]),
            "mark and source is needed for performance",
        ),
        (lambda m: m["predictors"][0].__setitem__("name", "age"), "one next best test for each predictor"),
    ],
)
def test_a_model_changed_in_one_place_is_refused(folder, change, message):
    changed = document(folder)
    change(changed)
    signed(folder, changed)
    assert message in refusal(folder)


def test_a_sum_of_the_joint_table_within_a_billionth_of_one_is_not_the_reason_to_refuse(folder):
    changed = document(folder)
    changed["joint"]["0000"] += 5e-10
    signed(folder, changed)
    assert load_model(folder).joint["0000"] == changed["joint"]["0000"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.__setitem__("schema", "2"), "golden.json must have the schema 'imnm-cds-golden/1'"),
        (lambda g: g["pairs"].pop(3), "golden.json must hold every known pattern"),
        (
            lambda g: g["pairs"][5]["risk"]["3y"].__setitem__("high", 0.5),
            "the golden pair 0101 at 3y is not met",
        ),
        (
            lambda g: g["pairs"][16]["range_over_unknowns"]["2y"].__setitem__("lowest", 0.2),
            "the golden pair 0?01 at 2y is not met",
        ),
        (lambda g: g["pairs"][0].pop("risk"), "'risk' is missing in model.json or golden.json"),
    ],
)
def test_a_golden_pair_that_is_not_met_is_named(folder, change, message):
    golden = document(folder, "golden.json")
    change(golden)
    write(folder, golden, "golden.json")
    assert message in refusal(folder)


@pytest.mark.parametrize("file", ["model.json", "golden.json"])
def test_a_file_that_cannot_be_read_is_named(folder, file):
    (folder / file).unlink()
    assert f"{file} cannot be read (No such file or directory); restore" in refusal(folder)
    (folder / file).write_text("{", encoding="utf-8")
    assert f"{file} is not JSON" in refusal(folder)
    (folder / file).write_text("[]", encoding="utf-8")
    assert f"{file} is not a JSON object" in refusal(folder)


@pytest.mark.parametrize(
    ("file", "key"), [("model.json", '"evidence"'), ("model.json", '"2y"'), ("golden.json", '"pairs"')]
)
def test_a_key_that_stands_twice_is_refused_as_readers_differ_in_which_they_take(folder, file, key):
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(text.replace(f"{key}:", f"{key}: 1, {key}:", 1), encoding="utf-8")
    assert f"{file} is not JSON ('{key.strip(chr(34))}' stands twice)" in refusal(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_a_number_that_is_none_is_refused(folder, number):
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text.replace("0.06163", number), encoding="utf-8")
    assert "Out of range float values are not JSON compliant" in refusal(folder)


def test_a_policy_that_cannot_be_used_refuses_the_folder(folder):
    (folder / "policy.toml").write_text("", encoding="utf-8")
    assert "policy.toml: 'schema' is missing; add it there" in refusal(folder)


# Z1: the published factors


def test_the_published_factors_carry_odds_ratios_denominators_and_the_warning():
    published = load_factors()
    ratios = {name: factor.odds_ratio for name, factor in published.factors.items()}
    assert ratios == {"male": 19.57, "severe_weakness": 7.51, "ild": 39.70}
    assert (published.patients, published.refractory_percent) == (48, 32.5)
    assert "cannot come from one observation per patient" in published.warning
    assert [f.odds_ratio for f in published.unread.values()] == [None, None]
    assert all(f.label and f.source for f in [*published.factors.values(), *published.unread.values()])


@pytest.mark.parametrize(
    "text",
    [
        *("", "schema = 'imnm-cds-factors/2'", "not toml", "schema = 'imnm-cds-factors/1'"),
        f"a = {'[' * 2000}{']' * 2000}",
    ],
)
def test_factors_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "factors.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"factors\.toml cannot be used .*; restore it from the release"):
        load_factors(path)


# Landmarks


@pytest.fixture
def with_landmarks(tmp_path) -> Path:
    folder = Path(shutil.copytree(default_folder(), tmp_path / "model"))
    landmarks(folder, made())
    return folder


def landmarks(folder, changed):
    """A model with landmarks, with a checksum and golden pairs that fit."""
    signed(folder, changed)
    golden = document(folder, "golden.json")
    model = model_of(changed, load_policy(folder / "policy.toml"))
    golden["landmarks"] = {
        str(later.days): [
            {
                "pattern": cell,
                "risk": {
                    h: asdict(estimate(model.from_landmark(later.days), cell, h)) for h in model.horizons
                },
            }
            for cell in model.joint
        ]
        for later in model.landmarks
    }
    write(folder, golden, "golden.json")


def test_a_model_with_landmarks_gives_the_baseline_of_the_latest_that_was_reached(with_landmarks):
    model = load_model(with_landmarks)
    assert (model.time_zero.anchor, model.time_zero.offset) == ("onset", 180)
    reached = {-5: 0, 0: 0, 364: 0, 365: 365, 729: 365, 730: 730, 1094: 730, 1095: 1095, 9999: 1095, None: 0}
    assert {since: model.landmark_at(since) for since in reached} == reached
    assert model.from_landmark(0) is model
    later = model.from_landmark(730)
    assert later.baseline_hazard["2y"] == model.baseline_hazard["2y"] / 4
    assert (later.log_hazard_ratios, later.policy) == (model.log_hazard_ratios, model.policy)


def test_what_was_computed_from_one_landmark_is_not_given_for_another(with_landmarks):
    model = load_model(with_landmarks)
    risks = [estimate(model.from_landmark(days), "1001", "2y").estimate for days in (0, 365, 730, 1095)]
    assert risks == sorted(risks, reverse=True)
    assert len(set(risks)) == 4
    again = [estimate(model.from_landmark(days), "1001", "2y").estimate for days in (0, 365, 730, 1095)]
    assert again == risks
    assert model.from_landmark(365) is model.from_landmark(365)


def test_the_shipped_model_has_no_time_zero_and_no_landmarks():
    model = load_model(default_folder())
    assert (model.time_zero, model.landmarks) == (None, ())
    assert model.landmark_at(4000) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema="imnm-cds-model/1"), "must be 'imnm-cds-model/2'"),
        (lambda m: m.pop("time_zero"), "must be 'imnm-cds-model/1'"),
        (lambda m: m.update(time_zero={"anchor": "diagnosis", "offset": 1}), "one of onset, first-agent"),
        (lambda m: m["time_zero"].update(offset=-1), "the offset of time_zero must be 0 to 3653 whole days"),
        (
            lambda m: m["time_zero"].update(offset=3654),
            "the offset of time_zero must be 0 to 3653 whole days",
        ),
        (lambda m: m["time_zero"].update(offset=1.5), "the offset of time_zero must be 0 to 3653 whole days"),
        (
            lambda m: m["time_zero"].update(offset=True),
            "the offset of time_zero must be 0 to 3653 whole days",
        ),
        (lambda m: m["time_zero"].pop("offset"), "missing 1 required positional argument: 'offset'"),
        (lambda m: m["landmarks"].reverse(), "landmarks must be some of 365, 730, 1095 days, in order"),
        (lambda m: m["landmarks"][0].update(days=0), "landmarks must be some of 365, 730, 1095 days"),
        (lambda m: m["landmarks"].append(m["landmarks"][2]), "landmarks must be some of 365, 730, 1095"),
        (
            lambda m: m["landmarks"][1].update(baseline_cumulative_hazard={"1y": 0.1, "2y": 0.2}),
            "the horizons of landmark 730 must be those of the model",
        ),
        (
            lambda m: m["landmarks"][1].update(baseline_cumulative_hazard={"1y": 0.2, "2y": 0.1, "3y": 0.3}),
            "the cumulative baseline hazard of landmark 730 must rise from above 0",
        ),
        (lambda m: m["landmarks"][2]["covariance"].pop(), "the covariance of landmark 1095 has another size"),
        (
            lambda m: m["landmarks"][2]["covariance"][6].__setitem__(6, 0.01),
            "the covariance of landmark 1095 must be positive definite",
        ),
        (
            lambda m: m["landmarks"][0]["covariance"][0].__setitem__(0, 0.5),
            "the covariance of landmark 365 must have the log hazard ratios' of the model",
        ),
        (lambda m: m["provenance"].pop("landmarks"), "is needed for landmarks"),
        (lambda m: m["provenance"].pop("time_zero"), "is needed for time_zero"),
    ],
)
def test_a_model_with_landmarks_that_do_not_fit_is_refused(with_landmarks, change, message):
    changed = document(with_landmarks)
    change(changed)
    signed(with_landmarks, changed)
    assert message in refusal(with_landmarks)


def test_golden_pairs_are_checked_at_every_landmark(with_landmarks):
    golden = document(with_landmarks, "golden.json")
    golden["landmarks"]["730"][3]["risk"]["2y"]["low"] += 1e-8
    write(with_landmarks, golden, "golden.json")
    assert "is not met" in refusal(with_landmarks)
    golden["landmarks"].pop("730")
    write(with_landmarks, golden, "golden.json")
    assert "'730' is missing in model.json or golden.json" in refusal(with_landmarks)
