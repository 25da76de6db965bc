"""Which doubts bar "not refractory" (T9, U5b): a newer CK, an agent, an older CK that would have decided."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.laboratory.bounds import bounded, highest_reach, reach
from fhir_mapping.laboratory.results import Highest
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Doubt, Result
from fhir_mapping.rules.exposures import NO_AGENTS
from fhir_mapping.rules.predictors.course import TreatmentCourse, first_of, years_of_glucocorticoid

NO_AGENT = "an agent could not be read"


def why_doubted(course: TreatmentCourse) -> tuple[str, tuple[Doubt, ...]]:
    """The first reason that holds, and every doubt that gives one."""
    newer = newer_ck_doubts(course.record)
    agents = agent_doubts(course.record)
    doubts = tuple(dict.fromkeys((*newer, *agents, *_older_ck_doubts(course))))
    if newer:
        return "a newer CK could not be read", doubts
    return NO_AGENT if agents else "an older CK could not be read", doubts


@asked_once
def newer_ck_doubts(record: PatientRecord) -> tuple[Doubt, ...]:
    """Doubts in CK later than the latest CK that was read."""
    cks, doubts = record.of("ck"), record.doubts_in("ck")
    return tuple(d for d in doubts if d.when > cks[-1].when.last) if cks else doubts


def agent_doubts(record: PatientRecord) -> tuple[Doubt, ...]:
    """Doubts in an agent of T1, by code or by words, at any time."""
    tables = record.mapping.tables
    return tuple(
        d
        for d in record.doubts
        if d.role == "agent" or (d.role in tables.agents and tables.agent(d.role).klass not in NO_AGENTS)
    )


def stayed_raised(course: TreatmentCourse, early: Sequence[Result], late: Highest) -> bool | None:
    """T7: whether a CK is raised and above 50 % of the highest early CK; None where bounds leave it open."""
    half = course.record.mapping.tables.rules.number("refractory.ck_of_peak_percent") / 100
    answers = {course.is_raised(late), late.reach.exceeds(half, highest_reach(map(reach, early)))}
    return False if False in answers else None if None in answers else True


def _older_ck_doubts(course: TreatmentCourse) -> tuple[Doubt, ...]:
    """U5b: CK in a window of a T6 or T7 that lacks nothing else; F5: what was read there, and leaves it open."""
    after_agents = [  # the windows of T6
        (second.start + course.days("ck_from_days"), second.start + course.days("ck_to_days"))
        for _, second in course.second_agents
    ]
    in_reach = _Windows(after_agents)
    left_open = [
        ck
        for ck in (course.ck if after_agents else ())
        if ck.when.last in in_reach and not course.is_high(ck) and not course.is_low(ck)
    ]
    enough, at_first = course.days("glucocorticoid_days"), course.days("peak_within_days")
    of_years: list[tuple[datetime, datetime]] = []  # those of T7
    for episode, early, late in years_of_glucocorticoid(course):
        if early:
            of_years.append((episode.start + enough, late[0].when.last if late else episode.end))
        elif late and course.is_raised(first_of(late)):
            of_years.append((episode.start, episode.start + at_first))
        if early and late and stayed_raised(course, early, first_of(late)) is None:
            left_open += bounded(*early, *first_of(late).likely)
    windows = _Windows([*after_agents, *of_years])
    numbers = [d for d in course.record.doubts_in("ck") if d.holds_number and d.when in windows]
    # Whose unit cannot be read, or which are not certainly at most 2 × ULN
    older = [d for d in numbers if not (d.result and d.result.amount and course.is_low(d.result))]
    return (*older, *map(open_doubt, left_open))


class _Windows:
    """Stretches of time, ends included, that are joined where they meet: whether a moment is in any is found by halves."""

    def __init__(self, windows: Iterable[tuple[datetime, datetime]]) -> None:
        self._joined: list[tuple[datetime, datetime]] = []
        for low, high in sorted(window for window in windows if window[0] <= window[1]):
            if self._joined and low <= self._joined[-1][1]:
                first, last = self._joined.pop()
                self._joined.append((first, max(last, high)))
            else:
                self._joined.append((low, high))

    def __contains__(self, when: datetime) -> bool:
        place = bisect_right(self._joined, when, key=lambda window: window[0])
        return place > 0 and when <= self._joined[place - 1][1]
