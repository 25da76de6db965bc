"""Which AST belongs to which ALT (D1): same specimen, then same report, then nearest in time."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count, pairwise

from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Moment, Result
from fhir_mapping.rules.predictors.nearest import (
    Keys,
    Token,
    its_day,
    its_specimen,
    reports_to_file,
    reports_to_search,
)

Results = tuple[Result, ...]
Step = tuple[list[tuple[Result, Result]], Results, Results]  # who belong together, which AST and ALT are left


@dataclass(frozen=True, slots=True)
class Pair:
    """An AST and the ALT it is compared with, both in U/L."""

    ast: Result
    alt: Result
    same_specimen: bool

    @property
    def when(self) -> Moment:
        """The later of the two times."""
        return max((self.ast.when, self.alt.when), key=lambda moment: moment.last)


def pair_up(record: PatientRecord) -> tuple[Pair, ...]:
    """Every AST and ALT of the record that belong together, each result in one pair at most (D1)."""
    rules = record.mapping.tables.rules
    steps: tuple[tuple[Keys, Keys, timedelta], ...] = (
        (its_specimen, its_specimen, timedelta.max),
        (reports_to_search, reports_to_file, rules.days("high_drr.same_report_days")),
        (its_day, its_day, rules.days("high_drr.same_time_days")),
    )
    asts = tuple(ast for ast in record.of("ast") if ast.amount)
    alts = tuple(alt for alt in record.of("alt") if alt.amount)
    pairs: list[Pair] = []
    for number, (search, file, at_most) in enumerate(steps):
        together, asts, alts = _greedy(asts, alts, search, file, at_most)
        pairs += [Pair(ast, alt, same_specimen=number == 0) for ast, alt in together]
    return tuple(pairs)


def _greedy(asts: Results, alts: Results, search: Keys, file: Keys, at_most: timedelta) -> Step:
    """The closest in time first, then the lower AST id, then the lower ALT id."""
    if {key for ast in asts for key in search(ast)}.isdisjoint(key for alt in alts for key in file(alt)):
        return [], asts, alts
    looking, known = ({(one.id, number): one for number, one in enumerate(some)} for some in (asts, alts))
    shelf = _Places(looking, known, at_most)
    for token, ast in looking.items():
        for key in search(ast):
            shelf.at(key, ast.when.last).asts.append(token)
    for token, alt in known.items():
        for key in file(alt):
            shelf.at(key, alt.when.last).alts.append(token)
    shelf.arrange()
    together: list[tuple[Result, Result]] = []
    while found := shelf.closest():
        ast, alt = looking.pop(found[0]), known.pop(found[1])
        together.append((ast, alt))
        shelf.close_gaps(
            [*((key, ast.when.last) for key in search(ast)), *((key, alt.when.last) for key in file(alt))]
        )
    return together, tuple(looking.values()), tuple(known.values())


@dataclass(slots=True, eq=False)
class _Place:
    """One time under one key: the AST and ALT there, the lowest id last, and the places beside it that hold any."""

    when: datetime
    asts: list[Token] = field(default_factory=list)
    alts: list[Token] = field(default_factory=list)
    before: "_Place | None" = None
    after: "_Place | None" = None


class _Places:
    """Where AST and ALT stand in time, under each key.

    The closest two of all stand at one place or at two between which nothing is left, and have the lowest ids there:
    only these are ever compared, which costs as much as sorting does.
    """

    def __init__(
        self, looking: Mapping[Token, Result], known: Mapping[Token, Result], at_most: timedelta
    ) -> None:
        self._looking, self._known, self._at_most = looking, known, at_most
        self._places: defaultdict[Hashable, dict[datetime, _Place]] = defaultdict(dict)
        self._queue: list[tuple[timedelta, Token, Token, int, _Place, _Place]] = []
        self._number = count()  # so that places are never compared

    def at(self, key: Hashable, when: datetime) -> _Place:
        """The place of that time under that key."""
        there = self._places[key]
        place = there.get(when)
        if place is None:
            place = there[when] = _Place(when)
        return place

    def arrange(self) -> None:
        """Put the places of each key in order, once all results are there."""
        for by_time in self._places.values():
            in_order = [by_time[when] for when in sorted(by_time)]
            for place in in_order:
                place.asts.sort(reverse=True)
                place.alts.sort(reverse=True)
                self._compare(place, place)
            for before, after in pairwise(in_order):
                self._join(before, after)

    def closest(self) -> tuple[Token, Token] | None:
        """The closest AST and ALT that are left."""
        while self._queue:
            _, ast, alt, _, of_ast, of_alt = self._queue[0]
            if ast in self._looking and alt in self._known:
                return ast, alt
            heappop(self._queue)
            self._compare(of_ast, of_alt)
        return None

    def close_gaps(self, places: Iterable[tuple[Hashable, datetime]]) -> None:
        """Pass over those of the places that nothing is left at."""
        for key, when in places:
            place = self._places[key].get(when)
            if place and not (_left(place.asts, self._looking) or _left(place.alts, self._known)):
                del self._places[key][when]
                before, after = place.before, place.after
                if before:
                    before.after = after
                if after:
                    after.before = before
                if before and after:
                    self._join(before, after)

    def _join(self, before: _Place, after: _Place) -> None:
        before.after, after.before = after, before
        self._compare(before, after)
        self._compare(after, before)

    def _compare(self, of_ast: _Place, of_alt: _Place) -> None:
        """Put the lowest ids of two places into the queue, if they are close enough."""
        ast, alt = _left(of_ast.asts, self._looking), _left(of_alt.alts, self._known)
        gap = abs(of_ast.when - of_alt.when)
        if ast and alt and gap <= self._at_most:
            heappush(self._queue, (gap, ast, alt, next(self._number), of_ast, of_alt))


def _left(tokens: list[Token], among: Mapping[Token, Result]) -> Token | None:
    """The lowest token that is left; those that are gone are forgotten."""
    while tokens and tokens[-1] not in among:
        tokens.pop()
    return tokens[-1] if tokens else None
