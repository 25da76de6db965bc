"""Train, point the setting at the folder, explain a patient: the card is that of the local model, or nothing starts."""

import json
import shutil
from pathlib import Path

import pytest

from cds_service.demo.patients import chart, samples
from models.registry import checksum, default_folder, load_model
from models.risk import estimate
from tests.statistics.trained import DEMO, GAPS, TIME_ZERO, command

AS_OF = ("--as-of", str(samples().base_day))
PATIENT = "high-overdue"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a trained model, a configuration that names it, and a patient's record."""
    place = tmp_path_factory.mktemp("hospital")
    ended = command(
        *("train", DEMO, "--out", place / "local", "--time-zero", TIME_ZERO),
        *("--centre", "West Hospital", "--bootstrap", "40", "--date", "2026-03-01"),
    )
    assert (ended.status, ended.error) == (0, "")
    assert f'model = "{place / "local"}"' in ended.out
    (place / "imnm.toml").write_text('model = "local"\n[[client]]\nname = "west"\n', encoding="utf-8")
    (place / "patient.json").write_text(json.dumps(chart(PATIENT)), encoding="utf-8")
    return place


@pytest.fixture
def copy(place, tmp_path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(place, tmp_path / "copy"))


def explained(place, *more):
    ended = command("explain", place / "patient.json", *AS_OF, "--json", *more)
    assert (ended.status, ended.error) == (0, "")
    return json.loads(ended.out)


def pattern_of(answer, names):
    marks = {"present": "1", "absent": "0"}
    return "".join(marks.get(answer["features"][name]["state"], "?") for name in names)


def check(place):
    return command("check", "--config", place / "imnm.toml")


def test_the_card_carries_the_local_evidence_and_the_new_numbers(place):
    model, shipped = load_model(place / "local"), load_model(default_folder())
    answer, before = explained(place, "--config", place / "imnm.toml"), explained(place)
    (card,), (old,) = answer["cards"], before["cards"]
    pattern = pattern_of(answer, model.names)
    assert pattern == pattern_of(before, shipped.names)
    assert (answer["model"]["evidence"], answer["model"]["sha256"]) == ("local-fit", model.sha256)
    assert model.limits in card["detail"]
    assert "Local fit: 200 patients with 73 recurrences, West Hospital" in card["detail"]
    assert f"the model was fitted from {TIME_ZERO}" in model.time_zero_note
    assert shipped.limits not in card["detail"]
    assert shipped.limits in old["detail"]
    assert card["source"]["label"] == "imnm-cds: local-fit model"
    for horizon in model.horizons:
        assert answer["risk"][horizon]["estimate"] == estimate(model, pattern, horizon).estimate
        assert answer["risk"][horizon]["estimate"] != before["risk"][horizon]["estimate"]
    assert f"{100 * answer['risk']['2y']['estimate']:.0f} %" in card["summary"]
    assert card["summary"] != old["summary"]


def test_check_names_the_model(place):
    ended = check(place)
    assert ended.status == 0
    assert "imnm-recurrence-local 2026.3.1 (local-fit)" in ended.out
    assert str(place / "local") in ended.out
    assert "imnm-recurrence 1.0.1 (literature-reconstructed)" in command("check").out


def test_without_the_setting_the_shipped_model_is_served(place):
    assert explained(place)["model"]["evidence"] == "literature-reconstructed"


def test_the_environment_can_name_the_model(place, monkeypatch):
    monkeypatch.setenv("IMNM_CDS_MODEL", str(place / "local"))
    assert explained(place)["model"]["evidence"] == "local-fit"


# What is not served


def change_json(path, change, *, sign=False):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if sign:
        document["sha256"] = checksum(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def refused(copy) -> str:
    ended = check(copy)
    assert (ended.status, ended.out) == (2, "")
    assert len(ended.error.splitlines()) == 1
    assert str(copy / "local") in ended.error
    return ended.error


@pytest.mark.parametrize(("which", "by"), [(0, 1e-9), (3, -1e-9)])
def test_a_coefficient_changed_by_a_billionth_is_refused(copy, which, by):
    def change(document):
        document["log_hazard_ratios"][which] += by

    change_json(copy / "local" / "model.json", change)
    assert "the checksum of model.json does not match" in refused(copy)
    explain = command("explain", copy / "patient.json", *AS_OF, "--json", "--config", copy / "imnm.toml")
    assert (explain.status, explain.out) == (2, "")


def test_a_golden_pair_that_is_off_is_refused(copy):
    def change(golden):
        golden["pairs"][7]["risk"]["2y"]["estimate"] += 2e-9

    change_json(copy / "local" / "golden.json", change)
    assert "the golden pair 0111 at 2y is not met" in refused(copy)


def test_a_newer_schema_is_refused_even_if_signed(copy):
    change_json(
        copy / "local" / "model.json", lambda m: m.__setitem__("schema", "imnm-cds-model/2"), sign=True
    )
    assert "the schema of model.json must be 'imnm-cds-model/1'" in refused(copy)


def test_other_numbers_are_refused_even_if_signed(copy):
    def change(document):
        document["baseline_cumulative_hazard"]["1y"] *= 1.01

    change_json(copy / "local" / "model.json", change, sign=True)
    assert "the golden pair 0000 at 1y is not met" in refused(copy)


def test_a_folder_that_is_not_there_is_refused(copy):
    shutil.rmtree(copy / "local")
    assert "local: there is no such folder; name that of a model" in refused(copy)


# Options of the command


def test_an_update_says_what_it_found_and_keeps_the_policy_of_the_given_model(place, tmp_path):
    parent = Path(shutil.copytree(place / "local", tmp_path / "parent"))
    policy = (parent / "policy.toml").read_text(encoding="utf-8").replace("value = 0.45", "value = 0.5")
    (parent / "policy.toml").write_text(policy, encoding="utf-8")
    ended = command("train", GAPS, "--out", tmp_path / "new", "--time-zero", TIME_ZERO, "--update", parent)
    assert (ended.status, ended.error) == (0, "")
    said = " ".join(ended.out.split())
    assert "Under the given model: observed over expected recurrences 1." in said
    assert "calibration slope 1." in said
    assert "Likelihood ratio against refit: nothing χ² " in said
    assert "Taken: nothing, the smallest step that is not rejected at 5 %" in said
    new, old = load_model(tmp_path / "new"), load_model(parent)
    assert new.id == "imnm-recurrence-local-updated"
    assert new.log_hazard_ratios == old.log_hazard_ratios
    assert new.baseline_hazard == old.baseline_hazard
    assert "No update needed in 127 patients with 64 recurrences" in new.limits
    assert (tmp_path / "new" / "report" / "report.html").is_file()
    assert new.policy.high_from == 0.5
    assert "imnm missing" not in new.limits


def test_a_fit_whose_time_zero_can_be_read_in_a_record_is_served_from_its_landmarks(place, tmp_path):
    ended = command(
        *("train", DEMO, "--out", tmp_path / "local", "--time-zero", TIME_ZERO, "--anchor", "onset+180"),
        *("--centre", "West Hospital", "--bootstrap", "40", "--date", "2026-03-01"),
    )
    assert (ended.status, ended.error) == (0, "")
    assert "Baselines from landmarks 0, 365, 730" in ended.out
    shutil.copyfile(place / "imnm.toml", tmp_path / "imnm.toml")
    shutil.copyfile(place / "patient.json", tmp_path / "patient.json")
    assert check(tmp_path).status == 0
    model, without = load_model(tmp_path / "local"), load_model(place / "local")
    assert model.baseline_hazard == without.baseline_hazard
    seen = {}
    for as_of in ("2024-06-01", "2025-06-01", "2026-03-01"):
        file, config = tmp_path / "patient.json", tmp_path / "imnm.toml"
        ended = command("explain", file, "--as-of", as_of, "--json", "--config", config)
        answer = json.loads(ended.out)
        used = answer["landmark"]
        assert used["days"] == model.landmark_at(used["since_time_zero"])
        if answer["outcome"] == "scored":
            later = model.from_landmark(used["days"])
            pattern = pattern_of(answer, model.names)
            assert answer["risk"]["2y"]["estimate"] == estimate(later, pattern, "2y").estimate
        seen[used["days"]] = answer
    assert len(seen) >= 2
    assert "into follow-up" in seen[max(seen)]["cards"][0]["detail"]
    words = command("explain", tmp_path / "patient.json", *AS_OF, "--config", tmp_path / "imnm.toml").out
    assert "Baseline: from landmark" in words


def test_candidates_and_other_names_of_columns(tmp_path):
    text = DEMO.read_text(encoding="utf-8").replace("cardiac", "heart")
    lines = text.splitlines()
    wider = [f"{line},{number % 7}" for number, line in enumerate(lines)]
    wider[0] = f"{lines[0]},centre"
    table = tmp_path / "our_cohort.csv"
    table.write_text("\n".join(wider), encoding="utf-8")
    ended = command(
        *("train", table, "--out", tmp_path / "m", "--time-zero", TIME_ZERO, "--bootstrap", "20"),
        *("--columns", "cardiac_involvement=heart", "--candidates", "centre", "--select"),
        *("--baseline", "breslow", "--shrinkage", "none", "--synthetic"),
    )
    assert (ended.status, ended.error) == (0, "")
    assert "Warning: selection by the data" in " ".join(ended.out.split())
    document = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    assert document["evidence"] == "synthetic"
    assert "our cohort" in document["card"]["limits"]
    assert document["fit"]["baseline_ties"] == "breslow"
    assert "centre" in document["fit"]["selection"]["inclusion"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--time-zero", "*bold*"), "time zero must be 1 to 120 characters"),
        (("--time-zero", "x", "--centre", "a|b"), "the centre's name must be"),
        (("--time-zero", "x", "--columns", "heart"), "--columns: 'heart' is not NAME=COLUMN"),
        (("--time-zero", "x", "--landmark", "180"), "--landmark: give a start and days"),
        (("--time-zero", "x", "--landmark", "treated+180"), "is a table: a landmark is for folders"),
        (("--time-zero", "x", "--until", "tomorrow"), "--until: give the date of the extract"),
        (("--time-zero", "x", "--date", "today"), "--date: give a day like 2026-03-01"),
        (("--time-zero", "x", "--update", "absent"), "absent: there is no such folder"),
        (("--time-zero", "x", "--policy", "absent.toml"), "absent.toml cannot be read"),
        (("--time-zero", "x", "--ridge", "1", "--firth"), "ridge and firth are two penalties"),
        (("--time-zero", "x", "--max-rows", "199"), "more than 199 rows"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_is_written(tmp_path, more, says):
    ended = command("train", DEMO, "--out", tmp_path / "m", *more)
    assert (ended.status, ended.out) == (2, "")
    assert says in ended.error
    assert len(ended.error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
