"""Code systems: their canonical address, their other names, and how their codes are compared (F4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fhir_mapping.terms.table_files import TableRow, read_rows

WILDCARD = "*"  # at the end of a code: any continuation, also none

# How the codes of a system are compared: plain and loinc as written (loinc has a check digit), icd without the
# dot and in upper case, hierarchic in upper case, prefixed with or without the system's name in front.
FORMS = frozenset({"plain", "loinc", "icd", "hierarchic", "prefixed"})
_WITH_WILDCARD = frozenset({"icd", "hierarchic"})


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """One code system. `name` is what people call it, and the prefix of its codes where the form is `prefixed`."""

    address: str
    name: str
    form: str

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
            return code.upper().removeprefix(f"{self.name}:")
        return code


@dataclass(frozen=True, slots=True)
class CodeSystems:
    """All code systems that the tables name, and their aliases."""

    systems: Mapping[str, CodeSystem]  # canonical address → system
    aliases: Mapping[str, str]  # any other spelling → canonical address

    def canonical(self, alias: str) -> str:
        """Give the canonical address; an unknown one stays as written, without a trailing slash (F4)."""
        if alias in self.systems:
            return alias
        bare = alias.strip().rstrip("/")
        return self.aliases.get(bare, bare)

    def normal(self, system: str, code: str) -> tuple[str, str]:
        """Give (canonical system, comparable code)."""
        address = self.canonical(system)
        known = self.systems.get(address)
        return address, known.normal(code) if known else code.strip()


def load_systems(folder: Path) -> CodeSystems:
    """Read and check `code_systems.csv` and `systems.csv`; raises TableError."""
    systems: dict[str, CodeSystem] = {}
    for row in read_rows(folder / "code_systems.csv", ("system", "name", "form", "source")):
        if row["form"] not in FORMS:
            raise row.error(f"form {row['form']!r} is unknown: use one of {', '.join(sorted(FORMS))}")
        if row["system"] in systems:
            raise row.error(f"{row['system']} stands twice: delete one row")
        systems[row["system"]] = CodeSystem(row["system"], row["name"], row["form"])
    aliases: dict[str, str] = {}
    for row in read_rows(folder / "systems.csv", ("alias", "system", "source")):
        _check_alias(row, systems, aliases)
        aliases[row["alias"]] = row["system"]
    return CodeSystems(systems, aliases)


def _check_alias(row: TableRow, systems: Mapping[str, CodeSystem], aliases: Mapping[str, str]) -> None:
    if row["system"] not in systems:
        raise row.error(f"system {row['system']} is unknown: add it to code_systems.csv first")
    if row["alias"] in systems or row["alias"] in aliases:
        raise row.error(f"alias {row['alias']} already has a meaning: delete one row")
    if row["alias"].endswith("/"):
        raise row.error("leave out the trailing slash: it is ignored everywhere")


def loinc_check_digit_holds(code: str) -> bool:
    """Say whether a LOINC code ends with its check digit (Luhn over the digits before the hyphen)."""
    body, hyphen, check = code.partition("-")
    if not (hyphen and body.isascii() and body.isdigit() and check.isascii() and check.isdigit()):
        return False
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    total = sum(number - 9 if number > 9 else number for number in doubled)  # noqa: PLR2004 (two digits)
    return check == str(-total % 10)
