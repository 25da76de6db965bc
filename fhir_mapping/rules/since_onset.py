"""What the onset of myositis says beside the score: malignancy near it, the cancer window (X3), childhood (X4)."""

from collections.abc import Callable
from datetime import UTC, datetime

from fhir_mapping.checks.judging import completed_years
from fhir_mapping.evidence import ContextFinding
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Diagnosis, Moment, local_day
from fhir_mapping.rules.citation import cite_diagnosis
from fhir_mapping.rules.eligibility import onsets

_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


def malignancy(record: PatientRecord, onset: datetime | None) -> ContextFinding:
    """Every counted malignancy, and which of them began within three years of the onset (X3)."""
    window = record.mapping.tables.rules.days("context.cancer_days")
    malignancies = [
        (d, cite_diagnosis(d, "malignancy")) for d in record.diagnoses if d.confirmed and d.has("malignancy")
    ]
    near = (cited for d, cited in malignancies if onset and d.onset and abs(d.onset.first - onset) <= window)
    return ContextFinding("malignancy", tuple(cited for _, cited in malignancies), near_onset=tuple(near))


def cancer_window(record: PatientRecord) -> ContextFinding:
    """The three years after the onset in which cancer is looked for, with their last day (X3); none: over, or unknown."""
    window = record.mapping.tables.rules.days("context.cancer_days")
    known = _earliest(record, lambda onset: onset.first)
    if known is None or record.as_of - known[1].first > window:
        return ContextFinding("cancer-window", ())
    diagnosis, onset = known[0], known[1].first
    last_day = local_day(onset + min(window, _LAST_INSTANT - onset), record.mapping.time_zone)
    return ContextFinding("cancer-window", (cite_diagnosis(diagnosis),), until=last_day)


def childhood_onset(record: PatientRecord) -> ContextFinding:
    """The Condition that puts the onset of an adult before the 18th birthday, by its last possible instant (X4).

    Birthdays are counted from the last possible birth date, as for "minor" (E5).
    """
    patient, adult = record.patient, record.mapping.tables.rules.count("eligibility.adult_age")
    known = _earliest(record, lambda onset: onset.last)
    if known is None or patient is None or patient.birth_last is None or (patient.age or 0) < adult:
        return ContextFinding("childhood-onset", ())
    diagnosis, onset = known
    in_childhood = completed_years(patient.birth_last, onset.day(record.mapping.time_zone)) < adult
    return ContextFinding("childhood-onset", (cite_diagnosis(diagnosis),) if in_childhood else ())


def _earliest(record: PatientRecord, end: Callable[[Moment], datetime]) -> tuple[Diagnosis, Moment] | None:
    """The Condition that began first, by one end of its onset (E9); of several the lowest id."""
    with_onset = onsets(record)
    return min(with_onset, key=lambda known: (end(known[1]), known[0].id), default=None)
