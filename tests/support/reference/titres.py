# ruff: noqa: N802 - the functions bear the ids of the rules
"""Titres as laboratories write them (rules A1, A2)."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from .numbers import AT_LEAST, SIGNS, Magnitude, bounded, rule_F5_allows, rule_F5_text
from .spelling import DASHES, SENTENCE, SEPARATOR, anywhere, nfkc
from .tables import as_text, words
from .values import COMPARATORS, as_decimal, rule_F5_plausible

N = r"([0-9]{1,3}(?:[,. '’][0-9]{3})+|[0-9]+)"
START, END = r"(?<![0-9/.-])", r"(?![0-9/]|[eE][-+]?[0-9]|[,.'’][0-9])"
LEADING = rf"{START}1\s*[:/]\s*"
TITRE = re.compile(rf"{LEADING}{N}{END}")
SIGNED_INSIDE = re.compile(rf"{LEADING}(<=|>=|<|>|≤|≥)\s*{N}{END}")
ONE_IN = re.compile(rf"{START}1\s+in\s+{N}{END}", re.IGNORECASE)
BETWEEN = re.compile(rf"{LEADING}{N}\s*(?:-|–|\bto\b)\s*(?:1\s*[:/]\s*)?{N}{END}", re.IGNORECASE)
OR_EQUAL = r"(?:\s+or\s+(?:equal\s+to|=))?"
BEFORE = re.compile(
    rf"((?:<|>){OR_EQUAL}|<=|>=|≤|≥|\b(?:(?<!not )(?<!no )less|greater|more)\s+than{OR_EQUAL}"
    rf"|{'|'.join(AT_LEAST)}|\b(?:LT|LE|GT|GE|(?<!not )below|above|over)\b)\s*$",
    re.IGNORECASE,
)
OR_MORE = re.compile(
    r"[,\s]*(?:(?:or|and) (?:higher|more|greater|above)\b|(?:oder|und) (?:höher|mehr)\b|(?:ou|et) plus\b|ou supérieur\b"
    r"|[oy] más\b|o mayor\b|o superiore?\b|o più\b|(?:of|en) (?:hoger|meer)\b|或?以上)|\+(?=\s*(?:[,;)\]}]|$))",
    re.IGNORECASE | re.MULTILINE,
)
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
OPENING, CLOSING = "([{", ")]}"
TITRE_UNITS = ("{titer}", "{titre}", "titer", "titre", "titers", "titres", "dil")
LEADING_UNIT = re.compile(rf"^({'|'.join(TITRE_UNITS[2:])})[:\s]+(.*)$", re.IGNORECASE)
NO_UNITS = ("1", "")


@dataclass(frozen=True)
class Titre:
    """One titre: what it allows, the number that is shown, and where it stands in the text."""

    magnitude: Magnitude
    start: int = 0
    end: int = 0

    @property
    def shown(self) -> Fraction:
        return self.magnitude.ends[-1]


def announces_reference(tables: dict, text: str) -> list[int]:
    """Where the whole words stand that say that a reference follows (E7, A1)."""
    same = DASHES.sub(" ", text)
    shapes = []
    for word in words(tables, "reference"):
        shape = r"\s+".join(re.escape(part) for part in DASHES.sub(" ", word).split())
        shapes.append(shape if anywhere(word) else rf"\b{shape}\b")
    return [match.start() for match in re.finditer("|".join(shapes), same, re.IGNORECASE)]


def end_of_bracket(text: str, position: int) -> int:
    """Where the innermost bracket around a position ends, else the end of the text."""
    depth = 0
    for index in range(position, len(text)):
        if text[index] in OPENING:
            depth += 1
        elif text[index] in CLOSING:
            if depth == 0:
                return index
            depth -= 1
    return len(text)


def without_reference(tables: dict, text: str) -> str:
    """E7, A1: what follows a word for the reference, blanked; each other letter stays in its place."""
    held = nfkc(text)
    for start in announces_reference(tables, held):
        inside = sum(held.count(mark, 0, start) for mark in OPENING) > sum(
            held.count(mark, 0, start) for mark in CLOSING
        )
        stop = end_of_bracket(held, start) if inside else len(held)
        held = held[:start] + " " * (stop - start) + held[stop:]
    return held


def rule_A1_bare(tables: dict, text: str) -> str:
    """Without reference; brackets without a titre blanked, the others opened."""
    held = without_reference(tables, text)
    while True:
        match = BRACKETS.search(held)
        if not match:
            return held
        inner = (
            match[0][1:-1]
            if rule_A1_titres(match[0][1:-1]) or OR_MORE.fullmatch(match[0][1:-1])
            else " " * (len(match[0]) - 2)
        )
        held = f"{held[: match.start()]} {inner} {held[match.end() :]}"


def digits(written: str) -> Fraction:
    return Fraction(re.sub(r"[,. '’]", "", written))


def sign_before(text: str, position: int) -> str:
    """The comparator written directly before a titre."""
    match = BEFORE.search(text[:position])
    if not match:
        return ""
    written = re.sub(r"\s+", " ", match[1].lower())
    equal = written.endswith(("or equal to", "or =", "="))
    plain = re.sub(r" or (equal to|=)$", "", written)
    sign = SIGNS[plain]
    return sign[0] + "=" if equal else sign


def rule_A1_titres(text: str) -> list[Titre]:
    """Every titre of a text, intervals first."""
    held, titres = text, []

    def take(match, magnitude) -> str:
        titres.append(Titre(magnitude, match.start(), match.end()))
        return held[: match.start()] + "#" * (match.end() - match.start()) + held[match.end() :]

    while match := BETWEEN.search(held):
        low, high = sorted((digits(match[1]), digits(match[2])))
        held = take(match, Magnitude(low, high))
    while match := SIGNED_INSIDE.search(held):
        held = take(match, bounded(digits(match[2]), SIGNS[match[1]]))
    for shape in (TITRE, ONE_IN):
        while match := shape.search(held):
            sign = sign_before(text, match.start())
            upward = OR_MORE.match(text, match.end())
            magnitude = bounded(digits(match[1]), sign or (">=" if upward else ""))
            held = take(match, magnitude)
            if upward:
                titres[-1] = replace(titres[-1], end=upward.end())
    return sorted(titres, key=lambda titre: titre.start)


def phrase_spans(text: str) -> list[tuple[int, int]]:
    """Where the phrases of a text lie; a separator inside a titre such as 1:1,280 separates nothing."""
    inside = [(titre.start, titre.end) for titre in rule_A1_titres(text)]
    spans, start = [], 0
    for match in SEPARATOR.finditer(text):
        if any(low <= match.start() < high for low, high in inside):
            continue
        spans.append((start, match.start()))
        start = match.end()
    return [*spans, (start, len(text))]


def without_brackets(text: str) -> str:
    while BRACKETS.search(text):
        text = BRACKETS.sub(" ", text)
    return text


def sentences_of(text: str) -> list[str]:
    """The phrases of a text, and the sentences in each."""
    parts = [part for start, end in phrase_spans(text) for part in SENTENCE.split(text[start:end])]
    return [part for part in parts if part.strip()]


def rule_A1_ratio(ratio: dict) -> Titre | None:
    """1/320 and 320/1 are both 1:320; a comparator is the laboratory's own writing, whichever way round it stands."""
    upper, lower = ratio.get("numerator") or {}, ratio.get("denominator") or {}
    top, bottom = as_decimal(upper.get("value")), as_decimal(lower.get("value"))
    sign = as_text(upper.get("comparator")) or as_text(lower.get("comparator"))
    if not top or not bottom or top < 0 or bottom < 0 or sign not in COMPARATORS:
        return None
    highest, lowest = max(Fraction(top), Fraction(bottom)), min(Fraction(top), Fraction(bottom))
    return Titre(bounded(highest / lowest, sign))


def rule_A1_number(
    tables: dict, holder: dict, text: str, *, under_titre_code: bool
) -> tuple[Titre | None, str]:
    """A number that is a titre because its unit or its code says so; or `implausible`."""
    quantity = holder.get("valueQuantity")
    if quantity:
        value, sign = as_decimal(quantity.get("value")), as_text(quantity.get("comparator"))
        unit = as_text(quantity.get("code")) or as_text(quantity.get("unit"))
        if (
            value is not None
            and sign in COMPARATORS
            and is_titre_unit(unit, under_titre_code=under_titre_code)
        ):
            return Titre(bounded(value, sign)), ""
        return None, ""
    if "valueInteger" in holder:
        return (Titre(bounded(holder["valueInteger"], "")), "") if under_titre_code else (None, "")
    if holder.get("valueRange"):
        return titre_range(holder["valueRange"], under_titre_code=under_titre_code), ""
    text = LEADING_UNIT.sub(r"\2", text) if under_titre_code else text
    for written in rule_F5_text(text):
        if is_titre_unit(written.unit, under_titre_code=under_titre_code):
            magnitude, reason = rule_F5_allows(written, 1, lambda v: rule_F5_plausible(tables, "ana", v))
            return (Titre(magnitude), "") if magnitude else (None, reason)
    return None, ""


def is_titre_unit(unit: str, *, under_titre_code: bool) -> bool:
    return unit.lower() in TITRE_UNITS or (under_titre_code and unit in NO_UNITS)


def titre_range(interval: dict, *, under_titre_code: bool) -> Titre | None:
    """A valueRange of titres."""
    ends = []
    for side in ("low", "high"):
        held = interval.get(side) or {}
        value = as_decimal(held.get("value"))
        unit = as_text(held.get("code")) or as_text(held.get("unit"))
        if value is None:
            ends.append(None)
        elif is_titre_unit(unit, under_titre_code=under_titre_code):
            ends.append(Fraction(value))
        else:
            return None
    return Titre(Magnitude(ends[0], ends[1])) if any(end is not None for end in ends) else None
