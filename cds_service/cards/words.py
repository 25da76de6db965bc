"""The catalogue of every word that a card, its buttons and the answer "no card" say: `words.toml`."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path


def say(key: str, **filled: object) -> str:
    """Give the text of a key like "summary.relapse", its `{…}` filled in. Raises KeyError for what is not there."""
    return catalogue()[key].format(**filled)


def parts_named(parts: Iterable[str]) -> str:
    """The parts of a follow-up item by their names: "CK, AST"."""
    words = catalogue()
    return ", ".join([words[f"parts.{part}"] for part in parts])


def said(key: str, otherwise: str) -> str:
    """Give the text of a key, or what is to be said where the catalogue has none: a word of the rules as it is."""
    return catalogue().get(key, otherwise)


@cache
def catalogue() -> Mapping[str, str]:
    """Every text by its key."""
    document = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
    return {f"{table}.{name}": str(text) for table, texts in document.items() for name, text in texts.items()}
