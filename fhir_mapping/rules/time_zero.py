"""From which day a model's time zero is counted (S11): the onset of myositis (E9), or the first day of any agent (T1)."""

from datetime import date

from fhir_mapping.evidence import Eligibility
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt, local_day
from fhir_mapping.rules.exposures import NO_AGENTS, exposures
from fhir_mapping.rules.predictors.course_doubts import agent_doubts
from models.inputs import Anchor


def anchor_day(record: PatientRecord, who: Eligibility, anchor: Anchor) -> date | Doubt | None:
    """The calendar day of an anchor in the client's zone; None: it is not on record.

    A doubt in its roles that may be of an earlier day takes its place: then the anchor is not known.
    """
    if anchor == "onset":
        day = local_day(who.onset, record.mapping.time_zone) if who.onset else None
        doubts = record.doubts_in("core", "broad")
    else:
        day = min((e.first_day for e in exposures(record) if e.klass not in NO_AGENTS), default=None)
        doubts = agent_doubts(record)
    earliest = min(doubts, key=lambda doubt: (_first_day(doubt), doubt.resource), default=None)
    if earliest and (day is None or _first_day(earliest) < day.isoformat()):
        return earliest
    return day


def _first_day(doubt: Doubt) -> str:
    """The first day that its date may mean, as 2024-05-01; what sorts before every day where it has none."""
    return f"{doubt.date}-01-01"[:10]
