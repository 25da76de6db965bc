"""Finding what lies nearest in time, quickly: a chart may hold thousands of results."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from fhir_mapping.record import Moment, Result
from fhir_mapping.terms.rules import Rules

Shelved = TypeVar("Shelved")
Keys = Callable[[Result], list[Hashable]]


Token = tuple[str, int]  # an id, and a number that tells apart those that share it
_BEFORE_ALL: Token = ("", -1)


class Near(NamedTuple):
    """An item that was found: how far away in time it is, and its token, which breaks ties."""

    gap: timedelta
    token: Token


class Shelf(Generic[Shelved]):
    """Items filed under keys (a specimen, a report, …), each with a time and an id."""

    def __init__(self) -> None:
        self._items: dict[Token, Shelved] = {}
        self._filed: defaultdict[Hashable, list[tuple[datetime, Token]]] = defaultdict(list)

    def put(self, keys: Iterable[Hashable], when: datetime, item_id: str, item: Shelved) -> Token:
        """File an item under every key."""
        token = (item_id, len(self._items))
        self._items[token] = item
        for key in keys:
            insort(self._filed[key], (when, token))
        return token

    def around(self, keys: Iterable[Hashable], when: datetime) -> Iterator[Near]:
        """Under each key the nearest item before a time and the nearest at or after it; of one time the lowest id."""
        for key in keys:
            yield from _beside(self._filed.get(key, []), when)

    def nearest(self, keys: Iterable[Hashable], when: datetime) -> Near | None:
        """The nearest item under any of the keys; of several equally near the one with the lowest id."""
        return min(self.around(keys, when), default=None)

    def __getitem__(self, token: Token) -> Shelved:
        return self._items[token]


def _beside(filed: list[tuple[datetime, Token]], when: datetime) -> Iterator[Near]:
    after = bisect_left(filed, (when, _BEFORE_ALL))
    if after < len(filed):
        yield Near(filed[after][0] - when, filed[after][1])
    if after > 0:
        earlier = filed[after - 1][0]
        yield Near(when - earlier, filed[bisect_left(filed, (earlier, _BEFORE_ALL))][1])


class Neighbours(Generic[Shelved]):
    """What stands beside a result: of the same specimen, else report, else taken within 24 h (D1, D2)."""

    def __init__(self, rules: Rules) -> None:
        self._shelf: Shelf[Shelved] = Shelf()
        self._reach = {
            "specimen": timedelta.max,
            "report": rules.days("high_drr.same_report_days"),
            "time": rules.days("high_drr.same_time_days"),
        }

    def put(self, result: Result, item: Shelved) -> None:
        """File an item under all that a result of it belongs to."""
        keys = [(kind, key) for kind in self._reach for key in _FILE[kind](result)]
        self._shelf.put(keys, result.when.last, result.id, item)

    def of(self, result: Result) -> Shelved | None:
        """What stands closest beside a result."""
        for kind, reach in self._reach.items():
            near = self._shelf.nearest([(kind, key) for key in _SEARCH[kind](result)], result.when.last)
            if near and near.gap <= reach:
                return self._shelf[near.token]
        return None


def its_specimen(result: Result) -> list[Hashable]:
    """The specimen of a result, as a key to file it under and to search with."""
    return [result.specimen] if result.specimen else []


def its_day(result: Result) -> list[Hashable]:
    """One key for every result whose time is precise to the day."""
    return ["any"] if result.when.precision in {"day", "time"} else []


def reports_to_file(result: Result) -> list[Hashable]:
    """Each report; once more as "without specimen", for those that have one."""
    kinds = ["any"] if result.specimen else ["any", "without specimen"]
    return [(report, kind) for report in result.reports for kind in kinds]


def reports_to_search(result: Result) -> list[Hashable]:
    """Different specimens are different blood, even in one report (D1)."""
    kind = "without specimen" if result.specimen else "any"
    return [(report, kind) for report in result.reports]


_FILE: Mapping[str, Keys] = {"specimen": its_specimen, "report": reports_to_file, "time": its_day}
_SEARCH: Mapping[str, Keys] = {"specimen": its_specimen, "report": reports_to_search, "time": its_day}


def apart(first: Moment, second: Moment) -> timedelta:
    """How far two moments lie apart; a partial date counts as its last possible instant (F3)."""
    return abs(first.last - second.last)
