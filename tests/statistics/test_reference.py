"""Every number that R computed, within its tolerance."""

from pathlib import Path

import pytest

from tests.statistics.datasets import DEFAULT, read
from tests.statistics.reference import BEGIN, DOCUMENT, END, check, compare, main, markdown, table

FOLDER = read()
GROUPS = sorted({(row.dataset, row.model) for row in FOLDER.rows})


@pytest.mark.parametrize(("dataset", "model"), GROUPS)
def test_every_number_of_r_is_met_or_has_a_reason(dataset, model):
    rows = [row for row in FOLDER.rows if (row.dataset, row.model) == (dataset, model)]
    outcomes = [compare(FOLDER, row) for row in rows]
    assert [o for o in outcomes if not (o.met or o.reason)] == []


def test_at_least_1300_numbers_are_compared_and_only_separation_is_excused():
    compared = [row for row in FOLDER.rows if (row.dataset, row.model) not in FOLDER.not_met]
    assert len(compared) >= 1300
    assert len(FOLDER.rows) - len(compared) == 4


def test_the_table_in_the_documentation_is_current():
    outcomes = check(FOLDER)
    shown = cells(DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0])
    made = cells(markdown(table(outcomes), FOLDER))
    assert [settled(line) for line in shown] == [settled(line) for line in made]
    for old, new in zip(shown, made, strict=True):
        for k in (3, 5):
            assert size(new[k]) == pytest.approx(size(old[k]), rel=0.2, abs=1e-7), new


def cells(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]


def settled(line: list[str]) -> list[str]:
    return [*line[:3], line[4], *line[6:]]


def size(cell: str) -> float:
    try:
        return float(cell.removeprefix("< "))
    except ValueError:
        return 0.0


def small_folder(where: Path, value: str) -> Path:
    (where / "data").mkdir()
    (where / "data" / "four.csv").write_text("weeks,died,group\n7,1,b\n14,0,a\n14,1,a\n28,0,b\nNA,1,a\n")
    (where / "datasets.toml").write_text(
        '[four]\nfile = "four.csv"\ntime = "weeks"\ntime_unit = 7\nevent = "died"\npredictors = { b = "group == b" }\n'
    )
    header = "dataset,model,quantity,term,time,at,value,se,source,note,tolerance,se_tolerance"
    (where / "reference_numbers.csv").write_text(f"{header}\nfour,km,surv,,2,,{value},,by hand,,1e-12,\n")
    return where


def test_another_folder_is_checked_by_naming_it(tmp_path, capsys):
    assert (
        main([str(small_folder(tmp_path, "0.5"))]) == 0
    )  # 3/4 * 2/3; the row with a missing time is left out
    assert "km" in capsys.readouterr().out


def test_a_number_outside_its_tolerance_ends_with_status_1_and_is_named(tmp_path, capsys):
    assert main([str(small_folder(tmp_path, "0.51"))]) == 1
    assert "OUTSIDE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("years", "of_r", "status"), [("9", "NA", 0), ("9", "", 0), ("2", "NA", 1), ("9", "0.5", 1)]
)
def test_where_r_has_no_value_there_must_be_none_here_and_where_it_has_one_there_must_be_one(
    tmp_path, capsys, years, of_r, status
):
    folder = small_folder(tmp_path, of_r)
    numbers = folder / "reference_numbers.csv"
    numbers.write_text(numbers.read_text().replace("surv,,2,", f"surv,,{years},"))
    assert main([str(folder)]) == status
    assert "Error" not in capsys.readouterr().out


def test_an_unknown_quantity_counts_as_outside(tmp_path, capsys):
    folder = small_folder(tmp_path, "0.5")
    numbers = folder / "reference_numbers.csv"
    numbers.write_text(numbers.read_text().replace("km,surv", "km,median"))
    assert main([str(folder)]) == 1
    assert "KeyError" in capsys.readouterr().out


def test_no_name_of_a_data_set_stands_in_the_code():
    names = FOLDER.datasets.keys() - {"design", "lung"}
    sources = [
        *DEFAULT.parents[2].joinpath("models", "training").glob("*.py"),
        *Path(__file__).parent.glob("[!t]*.py"),
    ]
    assert [(s.name, n) for s in sources for n in names if n in s.read_text(encoding="utf-8")] == []


def test_writing_puts_the_table_into_the_document(tmp_path, monkeypatch):
    document = tmp_path / "statistics.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr("tests.statistics.reference.DOCUMENT", document)
    folder = tmp_path / "folder"
    folder.mkdir()
    main([str(small_folder(folder, "0.5")), "--write"])
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "| km | surv | 1 |" in text
