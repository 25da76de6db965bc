"""The documents say what is: pictures and pages are current, links lead somewhere, make speaks plainly."""

import ast
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.support import pages
from tests.support.picture import PICTURE, digest
from tests.support.watch import changes

ROOT = Path(__file__).parents[2]
PACKAGES = ("cds_service", "fhir_mapping", "models")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# The path of a request as the page shows it: a line for each step, what is called and the files that hold it
STEPS = [
    re.split(r" {2,}(?=cds_service/)", line) for line in ARCHITECTURE.split("```")[1].strip().splitlines()
]
# The table of files: the paths of each row
ROWS = {
    cells[1].strip(): re.findall(r"`([\w/.]+)`", cells[2])
    for line in ARCHITECTURE.partition("## Which file to open")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and len(cells := line.split("|")) == 4 and "`" in line
}
PAGES = [ROOT / "CHANGELOG.md", *pages.PAGES]


def test_the_picture_of_the_card_is_current():
    with Image.open(PICTURE) as picture:
        stale = "docs/card.png shows an older card or style: run `make docs`, with Chromium"
        assert picture.info.get("Source") == digest(), stale


def test_the_first_screen_of_the_readme_is_a_sentence_the_command_and_a_small_picture():
    title, sentence, command, picture, *_ = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    assert title == "# imnm-cds"
    assert len(re.findall(r"\.(\s|$)", sentence)) == 1
    assert command == "```\nmake demo\n```"
    shown = re.fullmatch(r'<img src="docs/card.png" width="(\d+)" alt="[^"]{40,}">', picture)
    with Image.open(PICTURE) as kept:
        assert kept.height * int(shown[1]) / kept.width <= 450  # pixels: half of a small screen
    assert PICTURE.stat().st_size < 150_000


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_within_the_repository_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8"))
    within = [(page.parent / link if link else page, part) for link, part in links if link[:4] != "http"]
    assert [link for link, part in within if not link.exists() or (part and part not in headings(link))] == []


def headings(page):
    """The names by which links lead to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def defined(path):
    return {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(n, "name")}


def called(node):
    """The names of the functions called below a node, in the order in which they are; `aside(large, f, …)` calls f."""
    inner = [name for child in ast.iter_child_nodes(node) for name in called(child)]
    if isinstance(node, ast.Call):
        by_name = getattr(node.func, "id", "") == "aside"
        function = node.args[1] if by_name else node.func
        inner.append(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""))
    return inner


def test_the_steps_of_a_request_are_called_in_the_order_that_is_shown():
    shown = [name for step, _ in STEPS for name in called(ast.parse(f"async def f():\n {step}"))]
    assert len(shown) == 8
    pipeline = ast.parse((ROOT / "cds_service" / "web" / "pipeline.py").read_text(encoding="utf-8"))
    (path,) = [n for n in pipeline.body if isinstance(n, ast.AsyncFunctionDef)]
    assert [name for name in called(path) if name in shown] == shown


def test_each_step_of_a_request_is_in_the_file_that_is_shown():
    for step, files in STEPS:
        names = set(called(ast.parse(f"async def f():\n {step}")))
        for file in files.split(", "):
            held = names & defined(ROOT / file)
            assert held, f"{file} holds none of {names}"
            names -= held
        assert names == set(), f"{names} are elsewhere than in {files}"


@pytest.mark.parametrize("question", ROWS)
def test_each_file_to_open_is_there_and_says_what_it_is(question):
    assert ROWS[question]
    for name in ROWS[question]:
        path = ROOT / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), name
        first = path / "__init__.py" if name.endswith("/") else path
        assert first.suffix != ".py" or ast.get_docstring(ast.parse(first.read_text(encoding="utf-8"))), name


def test_every_module_is_in_the_table_of_files_or_in_a_folder_that_is():
    named = {ROOT / name for names in ROWS.values() for name in names}
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 100
    assert [str(p.relative_to(ROOT)) for p in modules if not {p, p.parent} & named] == []


def test_every_decision_has_its_date_and_stands_in_the_index_with_it():
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        title, _, date = path.read_text(encoding="utf-8").splitlines()[:3]
        number, _, decision = title.removeprefix("# ").partition(". ")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", date), path.name
        assert f"| [{number}]({path.name}) | {decision} | {date} |" in index


def test_the_glossary_has_one_row_for_a_word_in_the_order_of_the_alphabet():
    rows = re.findall(
        r"^\| `?(.+?)`? \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = [word.lower().replace("_", " ") for word in rows[2:]]
    assert len(words) > 50
    assert words == sorted(set(words))


def test_every_hazard_has_a_cause_a_control_and_a_test_that_is_there():
    page = (ROOT / "docs" / "safety" / "hazards.md").read_text(encoding="utf-8")
    _, _, *rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("|")]
    there = Counter(name for path in (ROOT / "tests").rglob("test_*.py") for name in defined(path))
    assert len(rows) > 5
    assert [row[0].strip() for row in rows] == [f"H{number}" for number in range(1, len(rows) + 1)]
    for row in rows:
        *_, tests = cells = [cell.strip() for cell in row]
        assert len(cells) == 5
        assert all(cells), cells
        names = re.findall(r"`(\w+)`", tests)
        assert names, tests
        assert {name: there[name] for name in names} == dict.fromkeys(names, 1)


@pytest.fixture
def empty(tmp_path):
    """A folder with the Makefile and nothing installed."""
    for name in ("Makefile", "serve.lock", "build.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    return tmp_path


def make(folder, *arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def said(result):
    return [line for line in result.stdout.splitlines() if line.startswith("imnm-cds:")]


def test_make_alone_lists_the_targets(empty):
    listed = make(empty).stdout
    for target in (
        "install",
        "demo",
        "check",
        "test",
        "test-system",
        "watch",
        "bench",
        "docs",
        "lock",
        "test-SUITE",
    ):
        assert target in listed


def test_a_missing_python_is_one_clear_line(empty):
    result = make(empty, "demo", "PYTHON=/nowhere/python3")
    assert result.returncode != 0
    assert len(said(result)) == 1
    assert "PYTHON=" in said(result)[0]


def test_an_old_python_is_one_clear_line(empty):
    old = empty / "python3"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1;; -V) echo "Python 3.9.1";; esac\n')
    old.chmod(0o755)
    result = make(empty, "demo", f"PYTHON={old}")
    assert result.returncode != 0
    assert said(result) == [
        f"imnm-cds: needs Python 3.11 or newer, {old} is Python 3.9.1. " + said(result)[0].split(". ", 1)[1]
    ]


def test_a_python_without_venv_is_one_clear_line(empty):
    bare = empty / "python3"
    bare.write_text('#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\n')
    bare.chmod(0o755)
    result = make(empty, "demo", f"PYTHON={bare}")
    assert result.returncode != 0
    assert "venv" in said(result)[0]


def test_a_watched_file_runs_at_once_and_after_each_change(tmp_path):
    source = tmp_path / "models" / "risk.py"
    source.parent.mkdir()
    source.write_text("")
    (tmp_path / "models" / "notes.txt").write_text("")
    seen = changes(tmp_path, pause_s=0)
    assert next(seen) == {source}
    (tmp_path / "models" / "notes.txt").write_text("not read by a test")
    (tmp_path / "models" / "policy.toml").write_text("")
    assert next(seen) == {source.with_name("policy.toml")}
    source.unlink()
    assert next(seen) == {source}
