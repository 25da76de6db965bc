"""The words of hospitals' tables: what a cell says (`cell_words.csv`), and what a column may be called (`headers.csv`)."""

import csv
from collections.abc import Mapping
from pathlib import Path

_FOLDER = Path(__file__).parent


def words_by_meaning(file: str = "cell_words.csv", meaning: str = "meaning") -> Mapping[str, frozenset[str]]:
    """Every meaning of a packaged table with its words, in lower case with single blanks."""
    by_meaning: dict[str, set[str]] = {}
    with (_FOLDER / file).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, strict=True):
            by_meaning.setdefault(row[meaning], set()).add(row["words"])
    return {name: frozenset(words) for name, words in by_meaning.items()}
