"""The rows of one table of codes, and how a code finds its rows (F4)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from fhir_mapping.terms.memory import Memory
from fhir_mapping.terms.roles import ANALYTES, ROLE_WORDS, Analyte, RoleWord
from fhir_mapping.terms.systems import WILDCARD, CodeSystems, loinc_check_digit_holds
from fhir_mapping.terms.table_files import TableRow

Key = tuple[str, str]  # (canonical system, code as the system compares it)

# Where one resource can only be one thing, overlapping rows must agree on it; Conditions never conflict (F4).
_MAY_OVERLAP = frozenset({"conditions"})


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One row of a table of codes. `code` is as written there: ICD with its dot, `*` for any continuation."""

    system: str
    code: str
    display: str
    role: str
    source: str
    row: int = field(default=0, compare=False)  # of a site's own file

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the role; the first is the thing itself."""
        return tuple(self.role.split())


@cache  # roles are those of the tables, and few
def words_in(role: str) -> frozenset[RoleWord]:
    """Give the words of a role; raises KeyError for what no rule reads, as an ingredient."""
    return frozenset(ROLE_WORDS[word] for word in role.split())


@cache
def analyte_in(role: str) -> Analyte:
    """Give the thing itself of a role of an Observation; raises KeyError for any other."""
    return ANALYTES[role.split(maxsplit=1)[0]]


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The rows of one table, ready to be matched."""

    name: str
    systems: CodeSystems
    codes: tuple[CodeRow, ...]
    exact: Mapping[Key, CodeRow]
    stems: Mapping[Key, CodeRow]  # the codes with a wildcard, without it
    classes: Mapping[str, str] = field(default_factory=dict)  # of ingredients
    longest_stem: int = 0  # characters; a code may have any number of them
    _known: Memory[tuple[CodeRow, ...]] = field(init=False, default_factory=Memory, compare=False)
    _addresses: frozenset[str] = field(init=False, compare=False)  # the systems of the rows

    def __post_init__(self) -> None:
        """Note in which systems there are rows at all."""
        object.__setattr__(self, "_addresses", frozenset(system for system, _ in (*self.exact, *self.stems)))

    def rows_of(self, system: str, code: str) -> tuple[CodeRow, ...]:
        """Give the rows for a code as it is written, those of the other systems of its family too (F4)."""
        written = system, code
        if (known := self._known.get(written)) is not None:
            return known
        address, code = self.systems.normal(system, code)
        members = self.systems.family(address)
        return self._known.keep(written, tuple(row for each in members for row in self.match(each, code)))

    def has_rows_in(self, system: str) -> bool:
        """Say whether any row may be that of a code in this system, as it is written (F4)."""
        return not self._addresses.isdisjoint(self.systems.family(self.systems.canonical(system)))

    def match(self, system: str, code: str) -> Iterator[CodeRow]:
        """Yield the rows for a code, system and code both as `CodeSystems.normal` gives them."""
        if (system, code) in self.exact:
            yield self.exact[system, code]
        if self.stems:
            for length in range(1, min(len(code), self.longest_stem) + 1):
                if (system, code[:length]) in self.stems:
                    yield self.stems[system, code[:length]]

    def with_rows(self, rows: Iterable[tuple[TableRow, CodeRow]]) -> "CodeTable":
        """Add rows; raises TableError for a duplicate, a conflict or a code that cannot be."""
        exact, stems = dict(self.exact), dict(self.stems)
        added: dict[CodeRow, TableRow] = {}
        for row, code in rows:
            key = _key(row, code, self.systems)
            index = stems if code.code.endswith(WILDCARD) else exact
            if key in index:
                raise row.error(f"{code.system}|{code.code} stands twice in {self.name}: delete one row")
            index[key] = code
            added[code] = row
        longest = max((len(stem) for _, stem in stems), default=0)
        table = CodeTable(self.name, self.systems, (*self.codes, *added), exact, stems, self.classes, longest)
        if stems and self.name not in _MAY_OVERLAP:
            table._check_agreement(added)
        return table

    def _check_agreement(self, added: Mapping[CodeRow, TableRow]) -> None:
        """Whether all rows that one code has say the same thing; a wider one may name the class of an ingredient alone."""
        for key, code in (*self.exact.items(), *self.stems.items()):
            same = {code.words[0], self.classes.get(code.words[0])}
            for other in self.match(*key):
                new = [added[each] for each in (code, other) if each in added]
                if new and other.words[0] not in same:
                    last = max(new, key=lambda row: row.number)
                    raise last.error(
                        f"{code.code} is {code.words[0]} and, by {other.code}, {other.words[0]}: decide for one"
                    )


def _key(row: TableRow, code: CodeRow, systems: CodeSystems) -> Key:
    known = systems.systems.get(systems.canonical(code.system))
    if known and known.form == "loinc" and not loinc_check_digit_holds(code.code):
        raise row.error(f"{code.code} is no LOINC code, its check digit is wrong: look it up again")
    key = systems.normal(code.system, code.code.removesuffix(WILDCARD))
    if code.code.endswith(WILDCARD):
        if not (known and known.has_wildcards):
            raise row.error(
                f"{code.code}: only ICD and ATC codes may end with {WILDCARD}: spell the codes out"
            )
        if not key[1]:
            raise row.error(f"{WILDCARD} alone would match every code: write its beginning")
    return key
