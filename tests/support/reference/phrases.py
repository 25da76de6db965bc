# ruff: noqa: N802 - the functions bear the ids of the rules
"""What the words of a qualitative result say, phrase by phrase (rule E7)."""

from itertools import pairwise

from .spelling import anywhere, plain, says, says_any, whole_words
from .tables import words
from .titres import phrase_spans, sentences_of, without_brackets, without_reference


def phrase_answer(tables: dict, phrase: str) -> str:
    """Negative first, then positive: the words of one phrase."""
    held = whole_words(phrase)
    if any(says(phrase, wanted) for wanted in words(tables, "negative")):
        return "negative"
    positive = words(tables, "positive")
    negations = words(tables, "negation")
    for position, word in enumerate(held):
        if any(says(word, wanted) for wanted in positive if not anywhere(wanted)):
            return "negative" if any(before in negations for before in held[:position]) else "positive"
    return "positive" if any(says(phrase, wanted) for wanted in positive) else ""


def weak_phrase(tables: dict, phrase: str) -> bool:
    """A word for weak, as whole words; `±`."""
    return "±" in plain(phrase) or any(says(phrase, wanted) for wanted in words(tables, "weak"))


def antibodies_named(tables: dict, phrase: str) -> set[str]:
    names = {"anti-srp", "anti-hmgcr", "other-msa", "other-antibody"}
    return {row["role"] for row in tables["words"] if row["role"] in names and says(phrase, row["words"])}


def rule_E7_skipped(tables: dict, phrase: str, ours: str) -> bool:
    """A phrase that names another antibody and not ours."""
    if not ours:
        return False
    named = antibodies_named(tables, phrase)
    return bool(named) and ours not in named


def kept_phrases(tables: dict, text: str, ours: str) -> list[str]:
    bare = without_reference(tables, text)
    phrases = [bare[start:end] for start, end in phrase_spans(bare)]
    return [phrase for phrase in phrases if not rule_E7_skipped(tables, phrase, ours)]


def words_answer(tables: dict, text: str, ours: str) -> str:
    """The first phrase that decides, of those that are not skipped; a negative one if nothing speaks against it."""
    said = [phrase_answer(tables, phrase) for phrase in kept_phrases(tables, text, ours)]
    answer = next(filter(None, said), "")
    if answer == "positive":
        outside = without_brackets(without_reference(tables, text))
        return "weak" if is_contradicted(tables, sentences_of(outside), ours) else answer
    return rule_E7_never_negative(tables, text, ours) if answer == "negative" else answer


def is_contradicted(tables: dict, sentences: list[str], ours: str) -> bool:
    """The first that decides does not name ours, and one that does says something else."""
    kept = [sentence for sentence in sentences if not rule_E7_skipped(tables, sentence, ours)]
    answers = [(phrase_answer(tables, one), ours in antibodies_named(tables, one)) for one in kept]
    answers = [(answer, is_named) for answer, is_named in answers if answer]
    if not answers or answers[0][1]:
        return False
    return any(is_named and answer != answers[0][0] for answer, is_named in answers)


def rule_E7_never_negative(tables: dict, text: str, ours: str) -> str:
    """A text whose first phrase says negative: another answer where a positive stands outside of its reference."""
    bare = without_reference(tables, text)
    outside = without_brackets(bare)
    said = [phrase_answer(tables, phrase) for phrase in kept_phrases(tables, outside, ours)]
    if next(filter(None, said), "") == "positive":
        return "positive"
    sentences = sentences_of(bare)
    if says_any(tables, bare, "exception") or is_contradicted(tables, sentences, ours):
        return "weak"
    several = bool(antibodies_named(tables, bare))
    for sentence in sentences:
        answer = "" if rule_E7_skipped(tables, sentence, ours) else phrase_answer(tables, sentence)
        named = antibodies_named(tables, sentence)
        if answer == "positive":
            return "weak" if several and ours not in named else "positive"
        if answer:
            both = bool(named - {ours}) and says_any(tables, sentence, "positive")
            is_denied = len(sentences) == 1 and not_negative(tables, sentence)
            return "weak" if is_denied or (both and says_any(tables, sentence, "negative")) else "negative"
    return ""


def not_negative(tables: dict, sentence: str) -> bool:
    """A negation right before a word for negative."""
    held = whole_words(sentence)
    negations = words(tables, "negation")
    return any(
        first in negations and says_any(tables, second, "negative") for first, second in pairwise(held)
    )
