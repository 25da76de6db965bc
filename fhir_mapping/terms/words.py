"""The words of `words.csv`: how a text is compared, and what it names (U3).

A text by itself is never evidence: whatever is named here is a doubt (U1). The words of laboratories are read by
`laboratory`, which asks for them by their role.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from fhir_mapping.terms.roles import WORD_ROLES, WordRole
from fhir_mapping.terms.table_files import TableRow, read_rows

NamedIn = Literal["Condition", "Observation", "medication"]
Answer = TypeVar("Answer")

LONGEST_TEXT = 1000  # characters that are read: a name, a number, an answer stand at the beginning of a text
DASH = r"[-\u00ad\u058a\u05be\u1400\u1806\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\u301c\u3030\u30a0]"
# Kana and Chinese characters, for a class of an expression: such words have no blanks between them.
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_DASHES = re.compile(DASH)
_SEPARATOR = re.compile(r"[;+]|(?<!\d),|,(?!\d)|\band\b")  # A4; a comma between digits is one of a number
_WORD = re.compile(rf"[^\W_{UNSPACED}]+")  # "SRP" is a whole word among Chinese characters too
_BETWEEN_WORDS = bytes(sign if chr(sign).isalnum() else ord(" ") for sign in range(128)).ljust(256)
_BEGINS_UNSPACED = re.compile(f"[{UNSPACED}]")
_ROLE = re.compile(r"<<([a-z-]+)>>")
_WITHOUT_BLANKS = frozenset({"zh", "ja"})  # languages that write no blanks between words
_BOTH = " & "
_NEGATED = "negated"
_NAMES: Mapping[NamedIn, frozenset[str]] = {
    "Condition": frozenset({"core"}),
    "Observation": frozenset({"anti-srp", "anti-hmgcr"}),
}
_TAKEN_BACK_BY: Mapping[NamedIn, frozenset[str]] = {
    "Condition": frozenset({_NEGATED}),
    "Observation": frozenset({_NEGATED, "not-antibody"}),
    "medication": frozenset({_NEGATED, "not-agent"}),
}
# Compared with a whole text, a unit or what follows a titre, not looked for in a text: "++" is no part of "+++".
_WHOLE = frozenset({"positive-whole", "weak-whole", "titre-unit", "no-unit", "flag", "or-more"})


def fold(text: str) -> str:
    """Write a text as words are compared: NFKC, case folded, every dash a blank, blanks single."""
    if text.isascii():  # which NFKC leaves as it is, and in which a hyphen is the only dash
        return " ".join(text.lower().replace("-", " ").split())
    return " ".join(_DASHES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())


def words_of(phrase: str) -> list[str]:
    """The words of a phrase; in ASCII there are none but letters and digits."""
    if not phrase.isascii():
        return _WORD.findall(phrase)
    return phrase.encode().translate(_BETWEEN_WORDS).decode().split()


def phrases_of(text: str) -> list[str]:
    """Part a folded text where it names several things (A4)."""
    if "and" in text or "," in text or ";" in text or "+" in text:
        return _SEPARATOR.split(text)
    return [text]


class _Part(NamedTuple):
    """What must stand in a phrase: words with blanks around them, the last perhaps only begun; or, `anywhere`, a text."""

    text: str
    anywhere: bool

    @property
    def is_stem(self) -> bool:
        """Whether it is one word that is only begun."""
        return not self.anywhere and self.text.rfind(" ") == 0


_Spelling = tuple[_Part, ...]  # all of them in the same phrase
_NO_ROLES: frozenset[str] = frozenset()


class _Finder:
    """Finds all spellings in a phrase at once: by its words, and by one expression for all that are only begun."""

    def __init__(self, spellings: Iterable[tuple[_Spelling, str]]) -> None:
        self._roles: dict[_Part, list[tuple[_Spelling, str]]] = {}
        for spelling, role in spellings:
            for part in spelling:
                self._roles.setdefault(part, []).append((spelling, role))
        self._anywhere = [part for part in self._roles if part.anywhere]
        self._anywhere_in_ascii = [part for part in self._anywhere if part.text.isascii()]
        self._stems = [part for part in self._roles if part.is_stem]
        self._any_stem = re.compile("|".join([re.escape(part.text) for part in self._stems]))
        self._by_first: dict[str, list[_Part]] = {}
        for part in self._roles:
            if not (part.anywhere or part.is_stem):
                self._by_first.setdefault(part.text.split()[0], []).append(part)

    def roles(self, phrase: str) -> frozenset[str]:
        """Collect the roles of which a spelling stands in a folded phrase."""
        parts = self._parts(phrase)
        if not parts:
            return _NO_ROLES
        return frozenset(
            role for part in parts for spelling, role in self._roles[part] if parts.issuperset(spelling)
        )

    def begun(self, phrase: str, text: str) -> frozenset[str]:
        """Collect the roles of which the first part stands in a phrase, the others anywhere in its text."""
        begun = [
            (spelling, role)
            for part in self._parts(phrase)
            for spelling, role in self._roles[part]
            if len(spelling) > 1 and spelling[0] == part
        ]
        if not begun:
            return _NO_ROLES
        said = self._parts(text)
        return frozenset([role for spelling, role in begun if said.issuperset(spelling)])

    def _parts(self, phrase: str) -> set[_Part]:
        said = words_of(phrase)
        spoken = f" {' '.join(said)} "
        parts: set[_Part] = set()
        for word in self._by_first.keys() & said:
            parts.update([part for part in self._by_first[word] if part.text in spoken])
        if self._any_stem.search(spoken):
            parts.update([part for part in self._stems if part.text in spoken])
        if anywhere := self._anywhere_in_ascii if phrase.isascii() else self._anywhere:
            parts.update([part for part in anywhere if part.text in phrase])
        return parts


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words of `words.csv`. Roles are a `WordRole` or an ingredient of `agents.csv`."""

    by_role: Mapping[str, frozenset[str]]
    names_in: Mapping[NamedIn, frozenset[str]]
    finder: _Finder
    compiled: dict[str, re.Pattern[str]] = field(default_factory=dict, compare=False)
    # Texts of one record and their roles, or by what they stand in the names that they hold.
    read: dict[tuple[str, str], frozenset[str]] | None = field(default=None, compare=False)
    # What values of one record answer, by all that it follows from
    answers: dict[Hashable, Any] | None = field(default=None, compare=False)
    folded: dict[str, frozenset[str]] | None = field(default=None, compare=False)  # "ALT" is "alt"

    def for_one_record(self) -> "Vocabulary":
        """The same words with a memory of their own: what rules ask again and again is looked up once a record."""
        return Vocabulary(
            self.by_role, self.names_in, self.finder, self.compiled, read={}, answers={}, folded={}
        )

    def once(self, asked: Hashable, read: Callable[[], Answer]) -> Answer:
        """Read what a value of one record says once: whoever judges it asks, and so do the rules."""
        if self.answers is None:
            return read()
        if asked not in self.answers:
            self.answers[asked] = read()
        answer: Answer = self.answers[asked]
        return answer

    def pattern(self, template: str) -> re.Pattern[str]:
        """Compile a regular expression, in any case, in which `<<role>>` stands for any word of a role; each once.

        It is for a text as it is written: a blank of a word may be any dash there.
        """
        if template not in self.compiled:
            expression = _ROLE.sub(lambda role: self._any_of(self.by_role[role[1]]), template)
            self.compiled[template] = re.compile(expression, re.IGNORECASE)
        return self.compiled[template]

    @staticmethod
    def _any_of(words: Collection[str]) -> str:
        """Only whole words are found; signs, and what has no blanks between words, anywhere."""
        expressions: list[str] = []
        for word in sorted(words, key=lambda word: (-len(word), word)):
            body = re.escape(word).replace(r"\ ", f"(?: |{DASH})")
            is_whole = any(sign.isalnum() for sign in word) and not _BEGINS_UNSPACED.match(word)
            expressions.append(rf"(?<![^\W_]){body}(?![^\W\d_])" if is_whole else body)
        return f"(?:{'|'.join(expressions)})"

    def words(self, role: WordRole) -> frozenset[str]:
        """Give the words of a role as they stand in the table, folded."""
        return self.by_role[role]

    def roles(self, phrase: str) -> frozenset[str]:
        """Collect the roles of which a word stands in a phrase; those that are compared whole are left out."""
        if self.read is None:
            return self._roles_of_folded(fold(phrase))
        if (roles := self.read.get(("", phrase))) is None:
            roles = self.read["", phrase] = self._roles_of_folded(fold(phrase))
        return roles

    def _roles_of_folded(self, phrase: str) -> frozenset[str]:
        if self.folded is None:
            return self.finder.roles(phrase)
        if (roles := self.folded.get(phrase)) is None:
            roles = self.folded[phrase] = self.finder.roles(phrase)
        return roles

    def names(self, kind: NamedIn, text: str) -> frozenset[str]:
        """Collect what a text names (U3): `core`, an antibody, or ingredients of agents and statins."""
        if self.read is None:
            return self._named(kind, text)
        if (named := self.read.get((kind, text))) is None:
            named = self.read[kind, text] = self._named(kind, text)
        return named

    def _named(self, kind: NamedIn, text: str) -> frozenset[str]:
        named: frozenset[str] = frozenset()
        whole = fold(text[:LONGEST_TEXT])
        phrases = phrases_of(whole)
        for phrase in phrases:
            roles = self._roles_of_folded(phrase)
            if len(phrases) > 1:
                roles |= self.finder.begun(phrase, whole)
            if roles and roles.isdisjoint(_TAKEN_BACK_BY[kind]):
                named |= roles & self.names_in[kind]
        return named


def load_vocabulary(file: Path, ingredients: Collection[str]) -> Vocabulary:
    """Read and check `words.csv`; raises TableError."""
    by_role: dict[str, dict[str, tuple[_Spelling, TableRow]]] = {role: {} for role in WORD_ROLES}
    for row in read_rows(file, ("role", "language", "words", "source")):
        role, words = row["role"], row["words"]
        if role not in WORD_ROLES and role not in ingredients:
            raise row.error(f"role {role} is unknown: use one of README.md or an ingredient of agents.csv")
        if words != fold(words):
            raise row.error(f"{words!r} is not written as words are compared: write {fold(words)!r}")
        held = by_role.setdefault(role, {})
        if words in held:
            raise row.error(f"{words} stands twice: delete one row")
        held[words] = (_spelling(row), row)
    for role, held in by_role.items():
        if role not in _WHOLE:
            _check_needed(role, held)
    return Vocabulary(
        {role: frozenset(held) for role, held in by_role.items()},
        {**_NAMES, "medication": frozenset(by_role) & frozenset(ingredients)},
        _Finder(
            (spelling, role)
            for role, held in by_role.items()
            if role not in _WHOLE
            for spelling, _ in held.values()
        ),
    )


def _spelling(row: TableRow) -> _Spelling:
    parts: list[_Part] = []
    for words in row["words"].split(_BOTH):
        said = " ".join(_WORD.findall(words))
        if not said or not _WITHOUT_BLANKS.isdisjoint(row["language"].split()):
            parts.append(_Part(words, anywhere=True))
        else:
            parts.append(_Part(f" {said}" if words.endswith("*") else f" {said} ", anywhere=False))
    return tuple(parts)


def _check_needed(role: str, held: Mapping[str, tuple[_Spelling, TableRow]]) -> None:
    finder = _Finder((spelling, words) for words, (spelling, _) in held.items())
    for words, (_, row) in held.items():
        if others := finder.roles(words.replace("*", "")) - {words}:
            raise row.error(f"{words}: {min(others)} of {role} already finds it: delete this row")
