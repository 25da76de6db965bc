"""Finding what lies nearest in time, quickly: a chart may hold thousands of results."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from fhir_mapping.record import Result
from fhir_mapping.terms.rules import Rules

Shelved = TypeVar("Shelved")
Keys = Callable[[Result], list[Hashable]]

Token = tuple[str, int]  # an id, and a number that tells apart those that share it
_BEFORE_ALL: Token = ("", -1)


class Neighbours(Generic[Shelved]):
    """What stands beside a result: of the same specimen, else report, else taken within 24 h (D1, D2)."""

    def __init__(self, rules: Rules) -> None:
        self._items: dict[Token, Shelved] = {}
        # By key (a specimen, a report, …), in order of time
        self._filed: defaultdict[Hashable, list[tuple[datetime, Token]]] = defaultdict(list)
        self._reach = {
            "specimen": timedelta.max,
            "report": rules.days("high_drr.same_report_days"),
            "time": rules.days("high_drr.same_time_days"),
        }

    def put(self, result: Result, item: Shelved) -> None:
        """File an item under all that a result of it belongs to."""
        token = (result.id, len(self._items))
        self._items[token] = item
        for kind in self._reach:
            for key in _FILE[kind](result):
                insort(self._filed[kind, key], (result.when.last, token))

    def of(self, result: Result) -> Shelved | None:
        """What stands closest beside a result; of several equally near the one with the lowest id."""
        when = result.when.last
        for kind, reach in self._reach.items():
            near: list[tuple[timedelta, Token]] = []
            for key in _SEARCH[kind](result):
                filed = self._filed.get((kind, key), [])
                after = bisect_left(filed, (when, _BEFORE_ALL))
                if after < len(filed):
                    near.append((filed[after][0] - when, filed[after][1]))
                if after > 0:
                    earlier = filed[after - 1][0]
                    lowest_id = filed[bisect_left(filed, (earlier, _BEFORE_ALL))][1]
                    near.append((when - earlier, lowest_id))
            gap, token = min(near, default=(timedelta.max, _BEFORE_ALL))
            if near and gap <= reach:
                return self._items[token]
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
