"""Moving any number, or deleting any code row, turns at least one specification row red: none of them is dead."""

import csv
import re
import shutil
import tomllib
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.terms import CodeRow, TableError, Tables, load_tables
from models.policy import load_policy
from models.registry import default_folder
from tests.spec.language import TABLES, read
from tests.spec.run import answer, packaged_model, packaged_tables
from tests.spec.table import Row, differences, rows

ROWS = rows()
POLICY = default_folder() / "policy.toml"
STEPS = {"mg/d": "0.1", "1": "0.01", "%": "1"}  # everything else moves by one of its unit
# No smaller step passes an estimate of the served model on both sides of both limits.
BAND_STEP = Decimal("0.08")
# Above 0.9 (90 %) and below 5 (%) no ejection fraction is plausible (F5): the smallest steps that pass a plausible one.
WIDE_STEPS = {("lvef.fraction_at_most", 1): Decimal(4), ("lvef.fraction_at_most", -1): Decimal("0.11")}
CANNOT_MATTER = {
    # A whole cover is already what T9 asks for (180 days), and a shorter one is cut at as_of.
    ("refractory.rituximab_covers_days", 1),
}
# What a user did with a card is in no record (V8): tests/contract/test_quiet_by_memory.py moves it.
NOT_OF_A_RECORD = {"advice.remembered"}
# What is only described of a cohort (tests/unit/test_tabulate.py moves it)
OF_COHORTS = {"cohort.laboratory_days", "myalgia"}
CODES = [
    (table.name, code)
    for table in packaged_tables().tables.values()
    for code in table.codes
    if OF_COHORTS.isdisjoint(code.words)
]


def numbers(path: Path) -> list[tuple[str, Decimal, str, str]]:
    """Every `name = { value = …, unit = …, source = … }` of a TOML file: dotted name, value, unit, source."""
    found = []

    def walk(name: str, node: Any) -> None:
        if isinstance(node, dict) and "value" in node:
            found.append((name, Decimal(str(node["value"])), node.get("unit", ""), node.get("source", "")))
        elif isinstance(node, dict):
            for key, child in node.items():
                walk(f"{name}.{key}".lstrip("."), child)

    walk("", tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    return found


def moved(text: str, name: str, value: Decimal) -> str:
    """The TOML text with one number replaced."""
    section, _, key = name.rpartition(".")
    head, found, tail = text.partition(f"[{section}]")
    assert found, f"no section [{section}]"
    changed, count = re.subn(rf"(?m)^({re.escape(key)} = {{ value = )[^,]+", rf"\g<1>{value}", tail, count=1)
    assert count == 1, f"no number {name}"
    return head + found + changed


def first_red(likely: list[Row], **changed: Any) -> Row | None:
    """The first row that fails under changed tables or a changed model, the likely ones first."""
    rest = [row for row in ROWS if row not in likely]
    cases = ((row, case) for row in [*likely, *rest] for case in row.cases)
    return next((row for row, case in cases if is_red(row, case, **changed)), None)


def is_red(row: Row, case: str, **changed: Any) -> bool:
    """Whether one case of a row fails under changed tables or a changed model."""
    return bool(differences(answer(read(case), **changed), row.expected))


def noticed(likely: list[Row], folder: Path) -> bool:
    """Whether changed tables turn a row red; tables that the start-up refuses are noticed even earlier."""
    try:
        tables = load_tables(folder)
    except TableError:
        return True
    return first_red(likely, tables=tables) is not None


def of_rules(source: str) -> list[Row]:
    """The rows of the rules that a `source` names; those of a whole section where it names a letter alone."""
    named = re.findall(r"\b[A-Z](?:\d+[a-z]?)?\b", source)
    return [row for row in ROWS if row.rule in named or row.rule[0] in named]


def copied_tables(tmp_path: Path) -> Path:
    """A copy of the tables that a test may change."""
    return Path(shutil.copytree(TABLES, tmp_path / "tables"))


def step(unit: str, value: Decimal) -> Decimal:
    """The smallest meaningful step of a number."""
    return Decimal(STEPS.get(unit, "1")) if value % 1 or unit in STEPS else Decimal(1)


@pytest.mark.parametrize("sign", [1, -1], ids=["up", "down"])
@pytest.mark.parametrize(
    ("name", "value", "unit", "source"),
    [row for row in numbers(TABLES / "rules.toml") if row[0] not in OF_COHORTS],
)
def test_moving_a_number_of_the_rules_turns_a_row_red(tmp_path, name, value, unit, source, sign):
    folder = copied_tables(tmp_path)
    by = WIDE_STEPS.get((name, sign), step(unit, value))
    text = (folder / "rules.toml").read_text(encoding="utf-8")
    (folder / "rules.toml").write_text(moved(text, name, value + sign * by), encoding="utf-8")
    assert noticed(of_rules(source), folder) or (name, sign) in CANNOT_MATTER


@pytest.mark.parametrize("sign", [1, -1], ids=["up", "down"])
@pytest.mark.parametrize(
    ("name", "value", "unit", "source"), [row for row in numbers(POLICY) if row[0] not in NOT_OF_A_RECORD]
)
def test_moving_a_number_of_the_policy_turns_a_row_red(tmp_path, name, value, unit, source, sign):
    by = BAND_STEP if unit == "1" else step(unit, value)
    path = tmp_path / "policy.toml"
    path.write_text(moved(POLICY.read_text(encoding="utf-8"), name, value + sign * by), encoding="utf-8")
    model = replace(packaged_model(), policy=load_policy(path))
    likely = sorted(of_rules(source), key=lambda row: row.rule not in {"V2", "V5"})  # V: the follow-up table
    assert first_red(likely, model=model)


def csv_rows(table: str) -> list[dict[str, str]]:
    """The rows of one table as they stand on disk."""
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rewrite(path: Path, table_rows: list[dict[str, str]]) -> None:
    """A table written anew."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table_rows[0]))
        writer.writeheader()
        writer.writerows(table_rows)


@pytest.mark.parametrize("index", range(len(csv_rows("units"))))
def test_moving_a_unit_factor_turns_a_row_red(tmp_path, index):
    folder = copied_tables(tmp_path)
    table = csv_rows("units")
    unit = table[index]["unit"]
    table[index]["factor"] = str(float(Fraction(table[index]["factor"])) * 1.1)
    rewrite(folder / "units.csv", table)
    assert noticed([row for row in ROWS if unit in row.record], folder), unit


@pytest.fixture(scope="module")
def cases_by_code() -> dict[str, list[tuple[Row, str]]]:
    """Every case of every row, by each code that it spells out."""
    spelled: dict[str, list[tuple[Row, str]]] = {}
    for row in ROWS:
        for case in row.cases:
            for code in re.findall(r"[^\s:+;=]+", case):
                spelled.setdefault(code.upper(), []).append((row, case))
    return spelled


def without(table: str, code: CodeRow) -> Tables:
    """The packaged tables without one code."""
    tables = packaged_tables()
    old = tables.tables[table]
    new = replace(
        old,
        codes=tuple(other for other in old.codes if other != code),
        exact={key: other for key, other in old.exact.items() if other != code},
        stems={key: other for key, other in old.stems.items() if other != code},
    )
    return replace(tables, tables={**tables.tables, table: new})


@pytest.mark.parametrize(("table", "code"), CODES, ids=[f"{table} {code.code}" for table, code in CODES])
def test_deleting_a_code_turns_a_row_red(cases_by_code, table, code):
    """The case that spells the code out, or any: a role is often named by its first code alone."""
    tables = without(table, code)
    likely = cases_by_code.get(code.code.replace("*", "").upper(), [])
    assert any(is_red(row, case, tables=tables) for row, case in likely) or first_red([], tables=tables)


@pytest.mark.parametrize("sign", [1, -1], ids=["up", "down"])
@pytest.mark.parametrize(
    "index", [i for i, row in enumerate(csv_rows("agents")) if row["class"] == "glucocorticoid"]
)
def test_moving_a_prednisone_equivalent_turns_a_row_red(tmp_path, index, sign):
    folder = copied_tables(tmp_path)
    table = csv_rows("agents")
    table[index]["prednisone_mg"] = str(Decimal(table[index]["prednisone_mg"]) + sign * Decimal("0.01"))
    rewrite(folder / "agents.csv", table)
    likely = [row for row in of_rules("T4") if table[index]["ingredient"] in row.record]
    assert noticed(likely, folder), table[index]


@pytest.mark.parametrize("index", range(len(csv_rows("statuses"))))
def test_deleting_a_status_turns_a_row_red(tmp_path, index):
    folder = copied_tables(tmp_path)
    kept = csv_rows("statuses")
    gone = kept.pop(index)
    rewrite(folder / "statuses.csv", kept)
    assert noticed(of_rules("M1"), folder), gone
