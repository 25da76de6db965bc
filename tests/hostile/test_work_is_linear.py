"""Work is linear: a chart that is twice as large in any one way costs at most 2.3 times as much, up to the limits.

What Python does is counted in calls, which are the same on any machine; what an expression does is not seen there, so
that the shapes of texts are timed too, each by the best of several runs.
"""

import gc
import sys
import time
from collections.abc import Callable

import pytest

from cds_service.cards.assessment import Assessment, assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from fhir_mapping.checks import judge
from models.registry import default_folder, load_model
from tests.support.charts import AS_OF
from tests.support.heavy_charts import SHAPES, gathered, whole
from tests.support.nightly import count
from tests.support.service import TABLES

MODEL = load_model(default_folder())
CARDS = CardSettings()
MOST = 2.3
TEXTS = (
    "antibody_texts",
    "long_texts",
    "titres",
    "signs_of_numbers",
    "long_codes",
    "notes",
    "absolute_references",
)
SIZES = dict.fromkeys(("antibody_texts", "titres", "signs_of_numbers"), 6) | {"components": 60, "members": 60}


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch):
    """A memory that is full begins anew: what other charts have spelled may help no half of a comparison."""
    monkeypatch.setattr("fhir_mapping.terms.memory.MOST_KEPT", 0)


def size_of(shape: str) -> int:
    """So many parts that what every chart costs no longer counts."""
    return count(SIZES.get(shape, 120), 8 * SIZES.get(shape, 120))


def answered(shape: str, n: int) -> Callable[[], Assessment]:
    given = gathered(whole(shape, n), TABLES)
    return lambda: assess(judge(given, AS_OF), MODEL)


def calls(work: Callable[[], object]) -> int:
    """How many functions, ours and Python's, are called."""
    called = 0

    def see(_frame: object, event: str, _argument: object) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return called


def seconds(work: Callable[[], object]) -> float:
    """The CPU time of the best of several runs; the collector, who looks at all that a process holds, waits."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            begun = time.thread_time()
            work()
            best = min(best, time.thread_time() - begun)
    finally:
        gc.enable()
    return best


def test_there_are_more_shapes_than_fourteen():
    assert len(SHAPES) >= 40


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_much_costs_twice_as_much(shape):
    once = size_of(shape)
    answered(shape, 2 * once)()  # what a process learns once (expressions, codes, units) is learnt before
    assert calls(answered(shape, 2 * once)) <= MOST * calls(answered(shape, once))


@pytest.mark.parametrize("shape", TEXTS)
def test_twice_as_much_text_takes_twice_as_long(shape):
    n = 4 * size_of(shape)
    ratios = (seconds(answered(shape, 2 * n)) / seconds(answered(shape, n)) for _ in range(3))
    assert any(ratio <= MOST for ratio in ratios)


@pytest.mark.parametrize(
    "shape", ["courses_of_two_agents", "doubted_cks", "conditions", "stopped_medications"]
)
def test_the_card_of_twice_as_much_costs_twice_as_much(shape):
    once, twice = (answered(shape, n)() for n in (100, 200))
    render(once, CARDS)  # what is made ready with the first card is made once
    assert calls(lambda: render(twice, CARDS)) <= MOST * calls(lambda: render(once, CARDS))
