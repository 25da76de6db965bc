"""Judge everything that was gathered: which facts count as of one moment, and why the others do not (F1 to F9).

In: `Gathered` and the moment. Out: a `PatientRecord`, the same for any order of the entries. `judge` takes these steps
in this order, and the first reason to refuse a resource is the one that is kept:

1. Read every entry in neutral terms (`versions/`), leniently: what is of a wrong type is left out and named.
2. Of the versions of a resource the last goes on; the others are `superseded` (F7).
3. Ask of each once whose it is (F1) and what it is by our tables (F4); then who the patient is (E5), which reports of
   this patient list which result (D1), what other Observations are about (U1), and which Conditions are the patient's
   own (F1). Nothing is refused.
4. Of plain Observations, nearly all there are, make results at a glance (`plain`): the same that the next steps would.
   What is not as plain as it looked goes on with the rest. Judge each resource of the rest by itself:

   a. what it is (F4): one of no code of our tables is left out in silence, unless it is another patient's (F1) or
      `unreadable`, as what does not say what it is is too (`unsaid`); Patient, Appointment and Encounter need no code,
      and a medicine that says nothing may be any (T1). Most of what is none of ours is so at a glance, and nothing
      further is asked of it;
   b. whether what the rules ask of it could be read: `unreadable`;
   c. whose it is (F1): `other patient`, `subject elsewhere`, `no subject`;
   d. what the module of its type asks, in this order:

      - Observation: another focus (F1), extensions (F2), status, time (F3), conflicting codes (F4), an answer that is too
        long to be read whole (`unreadable`), absent value and number (F5), unit (F6), plausible value (F5), limits
        (F8). One that says nothing is no fact, and not refused.
      - Condition: extensions (F2), verification and statuses (M1), time (F3).
      - medication resources: extensions, those of the product too (F2), status, intent (T2), time (F3), `unresolved`
        (T1), conflicting codes (F4). By an excluded route time is not asked, and what passes is left out in silence.
      - Procedure, DiagnosticReport: extensions (F2), status, time (F3), of an infusion conflicting codes (F4).
      - Encounter, Appointment, ServiceRequest: extensions (F2); with a status or an intent that does not count they are
        left out in silence (V3, V4; an Encounter without a status that is known is unclear); time (F3).

   e. what it leaves in doubt (`doubts`, U1 to U3): refused for a reason that says nothing about what it would have
      said, or named by its words alone; and what was done all the same (V1). Nothing of another patient's.

5. A panel is no doubt where a member of it was read (U1). Of facts that say the same the one with the lowest id stays
   (F7), and what remains is sorted.
6. Say which sources failed and which are not offered (F9).

A resource of no code of our tables is never listed as superseded either. A CK takes this way to its card: `Entry`,
`neutral.Plain` (else `neutral.Resource` and `neutral.Observation`), `Result`, `PatientRecord`; then `Measured` in the
`Findings`, `Assessment`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.checks.conditions import judge_condition
from fhir_mapping.checks.doubts import done_all_the_same, doubts_of
from fhir_mapping.checks.duplicates import distinct_results, distinct_treatments
from fhir_mapping.checks.events import (
    TABLES,
    judge_booking,
    judge_contact,
    judge_order,
    judge_performed,
    report_problem,
    roles_in,
)
from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.checks.medicines import judge_medication, says_nothing
from fhir_mapping.checks.next_orders import until_next_orders
from fhir_mapping.checks.observations import ACCEPTED, NO_VALUE, judge_observation
from fhir_mapping.checks.people import read_person
from fhir_mapping.checks.plain import PlainJudge
from fhir_mapping.checks.statuses import MEDICATIONS
from fhir_mapping.checks.unsaid import NEED_NO_CODE, is_beside_the_point, may_be
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import (
    Coding,
    Diagnosis,
    Done,
    Doubt,
    Fact,
    Gathered,
    MappingSettings,
    Patient,
    Planned,
    Refused,
    Result,
    SourceKey,
    Treatment,
)
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import Analyte, RoleTable
from fhir_mapping.versions import neutral, version
from fhir_mapping.versions.references import subject_problem
from fhir_mapping.versions.superseded import last_versions

_TABLES: Mapping[str, tuple[RoleTable, ...]] = {
    "Observation": ("observations",),
    "Condition": ("conditions",),
    "Procedure": TABLES,
    "DiagnosticReport": TABLES,
    "ServiceRequest": TABLES,
    "Encounter": ("visits", "specialties"),
    "Appointment": ("visits", "specialties"),
}
_OTHER_PATIENT = "other patient"


def judge(gathered: Gathered, as_of: datetime) -> PatientRecord:
    """Turn what was gathered into the facts that count as of one moment; the order of entries never matters.

    Raises nothing for what stands in a resource: one that cannot be read is refused by name (`unreadable`).
    """
    tables = gathered.mapping.tables.for_one_record()
    mapping = replace(gathered.mapping, tables=tables)
    gathered = Gathered(gathered.patient_id, gathered.base, gathered.sources, mapping)
    plain, others = version(gathered.mapping.fhir_version).read_apart(gathered)
    current, superseded = last_versions(others)
    candidate_of = _Candidates(f"Patient/{gathered.patient_id}", tables).of
    candidates = [candidate_of(resource) for resource in current]
    case = _case(gathered, candidates, plain, as_of)
    results, left = PlainJudge(case).results(plain)
    if left:
        candidates += [candidate_of(observation.whole(observation.entry)) for observation in left]
        candidates.sort(key=lambda candidate: candidate.resource.name)
    facts: list[Fact] = [*results]
    refused = {
        Refused(resource.name, "superseded", roles)
        for resource in superseded
        if (roles := candidate_of(resource).roles)
    }
    doubts: list[Doubt] = []
    for candidate in candidates:
        if not (candidate.roles or candidate.problem) and is_beside_the_point(candidate.resource, case):
            continue
        verdict = _verdict(candidate, case)
        reason = verdict if isinstance(verdict, str) else ""
        if not isinstance(verdict, str):
            facts += verdict
        elif reason not in ACCEPTED:
            refused.add(Refused(candidate.resource.name, reason, candidate.roles))
        if candidate.problem != _OTHER_PATIENT:
            doubts += doubts_of(candidate.resource, verdict, case)
            if reason:
                facts += done_all_the_same(candidate.resource, reason, case)
    return _record(gathered, case, facts, refused, doubts, candidates)


def with_states(record: PatientRecord, gathered: Gathered) -> PatientRecord:
    """The record of the same entries, where no more than the states of their sources changed since (F9)."""
    failed, not_offered = _failed(gathered), _not_offered(gathered)
    if [*failed.items()] == [*record.failed.items()] and not_offered == record.not_offered:
        return record
    return replace(record, failed=failed, not_offered=not_offered)


class _Candidate(Struct, frozen=True, gc=False, eq=False):
    """A resource that may be a fact: whose it is (F1: nothing, or the reason) and what it is by our tables (F4)."""

    resource: neutral.Resource
    problem: str
    roles: frozenset[str]


class _Candidates:
    """Asks of resources whose they are and what they are; what has the same codes is looked up once."""

    def __init__(self, own: str, tables: Tables) -> None:
        self._own, self._alone, self._tables = own, (own,), tables
        self._roles: dict[tuple[str, tuple[Coding, ...]], frozenset[str]] = {}

    def of(self, resource: neutral.Resource) -> _Candidate:
        """Ask one."""
        asked = resource.type, resource.codings
        if (roles := self._roles.get(asked)) is None:
            roles = self._roles[asked] = _roles(resource, self._tables)
        problem = "" if resource.subjects == self._alone else _subject_problem(resource, self._own)
        return _Candidate(resource, problem, roles)


def _case(
    gathered: Gathered, candidates: Sequence[_Candidate], plain: Sequence[neutral.Plain], as_of: datetime
) -> Case:
    of_type: defaultdict[str, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        of_type[candidate.resource.type].append(candidate)
    mapping = gathered.mapping
    return Case(
        as_of,
        mapping,
        _patient(of_type["Patient"], gathered, as_of),
        gathered.patient_id,
        reports=_reports(of_type["DiagnosticReport"], mapping),
        analytes_of=_Analytes(of_type["Observation"], plain, mapping.tables),
        conditions={candidate.resource.name: candidate.problem for candidate in of_type["Condition"]},
    )


def _patient(candidates: Iterable[_Candidate], gathered: Gathered, as_of: datetime) -> Patient | None:
    """Read the patient of the chart (E5); None: it is not there, or cannot be read."""
    for resource in (candidate.resource for candidate in candidates):
        if resource.name == f"Patient/{gathered.patient_id}" and resource.readable and resource.content:
            person = resource.content()
            assert isinstance(person, neutral.Person)
            return read_person(resource.id, person, as_of, gathered.mapping)
    return None


class _Analytes:
    """What the Observations of a record are about, by name; hardly any record asks."""

    def __init__(
        self, candidates: Iterable[_Candidate], plain: Iterable[neutral.Plain], tables: Tables
    ) -> None:
        self._candidates, self._plain, self._tables = candidates, plain, tables

    def __call__(self, name: str) -> frozenset[Analyte]:
        return self._by_name.get(name, frozenset())

    @cached_property
    def _by_name(self) -> Mapping[str, frozenset[Analyte]]:
        coded = [(candidate.resource.name, candidate.resource.codings) for candidate in self._candidates]
        of_plain = {observation.name: observation.codes.meaning.analytes for observation in self._plain}
        return of_plain | {name: self._tables.analytes(codings) for name, codings in coded}


def _reports(candidates: Iterable[_Candidate], mapping: MappingSettings) -> Mapping[str, frozenset[str]]:
    """List, by Observation, this patient's reports with an accepted status, whatever their code (D1)."""
    listed: dict[str, list[str]] = {}
    for resource in (candidate.resource for candidate in candidates if not candidate.problem):
        if resource.content is None or not resource.readable:
            continue
        if not_understood(resource) or report_problem(resource, mapping):
            continue
        content = resource.content()
        for result in content.results if isinstance(content, neutral.Performed) else ():
            listed.setdefault(result, []).append(resource.name)
    return {result: frozenset(names) for result, names in listed.items()}


def _verdict(candidate: _Candidate, case: Case) -> Verdict:
    """Judge one resource: its facts, or the first reason why it does not count."""
    resource = candidate.resource
    counts = bool(candidate.roles) or resource.type in NEED_NO_CODE
    if not counts and resource.type in MEDICATIONS and resource.content:
        content = resource.content()
        # One that says nothing may be any of ours (T1)
        counts = isinstance(content, neutral.Medication) and says_nothing(resource, content, case)
    if not counts:
        if candidate.problem == _OTHER_PATIENT:
            return candidate.problem
        is_read = resource.readable and not may_be(resource, case)
        return () if is_read else "unreadable"
    if not resource.readable:
        return "unreadable"
    if candidate.problem or resource.content is None:
        return candidate.problem or ()
    content = resource.content()
    return _JUDGES[type(content)](resource, content, case)


def _subject_problem(resource: neutral.Resource, own: str) -> str:
    """F1: the subject must be the patient of the chart; of an Appointment, one of its Patient actors."""
    if resource.type == "Patient":
        has_no_name = not resource.id and "id" in resource.lost
        return "" if resource.name == own or has_no_name else _OTHER_PATIENT
    if resource.subjects is None:
        return ""
    problems = {subject_problem(subject, own) for subject in resource.subjects}
    if "" in problems and (resource.type == "Appointment" or problems <= {"", "no subject"}):
        return ""
    ordered = (_OTHER_PATIENT, "subject elsewhere")
    return next((problem for problem in ordered if problem in problems), "no subject")


_JUDGES: Mapping[type[neutral.Content], Callable[[neutral.Resource, Any, Case], Verdict]] = {
    neutral.Observation: judge_observation,
    neutral.Condition: judge_condition,
    neutral.Medication: judge_medication,
    neutral.Performed: judge_performed,
    neutral.Contact: judge_contact,
    neutral.Booking: judge_booking,
    neutral.Order: judge_order,
    neutral.Person: lambda *_: (),  # read once, in `_case`
}


def _roles(resource: neutral.Resource, tables: Tables) -> frozenset[str]:
    """Collect the words of our tables for what it is: its roles, of a medicine or an infusion its ingredients."""
    if resource.type in MEDICATIONS:
        return tables.ingredients(resource.codings)
    roles: frozenset[str] = roles_in(_TABLES.get(resource.type, ()), resource, tables)
    return roles | tables.ingredients(resource.codings) if resource.type == "Procedure" else roles


def _record(
    gathered: Gathered,
    case: Case,
    facts: Sequence[Fact],
    refused: Iterable[Refused],
    doubts: Sequence[Doubt],
    candidates: Iterable[_Candidate],
) -> PatientRecord:
    kept: defaultdict[type[Fact], list[Any]] = defaultdict(list)
    for fact in facts:
        kept[type(fact)].append(fact)
    ordered = until_next_orders(kept[Treatment], case.tables)
    results, treatments = distinct_results(kept[Result]), distinct_treatments(ordered)
    unanswered = _unanswered(doubts, kept[Result])
    return PatientRecord(
        as_of=case.as_of,
        mapping=case.mapping,
        patient=case.patient,
        patient_id=gathered.patient_id,
        results=results,
        diagnoses=tuple(kept[Diagnosis]),
        treatments=tuple(sorted(treatments, key=lambda t: (t.resource, t.ingredient))),
        done=tuple(kept[Done]),
        planned=tuple(kept[Planned]),
        refused=tuple(sorted(refused, key=lambda r: (r.resource, r.reason, sorted(r.roles)))),
        doubts=tuple(sorted(unanswered, key=lambda doubt: (doubt.resource, doubt.role, doubt.by))),
        losses=tuple(sorted(_losses(candidates, f"Patient/{gathered.patient_id}"))),
        failed=_failed(gathered),
        not_offered=_not_offered(gathered),
    )


def _unanswered(doubts: Sequence[Doubt], results: Iterable[Result]) -> Iterator[Doubt]:
    """U1: a panel without a value of its own is no doubt where a member of it was read."""
    read = {result.resource for result in results} if doubts else set()
    for doubt in doubts:
        if doubt.reason != NO_VALUE or doubt.result is None or read.isdisjoint(doubt.result.members):
            yield doubt


def _losses(candidates: Iterable[_Candidate], patient: str) -> Iterator[tuple[str, str]]:
    """Name what was left out of resources that count all the same (F3), and for what the patient does not."""
    for candidate in candidates:
        resource = candidate.resource
        if resource.lost and (candidate.roles if resource.readable else resource.name == patient):
            yield from ((resource.name, element) for element in resource.lost)


def _failed(gathered: Gathered) -> Mapping[SourceKey, str]:
    """F9: what happened to each source that is incomplete."""
    sources = gathered.sources.items()
    return {key: source.detail or "failed" for key, source in sources if source.state == "failed"}


def _not_offered(gathered: Gathered) -> frozenset[SourceKey]:
    return frozenset(key for key, source in gathered.sources.items() if source.state == "not-offered")
