"""Changes of JSON that leave it JSON: most changed bytes are no JSON at all, and end at the first brace."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

Place = tuple[Any, Any]  # a list or an object, and the index or name of a member
ODD = (
    None,
    True,
    False,
    0,
    -1,
    1e308,
    10**40,
    "",
    " ",
    "\0",
    [],
    {},
    [None],
    {"a": None},
    "<5",
    "1:320",
    "9999-12-31",
)
MOST_CHANGES = 4
BYTES_ONE_IN = 8  # so often the bytes themselves are changed


def mutated(
    text: bytes, random: Random, change: Callable[[bytes], bytes], words: Sequence[str], longest: int
) -> bytes:
    """Give a text like this one with a few nodes changed, of at most `longest` bytes; `change` changes any bytes."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return change(text)
    if not random.randrange(BYTES_ONE_IN):
        return change(text)
    top = [document]
    for _ in range(random.randint(1, MOST_CHANGES)):
        places = list(_places(top))
        _change(*random.choice(places), random, change, words, places)
        if not top:
            break
    found = json.dumps(top[0] if top else None, ensure_ascii=False, separators=(",", ":"))
    written = found.encode("utf-8", "replace")
    return written if len(written) <= longest else change(text)


def _places(node: Any) -> Iterator[Place]:
    waiting = [node]
    while waiting:
        parent = waiting.pop()
        pairs = parent.items() if isinstance(parent, dict) else enumerate(parent)
        for key, value in pairs:
            yield parent, key
            if isinstance(value, dict | list):
                waiting.append(value)


def _change(
    parent: Any,
    key: Any,
    random: Random,
    change: Callable[[bytes], bytes],
    words: Sequence[str],
    places: list[Place],
) -> None:
    value = parent[key]
    way = random.randrange(8)
    if way == 0:
        del parent[key]
    elif way == 1:
        parent[key] = copy.deepcopy(random.choice(ODD))
    elif way == 2:
        parent[key] = random.choice(words)
    elif way == 3:
        parent[key] = random.choice([[value], {"a": value}, str(value)])
    elif way == 4:
        other, name = random.choice(places)
        parent[key] = copy.deepcopy(other[name])
    elif way == 5 and isinstance(value, list):
        value += copy.deepcopy(value)
    elif isinstance(value, str):
        parent[key] = change(value.encode("utf-8", "replace")).decode("utf-8", "replace")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        parent[key] = random.choice(
            [-value, value * 1000, value / 7, int(value) if abs(value) < 1e300 else 0]
        )
