"""High De Ritis ratio, AST/ALT: present, absent, indeterminate or missing (D)."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Context
from fractions import Fraction

from fhir_mapping.evidence import Evidence, Feature, Note
from fhir_mapping.laboratory.bounds import above
from fhir_mapping.record import PatientRecord
from fhir_mapping.rules.citation import cite_with_limit
from fhir_mapping.rules.predictors.nearest import apart
from fhir_mapping.rules.predictors.ratios import Ratio, Ratios, read_ratios
from fhir_mapping.terms.roles import RoleWord
from models.inputs import State

_QUOTIENT = Context(prec=28)
_BY_UNIT = frozenset({"no unit", "unknown unit"})
_ENZYMES: frozenset[RoleWord] = frozenset({"ast", "alt"})


def high_drr(record: PatientRecord) -> Feature:
    """Whether the latest AST/ALT from active disease is above the threshold (D1 to D7); the value has unit 1."""
    ratios = read_ratios(record)
    look_back = record.mapping.tables.rules.days("high_drr.look_back_days")
    recent = [ratio for ratio in ratios.counted if _age(record, ratio) <= look_back]
    active = [ratio for ratio in recent if ratio.phase == "active"]
    if active:
        return _decided(record, _chosen(record, active), active)
    if unknown := [ratio for ratio in recent if ratio.phase == "unknown"]:
        return _undecided(_chosen(record, unknown), "D2", "activity unknown")
    if recent:
        return _undecided(_chosen(record, recent), "D5", "no pair from active disease")
    return Feature(State.MISSING, "D5", _why_missing(record, ratios))


def _age(record: PatientRecord, ratio: Ratio) -> timedelta:
    return record.as_of - ratio.when.last


def _chosen(record: PatientRecord, ratios: Iterable[Ratio]) -> Ratio:
    """D4: of the latest day the same specimen first, then the later, then the higher, then the lower id."""
    zone = record.mapping.time_zone
    by_id = sorted(ratios, key=lambda ratio: [member.id for member in ratio.members])
    return max(
        by_id, key=lambda ratio: (ratio.when.day(zone), ratio.same_specimen, ratio.when.last, ratio.exact)
    )


def _decided(record: PatientRecord, ratio: Ratio, active: Iterable[Ratio]) -> Feature:
    """D5 and D6: what the chosen ratio says; a bound decides if it can."""
    rules = record.mapping.tables.rules
    high = _is_high(record, ratio)
    compared = any(member.amount and member.amount.comparator for member in ratio.members)
    state = {True: State.PRESENT, False: State.ABSENT, None: State.INDETERMINATE}[high]
    return Feature(
        state,
        rule="D2" if ratio.reported else "D6" if compared else "D5",
        reason="the comparator leaves the ratio open" if high is None else "",
        stale=_age(record, ratio) > rules.days("high_drr.stale_after_days"),
        value=None if high is None else _QUOTIENT.divide(ratio.ast, ratio.alt),
        unit="" if high is None else "1",
        date=ratio.when.day_text,
        evidence=_evidence(ratio),
        notes=_notes(record, ratio, active),
    )


def _is_high(record: PatientRecord, ratio: Ratio) -> bool | None:
    threshold = Fraction(record.mapping.tables.rules.number("high_drr.threshold"))
    return None if ratio.comparator is None else above(ratio.exact, ratio.comparator, threshold)


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
    results = (*ratio.members, ratio.ck) if ratio.ck else ratio.members
    return tuple(cited for result in results for cited in cite_with_limit(result))


def _why_missing(record: PatientRecord, ratios: Ratios) -> str:
    """D5, the first reason that holds; F9 where the source is not there at all."""
    asts, alts = record.of("ast"), record.of("alt")
    without_unit = any(refused.reason in _BY_UNIT and refused.roles & _ENZYMES for refused in record.refused)
    nothing = not (asts or alts or ratios.counted or without_unit)
    reasons = (
        ("not offered by the server", nothing and not record.offers("enzymes")),
        ("unit", without_unit),
        ("no AST", not asts),
        ("no ALT", not alts),
        ("no pair within 5 years", any(not ratio.reported for ratio in ratios.counted)),
        ("ALT < 5 U/L", ratios.alt_too_low),
    )
    return next((reason for reason, holds in reasons if holds), "not the same day")


def _notes(record: PatientRecord, ratio: Ratio, active: Iterable[Ratio]) -> tuple[Note, ...]:
    """D7, and the difference of D2: what to know before trusting the ratio."""
    rules = record.mapping.tables.rules
    notes = list(_difference(ratio))
    if _is_unstable(record, ratio, active):
        threshold, days = rules.number("high_drr.threshold"), rules.number("high_drr.unstable_within_days")
        notes.append(Note("D7", f"unstable: within {days} days AST/ALT lay on both sides of {threshold}"))
    if any(d.confirmed and d.has("liver-disease") for d in record.diagnoses):
        notes.append(Note("D7", "liver disease is coded: AST and ALT may not come from muscle"))
    if _had_infarction(record, ratio):
        days = rules.number("high_drr.infarction_within_days")
        notes.append(Note("D7", f"myocardial infarction within {days} days: AST may come from the heart"))
    return tuple(notes)


def _difference(ratio: Ratio) -> tuple[Note, ...]:
    return (Note("D2", "the reported AST/ALT differs from the computed one"),) if ratio.contradicted else ()


def _is_unstable(record: PatientRecord, ratio: Ratio, active: Iterable[Ratio]) -> bool:
    reach = record.mapping.tables.rules.days("high_drr.unstable_within_days")
    sides = {_is_high(record, other) for other in active if apart(other.when, ratio.when) <= reach}
    return sides >= {True, False}


def _had_infarction(record: PatientRecord, ratio: Ratio) -> bool:
    reach = record.mapping.tables.rules.days("high_drr.infarction_within_days")
    infarctions = (d for d in record.diagnoses if d.has("myocardial-infarction") and d.confirmed)
    return any(d.onset and apart(d.onset, ratio.when) <= reach for d in infarctions)
