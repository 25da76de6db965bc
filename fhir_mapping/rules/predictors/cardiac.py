"""Cardiac involvement, `cardiac.v1-clinical` (rules C1 to C6, with M1, E9 and F9)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fhir_mapping.evidence import Evidence, Feature, Note
from fhir_mapping.laboratory.bounds import amount_of, at_least, is_raised, is_within, size
from fhir_mapping.laboratory.results import latest, recent
from fhir_mapping.record import Diagnosis, PatientRecord, Result
from fhir_mapping.rules.citation import cite, cite_diagnosis
from fhir_mapping.terms.roles import Analyte, RoleWord
from models.inputs import State

_RAISED: Mapping[Analyte, str] = {"troponin-i": "troponin I raised", "nt-probnp": "NT-proBNP raised"}


@dataclass(frozen=True, slots=True)
class _Heart:
    """What the record says of the heart; the windows around the onset of myositis are already applied."""

    tier_a: tuple[Diagnosis, ...]
    pre_existing: tuple[Diagnosis, ...]
    tier_c: tuple[Diagnosis, ...]
    unconfirmed: tuple[Diagnosis, ...]  # of either tier and any time (M1)
    causes: tuple[Diagnosis, ...]  # what explains heart failure or a low LVEF otherwise (C4)
    low_lvef: tuple[Result, ...]  # the lowest first
    recovered: Result | None  # an LVEF that is no longer low, later than the lowest
    raised: tuple[Result, ...]  # troponin I, NT-proBNP
    normal: tuple[Result, ...]  # the negative search of C6

    @property
    def failing(self) -> tuple[Diagnosis, ...]:
        """Heart failure, which another heart disease may explain."""
        return tuple(d for d in self.tier_a if d.has("heart-failure"))


def cardiac_involvement(record: PatientRecord, onset: datetime | None) -> Feature:
    """Is the heart involved? Present by C1, C2; indeterminate by the first of C4, C3, M1; else C6: absent or missing.

    `onset` is that of the myositis (E9); None: the windows that need it are skipped, and noted. Tests that the
    server does not offer are an absent source (F9).
    """
    heart = _read(record, onset)
    decided = _present(heart) or _indeterminate(heart)
    if decided is None and heart.normal:
        decided = Feature(State.ABSENT, "C6", evidence=_cited((), heart.normal))
    if decided is None:
        reason = "not assessed" if record.offers("cardiacTests") else "not offered by the server"
        decided = Feature(State.MISSING, "C6", reason)
    if onset is None and (heart.tier_a or heart.tier_c or heart.low_lvef):
        note = Note("E9", "Onset of myositis unknown: heart findings count whatever their date")
        return replace(decided, notes=(*decided.notes, note))
    return decided


def _read(record: PatientRecord, onset: datetime | None) -> _Heart:
    tier_a, tier_c = _coded(record, "cardiac-a"), _coded(record, "cardiac-c")
    counted_a = tuple(d for d in tier_a if d.confirmed)
    low = _low_lvef(record, onset)
    return _Heart(
        tier_a=tuple(d for d in counted_a if _began_in_window(record, d, onset)),
        pre_existing=tuple(d for d in counted_a if not _began_in_window(record, d, onset)),
        tier_c=tuple(d for d in tier_c if d.confirmed and _began_in_window(record, d, onset)),
        unconfirmed=tuple(d for d in (*tier_a, *tier_c) if not d.confirmed),
        causes=tuple(d for d in _coded(record, "heart-failure-cause") if d.confirmed),
        low_lvef=low,
        recovered=_recovered(record, low),
        raised=_raised(record),
        normal=_normal(record),
    )


def _coded(record: PatientRecord, role: RoleWord) -> tuple[Diagnosis, ...]:
    return tuple(d for d in record.diagnoses if d.has(role))


def _began_in_window(record: PatientRecord, diagnosis: Diagnosis, onset: datetime | None) -> bool:
    """C1: undated ones count."""
    return diagnosis.onset is None or _in_window(record, diagnosis.onset.first, onset)


def _in_window(record: PatientRecord, when: datetime, onset: datetime | None) -> bool:
    """C1, C2: not before 365 days ahead of the onset; where that is unknown, at any time (E9)."""
    return onset is None or onset - when <= record.mapping.tables.rules.days("cardiac.before_onset_days")


def _is_low(record: PatientRecord, lvef: Result) -> bool | None:
    """C2: below 50 %; None where a comparator leaves it open."""
    limit, amount = record.mapping.tables.rules.number("cardiac.lvef_below"), lvef.amount
    normal = at_least(amount.value, amount.comparator, limit) if amount else None
    return None if normal is None else not normal


def _low_lvef(record: PatientRecord, onset: datetime | None) -> tuple[Result, ...]:
    """C2: each low LVEF from 365 days before the onset on, the lowest first, of equal ones the earliest."""
    low = [r for r in record.of("lvef") if _is_low(record, r) and _in_window(record, r.when.last, onset)]
    return tuple(sorted(low, key=lambda r: (size(amount_of(r)), r.when.last, r.id)))


def _recovered(record: PatientRecord, low: tuple[Result, ...]) -> Result | None:
    """C2: the latest LVEF, if it is no longer low."""
    last = latest(record.of("lvef"))
    later = last is not None and bool(low) and last.when.last > low[0].when.last
    return last if last and later and _is_low(record, last) is False else None


def _recent(record: PatientRecord, analyte: Analyte) -> Result | None:
    """C3, C6: the latest result of the last 365 days."""
    days = record.mapping.tables.rules.days("cardiac.search_days")
    return latest(recent(record.of(analyte), record.as_of, days))


def _raised(record: PatientRecord) -> tuple[Result, ...]:
    """C3: the latest troponin I, the latest NT-proBNP, above its own limit. Troponin T is no evidence (C5)."""
    last = [_recent(record, analyte) for analyte in _RAISED]
    return tuple(r for r in last if r and is_raised(r))


def _normal(record: PatientRecord) -> tuple[Result, ...]:
    """C6: the latest troponin I, the latest troponin T, within its own limit, and the latest LVEF that is not low."""
    troponins = [_recent(record, "troponin-i"), _recent(record, "troponin-t")]
    lvef = _recent(record, "lvef")
    normal = [r for r in troponins if r and is_within(r)]
    return (*normal, lvef) if lvef and _is_low(record, lvef) is False else tuple(normal)


def _present(heart: _Heart) -> Feature | None:
    """C1, then C2; heart failure and a low LVEF are none where something else explains them (C4)."""
    own = tuple(d for d in heart.tier_a if not heart.causes or not d.has("heart-failure"))
    if own:
        dates = [d.onset for d in own if d.onset]
        date = min(dates, key=lambda onset: onset.first).day_text if dates else ""
        return Feature(State.PRESENT, "C1", date=date, evidence=_cited(own), notes=_undated(own))
    if heart.causes or not heart.low_lvef:
        return None
    return _of_lvef(heart.low_lvef[0], heart.recovered)


def _of_lvef(lowest: Result, recovered: Result | None) -> Feature:
    """C2, with the lowest LVEF as its value in per cent; a later recovery is noted."""
    shown, later = cite(lowest), cite(recovered) if recovered else None
    return Feature(
        State.PRESENT,
        "C2",
        value=amount_of(lowest).value,
        unit=shown.unit,
        date=shown.date,
        evidence=(shown,),
        notes=(Note("C2", f"LVEF has recovered since: {later.original} on {later.date}"),) if later else (),
    )


def _indeterminate(heart: _Heart) -> Feature | None:
    """The first of C4, C3 and M1 that holds."""
    if heart.causes and (heart.failing or heart.low_lvef):
        explained = _cited((*heart.failing, *heart.causes), heart.low_lvef[:1])
        notes = _undated(heart.failing)
        return Feature(State.INDETERMINATE, "C4", "otherwise explained", evidence=explained, notes=notes)
    reasons = [_RAISED[r.analyte] for r in heart.raised]
    reasons += ["conduction disorder or arrhythmia"] if heart.tier_c else []
    reasons += ["pre-existing"] if heart.pre_existing else []
    if reasons:
        signs = _cited((*heart.tier_c, *heart.pre_existing), heart.raised)
        return Feature(State.INDETERMINATE, "C3", reasons[0], evidence=signs, notes=_undated(heart.tier_c))
    if heart.unconfirmed:
        return Feature(State.INDETERMINATE, "M1", "unconfirmed", evidence=_cited(heart.unconfirmed))
    return None


def _undated(diagnoses: tuple[Diagnosis, ...]) -> tuple[Note, ...]:
    """C1: an undated Condition counts, and that is noted."""
    return tuple(
        Note("C1", f"{d.resource} has no date and counts as heart disease of the myositis")
        for d in diagnoses
        if d.onset is None
    )


def _cited(diagnoses: tuple[Diagnosis, ...], results: tuple[Result, ...] = ()) -> tuple[Evidence, ...]:
    return (*(cite_diagnosis(d, _role(d)) for d in diagnoses), *(cite(r) for r in results))


def _role(diagnosis: Diagnosis) -> RoleWord:
    roles: tuple[RoleWord, ...] = ("cardiac-a", "cardiac-c", "heart-failure-cause")
    return next(role for role in roles if diagnosis.has(role))
