"""FHIR R4: every entry becomes a `Resource` in neutral terms.

In: `Gathered`, the raw JSON of every source. Out: a `Resource` an entry, in the order of the entries, copies and
versions of one resource still among them (F7). Nothing is refused here, and one broken resource never breaks the
others. `read` takes these steps in this order, each for all entries before the next begins:

1. Parse. A resource of a type that some rule reads becomes its struct of `r4_resources.py`; elements that no rule reads
   are skipped. Any other type, and one with a wrong JSON type in an element that is read, stays plain JSON; what is no
   JSON object at all stays an empty one. A resource without an id is known by its `fullUrl`.
2. Index the references (F1): `fullUrl` → `Type/id`. A `fullUrl` that two resources claim leads nowhere.
3. Link: the last version of each Medication, Substance and PractitionerRole, which others name their products (T1) or
   specialties (V4) by.
4. Say whose each resource is (F1), what it is (F4), its status and its version (F7). The rest, `content`, is read when a
   check asks for it. Plain JSON has no content; where a struct was expected, or nothing is there, it is not `readable`,
   and `checks/` refuses it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from fhir_mapping.record import Coding, Entry, Gathered
from fhir_mapping.versions import linked as links
from fhir_mapping.versions.neutral import Resource
from fhir_mapping.versions.r4_content import content, is_patient, subjects, what_it_is
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_medication import named
from fhir_mapping.versions.r4_resources import (
    R4_TYPES,
    R4AnyResource,
    R4Medicated,
    R4Meta,
)
from fhir_mapping.versions.r4_shape import other_version
from fhir_mapping.versions.references import References, id_of, references
from fhir_mapping.versions.superseded import last_versions
from fhir_mapping.versions.untyped import BROKEN, untyped

__all__ = ["other_version", "read", "unresolved_medications"]

_RESOURCE = msgspec.json.Decoder(R4AnyResource)
_SAYS_WHAT_IT_IS = (
    "code",
    "medicationCodeableConcept",
    "class",
    "type",
    "serviceType",
    "specialty",
    "appointmentType",
)
_MEDICATION = re.compile(r"Medication/[A-Za-z0-9.\-]{1,64}")


class _Parsed(msgspec.Struct, frozen=True):
    """An entry after its JSON was read: as a typed resource, else as whatever it is."""

    type: str
    id: str
    entry: Entry
    resource: R4AnyResource | None
    other: Mapping[str, Any]


def read(gathered: Gathered) -> tuple[Resource, ...]:
    """Read every entry of every source, in any order; copies and versions are still all there (F7)."""
    parsed = _parsed(gathered)
    elements = _elements(gathered, parsed)
    linked = _linked(parsed, elements)
    return tuple(_resource(one, elements, linked) for one in parsed)


def unresolved_medications(gathered: Gathered) -> tuple[str, ...]:
    """Name the Medication resources that are referred to and were not gathered, as `Medication/x` (T1)."""
    parsed = _parsed(gathered)
    linked = _linked(parsed, _elements(gathered, parsed))
    names: set[str] = set()
    for one in parsed:
        if isinstance(one.resource, R4Medicated):
            names.update(named(one.resource, linked).unresolved)
    return tuple(sorted(name for name in names if _MEDICATION.fullmatch(name)))


def _parsed(gathered: Gathered) -> list[_Parsed]:
    return [_parse(entry) for source in gathered.sources.values() for entry in source.entries]


def _parse(entry: Entry) -> _Parsed:
    try:
        resource = _RESOURCE.decode(entry.json)
    except BROKEN:
        return _parse_other(entry)
    tag = str(resource.__struct_config__.tag)
    return _Parsed(tag, id_of(resource.id, entry.full_url), entry, resource, {})


def _parse_other(entry: Entry) -> _Parsed:
    """Read a resource that no rule reads, or one that is broken: enough to name it and to say whose it is."""
    try:
        other = untyped(entry.json)
    except BROKEN:
        other = None
    if not isinstance(other, dict):
        other = {}
    written = other.get("id")
    type_ = other.get("resourceType")
    id_ = id_of(written if isinstance(written, str) else None, entry.full_url)
    return _Parsed(type_ if isinstance(type_, str) else "Resource", id_, entry, None, other)


def _elements(gathered: Gathered, parsed: Iterable[_Parsed]) -> Elements:
    mapping = gathered.mapping
    names = ((one.entry.full_url, f"{one.type}/{one.id}") for one in parsed)
    known = references(gathered.base, mapping.also_known_as, names)
    return Elements(mapping.tables.systems, mapping.time_zone, known)


def _linked(parsed: Iterable[_Parsed], elements: Elements) -> links.Linked:
    current, _ = last_versions(_other_resource(one, elements) for one in parsed if one.type in links.TYPES)
    return links.Linked({resource.name: resource.json for resource in current}, elements.references)


def _resource(one: _Parsed, elements: Elements, linked: links.Linked) -> Resource:
    resource = one.resource
    if resource is None:
        return _other_resource(one, elements)
    meta = resource.meta or R4Meta()
    return Resource(
        type=one.type,
        id=one.id,
        json=one.entry.json,
        subjects=subjects(resource, elements),
        status=getattr(resource, "status", None) or "",
        codings=what_it_is(resource, elements, linked),
        updated=_instant(meta.last_updated, elements),
        version=_number(meta.version_id),
        readable=True,
        content=partial(content, resource, elements, linked),
    )


def _other_resource(one: _Parsed, elements: Elements) -> Resource:
    """Read what can be read of a resource without its type: whose it is, what it is, which version."""
    meta = one.other.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return Resource(
        type=one.type,
        id=one.id,
        json=one.entry.json,
        subjects=_other_subjects(one, elements.references),
        status="",
        codings=tuple(_other_codings([one.other.get(name) for name in _SAYS_WHAT_IT_IS], elements)),
        updated=_instant(meta.get("lastUpdated"), elements),
        version=_number(meta.get("versionId")),
        readable=one.type not in R4_TYPES and bool(one.other),
        content=None,
    )


def _other_subjects(one: _Parsed, known: References) -> tuple[str, ...] | None:
    found = [one.other[name] for name in ("subject", "patient") if one.other.get(name) is not None]
    if one.type == "Appointment":
        participants = one.other.get("participant")
        actors = [part.get("actor") for part in _objects(participants)]
        return tuple(name for name in _addresses(actors, known) if is_patient(name))
    if not found:
        return ("",) if one.type in R4_TYPES and one.type != "Patient" else None
    return tuple(_addresses(found, known))


def _addresses(values: Iterable[Any], known: References) -> Iterator[str]:
    for value in values:
        for reference in _objects(value if isinstance(value, list) else [value]):
            address = reference.get("reference")
            yield known.resolve(address) if isinstance(address, str) else ""


def _other_codings(values: Iterable[Any], elements: Elements) -> Iterator[Coding]:
    """Find the codings in Coding, CodeableConcept, CodeableReference, or lists of them."""
    for value in values:
        for concept in _objects(value if isinstance(value, list) else [value]):
            for part in _objects(concept.get("coding", [concept])):
                system, code = part.get("system"), part.get("code")
                if isinstance(system, str) and isinstance(code, str):
                    yield elements.coding(system, code)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _instant(text: Any, elements: Elements) -> datetime | None:
    when = elements.time(text) if isinstance(text, str) else None
    return when.first if when else None


def _number(text: Any) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None
