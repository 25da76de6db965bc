"""Code systems: their canonical address, their other names, and how their codes are compared (F4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fhir_mapping.terms.memory import Memory
from fhir_mapping.terms.table_files import read_rows

WILDCARD = "*"  # at the end of a code: any continuation, also none

NONE = "-"  # a cell that has nothing to say

# How the codes of a system are compared: plain and loinc as written (loinc has a check digit), icd without the
# dot and in upper case, hierarchic in upper case, prefixed with or without one of the prefixes in front.
FORMS = frozenset({"plain", "loinc", "icd", "hierarchic", "prefixed"})
_WITH_WILDCARD = frozenset({"icd", "hierarchic"})
_LOINC_BODY = re.compile(r"[A-Z]*[0-9]+")


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """One code system. Systems of one `family` share their rows; empty: it stands alone."""

    address: str
    form: str
    prefixes: tuple[str, ...]  # in upper case
    family: str

    @property
    def has_wildcards(self) -> bool:
        """Whether `*` may end a code of this system in a table."""
        return self.form in _WITH_WILDCARD

    def normal(self, code: str) -> str:
        """Write a code in the form in which two codes of this system are compared."""
        code = code.strip()
        if self.form == "icd":
            return code.replace(".", "").upper()
        if self.form == "hierarchic":
            return code.upper()
        if self.form == "prefixed":
            code = code.upper()
            return next((code.removeprefix(each) for each in self.prefixes if code.startswith(each)), code)
        return code


@dataclass(frozen=True, slots=True)
class CodeSystems:
    """All code systems that the tables name, and their aliases."""

    systems: Mapping[str, CodeSystem]  # canonical address → system
    aliases: Mapping[str, str]  # any other spelling → canonical address
    open_aliases: tuple[tuple[str, str, str], ...]  # (beginning, end, canonical address), any text between
    _known: Memory[tuple[str, str]] = field(init=False, default_factory=Memory, compare=False)

    def canonical(self, alias: str) -> str:
        """Give the canonical address; an unknown one stays as written, without a trailing slash (F4)."""
        if alias in self.systems:
            return alias
        bare = alias.strip().rstrip("/")
        if bare in self.aliases:
            return self.aliases[bare]
        for beginning, end, address in self.open_aliases:
            if bare.startswith(beginning) and bare.removeprefix(beginning).endswith(end):
                return address
        return bare

    def normal(self, system: str, code: str) -> tuple[str, str]:
        """Give (canonical system, comparable code)."""
        written = system, code
        if known := self._known.get(written):
            return known
        address = self.canonical(system)
        of = self.systems.get(address)
        return self._known.keep(written, (address, of.normal(code) if of else code.strip()))

    def family(self, address: str) -> tuple[str, ...]:
        """Give the systems in whose rows a code of this one is looked up, itself first (F4)."""
        known = self.systems.get(address)
        if not (known and known.family):
            return (address,)
        others = (each.address for each in self.systems.values() if each.family == known.family)
        return (address, *(other for other in others if other != address))


def load_systems(folder: Path) -> CodeSystems:
    """Read and check `code_systems.csv` and `systems.csv`; raises TableError."""
    systems = _load_code_systems(folder / "code_systems.csv")
    aliases: dict[str, str] = {}
    for row in read_rows(folder / "systems.csv", ("alias", "system", "source")):
        alias, address = row["alias"], row["system"]
        if address not in systems:
            raise row.error(f"system {address} is unknown: add it to code_systems.csv first")
        if alias in systems or alias in aliases:
            raise row.error(f"alias {alias} already has a meaning: delete one row")
        if alias.endswith("/"):
            raise row.error("leave out the trailing slash: it is ignored everywhere")
        beginning, *rest = alias.split(WILDCARD)
        if len(rest) > 1 or not beginning:
            raise row.error(f"one {WILDCARD} is allowed, after the beginning of the address")
        aliases[alias] = address
    whole: dict[str, str] = {}
    open_ones: list[tuple[str, str, str]] = []
    for alias, address in aliases.items():
        beginning, wildcard, end = alias.partition(WILDCARD)
        if wildcard:
            open_ones.append((beginning, end, address))
        else:
            whole[alias] = address
    return CodeSystems(systems, whole, tuple(open_ones))


def _load_code_systems(file: Path) -> dict[str, CodeSystem]:
    systems: dict[str, CodeSystem] = {}
    forms: dict[str, str] = {}  # family → form
    for row in read_rows(file, ("system", "name", "form", "prefixes", "family", "source")):
        prefixes, family = (row[column].removeprefix(NONE) for column in ("prefixes", "family"))
        if row["form"] not in FORMS:
            raise row.error(f"form {row['form']!r} is unknown: use one of {', '.join(sorted(FORMS))}")
        if row["system"] in systems:
            raise row.error(f"{row['system']} stands twice: delete one row")
        if (row["form"] == "prefixed") != bool(prefixes):
            raise row.error(
                f"prefixes belong to the form prefixed: write {NONE} for any other, or fill them in"
            )
        if family and forms.setdefault(family, row["form"]) != row["form"]:
            raise row.error(f"all systems of {family} must have one form, for they share their rows")
        systems[row["system"]] = CodeSystem(
            row["system"], row["form"], tuple(prefixes.upper().split()), family
        )
    return systems


def loinc_check_digit_holds(code: str) -> bool:
    """Say whether a LOINC code ends with its check digit (Luhn, over what stands before the hyphen).

    A letter, as of the answers `LA…`, counts as its place in ASCII after the digit 0.
    """
    body, hyphen, check = code.partition("-")
    if not (hyphen and _LOINC_BODY.fullmatch(body) and check.isascii() and check.isdigit()):
        return False
    total = 0
    for place, character in enumerate(reversed(body)):
        number = ord(character) - ord("0")
        total += number if place % 2 else 2 * number - 9 * (number // 5)
    return check == str(-total % 10)
