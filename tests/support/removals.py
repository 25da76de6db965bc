"""The table of removals: for each control the edit that takes it away, and the test that must then fail."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "hostile" / "removals"


@dataclass(frozen=True)
class Removal:
    """One control, the edit of `file` that removes it, and the node id of the test that sees it."""

    control: str
    file: str
    old: str
    new: str
    test: str
    table: str = ""

    def flaw(self) -> str:
        """Say why this row proves nothing on the tree as it is; empty where it can be tried."""
        path = ROOT / self.file
        if not path.is_file():
            return f"{self.file} is not there"
        times = path.read_text(encoding="utf-8").count(self.old)
        if not self.old or times != 1:
            return f"the text to replace occurs {times} times in {self.file}"
        if self.old == self.new:
            return "the replacement changes nothing"
        return "" if is_a_test(self.test) else f"there is no test {self.test}"


def removals() -> list[Removal]:
    """Every row of every table, in the order of their names."""
    return [
        Removal(**row, table=table.name)
        for table in sorted(FOLDER.glob("*.toml"))
        for row in tomllib.loads(table.read_text(encoding="utf-8")).get("removal", [])
    ]


def is_a_test(node: str) -> bool:
    """Whether a node id names a test that is there; its parameters, if it has any, are left to pytest."""
    file, *names = node.partition("[")[0].split("::")
    path = ROOT / file
    if not path.is_file() or not names:
        return False
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for name in names:
        found = next(_named(body, name), None)
        if found is None:
            return False
        body = found.body
    return names[-1].startswith("test_")


def _named(
    body: list[ast.stmt], name: str
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            yield node
