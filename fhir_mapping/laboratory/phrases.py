"""Laboratory text: how it is compared, its phrases, and what a phrase answers (E7, A1)."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import pairwise
from typing import Literal

from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.units import AS_TYPED
from fhir_mapping.terms.words import UNSPACED, Vocabulary, fold

PhraseVerdict = Literal["positive", "negative"]
Surely = Literal["positive", "weak", "negative"]

ANTIBODY_NAMES = frozenset({"anti-srp", "anti-hmgcr", "other-msa", "other-antibody"})
SEPARATOR = re.compile(r"[,;+]|\band\b", re.IGNORECASE)
LIST_SEPARATOR = re.compile(r"[,;+\n]")  # an "and" goes on with what was negated before it
SENTENCE_END = "\n"  # of `in_sentences`
# Apostrophes, the ratio sign, the comma of Chinese lists and its brackets, which NFKC leaves as they are.
_TYPED = AS_TYPED | str.maketrans("\u02bc\u2018\u2019\u2032\u00b4`\u2236\u3001\u3010\u3011", "'" * 6 + ":,[]")
_SCRIPT_ENDS = re.compile(rf"(?<=[{UNSPACED}])(?=[^\W{UNSPACED}])|(?<=[^\W{UNSPACED}])(?=[{UNSPACED}])")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_WORD = re.compile(r"[^\W_]+")
_ENDS_SENTENCE = re.compile(r"\.(?=\s+\S)|\u3002|[\n\r]+")
_NEGATION = "<<negation>>|<<negated>>"
_PATTERNS = frozenset({"cytoplasmic", "nuclear"})
_NEGATIONS = frozenset({"negation", "negated"})
_BRACKET = re.compile(r"[(\[{)\]}]")
_OPENING = "([{"


def plain(text: str) -> str:
    """Write a text as rules compare it: NFKC, one kind of apostrophe and colon, every run of blanks one blank.

    A Chinese or Japanese word stands apart from the letters and digits beside it. What a converter escaped for HTML, the
    sign of "&lt;1:80", is read as it was.
    """
    if "&" in text:
        text = unescape(text)
    if text.isascii():  # of all that is written in another way only this apostrophe is ASCII
        return " ".join(text.replace("`", "'").split())
    typed = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text).translate(_TYPED))
    return " ".join(_SCRIPT_ENDS.sub(" ", typed).split())


def in_sentences(text: str) -> str:
    """A text as `plain` writes it, but each sentence and each line on a line of its own."""
    sentences = _ENDS_SENTENCE.split(text.strip())
    if len(sentences) == 1:  # as nearly all are
        return plain(text)
    return SENTENCE_END.join([said for sentence in sentences if (said := plain(sentence))])


def words(text: str) -> list[str]:
    """The whole words of a text as they are compared, in their order."""
    return _WORD.findall(fold(text))


def verdict(text: str, vocabulary: Vocabulary, about: RoleWord) -> PhraseVerdict | None:
    """What the first phrase that decides says (E7)."""
    verdicts = (phrase_verdict(phrase, vocabulary, about) for phrase in SEPARATOR.split(text))
    return next((said for said in verdicts if said), None)


def surely(said: PhraseVerdict | None, text: str, vocabulary: Vocabulary, about: RoleWord) -> Surely | None:
    """What the first phrase that decides says, where nothing beside it speaks against it.

    Against a negative speaks that it leaves something out, and a positive outside of brackets, in a sentence of its own,
    or beside a negative that is another antibody's; against either what a phrase that names ours says, if that one names
    none.
    """
    if said is None:
        return None
    outside = without_brackets(text)
    if said == "positive":
        return "weak" if _is_contradicted(_sentences(outside), vocabulary, about) else said
    if verdict(outside, vocabulary, about) == "positive":
        return "positive"
    phrases = _sentences(text)
    if "exception" in vocabulary.roles(text) or _is_contradicted(phrases, vocabulary, about):
        return "weak"
    return _by_sentences(phrases, text, vocabulary, about)


def _sentences(text: str) -> list[str]:
    return [phrase for part in SEPARATOR.split(text) for phrase in part.split(SENTENCE_END)]


def _is_contradicted(phrases: Sequence[str], vocabulary: Vocabulary, about: RoleWord) -> bool:
    """Whether what decides first names no antibody of ours, and a phrase that does says the opposite."""
    answers = ((phrase_verdict(phrase, vocabulary, about), phrase) for phrase in phrases)
    said = [(answer, about in vocabulary.roles(phrase)) for answer, phrase in answers if answer]
    first, is_ours = said[0] if said else (None, True)
    return not is_ours and any(is_named and answer != first for answer, is_named in said)


def _by_sentences(
    phrases: Sequence[str], text: str, vocabulary: Vocabulary, about: RoleWord
) -> Surely | None:
    """What the first sentence that decides says, where the phrase that it belongs to is negative."""
    for phrase in phrases:
        if (first := phrase_verdict(phrase, vocabulary, about)) == "positive":
            is_ours = about in vocabulary.roles(phrase) or ANTIBODY_NAMES.isdisjoint(vocabulary.roles(text))
            return "positive" if is_ours else "weak"
        if first:
            is_negated = len(phrases) == 1 and any(  # "not negative"
                before in vocabulary.words("negation") and "negative" in vocabulary.roles(word)
                for before, word in pairwise(words(phrase))
            )
            named = vocabulary.roles(phrase)
            says_both = {"positive", "negative"} <= named  # of two antibodies, of one each
            is_of_two = says_both and not (named & ANTIBODY_NAMES).issubset({about})
            return "weak" if is_negated or is_of_two else "negative"
    return None


def without_negated(phrase: str, vocabulary: Vocabulary) -> str:
    """What a phrase names as seen: nothing of a pattern that is negated, "no cytoplasmic staining" (A4).

    A negation right before a pattern leaves what stands before it: "nuclear without cytoplasmic staining".
    """
    named = vocabulary.roles(phrase)
    if named.isdisjoint(_PATTERNS) or named.isdisjoint(_NEGATIONS):
        return phrase
    negation = vocabulary.pattern(_NEGATION).search(phrase)
    if negation is None:  # one that is written in a way of its own, "ruled_out"
        return ""
    after = words(phrase[negation.end() :])[:1]
    is_negated = after and not _PATTERNS.isdisjoint(vocabulary.roles(after[0]))
    return phrase[: negation.start()] if is_negated else ""


def phrase_verdict(phrase: str, vocabulary: Vocabulary, about: RoleWord) -> PhraseVerdict | None:
    """Whether one phrase says positive or negative, negative first: "not detected" holds "detected" too (E7)."""
    named = vocabulary.roles(phrase)
    if _is_about_another(named, about):
        return None
    if "negative" in named:
        return "negative"
    if {"positive", "negation"} <= named:  # negated is what stands behind the first negation
        spoken, negations = words(phrase), vocabulary.words("negation")
        place = next((place for place, word in enumerate(spoken) if word in negations), len(spoken))
        if "positive" in vocabulary.roles(" ".join(spoken[place + 1 :])):
            return "negative"
    return "positive" if "positive" in named else None


def sounds_weak(text: str, vocabulary: Vocabulary, about: RoleWord) -> bool:
    """Whether a phrase of the text holds a word that is neither positive nor negative (E7)."""
    named = (vocabulary.roles(phrase) for phrase in SEPARATOR.split(text))
    return any("weak" in roles and not _is_about_another(roles, about) for roles in named)


def _is_about_another(named: frozenset[str], about: RoleWord) -> bool:
    """Whether a phrase names another antibody and not this one (E7)."""
    return about not in named and not ANTIBODY_NAMES.isdisjoint(named)


def without_reference(text: str, vocabulary: Vocabulary) -> str:
    """A text without what the laboratory writes as its reference, so that "Positive (ref: negative)" answers positive.

    A word for the reference range blanks out what follows it, to the end of its bracket, else of the text; blanks keep
    every other character in its place.
    """
    return vocabulary.once(("without reference", text), lambda: _without_reference(text, vocabulary))


def _without_reference(text: str, vocabulary: Vocabulary) -> str:
    closed = dict(_brackets(text))
    around: list[int] = []  # the ends of the brackets that are open here, the innermost last
    characters, done = list(text), 0
    for sign in vocabulary.pattern(r"[(\[{]|<<reference>>").finditer(text):
        place = sign.start()
        if place < done:
            continue
        while around and around[-1] <= place:
            around.pop()
        if sign[0] in _OPENING:
            around += [closed[place]] if place in closed else []
        else:
            done = around[-1] - 1 if around else len(text)
            characters[place:done] = " " * (done - place)
    return "".join(characters)


def opened(text: str, places: list[int]) -> str:
    """A text in which each bracket that holds none of the places (in order) is blanked out, and the others are opened."""
    characters, done = list(text), 0
    for start, end in sorted(_brackets(text)):
        if start < done:
            continue
        place = bisect_left(places, start)
        if place < len(places) and places[place] < end:
            characters[start] = characters[end - 1] = " "
        else:
            characters[start:end] = " " * (end - start)
            done = end
    return "".join(characters)


def without_brackets(text: str) -> str:
    """A text with every bracket blanked out."""
    return opened(text, [])


def _brackets(text: str) -> Iterator[tuple[int, int]]:
    """The pairs of brackets, whatever their kind; one that is never closed is none."""
    waiting: list[int] = []
    for sign in _BRACKET.finditer(text):
        if sign[0] in _OPENING:
            waiting.append(sign.start())
        elif waiting:
            yield waiting.pop(), sign.end()
