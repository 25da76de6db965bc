"""The table of requirements, and the page made of it."""

import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"
TABLE = Path(__file__).with_name("requirements.toml")
VERSIONS = {"2.0.1": "tag v2.0.1 of 2025-03-12", "3.0.0-ballot": "the text of 2026-06-24, commit fb10ca7"}
HEAD = f"""# Conformance with CDS Hooks

Written by `make conformance` from `tests/conformance/requirements.toml`, which runs every test that is named here; do not
edit here. The texts read are those of HL7: 2.0.1 is {VERSIONS["2.0.1"]}; 3.0.0-ballot is {VERSIONS["3.0.0-ballot"]},
as no 3.0.0 was published by then. A **rule** stands in neither: it follows from them or from what clients do.

`passes`: all its tests do. `reason`: it has no test, and the last column says why. `–`: that version does not ask for it.
"""


@dataclass(frozen=True)
class Requirement:
    """One row. `only` names the one version that asks for it; a row has tests, a reason why it has none, or both."""

    id: str
    section: str
    level: str
    says: str
    only: str = ""
    tests: tuple[str, ...] = ()
    reason: str = ""

    def result(self, version: str, failed: Collection[str]) -> str:
        """Say what this row comes to in a version, where these tests failed or were not run."""
        if self.only not in {"", version}:
            return "–"
        if not self.tests:
            return "reason" if self.reason else "**missing**"
        return "**fails**" if set(self.tests) & set(failed) else "passes"

    def is_met(self, failed: Collection[str]) -> bool:
        """Whether all its tests pass, or a reason is given where it has none."""
        return {self.result(version, failed) for version in VERSIONS} <= {"–", "passes", "reason"}


def requirements() -> list[Requirement]:
    """Every row of the table, in its order."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["requirement"]
    return [Requirement(**row | {"tests": tuple(row.get("tests", ()))}) for row in rows]


def page(failed: Collection[str] = ()) -> str:
    """The page as it must stand in docs/ where these tests failed."""
    return "\n".join(_lines(requirements(), failed)) + "\n"


def _lines(rows: list[Requirement], failed: Collection[str]) -> Iterator[str]:
    yield HEAD
    for version in VERSIONS:
        results = [row.result(version, failed) for row in rows]
        counts = ", ".join(f"{results.count(one)} {one}" for one in dict.fromkeys(results) if one != "–")
        yield f"- {version}: {counts}"
    for section in dict.fromkeys(row.section for row in rows):
        yield f"\n## {section}\n\n| id | level | requirement | {' | '.join(VERSIONS)} | tests, or the reason |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for row in (row for row in rows if row.section == section):
            results = " | ".join(row.result(version, failed) for version in VERSIONS)
            proof = "<br>".join(filter(None, [*(f"`{test}`" for test in row.tests), row.reason]))
            yield f"| {row.id} | {row.level} | {row.says} | {results} | {proof} |"
