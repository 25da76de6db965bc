"""AST/ALT ratios, computed and reported, and whether the disease was active when they were taken (D2, D3)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from fhir_mapping.laboratory.bounds import amount_of, at_least, is_raised, is_within, size
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Moment, Result
from fhir_mapping.rules.predictors.nearest import Neighbours, Shelf
from fhir_mapping.rules.predictors.pairs import Pair, pair_up
from fhir_mapping.terms.rules import Rules

Phase = Literal["active", "inactive", "unknown"]

_ONE = Decimal(1)
_PER_CENT = 100
_TURNED_OVER = {"": "", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Ratio:
    """AST/ALT at one time. `comparator` None: the comparators of AST and ALT leave every ratio possible."""

    ast: Decimal
    alt: Decimal
    comparator: str | None
    when: Moment
    same_specimen: bool
    members: tuple[Result, ...]  # AST and ALT; or the reported ratio, then an enzyme beside it
    reported: bool = False
    phase: Phase = "inactive"
    ck: Result | None = None  # the CK that D3 asks
    contradicted: bool = False  # a reported ratio beside it differs (D2)
    upto: Fraction | None = None  # the highest ratio, where AST or ALT is an interval; AST/ALT is the lowest

    @property
    def exact(self) -> Fraction:
        """The ratio itself, without rounding."""
        return Fraction(self.ast) / Fraction(self.alt)


@dataclass(frozen=True, slots=True)
class Ratios:
    """All ratios of a record, and whether a pair was refused for its low ALT (D1)."""

    counted: tuple[Ratio, ...]
    alt_too_low: bool


def read_ratios(record: PatientRecord) -> Ratios:
    """Every AST/ALT ratio that counts, computed (D1) or reported (D2): active, inactive or unknown (D3)."""
    rules = record.mapping.tables.rules
    lowest = rules.number("high_drr.alt_at_least")
    kept: list[Pair] = []
    refused: list[Pair] = []
    for pair in pair_up(record):
        alt = amount_of(pair.alt)
        (refused if at_least(alt.value, alt.comparator, lowest) is False else kept).append(pair)
    beside, alone = _place_reported(record, kept, refused)
    computed = [_computed(pair, beside[number], rules) for number, pair in enumerate(kept)]
    cks = _cks(record)
    counted = (_asked_ck(ratio, cks, rules) for ratio in (*computed, *_reported(record, alone)))
    return Ratios(tuple(counted), alt_too_low=bool(refused))


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


def _enzymes_by_place(enzymes: Iterable[Result], rules: Rules) -> Neighbours[Result]:
    places: Neighbours[Result] = Neighbours(rules)
    for enzyme in enzymes:
        places.put(enzyme, enzyme)
    return places


def _computed(pair: Pair, reported: Sequence[Result], rules: Rules) -> Ratio:
    ast, alt = amount_of(pair.ast), amount_of(pair.alt)
    ratio = Ratio(
        ast.value,
        alt.value if alt.upto is None else alt.upto,
        _comparator_of_quotient(ast.comparator, alt.comparator),
        pair.when,
        pair.same_specimen,
        members=(pair.ast, pair.alt),
        phase="active" if is_raised(pair.ast) or is_raised(pair.alt) else "inactive",
        upto=_highest(ast.upto or ast.value, alt.value) if ast.upto or alt.upto else None,
    )
    return replace(
        ratio, contradicted=any(_differs(_as_reported(result), ratio, rules) for result in reported)
    )


def _highest(ast: Decimal, alt: Decimal) -> Fraction:
    return Fraction(ast) / Fraction(alt)


def _comparator_of_quotient(ast: str, alt: str) -> str | None:
    """What AST/ALT is written with: "> 7000" over "100" is a ">" (D6); None: the two pull in both directions."""
    pulls = {sign for sign in (ast, _TURNED_OVER[alt]) if sign}
    if len({sign[0] for sign in pulls}) > 1:
        return None
    return min(pulls, key=len, default="")  # a strict bound makes the quotient's bound strict


def _differs(reported: Ratio, computed: Ratio, rules: Rules) -> bool:
    """D2: a difference of more than 10 % of the computed ratio; bounds are not compared."""
    if reported.comparator or computed.comparator != "" or reported.upto or computed.upto:
        return False
    difference = abs(reported.exact - computed.exact)
    return difference * _PER_CENT > Fraction(rules.number("high_drr.direct_differs_percent")) * computed.exact


def _reported(record: PatientRecord, alone: Sequence[Result]) -> list[Ratio]:
    """Reported ratios without a full pair: active if an enzyme beside them is raised (D2)."""
    if not alone:
        return []
    rules = record.mapping.tables.rules
    enzymes = [result for result in (*record.of("ast"), *record.of("alt")) if result.amount]
    raised = _enzymes_by_place(filter(is_raised, enzymes), rules)
    known = _enzymes_by_place(enzymes, rules)
    ratios = []
    for result in alone:
        ratio, high, beside = _as_reported(result), raised.of(result), known.of(result)
        if enzyme := high or beside:
            phase: Phase = "active" if high else "inactive"
            ratio = replace(ratio, members=(result, enzyme), phase=phase)
        ratios.append(ratio)
    return ratios


def _as_reported(result: Result) -> Ratio:
    """A reported ratio; an ALT/AST is turned over, its comparator too (D2). It ranks as one specimen."""
    amount = amount_of(result)
    is_inverse = result.analyte == "alt-ast-ratio"
    return Ratio(
        ast=_ONE if is_inverse else amount.value,
        alt=(amount.upto or amount.value) if is_inverse else _ONE,
        comparator=_TURNED_OVER[amount.comparator] if is_inverse else amount.comparator,
        when=result.when,
        same_specimen=True,
        members=(result,),
        reported=True,
        phase="unknown",
        upto=_highest(*((_ONE, amount.value) if is_inverse else (amount.upto, _ONE)))
        if amount.upto
        else None,
    )


def _cks(record: PatientRecord) -> Shelf[Result]:
    """The highest CK of each time, of equal ones the lower id."""
    highest: dict[datetime, Result] = {}
    for ck in sorted((ck for ck in record.of("ck") if ck.amount), key=lambda ck: ck.id):
        known = highest.get(ck.when.last)
        if known is None or size(amount_of(ck)) > size(amount_of(known)):
            highest[ck.when.last] = ck
    shelf: Shelf[Result] = Shelf()
    for when, ck in highest.items():
        shelf.put(("ck",), when, ck.id, ck)
    return shelf


def _asked_ck(ratio: Ratio, cks: Shelf[Result], rules: Rules) -> Ratio:
    """D3: no active disease where the CK nearest in time, within 7 days, is within its limit."""
    reach = rules.days("high_drr.ck_within_days")
    near = [ck for ck in cks.around(("ck",), ratio.when.last) if ck.gap <= reach]
    if not near or ratio.phase == "unknown":
        return ratio
    closest = min(ck.gap for ck in near)
    equally_near = sorted((cks[ck.token] for ck in near if ck.gap == closest), key=lambda ck: ck.id)
    ck = max(equally_near, key=lambda ck: size(amount_of(ck)))
    return replace(ratio, ck=ck, phase="inactive" if is_within(ck) else ratio.phase)
