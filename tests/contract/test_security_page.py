"""SECURITY.md: every threat and every row of ASVS has a control and tests that are there."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ASVS = TEXT.partition("## OWASP ASVS")[2].partition("\n## ")[0]
# A row of ASVS that the issue names; each stands in the table once its control does
NAMED = {"1.3.6", "1.5.3", "4.1.4", "13.2.4", "13.2.5", "13.2.6", "14.2.1", "15.1.2", "15.2.2", "15.3.2"}
NAMED |= {
    "16.2.5",
    "16.4.1",
    "16.5.1",
    "16.5.2",
    "16.5.3",
    "16.5.4",
    "9.1.1",
    "9.1.2",
    "9.1.3",
    "9.2.1",
    "9.2.3",
    "9.2.4",
}
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| asset |", "| row |"))
]


@pytest.fixture(scope="module")
def there():
    """How often each test's name occurs."""
    files = (ROOT / "tests").rglob("test_*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    return Counter(node.name for tree in trees for node in ast.walk(tree) if hasattr(node, "name"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:2])[:50])
def test_each_row_has_a_control_and_tests_that_are_there(row, there):
    *told, tests = row
    assert len(told) == 3
    assert all(told)
    names = re.findall(r"`(\w+)`", tests)
    assert names
    assert {name: there[name] for name in names if not there[name]} == {}


def test_the_rows_of_asvs_are_those_that_were_chosen():
    rows = re.findall(r"^\| ([\d.]+) \|", ASVS, re.MULTILINE)
    assert len(set(rows)) == len(rows)
    assert set(rows) >= NAMED


def test_every_asset_has_its_threats():
    assets = {row[0] for row in ROWS if not row[0][0].isdigit()}
    assert assets == {"patient data", "the card", "tokens", "availability", "the audit", "the supply chain"}
