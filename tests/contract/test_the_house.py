"""How the house is kept: rooms without circles, folders and files that a person can read, one word for one thing."""

import ast
import statistics
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.bench.called_once import called_once, table

ROOT = Path(__file__).parents[2]
PACKAGES = ("cds_service", "fhir_mapping", "models")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
FOLDERS = sorted({path.parent for path in MODULES})
# What a newcomer sees who opens a folder: files and folders, `__init__` among them
ENTRIES = {"cds_service": 16, "fhir_mapping": 11, "models/training": 8}
FILES = 16
MORE_FILES: dict[str, int] = {}  # a folder that must hold more files: the number of its ADR


def relative(path):
    return path.relative_to(ROOT).as_posix()


def lengths(tree):
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(f.end_lineno - f.lineno + 1, f.name) for f in functions]


@pytest.fixture(scope="module")
def graph():
    """Who imports whom, imports inside functions and for types included."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def circle(arrows):
    """The nodes of a circle, if there is one."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def arrows_between(rooms, graph):
    """For each room those it imports from; a room is a module and all that lies under it."""
    arrows = {room: set() for room in rooms}
    owner = {m: room for room in rooms for m in (room, *graph.find_descendants(room))}
    for importer, room in owner.items():
        for module in graph.find_modules_directly_imported_by(importer):
            if owner.get(module, room) != room:
                arrows[room].add(owner[module])
    return arrows


def test_no_files_import_each_other_in_a_circle(graph):
    assert circle({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}) == []


def test_no_rooms_of_one_folder_import_each_other_in_a_circle(graph):
    houses = {house: graph.find_children(house) for house in sorted(graph.modules)}
    circles = {house: circle(arrows_between(rooms, graph)) for house, rooms in houses.items()}
    assert {house: rooms for house, rooms in circles.items() if rooms} == {}


def test_nothing_imports_from_the_front_door_of_its_own_folder(graph):
    """What a folder's `__init__` gathers is for those outside; inside, it would be an arrow back out."""
    imports = {m: graph.find_modules_directly_imported_by(m) for m in sorted(graph.modules)}
    assert [f"{m} -> {n}" for m, names in imports.items() for n in names if m.startswith(f"{n}.")] == []


@pytest.mark.parametrize("room", ENTRIES)
def test_a_folder_that_is_opened_first_fits_into_one_look(room):
    entries = [p.name for p in (ROOT / room).iterdir() if p.name not in {"__pycache__", "__init__.py"}]
    assert len(entries) <= ENTRIES[room], sorted(entries)


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_a_folder_holds_few_files_or_an_adr_says_why_more(folder):
    files = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
    adr = MORE_FILES.get(relative(folder), 0)
    assert len(files) <= FILES or list(ROOT.glob(f"docs/adr/{adr:04d}-*.md"))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_holds_one_idea_and_its_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert [name for lines, name in lengths(TREES[path]) if lines > 60] == []


def test_the_median_function_has_ten_lines_at_most():
    assert statistics.median(lines for tree in TREES.values() for lines, _ in lengths(tree)) <= 10


def test_a_class_name_means_one_thing_in_all_three_packages():
    homes = defaultdict(list)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(relative(path))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_what_is_called_once_is_counted(tmp_path):
    files = {
        "models/risk.py": """
            def twice(): ...
            def once(): return twice() + twice()
            def itself(): return itself()
            class Model:
                @property
                def score(self): return self.step()
                def step(self): return once()
                def __call__(self): ...
        """,
        "models/__init__.py": "from .risk import itself",
        "fhir_mapping/__init__.py": "from models import itself as renamed\nrenamed()",
        "cds_service/cli.py": "@app.command()\ndef run(): ...\nclass P(Protocol):\n    def ask(self): ...\nrun(P().ask())",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 12) for line in text.splitlines()))
    functions, once = called_once(tmp_path)
    assert [d.name for d in functions] == ["twice", "once", "itself", "step"]
    assert [d.name for d in once] == ["once", "itself", "step"]
    assert [line.split() for line in table(functions, once, tmp_path)[1:]] == [
        ["models", "4", "3", "75%"],
        ["all", "4", "3", "75%"],
    ]
