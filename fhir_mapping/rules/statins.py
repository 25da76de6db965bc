"""The statin row of the follow-up table (V): a lipid-lowering statin where anti-HMGCR is positive or was never tested."""

from fhir_mapping.laboratory.antibody import Serology
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt, Treatment
from fhir_mapping.rules.exposures import exposures
from models.inputs import Statin

_ON_A_LIST = frozenset({"MedicationRequest", "MedicationStatement"})


def statin_row(record: PatientRecord, serology: Serology) -> Statin | None:
    """Warn of an active statin by name; `unknown` where it, or the antibody, cannot be used. None: no row."""
    listed, untested = _listed(record), _is_untested(serology)
    names = tuple(sorted({t.ingredient for t in listed}))
    if listed and _asks(serology):
        first = {t.resource for t in listed if t.ingredient == names[0]}
        began = [e.began.day_text for e in exposures(record) if e.treatment.resource in first]
        evidence = tuple(sorted({t.resource for t in listed}))
        return Statin("warn", names, min(began, default=""), evidence, never_answered=untested)
    doubts = statin_doubts(record, serology)
    if not doubts:
        return None
    return Statin(
        "unknown",
        names or tuple(sorted({d.role for d in doubts if is_statin(record, d.role)})),
        evidence=tuple(sorted({d.resource for d in doubts})),
        never_answered=untested,
    )


def statin_doubts(record: PatientRecord, serology: Serology) -> tuple[Doubt, ...]:
    """What stands on the list by words alone or cannot be used, and beside a statin an anti-HMGCR of which that is so."""
    statins = tuple(d for d in record.doubts if d.listed and is_statin(record, d.role))
    if _asks(serology):
        return statins
    antibody = record.doubts_in("anti-hmgcr")
    return (*antibody, *statins) if antibody and (statins or _listed(record)) else ()


def is_statin(record: PatientRecord, ingredient: str) -> bool:
    """Whether an ingredient of our tables is a statin."""
    agents = record.mapping.tables.agents
    return ingredient in agents and agents[ingredient].klass == "statin"


def _listed(record: PatientRecord) -> list[Treatment]:
    """The active statins of the medication list."""
    active = (t for t in record.treatments if t.active and t.kind in _ON_A_LIST)
    return [t for t in active if is_statin(record, t.ingredient)]


def _is_untested(serology: Serology) -> bool:
    return not (serology.positive or serology.has("anti-hmgcr"))


def _asks(serology: Serology) -> bool:
    return _is_untested(serology) or "anti-hmgcr" in serology.positive
