import inspect
import json
import re

import pytest

from cds_service import errors

LEAVES = [
    c
    for _, c in inspect.getmembers(errors, inspect.isclass)
    if issubclass(c, errors.ServiceError) and not c.__subclasses__()
]


def drawn() -> dict[str, tuple[int, str, bool]]:
    """Read the tree at the top of the module."""
    rows = re.findall(r"── (\w+) +(\d{3})  ([a-z-]+)(.*)", errors.__doc__)
    return {name: (int(status), issue, "retry helps" in rest) for name, status, issue, rest in rows}


def test_the_tree_at_the_top_of_the_module_is_the_tree():
    assert drawn() == {leaf.__name__: (leaf.status, leaf.issue, leaf.retry_helps) for leaf in LEAVES}


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in LEAVES if leaf.status != 401], ids=lambda leaf: leaf.__name__
)
def test_every_error_is_an_operation_outcome(leaf):
    error = leaf("what was wrong")
    assert json.loads(error.body()) == {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": leaf.issue, "diagnostics": "what was wrong"}],
    }
    assert ("Retry-After" in error.headers) is leaf.retry_helps


def test_who_is_not_proved_is_told_nothing():
    error = errors.NotProvedError({"authentication": "exp"})
    assert (error.status, error.body(), error.headers) == (401, b"", {"WWW-Authenticate": "Bearer"})
    assert error.audit == {"authentication": "exp"}


def test_every_error_says_whose_fault_it_is():
    faults = (errors.CallerError, errors.EhrError, errors.OwnError)
    assert all(sum(issubclass(leaf, fault) for fault in faults) == 1 for leaf in LEAVES)


def test_headers_of_an_error_are_kept():
    assert errors.MethodNotAllowedError("no", {"Allow": "GET"}).headers == {"Allow": "GET"}
