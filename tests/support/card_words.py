"""What the card format says of the words of a card, as checks over its text alone."""

import re
from collections.abc import Iterator

from cds_service.cards.words import catalogue

LONGEST, MEDIAN, SUMMARY = 180, 130, 139
JARGON = (
    "univariate comparison",
    "stale",
    "indeterminate",
    "marginalised",
    "the rules that need it",
    "{",
    "}",
    "…",
)
_MARKS = re.compile(r"[|\-*>•·]")
_LOINC = re.compile(r"(?<![\d.])\d{3,5}-\d(?![\d-])")
_DATE = r"(?: \(?\d{4}[-\d]*\)?)?"
_LVEF = re.compile(rf"jection fraction (?:fell from )?[\d.]+ %{_DATE}(?: to [\d.]+ %)?", re.IGNORECASE)


def words_in(detail: str) -> int:
    """How many words a detail has: the marks of tables and lists are deleted, the rest counts by its blanks."""
    return len(_MARKS.sub("", detail).split())


def flaws(card: dict, phase: str) -> Iterator[str]:
    """What the card format forbids of a card, in sentences."""
    summary, detail = card["summary"], card["detail"]
    if words_in(detail) > LONGEST:
        yield f"{words_in(detail)} words"
    if len(summary) > SUMMARY:
        yield f"a summary of {len(summary)} characters"
    every = [summary, detail, *_of_buttons(card)]
    for text in every:
        yield from (f"{word!r} in {text!r}" for word in JARGON if word in text.casefold())
        if "None" in text.replace("None of", ""):
            yield f"None in {text!r}"
        yield from (f"a LOINC code in {text!r}" for _ in _LOINC.findall(text))
        yield from (f"the key {key} in {text!r}" for key in catalogue() if key in text)
        if phase == "relapse" and "%" in _LVEF.sub("", text):
            yield f"a percentage in a relapse: {text!r}"
    yield from twice(detail)


def _of_buttons(card: dict) -> Iterator[str]:
    for suggestion in card.get("suggestions", ()):
        yield suggestion["label"]
        yield from (action["description"] for action in suggestion["actions"])


def twice(detail: str) -> Iterator[str]:
    """What stands there more than once: outside the table the CK, its peak and its lowest; a line; a part of a list."""
    lines = [line for line in detail.splitlines() if line and not line.startswith("|")]
    prose = "\n".join(lines)
    for name in ("peak", "lowest", "CK"):
        values = re.findall(rf"{name} \(?(?:under |over |at most |at least )?[\d,.]+(?! ×)", prose)
        if len(values) > 1 and (name != "CK" or len(set(values)) < len(values)):
            yield f"{name} twice: {values}"
    for line in lines:
        said = [part.strip() for part in re.split(r"[,;:] | and ", line) if part.strip(" .-0123456789")]
        yield from (f"{part!r} twice in {line!r}" for part in sorted({p for p in said if said.count(p) > 1}))
    yield from (f"{line!r} twice" for line in sorted({one for one in lines if lines.count(one) > 1}))
