"""What was done and what is planned, for the follow-up table (rules V1 to V4); `models.advice` says what is due."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from operator import itemgetter
from typing import Literal

from fhir_mapping.laboratory.answers import took_place
from fhir_mapping.laboratory.antibody import ANTIBODIES, Antibody, Serology, read_serology
from fhir_mapping.laboratory.results import newest
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Done, Moment, SourceKey, local_day
from fhir_mapping.rules.context import pregnant
from fhir_mapping.rules.falls import fvc_fell
from fhir_mapping.rules.statins import statin_row
from fhir_mapping.terms.roles import Analyte, RoleWord
from models.inputs import BookedVisit, FollowUpFacts, Part, PartName

_Performed = Literal["Procedure", "DiagnosticReport"]


@dataclass(frozen=True, slots=True)
class _Test:
    """A part of an item: what shows that it was done, which orders are for it, which queries bring its evidence.

    `results` are analytes; `reports` are role words of the Procedures and DiagnosticReports in `kinds`; `panels` are
    orders that contain it (V3); `sources` are prefetch keys.
    """

    name: PartName
    sources: frozenset[SourceKey]
    results: frozenset[Analyte] = frozenset()
    reports: frozenset[RoleWord] = frozenset()
    kinds: frozenset[_Performed] = frozenset({"Procedure", "DiagnosticReport"})
    panels: frozenset[RoleWord] = frozenset()


_REPORT: frozenset[_Performed] = frozenset({"DiagnosticReport"})
_PANEL: frozenset[RoleWord] = frozenset({"ast-alt-panel"})
_LUNG: frozenset[Analyte] = frozenset({"fvc", "dlco"})
_CT: frozenset[Analyte] = frozenset({"chest-ct"})
_PROCEDURES: frozenset[SourceKey] = frozenset({"procedures", "reports"})

_ITEMS: Mapping[str, tuple[_Test, ...]] = {
    "ck-ast-alt": (
        _Test("ck", frozenset({"enzymes"}), frozenset({"ck"})),
        _Test("ast", frozenset({"enzymes"}), frozenset({"ast"}), panels=_PANEL),
        _Test("alt", frozenset({"enzymes"}), frozenset({"alt"}), panels=_PANEL),
    ),
    "troponin-ecg": (
        _Test("troponin-i", frozenset({"cardiacTests"}), frozenset({"troponin-i"})),
        _Test("ecg", _PROCEDURES, reports=frozenset({"ecg"})),
    ),
    "echo": (_Test("echo", _PROCEDURES | {"cardiacTests"}, frozenset({"lvef"}), frozenset({"echo"})),),
}
_LUNG_FUNCTION = _Test("lung-function", frozenset({"lungFunction", "reports"}), _LUNG, _LUNG, _REPORT)
_CHEST_CT = _Test("chest-ct", _PROCEDURES, reports=_CT)
_TESTS = (_LUNG_FUNCTION, _CHEST_CT, *(test for tests in _ITEMS.values() for test in tests))
# What shows that a part was done, but for its results: kind and role. An Observation shows it by its code alone.
_SHOWN_BY: Mapping[PartName, Sequence[tuple[str, RoleWord]]] = {
    test.name: (*product(test.kinds, test.reports), *product(["Observation"], test.results))
    for test in _TESTS
}
_ORDERS: Mapping[PartName, frozenset[RoleWord]] = {  # the role words of an order for a part
    **{test.name: test.results | test.reports | test.panels for test in _TESTS},
    "anti-srp": frozenset({"anti-srp"}),
    "anti-hmgcr": frozenset({"anti-hmgcr"}),
    "ana": frozenset({"ana"}),
    "visit": frozenset({"referral"}),
}


def follow_up(record: PatientRecord) -> FollowUpFacts:
    """What was done and is planned, by item of the follow-up table (V).

    `lung-function` is an item only with interstitial lung disease or anti-SRP, `chest-ct` only with the former,
    `antibodies` only where neither antibody is positive. A part is readable only if every query that may bring its
    evidence was read; it keeps the date that is known (V2).
    """
    serology = read_serology(record)
    lungs = [d for d in record.diagnoses if d.confirmed and d.has("ild")]
    items = {name: tuple(_part(record, test) for test in tests) for name, tests in _ITEMS.items()}
    if lungs or "anti-srp" in serology.positive:
        items["lung-function"] = (_part(record, _LUNG_FUNCTION),)
    if lungs:
        items["chest-ct"] = (_part(record, _CHEST_CT),)
    if not serology.positive:
        items["antibodies"] = tuple(_antibody(record, serology, antibody) for antibody in ANTIBODIES)
    dated = [d.onset.first for d in lungs if d.onset]
    zone = record.mapping.time_zone
    return FollowUpFacts(
        as_of=record.as_of,
        today=local_day(record.as_of, zone),
        items={"visit": (_visit(record),), **items},
        appointments=_appointments(record),
        statin=statin_row(record, serology),
        ordered=_ordered(record),
        has_ild=bool(lungs),
        ild_since=min(dated, default=None),
        pregnant=pregnant(record),
        to_ask=_to_ask(record, serology),
    )


def _part(record: PatientRecord, test: _Test) -> Part:
    """V1: when a part was last done, be it with a result that cannot be used; V3: the orders for it."""
    # Not with "not performed" as the value of what needs no magnitude (FVC, DLCO, a CT): it was read (U1)
    is_done = partial(took_place, tables=record.mapping.tables)
    done = [(r.when, r.resource) for analyte in test.results for r in newest(record.of(analyte), is_done)]
    if others := _tests_done(record):
        done += [each for shown in _SHOWN_BY[test.name] for each in others.get(shown, ())]
    last, evidence = _latest(done)
    # A chest CT is due again where FVC fell after it (X2)
    fallen = fvc_fell(record) if test.name == "chest-ct" and last is not None else None
    return Part(
        name=test.name,
        last=last.day(record.mapping.time_zone) if last else None,
        evidence=evidence,
        orders=_orders(record).get(test.name, ()),
        readable=_readable(record, test.sources),
        again=fallen is not None and last is not None and fallen.when.last > last.last,
    )


@asked_once
def _tests_done(record: PatientRecord) -> Mapping[tuple[str, RoleWord], Sequence[tuple[Moment, str]]]:
    """What was done and is no contact, by its kind and each of its roles."""
    tests: defaultdict[tuple[str, RoleWord], list[tuple[Moment, str]]] = defaultdict(list)
    for done in record.done:
        if done.kind != "Encounter":
            for role in done.roles:
                tests[done.kind, role].append((done.when, done.resource))
    return tests


def _antibody(record: PatientRecord, serology: Serology, antibody: Antibody) -> Part:
    """When an antibody was last answered: positive, weak or negative (E7)."""
    answered = [(r.when, r.resource) for (asked, _), r in serology.latest.items() if asked == antibody]
    last, evidence = _latest(answered)
    return Part(
        name=antibody,
        last=last.day(record.mapping.time_zone) if last else None,
        evidence=evidence,
        orders=_orders(record).get(antibody, ()),
        readable=_readable(record, frozenset({"antibodies"})),
    )


def _to_ask(record: PatientRecord, serology: Serology) -> tuple[PartName, ...]:
    """E3: each antibody that is neither positive nor negative, and CK where none is of the last 60 days."""
    open_antibodies: list[PartName] = [
        antibody
        for antibody in ANTIBODIES
        if antibody not in serology.positive and not serology.is_negative(antibody)
    ]
    within = record.mapping.tables.rules.days("activity.recent_days")
    cks = record.of("ck")
    recent = bool(cks) and record.as_of - cks[-1].when.last <= within
    asked: list[PartName] = open_antibodies if _readable(record, frozenset({"antibodies"})) else []
    unread = not _readable(record, frozenset({"enzymes"}))
    return tuple(asked) if recent or unread else (*asked, "ck")


def _latest(done: Sequence[tuple[Moment, str]]) -> tuple[Moment | None, str]:
    """The latest evidence; of several at one time the lowest id."""
    if len(done) <= 1:
        return done[0] if done else (None, "")
    last = max([when.last for when, _ in done])
    return min([each for each in done if each[0].last == last], key=itemgetter(1))


def _readable(record: PatientRecord, sources: frozenset[SourceKey]) -> bool:
    return sources.isdisjoint(record.failed) and sources.isdisjoint(record.not_offered)


@asked_once
def _orders(record: PatientRecord) -> Mapping[PartName, tuple[datetime, ...]]:
    """V3, V7: the parts for which any order is active, and when these were written, as far as they have a date.

    None that was written after `as_of` is.
    """
    orders: dict[PartName, list[datetime]] = {}
    for order in (plan for plan in record.planned if plan.kind == "ServiceRequest"):
        if order.made is None or order.made.first <= record.as_of:
            for part in [part for part, roles in _ORDERS.items() if not order.roles.isdisjoint(roles)]:
                written = orders.setdefault(part, [])
                written += [min(order.made.last, record.as_of)] if order.made else []
    return {part: tuple(sorted(written)) for part, written in orders.items()}


def _ordered(record: PatientRecord) -> frozenset[PartName]:
    """V7: the parts for which any order is active, whatever its age, dated or not."""
    return frozenset(_orders(record))


def _visit(record: PatientRecord) -> Part:
    """V4: the latest visit: rheumatology or neurology, or, where the client allows it, any ambulatory one.

    Where it counts only because no specialty is coded, the evidence says so.
    """
    contacts = [done for done in record.done if done.kind == "Encounter"]
    visits: list[tuple[Moment, str]] = []
    for contact in contacts:
        if contact.has("visit"):
            visits.append((_time_of(record, contact), contact.resource))
        elif contact.has("ambulatory") and _any_counts(record, contact):
            visits.append((_time_of(record, contact), f"{contact.resource} (specialty not coded)"))
    last, evidence = _latest(visits)
    unclear, _ = _latest([(_time_of(record, d), d.resource) for d in contacts if _may_be_visit(record, d)])
    zone = record.mapping.time_zone
    return Part(
        name="visit",
        last=last.day(zone) if last else None,
        evidence=evidence,
        orders=_orders(record).get("visit", ()),
        readable=_readable(record, frozenset({"encounters"})),
        unclear=unclear.day(zone) if unclear else None,
    )


def _may_be_visit(record: PatientRecord, contact: Done) -> bool:
    """V4: an Encounter without a coded specialty of which nobody can say whether it is ambulatory."""
    return contact.unclear and _any_counts(record, contact)


def _any_counts(record: PatientRecord, contact: Done) -> bool:
    return record.mapping.any_encounter_counts and not contact.specialty_coded


def _time_of(record: PatientRecord, encounter: Done) -> Moment:
    """V4: in progress and begun within 24 h (in hospital: at any time) it is today's; else it counts at its start."""
    if not encounter.in_progress:
        return encounter.when
    start = encounter.start or encounter.when
    recent = record.as_of - start.first <= record.mapping.tables.rules.days("visit.todays_visit_hours")
    if recent or encounter.has("inpatient"):
        return Moment(record.as_of.isoformat(), record.as_of, record.as_of, "time")
    return start


def _appointments(record: PatientRecord) -> tuple[BookedVisit, ...]:
    """V3: booked visits (or those in which no specialty is coded), made not after `as_of`."""
    zone = record.mapping.time_zone
    starts = sorted(
        plan.start.first
        for plan in record.planned
        if plan.kind == "Appointment"
        and (plan.has("visit") or not plan.specialty_coded)
        and plan.start
        and plan.start.first > record.as_of
        and (plan.made is None or plan.made.first <= record.as_of)
    )
    return tuple(BookedVisit(start, local_day(start, zone)) for start in starts)
