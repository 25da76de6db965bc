"""What contradicts R4: elements and types of resources that only other FHIR versions have."""

from collections import defaultdict
from typing import Any

import msgspec

from fhir_mapping.record import Entry, Gathered
from fhir_mapping.versions.untyped import BROKEN


class _Shape(msgspec.Struct, rename="camel"):
    """Elements whose presence or JSON type differs between FHIR versions."""

    resource_type: Any = None
    clinical_status: Any = None
    verification_status: Any = None
    patient: Any = None
    interpretation: Any = None
    class_: Any = msgspec.field(name="class", default=None)
    code: Any = None
    medication: Any = None
    requester: Any = None
    taken: Any = None
    was_not_taken: Any = None
    not_given: Any = None
    was_not_given: Any = None
    not_done: Any = None
    actual_period: Any = None


_SHAPE = msgspec.json.Decoder(_Shape)
_OLDEST_FIRST = ("DSTU2", "STU3", "R5")


def other_version(gathered: Gathered) -> str:
    """Name the FHIR version that the entries contradict R4 with: DSTU2, STU3 or R5; empty where nothing does.

    It counts where most resources of one type say so; a few odd ones among others are just broken.
    """
    of_type: defaultdict[str, list[str]] = defaultdict(list)
    for shape in (_shape(entry) for source in gathered.sources.values() for entry in source.entries):
        if shape is not None:
            of_type[str(shape.resource_type)].append(_version(shape))
    told = [[version for version in versions if version] for versions in of_type.values()]
    found = {
        v
        for some, every in zip(told, of_type.values(), strict=True)
        if 2 * len(some) > len(every)
        for v in some
    }
    return next((version for version in _OLDEST_FIRST if version in found), "")


def _shape(entry: Entry) -> _Shape | None:
    try:
        return _SHAPE.decode(entry.json)
    except BROKEN:
        return None


def _version(shape: _Shape) -> str:
    match shape.resource_type:
        case "MedicationOrder" | "DiagnosticOrder":
            return "DSTU2"
        case "ProcedureRequest" | "ReferralRequest":
            return "STU3"
        case "Condition":
            return _of_condition(shape)
        case "Encounter":
            return _of_encounter(shape)
        case "Observation" if isinstance(shape.interpretation, dict):
            return "STU3"
        case "Procedure" if shape.not_done is not None:
            return "STU3"
        case "ServiceRequest" if isinstance(shape.code, dict) and "concept" in shape.code:
            return "R5"
        case "MedicationRequest" | "MedicationStatement" | "MedicationDispense" | "MedicationAdministration":
            return _of_medication(shape)
        case _:
            return ""


def _of_condition(shape: _Shape) -> str:
    if isinstance(shape.clinical_status, str) or isinstance(shape.verification_status, str):
        return "DSTU2" if shape.patient is not None else "STU3"
    return ""


def _of_encounter(shape: _Shape) -> str:
    if isinstance(shape.class_, str):
        return "DSTU2"
    return "R5" if isinstance(shape.class_, list) or shape.actual_period is not None else ""


def _of_medication(shape: _Shape) -> str:
    if shape.was_not_taken is not None or shape.was_not_given is not None:
        return "DSTU2"
    has_agent = isinstance(shape.requester, dict) and "agent" in shape.requester
    if has_agent or shape.taken is not None or shape.not_given is not None:
        return "STU3"
    return "R5" if isinstance(shape.medication, dict) else ""
