"""Which AST belongs to which ALT (D1): same specimen, then same report, then nearest in time."""

from dataclasses import dataclass
from datetime import timedelta
from heapq import heapify, heappop, heappush

from fhir_mapping.record import Moment, PatientRecord, Result
from fhir_mapping.rules.predictors.nearest import (
    Keys,
    Shelf,
    Token,
    its_day,
    its_specimen,
    reports_to_file,
    reports_to_search,
)

Candidate = tuple[timedelta, Token, Token]  # gap, AST, ALT
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
    shelf: Shelf[Result] = Shelf()
    known = {shelf.put(file(alt), alt.when.last, alt.id, alt): alt for alt in alts}
    looking = {(ast.id, number): ast for number, ast in enumerate(asts)}

    def best(token: Token) -> list[Candidate]:
        ast = looking[token]
        near = shelf.nearest(search(ast), ast.when.last)
        return [(near.gap, token, near.token)] if near and near.gap <= at_most else []

    queue = [candidate for token in looking for candidate in best(token)]
    heapify(queue)
    together: list[tuple[Result, Result]] = []
    while queue:
        _, ast, alt = heappop(queue)
        if alt not in known:  # somebody closer has it: look for the next
            for candidate in best(ast):
                heappush(queue, candidate)
            continue
        together.append((looking.pop(ast), known.pop(alt)))
        shelf.take(file(shelf[alt]), shelf[alt].when.last, alt)
    return together, tuple(looking.values()), tuple(known.values())
