"""The rooms of `fhir_mapping` know each other one way only, imports inside functions included."""

import grimp
import pytest

PACKAGE = "fhir_mapping"
ROOMS = (  # each may import from those after it
    "cohort",
    "findings",
    "rules",
    "checks",
    "versions",
    "laboratory",
    "evidence",
    "patient_record",
    "record",
    "terms",
)


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(PACKAGE, cache_dir=None)


def room(module):
    return module.removeprefix(f"{PACKAGE}.").partition(".")[0]


def imports(graph):
    """Pairs of modules, the importing one first; a package's own file stands for the package."""
    modules = graph.modules - {PACKAGE}
    return [(one, other) for one in modules for other in graph.find_modules_directly_imported_by(one)]


def test_every_module_stands_in_a_room(graph):
    assert {room(module) for module in graph.modules - {PACKAGE}} == set(ROOMS)


def test_a_room_imports_only_from_the_rooms_after_it(graph):
    upwards = [pair for pair in imports(graph) if ROOMS.index(room(pair[0])) > ROOMS.index(room(pair[1]))]
    assert upwards == []


def test_no_file_imports_itself_by_a_detour(graph):
    below = {module: set() for module in graph.modules}
    for one, other in imports(graph):
        below[one].add(other)
    while leaves := [module for module, others in below.items() if not others]:
        for leaf in leaves:
            del below[leaf]
        for others in below.values():
            others.difference_update(leaves)
    assert below == {}
