"""Laboratory text: its phrases, its words, and what a phrase answers (E7, A1)."""

import re
from typing import Literal

from fhir_mapping.terms.rules import Rules

SEPARATOR = re.compile(r"[,;+]|\band\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_OPENING, _CLOSING = "([{", ")]}"

PhraseVerdict = Literal["positive", "negative"]


def words(text: str) -> list[str]:
    """The whole words of a text in lower case, in their order."""
    return _WORD.findall(text.casefold())


def verdict(text: str, rules: Rules) -> PhraseVerdict | None:
    """What the first phrase that decides says (E7)."""
    verdicts = (phrase_verdict(phrase, rules) for phrase in SEPARATOR.split(text))
    return next((found for found in verdicts if found), None)


def phrase_verdict(phrase: str, rules: Rules) -> PhraseVerdict | None:
    """Whether one phrase says positive or negative, negative first: "not detected" holds "detected" too (E7)."""
    spoken = words(phrase)
    if rules.words("negative").intersection(spoken) or _is_negated(spoken, rules):
        return "negative"
    return "positive" if rules.words("positive").intersection(spoken) else None


def _is_negated(spoken: list[str], rules: Rules) -> bool:
    first = next((place for place, word in enumerate(spoken) if word in rules.words("negation")), len(spoken))
    return not rules.words("negatable").isdisjoint(spoken[first:])


def sounds_weak(text: str, rules: Rules) -> bool:
    """Whether the text holds a word that is neither positive nor negative (E7)."""
    return not rules.words("weak").isdisjoint(words(text))


def without_reference(text: str, rules: Rules) -> tuple[str, str]:
    """A text up to the words for a reference range; then the same with all brackets blanked out (A1).

    Blanks keep every other character in its place. A word for the reference range inside brackets ends nothing.
    """
    blanked = _blank(text, _brackets(text))
    reference = _reference(blanked, rules)
    end = reference.start() if reference else len(text)
    return text[:end], blanked[:end]


def answer_of(text: str, rules: Rules) -> str:
    """A text without its reference range, so that "Positive (ref: negative)" answers positive.

    Brackets that name no reference range belong to the answer: "Positive (weak)".
    """
    ranges = [(start, end) for start, end in _brackets(text) if _reference(text[start:end], rules)]
    blanked = _blank(text, ranges)
    reference = _reference(blanked, rules)
    return blanked[: reference.start()] if reference else blanked


def _reference(text: str, rules: Rules) -> re.Match[str] | None:
    """The first word that begins a reference range."""
    return re.search(rf"(?<!\w)(?:{any_of('reference', rules)})(?!\w)", text, re.IGNORECASE)


def _blank(text: str, places: list[tuple[int, int]]) -> str:
    characters = list(text)
    for start, end in places:
        characters[start:end] = " " * (end - start)
    return "".join(characters)


def any_of(name: str, rules: Rules) -> str:
    """A regular expression for any word of a list of `rules.toml`, the longer ones first."""
    return "|".join(sorted(map(re.escape, rules.words(name)), key=len, reverse=True))


def _brackets(text: str) -> list[tuple[int, int]]:
    """The outermost pairs of brackets; one that is never closed is none."""
    opened: list[int] = []
    pairs: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if character in _OPENING:
            opened.append(place)
        elif character in _CLOSING and opened:
            start = opened.pop()
            while pairs and pairs[-1][0] > start:
                pairs.pop()
            pairs.append((start, place + 1))
    return pairs
