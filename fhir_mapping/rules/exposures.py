"""Medication resources as stretches of treatment (T3), and the daily dose of glucocorticoid (T4)."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import accumulate
from math import ceil
from typing import Final, NamedTuple

from msgspec import Struct

from fhir_mapping.checks.starts import began
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Dosage, Moment, Treatment, local_day
from fhir_mapping.terms.roles import AgentClass
from fhir_mapping.terms.units import sane

GLUCOCORTICOID: Final = "glucocorticoid"
# They treat something else (T1)
NO_AGENTS: frozenset[AgentClass] = frozenset({"statin", "checkpoint-inhibitor"})
_BY_INFUSION: frozenset[AgentClass] = frozenset({"ivig", "infusion", "fcrn", "complement"})
_PER_MG = 10**9
_DAY = timedelta(days=1)
_LATE = time(23)  # of a day, in any zone: an hour that the ends of the calendar have too
_NOTHING = Decimal(0)


class Exposure(Struct, frozen=True):
    """One medication resource as a stretch of time, cut at `as_of`; its days are those of the client's zone."""

    treatment: Treatment
    klass: AgentClass
    began: Moment
    start: datetime
    end: datetime
    covers: datetime  # an instant of its last day that is known
    zone: tzinfo

    @property
    def first_day(self) -> date:
        """The day on which it began."""
        return local_day(self.start, self.zone)

    @property
    def last_day(self) -> date:
        """The last day that it covers."""
        return local_day(self.covers, self.zone)

    @property
    def agent(self) -> str:
        """The ingredient; all systemic glucocorticoids are one agent."""
        return GLUCOCORTICOID if self.klass == GLUCOCORTICOID else self.treatment.ingredient


class Episode(Struct, frozen=True):
    """Treatment with one agent, without a gap that counts (T3)."""

    agent: str
    klass: AgentClass
    exposures: tuple[Exposure, ...]
    start: datetime
    end: datetime
    first_day: date
    last_day: date

    @property
    def duration(self) -> timedelta:
        """How long it lasted, gaps within it included."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Dose:
    """Glucocorticoid of one day: mg of prednisone-equivalent, and the exposures that say so."""

    mg: Decimal  # compared by its millionths: a third of a dose may have left 19.99…9 for 20
    exposures: tuple[Exposure, ...]


class _End(NamedTuple):
    """When a stretch ends, and an instant of the last day that it covers."""

    at: datetime
    covers: datetime


@asked_once
def exposures(record: PatientRecord) -> tuple[Exposure, ...]:
    """Every medication resource that has begun by `as_of`, in order of time (T3)."""
    as_of, tables = record.as_of, record.mapping.tables
    tolerance = tables.rules.days("facts.future_tolerance")
    begun: list[Exposure] = []
    for treatment in record.treatments:
        written = began(treatment)
        if written is None or written.first - as_of > tolerance:
            continue
        # Within the tolerance of F3 a start after `as_of` counts as at `as_of`
        start, end = min(written.first, as_of), _end(record, treatment, written.first)
        exposure = Exposure(
            treatment,
            tables.agent(treatment.ingredient).klass,
            written,
            start,
            end=max(start, min(end.at, as_of)),
            covers=max(start, min(end.covers, as_of)),
            zone=record.mapping.time_zone,
        )
        begun.append(exposure)
    return tuple(sorted(begun, key=lambda e: (e.start, e.end, e.treatment.resource, e.treatment.ingredient)))


@asked_once
def episodes(record: PatientRecord) -> tuple[Episode, ...]:
    """The episodes of every systemic agent, in order of their start (T1, T3)."""
    by_agent: defaultdict[str, list[Exposure]] = defaultdict(list)
    for exposure in exposures(record):
        if exposure.klass not in NO_AGENTS:
            by_agent[exposure.agent].append(exposure)
    joined = [episode for taken in by_agent.values() for episode in _joined(taken, _gap(record, taken))]
    return tuple(sorted(joined, key=lambda e: (e.start, e.agent)))


def time_treated(record: PatientRecord, treated: Iterable[Episode]) -> timedelta:
    """How long any systemic agent was given: the union of the episodes and of what rituximab covers (T3)."""
    covers = record.mapping.tables.rules.days("refractory.rituximab_covers_days")
    stretches = [(e.start, e.end) for e in treated]
    stretches += [
        (given.start, given.start + min(covers, record.as_of - given.start))
        for episode in treated
        for given in administrations(episode)
        if episode.klass == "rituximab"
    ]
    total, reached = timedelta(), None
    for start, end in sorted(stretches):
        since = start if reached is None else max(start, reached)
        total += max(end - since, timedelta())
        reached = end if reached is None else max(reached, end)
    return total


def administrations(episode: Episode) -> tuple[Exposure, ...]:
    """The exposures of which the day is known on which the medicine was given."""
    return tuple(e for e in episode.exposures if e.treatment.kind == "MedicationAdministration")


def glucocorticoid_dose(record: PatientRecord, treated: Iterable[Episode], day: date) -> Dose | None:
    """Glucocorticoid of one day: the sum over one resource type, of several types the highest (T4). None: unknown."""
    doses: defaultdict[str, list[tuple[Decimal, Exposure]]] = defaultdict(list)
    for exposure in (e for e in _to_glucocorticoid(treated) if e.first_day <= day <= e.last_day):
        given = [mg for first, last, mg in _stretches(record, exposure) if first <= day <= last]
        if given:
            doses[exposure.treatment.kind].append((sum(given, Decimal(0)), exposure))
    sums = [
        Dose(sum((mg for mg, _ in of_type), Decimal(0)), tuple(e for _, e in of_type))
        for of_type in doses.values()
    ]
    return max(sums, key=lambda dose: dose.mg, default=None)


class DailyDoses:
    """Glucocorticoid of any day of a whole course: what `glucocorticoid_dose` sums up, at the cost of sorting (T4).

    It counts in thousand-millionths of a mg, so that what was added can be taken away again without a rest.
    """

    def __init__(self, record: PatientRecord, treated: Iterable[Episode]) -> None:
        changes: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        for exposure in _to_glucocorticoid(treated):
            for first, last, mg in _stretches(record, exposure):
                of_type, amount = changes[exposure.treatment.kind], round(mg * _PER_MG)
                of_type[first.toordinal()] += amount
                of_type[last.toordinal() + 1] -= amount
        self._steps = []
        for by_day in changes.values():
            days = sorted(by_day)
            self._steps.append((days, [0, *accumulate(by_day[day] for day in days)]))

    def on(self, day: date) -> Decimal:
        """Mg of prednisone-equivalent of a day, rounded to a millionth: the sum over one type, of several the highest."""
        sums = (doses[bisect_right(days, day.toordinal())] for days, doses in self._steps)
        return Decimal(round(max(sums, default=0), -3)) / _PER_MG


def _end(record: PatientRecord, treatment: Treatment, start: datetime) -> _End:
    """When a resource that has begun ends (T3).

    A request ends with its latest boundsPeriod, and one of these without an end ends with the request itself.
    """
    if treatment.kind == "MedicationDispense":
        supply = treatment.supply_days
        return _one_day(start, record.as_of) if supply is None else _used_up(record, start, supply)
    if treatment.kind != "MedicationRequest":
        return _written(treatment.effective.end) or _open(treatment, start, record.as_of)
    bounds = [d.bounds for d in treatment.dosages if d.bounds.start or d.bounds.end]
    ends = [_End(bound.end.last, bound.end.last) for bound in bounds if bound.end]
    if ends and len(ends) == len(bounds):
        return max(ends)
    itself = _written(treatment.validity.end) or _until(treatment.until)
    if itself is None and treatment.supply_days is not None:
        itself = _used_up(record, start, treatment.supply_days * (1 + treatment.repeats))
    return max([*ends, itself or _open(treatment, start, record.as_of)])


def _written(end: Moment | None) -> _End | None:
    return _until(end.last) if end else None


def _until(when: datetime | None) -> _End | None:
    return _End(when, when) if when else None


def _open(treatment: Treatment, start: datetime, as_of: datetime) -> _End:
    """Still running if active; else one day."""
    return _End(as_of, as_of) if treatment.active else _one_day(start, as_of)


def _one_day(start: datetime, as_of: datetime) -> _End:
    """The end of what is known to have been given, but not for how long: it covers the day on which it began."""
    return _End(start + min(_DAY, as_of - start), start)


def _used_up(record: PatientRecord, start: datetime, days: Decimal) -> _End:
    """When a supply of so many days is used up; what lies after `as_of` need not be exact.

    It covers as many calendar days, that of its start included: the day on which it runs out is that of the next supply.
    """
    as_of = record.as_of
    if not sane(days) or days > (as_of - start).days + 2:
        return _End(as_of, as_of)
    end = start + timedelta(days=float(max(days, _NOTHING)))
    zone = record.mapping.time_zone
    last_day = local_day(start, zone) + (max(ceil(days), 1) - 1) * _DAY
    return _End(min(end, as_of), min(datetime.combine(last_day, _LATE, zone).astimezone(UTC), as_of))


def _gap(record: PatientRecord, taken: Sequence[Exposure]) -> timedelta:
    """The longest gap within an episode, by agent and by every route that is recorded for it (T3)."""
    tables, klass = record.mapping.tables, taken[0].klass
    if klass == "rituximab":
        return tables.rules.days("refractory.rituximab_gap_days")
    if klass != GLUCOCORTICOID:
        recorded = [d.routes for e in taken for d in e.treatment.dosages if d.routes]
        parenteral = all(tables.means("qualifiers", routes, "parenteral-route") for routes in recorded)
        if parenteral and (recorded or klass in _BY_INFUSION):
            return tables.rules.days("refractory.infusion_gap_days")
    return tables.rules.days("refractory.gap_days")


def _joined(taken: Sequence[Exposure], gap: timedelta) -> list[Episode]:
    """Episodes of one agent from its exposures in order of time."""
    groups: list[list[Exposure]] = []
    end = taken[0].end
    for exposure in taken:
        if groups and exposure.start - end <= gap:
            groups[-1].append(exposure)
            end = max(end, exposure.end)
        else:
            groups.append([exposure])
            end = exposure.end
    return [
        Episode(
            agent=group[0].agent,
            klass=group[0].klass,
            exposures=tuple(group),
            start=group[0].start,
            end=max(e.end for e in group),
            first_day=group[0].first_day,
            last_day=local_day(max(e.covers for e in group), group[0].zone),
        )
        for group in groups
    ]


def _to_glucocorticoid(treated: Iterable[Episode]) -> Iterator[Exposure]:
    return (e for episode in treated if episode.agent == GLUCOCORTICOID for e in episode.exposures)


def _stretches(record: PatientRecord, exposure: Exposure) -> Iterator[tuple[date, date, Decimal]]:
    """From when to when one resource gives how much, in mg of prednisone a day, by its instructions (T4)."""
    factor = record.mapping.tables.agent(exposure.treatment.ingredient).prednisone_mg
    dosages, zone = exposure.treatment.dosages, record.mapping.time_zone
    for dosage in dosages if factor is not None else ():
        start, end, mg = dosage.bounds.start, dosage.bounds.end, _mg(dosage)
        # One instruction holds for the whole request; of several each only within its own boundsPeriod
        if mg is None or (start is None and end is None and len(dosages) > 1):
            continue
        first = max(exposure.first_day, local_day(start.first, zone) if start else exposure.first_day)
        last = min(exposure.last_day, end.day(zone) if end else exposure.last_day)
        if factor is not None and first <= last:
            yield first, last, mg * factor


def _mg(dosage: Dosage) -> Decimal | None:
    """Mg per day of the medicine itself; None where it is not written in numbers, or only as needed."""
    dose, frequency, period = dosage.dose_mg, dosage.frequency, dosage.period_days
    if dosage.as_needed or dose is None or frequency is None or period is None:
        return None
    usable = all(sane(number) and number > 0 for number in (dose, frequency, period))
    return dose * frequency / period if usable else None
