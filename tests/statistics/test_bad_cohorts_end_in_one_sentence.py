"""Whatever a cohort is, `imnm-cds train` ends in one clear sentence and status 2, and nothing is written."""

import re

import pytest

from models.training.cohort.column_map import ColumnMap
from tests.statistics.bad_cohorts import ALL, LANDMARK, SECRET, TIME_ZERO, UNTIL, Bad
from tests.statistics.trained import command


def options(bad: Bad) -> list[str]:
    """The options of the command line that stand for those of reading."""
    given = dict(bad.options)
    if bad.is_folder:
        found = ["--landmark", f"{LANDMARK[0]}+{LANDMARK[1]}", "--until", UNTIL.date().isoformat()]
    else:
        found = ["--time-zero", given.pop("time_zero", TIME_ZERO)]
    for name, rule in given.pop("column_map", ColumnMap()).columns.items():
        found += ["--columns", f"{name}={rule.column}"]
    for name in given.pop("candidates", ()):
        found += ["--candidates", name]
    if rows := given.pop("max_rows", None):
        found += ["--max-rows", str(rows)]
    assert not given
    return found


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_a_bad_cohort_ends_in_one_sentence_and_nothing_is_written(bad, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    path = bad.write(tmp_path / "in")
    ended = command("train", path, "--out", tmp_path / "out" / "model", "--bootstrap", "20", *options(bad))
    assert (ended.status, ended.out) == (2, "")
    (sentence,) = ended.error.splitlines()
    assert sentence.startswith("imnm-cds: ")
    assert 20 < len(sentence) < 320
    assert "Traceback" not in sentence
    assert SECRET not in sentence
    assert re.search(bad.says, sentence)
    assert list((tmp_path / "out").iterdir()) == []
