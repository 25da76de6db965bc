"""Whether a result answers anything, or says that there is no result (U1)."""

import re

from fhir_mapping.laboratory.antibody import read_answer
from fhir_mapping.laboratory.phrases import SEPARATOR, plain
from fhir_mapping.laboratory.staining import shows_anything
from fhir_mapping.record import Result
from fhir_mapping.terms import Tables

# A bracket, a sentence or a dash between blanks ends a phrase too: what stands beyond it may be a result
_PHRASE_END = re.compile(rf"{SEPARATOR.pattern}|[()\[\]{{}}.!?\n]| [-–—] ", re.IGNORECASE)
_SAYS = frozenset({"positive", "negative", "weak", "cytoplasmic", "nuclear"})


def says_something(result: Result, tables: Tables) -> bool:
    """Whether any rule finds what it knows in the value or the components of a result.

    That is a magnitude; of an ANA result a titre, a pattern or an answer; of an antibody an answer (a number without
    a limit is none). Members are results of their own.
    """
    if result.amount:
        return True
    return (
        shows_anything(result, tables) if result.analyte == "ana" else read_answer(result, tables) is not None
    )


def took_place(result: Result, tables: Tables) -> bool:
    """Whether what needs no magnitude was done at all: not with a value like "not performed", which was read."""
    value = result.value
    texts = (value.text, value.concept.text) if value.concept else (value.text,)
    return not any(text and mentions_no_result(text, tables) for text in texts)


def says_no_result(text: str, tables: Tables) -> bool:
    """Whether a text says that there is no result, and nothing else: each of its phrases does.

    A phrase that answers or names a pattern, "positive, repeat pending", says that there is one. So may any other.
    """
    said, vocabulary = plain(text), tables.vocabulary
    if not mentions_no_result(said, tables):
        return False
    signs = vocabulary.words("positive-whole") | vocabulary.words("weak-whole")
    if any(sign in said for sign in signs):
        return False
    phrases = [phrase for phrase in _PHRASE_END.split(said) if any(map(str.isalnum, phrase))]
    named = [vocabulary.roles(phrase) for phrase in phrases]
    return all("no-result" in roles and roles.isdisjoint(_SAYS) for roles in named)


def mentions_no_result(text: str, tables: Tables) -> bool:
    """Whether a text speaks of no result, as in "raised, haemolysed"; with a number it has one."""
    said = plain(text)
    return "no-result" in tables.vocabulary.roles(said) and not any(sign.isdigit() for sign in said)
