"""Treatment refractory, `refractory.v1` (rules T5 to T10, with F9)."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.evidence import Evidence, Feature, Note
from fhir_mapping.laboratory.answers import took_place
from fhir_mapping.laboratory.results import latest_as_bounded, recent
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt, SourceKey, local_day
from fhir_mapping.rules.citation import cite, cite_with_limit
from fhir_mapping.rules.doubted import doubted
from fhir_mapping.rules.exposures import DailyDoses, Episode, Exposure, glucocorticoid_dose
from fhir_mapping.rules.predictors.course import (
    TreatmentCourse,
    course_of,
    first_of,
    taken,
    years_of_glucocorticoid,
)
from fhir_mapping.rules.predictors.course_doubts import NO_AGENT, agent_doubts, stayed_raised, why_doubted
from fhir_mapping.terms.roles import AgentClass
from models.inputs import State

MEDICATION_SOURCES: tuple[SourceKey, ...] = (
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
)
_NOT_OFFERED = "not offered by the server"
_ESCALATIONS: frozenset[AgentClass] = frozenset(  # T8
    {"rituximab", "cyclophosphamide", "fcrn", "complement", "jak"}
)


class _ActiveDisease(Struct, frozen=True):
    """A sign that the disease was active under treatment, and when."""

    when: datetime
    evidence: tuple[Evidence, ...]
    date: str


def treatment_refractory(record: PatientRecord) -> Feature:
    """Did the disease withstand treatment? Present by T5, T6 or T7; T8: indeterminate; T9: absent; T10: missing.

    "Ever refractory": a later remission does not undo it. Medication lists or a CK that the server does not offer
    are absent sources (F9).
    """
    course = course_of(record)
    feature = (
        _stated(record)
        or _second_agent_failed(course)
        or _glucocorticoid_failed(course)
        or _nothing_to_read(course)
        or _escalated(course)
        or _by_latest_ck(course)
    )
    if feature.state is State.MISSING:
        return doubted(feature, "U5", NO_AGENT, agent_doubts(record))
    return feature


def _stated(record: PatientRecord) -> Feature | None:
    """T5: a code that the client's site map calls refractory; of Conditions only confirmed ones (M1)."""
    tables = record.mapping.tables
    told = [r.resource for r in record.results if "refractory" in r.roles and took_place(r, tables)]
    told += [d.resource for d in record.diagnoses if d.confirmed and d.has("refractory")]
    told += [d.resource for d in record.done if d.has("refractory")]
    evidence = tuple(Evidence(resource, "refractory") for resource in told)
    return Feature(State.PRESENT, "T5", evidence=evidence) if evidence else None


def may_be_stated(record: PatientRecord) -> bool:
    """T5: whether it matters what a Condition or a report says: the client has a code, and no other rule says present."""
    if not record.mapping.tables.codes("procedures", "refractory"):
        return False
    return treatment_refractory(record).state is not State.PRESENT


def _second_agent_failed(course: TreatmentCourse) -> Feature | None:
    """T6: a second agent, begun well after the first and with glucocorticoid, and still active disease."""
    if not course.second_agents:
        return None
    begun = _next_agents(course.tolerated)
    doses = DailyDoses(course.record, course.glucocorticoid)
    for firsts, second in course.second_agents:
        if activity := _raised_ck_after(course, second) or _dose_still_needed(course, second, doses):
            return _ever(course, "T6", activity, (min(firsts, key=lambda e: e.start), second))
        # The earliest agent that is neither of the two and began at least 90 days after the second
        since = bisect_left(begun, course.days("third_after_days"), key=lambda e: e[0].start - second.start)
        thirds = begun[since] if since < len(begun) else ()
        for first in firsts:
            third = next((e for e in thirds if e.agent not in {first.agent, second.agent}), None)
            if third:
                activity = _ActiveDisease(third.start, _cite(third), third.exposures[0].began.day_text)
                return _ever(course, "T6", activity, (first, second))
    return None


def _raised_ck_after(course: TreatmentCourse, second: Episode) -> _ActiveDisease | None:
    """T6: the first raised CK of 90 to 730 days after the second agent began."""
    raised = taken(course.high, second.start, course.days("ck_from_days"), course.days("ck_to_days"))
    if not raised:
        return None
    return _ActiveDisease(raised[0].when.last, cite_with_limit(raised[0]), raised[0].when.day_text)


def _next_agents(episodes: Sequence[Episode]) -> list[tuple[Episode, ...]]:
    """From each episode on, in order of time, the first ones of three agents: one of them is neither of any two."""
    begun: list[tuple[Episode, ...]] = [()]
    for episode in reversed(episodes):
        begun.append((episode, *(e for e in begun[-1] if e.agent != episode.agent))[:3])
    return begun[:0:-1]


def _dose_still_needed(course: TreatmentCourse, second: Episode, doses: DailyDoses) -> _ActiveDisease | None:
    """T6: glucocorticoid of at least 10 mg prednisone on day 180, if that day has come."""
    after, record = course.days("glucocorticoid_on_day"), course.record
    if record.as_of - second.start < after:
        return None
    then = second.start + after
    day = local_day(then, record.mapping.time_zone)
    if doses.on(day) < record.mapping.tables.rules.number("refractory.glucocorticoid_mg"):
        return None
    dose = glucocorticoid_dose(record, course.glucocorticoid, day)
    assert dose
    return _ActiveDisease(then, tuple(_cite_exposure(e) for e in dose.exposures), day.isoformat())


def _glucocorticoid_failed(course: TreatmentCourse) -> Feature | None:
    """T7: a year of glucocorticoid, and after it a CK that is raised and above half of the early peak."""
    for episode, early, late in years_of_glucocorticoid(course):
        if early and late and stayed_raised(course, early, first_of(late)) is True:
            first = first_of(late).stands
            evidence = tuple(e for ck in (*early, first) for e in cite_with_limit(ck))
            activity = _ActiveDisease(first.when.last, evidence, first.when.day_text)
            return _ever(course, "T7", activity, (episode,))
    return None


def _ever(course: TreatmentCourse, rule: str, activity: _ActiveDisease, failed: Iterable[Episode]) -> Feature:
    """Present for good: a remission after the activity does not undo it, and is noted."""
    evidence = (*(e for episode in failed for e in _cite(episode)), *activity.evidence)
    notes = []
    latest = latest_as_bounded(course.ck)
    if latest and latest.stands.when.last > activity.when and course.is_raised(latest) is False:
        last = latest.stands
        notes.append(Note(rule, f"Later remission: CK {cite(last).original} on {last.when.day_text}"))
    return Feature(State.PRESENT, rule, date=activity.date, evidence=evidence, notes=tuple(notes))


def _nothing_to_read(course: TreatmentCourse) -> Feature | None:
    """T10 without any treatment on record; F9 where medication lists, or the only source of CK, are not offered."""
    if not course.treated:
        is_offered = not course.record.not_offered.issuperset(MEDICATION_SOURCES)
        return Feature(State.MISSING, "T10", "no medication data" if is_offered else _NOT_OFFERED)
    if not course.ck and not course.record.offers("enzymes"):
        return Feature(State.MISSING, "T10", _NOT_OFFERED, evidence=_cite_all(course))
    return None


def _escalated(course: TreatmentCourse) -> Feature | None:
    """T8 (iv): escalated, and no CK since: nobody can say whether it was needed."""
    escalations = [(e.start, e.agent, _cite(e)) for e in course.agents if e.klass in _ESCALATIONS]
    for done in course.record.done:
        if done.kind == "Procedure" and done.has("plasma-exchange"):
            exchange = Evidence(done.resource, "plasma-exchange", date=done.when.day_text)
            escalations.append(((done.start or done.when).first, "plasma-exchange", (exchange,)))
    last_ck = course.ck[-1].when.last if course.ck else None
    after = course.days("escalation_after_days")
    evidence: list[Evidence] = []
    firsts = {e.agent: e for e in reversed(course.agents)}
    for begun, agent, cites in escalations:
        earlier = min((e for e in firsts.values() if e.agent != agent), key=lambda e: e.start, default=None)
        if earlier and begun - earlier.start >= after and (last_ck is None or last_ck <= begun):
            evidence += cites
    if not evidence:
        return None
    return Feature(State.INDETERMINATE, "T8", "no CK since escalation", evidence=tuple(evidence))


def _by_latest_ck(course: TreatmentCourse) -> Feature:
    """T10: less than 90 days of treatment say nothing. T9: the latest CK not raised; else T8 with the first reason."""
    if course.time_treated < course.days("treated_at_least_days"):
        return Feature(State.MISSING, "T10", "treated < 90 days", evidence=_cite_all(course))
    last = latest_as_bounded(recent(course.ck, course.record.as_of, course.days("latest_ck_days")))
    evidence = (*_cite_all(course), *(cite_with_limit(last.stands) if last else ()))
    date = last.stands.when.day_text if last else ""
    is_raised = course.is_raised(last) if last else None
    first_day = min(e.first_day for e in course.treated)
    left_open: tuple[Doubt, ...] = ()
    if is_raised:
        why_open = "CK still raised"
    elif course.time_treated < course.days("treated_enough_days"):
        why_open = "treated < 180 days"
    elif not course.ck or course.ck[-1].when.day(course.record.mapping.time_zone) < first_day:
        why_open = "no CK on treatment"
    elif last is None:
        why_open = "latest CK > 180 days old"
    elif is_raised is None:
        why_open, left_open = "CK not decided", tuple(map(open_doubt, last.left_open_by))
    else:
        reason, doubts = why_doubted(course)
        return doubted(Feature(State.ABSENT, "T9", date=date, evidence=evidence), "T9", reason, doubts)
    return Feature(State.INDETERMINATE, "T8", why_open, date=date, evidence=evidence, barred_by=left_open)


def _cite(episode: Episode) -> tuple[Evidence, ...]:
    return tuple(_cite_exposure(e) for e in episode.exposures)


def _cite_all(course: TreatmentCourse) -> tuple[Evidence, ...]:
    return tuple(cited for episode in course.treated for cited in _cite(episode))


def _cite_exposure(exposure: Exposure) -> Evidence:
    """A medication resource with the date on which it began."""
    return Evidence(exposure.treatment.resource, exposure.treatment.ingredient, date=exposure.began.day_text)
