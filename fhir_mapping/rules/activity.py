"""Disease now: the latest CK, its peak and nadir, and signs of a relapse (R1, R2)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Context, Decimal
from itertools import groupby

from fhir_mapping.evidence import Activity, Measured
from fhir_mapping.laboratory.antibody import read_serology
from fhir_mapping.laboratory.bounds import above, amount_of, at_least, is_raised, is_within, rank, size
from fhir_mapping.record import Diagnosis, PatientRecord, Result
from fhir_mapping.rules.citation import cite_diagnosis, cite_with_limit
from fhir_mapping.rules.eligibility import is_myopathy
from fhir_mapping.terms.rules import Rules

_QUOTIENT = Context(prec=28)
_COMING_BACK = frozenset({"relapse", "recurrence"})
_PER_CENT = 100


def activity(record: PatientRecord) -> Activity:
    """CK now, its peak and nadir in U/L and × ULN (R1); a possible relapse and a rising CK (R2)."""
    cks = in_order(record)
    coded = _coded_relapses(record)
    rise = _confirmed_rise(record, cks)
    rising = () if rise else _latest_rise(record, cks)
    peak = _peak(cks)
    nadir = _lowest(ck for ck in cks if peak and ck.when.first > peak.when.last)
    return Activity(
        ck=_measured(cks[-1]) if cks else None,
        peak=_measured(peak) if peak else None,
        nadir=_measured(nadir) if nadir else None,
        possible_relapse=bool(coded or rise),
        rising=bool(rising),
        reason=_reason(cks, coded, rise, rising),
        evidence=(
            *(cite_diagnosis(diagnosis) for diagnosis in coded),
            *(cited for ck in rise or rising for cited in cite_with_limit(ck)),
        ),
    )


def in_order(record: PatientRecord) -> list[Result]:
    """Every CK that has a limit, the latest last; of one time the highest last, of equal ones the lower id."""
    cks = (ck for ck in record.of("ck") if ck.amount and ck.limits.high)
    by_id = sorted(cks, key=lambda ck: ck.id, reverse=True)
    return sorted(by_id, key=lambda ck: (ck.when.last, size(amount_of(ck))))


def _peak(cks: Sequence[Result]) -> Result | None:
    """R1: the highest on record, of several the earliest."""
    by_time = sorted(cks, key=lambda ck: (ck.when.last, ck.id))
    return max(by_time, key=lambda ck: size(amount_of(ck)), default=None)


def _lowest(cks: Iterable[Result]) -> Result | None:
    """The lowest, an interval being as low as its upper end; of several the earliest."""
    by_time = sorted(cks, key=lambda ck: (ck.when.last, ck.id))
    return min(by_time, key=lambda ck: (_at_most(ck), rank(amount_of(ck).comparator)), default=None)


def _at_most(ck: Result) -> Decimal:
    amount = amount_of(ck)
    return amount.value if amount.upto is None else amount.upto


def _measured(ck: Result) -> Measured:
    amount, limit = amount_of(ck), ck.limits.high
    assert limit
    return Measured(
        amount.value,
        amount.unit,
        times_uln=_QUOTIENT.divide(amount.value, limit),
        date=ck.when.day_text,
        resource=ck.resource,
        comparator=amount.comparator,
        default_limit=ck.limits.default,
    )


def _coded_relapses(record: PatientRecord) -> tuple[Diagnosis, ...]:
    """R2 (a): an eligible core or broad Condition in relapse or recurrence, recorded within 180 days."""
    serology = read_serology(record)
    at_most = record.mapping.tables.rules.days("activity.relapse_days")
    coded = (
        diagnosis
        for diagnosis in record.diagnoses
        if diagnosis.confirmed and diagnosis.clinical in _COMING_BACK and is_myopathy(diagnosis, serology)
    )
    recent = (
        diagnosis
        for diagnosis in coded
        if (recorded := diagnosis.recorded or diagnosis.onset)
        and not diagnosis.recorded_late
        and record.as_of - recorded.last <= at_most
    )
    return tuple(sorted(recent, key=lambda diagnosis: diagnosis.resource))


def _confirmed_rise(record: PatientRecord, cks: Sequence[Result]) -> tuple[Result, ...]:
    """R2 (b): the latest CK of each of the two last days, both high after an improvement; then the nadir."""
    rules = record.mapping.tables.rules
    pair_days, recent_days = rules.days("activity.pair_days"), rules.days("activity.recent_days")
    recent = (ck for ck in cks if record.as_of - ck.when.last <= pair_days + recent_days)
    pair = list({ck.when.day(record.mapping.time_zone): ck for ck in recent}.values())[-2:]
    if len(pair) < 2 or not _is_now(record, pair[1]):  # noqa: PLR2004
        return ()
    if pair[1].when.last - pair[0].when.last > pair_days:
        return ()
    nadir = _nadir_before(cks, pair[0].when.last, rules)
    return (*pair, nadir) if nadir and all(_has_risen(ck, nadir, rules) for ck in pair) else ()


def _latest_rise(record: PatientRecord, cks: Sequence[Result]) -> tuple[Result, ...]:
    """R2, "CK rising": the latest CK alone is high after an improvement; then the nadir."""
    if not cks or not _is_now(record, cks[-1]):
        return ()
    rules = record.mapping.tables.rules
    nadir = _nadir_before(cks, cks[-1].when.last, rules)
    return (cks[-1], nadir) if nadir and _has_risen(cks[-1], nadir, rules) else ()


def _is_now(record: PatientRecord, ck: Result) -> bool:
    return record.as_of - ck.when.last <= record.mapping.tables.rules.days("activity.recent_days")


def _has_risen(ck: Result, nadir: Result, rules: Rules) -> bool:
    """R2: ≥ 1.5 × nadir and > 1.5 × ULN, both for certain."""
    amount, least = amount_of(ck), rules.number("activity.times_nadir") * _at_most(nadir)
    over_nadir = at_least(amount.value, amount.comparator, least, amount.upto)
    return over_nadir is True and is_raised(ck, rules.number("activity.times_uln"))


def _nadir_before(cks: Sequence[Result], when: datetime, rules: Rules) -> Result | None:
    """R2: the lowest result before a time that is an improvement."""
    return _lowest(ck for ck in improvements(cks, rules) if ck.when.last < when)


def improvements(cks: Sequence[Result], rules: Rules) -> Iterator[Result]:
    """R2: results ≤ 2 × ULN or ≤ 50 % of the highest before them, where that highest is > 2 × ULN."""
    times = rules.number("activity.improved_times_uln")
    part = rules.number("activity.improved_percent_of_peak") / _PER_CENT
    highest: Result | None = None
    for _, group in groupby(cks, key=lambda ck: ck.when.last):
        together = list(group)
        if highest and is_raised(highest, times):
            yield from (ck for ck in together if is_within(ck, times) or _is_at_most(ck, part, highest))
        known = [ck for ck in together if not amount_of(ck).comparator.startswith("<")]
        highest = _peak([highest, *known] if highest else known)


def _is_at_most(ck: Result, part: Decimal, highest: Result) -> bool:
    amount = amount_of(ck)
    return above(amount.value, amount.comparator, part * amount_of(highest).value, amount.upto) is False


def _reason(
    cks: Sequence[Result], coded: Sequence[Diagnosis], rise: Sequence[Result], rising: Sequence[Result]
) -> str:
    if not cks:
        said = ["no CK on record"]
    else:
        said = (
            [f"CK {_rise_in_words(rise)}"]
            if rise
            else [f"CK rising: {_rise_in_words(rising)}"]
            if rising
            else []
        )
    if coded:
        said.insert(0, f"{coded[0].clinical} is coded")
    return "; ".join(said)


def _rise_in_words(rise: Sequence[Result]) -> str:
    *high, nadir = (f"{amount_of(ck).comparator}{amount_of(ck).value:.0f}" for ck in rise)
    return f"{' and '.join(high)} U/L after a nadir of {nadir} U/L"
