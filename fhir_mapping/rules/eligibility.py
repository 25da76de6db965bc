"""Is this an IMNM patient? Definite, probable, possible, none or excluded (E)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fhir_mapping.evidence import Eligibility, EligibilityState, Evidence, Note
from fhir_mapping.laboratory.antibody import ANTIBODIES, Antibody, LabAnswer, Serology, read_serology
from fhir_mapping.laboratory.bounds import amount_of, is_raised, size
from fhir_mapping.record import Diagnosis, PatientRecord, Result
from fhir_mapping.rules.citation import cite, cite_diagnosis, cite_with_limit
from fhir_mapping.terms.roles import RoleWord

_NAMES: dict[Antibody, str] = {"anti-srp": "anti-SRP", "anti-hmgcr": "anti-HMGCR"}
_COMPETING: tuple[RoleWord, ...] = ("dermatomyositis", "inclusion-body-myositis")


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for IMNM: a core code, a broad code, a positive antibody, a CK that was ever high (E1 to E3)."""

    core: tuple[Diagnosis, ...]
    broad: tuple[Diagnosis, ...]
    serology: Serology
    ck: Result | None

    @property
    def state(self) -> EligibilityState:
        """Definite (E1), probable (E2), possible (E3) or none (E4), before exclusions."""
        if self.core:
            return "definite"
        signs = [bool(self.broad), bool(self.serology.positive), self.ck is not None]
        return "probable" if all(signs) else "possible" if sum(signs) > 1 else "none"


def eligibility(record: PatientRecord) -> Eligibility:
    """Whether this is an IMNM patient, which subtype, since when, and by what evidence (E1 to E9)."""
    signs = read_signs(record)
    state = signs.state
    reason = _reason(record, signs)
    notes: list[Note] = []
    if state in {"definite", "probable"}:
        notes += _competing(record)
        if exclusion := _exclusion(record):
            state, reason = "excluded", exclusion
    onset = myositis_onset(record, signs.serology)
    if onset is None and state != "none":
        notes.append(Note("E9", "myositis onset is unknown: rules that need it are skipped"))
    evidence = (
        *(cite_diagnosis(diagnosis) for diagnosis in signs.core or signs.broad),
        *_cite_serology(signs.serology),
        *(cite_with_limit(signs.ck) if signs.ck and not signs.core else ()),
    )
    return Eligibility(state, reason, signs.serology.subtype, evidence, onset, tuple(notes))


def read_signs(record: PatientRecord) -> Signs:
    """The conditions, antibodies and the highest CK above 5 × its own limit that E1 to E3 use (M1)."""
    serology = read_serology(record)
    eligible = sorted(
        (diagnosis for diagnosis in record.diagnoses if diagnosis.eligible),
        key=lambda diagnosis: diagnosis.resource,
    )
    return Signs(
        core=tuple(d for d in eligible if d.confirmed and d.has("core")),
        broad=tuple(d for d in eligible if _stands_for_broad(d, serology)),
        serology=serology,
        ck=_high_ck(record),
    )


def is_myopathy(diagnosis: Diagnosis, serology: Serology) -> bool:
    """Whether a Condition has a core code, or one that is broad with these antibodies (E1, E2)."""
    return diagnosis.has("core") or _is_broad(diagnosis, serology)


def myositis_onset(record: PatientRecord, serology: Serology) -> datetime | None:
    """The earliest first instant over counted core and broad Conditions (E9); None: unknown."""
    counted = (d for d in record.diagnoses if d.confirmed and is_myopathy(d, serology))
    return min((d.onset.first for d in counted if d.onset), default=None)


def _is_broad(diagnosis: Diagnosis, serology: Serology) -> bool:
    """Some codes are broad only with an antibody, some only with anti-HMGCR (E2)."""
    positive = serology.positive
    return (
        diagnosis.has("broad")
        or (diagnosis.has("broad-antibody") and bool(positive))
        or (diagnosis.has("broad-hmgcr") and "anti-hmgcr" in positive)
    )


def _stands_for_broad(diagnosis: Diagnosis, serology: Serology) -> bool:
    """M1: a core code that is not confirmed stands for a broad one; a broad one must be confirmed."""
    return _is_broad(diagnosis, serology) if diagnosis.confirmed else diagnosis.has("core")


def _high_ck(record: PatientRecord) -> Result | None:
    """The highest CK that certainly exceeds 5 × its own limit; of equal ones the earliest, then the lower id."""
    times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
    high = sorted(
        (ck for ck in record.of("ck") if is_raised(ck, times)), key=lambda ck: (ck.when.last, ck.id)
    )
    return max(high, key=lambda ck: size(amount_of(ck)), default=None)


def _exclusion(record: PatientRecord) -> str:
    """E5, the first reason that holds. A Patient that could not be read excludes nobody: that is F9."""
    patient = record.patient
    if patient is None:
        return "" if record.has_failed("patient") else "unknown birth date"
    if patient.dead:
        return "deceased"
    today = record.as_of.astimezone(record.mapping.time_zone).date()
    if patient.age is None or patient.birth_first is None or patient.birth_first > today:
        return "unknown birth date"
    return "minor" if patient.age < record.mapping.tables.rules.count("eligibility.adult_age") else ""


def _competing(record: PatientRecord) -> Iterator[Note]:
    """E6: a counted dermatomyositis or inclusion body myositis; in one Condition a core code wins."""
    for name in _COMPETING:
        if any(d.confirmed and d.has(name) and not d.has("core") for d in record.diagnoses):
            yield Note("E6", f"{name.replace('-', ' ')} is coded too")


def _reason(record: PatientRecord, signs: Signs) -> str:
    if signs.core:
        return "immune-mediated necrotizing myopathy is coded"
    times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
    signs_in_words = [
        "a myopathy is coded" if signs.broad else "",
        " and ".join(_NAMES[antibody] for antibody in signs.serology.positive) + " positive"
        if signs.serology.positive
        else "",
        f"CK was above {times} × ULN" if signs.ck else "",
    ]
    return ", ".join(part for part in signs_in_words if part) or "no sign of IMNM"


def _cite_serology(serology: Serology) -> Iterator[Evidence]:
    """For each antibody its latest positive result; where both are negative the latest negative ones (E8)."""
    answer: LabAnswer = "negative" if serology.subtype == "seronegative" else "positive"
    for antibody in ANTIBODIES:
        if result := serology.latest.get((antibody, answer)):
            yield cite(result, value=answer)
