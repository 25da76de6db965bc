"""Cardiac involvement, `cardiac.v1-clinical` (rules C1 to C6, with M1, E9 and F9)."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.evidence import Evidence, Feature, Note
from fhir_mapping.laboratory.bounds import above, above_limit, amount_of, at_least, is_within
from fhir_mapping.laboratory.results import Highest, latest, latest_as_bounded, lowest, newest, recent
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Diagnosis, Doubt, Result
from fhir_mapping.rules.citation import cite, cite_diagnosis
from fhir_mapping.rules.doubted import doubted
from fhir_mapping.terms.roles import Analyte, RoleWord
from models.inputs import State

_RAISED: Mapping[Analyte, str] = {  # C3, in its order
    "troponin-t": "troponin T raised, may come from skeletal muscle: troponin I decides",
    "troponin-i": "troponin I raised",
    "nt-probnp": "NT-proBNP raised",
}
_DOUBT_LIMITS: Mapping[str, str] = {
    "troponin-t": "cardiac.troponin_t_doubt",
    "troponin-i": "cardiac.troponin_i_doubt",
    "nt-probnp": "cardiac.nt_probnp_doubt",
}
_SEARCHES: Mapping[Analyte, str] = {  # C6, in the words of its reason
    "troponin-i": "troponin I",
    "troponin-t": "troponin T",
    "lvef": "ejection fraction",
}
_ROLES: tuple[RoleWord, ...] = ("cardiac-a", "cardiac-c", "heart-failure-cause")  # the first one is cited


class _Heart(Struct, frozen=True):
    """What the record says of the heart; the windows around the onset of myositis are already applied."""

    tier_a: tuple[Diagnosis, ...]
    pre_existing: tuple[Diagnosis, ...]
    tier_c: tuple[Diagnosis, ...]
    unconfirmed: tuple[Diagnosis, ...]  # of either tier and any time (M1)
    causes: tuple[Diagnosis, ...]  # what explains heart failure or a low LVEF otherwise (C4)
    low_lvef: Result | None  # the lowest
    recovered: Result | None  # an LVEF that is no longer low, later than the lowest
    raised: tuple[Result, ...]  # troponin T, troponin I, NT-proBNP
    normal: tuple[Result, ...]  # the negative searches of C6, whatever their age

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
    if decided is None:
        decided = _searched(record, heart.normal, onset)
    elif decided.state is State.PRESENT:
        decided = doubted(decided, "U5", "", record.doubts_in("cardiac"))
    if onset is None and (heart.tier_a or heart.tier_c or heart.low_lvef):
        note = Note("E9", "Onset of myositis unknown: heart findings count whatever their date")
        return replace(decided, notes=(*decided.notes, note))
    return decided


def _read(record: PatientRecord, onset: datetime | None) -> _Heart:
    tier_a, tier_c = _coded(record, "cardiac-a"), _coded(record, "cardiac-c")
    counted_a = tuple(d for d in tier_a if d.confirmed)
    # C2: the lowest from 365 days before the onset on
    low = lowest(
        [r for r in record.of("lvef") if _is_low(record, r) and _in_window(record, r.when.last, onset)]
    )
    latest_of = ((analyte, latest_as_bounded(record.of(analyte))) for analyte in (*_RAISED, "lvef"))
    tests = {analyte: last for analyte, last in latest_of if last}
    return _Heart(
        tier_a=tuple(d for d in counted_a if _began_in_window(record, d, onset)),
        pre_existing=tuple(d for d in counted_a if not _began_in_window(record, d, onset)),
        tier_c=tuple(d for d in tier_c if d.confirmed and _began_in_window(record, d, onset)),
        unconfirmed=tuple(d for d in (*tier_a, *tier_c) if not d.confirmed),
        causes=tuple(d for d in _coded(record, "heart-failure-cause") if d.confirmed),
        low_lvef=low,
        recovered=_recovered(record, low),
        raised=_raised(record, tests),
        normal=_normal(record, tests),
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
    normal = at_least(amount.value, amount.comparator, limit, amount.upto) if amount else None
    return None if normal is None else not normal


def _recovered(record: PatientRecord, low: Result | None) -> Result | None:
    """C2: the latest LVEF, if it is no longer low; of one time none may be."""
    last = newest(record.of("lvef"), lambda lvef: lvef.amount is not None) if low else ()
    if low is None or not last or last[0].when.last <= low.when.last:
        return None
    return latest(last) if all(_is_low(record, lvef) is False for lvef in last) else None


def _is_recent(record: PatientRecord, when: datetime) -> bool:
    """C3, C6: of the last 365 days."""
    return record.as_of - when <= record.mapping.tables.rules.days("cardiac.search_days")


def _raised(record: PatientRecord, tests: Mapping[Analyte, Highest]) -> tuple[Result, ...]:
    """C3: the latest of each within 365 days, if it is raised; of one time one that may be the highest and certainly is.

    Troponin T not beside a troponin I that decides: one that is raised, or that is within its own limit and was taken
    at most 7 days from it or later.
    """
    last = (tests[analyte] for analyte in _RAISED if analyte in tests)
    of_the_year = (highest for highest in last if _is_recent(record, highest.stands.when.last))
    by_test = (latest([r for r in highest.likely if _above(record, r)]) for highest in of_the_year)
    raised = {r.analyte: r for r in by_test if r}
    if troponin_t := raised.get("troponin-t"):
        taken = troponin_t.when.last
        reach = record.mapping.tables.rules.days("cardiac.troponin_i_within_days")
        normal = (is_within(r) and taken - r.when.last <= reach for r in record.of("troponin-i"))
        if "troponin-i" in raised or any(normal):
            del raised["troponin-t"]
    return tuple(raised.values())


def _above(record: PatientRecord, result: Result) -> bool | None:
    """C3: above its own limit or, without one, above the doubt limit of the table; None: left open."""
    amount, rules = amount_of(result), record.mapping.tables.rules
    if result.limits.high is not None or result.limits.several:
        return above_limit(result)
    return above(amount.value, amount.comparator, rules.number(_DOUBT_LIMITS[result.analyte]), amount.upto)


def _normal(record: PatientRecord, tests: Mapping[Analyte, Highest]) -> tuple[Result, ...]:
    """C6: the latest troponin I, the latest troponin T, within its own limit, and the latest LVEF that is not low."""
    normal: list[Result] = []
    for test in (tests[analyte] for analyte in _SEARCHES if analyte in tests):
        # Of a troponin, whichever of one time is the highest
        is_abnormal = _is_low(record, test.stands) if test.stands.analyte == "lvef" else test.above_limit()
        if is_abnormal is False:
            normal.append(test.stands)
    return tuple(normal)


def _searched(record: PatientRecord, normal: tuple[Result, ...], onset: datetime | None) -> Feature:
    """C6: absent after a negative search within 365 days, else missing; indeterminate against a doubt (U5, U5b)."""
    shown = tuple(r for r in normal if _is_recent(record, r.when.last))
    newer = _newer_doubts(record, max((r.when.last for r in shown), default=None))
    diagnoses = tuple(d for d in record.doubts_in("cardiac") if "cardiac-a" in d.roles)
    doubts = tuple(dict.fromkeys((*newer, *diagnoses, *_older_doubts(record, onset))))
    if newer:
        reason = "a newer result could not be read"
    elif diagnoses:
        reason = "a diagnosis could not be read"
    else:
        reason = "an older ejection fraction could not be read"
    if shown:
        return doubted(Feature(State.ABSENT, "C6", evidence=_cited((), shown)), "C6", reason, doubts)
    if not record.offers("cardiacTests"):
        why = "not offered by the server"
    elif not normal:
        why = "not assessed"
    else:
        last = max(normal, key=lambda r: r.when.last)
        why = f"last {_SEARCHES[last.analyte]} on {last.when.day_text}, over 365 days ago"
    return doubted(Feature(State.MISSING, "C6", why), "U5", reason, doubts)


def _newer_doubts(record: PatientRecord, searched: datetime | None) -> list[Doubt]:
    """C6: doubts of the last 365 days in a test of the heart, later than the newest negative search."""
    within = record.mapping.tables.rules.days("cardiac.search_days")
    tests = [r for analyte in ("lvef", *_RAISED) for r in recent(record.of(analyte), record.as_of, within)]
    in_tests = (d for d in record.doubts_in("lvef", *_RAISED) if _is_recent(record, d.when))
    newer = [d for d in in_tests if searched is None or d.when > searched]
    later = (r for r in tests if searched is None or r.when.last > searched)
    return [*newer, *(open_doubt(r) for r in later if _is_open(record, r))]


def _is_open(record: PatientRecord, result: Result) -> bool:
    """F5: what was read, and whose bounds leave the question of C2 or C3 open."""
    return (_is_low(record, result) if result.analyte == "lvef" else _above(record, result)) is None


def _older_doubts(record: PatientRecord, onset: datetime | None) -> tuple[Doubt, ...]:
    """U5b: ejection fractions in C2's window whose number could be below 50 %."""
    left_open = (open_doubt(lvef) for lvef in record.of("lvef") if _is_open(record, lvef))
    doubts = (*record.doubts_in("lvef"), *left_open)
    return tuple(
        d
        for d in doubts
        if (d.holds_number or d.reason == "interval")
        and _in_window(record, d.when, onset)
        and not (d.result and d.result.amount and _is_low(record, d.result) is False)
    )


def _present(heart: _Heart) -> Feature | None:
    """C1, then C2 with the lowest LVEF; heart failure and a low LVEF are none where something else explains them (C4)."""
    own = tuple(d for d in heart.tier_a if not heart.causes or not d.has("heart-failure"))
    if own:
        dates = [d.onset for d in own if d.onset]
        date = min(dates, key=lambda onset: onset.first).day_text if dates else ""
        return Feature(State.PRESENT, "C1", date=date, evidence=_cited(own), notes=_undated(own))
    if heart.causes or heart.low_lvef is None:
        return None
    shown, amount = cite(heart.low_lvef), amount_of(heart.low_lvef)
    later = cite(heart.recovered) if heart.recovered else None
    return Feature(
        State.PRESENT,
        "C2",
        value=None if amount.upto else amount.value,
        unit="" if amount.upto else shown.unit,
        date=shown.date,
        evidence=(shown,),
        notes=(Note("C2", f"LVEF has recovered since: {later.original} on {later.date}"),) if later else (),
        comparator=shown.comparator,
    )


def _indeterminate(heart: _Heart) -> Feature | None:
    """The first of C4, C3 and M1 that holds."""
    if heart.causes and (heart.failing or heart.low_lvef):
        low = (heart.low_lvef,) if heart.low_lvef else ()
        explained = _cited((*heart.failing, *heart.causes), low)
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
    cited = [cite_diagnosis(d, next(role for role in _ROLES if d.has(role))) for d in diagnoses]
    return (*cited, *map(cite, results))
