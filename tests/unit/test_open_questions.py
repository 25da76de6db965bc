"""Yes, no or open: what several questions say together (D6)."""

from itertools import permutations

import pytest

from fhir_mapping.rules.tristate import NO, YES, Tristate, both, either, left_to
from tests.support.facts import result

ONE, OTHER = result("ck", 500, 10), result("ck", 500, 20)
OPEN, OPEN_TOO = Tristate(None, (ONE,)), Tristate(None, (OTHER,))


@pytest.mark.parametrize(
    ("answers", "all_hold", "one_holds"),
    [
        ([], True, False),
        ([YES], True, True),
        ([NO], False, False),
        ([OPEN], None, None),
        ([YES, YES], True, True),
        ([YES, NO], False, True),
        ([NO, NO], False, False),
        ([YES, OPEN], None, True),
        ([NO, OPEN], False, None),
        ([OPEN, OPEN_TOO], None, None),
        ([YES, NO, OPEN], False, True),
    ],
)
def test_all_hold_or_one_holds_in_whatever_order(answers, all_hold, one_holds):
    for order in permutations(answers):
        assert both(*order).truth is all_hold
        assert either(*order).truth is one_holds


def test_an_open_answer_names_each_result_that_leaves_it_open_once():
    assert both(OPEN, YES, OPEN_TOO, OPEN).open_by == (ONE, OTHER)
    assert either(OPEN, NO, OPEN_TOO, OPEN).open_by == (ONE, OTHER)
    assert both(OPEN, NO).open_by == ()
    assert either(OPEN, YES).open_by == ()


@pytest.mark.parametrize(("answer", "opposite"), [(YES, NO), (NO, YES), (OPEN, OPEN)])
def test_the_opposite_of_what_is_open_is_open(answer, opposite):
    assert answer.no() == opposite


def test_results_are_named_only_where_they_leave_something_open():
    assert left_to(None, ONE).open_by == (ONE,)
    assert left_to(True, ONE) == YES
    assert left_to(False, ONE) == NO
