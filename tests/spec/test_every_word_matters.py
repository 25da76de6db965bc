"""Deleting any word of `rules.toml`, or any other name of a code system, turns at least one specification row red."""

import csv
import tomllib

import pytest

from tests.spec.language import TABLES
from tests.spec.test_every_number_matters import ROWS, copied_tables, noticed, of_rules, rewrite

WORDS = tomllib.loads((TABLES / "rules.toml").read_text(encoding="utf-8"))["words"]
RULES_OF_WORDS = "E7, A1, A2, A3, A4"
CANNOT_MATTER = (
    "human-phenotype-ontology.org",
    "purl.obolibrary.org/obo/hp.owl",
)  # no rule reads an HPO code (E6)


def aliases() -> list[dict[str, str]]:
    """The rows of systems.csv."""
    with (TABLES / "systems.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words])
def test_deleting_a_word_turns_a_row_red(tmp_path, kind, word):
    folder = copied_tables(tmp_path)
    lines = (folder / "rules.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith(f"{kind} = ["))
    lines[place] = lines[place].replace(f'"{word}"', '"qqq"', 1)
    (folder / "rules.toml").write_text("".join(lines), encoding="utf-8")
    assert noticed(of_rules(RULES_OF_WORDS), folder)


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
