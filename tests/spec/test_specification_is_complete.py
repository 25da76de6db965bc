"""Every rule has a table, the tables have enough rows, and the page that is made of them is not stale."""

import pytest

from tests.spec.__main__ import PAGE, page
from tests.spec.table import rows

COUNTS = {
    "F": 9,
    "M": 1,
    "E": 9,
    "D": 8,
    "A": 5,
    "C": 6,
    "T": 10,
    "S": 11,
    "R": 5,
    "X": 4,
    "Z": 1,
    "V": 7,
    "U": 6,
}
BETWEEN = ["A4b", "E2b", "U5b", "R2b"]  # rules that came later and stand beside another
RULES = [
    *BETWEEN,
    *(f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)),
]
ROWS = rows()
AT_LEAST = 150


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_table(rule):
    assert any(row.rule == rule for row in ROWS)


def test_no_table_stands_under_a_rule_that_does_not_exist():
    assert {row.rule for row in ROWS} <= set(RULES)


def test_there_are_enough_rows():
    assert len(ROWS) >= AT_LEAST


def test_no_record_stands_twice_under_one_rule_with_the_same_columns():
    seen = [(row.rule, row.record, tuple(row.expected)) for row in ROWS]
    assert sorted({entry for entry in seen if seen.count(entry) > 1}) == []


def test_the_page_of_the_specification_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
