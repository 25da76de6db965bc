"""The runner of the removals knows an edit that proves nothing from one that a test sees."""

import pytest

from tests.hostile.removals.__main__ import Tree
from tests.support.removals import Removal

FILE = "cds_service/fhir/egress.py"
OLD = '    raise UnreadableError("it lies on another server")'
SEES = "tests/unit/test_egress.py::test_a_next_link_that_leads_elsewhere_is_not_followed"
BLIND = "tests/unit/test_egress.py::test_a_port_is_part_of_the_server"


@pytest.mark.parametrize(
    ("new", "test", "said"),
    [
        ("    return target", SEES, ""),
        (OLD + "  # the same", SEES, "the test stays green"),
        ("    return nothing_of_that_name", SEES, "the edit breaks the code"),
        ('    raise ImportError("not here")', SEES, "the edit breaks the code"),
        (OLD + "\n\n\nif True:\n    raise SystemExit(3)", BLIND, "the test could not run"),
    ],
    ids=["caught", "harmless", "an unknown name", "an error of its own", "no start"],
)
def test_only_a_test_that_fails_by_itself_sees_a_removal(tmp_path, new, test, said):
    flaw = Tree(tmp_path).tries(Removal("a next link", FILE, OLD, new, test))
    assert flaw.partition(":")[0] == said
