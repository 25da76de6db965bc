"""Disease now: the latest CK, its peak and nadir, and the phase of the disease (R1, R2, R4)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from decimal import Context
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.evidence import Activity, Evidence, Measured
from fhir_mapping.laboratory.antibody import read_serology
from fhir_mapping.laboratory.bounds import Reach, amount_of, at_most, bounded, highest_reach, reach
from fhir_mapping.laboratory.results import LAST, Highest, highest, lowest, may_be_highest
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Diagnosis, Doubt, Result
from fhir_mapping.rules.citation import cite_diagnosis, cite_with_limit
from fhir_mapping.rules.eligibility import is_myopathy
from fhir_mapping.rules.predictors.course_doubts import newer_ck_doubts
from fhir_mapping.rules.rise import (
    Rise,
    confirmed_rise,
    in_order,
    latest_ck,
    rising,
    steep_rise,
    times_uln,
)
from fhir_mapping.rules.tristate import NO, YES, Tristate, both, either
from models.inputs import Phase

COMING_BACK = frozenset({"relapse", "recurrence"})  # clinical statuses (R2 a)
_QUOTIENT = Context(prec=28)
_PER_CENT = 100


def activity(record: PatientRecord) -> Activity:
    """CK now, its peak and nadir in U/L and × ULN (R1), and the phase (R4), the first that holds."""
    course = _course_of(record)
    phase, reason = course.phase()
    rise = course.rise_of(phase)
    cks: tuple[Result, ...] = ()  # what says the phase
    if rise and rise.nadir:
        cks = (*rise.high, rise.nadir)
    elif course.latest and phase in {"active", "improving"}:
        cks = (course.latest,)
    coded = course.coded if phase == "relapse" else ()
    cited = [cite_diagnosis(diagnosis) for diagnosis in coded]
    for ck in cks:
        cited += cite_with_limit(ck)
    times_lowest = None
    if course.latest and rise and rise.nadir:
        times_lowest = _QUOTIENT.divide(amount_of(course.latest).value, at_most(rise.nadir))
    return Activity(
        ck=_measured(course.latest) if course.latest else None,
        peak=_measured(course.peak) if course.peak else None,
        nadir=_measured(course.nadir) if course.nadir else None,
        phase=phase,
        reason=reason,
        lowest=_measured(rise.nadir) if rise and rise.nadir else None,
        times_lowest=times_lowest,
        never_fell=phase == "active" and not course.is_above("active").truth,
        coded=_said_in_code(coded[0]) if coded else None,
        rhabdomyolysis=_rhabdomyolysis(course) if phase == "relapse" else None,
        unread_ck=max(course.newer, key=lambda doubt: (doubt.when, doubt.resource), default=None),
        evidence=tuple(cited),
        barred_by=course.barred_by() if phase == "unknown" else (),
    )


class _Course(Struct, frozen=True):
    """What the CK of a record and its codes say of the disease now, and the questions of R4 about it."""

    record: PatientRecord
    newest: Highest | None
    peak: Result | None
    nadir: Result | None
    coded: tuple[Diagnosis, ...]
    rises: tuple[Rise, Rise, Rise]  # R2 (b), R2 (c), R2b
    newer: tuple[Doubt, ...]

    @property
    def latest(self) -> Result | None:
        """The latest CK as it is shown."""
        return self.newest.stands if self.newest else None

    def phase(self) -> tuple[Phase, str]:
        """R4 with what says so; of `unknown` the first reason."""
        confirmed, steep, again = self.rises
        if self.coded or confirmed.holds or steep.holds:
            rise = confirmed if confirmed.holds else steep
            said = [f"{self.coded[0].clinical} is coded"] if self.coded else []
            said += [f"CK {_in_words(rise)}"] if rise.holds else []
            return "relapse", "; ".join(said)
        if again.holds:
            return "rising", f"CK rising: {_in_words(again)}"
        if self.is_active().truth:
            return "active", ""
        if self.newer:
            return "unknown", "a newer CK could not be read"
        if self.latest is None:
            return "unknown", "no CK on record"
        if not self.is_recent:
            return "unknown", "latest CK > 180 days old"
        if any(answer.truth is None for answer in self._asked()):
            return "unknown", "CK not decided"
        if self.is_above("raised").truth:
            return "improving", ""
        return ("unknown", "an older CK could not be read") if self.older else ("controlled", "")

    def rise_of(self, phase: Phase) -> Rise | None:
        """The rise behind a phase."""
        names = {"relapse": self.rises[:2], "rising": self.rises[2:]}
        return next((rise for rise in names.get(phase, ()) if rise.holds), None)

    @property
    def is_recent(self) -> bool:
        within = self.record.mapping.tables.rules.days("activity.phase_ck_days")
        return self.latest is not None and self.record.as_of - self.latest.when.last <= within

    def is_active(self) -> Tristate:
        """R4 active: > 5 × ULN, or > 2 × ULN and never down to half of the peak."""
        if not self.is_recent:
            return NO
        raised = self.is_above("raised")
        if raised.truth is False:
            return NO
        active = self.is_above("active")
        return active if active.truth else either(active, both(raised, self._has_fallen().no()))

    @property
    def older(self) -> tuple[Doubt, ...]:
        """U5b: doubts with a number after the peak, where the latest CK may be raised by that nadir."""
        times = self.record.mapping.tables.rules.number("activity.times_uln")
        doubts = [doubt for doubt in self.record.doubts_in("ck") if doubt.holds_number]
        if not doubts or self.newest is None or self.newest.above_limit(times) is False:
            return ()
        since = LAST(_peaks(self.record)[0])
        return tuple(doubt for doubt in doubts if doubt.when > since)

    def barred_by(self) -> tuple[Doubt, ...]:
        """What keeps a phase that is not known from being another one (U6)."""
        if not self.is_recent:
            return ()
        answers = [answer for answer in self._asked() if answer.truth is None]
        left_open = {result.resource: result for answer in answers for result in answer.open_by}
        older = () if self.is_above("raised").truth else self.older
        return (*self.newer, *map(open_doubt, left_open.values()), *older)

    def is_above(self, name: str) -> Tristate:
        """Whether the latest CK exceeds that many × ULN."""
        assert self.newest is not None
        times = self.record.mapping.tables.rules.number(f"activity.{name}_times_uln")
        return times_uln(self.newest, times)

    def _has_fallen(self) -> Tristate:
        """Whether a CK after the peak is ≤ 50 % of it, whichever is the peak."""
        part = self.record.mapping.tables.rules.number("activity.active_percent_of_peak") / _PER_CENT
        cks, peaks = in_order(self.record), _peaks(self.record)
        floor = highest_reach(map(reach, peaks))
        later = cks[bisect_right(cks, LAST(peaks[0]), key=LAST) :]
        fallen = max([ck.when.first for ck in later if reach(ck).exceeds(part, floor) is False], default=None)
        undecided = [peak for peak in peaks if fallen is None or fallen <= LAST(peak)]
        if not undecided:
            return YES
        left_open = [ck for ck, peak in _beside(later, undecided, floor) if not reach(ck).exceeds(part, peak)]
        is_open = left_open or len(undecided) < len(peaks)
        return Tristate(None, bounded(*peaks, *left_open)) if is_open else NO

    def _asked(self) -> list[Tristate]:
        """The answers to all questions of R4 about a recent CK."""
        return [*(rise.answer for rise in self.rises), self.is_active(), self.is_above("raised")]


def _course_of(record: PatientRecord) -> _Course:
    cks = in_order(record)
    peak = highest(cks)
    after_peak = [ck for ck in cks if ck.when.first > peak.when.last] if peak else []
    return _Course(
        record,
        latest_ck(record),
        peak,
        lowest(after_peak),
        coded_relapses(record),
        (confirmed_rise(record), steep_rise(record), rising(record)),
        newer_ck_doubts(record),
    )


@asked_once
def _peaks(record: PatientRecord) -> Sequence[Result]:
    """R1: every CK that may be the peak, as far as their bounds say."""
    return may_be_highest(in_order(record))


def _beside(cks: Sequence[Result], peaks: Sequence[Result], floor: Reach) -> Iterator[tuple[Result, Reach]]:
    """Each CK with what the peak can be, which is not below its floor, if it is one of those before that CK."""
    tops = accumulate(map(reach, peaks), lambda top, other: highest_reach((top, other)))
    reaches = [top._replace(low=floor.low, low_open=floor.low_open) for top in tops]
    for ck in cks:
        if before := bisect_left(peaks, ck.when.first, key=LAST):
            yield ck, reaches[before - 1]


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
        upto=amount.upto,
        times_upto=None if amount.upto is None else _QUOTIENT.divide(amount.upto, limit),
    )


def coded_relapses(record: PatientRecord) -> tuple[Diagnosis, ...]:
    """R2 (a): an eligible core or broad Condition in relapse or recurrence, recorded within 180 days."""
    serology = read_serology(record)
    within = record.mapping.tables.rules.days("activity.relapse_days")
    coded = (
        diagnosis
        for diagnosis in record.diagnoses
        if diagnosis.confirmed and diagnosis.clinical in COMING_BACK and is_myopathy(diagnosis, serology)
    )
    recent = (
        diagnosis
        for diagnosis in coded
        if (recorded := diagnosis.recorded or diagnosis.onset)
        and not diagnosis.recorded_late
        and record.as_of - recorded.last <= within
    )
    return tuple(sorted(recent, key=lambda diagnosis: diagnosis.resource))


def _said_in_code(diagnosis: Diagnosis) -> Evidence:
    """What a Condition says of a relapse, with the day on which it was recorded (R2 a)."""
    recorded = diagnosis.recorded or diagnosis.onset
    said = cite_diagnosis(diagnosis, diagnosis.clinical)
    return replace(said, date=recorded.day_text) if recorded else said


def _rhabdomyolysis(course: _Course) -> Evidence | None:
    """R2: a counted rhabdomyolysis with onset within 30 days of the latest CK; of several the lowest id."""
    latest = course.latest
    within = course.record.mapping.tables.rules.days("activity.rhabdomyolysis_days")
    near = (
        diagnosis
        for diagnosis in course.record.diagnoses
        if diagnosis.confirmed
        and diagnosis.has("rhabdomyolysis")
        and diagnosis.onset
        and latest
        and abs(diagnosis.onset.last - latest.when.last) <= within
    )
    first = min(near, key=lambda diagnosis: diagnosis.resource, default=None)
    return cite_diagnosis(first, "rhabdomyolysis") if first else None


def _in_words(rise: Rise) -> str:
    """What is high and its nadir, as bounded: "320", ">320", "320-410"; beside a comparator the end that is certain."""
    assert rise.nadir  # it holds
    said: list[str] = []
    for ck in (*rise.high, rise.nadir):
        amount, top = amount_of(ck), f"{at_most(ck):.0f}"
        low = f"{amount.comparator}{amount.value:.0f}"
        if amount.comparator.startswith("<"):
            said.append(f"{amount.comparator}{top}")
        else:
            said.append(low if amount.comparator or amount.upto is None else f"{low}-{top}")
    *high, nadir = said
    return f"{' and '.join(high)} U/L after a nadir of {nadir} U/L"
