"""The statin row of the follow-up table (V): a lipid-lowering statin where anti-HMGCR is positive or was never tested."""

from fhir_mapping.laboratory.antibody import Serology
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt
from fhir_mapping.rules.exposures import exposures
from models.inputs import Statin

_ON_A_LIST = frozenset({"MedicationRequest", "MedicationStatement"})


def statin_row(record: PatientRecord, serology: Serology) -> Statin | None:
    """Warn of an active statin by name; `unknown` where one stands there by words or cannot be used. None: no row."""
    untested = not (serology.positive or serology.has("anti-hmgcr"))
    if not untested and "anti-hmgcr" not in serology.positive:
        return None
    listed = [
        t for t in record.treatments if t.active and t.kind in _ON_A_LIST and is_statin(record, t.ingredient)
    ]
    if listed:
        names = tuple(sorted({t.ingredient for t in listed}))
        first = {t.resource for t in listed if t.ingredient == names[0]}
        began = [e.began.day_text for e in exposures(record) if e.treatment.resource in first]
        evidence = tuple(sorted({t.resource for t in listed}))
        return Statin("warn", names, min(began, default=""), evidence, never_answered=untested)
    doubts = statin_doubts(record)
    if not doubts:
        return None
    return Statin(
        "unknown",
        tuple(sorted({d.role for d in doubts})),
        evidence=tuple(sorted({d.resource for d in doubts})),
        never_answered=untested,
    )


def statin_doubts(record: PatientRecord) -> tuple[Doubt, ...]:
    """The statins that stand on the list by words alone, or cannot be used."""
    return tuple(d for d in record.doubts if d.listed and is_statin(record, d.role))


def is_statin(record: PatientRecord, ingredient: str) -> bool:
    """Whether an ingredient of our tables is a statin."""
    agents = record.mapping.tables.agents
    return ingredient in agents and agents[ingredient].klass == "statin"
