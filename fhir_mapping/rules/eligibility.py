"""Is this an IMNM patient? Definite, probable, possible, none, excluded, or not known (E, U4)."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from fhir_mapping.evidence import ESTABLISHED, Eligibility, EligibilityState, Evidence, Note
from fhir_mapping.laboratory.antibody import ANTIBODIES, Antibody, LabAnswer, Serology, read_serology
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Diagnosis, Doubt, Moment, SourceKey
from fhir_mapping.rules.citation import cite, cite_diagnosis, cite_with_limit
from fhir_mapping.rules.signs import (
    BROAD,
    Signs,
    SignsState,
    is_broad,
    read_signs,
    signs_in_doubt,
    words_beside_negatives,
)
from fhir_mapping.terms.roles import RoleWord

_NAMES: dict[Antibody, str] = {"anti-srp": "anti-SRP", "anti-hmgcr": "anti-HMGCR"}
_COMPETING: tuple[RoleWord, ...] = ("dermatomyositis", "inclusion-body-myositis")
PHASE_1: tuple[SourceKey, ...] = ("patient", "conditions", "antibodies")  # what eligibility is read from
BIOPSIES: tuple[SourceKey, ...] = ("procedures", "reports")  # and where a biopsy decides (E2b)
_TELLING: frozenset[str] = BROAD | {"core"}  # of the roles of a doubt those that `read_signs` asks for
_Kind = tuple[str, frozenset[str]]  # of a doubt: its role, and the roles of its codes
_UNREAD = "it could not be read whether this is an IMNM patient"


def eligibility(record: PatientRecord) -> Eligibility:
    """Whether this is an IMNM patient, which subtype, since when, and by what evidence (E1 to E9, U4)."""
    signs = read_signs(record)
    by_signs = signs.state
    state: EligibilityState = by_signs
    reason = _reason(record, signs, by_signs)
    barred_by = () if by_signs in ESTABLISHED else _barring(record, signs, by_signs)
    notes: list[Note] = []
    if state == "none" and not (record.patient and record.patient.dead):
        if barred_by:
            state, reason = "unknown", f"not known: {'; '.join(dict.fromkeys(map(in_words, barred_by)))}"
        elif not _is_complete(record):
            state, reason = "unknown", _UNREAD
    if state in ESTABLISHED:
        notes += [Note("E6", f"{name.replace('-', ' ')} is coded too") for name in _competing(record)]
        if exclusion := _exclusion(record):
            state, reason = "excluded", exclusion
    onset = myositis_onset(record)
    if onset is None and state not in {"none", "unknown"}:
        notes.append(Note("E9", "myositis onset is unknown: rules that need it are skipped"))
    serology = signs.serology
    return Eligibility(
        state,
        reason,
        serology.subtype,
        evidence=_evidence(signs),
        onset=onset,
        notes=tuple(notes),
        against=tuple(_against(record, serology)) if state == "possible" else (),
        barred_by=barred_by,
        # E8: what keeps a patient with two negative antibodies from being seronegative
        subtype_barred_by=serology.doubts if serology.doubts and serology.all_negative else (),
    )


def in_words(doubt: Doubt) -> str:
    """What could not be used, without saying whose or which: "a diagnosis could not be used (no subject)"."""
    what = {"core": "a diagnosis", "broad": "a diagnosis", "cardiac": "a diagnosis", "agent": "a medicine"}
    name = what.get(doubt.role) or _NAMES.get(doubt.role, doubt.role.upper())  # type: ignore[call-overload]
    return f"{name} could not be used ({doubt.reason})"


def is_myopathy(diagnosis: Diagnosis, serology: Serology) -> bool:
    """Whether a Condition has a core code, or one that is broad with these antibodies (E1, E2)."""
    return diagnosis.has("core") or is_broad(diagnosis, serology.positive)


def myositis_onset(record: PatientRecord) -> datetime | None:
    """The earliest first instant over counted core and broad Conditions (E9); None: unknown."""
    return min([onset.first for _, onset in onsets(record)], default=None)


@asked_once
def onsets(record: PatientRecord) -> tuple[tuple[Diagnosis, Moment], ...]:
    """Collect the counted core and broad Conditions that have an onset, and it (E9)."""
    serology = read_serology(record)
    counted = (d for d in record.diagnoses if d.confirmed and is_myopathy(d, serology))
    return tuple((d, d.onset) for d in counted if d.onset)


def _barring(record: PatientRecord, signs: Signs, state: SignsState) -> tuple[Doubt, ...]:
    """U4: the doubts that alone, or not without which, would make it another state; those by words behind E3."""
    behind: tuple[Doubt, ...] = ()
    words = words_beside_negatives(record)
    if state == "possible":
        named = () if signs.is_possible_by_codes else signs.named
        behind = (*named, *words)
    tried = signs_in_doubt(record)
    if not tried or (record.patient and record.patient.dead):
        return behind
    alone, whole = _by_codes(signs), _tried(record, tried)
    if whole == alone:
        return behind
    if state == "none" and _by_codes(replace(signs, seronegative=signs.serology.all_negative)) != alone:
        behind = words
    return (*behind, *_decisive(record, tried, words, whole))


def _decisive(
    record: PatientRecord, tried: Sequence[Doubt], words: Sequence[Doubt], whole: str
) -> Iterator[Doubt]:
    """The doubts by code, beside words that are left out, that change the state alone or by not being tried.

    Where none does, those that change it together.
    """
    by_code, without = [d for d in tried if d.by == "code"], _tried(record, words)
    alike: dict[_Kind, set[_Kind]] = {}  # kinds that do the same
    for doubt in by_code:
        alike.setdefault((doubt.role, doubt.roles & _TELLING), set()).add((doubt.role, doubt.roles))
    decisive = {
        kind
        for kinds in alike.values()
        if _tried(record, [*words, *(d for d in by_code if (d.role, d.roles) in kinds)]) != without
        or (len(kinds) == 1 and _tried(record, [d for d in tried if (d.role, d.roles) not in kinds]) != whole)
        for kind in kinds
    }
    if not decisive:  # it takes a diagnosis and an antibody, and of either there is another
        decisive = {kind for kinds in alike.values() if _completes(record, tried, kinds) for kind in kinds}
    return (d for d in by_code if (d.role, d.roles) in decisive)


def _completes(record: PatientRecord, tried: Sequence[Doubt], kinds: Collection[_Kind]) -> bool:
    """Whether doubts of these kinds, alike as they are, change the state beside those about the other sign."""
    is_antibody = any(role in ANTIBODIES for role, _ in kinds)
    others = [d for d in tried if (d.role in ANTIBODIES) is not is_antibody]
    these = (d for d in tried if (d.role, d.roles) in kinds)
    return _tried(record, [*others, *these]) != _tried(record, others)


def _tried(record: PatientRecord, doubts: Sequence[Doubt]) -> str:
    return _by_codes(read_signs(record, doubts))


def _by_codes(signs: Signs) -> str:
    """The state without what is only named: a name makes possible, and hides what a doubt would add."""
    return replace(signs, named=()).state


def _is_complete(record: PatientRecord) -> bool:
    """Whether no more reading could make this an IMNM patient (E1 to E4, F9), nor beside what is in doubt (U4).

    CK and a biopsy only where they decide.
    """
    if not record.failed:
        return record.patient is not None
    if record.patient is None or any(map(record.has_failed, PHASE_1)):
        return False
    for signs in (read_signs(record), read_signs(record, signs_in_doubt(record))):
        if signs.asks_for_biopsy and any(map(record.has_failed, BIOPSIES)):
            return False
        if (signs.broad or signs.positive) and record.has_failed("enzymes"):
            return False
    return True


def _evidence(signs: Signs) -> tuple[Evidence, ...]:
    cited = [cite_diagnosis(diagnosis) for diagnosis in signs.core or signs.broad]
    if not signs.core:
        cited += [Evidence(doubt.resource, "core", date=doubt.date) for doubt in signs.named]
    if signs.serology.latest:
        # For each antibody its latest positive result; where both are negative the latest negative ones (E8)
        answer: LabAnswer = "negative" if signs.serology.subtype == "seronegative" else "positive"
        results = (signs.serology.latest.get((antibody, answer)) for antibody in ANTIBODIES)
        cited += [cite(result, value=answer) for result in results if result]
    if signs.ck and not signs.core:
        cited += cite_with_limit(signs.ck)
    return tuple(cited)


def _exclusion(record: PatientRecord) -> str:
    """E5, the first reason that holds. A Patient that could not be read excludes nobody: that is F9."""
    patient = record.patient
    if patient is None:
        if record.has_failed("patient"):
            return ""
        lost = {element for name, element in record.losses if name == f"Patient/{record.patient_id}"}
        return "unreadable patient" if lost and "birthDate" not in lost else "unknown birth date"
    if patient.dead:
        return "deceased"
    today = record.as_of.astimezone(record.mapping.time_zone).date()
    if patient.age is None or patient.birth_first is None or patient.birth_first > today:
        return "unknown birth date"
    return "minor" if patient.age < record.mapping.tables.rules.count("eligibility.adult_age") else ""


def _competing(record: PatientRecord) -> dict[RoleWord, Diagnosis]:
    """E6: the first counted dermatomyositis and inclusion body myositis; in one Condition a core code wins."""
    counted = [d for d in reversed(record.diagnoses) if d.confirmed and not d.has("core")]
    return {name: d for name in _COMPETING for d in counted if d.has(name)}


def _against(record: PatientRecord, serology: Serology) -> Iterator[Evidence]:
    """E3: where no antibody is positive their latest negative or weak answers, and another myositis that is coded."""
    for antibody in () if serology.positive else ANTIBODIES:
        told = [
            (result, answer)
            for (asked, answer), result in serology.latest.items()
            if asked == antibody and answer != "positive"
        ]
        if told:
            result, answer = max(told, key=lambda each: (each[0].when.last, each[0].id))
            yield cite(result, value=answer)
    yield from (cite_diagnosis(d, name) for name, d in _competing(record).items())


def _reason(record: PatientRecord, signs: Signs, state: SignsState) -> str:
    if signs.core:
        return "immune-mediated necrotizing myopathy is coded"
    if state == "possible" and signs.named and not signs.is_possible_by_codes:
        return "immune-mediated necrotizing myopathy is named, not coded"
    said = ["a myopathy is coded"] if signs.broad else []
    if signs.serology.positive:
        said.append(" and ".join(_NAMES[antibody] for antibody in signs.serology.positive) + " positive")
    if signs.ck:
        times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
        said.append(f"CK was above {times} × ULN")
    return ", ".join(said) or "no sign of IMNM"
