"""Records → rows of a training table, by the same code path as at the bedside (`judge`, then `find`).

Each record is looked at as of its landmark, which is time zero; what came after gives the relapse label (R3), death
and the end of follow-up. docs/adr/0011 says why time zero is chosen so. Used by the command line only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from fhir_mapping.checks import judge
from fhir_mapping.cohort.characteristics import beside_predictors
from fhir_mapping.cohort.relapse import Course, relapses
from fhir_mapping.evidence import ESTABLISHED, Findings
from fhir_mapping.findings import find
from fhir_mapping.laboratory.antibody import ANTIBODIES
from fhir_mapping.laboratory.bounds import is_raised
from fhir_mapping.laboratory.numbers import COMPARATOR, TO
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Gathered, Moment
from fhir_mapping.rules.eligibility import eligibility
from fhir_mapping.rules.exposures import episodes, exposures
from fhir_mapping.rules.signs import read_signs
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.versions import neutral, version
from fhir_mapping.versions.superseded import last_versions
from models.inputs import State
from models.training.cohort.schema import CENSORED, DEATH, RECURRENCE, SEXES, SUBTYPES, Cutoff
from models.training.errors import TrainingError

_MYOPATHIES: frozenset[RoleWord] = frozenset({"core", "broad", "broad-antibody", "broad-hmgcr"})
_RAW = ("ana_titre", "de_ritis_ratio")
_BOUND = rf"{COMPARATOR}|[0-9] ?(?:{TO}|or) ?[0-9]"  # a value that is not measured itself
_MOST_DAYS = 3653  # ten years after the start hardly anybody is left to follow
_STARTS = {
    "eligible": "the first fact that made IMNM definite or probable",
    "treated": "the first immunosuppressive treatment of the myositis, glucocorticoid included",
}
IMPROVED = "improved_at_time_zero"
"""The name of a further column: whether CK had improved by time zero (R2); a relapse needs that."""


@dataclass(frozen=True, slots=True)
class Landmark:
    """Time zero of a table: so many days of 24 h after a start. Raises TrainingError for an impossible number."""

    after: Literal["eligible", "treated"]
    days: int

    def __post_init__(self) -> None:
        if not 0 <= self.days <= _MOST_DAYS:
            raise TrainingError(f"the landmark must lie 0 to {_MOST_DAYS} days after the start")

    @property
    def words(self) -> str:
        """What time zero is."""
        return f"{self.days} days after {_STARTS[self.after]}"


class LeftOut(StrEnum):
    """Why a patient is no row of the table; the first that holds, in this order."""

    NOT_KNOWN = "what may say that this is IMNM could not be used"
    NOT_IMNM = "never definite or probable IMNM"
    NO_START = "the start that the landmark is counted from is not on record"
    DIED_UNDATED = "dead, the date is not on record"
    DIED_BEFORE = "dead at the landmark"
    NOT_FOLLOWED = "no result, visit or treatment after the landmark"
    NOT_YET = "not definite or probable IMNM at the landmark"
    EXCLUDED = "a minor, or of unknown birth date, at the landmark"
    RELAPSED_BEFORE = "a relapse at or before the landmark"
    RELAPSING = "a possible relapse at the landmark"


@dataclass(frozen=True, slots=True)
class TabulatedPatient:
    """One patient: follow-up in days since the landmark, how it ended (0, 1, 2), what was known at the landmark.

    A predictor that is missing or indeterminate is None. `raw` holds the measured values behind high_ana (reciprocal
    titre) and high_drr (ratio) where they are no bounds, `beside` the further columns of Table 1. `biochemical`: no
    relapse, but CK alone said so in follow-up.
    """

    patient_id: str
    days: float
    status: int
    predictors: Mapping[str, bool | None]
    raw: Mapping[str, Decimal]
    beside: Mapping[str, bool | Decimal | None]
    subtype: str
    sex: str
    improved: bool
    biochemical: bool

    def cells(self) -> dict[str, str]:
        """The row under the names of the cohort's schema, as text."""
        known = {True: "1", False: "0", None: ""}
        beside = {
            name: f"{value:f}" if isinstance(value, Decimal) else known[value]
            for name, value in self.beside.items()
        }
        return {
            "id": self.patient_id,
            "time_days": repr(self.days),
            "status": str(self.status),
            **{name: known[value] for name, value in self.predictors.items()},
            **{name: f"{self.raw[name]:f}" if name in self.raw else "" for name in _RAW},
            **beside,
            "subtype": self.subtype,
            "sex": self.sex,
            IMPROVED: known[self.improved],
        }


def cutoffs(tables: Tables) -> tuple[Cutoff, ...]:
    """How raw values are coded and which are plausible, from rules.toml (A3, D5, F5)."""
    return (
        _cutoff(tables, "ana_titre", "high_ana", "plausible.ana_titre", inclusive=True),
        _cutoff(tables, "de_ritis_ratio", "high_drr", "plausible.ast_alt_ratio", inclusive=False),
    )


def tabulate(gathered: Gathered, landmark: Landmark, until: datetime) -> TabulatedPatient | LeftOut:
    """One record as a row; nothing later than `until`, the moment of the extract (with its zone), counts.

    Raises TrainingError where a relapse is dated after the death.
    """
    record = judge(gathered, until)
    established = _established_since(gathered, record)
    start = _start(record, landmark, established)
    if isinstance(start, LeftOut):
        return start
    zero = start + timedelta(days=landmark.days)
    died, end = _death(gathered, until), _last_seen(record)
    if died == "undated":
        return LeftOut.DIED_UNDATED
    if isinstance(died, Moment) and died.first <= zero:
        return LeftOut.DIED_BEFORE
    if died == "alive" and end <= zero:
        return LeftOut.NOT_FOLLOWED
    if established and established > zero:  # whose diagnosis was told later cannot have died before it was
        return LeftOut.NOT_YET
    at_zero = judge(gathered, zero)
    findings, course = find(at_zero), relapses(gathered, until, record)
    if reason := _not_at_risk(findings, course, zero):
        return reason
    if course.relapses:
        end, status = course.relapses[0].when, RECURRENCE
        if isinstance(died, Moment) and end > died.last:  # which may be no more than a month or a day
            raise TrainingError("a relapse is dated after the death")
    elif isinstance(died, Moment):
        end, status = died.first, DEATH
    else:
        status = CENSORED
    return _row(findings, course, at_zero, zero, end, status)


def _cutoff(tables: Tables, raw: str, predictor: str, plausible: str, *, inclusive: bool) -> Cutoff:
    threshold = tables.rules.thresholds[f"{predictor}.threshold"]
    low, high = tables.rules.number(f"{plausible}_low"), tables.rules.number(f"{plausible}_high")
    return Cutoff(raw, predictor, threshold.value, inclusive, low, high, threshold.unit, threshold.source)


def _start(record: PatientRecord, landmark: Landmark, established: datetime | None) -> datetime | LeftOut:
    """The moment from which the landmark is counted."""
    start = established
    if start is None and read_signs(record).state not in ESTABLISHED:
        # What could not be used may say so (U4), or the file has another patient's, as where ids were changed in part
        is_mixed = any(refused.reason == "other patient" for refused in record.refused)
        return LeftOut.NOT_KNOWN if eligibility(record).barred_by or is_mixed else LeftOut.NOT_IMNM
    if landmark.after == "treated":
        # The first episode of a systemic agent that had not ended before the onset of myositis (E9, T3)
        onset = eligibility(record).onset
        start = next((e.start for e in episodes(record) if onset is None or e.end >= onset), None)
    return LeftOut.NO_START if start is None else start


def _established_since(gathered: Gathered, record: PatientRecord) -> datetime | None:
    """The first moment at which what was on record made the patient definite or probable (E1, E2).

    A diagnosis counts from when it was recorded, where that is written: whoever is followed from an onset that was
    told years later cannot have died before it was told.
    """
    facts = [
        told.first
        for d in record.diagnoses
        if d.roles & _MYOPATHIES and not d.recorded_late
        for told in (
            d.recorded,
            d.onset,
        )  # a month in which it was recorded begins before a day of onset in it
        if told
    ]
    facts += [result.when.first for antibody in ANTIBODIES for result in record.of(antibody)]
    times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
    facts += [ck.when.first for ck in record.of("ck") if is_raised(ck, times)][:1]
    for moment in sorted(set(facts)):
        signs = read_signs(judge(gathered, moment))
        definite = any((d.recorded or d.onset) and not d.recorded_late for d in signs.core)
        broad = any(not d.recorded_late for d in signs.broad)
        if definite or (broad and signs.serology.positive and signs.ck is not None):
            return moment
    return None


def _last_seen(record: PatientRecord) -> datetime:
    """The last result, visit, procedure, report or beginning of a treatment; the first of days where there is none."""
    moments = [result.when.first for result in record.results]
    moments += [done.when.first for done in record.done]
    moments += [exposure.start for exposure in exposures(record)]
    return min(max(moments, default=datetime.min.replace(tzinfo=record.as_of.tzinfo)), record.as_of)


def _death(gathered: Gathered, until: datetime) -> Moment | Literal["alive", "undated"]:
    """When the patient died, if not after `until` (E5)."""
    current, _ = last_versions(version(gathered.mapping.fhir_version).read(gathered))
    for resource in current:
        if resource.type != "Patient" or resource.id != gathered.patient_id or resource.content is None:
            continue
        person = resource.content()
        assert isinstance(person, neutral.Person)
        if person.died and person.death is None:
            return "undated"
        if person.death and person.death.first <= until:
            return person.death
    return "alive"


def _not_at_risk(findings: Findings, course: Course, zero: datetime) -> LeftOut | None:
    """Whom the bedside would not have scored at the landmark, or whose first relapse cannot be to come."""
    who = findings.eligibility
    if not who.is_established:
        return LeftOut.EXCLUDED if who.state == "excluded" else LeftOut.NOT_YET
    if course.relapses and course.relapses[0].when <= zero:
        return LeftOut.RELAPSED_BEFORE
    return LeftOut.RELAPSING if findings.phase == "relapse" else None


def _row(
    findings: Findings, course: Course, at_zero: PatientRecord, zero: datetime, end: datetime, status: int
) -> TabulatedPatient:
    tables = at_zero.mapping.tables
    features, subtype = findings.features, findings.eligibility.subtype
    # A bound or interval ("< 1:320") is no value, nor is a ratio of results beyond F5's range
    raw: dict[str, Decimal] = {}
    bound = tables.vocabulary.pattern(_BOUND)
    for cutoff in cutoffs(tables):
        value, evidence = features[cutoff.predictor].value, features[cutoff.predictor].evidence
        is_bound = any(bound.search(cited.original) for cited in evidence)
        if value is not None and cutoff.low <= value <= cutoff.high and not is_bound:
            raw[cutoff.raw] = value
    return TabulatedPatient(
        patient_id=findings.patient_id,
        days=(end - zero) / timedelta(days=1),
        status=status,
        predictors={n: f.state is State.PRESENT if f.state.known else None for n, f in features.items()},
        raw=raw,
        beside=beside_predictors(at_zero),
        subtype=subtype if subtype in SUBTYPES else "",
        sex=at_zero.patient.sex if at_zero.patient and at_zero.patient.sex in SEXES else "",
        improved=course.improved is not None and course.improved <= zero,
        biochemical=status != RECURRENCE and any(zero < moment <= end for moment in course.biochemical),
    )
