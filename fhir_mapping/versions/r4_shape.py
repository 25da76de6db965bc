"""What contradicts R4: elements and types of resources that only other FHIR versions have."""

from collections import defaultdict
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from fhir_mapping.record import Entry, Gathered
from fhir_mapping.versions.r4_decoding import Decoded, read_all
from fhir_mapping.versions.r4_plain import DecodedPlain
from fhir_mapping.versions.r4_resources import (
    ABSENT,
    NOT_THERE,
    R4_STRUCTS,
    R4Medicated,
)
from fhir_mapping.versions.untyped import BROKEN, untyped


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
_NEVER_R4 = {
    **dict.fromkeys(("MedicationOrder", "DiagnosticOrder"), "DSTU2"),
    **dict.fromkeys(("ProcedureRequest", "ReferralRequest"), "STU3"),
}
_OLDEST_FIRST = ("DSTU2", "STU3", "R5")
# What a medication resource has in other versions alone, or in another shape
_OF_OTHERS = attrgetter("was_not_taken", "was_not_given", "taken", "not_given", "medication", "requester")
_NONE = (ABSENT,) * 6


def other_version(gathered: Gathered) -> str:
    """Name the FHIR version that the entries contradict R4 with: DSTU2, STU3 or R5; empty where nothing does.

    It counts where most resources of one type say so; a few odd ones among others are just broken.
    """
    kinds: list[str] = []
    told: defaultdict[str, list[str]] = defaultdict(list)
    for entry in read_all(gathered):
        decoded = entry.decoded
        # Plain ones, as nearly all are, tell nothing
        kind, version = ("Observation", "") if type(decoded) is DecodedPlain else _told(entry, decoded)
        kinds.append(kind)
        if version:
            told[kind].append(version)
    if not told:
        return ""
    versions = {
        version for kind, some in told.items() if 2 * len(some) > kinds.count(kind) for version in some
    }
    return next((version for version in _OLDEST_FIRST if version in versions), "")


def _told(entry: Entry, decoded: Decoded) -> tuple[str, str]:
    """Give the type of a resource and the version that it tells, if any."""
    if decoded.resource is not None and not decoded.lost:
        return decoded.type, _told_by_resource(decoded.type, decoded.resource)
    if decoded.other and decoded.type not in R4_STRUCTS and decoded.type not in _NEVER_R4:
        return "", ""  # of a type that tells nothing
    try:
        shape = _SHAPE.decode(entry.json)
    except BROKEN:
        return "", ""
    return str(shape.resource_type), _told_by_shape(shape)


def _told_by_resource(kind: str, resource: Any) -> str:
    """See what stands beside the elements of R4; where one of these has the shape of another version it does not fit."""
    match kind:
        case "Encounter":
            is_later = isinstance(resource.class_, list) or _is_there(resource.actual_period)
            return "R5" if is_later else ""
        case "Procedure":
            return "STU3" if _is_there(resource.not_done) else ""
        case "ServiceRequest":
            return "R5" if resource.code and resource.code.concept != NOT_THERE else ""
        case "MedicationRequest" | "MedicationStatement" | "MedicationDispense" | "MedicationAdministration":
            return _told_by_medicated(resource)
        case _:
            return ""


def _told_by_medicated(resource: R4Medicated) -> str:
    if _OF_OTHERS(resource) == _NONE:
        return ""
    if _is_there(resource.was_not_taken) or _is_there(resource.was_not_given):
        return "DSTU2"
    requester = b"" if resource.requester is ABSENT else bytes(resource.requester)
    by = untyped(requester) if b"agent" in requester or b"\\u" in requester else None
    has_agent = isinstance(by, dict) and "agent" in by
    if has_agent or _is_there(resource.taken) or _is_there(resource.not_given):
        return "STU3"
    is_object = resource.medication is not ABSENT and bytes(resource.medication).startswith(b"{")
    return "R5" if is_object else ""


def _is_there(json: Raw) -> bool:
    return json is not ABSENT and bytes(json) != b"null"


def _told_by_shape(shape: _Shape) -> str:
    """See the same in JSON that does not fit."""
    match shape.resource_type:
        case str() as name if name in _NEVER_R4:
            return _NEVER_R4[name]
        case "Condition" if isinstance(shape.clinical_status, str) or isinstance(
            shape.verification_status, str
        ):
            return "STU3" if shape.patient is None else "DSTU2"
        case "Encounter" if isinstance(shape.class_, str):
            return "DSTU2"
        case "Encounter" if isinstance(shape.class_, list) or shape.actual_period is not None:
            return "R5"
        case "Observation" if isinstance(shape.interpretation, dict):
            return "STU3"
        case "Procedure" if shape.not_done is not None:
            return "STU3"
        case "ServiceRequest" if isinstance(shape.code, dict) and "concept" in shape.code:
            return "R5"
        case "MedicationRequest" | "MedicationStatement" | "MedicationDispense" | "MedicationAdministration":
            return _told_by_medicated_shape(shape)
        case _:
            return ""


def _told_by_medicated_shape(shape: _Shape) -> str:
    if shape.was_not_taken is not None or shape.was_not_given is not None:
        return "DSTU2"
    has_agent = isinstance(shape.requester, dict) and "agent" in shape.requester
    if has_agent or shape.taken is not None or shape.not_given is not None:
        return "STU3"
    return "R5" if isinstance(shape.medication, dict) else ""
