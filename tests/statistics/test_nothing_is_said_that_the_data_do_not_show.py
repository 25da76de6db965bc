"""What a hostile reader found: numbers that looked like results, labels that were lost, folders left half-written."""

import csv
import json

import numpy as np
import pytest

from models.registry import default_folder
from models.training.statistics.accuracy import brier_at
from tests.statistics.trained import DEMO, TIME_ZERO, command

QUICK = ("--time-zero", TIME_ZERO, "--bootstrap", "20")
SHIPPED = default_folder()


def rewritten(path, change, source=DEMO):
    """The demonstration cohort with each row changed."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = [change(row) for row in csv.DictReader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def cut_at(years):
    def cut(row):
        late = float(row["time_years"]) > years
        return row | {"time_years": str(years), "event": "0"} if late else row

    return cut


def validated(folder, model, cohort):
    ended = command("validate", model, cohort, *QUICK, "--out", folder)
    assert (ended.status, ended.error) == (0, "")
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))["validation"]


@pytest.fixture(scope="module")
def penalised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ridge") / "model"
    assert command("train", DEMO, "--out", folder, "--ridge", "10", *QUICK).status == 0
    return folder


def test_a_brier_score_needs_somebody_who_was_observed_beyond_the_horizon():
    time, event = np.array([1.0, 2.0, 3.0, 3.0]), np.array([True, True, False, False])
    assert np.isnan(brier_at(time, event, np.full(4, 0.5), 3.0).value)
    everybody = brier_at(time, np.full(4, True), np.full(4, 0.5), 3.0)
    assert everybody.value == pytest.approx(0.25)


def test_a_cohort_cut_at_a_horizon_has_no_accuracy_there(tmp_path):
    found = validated(tmp_path / "report", SHIPPED, rewritten(tmp_path / "cut.csv", cut_at(3)))
    three = found["horizons"][2]
    assert [three[name]["value"] for name in ("auc", "brier", "ipa")] == [None, None, None]
    assert three["brier"]["reason"] == "nobody was observed beyond 3 years"


def test_c_up_to_a_horizon_that_nobody_reached_is_not_given(tmp_path):
    found = validated(tmp_path / "report", SHIPPED, rewritten(tmp_path / "cut.csv", cut_at(1.5)))
    assert [point["auc"]["value"] is None for point in found["uno"]] == [False, True, True]


def test_a_file_that_says_it_is_synthetic_trains_no_local_model(tmp_path):
    cohort = tmp_path / "cohort.csv"
    assert command("simulate", "--n", "200", "--seed", "3", "--out", cohort).status == 0
    ended = command("train", cohort, "--out", tmp_path / "model", *QUICK)
    assert ended.status == 2
    assert "--synthetic" in ended.error
    assert not (tmp_path / "model").exists()


MARKS = (
    "synthetic",
    "Synthetic",
    "SYNTHETIC",
    " synthetic ",
    '" Synthetic\u00a0"',
    "synthetic?",
    "\u200bsynthetic",
    "\uff33ynthetic",
)
MAP = '[candidates.Herkunft]\ncolumn = "synthetic"\n'


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    cohort = tmp_path_factory.mktemp("simulated") / "cohort.csv"
    assert command("simulate", "--n", "200", "--seed", "3", "--out", cohort).status == 0
    return cohort


def renamed(path, source, mark, encoding="utf-8"):
    """The same cohort whose last header is written otherwise."""
    head, rest = source.read_text(encoding="utf-8").split("\n", 1)
    text = f"{head.removesuffix('synthetic')}{mark}\n{rest}"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("mark", MARKS)
def test_however_a_file_writes_that_it_is_synthetic_it_trains_no_local_model(tmp_path, simulated, mark):
    ended = command(
        "train", renamed(tmp_path / "c.csv", simulated, mark), "--out", tmp_path / "model", *QUICK
    )
    assert (ended.status, "--synthetic" in ended.error) == (2, True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_hides_no_synthetic_patients(tmp_path, simulated, encoding):
    head, *rows = (line.split(",") for line in simulated.read_text(encoding="utf-8").splitlines())
    turned = "\n".join(",".join([last, *cells]) for *cells, last in [head, *rows])
    cohort = tmp_path / "c.csv"
    cohort.write_text(turned, encoding=encoding)
    ended = command("train", cohort, "--out", tmp_path / "model", *QUICK)
    assert (ended.status, "--synthetic" in ended.error) == (2, True)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--columns", "centre=synthetic", "give --synthetic"),
        ("--group", "synthetic", "give --synthetic"),
        ("--candidates", "synthetic", "column synthetic"),  # one word for all is no candidate
        ("--map", "map.toml", "column synthetic"),
    ],
)
def test_whatever_the_column_is_read_as_the_patients_stay_synthetic(
    tmp_path, monkeypatch, simulated, option, value, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    ended = command("train", simulated, "--out", tmp_path / "model", option, value, *QUICK)
    assert (ended.status, said in ended.error) == (2, True)
    assert not (tmp_path / "model").exists()


def test_a_report_on_synthetic_patients_says_so(tmp_path, simulated):
    ended = command(
        "validate",
        SHIPPED,
        renamed(tmp_path / "c.csv", simulated, "Synthetic"),
        *QUICK,
        "--out",
        tmp_path / "r",
    )
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "200 synthetic patients" in ended.out
    assert "not validated" in ended.out, "the model's limits"
    assert "in synthetic patients" in page
    assert "in another cohort than its own" not in page


def of_few(path, recurrences, patients=6):
    """So few patients, of whom the first have a recurrence, in the order of their risk."""
    cells = [
        f"p{n},{1 + n / 4},{int(n < recurrences)},{','.join('1' if n < recurrences else '0' for _ in range(4))}"
        for n in range(patients)
    ]
    path.write_text("id,time_years,status,cardiac,ana_high,refractory,drr_high\n" + "\n".join(cells))
    return path


def widths(node):
    """The two limits of every measure of a report that has any."""
    if isinstance(node, dict):
        if isinstance(node.get("low"), float) and isinstance(node.get("high"), float):
            yield node["low"], node["high"]
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from widths(part)


@pytest.mark.parametrize(
    ("recurrences", "patients", "said"),
    [(2, 6, "2 recurrences"), (1, 6, "1 recurrence"), (0, 50, "0 recurrences"), (5, 5, "5 recurrences")],
)
def test_a_handful_of_recurrences_is_no_certainty(tmp_path, recurrences, patients, said):
    table = of_few(tmp_path / "few.csv", recurrences, patients)
    ended = command("validate", SHIPPED, table, *QUICK, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    numbers = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))["validation"]
    assert f"Warning: {said}: with fewer than 10" in ended.out
    assert f"Warning: {said}: with fewer than 10" in page
    assert "1.00 (1.00 to 1.00)" not in ended.out
    assert [pair for pair in widths(numbers) if pair[0] == pair[1]] == []


def test_a_report_that_fails_leaves_no_model_behind(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cds_service.commands.train.report_on", fails)
    assert command("train", DEMO, "--out", tmp_path / "model", *QUICK).status != 0
    assert list(tmp_path.iterdir()) == []


def test_a_model_fitted_with_a_penalty_is_validated_with_that_penalty_in_each_resample(penalised):
    report = json.loads((penalised / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["title"].startswith("Development and internal validation")
    assert (
        report["validation"]["internal"]["slope_figures"]["mean_in_resamples"] > 1
    )  # a ridge fit is too flat there


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("cardiac_involvement=ana_high",), "the name of another column"),
        (("high_ana=x", "high_drr=x"), "two of ours"),
        (("high_ana=ana_high", "high_ana=drr_high"), "given twice"),
    ],
)
def test_a_column_is_read_once_and_as_itself(tmp_path, columns, said):
    cohort = rewritten(tmp_path / "c.csv", lambda row: row | {"x": "0"})
    given = [word for pair in columns for word in ("--columns", pair)]
    ended = command("validate", SHIPPED, cohort, *QUICK, "--out", tmp_path / "report", *given)
    assert ended.status == 2
    assert said in ended.error


def test_an_update_takes_nothing_that_says_how_to_fit(tmp_path):
    ended = command("train", DEMO, "--out", tmp_path / "m", "--update", SHIPPED, "--firth", *QUICK)
    assert ended.status == 2
    assert "--update" in ended.error


def test_resemblance_of_cohorts_that_cannot_be_fitted_is_one_sentence():
    ended = command("simulate", "--resemblance", "2", "--n", "5")
    assert ended.status == 2
    assert "ask for more patients" in ended.error
