"""The words that code may ask for are those of the tables, and a word misspelt in code is an error of the type checker."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cds_service.commands.chart_file import KEY
from cds_service.fhir.queries import BY_KEY
from fhir_mapping.record import SourceKey
from fhir_mapping.terms import PACKAGED
from fhir_mapping.terms.roles import AgentClass, Analyte, RoleWord, WordRole

ROOT = Path(__file__).parents[3]


def column(file, name):
    with (PACKAGED / file).open(encoding="utf-8", newline="") as lines:
        return [row[name] for row in csv.DictReader(lines)]


def test_code_and_table_know_the_same_roles():
    assert set(get_args(RoleWord)) == set(column("roles.csv", "role"))


def test_an_analyte_is_what_a_row_of_observations_begins_with():
    by_site_map_only = {"refractory", "severe-weakness", "necrotizing-biopsy"}
    named = {role.split()[0] for role in column("observations.csv", "role")}
    assert set(get_args(Analyte)) == named | by_site_map_only


def test_code_and_table_know_the_same_classes_of_medicines():
    assert set(get_args(AgentClass)) == set(column("agents.csv", "class"))


def test_code_and_table_know_the_same_roles_of_words():
    ingredients = set(column("agents.csv", "ingredient"))
    assert set(get_args(WordRole)) == set(column("words.csv", "role")) - ingredients


def test_every_agent_and_the_statins_have_a_name_in_words():
    """Exposure to a checkpoint inhibitor is shown, and nothing is decided by it: it needs no doubt (U3)."""
    ingredients = set(column("agents.csv", "ingredient"))
    assert ingredients - set(column("words.csv", "role")) == {"checkpoint-inhibitor"}


def test_a_source_is_a_query_the_medications_it_refers_to_or_a_file():
    assert set(get_args(SourceKey)) == {*BY_KEY, "medications", KEY}


LINES = {
    'fact.has("broad-hmgcr")': True,
    'fact.has("broad-hmgrc")': False,
    'record.of("ck")': True,
    'record.of("kc")': False,
    'record.has_failed("enzymes")': True,
    'record.has_failed("enzyme")': False,
    'tables.means("qualifiers", (), "weak")': True,
    'tables.means("qualifiers", (), "waek")': False,
    'tables.status("clinicalStatus", "", "")': True,
    'tables.status("clinicalstatus", "", "")': False,
    'tables.vocabulary.words("no-result")': True,
    'tables.vocabulary.words("no-results")': False,
    'tables.vocabulary.names("medication", "")': True,
    'tables.vocabulary.names("medications", "")': False,
    'tables.agent("x").klass == "ivig"': True,
    'tables.agent("x").klass == "ivgi"': False,
    '"broad-hmgrc" in fact.roles': True,  # the checker does not look into `in`: that is why there is `has`
}


@pytest.mark.thorough
def test_a_typo_is_an_error_of_the_type_checker(tmp_path):
    code = tmp_path / "typos.py"
    head = [
        "from fhir_mapping.patient_record import PatientRecord",
        "from fhir_mapping.record import Fact",
        "from fhir_mapping.terms import Tables",
        "def f(fact: Fact, record: PatientRecord, tables: Tables) -> None:",
    ]
    code.write_text("\n".join([*head, *(f"    {line}" for line in LINES)]) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path / 'cache'}", str(code)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = {int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error: " in line}
    expected = {number for number, right in enumerate(LINES.values(), start=len(head) + 1) if not right}
    assert wrong == expected, checked.stdout
