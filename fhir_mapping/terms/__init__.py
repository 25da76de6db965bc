"""Load and check the tables of codes, and match a coding against them (F4).

A row says: this code in this system plays this role. The first word of a role is the thing itself (analyte,
ingredient, disease), further words are properties of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from fhir_mapping.terms.codes import CodeRow, CodeTable, analyte_in, words_in
from fhir_mapping.terms.roles import (
    AGENT_CLASSES,
    ANALYTES,
    CODE_TABLES,
    ROLE_WORDS,
    AgentClass,
    Analyte,
    CodeTableName,
    RoleTable,
    RoleWord,
)
from fhir_mapping.terms.rules import Rules, load_rules
from fhir_mapping.terms.statuses import StatusElement, Statuses, load_statuses
from fhir_mapping.terms.systems import NONE, CodeSystems, load_systems
from fhir_mapping.terms.table_files import TableError, TableRow, read_rows
from fhir_mapping.terms.units import Units, load_units, positive
from fhir_mapping.terms.words import Vocabulary, load_vocabulary

__all__ = [
    "Agent",
    "CodeRow",
    "Meaning",
    "Role",
    "Rules",
    "TableError",
    "Tables",
    "Units",
    "Vocabulary",
    "load_tables",
    "read_site_map",
]

PACKAGED = Path(__file__).parents[1] / "tables"
_CODE_COLUMNS = ("system", "code", "display", "role", "source")
# Where the rows of a table of codes stand, if not in the file of its name alone.
_FILES: Mapping[CodeTableName, tuple[str, ...]] = {"medications": ("medications.csv", "rxnorm_drugs.csv")}


class Coded(Protocol):
    """A code in a coding system, as `record.Coding`."""

    @property
    def system(self) -> str:
        """The address of the code system."""

    @property
    def code(self) -> str:
        """The code."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role word: the tables it may stand in, the value its results need, and its plausible range (F5).

    `value` is a unit dimension, `answer` (any value, no magnitude) or empty; `plausible` is a name in `rules.toml`.
    """

    word: RoleWord
    tables: tuple[str, ...]
    value: str
    plausible: str
    meaning: str
    dimension: str = field(init=False)  # of the unit of its magnitude (F6); empty: it needs none

    def __post_init__(self) -> None:
        """Look up once what every check asks."""
        object.__setattr__(self, "dimension", "" if self.value == "answer" else self.value)


@dataclass(frozen=True, slots=True)
class Agent:
    """An ingredient: its class (T), and what 1 mg of it is in mg of prednisone (T4; None: not a glucocorticoid)."""

    ingredient: str
    klass: AgentClass
    prednisone_mg: Decimal | None


class Meaning(Struct, frozen=True, gc=False, cache_hash=True):
    """What codings mean in one table; `codings` are those of them that mean something there."""

    codings: frozenset[Any] = frozenset()
    words: frozenset[RoleWord] = frozenset()
    analytes: frozenset[Analyte] = frozenset()
    ingredients: frozenset[str] = frozenset()


_NOTHING = Meaning()


@dataclass(frozen=True, slots=True)
class Tables:
    """Every code, unit, threshold and word that the rules read."""

    rules: Rules
    units: Units
    systems: CodeSystems
    roles: Mapping[RoleWord, Role]
    agents: Mapping[str, Agent]
    tables: Mapping[CodeTableName, CodeTable]
    statuses: Statuses
    vocabulary: Vocabulary
    # What the codings of one record mean
    read: dict[tuple[CodeTableName, tuple[Coded, ...]], Meaning] | None = field(default=None, compare=False)

    def for_one_record(self) -> "Tables":
        """The same tables with a memory of their own: what rules ask again and again is looked up once a record.

        Those that have one stay as they are: a chart is judged twice.
        """
        if self.read is not None:
            return self
        vocabulary, known = self.vocabulary.for_one_record(), (self.rules, self.units, self.systems)
        return Tables(*known, self.roles, self.agents, self.tables, self.statuses, vocabulary, read={})

    def system(self, alias: str) -> str:
        """Give the canonical address of a code system (F4); an unknown one stays as it is."""
        return self.systems.canonical(alias)

    def meaning(self, table: CodeTableName, codings: Iterable[Coded]) -> Meaning:
        """Find what codings mean in a table (F4); of one record each is looked up once."""
        asked = table, tuple(codings)
        known = self.read
        if known is None:
            return self._looked_up(*asked)
        return known.get(asked) or known.setdefault(asked, self._looked_up(*asked))

    def words(self, table: RoleTable, codings: Iterable[Coded]) -> frozenset[RoleWord]:
        """Collect the role words of all rows of the table that any of the codings matches (F4)."""
        return self.meaning(table, codings).words

    def means(self, table: RoleTable, codings: Iterable[Coded], word: RoleWord) -> bool:
        """Say whether any of the codings has this role word in the table (F4)."""
        return word in self.words(table, codings)

    def analytes(self, codings: Iterable[Coded]) -> frozenset[Analyte]:
        """Collect what the codings of an Observation are about; more than one thing is a conflict (F4)."""
        return self.meaning("observations", codings).analytes

    def ingredients(self, codings: Iterable[Coded]) -> frozenset[str]:
        """Collect the ingredients of a medicine; of one product, more than one is a conflict (F4)."""
        return self.meaning("medications", codings).ingredients

    def by_name(self, ingredients: Iterable[str]) -> frozenset[str]:
        """Leave out what names no more than its class where another of the class is there: "statin" by atorvastatin."""
        named = frozenset(ingredients)
        classes = frozenset[str](self.agents[word].klass for word in named if self.agents[word].klass != word)
        return named - classes

    def codes(self, table: RoleTable, word: RoleWord) -> tuple[CodeRow, ...]:
        """Give the rows of a table whose role has this word, in the order of the file."""
        return tuple(code for code in self.tables[table].codes if word in code.words)

    def status(self, element: StatusElement, system: str, code: str) -> str:
        """Give the status that a code stands for, of the element's own value set (M1); empty: none is known.

        A code of the extension `diagnosesicherheit` may stand for a status of either element.
        """
        return self.statuses.status(element, self.systems.canonical(system), code)

    def agent(self, ingredient: str) -> Agent:
        """Tell what is known of an ingredient; raises KeyError with its name."""
        return self.agents[ingredient]

    def with_site_map(self, rows: Iterable[CodeRow]) -> "Tables":
        """Add a site's own codes to these tables, each to every table in which its role has a meaning.

        Raises TableError, which names the row of the site's file.
        """
        by_table: dict[CodeTableName, list[tuple[TableRow, CodeRow]]] = {}
        for code in rows:
            row = TableRow(code.source, code.row, {})
            for table in _tables_of(row, code, self.roles, self.agents):
                by_table.setdefault(table, []).append((row, code))
        changed = {table: self.tables[table].with_rows(new) for table, new in by_table.items()}
        return replace(self, tables={**self.tables, **changed})

    def _looked_up(self, table: CodeTableName, codings: tuple[Coded, ...]) -> Meaning:
        rows_of = self.tables[table].rows_of
        matched: list[Coded] = []
        roles: set[str] = set()
        for coding in codings:
            if rows := rows_of(coding.system, coding.code):
                matched.append(coding)
                for row in rows:
                    roles.add(row.role)
        if not matched:
            return _NOTHING
        if table == "medications":
            return Meaning(frozenset(matched), ingredients=self.by_name(roles))
        words = _NOTHING.words.union(*map(words_in, roles))
        if table == "observations":
            return Meaning(frozenset(matched), words, frozenset(map(analyte_in, roles)))
        return Meaning(frozenset(matched), words)


def load_tables(folder: Path = PACKAGED) -> Tables:
    """Read and check all tables of a folder; raises TableError, which names file and row."""
    rules = load_rules(folder / "rules.toml")
    units = load_units(folder / "units.csv", rules.number("lvef.fraction_at_most"))
    systems = load_systems(folder)
    roles = _load_roles(folder / "roles.csv", units, rules)
    agents = _load_agents(folder / "agents.csv")
    tables = {name: _load_codes(folder, name, systems, roles, agents) for name in CODE_TABLES}
    statuses = load_statuses(folder / "statuses.csv", systems)
    vocabulary = load_vocabulary(folder / "words.csv", agents)
    return Tables(rules, units, systems, roles, agents, tables, statuses, vocabulary)


def read_site_map(file: Path) -> tuple[CodeRow, ...]:
    """Read a site's own codes from a CSV file with the columns system, code, role; raises TableError.

    `Tables.with_site_map` checks what they mean.
    """
    rows = read_rows(file, ("system", "code", "role"))
    if not rows:
        raise TableError(file.name, 0, "names no code: fill it in, or leave site_map out")
    return tuple(
        CodeRow(row["system"], row["code"], row["code"], row["role"], file.name, row.number) for row in rows
    )


def _load_roles(file: Path, units: Units, rules: Rules) -> dict[RoleWord, Role]:
    roles: dict[RoleWord, Role] = {}
    for row in read_rows(file, ("role", "tables", "value", "plausible", "meaning")):
        value, plausible = (row[column].removeprefix(NONE) for column in ("value", "plausible"))
        tables = tuple(row["tables"].split())
        if row["role"] in roles:
            raise row.error(f"{row['role']} stands twice: delete one row")
        if unknown := [table for table in tables if table not in CODE_TABLES]:
            raise row.error(f"table {unknown[0]} is unknown: use {', '.join(CODE_TABLES)}")
        if value not in {"", "answer"} | units.dimensions:
            raise row.error(f"value {value} is unknown: use a dimension of units.csv, answer or {NONE}")
        ends = {f"plausible.{plausible}_low", f"plausible.{plausible}_high"}
        if plausible and not ends <= set(rules.thresholds):
            raise row.error(
                f"plausible.{plausible}_low and _high are not in rules.toml: add them or write {NONE}"
            )
        word = ROLE_WORDS.get(row["role"])
        if word is None:
            raise row.error(
                f"no rule reads the role {row['role']}: delete the row or add the word to terms/roles.py"
            )
        roles[word] = Role(word, tables, value, plausible, row["meaning"])
    return roles


def _load_agents(file: Path) -> dict[str, Agent]:
    agents: dict[str, Agent] = {}
    for row in read_rows(file, ("ingredient", "class", "prednisone_mg", "source")):
        if row["ingredient"] in agents:
            raise row.error(f"{row['ingredient']} stands twice: delete one row")
        klass = AGENT_CLASSES.get(row["class"])
        if klass is None:
            raise row.error(f"class {row['class']} is unknown: use one of {', '.join(AGENT_CLASSES)}")
        if (klass == "glucocorticoid") == (row["prednisone_mg"] == NONE):
            raise row.error(f"prednisone_mg is a number for a glucocorticoid and {NONE} for anything else")
        prednisone_mg = None
        if row["prednisone_mg"] != NONE:
            factor = positive(row, "prednisone_mg")
            prednisone_mg = Decimal(factor.numerator) / Decimal(factor.denominator)
        agents[row["ingredient"]] = Agent(row["ingredient"], klass, prednisone_mg)
    return agents


def _load_codes(
    folder: Path,
    table: CodeTableName,
    systems: CodeSystems,
    roles: Mapping[RoleWord, Role],
    agents: Mapping[str, Agent],
) -> CodeTable:
    files = _FILES.get(table, (f"{table}.csv",))
    rows = []
    for row in (row for file in files for row in read_rows(folder / file, _CODE_COLUMNS)):
        code = CodeRow(row["system"], row["code"], row["display"], row["role"], row["source"])
        if code.system not in systems.systems:
            raise row.error(f"system {code.system} is unknown: use one of code_systems.csv or add it there")
        if table not in _tables_of(row, code, roles, agents):
            raise row.error(f"role {code.role!r} has no meaning in {table}: see roles.csv")
        rows.append((row, code))
    classes = {word: agent.klass for word, agent in agents.items()}
    return CodeTable(table, systems, (), {}, {}, classes).with_rows(rows)


def _tables_of(
    row: TableRow, code: CodeRow, roles: Mapping[RoleWord, Role], agents: Mapping[str, Agent]
) -> tuple[CodeTableName, ...]:
    """Name the tables in which all words of a role have a meaning; ingredients have theirs in `medications`."""
    if code.role in agents:
        return ("medications",)
    words = [ROLE_WORDS[word] for word in code.words if word in roles]
    if len(words) < len(code.words) or not words:
        raise row.error(
            f"role {code.role!r} is unknown: use the words of roles.csv or an ingredient of agents.csv"
        )
    tables = tuple(table for table in CODE_TABLES if all(table in roles[word].tables for word in words))
    if words[0] not in ANALYTES:
        tables = tuple(table for table in tables if table != "observations")
    if not tables:
        raise row.error(
            f"role {code.role!r} has no meaning in any table: its words do not belong together, or not in this order"
        )
    return tables
