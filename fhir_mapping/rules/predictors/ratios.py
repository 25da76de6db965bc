"""AST/ALT ratios, computed and reported, and whether the disease was active when they were taken (D2, D3)."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from msgspec import Struct

from fhir_mapping.laboratory.bounds import above_limit, amount_of, at_least, is_bounded, is_raised
from fhir_mapping.laboratory.results import LAST, Highest, highest_at_once
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Moment, Result
from fhir_mapping.rules.predictors.nearest import Neighbours
from fhir_mapping.rules.predictors.pairs import Pair, pair_up
from fhir_mapping.terms.rules import Rules

Phase = Literal["active", "open", "inactive", "unknown"]

_ONE = Decimal(1)
_PER_CENT = 100
_TURNED_OVER = {"": "", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class NearestCk(Struct, frozen=True):
    """The CK that D3 asks: the highest of those that are equally near, and whether it is within its limit."""

    highest: Highest
    is_within_limit: bool | None  # None: that depends on which is the highest


@dataclass(frozen=True, slots=True)
class Around:
    """What a record holds for all of its ratios: every CK, in order of time, and the numbers of the rules."""

    cks: Sequence[Result]
    rules: Rules
    _asked: dict[tuple[int, int], NearestCk] = field(default_factory=dict)  # by many ratios the same

    def nearest_ck(self, when: datetime) -> NearestCk | None:
        """The CK nearest in time, within 7 days; of equally near ones the highest."""
        after = bisect_left(self.cks, when, key=LAST)
        beside = self.cks[max(after - 1, 0) : after + 1]
        gap = min([abs(ck.when.last - when) for ck in beside], default=None)
        if gap is None or gap > self.rules.days("high_drr.ck_within_days"):
            return None
        # All of one time, or of two equally far away
        first = bisect_left(self.cks, -gap, key=lambda ck: ck.when.last - when)
        end = bisect_right(self.cks, gap, key=lambda ck: ck.when.last - when)
        if (first, end) not in self._asked:
            highest = highest_at_once(self.cks[first:end])
            self._asked[first, end] = NearestCk(highest, highest.is_within_limit)
        return self._asked[first, end]


@dataclass(frozen=True)  # no slots: of most ratios nobody asks whether the disease was active
class Ratio:
    """AST/ALT at one time. `comparator` None: the comparators of AST and ALT leave every ratio possible."""

    ast: Decimal
    alt: Decimal
    comparator: str | None
    when: Moment
    same_specimen: bool
    members: tuple[Result, ...]  # AST and ALT; or the reported ratio, then an enzyme beside it
    around: Around
    reported: bool = False
    beside: Sequence[Result] = ()  # the reported ratios beside a computed one
    upto: Fraction | None = None  # the highest ratio, where AST or ALT is an interval; AST/ALT is the lowest
    may_be_refused: bool = False  # its ALT is an interval around the lowest that counts (D1)

    @property
    def exact(self) -> Fraction:
        """The ratio itself, without rounding."""
        return _quotient(self.ast, self.alt)

    @cached_property
    def phase(self) -> Phase:
        """Active where an enzyme is raised, and CK does not say otherwise (D3); unknown of a reported ratio alone (D2).

        Open where a comparator or an interval leaves it so: it is not active, but may be.
        """
        if self.ck is not None and self.ck.is_within_limit:
            return "inactive"
        return self._phase_of_enzymes

    @cached_property
    def ck(self) -> NearestCk | None:
        """The CK that D3 asks."""
        return None if self._phase_of_enzymes == "unknown" else self.around.nearest_ck(self.when.last)

    @property
    def activity_left_open_by(self) -> tuple[Result, ...]:
        """What leaves it open whether the disease was active (D3): enzymes, of an active ratio CK."""
        if self.phase == "open":
            return tuple(filter(_may_be_raised, self._enzymes))
        return self.ck.highest.left_open_by if self.ck and self.ck.is_within_limit is None else ()

    @property
    def contradicted(self) -> bool:
        """Whether a reported ratio beside it differs by more than 10 % of it (D2); bounds are not compared."""
        if not self.beside or self.comparator != "" or self.upto:
            return False
        at_most = Fraction(self.around.rules.number("high_drr.direct_differs_percent")) * self.exact
        reported = (_as_reported(result, self.around) for result in self.beside)
        return any(
            abs(ratio.exact - self.exact) * _PER_CENT > at_most
            for ratio in reported
            if not (ratio.comparator or ratio.upto)
        )

    @property
    def _phase_of_enzymes(self) -> Phase:
        if not self._enzymes:
            return "unknown"
        if any(map(is_raised, self._enzymes)):
            return "active"
        return "open" if any(map(_may_be_raised, self._enzymes)) else "inactive"

    @property
    def _enzymes(self) -> tuple[Result, ...]:
        return self.members[1:] if self.reported else self.members


class Ratios(Struct, frozen=True):
    """All ratios of a record, and whether a pair was refused for its low ALT (D1)."""

    counted: tuple[Ratio, ...]
    alt_too_low: bool


def read_ratios(record: PatientRecord) -> Ratios:
    """Every AST/ALT ratio that counts, computed (D1) or reported (D2): active, open, inactive or unknown (D3)."""
    rules = record.mapping.tables.rules
    lowest = rules.number("high_drr.alt_at_least")
    kept: list[Pair] = []
    refused: list[Pair] = []
    for pair in pair_up(record):
        alt = amount_of(pair.alt)
        (refused if at_least(alt.value, alt.comparator, lowest, alt.upto) is False else kept).append(pair)
    around = Around([ck for ck in record.of("ck") if ck.amount], rules)
    beside, alone = _place_reported(record, kept, refused)
    computed = [_computed(pair, beside.get(number, ()), around) for number, pair in enumerate(kept)]
    return Ratios((*computed, *_reported(record, alone, around)), alt_too_low=bool(refused))


def _place_reported(
    record: PatientRecord, kept: Sequence[Pair], refused: Sequence[Pair]
) -> tuple[dict[int, list[Result]], list[Result]]:
    """Reported ratios beside each kept pair, by its number, and those alone; beside a refused pair: neither (D2)."""
    rules = record.mapping.tables.rules
    beside: defaultdict[int, list[Result]] = defaultdict(list)
    alone: list[Result] = []
    reported = (*record.of("ast-alt-ratio"), *record.of("alt-ast-ratio"))
    if not reported:
        return beside, alone
    near_kept, near_refused = _pairs_by_place(kept, rules), _pairs_by_place(refused, rules)
    for result in reported:
        number = near_kept.of(result)
        if result.amount is None or result.amount.value <= 0:
            continue
        if number is not None:
            beside[number].append(result)
        elif near_refused.of(result) is None:
            alone.append(result)
    return beside, alone


def _pairs_by_place(pairs: Sequence[Pair], rules: Rules) -> Neighbours[int]:
    places: Neighbours[int] = Neighbours(rules)
    for number, pair in enumerate(pairs):
        places.put(pair.ast, number)
        places.put(pair.alt, number)
    return places


def _computed(pair: Pair, reported: Sequence[Result], around: Around) -> Ratio:
    ast, alt = amount_of(pair.ast), amount_of(pair.alt)
    comparator: str | None = ""
    if ast.comparator or alt.comparator:
        # "> 7000" over "100" is a ">" (D6); of two that pull one way a strict one makes the quotient's bound strict
        pulls = {sign for sign in (ast.comparator, _TURNED_OVER[alt.comparator]) if sign}
        comparator = min(pulls, key=len) if len({sign[0] for sign in pulls}) == 1 else None
    return Ratio(
        ast.value,
        alt.value if alt.upto is None else alt.upto,
        comparator,
        pair.when,
        pair.same_specimen,
        (pair.ast, pair.alt),
        around,
        beside=reported,
        upto=_quotient(ast.upto or ast.value, alt.value) if ast.upto or alt.upto else None,
        may_be_refused=alt.upto is not None and alt.value < around.rules.number("high_drr.alt_at_least"),
    )


def _quotient(ast: Decimal, alt: Decimal) -> Fraction:
    return Fraction(ast) / Fraction(alt)


def _reported(record: PatientRecord, alone: Sequence[Result], around: Around) -> list[Ratio]:
    """Reported ratios without a full pair: active if an enzyme beside them is raised, open if one may be (D2)."""
    if not alone:
        return []
    enzymes = [result for result in (*record.of("ast"), *record.of("alt")) if result.amount]
    told_by: list[Neighbours[Result]] = []
    for some in (filter(is_raised, enzymes), filter(_may_be_raised, enzymes), enzymes):
        near: Neighbours[Result] = Neighbours(around.rules)
        for enzyme in some:
            near.put(enzyme, enzyme)
        told_by.append(near)
    beside = ((result, filter(None, (near.of(result) for near in told_by))) for result in alone)
    return [_as_reported(result, around, next(tellers, None)) for result, tellers in beside]


def _as_reported(result: Result, around: Around, enzyme: Result | None = None) -> Ratio:
    """A reported ratio; an ALT/AST is turned over, its comparator too (D2). It ranks as one specimen."""
    amount = amount_of(result)
    is_inverse = result.analyte == "alt-ast-ratio"
    upto = None
    if amount.upto:
        upto = _quotient(_ONE, amount.value) if is_inverse else _quotient(amount.upto, _ONE)
    return Ratio(
        ast=_ONE if is_inverse else amount.value,
        alt=(amount.upto or amount.value) if is_inverse else _ONE,
        comparator=_TURNED_OVER[amount.comparator] if is_inverse else amount.comparator,
        when=result.when,
        same_specimen=True,
        members=(result, enzyme) if enzyme else (result,),
        around=around,
        reported=True,
        upto=upto,
    )


def _may_be_raised(enzyme: Result) -> bool:
    """Whether a comparator or an interval leaves open that an enzyme exceeds its limit."""
    return is_bounded(enzyme) and above_limit(enzyme) is None
