"""Deleting any word, or any other name of a code system, turns a specification row red."""

import csv

import pytest

from fhir_mapping.terms.words import fold
from tests.spec.language import TABLES
from tests.spec.test_every_number_matters import ROWS, copied_tables, noticed, of_rules, rewrite

RULES_OF_WORDS = "E7, A1, A2, A3, A4, F5, F8"
CANNOT_MATTER = (
    "human-phenotype-ontology.org",
    "purl.obolibrary.org/obo/hp.owl",
)  # no rule reads an HPO code (E6)


def aliases() -> list[dict[str, str]]:
    """The rows of systems.csv."""
    with (TABLES / "systems.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words() -> list[dict[str, str]]:
    """The rows of words.csv."""
    with (TABLES / "words.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "index",
    range(len(words())),
    ids=[f"{row['role']} {row['words']}" for row in words()],
)
def test_deleting_a_word_turns_a_row_red(tmp_path, index):
    folder = copied_tables(tmp_path)
    kept = words()
    gone = kept.pop(index)
    rewrite(folder / "words.csv", kept)
    every = [row for row in ROWS if f"every word {gone['role']}}}" in row.record]
    spelled = sorted(
        of_rules(RULES_OF_WORDS), key=lambda row: gone["words"].strip("*") not in fold(row.record)
    )
    assert noticed([*every, *spelled], folder), gone


@pytest.mark.parametrize(
    "index",
    [place for place, row in enumerate(aliases()) if not row["alias"].endswith(CANNOT_MATTER)],
    ids=lambda place: aliases()[place]["alias"],
)
def test_deleting_another_name_of_a_system_turns_a_row_red(tmp_path, index):
    folder = copied_tables(tmp_path)
    kept = aliases()
    gone = kept.pop(index)
    rewrite(folder / "systems.csv", kept)
    assert noticed([row for row in ROWS if gone["alias"].replace("*", "") in row.record], folder)
