"""The page of conformance is that of the table, and the table names tests that are there. `make conformance` runs them."""

import re
from collections import Counter

import pytest

from tests.conformance.requirements import PAGE, VERSIONS, Requirement, page, requirements
from tests.support.removals import is_a_test

ROWS = requirements()
ROW = Requirement("G-01", "x", "SHALL", "x", tests=("a::b", "a::c"))
# How many the text has of each kind; a row may be added, none may get lost
COUNTS = {
    "G": 10,
    "D": 17,
    "P": 11,
    "R": 24,
    "S": 3,
    "C": 10,
    "SO": 4,
    "CO": 1,
    "SU": 5,
    "A": 5,
    "L": 6,
    "SA": 1,
    "X": 1,
}
COUNTS |= {"T": 1, "F": 13, "J": 20}


def test_no_requirement_is_left_out_or_stands_twice():
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert Counter(row.id.partition("-")[0] for row in ROWS) == COUNTS
    assert all(re.fullmatch(r"[A-Z]{1,2}-\d\d", row.id) and row.says and row.section for row in ROWS)
    assert {row.only for row in ROWS} <= {"", *VERSIONS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_each_names_tests_that_are_there_or_a_reason(row):
    assert row.tests or row.reason
    assert [test for test in row.tests if not is_a_test(test)] == []


def test_the_page_is_that_of_the_table_with_every_test_passing():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make conformance`"


@pytest.mark.parametrize(
    ("row", "failed", "results"),
    [
        (ROW, (), ("passes", "passes")),
        (ROW, {"a::c"}, ("**fails**", "**fails**")),
        (Requirement("G-01", "x", "SHALL", "x"), (), ("**missing**", "**missing**")),
        (Requirement("G-01", "x", "SHALL", "x", reason="x"), (), ("reason", "reason")),
        (Requirement("G-01", "x", "SHALL", "x", only="2.0.1", tests=("a::b",)), {"a::b"}, ("**fails**", "–")),
    ],
)
def test_a_requirement_is_met_by_all_its_tests_or_a_reason(row, failed, results):
    assert tuple(row.result(version, failed) for version in VERSIONS) == results
    assert row.is_met(failed) is ("*" not in "".join(results))
