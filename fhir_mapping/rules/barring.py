"""What each doubt changes, for the card, for `explain` and for silence (U6)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from fhir_mapping.evidence import Activity, Bar, Barring, Eligibility, Feature
from fhir_mapping.laboratory.antibody import read_serology
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt
from fhir_mapping.rules.predictors.course_doubts import newer_ck_doubts
from fhir_mapping.rules.statins import statin_doubts, statin_row

Predictor = Literal["cardiac_involvement", "high_ana", "treatment_refractory", "high_drr"]
_ORDER: tuple[Bar, ...] = get_args(Bar)


def barring(
    record: PatientRecord,
    who: Eligibility,
    features: Mapping[Predictor, Feature],
    now: Activity | None,
) -> tuple[Barring, ...]:
    """The doubts that keep something from being what it would be without them, by resource and role.

    Each of them bars silence, and so does a newer CK beside whatever else is said of the patient.
    """
    bars: defaultdict[tuple[str, str], set[Bar]] = defaultdict(set)
    doubts: dict[tuple[str, str], Doubt] = {}

    def add(what: Bar, barred_by: Iterable[Doubt]) -> None:
        for doubt in barred_by:
            key = (doubt.resource, doubt.role)
            doubts.setdefault(key, doubt)
            bars[key] |= {what, "silence"}

    add("eligibility", who.barred_by)
    add("subtype", who.subtype_barred_by)
    for name, feature in features.items():
        add(name, feature.barred_by)
    # Where one matters and none that was read does: a statin, or beside one the antibody, by words or as a doubt (V, U6)
    serology = read_serology(record)
    row = statin_row(record, serology)
    add("statin", statin_doubts(record, serology) if row and row.state == "unknown" else ())
    add("phase", now.barred_by if now else ())
    if who.is_established:
        add("silence", newer_ck_doubts(record))
    return tuple(
        Barring(doubts[key], tuple(bar for bar in _ORDER if bar in bars[key])) for key in sorted(doubts)
    )
