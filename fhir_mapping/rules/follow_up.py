"""What was done and what is planned, for the follow-up table (rules V1 to V4); `models.policy` says what is due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fhir_mapping.evidence import Subtype
from fhir_mapping.record import Done, Moment, PatientRecord, SourceKey, local_day
from fhir_mapping.terms.roles import Analyte, RoleWord
from models.inputs import FollowUpFacts, Part


@dataclass(frozen=True, slots=True)
class _Test:
    """A part of an item: what shows that it was done, which orders are for it, which queries bring its evidence.

    `results` are analytes; `reports` are role words of the Procedures and DiagnosticReports in `kinds`; `panels` are
    orders that contain it (V3); `sources` are prefetch keys.
    """

    name: str
    sources: frozenset[SourceKey]
    results: frozenset[Analyte] = frozenset()
    reports: frozenset[RoleWord] = frozenset()
    kinds: frozenset[Literal["Procedure", "DiagnosticReport"]] = frozenset({"Procedure", "DiagnosticReport"})
    panels: frozenset[RoleWord] = frozenset()

    @property
    def orders(self) -> frozenset[RoleWord]:
        """The role words of an order for it."""
        return self.results | self.reports | self.panels


_REPORT: frozenset[Literal["Procedure", "DiagnosticReport"]] = frozenset({"DiagnosticReport"})
_PANEL: frozenset[RoleWord] = frozenset({"ast-alt-panel"})
_LUNG: frozenset[Analyte] = frozenset({"fvc", "dlco"})
_CT: frozenset[Analyte] = frozenset({"chest-ct"})

_ITEMS: Mapping[str, tuple[_Test, ...]] = {
    "ck-ast-alt": (
        _Test("ck", frozenset({"enzymes"}), frozenset({"ck"})),
        _Test("ast", frozenset({"enzymes"}), frozenset({"ast"}), panels=_PANEL),
        _Test("alt", frozenset({"enzymes"}), frozenset({"alt"}), panels=_PANEL),
    ),
    "troponin-ecg": (
        _Test("troponin-i", frozenset({"cardiacTests"}), frozenset({"troponin-i"})),
        _Test("ecg", frozenset({"procedures", "reports"}), reports=frozenset({"ecg"})),
    ),
    "echo": (
        _Test(
            "echo",
            frozenset({"procedures", "reports", "cardiacTests"}),
            frozenset({"lvef"}),
            frozenset({"echo"}),
        ),
    ),
}
_LUNG_FUNCTION = _Test("lung-function", frozenset({"lungFunction", "reports"}), _LUNG, _LUNG, _REPORT)
_CHEST_CT = _Test("chest-ct", frozenset({"reports"}), _CT, _CT, _REPORT)


def follow_up(record: PatientRecord, subtype: Subtype) -> FollowUpFacts:
    """What was done and is planned, by item: `visit`, `ck-ast-alt`, `troponin-ecg`, `echo`, `lung-function` (V).

    `lung-function` is an item only with interstitial lung disease or anti-SRP, its part `chest-ct` only with the
    former; `statin` only in anti-HMGCR disease. A part is readable only if every query that may bring its evidence
    was read: visit encounters; ck, ast, alt enzymes; troponin-i cardiacTests; ecg procedures, reports; echo these and
    cardiacTests; lung-function lungFunction, reports; chest-ct reports. It keeps the date that is known (V2).
    """
    ild = any(d.confirmed and d.has("ild") for d in record.diagnoses)
    items = {name: tuple(_part(record, test) for test in tests) for name, tests in _ITEMS.items()}
    if ild or subtype in {"anti-SRP", "both"}:
        tests = (_LUNG_FUNCTION, _CHEST_CT) if ild else (_LUNG_FUNCTION,)
        items["lung-function"] = tuple(_part(record, test) for test in tests)
    return FollowUpFacts(
        as_of=record.as_of,
        today=local_day(record.as_of, record.mapping.time_zone),
        items={"visit": (_visit(record),), **items},
        appointments=_appointments(record),
        statin=active_statin(record) if subtype in {"anti-HMGCR", "both"} else "",
    )


def _part(record: PatientRecord, test: _Test) -> Part:
    """V1: when a part was last done; V3: the orders for it."""
    done = [(r.when, r.resource) for r in record.results if r.analyte in test.results]
    done += [(d.when, d.resource) for d in record.done if d.kind in test.kinds and d.roles & test.reports]
    last, evidence = _latest(done)
    return Part(
        name=test.name,
        last=last.day(record.mapping.time_zone) if last else None,
        evidence=evidence,
        orders=_orders(record, test.orders),
        readable=_readable(record, test.sources),
    )


def _latest(done: Iterable[tuple[Moment, str]]) -> tuple[Moment | None, str]:
    """The latest evidence; of several at one time the lowest id."""
    by_id = sorted(done, key=lambda evidence: evidence[1])
    return max(by_id, key=lambda evidence: evidence[0].last, default=(None, ""))


def _readable(record: PatientRecord, sources: frozenset[SourceKey]) -> bool:
    return sources.isdisjoint(record.failed) and sources.isdisjoint(record.not_offered)


def _orders(record: PatientRecord, roles: frozenset[RoleWord]) -> tuple[datetime, ...]:
    """V3: when active orders were written, never after `as_of`; one without a date is none."""
    made = [p.made for p in record.planned if p.kind == "ServiceRequest" and p.roles & roles]
    return tuple(sorted(min(m.last, record.as_of) for m in made if m and m.first <= record.as_of))


def _visit(record: PatientRecord) -> Part:
    """V4: the latest visit. Where it counts only because no specialty is coded, the evidence says so."""
    visits = [
        (_time_of(record, d), d.resource if d.has("visit") else f"{d.resource} (specialty not coded)")
        for d in record.done
        if _is_visit(record, d)
    ]
    last, evidence = _latest(visits)
    return Part(
        name="visit",
        last=last.day(record.mapping.time_zone) if last else None,
        evidence=evidence,
        readable=_readable(record, frozenset({"encounters"})),
    )


def _is_visit(record: PatientRecord, done: Done) -> bool:
    """V4: rheumatology or neurology, or, where no specialty is coded and the client allows it, any ambulatory one."""
    if done.kind != "Encounter":
        return False
    any_counts = record.mapping.any_encounter_counts and not done.specialty_coded
    return done.has("visit") or (any_counts and done.has("ambulatory"))


def _time_of(record: PatientRecord, encounter: Done) -> Moment:
    """V4: in progress and begun within 24 h (in hospital: at any time) it is today's; else it counts at its start."""
    if not encounter.in_progress:
        return encounter.when
    start = encounter.start or encounter.when
    recent = record.as_of - start.first <= record.mapping.tables.rules.days("visit.todays_visit_hours")
    if recent or encounter.has("inpatient"):
        return Moment(record.as_of.isoformat(), record.as_of, record.as_of, "time")
    return start


def _appointments(record: PatientRecord) -> tuple[datetime, ...]:
    """V3: starts of booked visits (or of those in which no specialty is coded), made not after `as_of`."""
    return tuple(
        sorted(
            plan.start.first
            for plan in record.planned
            if plan.kind == "Appointment"
            and (plan.has("visit") or not plan.specialty_coded)
            and plan.start
            and plan.start.first > record.as_of
            and (plan.made is None or plan.made.first <= record.as_of)
        )
    )


def active_statin(record: PatientRecord) -> str:
    """V: the first active statin on the medication list; empty: none."""
    agent = record.mapping.tables.agent
    statins = [
        t.resource
        for t in record.treatments
        if t.active
        and t.kind in {"MedicationRequest", "MedicationStatement"}
        and agent(t.ingredient).klass == "statin"
    ]
    return min(statins, default="")
