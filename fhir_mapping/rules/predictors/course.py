"""The course of treatment as T6 to T9 ask for it: episodes in order, CK in order, what qualifies as an agent."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import takewhile

from fhir_mapping.laboratory.bounds import amount_of, is_raised, is_within
from fhir_mapping.laboratory.results import LAST, Highest, at_different_times, highest_at_once
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Result
from fhir_mapping.rules.exposures import GLUCOCORTICOID, Episode, administrations, episodes, time_treated
from fhir_mapping.terms.roles import AgentClass

_BY_COURSE: frozenset[AgentClass] = frozenset({"rituximab", "cyclophosphamide"})


@dataclass(frozen=True)  # no slots: what qualifies as an agent is asked three times
class TreatmentCourse:
    """The course of treatment: episodes in order of their start, and every CK in order of time."""

    record: PatientRecord
    glucocorticoid: tuple[Episode, ...]
    agents: tuple[Episode, ...]  # all other systemic agents
    ck: Sequence[Result]  # of one time the highest first

    @property
    def treated(self) -> tuple[Episode, ...]:
        """The episodes of every systemic agent."""
        return (*self.glucocorticoid, *self.agents)

    @cached_property
    def time_treated(self) -> timedelta:
        """How long any systemic agent was given (T3)."""
        return time_treated(self.record, self.treated)

    @cached_property
    def high(self) -> Sequence[Result]:
        """Every CK that certainly exceeds 2 × ULN."""
        return [ck for ck in self.ck if self.is_high(ck)]

    @cached_property
    def tolerated(self) -> Sequence[Episode]:
        """The episodes of agents that were never stopped for intolerance (T6)."""
        tables = self.record.mapping.tables
        stopped = {
            exposure.agent
            for episode in self.agents
            for exposure in episode.exposures
            if (reasons := exposure.treatment.status_reasons)
            and tables.means("qualifiers", reasons, "intolerance")
        }
        return [episode for episode in self.agents if episode.agent not in stopped]

    @cached_property
    def second_agents(self) -> Sequence[tuple[tuple[Episode, ...], Episode]]:
        """T6 but for its activity: each second agent, with those begun well before it."""
        qualified = [episode for episode in self.tolerated if _was_long_enough(self, episode)]
        earliest = {episode.agent: episode for episode in reversed(qualified)}
        after = self.days("second_after_days")
        second_agents: list[tuple[tuple[Episode, ...], Episode]] = []
        for second in qualified:
            firsts = [
                e for e in earliest.values() if e.agent != second.agent and second.start - e.start >= after
            ]
            if firsts and _with_glucocorticoid(self, second):
                second_agents.append((tuple(firsts), second))
        return tuple(second_agents)

    def days(self, name: str) -> timedelta:
        """A window of the section `refractory` of rules.toml."""
        return self.record.mapping.tables.rules.days(f"refractory.{name}")

    def is_raised(self, ck: Highest) -> bool | None:
        """Whether the highest CK of one time exceeds 2 × ULN; None: its bounds leave it open."""
        return ck.above_limit(_times(self.record))

    def is_low(self, ck: Result) -> bool:
        """Whether a CK certainly is at most 2 × ULN."""
        return is_within(ck, _times(self.record))

    def is_high(self, ck: Result) -> bool:
        """Whether a CK certainly exceeds 2 × ULN."""
        return is_raised(ck, _times(self.record))


def course_of(record: PatientRecord) -> TreatmentCourse:
    """Put the treatments and the CK results of a record in order."""
    treated = episodes(record)
    ck = [r for r in record.of("ck") if r.amount]
    if not at_different_times(ck):
        ck.sort(key=lambda r: (r.when.last, -amount_of(r).value, r.id))
    return TreatmentCourse(
        record,
        glucocorticoid=tuple(e for e in treated if e.agent == GLUCOCORTICOID),
        agents=tuple(e for e in treated if e.agent != GLUCOCORTICOID),
        ck=ck,
    )


def _times(record: PatientRecord) -> Decimal:
    return record.mapping.tables.rules.number("refractory.ck_times_uln")


def _was_long_enough(course: TreatmentCourse, episode: Episode) -> bool:
    """T6: 90 days of the agent; of rituximab and cyclophosphamide a course and 90 days since; or a course of IVIG."""
    enough = course.days("agent_days")
    if episode.duration >= enough:
        return True
    if episode.klass != "ivig":
        return episode.klass in _BY_COURSE and course.record.as_of - episode.start >= enough
    # Administrations on at least 3 days, each at least 14 days after the one before
    counted: list[date] = []
    for day in sorted({e.first_day for e in administrations(episode)}):
        if not counted or day - counted[-1] >= course.days("ivig_days_apart"):
            counted.append(day)
    return len(counted) >= course.record.mapping.tables.rules.count("refractory.ivig_days_of_administration")


def _with_glucocorticoid(course: TreatmentCourse, second: Episode) -> bool:
    """T6: systemic glucocorticoid on at least 1 calendar day of the episode."""
    taken = course.glucocorticoid
    reaching = taken[bisect_left(taken, second.first_day, key=lambda e: e.last_day) :]
    both = takewhile(lambda e: e.first_day <= second.last_day, reaching)
    days = sum((min(e.last_day, second.last_day) - max(e.first_day, second.first_day)).days + 1 for e in both)
    return timedelta(days=days) >= course.days("concurrent_glucocorticoid_days")


def taken(cks: Sequence[Result], start: datetime, low: timedelta, high: timedelta) -> Sequence[Result]:
    """The CK results of a window that is counted from a start, ends included."""
    first = bisect_left(cks, low, key=lambda ck: ck.when.last - start)
    return cks[first : bisect_right(cks, high, key=lambda ck: ck.when.last - start)]


def first_of(cks: Sequence[Result]) -> Highest:
    """The first of CK results in order of time; of one time the highest."""
    return highest_at_once(cks[: bisect_right(cks, LAST(cks[0]), key=LAST)])


def years_of_glucocorticoid(
    course: TreatmentCourse,
) -> Iterator[tuple[Episode, Sequence[Result], Sequence[Result]]]:
    """T7 but for its CK: each long episode, with the CK of its first days and the CK after a year."""
    enough, at_first = course.days("glucocorticoid_days"), course.days("peak_within_days")
    for episode in (e for e in course.glucocorticoid if e.duration >= enough):
        early = taken(course.ck, episode.start, timedelta(), at_first)
        yield episode, early, taken(course.ck, episode.start, enough, episode.duration)
