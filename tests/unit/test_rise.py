"""Improvement, nadir and a rise after it, as far as bounds and intervals say (R2, R2b, D6)."""

from decimal import Decimal
from itertools import product
from random import Random

import pytest
from msgspec.structs import replace

from fhir_mapping.laboratory.results import highest, lowest
from fhir_mapping.rules.rise import (
    confirmed_rise,
    improvements,
    in_order,
    rising,
    steep_rise,
    times_uln,
)
from tests.support.facts import record, result


def ck(value, days, comparator="", upto=None, **more):
    one = result("ck", value, days, comparator, **more)
    return one if upto is None else replace(one, amount=replace(one.amount, upto=Decimal(upto)))


def improved(*cks):
    """What is an improvement, by its value: certainly (True) or perhaps (None)."""
    return [(int(one.ck.amount.value), one.answer.truth) for one in improvements(record(*cks))]


@pytest.mark.parametrize(
    ("cks", "expected"),
    [
        ([], []),
        ([ck(401, 20)], []),
        ([ck(401, 20), ck(400, 10)], [(400, True)]),
        ([ck(400, 20), ck(300, 10)], []),
        ([ck(900, 20), ck(450, 10)], [(450, True)]),
        ([ck(900, 20), ck(451, 10)], []),
        ([ck(900, 20), ck(401, 15), ck(300, 10)], [(401, True), (300, True)]),
        ([ck(900, 10), ck(100, 10, resource="Observation/x")], []),  # of one time neither is before the other
        ([ck(900, 20), ck(500, 10, high=250)], [(500, True)]),  # its own limit
        # bounds and intervals
        ([ck(400, 20, ">"), ck(100, 10)], [(100, True)]),
        ([ck(400, 20, ">="), ck(100, 10)], [(100, None)]),
        ([ck(900, 20, "<"), ck(100, 10)], [(100, None)]),
        ([ck(400, 20, "<="), ck(100, 10)], []),
        ([ck(300, 20, upto=401), ck(100, 10)], [(100, None)]),
        ([ck(401, 20, upto=900), ck(100, 10)], [(100, True)]),
        ([ck(900, 20, "<"), ck(500, 15), ck(100, 10)], [(100, True)]),
        ([ck(9000, 20), ck(4500, 10, "<=")], [(4500, True)]),
        ([ck(9000, 20), ck(4501, 10, "<")], [(4501, None)]),
        ([ck(9000, 20), ck(4500, 10, ">=")], [(4500, None)]),
        ([ck(9000, 20), ck(4500, 10, ">")], []),
        ([ck(9000, 20, ">"), ck(4501, 10)], [(4501, None)]),
        ([ck(9000, 20, ">"), ck(8000, 15), ck(4500, 10)], [(8000, None), (4500, True)]),
        ([ck(8000, 20, upto=9000), ck(4001, 10)], [(4001, None)]),
        ([ck(8000, 20, upto=9000), ck(4501, 10)], []),
        # at half of the highest, where a bound is strict
        ([ck(1000, 20), ck(9000, 20, "<", resource="Observation/x"), ck(4500, 10)], []),
        ([ck(1000, 20), ck(9000, 20, "<=", resource="Observation/x"), ck(4500, 10)], [(4500, None)]),
        ([ck(1000, 20), ck(9000, 20, "<", resource="Observation/x"), ck(4500, 10, ">=")], []),
        ([ck(9000, 20), ck(9000, 20, "<", resource="Observation/x"), ck(4500, 10)], [(4500, True)]),
        ([ck(400, 20, ">"), ck(400, 20, high=300, resource="Observation/x"), ck(100, 10)], [(100, True)]),
    ],
)
def test_an_improvement_is_low_or_half_of_a_highest_that_was_high(cks, expected):
    assert improved(*cks) == expected


def test_what_leaves_an_improvement_open_is_named():
    (found,) = improvements(record(ck(900, 20, "<"), ck(100, 10)))
    assert [one.resource for one in found.answer.open_by] == ["Observation/ck-20"]


@pytest.mark.parametrize(
    ("cks", "low", "high"),
    [
        ([ck(100, 20), ck(100, 10)], "ck-20", "ck-20"),
        ([ck(100, 20), ck(100, 10, "<")], "ck-10", "ck-20"),
        ([ck(100, 20, ">"), ck(100, 10)], "ck-10", "ck-20"),
        ([ck(100, 20, upto=300), ck(200, 10)], "ck-10", "ck-10"),
        ([ck(100, 20, upto=300), ck(300, 10)], "ck-20", "ck-10"),
    ],
)
def test_the_lowest_and_the_highest_are_the_earliest_of_several(cks, low, high):
    assert lowest(cks).resource == f"Observation/{low}"
    assert highest(cks).resource == f"Observation/{high}"


def test_of_nothing_there_is_no_lowest_and_no_highest():
    assert (lowest([]), highest([])) == (None, None)


@pytest.mark.parametrize(
    ("one", "truth"),
    [
        (ck(401, 10), True),
        (ck(400, 10), False),
        (ck(400, 10, ">"), True),
        (ck(400, 10, ">="), None),
        (ck(400, 10, "<="), False),
        (ck(401, 10, "<"), None),
        (ck(300, 10, upto=401), None),
        (ck(401, 10, upto=500), True),
    ],
)
def test_how_many_times_its_limit_as_far_as_a_bound_says(one, truth):
    answer = times_uln(one, Decimal(2))
    assert (answer.truth, answer.open_by) == (truth, (one,) if truth is None else ())


def test_a_ck_without_a_limit_or_a_value_is_not_in_the_order():
    cks = [ck(100, 30), ck(100, 20, high=None), ck(100, 20, high=0, resource="Observation/x"), ck(None, 10)]
    assert [one.resource for one in in_order(record(*cks))] == ["Observation/ck-30"]


HIGH, LOW = ck(4000, 900), ck(200, 500)


@pytest.mark.parametrize(
    ("latest", "by_one", "steeply"),
    [
        ([ck(301, 10)], True, False),
        ([ck(300, 10)], False, False),
        ([ck(1001, 10)], True, True),
        ([ck(1000, 10, ">=")], True, None),
        ([ck(250, 10, ">")], None, None),
        ([ck(250, 10, upto=300)], False, False),
        ([ck(250, 10, upto=301)], None, False),
        ([ck(1001, 60)], True, True),
        ([ck(1001, 60.1)], False, False),
    ],
)
def test_a_rise_of_the_latest_alone(latest, by_one, steeply):
    kept = record(HIGH, LOW, *latest)
    assert (rising(kept).answer.truth, steep_rise(kept).answer.truth) == (by_one, steeply)


def test_a_rise_names_what_is_high_and_the_nadir():
    kept = record(HIGH, LOW, ck(500, 40), ck(700, 10))
    found = confirmed_rise(kept)
    assert [one.resource for one in found.high] == ["Observation/ck-40", "Observation/ck-10"]
    assert found.holds
    assert found.nadir is not None
    assert found.nadir.resource == "Observation/ck-500"


@pytest.mark.parametrize(
    ("nadir", "truth"),
    [
        (ck(200, 500, "<"), True),  # 301 is 1.5 times whatever is below 200
        (ck(201, 500, "<"), None),
        (ck(100, 500, upto=200), True),
        (ck(100, 500, upto=201), None),
        (ck(201, 500), False),
        (
            ck(201, 500, ">"),
            False,
        ),  # 301 is 1.5 times nothing above 201
    ],
)
def test_a_nadir_that_is_a_bound(nadir, truth):
    kept = record(HIGH, nadir, ck(301, 10))
    assert rising(kept).answer.truth is truth


AT_THE_NADIR = [("", 300, None), (">", 300, None), (">=", 300, None), ("", 299, 300), ("", 300, 301)]
AT_ITS_HEIGHT = [("", 450, None), ("<", 450, None), ("<=", 450, None), (">", 450, None), (">=", 450, None),
                 ("", 449, 450), ("", 450, 451)]  # fmt: skip


@pytest.mark.parametrize(("nadir", "latest"), list(product(AT_THE_NADIR, AT_ITS_HEIGHT)))
def test_at_one_and_a_half_times_the_nadir_strict_bounds_decide(nadir, latest):
    (sign, low, upto), (sign_now, now, upto_now) = nadir, latest
    kept = record(HIGH, ck(low, 500, sign, upto), ck(now, 10, sign_now, upto_now, high=200))
    ratios = [
        Decimal(one) / other
        for one in around(sign_now, now, upto_now)
        for other in around(sign, low, upto)
    ]  # fmt: skip
    said = {ratio >= Decimal("1.5") for ratio in ratios}
    expected = said.pop() if len(said) == 1 else None
    if sign and expected:
        expected = None  # whether a nadir without an upper end is an improvement is open
    assert rising(kept).answer.truth is expected


def around(sign, number, upto):
    """Numbers that a bound or an interval at `number` allows, near to it and far."""
    near, far = Decimal("0.001"), Decimal(1000)
    if upto is not None:
        return [Decimal(number), Decimal(upto)]
    ends: dict[str, list[Decimal | int]] = {
        "": [0],
        "<": [-near, -far / 10],
        "<=": [0, -far / 10],
        ">": [near / 10, far],
        ">=": [0, far],
    }
    return [number + Decimal(end) for end in ends[sign]]


@pytest.mark.parametrize(
    ("together", "truths"),
    [
        ([ck(400, 10)], (False, False, False)),
        ([ck(400, 10), ck(225, 10, upto=540)], (None, None, False)),
        ([ck(400, 10), ck(225, 10, upto=449)], (False, False, False)),
        ([ck(400, 10), ck(450, 10, "<")], (False, False, False)),
        ([ck(400, 10), ck(450, 10, "<=")], (None, None, False)),
        ([ck(400, 10), ck(350, 10, ">")], (None, None, None)),
        ([ck(400, 10), ck(450, 10, ">")], (True, True, None)),
        ([ck(450, 10), ck(225, 10, upto=540)], (True, True, False)),
        ([ck(1001, 10), ck(225, 10, upto=2000)], (True, True, True)),
        ([ck(1000, 10), ck(225, 10, upto=2000)], (True, True, None)),
    ],
)
def test_of_one_time_any_that_may_be_the_highest_is_asked(together, truths):
    named = [replace(one, resource=f"Observation/{n}") for n, one in enumerate(together)]
    kept = record(HIGH, ck(300, 500), ck(500, 40), *named)
    rises = [confirmed_rise(kept), rising(kept), steep_rise(kept)]
    assert tuple(rise.answer.truth for rise in rises) == truths
    assert {one.resource for rise in rises for one in rise.answer.open_by} <= {"Observation/1"}


def test_the_first_of_two_days_may_be_another_than_is_known():
    kept = record(
        HIGH, ck(300, 500), ck(400, 40), ck(225, 40, upto=540, resource="Observation/x"), ck(500, 10)
    )
    answer = confirmed_rise(kept).answer
    assert (answer.truth, [one.resource for one in answer.open_by]) == (None, ["Observation/x"])


def test_without_a_result_there_is_no_rise():
    assert not any(asked(record()).holds for asked in (confirmed_rise, steep_rise, rising))


def test_of_single_numbers_both_ways_find_the_same_improvements(monkeypatch):
    chance = Random(7)
    for _ in range(60):
        days = [chance.randrange(12) for _ in range(chance.randrange(12))]  # some at one time
        cks = [
            ck(chance.choice((80, 200, 400, 401, 800, 801, 1600)), day, high=chance.choice((200, 400)),
               resource=f"Observation/{n}")
            for n, day in enumerate(days)
        ]  # fmt: skip
        at_once = improvements(record(*cks))
        with monkeypatch.context() as patch:
            patch.setattr("fhir_mapping.rules.rise._is_certain", lambda _: False)
            assert improvements(record(*cks)) == at_once
