"""CPU in one process: from the bytes of a body to those of the answer, beside `orjson.loads` and the natural pipeline.

All checks, the audit and doubts are on, authentication is not. The natural pipeline answers in the same way.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from tests.bench import natural
from tests.bench.answering import Service, service
from tests.bench.charts import body
from tests.bench.goals import verdict
from tests.bench.timing import in_turn
from tests.support.charts import AS_OF

SIZES = (20, 200, 2000)
KINDS: dict[str, dict[str, bool]] = {"IMNM": {}, "real": {"real": True}, "not IMNM": {"imnm": False}}
GOALS = {
    ("IMNM", 20): 5.0,
    ("IMNM", 200): 2.5,
    ("IMNM", 2000): 1.5,
    ("not IMNM", 200): 0.5,
    ("not IMNM", 2000): 0.5,
}
NATURAL_GOALS = {20: 8.0, 200: 15.0, 2000: 10.0}
FIXED_GOAL_MS = 0.5
UNREADABLE_GOAL = 3.0


@contextmanager
def naturally() -> Iterator[Service]:
    """The natural pipeline, called as ours is."""
    with asyncio.Runner() as runner:
        yield Service(natural.create_app(AS_OF), runner.get_loop())


def with_one_unreadable(data: bytes) -> bytes:
    """The same body, with an enzyme whose status is no text."""
    before, key, rest = data.partition(b'"enzymes":')
    return before + key + rest.replace(b'"status":"final"', b'"status":7', 1)


def lines() -> Iterator[str]:
    """Markdown: a row for each chart, then the fixed cost and the cost of an entry that cannot be read."""
    yield "| chart | N | body, kB | ours, ms | ÷ orjson.loads | goal | natural, ms | natural ÷ ours | goal |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |"
    with service() as ours, naturally() as other:
        for kind, how in KINDS.items():
            for size in SIZES:
                yield _row(kind, size, body(size, **how), ours, other)
        yield ""
        nothing, good = body(0, imnm=False), body(200)
        broken = with_one_unreadable(good)
        fixed, one, none = in_turn(
            lambda: ours.answer(nothing), lambda: ours.answer(broken), lambda: ours.answer(good)
        )
    yield (
        f"- An empty chart ({len(nothing) / 1000:.0f} kB, 17 keys): {fixed * 1000:.2f} ms "
        f"({verdict(fixed * 1000, FIXED_GOAL_MS)}; that is the fixed cost of a call)."
    )
    yield (
        f"- One entry of 200 that cannot be read: {one / none:.2f} × the same chart without it "
        f"({verdict(one / none, UNREADABLE_GOAL)})."
    )


def _row(kind: str, size: int, data: bytes, ours: Service, other: Service) -> str:
    own, parsed, naive = in_turn(
        lambda: ours.answer(data), lambda: orjson.loads(data), lambda: other.answer(data)
    )
    ratio, cheaper = own / parsed, naive / own
    return (
        f"| {kind} | {size} | {len(data) / 1000:.0f} | {own * 1000:.2f} | {ratio:.2f} | "
        f"{verdict(ratio, GOALS.get((kind, size)))} | {naive * 1000:.1f} | {cheaper:.1f} | "
        f"{verdict(cheaper, NATURAL_GOALS[size], at_least=True)} |"
    )
