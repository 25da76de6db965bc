"""Which AST belongs to which ALT (D1): same specimen, then same report, then nearest in time."""

import heapq
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from fhir_mapping.nearest import Shelf, names_a_day
from fhir_mapping.record import Moment, PatientRecord, Result

Keys = Callable[[Result], Iterable[Hashable]]
Candidate = tuple[timedelta, str, str]  # gap, AST id, ALT id


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
        (_specimen, _specimen, timedelta.max),
        (_reports_to_search, _reports_to_file, rules.days("high_drr.same_report_days")),
        (_any_day, _any_day, rules.days("high_drr.same_time_days")),
    )
    asts, alts = (
        {result.id: result for result in record.of(analyte) if result.amount} for analyte in ("ast", "alt")
    )
    pairs = []
    for number, (search, file, at_most) in enumerate(steps):
        for ast_id, alt_id in _greedy(asts.values(), alts.values(), search, file, at_most):
            pairs.append(Pair(asts.pop(ast_id), alts.pop(alt_id), same_specimen=number == 0))
    return tuple(pairs)


def _specimen(result: Result) -> list[Hashable]:
    return [result.specimen] if result.specimen else []


def _reports_to_file(alt: Result) -> list[Hashable]:
    """Under each report; once more as "without specimen", for the partners that have one."""
    kinds = ["any"] if alt.specimen else ["any", "without specimen"]
    return [(report, kind) for report in alt.reports for kind in kinds]


def _reports_to_search(ast: Result) -> list[Hashable]:
    """Different specimens are different blood, even in one report."""
    kind = "without specimen" if ast.specimen else "any"
    return [(report, kind) for report in ast.reports]


def _any_day(result: Result) -> list[Hashable]:
    return ["any"] if names_a_day(result.when) else []


def _greedy(
    asts: Iterable[Result], alts: Iterable[Result], search: Keys, file: Keys, at_most: timedelta
) -> list[tuple[str, str]]:
    """Ids of AST and ALT: the closest in time first, then the lower AST id, then the lower ALT id."""
    shelf: Shelf[Result] = Shelf()
    for alt in alts:
        shelf.put(file(alt), alt.when.last, alt.id, alt)
    looking = {ast.id: ast for ast in asts}
    queue = [candidate for ast in looking.values() for candidate in _candidate(ast, shelf, search, at_most)]
    heapq.heapify(queue)
    found: dict[str, str] = {}  # ALT id → AST id
    while queue:
        _, ast_id, alt_id = heapq.heappop(queue)
        if alt_id in found:  # somebody closer has it: look for the next
            for candidate in _candidate(looking[ast_id], shelf, search, at_most):
                heapq.heappush(queue, candidate)
            continue
        alt = shelf[alt_id]
        shelf.take(file(alt), alt.when.last, alt_id)
        found[alt_id] = ast_id
    return [(ast_id, alt_id) for alt_id, ast_id in found.items()]


def _candidate(ast: Result, shelf: Shelf[Result], search: Keys, at_most: timedelta) -> list[Candidate]:
    near = shelf.nearest(search(ast), ast.when.last)
    return [(near.gap, ast.id, near.id)] if near and near.gap <= at_most else []
