"""What a text names exists: decisions, clinical rules, files. Texts are pages, comments and docstrings."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.conformance.requirements import requirements
from tests.support.pages import PAGES

ROOT = Path(__file__).parents[2]
PACKAGES = ("cds_service", "fhir_mapping", "models")
MODULES = [path for folder in (*PACKAGES, "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
TABLES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.toml"))]

DECISIONS = {int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
RULES = {
    rule
    for path in (ROOT / "tests" / "spec" / "rules").glob("*.md")
    for rule in re.findall(r"^## ([A-Z]\d+[a-z]?) ", path.read_text(encoding="utf-8"), re.MULTILINE)
}
FHIR_VERSIONS = {"R4", "R5"}
# A letter and a small number, not part of a longer word, number or range such as the ICD codes I50.9 and C10*
RULE = re.compile(r"(?<![\w.:-])[ACDEFMRSTUVXZ](?:[1-9]|1\d)[a-d]?(?![\w*]|[.-]\d)")
UNDEFINED = re.compile(r"\b[A-Z]-\d\d\b|\bdesign \d")  # ids of documents that are not in the repository
FILE = re.compile(r"(?<![\w./-])\w[\w./*-]*\.(?:py|md|toml|csv|json|svg|html|lock|cff)\b")
MADE = {  # what a run writes into the folder that it is given, or the folder of a model holds
    "golden.json", "model.json", "MODEL_CARD.md", "policy.toml", "report.json", "cohort.csv",
}  # fmt: skip


def prose(path):
    """The comments and docstrings of a module, all of any other file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    return "\n".join([*comments, *(ast.get_docstring(node) or "" for node in nodes)])


def relative(path):
    return path.relative_to(ROOT).as_posix()


TEXTS = {relative(path): prose(path) for path in (*PAGES, *TABLES, *MODULES)}
HIDDEN = {".git", ".venv", ".pytest_cache", "build", "dist", "node_modules", "__pycache__"}
FILES = [
    f"/{relative(path)}"
    for path in ROOT.rglob("*.*")
    if path.is_file() and not HIDDEN & set(path.relative_to(ROOT).parts)
]


def names_without_one_home(text):
    """The files that a text names, unless each is one file; in a block stands what a reader types or a site writes."""
    names = set(FILE.findall(re.sub(r"```.*?```", "", TEXTS[text], flags=re.DOTALL))) - MADE
    return [f"{name}: {homes(name, text)}" for name in sorted(names) if len(homes(name, text)) != 1]


def homes(name, text):
    """The files that a name may mean: by its path from the top or from its text, else by the end of its path."""
    for place in (ROOT, (ROOT / text).parent):
        if any(place.glob(name)):
            return [name]
    return [path for path in FILES if path.endswith(f"/{name}")]


def rules_without_a_table(text):
    return sorted(set(RULE.findall(TEXTS[text])) - RULES - FHIR_VERSIONS)


def decisions_not_recorded(text):
    return sorted(set(map(int, re.findall(r"\b(?:ADR|[Dd]ecision) (\d+)", TEXTS[text]))) - DECISIONS)


def documents_not_here(text):
    return sorted(set(UNDEFINED.findall(TEXTS[text])) - {row.id for row in requirements()})


@pytest.mark.parametrize(
    "dangling", [names_without_one_home, rules_without_a_table, decisions_not_recorded, documents_not_here]
)
def test_no_text_names_what_is_not_there(dangling):
    assert len(TEXTS) > 300
    assert {text: dangling(text) for text in TEXTS if dangling(text)} == {}
