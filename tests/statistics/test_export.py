"""Tables as CSV and figures as SVG files, beside the report."""

import csv
import io
import json
from xml.etree import ElementTree as ET

import pytest

from models.training.cohort.describe import table_one
from models.training.errors import TrainingError
from models.training.report.describe_text import tables
from models.training.report.export import as_csv, table_files, write_files
from models.training.report.write import HTML_NAME, JSON_NAME, files_of, write_report
from tests.statistics.test_report import cohort, own, unshrunk
from tests.statistics.trained import DEMO, TIME_ZERO, command

DESCRIBED = table_one(cohort())
FILES = files_of(own(), unshrunk(), DESCRIBED)


def rows_of(name):
    assert FILES[name].startswith("\ufeff")
    return list(csv.reader(io.StringIO(FILES[name].removeprefix("\ufeff"))))


def test_every_table_of_the_description_is_a_file_with_the_same_cells():
    shown = [[list(row) for row in (table.columns, *table.rows)] for table in tables(DESCRIBED)]
    assert [rows_of(name) for name in table_files(DESCRIBED)] == shown
    assert "report-table-follow-up.csv" in FILES


def test_the_model_table_has_the_numbers_of_the_report_in_full():
    report = json.loads(FILES[JSON_NAME])
    heads, *rows = rows_of("report-table-model.csv")
    assert len(heads) == len(rows[0]) == 9
    for row, predictor, ratio in zip(
        rows, report["model"]["predictors"], report["hazard_ratios"], strict=True
    ):
        assert row[0] == predictor["label"]
        assert float(row[2]) == predictor["log_hazard_ratio"]
        assert [float(cell) for cell in row[3:6]] == [
            ratio["served"][end] for end in ("value", "low", "high")
        ]
    _, *baseline = rows_of("report-table-baseline.csv")
    assert [float(row[1]) for row in baseline] == [
        at["baseline_cumulative_hazard"] for at in report["model"]["horizons"]
    ]


def test_every_figure_of_the_page_is_a_file_that_stands_alone():
    figures = {name for name in FILES if name.endswith(".svg")}
    shown = json.loads(FILES[JSON_NAME])["figures"]
    assert figures == {f"report-figure-{name}.svg" for name in shown}
    for name, figure in shown.items():
        root = ET.fromstring(FILES[f"report-figure-{name}.svg"].encode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.get("width")) > 100 < float(root.get("height"))
        assert root.find("{http://www.w3.org/2000/svg}title").text == figure["title"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("+x", "'+x"),
        ("\tx", "'\tx"),
        ("-0.81", "-0.81"),
        ("-1e-05", "-1e-05"),
        (-0.81, "-0.81"),
        ("– level", "– level"),
        (None, ""),
    ],
)
def test_no_text_is_a_formula_to_a_spreadsheet_and_numbers_stay_numbers(cell, written):
    assert next(csv.reader(io.StringIO(as_csv([[cell, "x"]]).removeprefix("\ufeff")))) == [written, "x"]


def test_a_figure_of_an_earlier_report_is_not_left_beside_a_new_one(tmp_path):
    for name in ("report-figure-old.svg", "report-table-old.csv", "figure-of-mine.svg"):
        (tmp_path / name).write_text("old")
    write_report(own(), None, unshrunk(), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert "figure-of-mine.svg" in names
    assert not any("old" in name for name in names)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "b.csv.part").mkdir()
    with pytest.raises(TrainingError, match="cannot be written"):
        write_files(tmp_path, {"a.csv": "1", "b.csv": "2"})
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv.part"]


def test_describe_writes_its_tables_and_touches_no_report(tmp_path):
    (tmp_path / "report-figure-auc.svg").write_text("mine")
    ended = command("describe", DEMO, "--time-zero", TIME_ZERO, "--out", tmp_path)
    assert ended.status == 0, ended.error
    assert (tmp_path / "report-figure-auc.svg").read_text() == "mine"
    assert HTML_NAME not in {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "report-table-follow-up.csv").read_text(encoding="utf-8-sig").startswith(",All\n")
