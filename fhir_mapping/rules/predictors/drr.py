"""High De Ritis ratio, AST/ALT: present, absent, indeterminate or missing (D)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Context
from fractions import Fraction
from itertools import product, takewhile
from operator import attrgetter

from msgspec.structs import replace

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.evidence import Evidence, Feature, Note
from fhir_mapping.laboratory.bounds import above, agreed
from fhir_mapping.laboratory.results import LAST
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Diagnosis, Doubt, Result, local_day
from fhir_mapping.rules.citation import cite_diagnosis, cite_with_limit
from fhir_mapping.rules.doubted import doubted
from fhir_mapping.rules.predictors.pairs import pair_up
from fhir_mapping.rules.predictors.ratios import Ratio, Ratios, read_ratios
from fhir_mapping.terms.roles import RoleWord
from models.inputs import State

_QUOTIENT = Context(prec=28)
_RANK = attrgetter("same_specimen", "when.last")  # what of one day comes before its size (D4)
_BY_UNIT = frozenset({"no unit", "unknown unit"})
_NEWER = "a newer result could not be read"
_ACTIVITY = "the comparator leaves it open whether the disease was active"
_OTHER_SOURCES: Mapping[RoleWord, str] = {  # D8, in the words of the reason
    "liver-disease": "liver disease",
    "alcohol-disorder": "alcohol disorder",
    "haemolysis": "haemolytic anaemia",
    "rhabdomyolysis": "rhabdomyolysis",
    "myocardial-infarction": "myocardial infarction",
}
_LASTING = frozenset[RoleWord]({"liver-disease", "alcohol-disorder", "haemolysis"})


def high_drr(record: PatientRecord) -> Feature:
    """Whether the latest AST/ALT from active disease is above the threshold (D1 to D8); the value has unit 1."""
    ratios = read_ratios(record)
    doubts = record.doubts_in("ast", "alt", "drr")
    look_back = record.mapping.tables.rules.days("high_drr.look_back_days")
    recent = [ratio for ratio in ratios.counted if _age(record, ratio) <= look_back]
    recent.sort(key=LAST, reverse=True)
    if active := _active_of_latest_day(recent, record.mapping.time_zone):
        chosen = _chosen(record, active)
        feature = _decided(record, chosen, active, recent)
        newer = tuple(doubt for doubt in doubts if doubt.when > chosen.when.last)
        left_open: Iterable[Doubt] = ()
        if feature.state is State.ABSENT:
            perhaps = (chosen, *_perhaps_before(record, chosen, recent))
            left_open = [open_doubt(result) for ratio in perhaps for result in ratio.activity_left_open_by]
        if otherwise := _not_from_muscle(record, chosen, feature):
            return otherwise
        rule, reason = ("D5", _NEWER) if newer else ("D3", _ACTIVITY)
        return doubted(feature, rule, reason, (*newer, *left_open))
    if unknown := [ratio for ratio in recent if ratio.phase == "unknown"]:
        return _undecided(_chosen(record, unknown), "D2", "activity unknown")
    if recent:
        feature = _undecided(_chosen(record, recent), "D5", "no pair from active disease")
        newer = tuple(doubt for doubt in doubts if doubt.when > recent[0].when.last)
        return replace(feature, reason=_NEWER, barred_by=newer) if newer else feature
    within = tuple(doubt for doubt in doubts if record.as_of - doubt.when <= look_back)
    reason = "unit" if any(doubt.reason in _BY_UNIT for doubt in within) else _NEWER
    return doubted(Feature(State.MISSING, "D5", _why_missing(record, ratios)), "D5", reason, within)


def may_be_joined(record: PatientRecord) -> bool:
    """D1, D2: whether a report may join what stands alone to a ratio that D4 would choose.

    That is an AST or ALT without a pair, or a reported ratio without an enzyme.
    """
    rules, counted = record.mapping.tables.rules, read_ratios(record).counted
    reach, oldest = (
        rules.days("high_drr.same_report_days"),
        record.as_of - rules.days("high_drr.look_back_days"),
    )
    active = [r.when.last for r in counted if r.phase == "active" and r.when.last >= oldest]
    # As far before the latest active pair as one may be that takes a member of it
    since = max([oldest, *(when - reach for when in active)])
    paired = {id(result) for pair in pair_up(record) for result in (pair.ast, pair.alt)}
    asts, alts = ([r for r in record.of(analyte) if r.amount] for analyte in ("ast", "alt"))
    ratios = [ratio.members[0] for ratio in counted if ratio.phase == "unknown"]
    for some, others in ((asts, alts), (alts, asts), (ratios, sorted((*asts, *alts), key=LAST))):
        of_no_specimen = [result for result in others if not result.specimen]
        for alone in (result for result in some if id(result) not in paired):
            if _may_meet(alone, of_no_specimen if alone.specimen else others, reach, since):
                return True
    return False


def _may_meet(alone: Result, others: Sequence[Result], reach: timedelta, since: datetime) -> bool:
    """Whether one of the others is within reach, and the later of the two not older than `since`."""
    when = alone.when.last
    place = bisect_right(others, when + reach, key=LAST)
    if place == 0:
        return False
    latest = others[place - 1].when.last
    return when - latest <= reach and max(when, latest) >= since


def _active_of_latest_day(recent: Sequence[Ratio], zone: tzinfo) -> list[Ratio]:
    """D4: from active disease those of the latest day that has any; `recent` has the latest first."""
    active = (ratio for ratio in recent if ratio.phase == "active")
    latest = next(active, None)
    if latest is None:
        return []
    day = latest.when.day(zone)
    return [latest, *takewhile(lambda ratio: ratio.when.day(zone) == day, active)]


def _not_from_muscle(record: PatientRecord, ratio: Ratio, feature: Feature) -> Feature | None:
    """D8: a Condition that raises AST and ALT by itself; None where there is none, or CK says muscle all the same."""
    rules = record.mapping.tables.rules
    from_muscle = ratio.ck and ratio.ck.highest.above_limit(rules.number("high_drr.muscle_ck_times_uln"))
    zone, at = record.mapping.time_zone, ratio.when
    before = rules.days("high_drr.other_cause_before_days")
    after = rules.days("high_drr.other_cause_after_days")
    named: list[tuple[str, Diagnosis]] = []
    for role, diagnosis in product(_OTHER_SOURCES, record.diagnoses):
        if not (diagnosis.confirmed and diagnosis.has(role)):
            continue
        onset, abated = diagnosis.onset, diagnosis.abatement
        if role in _LASTING:
            # Begun by the calendar day of the pair (undated: yes) and not abated before it
            begun = onset is None or local_day(onset.first, zone) <= at.day(zone)
            counts = not from_muscle and begun and not (abated and abated.day(zone) < at.day(zone))
        else:
            # Begun from 14 days before to 7 days after the pair (undated: no)
            counts = onset is not None and -before <= onset.first - at.last <= after
        if counts:
            named.append((_OTHER_SOURCES[role], diagnosis))
    if not named:
        return None
    kinds = ", ".join(dict.fromkeys(words for words, _ in named))
    return replace(
        feature,
        state=State.INDETERMINATE,
        rule="D8",
        reason=f"AST and ALT may not come from muscle: {kinds}",
        value=None,
        unit="",
        evidence=(*feature.evidence, *(cite_diagnosis(diagnosis, kind) for kind, diagnosis in named)),
        barred_by=(),
    )


def _age(record: PatientRecord, ratio: Ratio) -> timedelta:
    return record.as_of - ratio.when.last


def _chosen(record: PatientRecord, ratios: Iterable[Ratio]) -> Ratio:
    """D4: of the latest day the same specimen first, then the later, then the higher, then the lower id."""
    zone = record.mapping.time_zone
    by_id = sorted(ratios, key=lambda ratio: [member.id for member in ratio.members])
    return max(
        by_id, key=lambda ratio: (ratio.when.day(zone), ratio.same_specimen, ratio.when.last, ratio.exact)
    )


def _decided(
    record: PatientRecord, ratio: Ratio, active: Iterable[Ratio], recent: Iterable[Ratio]
) -> Feature:
    """D5 and D6: what the chosen ratio says; a bound decides if it can."""
    rules = record.mapping.tables.rules
    # D4: high is the chosen ratio, or one that only its size puts after it, and that may be the higher
    rivals = [rival for rival in active if _RANK(rival) == _RANK(ratio)]
    answers = [_is_high(record, rival) for rival in rivals]
    high = True if True in answers else agreed(answers)
    undecided = [rival for rival, answer in zip(rivals, answers, strict=True) if answer is None]
    open_members = {r.resource: r for rival in undecided for r in rival.members if _is_open(r)}
    compared = high is None or any(map(_is_open, ratio.members))
    state = {True: State.PRESENT, False: State.ABSENT, None: State.INDETERMINATE}[high]
    return Feature(
        state,
        rule="D2" if ratio.reported else "D6" if compared else "D5",
        reason="the comparator leaves the ratio open" if high is None else "",
        barred_by=tuple(map(open_doubt, open_members.values())) if high is None else (),
        stale=_age(record, ratio) > rules.days("high_drr.stale_after_days"),
        value=None if high is None or ratio.upto else _QUOTIENT.divide(ratio.ast, ratio.alt),
        unit="" if high is None or ratio.upto else "1",
        date=ratio.when.day_text,
        evidence=_evidence(ratio),
        notes=_notes(record, ratio, recent),
        comparator=ratio.comparator or "",
    )


def _perhaps_before(record: PatientRecord, chosen: Ratio, recent: Iterable[Ratio]) -> Iterator[Ratio]:
    """D3: ratios of which it is open whether they are from active disease, that may be high: D4 would take one of them."""
    zone = record.mapping.time_zone
    rank = chosen.when.day(zone), *_RANK(chosen)
    for ratio in recent:
        is_before = ratio.phase == "open" and (ratio.when.day(zone), *_RANK(ratio)) >= rank
        if is_before and _is_high(record, ratio) is not False:
            yield ratio


def _is_open(result: Result) -> bool:
    return bool(result.amount and (result.amount.comparator or result.amount.upto))


def _is_high(record: PatientRecord, ratio: Ratio) -> bool | None:
    threshold = Fraction(record.mapping.tables.rules.number("high_drr.threshold"))
    if ratio.comparator is None or ratio.may_be_refused:
        return None
    return above(ratio.exact, ratio.comparator, threshold, ratio.upto)


def _undecided(ratio: Ratio, rule: str, reason: str) -> Feature:
    return Feature(
        State.INDETERMINATE,
        rule,
        reason,
        date=ratio.when.day_text,
        evidence=_evidence(ratio),
        notes=_difference(ratio),
    )


def _evidence(ratio: Ratio) -> tuple[Evidence, ...]:
    results = (*ratio.members, ratio.ck.highest.stands) if ratio.ck else ratio.members
    return tuple(cited for result in results for cited in cite_with_limit(result))


def _why_missing(record: PatientRecord, ratios: Ratios) -> str:
    """D5, the first reason that holds; F9 where the source is not there at all."""
    asts, alts = record.of("ast"), record.of("alt")
    nothing = not (asts or alts or ratios.counted)
    reasons = (
        ("not offered by the server", nothing and not record.offers("enzymes")),
        ("no AST", not asts),
        ("no ALT", not alts),
        ("no pair within 5 years", any(not ratio.reported for ratio in ratios.counted)),
        ("ALT < 5 U/L", ratios.alt_too_low),
    )
    return next((reason for reason, holds in reasons if holds), "not the same day")


def _notes(record: PatientRecord, ratio: Ratio, recent: Iterable[Ratio]) -> tuple[Note, ...]:
    """D7, and the difference of D2: what to know before trusting the ratio."""
    rules = record.mapping.tables.rules
    notes = list(_difference(ratio))
    reach = rules.days("high_drr.unstable_within_days")
    # A partial date counts as its last possible instant (F3)
    near = (other for other in recent if abs(other.when.last - ratio.when.last) <= reach)
    if {_is_high(record, other) for other in near if other.phase == "active"} >= {True, False}:
        threshold, days = rules.number("high_drr.threshold"), rules.number("high_drr.unstable_within_days")
        notes.append(Note("D7", f"unstable: within {days} days AST/ALT lay on both sides of {threshold}"))
    return tuple(notes)


def _difference(ratio: Ratio) -> tuple[Note, ...]:
    return (Note("D2", "the reported AST/ALT differs from the computed one"),) if ratio.contradicted else ()
