"""The table of control removals can be tried as it stands; `make removals` tries it."""

from collections import Counter

import pytest

from tests.support.removals import FOLDER, is_a_test, removals

AT_LEAST = 103  # rows; a control that is built brings its own
ROWS = removals()


def test_there_are_as_many_as_there_were():
    assert len(ROWS) >= AT_LEAST
    assert {row.table for row in ROWS} == {table.name for table in FOLDER.glob("*.toml")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.control)
def test_each_replaces_one_place_and_names_a_test_that_is_there(row):
    assert row.flaw() == ""


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
