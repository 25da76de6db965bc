# ruff: noqa: N802 - the functions bear the ids of the rules
"""Words as they are written in free text: whole words, phrases and names (rules U3, E7, A4)."""

import html
import re
import unicodedata

from .tables import as_text, words

DASHES = re.compile(r"[\u002d\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
SEPARATOR = re.compile(r"[,;+]|\band\b", re.IGNORECASE)
SENTENCE = re.compile(r"\.(?=\s+\S)|[\n\r。]")  # where a sentence or a line ends
WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|±")  # Chinese and Japanese write no blanks


def nfkc(text: str) -> str:
    """NFKC; the ratio sign is a colon (A1), and what was escaped for HTML is itself."""
    return unicodedata.normalize("NFKC", html.unescape(text)).replace("\u2236", ":")


def plain(text: str) -> str:
    """U3: case folded, NFKC, every dash a blank."""
    return DASHES.sub(" ", nfkc(text).casefold())


def whole_words(text: str) -> list[str]:
    return WORD.findall(plain(text))


def anywhere(word: str) -> bool:
    """Chinese and Japanese words have no blanks between them."""
    return any(ord(letter) > 0x2E7F for letter in word)


def says(text: str, wanted: str) -> bool:
    """Is a word or a row of words in the text? `ab*` begins a word; `a & b`: both."""
    parts = wanted.split(" & ")
    if len(parts) > 1:
        return all(says(text, part) for part in parts)
    if anywhere(wanted):
        return plain(wanted).replace("*", "") in plain(text)
    held, row = whole_words(text), whole_words(wanted)
    begins = wanted.endswith("*")
    for start in range(len(held) - len(row) + 1):
        here = held[start : start + len(row)]
        if here == row or (begins and here[:-1] == row[:-1] and here[-1].startswith(row[-1])):
            return True
    return False


def says_any(tables: dict, text: str, role: str) -> bool:
    return any(says(text, wanted) for wanted in words(tables, role))


def plain_phrases(text: str) -> list[str]:
    """A4's separators: a comma, a semicolon, a plus sign or `and`."""
    return SEPARATOR.split(nfkc(text))


def texts_of(concept) -> list[str]:
    """U3: `text` and every `display` of a CodeableConcept, as far as they can be read."""
    if isinstance(concept, list):
        return [text for part in concept for text in texts_of(part)]
    if not isinstance(concept, dict):
        return []
    held = [as_text(concept.get("text")), as_text(concept.get("display"))]
    codings = concept.get("coding")
    for coding in codings if isinstance(codings, list) else [codings]:
        if isinstance(coding, dict):
            held.append(as_text(coding.get("display")))
    return [text for text in held if text.strip()]


def names(text: str, phrase: str, wanted: str) -> bool:
    """Does a phrase name it? Of `a & b` the second may stand in another phrase: "Immune globulin, human"."""
    first, *others = wanted.split(" & ")
    return says(phrase, first) and all(says(text, other) for other in others)


def rule_U3_named(tables: dict, texts: list[str], roles: list[str], *, taken_back_by: str = "") -> list[str]:
    """The roles that the words of some texts give, phrase by phrase."""
    named: list[str] = []
    for text in texts:
        whole = re.sub(r"(?<=\d),(?=\d)", ".", nfkc(text))  # a decimal comma parts nothing
        for phrase in plain_phrases(whole):
            if says_any(tables, phrase, "negated"):
                continue
            if taken_back_by and says_any(tables, phrase, taken_back_by):
                continue
            for row in tables["words"]:
                if row["role"] in roles and row["role"] not in named and names(whole, phrase, row["words"]):
                    named.append(row["role"])
    return named
