"""The table of control removals can be tried as it stands; `make removals` tries it."""

import re
from collections import Counter

import pytest

from tests.support.removals import FOLDER, ROOT, is_a_test, removals

AT_LEAST = 156  # rows; a control that is built brings its own
ROWS = removals()
HAZARDS = {
    cells[1].strip(): set(re.findall(r"`(test_\w+)`", cells[5]))
    for line in (ROOT / "docs" / "safety" / "hazards.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| H\d", line)
    for cells in [line.split("|")]
}
NO_SINGLE_LINE = {
    "H13",  # its controls are the tests themselves; seeded faults show that they see
    "H27",  # no words of a record are kept that a line less would print
}


def test_there_are_as_many_as_there_were():
    assert len(ROWS) >= AT_LEAST
    assert {row.table for row in ROWS} == {table.name for table in FOLDER.glob("*.toml")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.control)
def test_each_replaces_one_place_and_names_a_test_that_is_there(row):
    assert row.flaw() == ""


@pytest.mark.parametrize("hazard", sorted(HAZARDS.keys() - NO_SINGLE_LINE))
def test_of_each_hazard_a_control_is_removed_and_a_test_that_is_named_there_sees_it(hazard):
    assert HAZARDS[hazard] & {row.test.partition("[")[0].rpartition("::")[2] for row in ROWS}


def test_no_control_is_removed_twice_under_one_name():
    assert [control for control, times in Counter(row.control for row in ROWS).items() if times > 1] == []


@pytest.mark.parametrize(
    "node",
    [
        "tests/contract/test_removals.py::test_nowhere",
        "tests/contract/test_removals.py",
        "tests/contract/test_nowhere.py::test_there_are_as_many_as_there_were",
        "tests/contract/test_removals.py::TestNowhere::test_there_are_as_many_as_there_were",
    ],
)
def test_a_test_that_is_not_there_is_known_to_be_missing(node):
    assert not is_a_test(node)
