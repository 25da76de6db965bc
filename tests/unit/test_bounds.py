"""What bounds and intervals prove of each other, held against every number that they allow (D6)."""

from decimal import Decimal
from itertools import product

import pytest
from msgspec.structs import replace

from fhir_mapping.laboratory.bounds import highest_reach, lowest_reach, reach
from fhir_mapping.laboratory.results import highest_at_once
from tests.support.facts import result

NEAR = [Decimal(text) for text in ("0", "1e-6", "1e-3", "-1e-6", "-1e-3")]
WRITTEN = [Decimal(number) for number in (200, 300, 450, 600)]
GRID = sorted({Decimal(0), Decimal("1e6"), Decimal("1e9"), *(n + d for n in WRITTEN for d in NEAR)})
ALLOWS = {
    "": lambda x, n: x == n,
    "<": lambda x, n: x < n,
    "<=": lambda x, n: x <= n,
    ">": lambda x, n: x > n,
    ">=": lambda x, n: x >= n,
}
KINDS = [(comparator, number, None) for comparator in ALLOWS for number in (300, 450)] + [
    ("", 200, 300),
    ("", 300, 450),
    ("", 450, 600),
]


def ck(kind, high="usual", name="one"):
    comparator, number, upto = kind
    one = result("ck", number, 10, comparator, high=high, resource=f"Observation/{name}")
    return one if upto is None else replace(one, amount=replace(one.amount, upto=Decimal(upto)))


def allowed(kind):
    comparator, number, upto = kind
    if upto is not None:
        return [x for x in GRID if number <= x <= upto]
    return [x for x in GRID if ALLOWS[comparator](x, number)]


def agreed(answers):
    said = set(answers)
    return said.pop() if len(said) == 1 else None


@pytest.mark.parametrize("times", [Decimal(text) for text in ("0.5", "1", "1.5", "2")])
@pytest.mark.parametrize(("one", "other"), list(product(KINDS, KINDS)))
def test_of_two_bounds_that_is_said_which_all_they_allow_say_alike(one, other, times):
    pairs = [(x, times * y) for x in allowed(one) for y in allowed(other)]
    of, beside = reach(ck(one)), reach(ck(other))
    assert of.exceeds(times, beside) is agreed(x > y for x, y in pairs)
    assert of.reaches(times, beside) is agreed(x >= y for x, y in pairs)


@pytest.mark.parametrize(("one", "other"), list(product(KINDS, KINDS)))
def test_the_highest_and_the_lowest_of_two_bounds(one, other):
    reaches = [reach(ck(one)), reach(ck(other))]
    pairs = list(product(allowed(one), allowed(other)))
    for limit in WRITTEN:
        point = reach(ck(("", int(limit), None)))
        highest = highest_reach(reaches)
        assert highest.exceeds(Decimal(1), point) is agreed(max(pair) > limit for pair in pairs)
        assert highest.reaches(Decimal(1), point) is agreed(max(pair) >= limit for pair in pairs)
        lowest = lowest_reach(reaches, reaches)
        assert point.exceeds(Decimal(1), lowest) is agreed(limit > min(pair) for pair in pairs)
        assert point.reaches(Decimal(1), lowest) is agreed(limit >= min(pair) for pair in pairs)


def test_of_those_that_only_may_count_the_lowest_may_be_any():
    low, high = reach(ck(("", 300, None))), reach(ck(("<=", 450, None)))
    assert lowest_reach([], [low, high])[:2] == (0, 450)
    assert lowest_reach([low], [low, high])[:2] == (0, 300)


@pytest.mark.parametrize(("one", "other"), list(product(KINDS, KINDS)))
@pytest.mark.parametrize("limit", [300, 450])
def test_the_highest_of_one_time_is_high_if_it_is_whichever_it_is(one, other, limit):
    top = highest_at_once([ck(one, limit), ck(other, limit, "other")])
    pairs = list(product(allowed(one), allowed(other)))
    assert top.above_limit(Decimal(1)) is agreed(max(pair) > limit for pair in pairs)


@pytest.mark.parametrize(("one", "other"), list(product(KINDS, KINDS)))
@pytest.mark.parametrize(("limit", "beside"), [(200, 450), (450, 200), (300, 450), (450, 300)])
def test_with_a_limit_of_its_own_each_that_may_be_the_highest_is_asked(one, other, limit, beside):
    top = highest_at_once([ck(one, limit), ck(other, beside, "other")])
    said, pairs = top.above_limit(Decimal(1)), list(product(allowed(one), allowed(other)))
    apart = [x > limit if x > y else y > beside for x, y in pairs if x != y]
    level = [answer for x, y in pairs if x == y for answer in (x > limit, y > beside)]  # either may be taken
    if (every := agreed([*apart, *level])) is not None:
        assert said is every
    elif said is not None:
        assert set(apart) <= {said}


@pytest.mark.parametrize(
    ("kinds", "likely"),
    [
        ([("", 400, None)], "a"),
        ([("", 400, None), ("", 225, 540)], "ab"),
        ([("", 400, None), ("", 225, 400)], "a"),
        ([("", 400, None), ("", 400, 540)], "ab"),
        ([("", 400, None), ("<=", 400, None)], "a"),
        ([("", 400, None), ("<", 500, None)], "ab"),
        ([("", 400, None), (">", 400, None)], "b"),
        ([("", 400, None), (">=", 400, None)], "ab"),
        ([("", 400, None), ("", 400, None)], "a"),
        ([("", 400, None), ("", 350, None), ("<", 100, None)], "a"),
        ([("<", 400, None), ("<", 500, None)], "ab"),
    ],
)
def test_what_may_be_the_highest_of_one_time(kinds, likely):
    together = [ck(kind, name=name) for kind, name in zip(kinds, "abc", strict=False)]
    for order in (together, together[::-1]):
        found = highest_at_once(order)
        assert sorted(one.id for one in found.likely) == sorted(likely)
        assert found.stands in found.likely
        assert all(one.amount.comparator or one.amount.upto for one in found.left_open_by) or len(likely) == 1
