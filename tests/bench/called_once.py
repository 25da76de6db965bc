"""Functions that are called once: a helper with one caller must earn its name. `python -m tests.bench.called_once`.

Counted are the functions and methods of the three packages that somebody must name to use: no dunder method, property,
method of a Protocol or entry point that a decorator registers. A reference is a name that is read in the file of the
definition or in one that imports it from there, or an attribute of that name anywhere; what a function says of itself
does not count, nor do the tests. Methods are known by their name alone, so two of one name share their references.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("cds_service", "fhir_mapping", "models")
# Decorators that leave a function one that is called by its name
PLAIN = {
    "asynccontextmanager", "cache", "classmethod", "contextmanager", "final", "lru_cache", "override", "staticmethod",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A function or method, and where it stands."""

    path: Path
    name: str
    line: int
    is_method: bool


def name_of(node: ast.expr) -> str:
    """The last name of an expression such as `app.get("/")`, or nothing."""
    if isinstance(node, ast.Call | ast.Subscript):
        return name_of(node.func if isinstance(node, ast.Call) else node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def definitions(path: Path, node: ast.AST, *, in_class: bool = False) -> Iterator[Definition]:
    """Every function below a node that is used by naming it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            plain = {name_of(d) for d in child.decorator_list} <= PLAIN
            if plain and not child.name.startswith("__"):
                yield Definition(path, child.name, child.lineno, in_class)
        is_protocol = isinstance(child, ast.ClassDef) and "Protocol" in map(name_of, child.bases)
        if not is_protocol:
            yield from definitions(path, child, in_class=isinstance(child, ast.ClassDef))


def loads(node: ast.AST, around: frozenset[str] = frozenset()) -> Iterator[tuple[str, bool]]:
    """Each name that is read and whether it is an attribute, but for what a function says of itself."""
    if isinstance(node, Function):
        around |= {node.name}
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = name_of(node)
        if name not in around:
            yield name, isinstance(node, ast.Attribute)
    for child in ast.iter_child_nodes(node):
        yield from loads(child, around)


def module_of(path: Path, root: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


Name = tuple[str, str]  # the module that a name stands in, and the name


def imported(path: Path, root: Path, tree: ast.AST) -> Iterator[tuple[Name, Name]]:
    """Each name that a module imports from another, as it is known here and as it is known there."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            here = module_of(path, root)
            pairs = [((here, alias.asname or alias.name), (module, alias.name)) for alias in node.names]
            yield from (pair for pair in pairs if pair[0] != pair[1])  # a package imports its own modules so


def called_once(root: Path = ROOT) -> tuple[list[Definition], list[Definition]]:
    """Every function of the three packages, and those among them with one reference."""
    trees = {
        p: ast.parse(p.read_text("utf-8")) for package in PACKAGES for p in (root / package).rglob("*.py")
    }
    source = dict(pair for path, tree in trees.items() for pair in imported(path, root, tree))
    attributes: Counter[str] = Counter()
    names: Counter[Name] = Counter()
    for path, tree in trees.items():
        for name, is_attribute in loads(tree):
            if is_attribute:
                attributes[name] += 1
                continue
            known = module_of(path, root), name
            while known in source:  # from module to module, until where it is defined
                known = source[known]
            names[known] += 1
    functions = [d for path, tree in sorted(trees.items()) for d in definitions(path, tree)]
    own = {d: 0 if d.is_method else names[module_of(d.path, root), d.name] for d in functions}
    return functions, [d for d in functions if attributes[d.name] + own[d] == 1]


def table(functions: list[Definition], once: list[Definition], root: Path = ROOT) -> list[str]:
    """A line for each folder: its functions, those called once, their share; then all folders together."""
    everything = Counter(str(d.path.parent.relative_to(root)) for d in functions)
    single = Counter(str(d.path.parent.relative_to(root)) for d in once)
    rows = [(folder, everything[folder], single[folder]) for folder in sorted(everything)]
    rows.append(("all", everything.total(), single.total()))
    return [f"{'folder':34}{'functions':>10}{'called once':>13}{'share':>8}"] + [
        f"{folder:34}{total:>10}{lonely:>13}{lonely / total:>8.0%}" for folder, total, lonely in rows
    ]


def main() -> None:
    """Print the table, or, for a folder, its functions that are called once."""
    functions, once = called_once()
    print(*table(functions, once), sep="\n")
    for folder in sys.argv[1:]:
        for d in once:
            if d.path.is_relative_to(ROOT / folder):
                print(f"{d.path.relative_to(ROOT)}:{d.line} {d.name}")


if __name__ == "__main__":
    main()
