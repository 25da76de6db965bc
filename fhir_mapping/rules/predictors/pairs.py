"""Which AST belongs to which ALT (D1): same specimen, then same report, then nearest in time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import chain, pairwise

from msgspec import Struct

from fhir_mapping.laboratory.results import LAST
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Moment, Result
from fhir_mapping.rules.predictors.nearest import (
    Keys,
    its_day,
    its_specimen,
    reports_to_file,
    reports_to_search,
)

_AT_ONCE = timedelta()
Keyed = tuple[Result, Sequence[Hashable]]  # a result, and the keys under which it may meet another


class Pair(Struct, frozen=True):
    """An AST and the ALT it is compared with, both in U/L."""

    ast: Result
    alt: Result
    same_specimen: bool

    @property
    def when(self) -> Moment:
        """The later of the two times."""
        ast, alt = self.ast.when, self.alt.when
        return alt if alt.last > ast.last else ast


def pair_up(record: PatientRecord) -> tuple[Pair, ...]:
    """Every AST and ALT of the record that belong together, each result in one pair at most (D1)."""
    rules = record.mapping.tables.rules
    steps: tuple[tuple[Keys, Keys, timedelta], ...] = (
        (its_specimen, its_specimen, timedelta.max),
        (reports_to_search, reports_to_file, rules.days("high_drr.same_report_days")),
        (its_day, its_day, rules.days("high_drr.same_time_days")),
    )
    asts = sorted([ast for ast in record.of("ast") if ast.amount], key=LAST)
    alts = sorted([alt for alt in record.of("alt") if alt.amount], key=LAST)
    pairs: list[Pair] = []
    for number, (search, file, at_most) in enumerate(steps):
        looking, known = _who_may_meet(asts, alts, search, file, at_most)
        if not (looking and known):
            continue
        # The closest in time first, then the lower AST id, then the lower ALT id
        for some in (looking, known):
            some.sort(key=lambda keyed: keyed[0].resource)
        places = _Places(looking, known, at_most)
        paired: set[int] = set()
        while closest := places.closest():
            places.take(*closest)
            ast, alt = looking[closest[0]][0], known[closest[1]][0]
            pairs.append(Pair(ast, alt, same_specimen=number == 0))
            paired |= {id(ast), id(alt)}
        asts, alts = ([result for result in some if id(result) not in paired] for some in (asts, alts))
    return tuple(pairs)


def _who_may_meet(
    asts: Sequence[Result], alts: Sequence[Result], search: Keys, file: Keys, at_most: timedelta
) -> tuple[list[Keyed], list[Keyed]]:
    """Those with a key that one of the others has too, and one of these in reach: in most charts these are few."""
    keys, others = list(map(search, asts)), list(map(file, alts))
    shared = set(chain.from_iterable(keys)).intersection(chain.from_iterable(others))
    if not shared:
        return [], []
    looking = [keyed for keyed in zip(asts, keys, strict=True) if not shared.isdisjoint(keyed[1])]
    known = [keyed for keyed in zip(alts, others, strict=True) if not shared.isdisjoint(keyed[1])]
    return _within_reach(looking, known, at_most), _within_reach(known, looking, at_most)


def _within_reach(some: Sequence[Keyed], others: Sequence[Keyed], at_most: timedelta) -> list[Keyed]:
    """Those beside which another stands, both in order of time."""
    times = [other.when.last for other, _ in others]
    within: list[Keyed] = []
    for keyed in some:
        when = keyed[0].when.last
        after = bisect_left(times, when)
        is_before = after < len(times) and times[after] - when <= at_most
        if is_before or (after > 0 and when - times[after - 1] <= at_most):
            within.append(keyed)
    return within


@dataclass(slots=True, eq=False)
class _Place:
    """One time under one key: the AST and ALT there, the first last, and which places beside it hold any."""

    when: datetime
    asts: list[int] = field(default_factory=list)
    alts: list[int] = field(default_factory=list)
    before: int | None = None
    after: int | None = None


class _Places:
    """Where AST and ALT stand in time, under each key. Results and places are told by their numbers.

    The closest two of all stand at one place or at two between which nothing is left, and come first there: only these
    are ever compared, which costs as much as sorting does.
    """

    def __init__(self, asts: Sequence[Keyed], alts: Sequence[Keyed], at_most: timedelta) -> None:
        self._at_most = at_most
        self._places: list[_Place] = []
        self._queue: list[tuple[timedelta, int, int, int, int]] = []  # gap, AST, ALT, and where each stands
        by_key: defaultdict[Hashable, dict[datetime, int]] = defaultdict(dict)
        self._asts = self._stand(asts, by_key)  # where those that are left stand
        self._alts = self._stand(alts, by_key)
        for number in reversed(self._asts):
            for place in self._asts[number]:
                self._places[place].asts.append(number)
        for number in reversed(self._alts):
            for place in self._alts[number]:
                self._places[place].alts.append(number)
        for by_time in by_key.values():
            in_order = [by_time[when] for when in sorted(by_time)]
            for place in in_order:
                self._offer(_AT_ONCE, place, place)
            for before, after in pairwise(in_order):
                self._join(before, after)

    def closest(self) -> tuple[int, int] | None:
        """The closest AST and ALT that are left."""
        while self._queue:
            gap, ast, alt, of_ast, of_alt = self._queue[0]
            if ast in self._asts and alt in self._alts:
                return ast, alt
            heappop(self._queue)
            self._offer(gap, of_ast, of_alt)
        return None

    def take(self, ast: int, alt: int) -> None:
        """Take two out, and pass over the places that nothing is left at."""
        for number in (*self._asts.pop(ast), *self._alts.pop(alt)):
            place = self._places[number]
            if _left(place.asts, self._asts) is None and _left(place.alts, self._alts) is None:
                before, after = place.before, place.after
                place.before = place.after = None
                if before is not None:
                    self._places[before].after = after
                if after is not None:
                    self._places[after].before = before
                if before is not None and after is not None:
                    self._join(before, after)

    def _stand(
        self, some: Iterable[Keyed], by_key: defaultdict[Hashable, dict[datetime, int]]
    ) -> dict[int, list[int]]:
        stand: dict[int, list[int]] = {}
        for number, (result, keys) in enumerate(some):
            when = result.when.last
            stand[number] = []
            for key in keys:
                place = by_key[key].setdefault(when, len(self._places))
                if place == len(self._places):
                    self._places.append(_Place(when))
                stand[number].append(place)
        return stand

    def _join(self, before: int, after: int) -> None:
        self._places[before].after, self._places[after].before = after, before
        gap = self._places[after].when - self._places[before].when
        if gap <= self._at_most:
            self._offer(gap, before, after)
            self._offer(gap, after, before)

    def _offer(self, gap: timedelta, of_ast: int, of_alt: int) -> None:
        """Put the first AST of a place and the first ALT of another into the queue."""
        ast = _left(self._places[of_ast].asts, self._asts)
        alt = _left(self._places[of_alt].alts, self._alts)
        if ast is not None and alt is not None:
            heappush(self._queue, (gap, ast, alt, of_ast, of_alt))


def _left(numbers: list[int], among: dict[int, list[int]]) -> int | None:
    """The first that is left; those that are gone are forgotten."""
    while numbers and numbers[-1] not in among:
        numbers.pop()
    return numbers[-1] if numbers else None
