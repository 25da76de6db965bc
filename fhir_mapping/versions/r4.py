"""FHIR R4: every entry becomes a `Resource` in neutral terms.

In: `Gathered`, the raw JSON of every source. Out: a `Resource` an entry, in the order of the entries, copies and
versions of one resource still among them (F7). Nothing is refused here, and one broken resource never breaks the
others. `read` takes these steps in this order, each for all entries before the next begins:

1. Parse. A resource of a type that some rule reads becomes its struct of `r4_resources.py`; elements that no rule reads
   are skipped, and those of a wrong JSON type are left out (`salvage.py`). Any other type stays plain JSON; what is no
   JSON object at all stays an empty one. A resource without an id is known by its `fullUrl`.
2. Index the references (F1): `fullUrl` → `Type/id`. A `fullUrl` that two resources claim leads nowhere.
3. Link: the last version of each Medication, Substance and PractitionerRole, which others name their products (T1) or
   specialties (V4) by.
4. Say whose each resource is (F1), what it is (F4), its status and its version (F7). The rest, `content`, is read when a
   check asks for it; plain JSON has none. A resource that lost an element which a rule asks for is not `readable`:
   `checks/` refuses it, and by what can still be read of it, it is a doubt (U1).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_mapping.record import Coding, Concept, Entry, Gathered
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions import linked as links
from fhir_mapping.versions.neutral import Resource
from fhir_mapping.versions.r4_asked import asked_for
from fhir_mapping.versions.r4_content import (
    content,
    kinds_of_contact,
    led_to,
    subjects,
    texts_of,
    what_it_is,
)
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_medication import named
from fhir_mapping.versions.r4_resources import (
    R4_STRUCTS,
    R4AnyResource,
    R4Medicated,
    R4Meta,
    R4Observation,
    R4Period,
)
from fhir_mapping.versions.r4_shape import other_version
from fhir_mapping.versions.references import References, id_of, references
from fhir_mapping.versions.salvage import salvaged
from fhir_mapping.versions.superseded import last_versions
from fhir_mapping.versions.untyped import BROKEN, how_many, untyped

__all__ = ["other_version", "read", "unresolved_medications", "work"]


class _Kind(msgspec.Struct, rename="camel"):
    """Any resource, by its type alone."""

    resource_type: str = ""


_RESOURCE = msgspec.json.Decoder(R4AnyResource)
_KIND = msgspec.json.Decoder(_Kind)
_SAYS_WHAT_IT_IS = (
    "code",
    "medicationCodeableConcept",
    "class",
    "type",
    "serviceType",
    "specialty",
    "appointmentType",
)
_VALUES = ("valueQuantity", "valueInteger", "valueString")
_IN_PLACE: Mapping[Any, Callable[[], Any]] = {  # written, but no time (F3)
    str | None: str,
    R4Period | None: lambda: R4Period("", ""),
}
_MEDICATION = re.compile(r"Medication/[A-Za-z0-9.\-]{1,64}")


class _Parsed(msgspec.Struct, frozen=True):
    """An entry after its JSON was read: as a typed resource, without what it `lost`, else as whatever it is."""

    type: str
    id: str
    entry: Entry
    resource: R4AnyResource | None
    lost: Mapping[str, bytes] = {}
    other: Mapping[str, Any] = {}


def read(gathered: Gathered) -> tuple[Resource, ...]:
    """Read every entry of every source, in any order; copies and versions are still all there (F7)."""
    parsed = _parsed(gathered)
    elements = _elements(gathered, parsed)
    linked = _linked(parsed, elements)
    return _as_asked([_resource(one, elements, linked) for one in parsed], gathered)


def _as_asked(resources: list[Resource], gathered: Gathered) -> tuple[Resource, ...]:
    """Note what a resource that does not say what it is was found by, in every source that holds it (U1)."""
    asked: dict[str, frozenset[RoleWord]] = {}
    rest = iter(resources)
    for source in gathered.sources.values():
        here = list(islice(rest, len(source.entries)))
        unsaid = {one.name for one in here if one.unsure or not one.is_coded} if source.asked else set()
        if unsaid and _kept_to_codes(here, source.asked, gathered.mapping.tables):
            asked |= {name: asked.get(name, frozenset()) | source.asked for name in unsaid}
    return tuple(replace(one, asked=asked[one.name]) if one.name in asked else one for one in resources)


def _kept_to_codes(resources: Iterable[Resource], asked: frozenset[RoleWord], tables: Tables) -> bool:
    """Whether a server sent what it was asked for by code, and not all that it has."""
    coded = [one for one in resources if one.is_coded and not one.unsure]
    others = [one for one in coded if asked.isdisjoint(tables.words("observations", one.codings))]
    return 2 * len(others) <= len(coded)


def unresolved_medications(gathered: Gathered) -> tuple[str, ...]:
    """Name the Medication resources that are referred to and were not gathered, as `Medication/x` (T1)."""
    parsed = _parsed(gathered)
    linked = _linked(parsed, _elements(gathered, parsed))
    names: set[str] = set()
    for one in parsed:
        if isinstance(one.resource, R4Medicated):
            names.update(named(one.resource, linked).unresolved)
    return tuple(sorted(name for name in names if _MEDICATION.fullmatch(name)))


def work(gathered: Gathered) -> int:
    """Count what the rules will read: values, characters of laboratory texts, products each time they are named."""
    parsed = _parsed(gathered)
    linked = _linked(parsed, _elements(gathered, parsed))
    texts = (
        text for one in parsed if isinstance(one.resource, R4Observation) for text in texts_of(one.resource)
    )
    named_ones = (named(one.resource, linked) for one in parsed if isinstance(one.resource, R4Medicated))
    return (
        sum(how_many(one.entry.json) for one in parsed)
        + sum(min(len(text), LONGEST_TEXT) for text in texts)
        + sum(of_one.values for of_one in named_ones)
    )


def _parsed(gathered: Gathered) -> list[_Parsed]:
    return [_parse(entry) for source in gathered.sources.values() for entry in source.entries]


def _parse(entry: Entry) -> _Parsed:
    try:
        resource = _RESOURCE.decode(entry.json)
    except BROKEN:
        return _parse_broken(entry)
    return _typed(entry, resource, {})


def _typed(entry: Entry, resource: R4AnyResource, lost: Mapping[str, bytes]) -> _Parsed:
    tag = str(resource.__struct_config__.tag)
    return _Parsed(tag, id_of(resource.id, entry.full_url), entry, resource, lost)


def _parse_broken(entry: Entry) -> _Parsed:
    """Read a resource of a type that no rule reads, or one in which something does not fit."""
    try:
        struct = R4_STRUCTS.get(_KIND.decode(entry.json).resource_type)
    except BROKEN:
        struct = None
    read = salvaged(entry.json, struct) if struct else None
    if read is None or read.value is None:
        return _parse_other(entry)
    for element in msgspec.structs.fields(type(read.value)):
        if element.encode_name in read.lost and (instead := _IN_PLACE.get(element.type)):
            setattr(read.value, element.name, instead())
    if isinstance(read.value, R4Observation) and (words := _words_of_value(read.lost)):
        read.value.value_string = words
    return _typed(entry, read.value, read.lost)


def _words_of_value(lost: Mapping[str, bytes]) -> str:
    """Write a value of the wrong shape as text: the doubt that it gives may hold a number (U5b)."""
    written = next((json for name in _VALUES if (json := lost.get(name))), b"null")
    value = untyped(written)
    if isinstance(value, dict):
        parts = [value.get("comparator"), value.get("value"), value.get("unit") or value.get("code")]
    else:
        parts = [value]
    return " ".join(str(part) for part in parts if isinstance(part, str | int | float) and part is not True)


def _parse_other(entry: Entry) -> _Parsed:
    """Read enough of a resource that no rule reads to name it and to say whose it is."""
    other = untyped(entry.json)
    if not isinstance(other, dict):
        other = {}
    written = other.get("id")
    type_ = other.get("resourceType")
    id_ = id_of(written if isinstance(written, str) else None, entry.full_url)
    return _Parsed(type_ if isinstance(type_, str) else "Resource", id_, entry, None, other=other)


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
    found = led_to(resource, linked)
    concepts = (*what_it_is(resource, elements, found), *_guessed(one, found, elements))
    lost = frozenset(one.lost) or _given_twice(resource)
    if found.unread:
        lost |= {"participant" if one.type == "Encounter" else "medicationReference"}
    meta = resource.meta or R4Meta()
    return Resource(
        type=one.type,
        id=one.id,
        json=one.entry.json,
        subjects=subjects(resource, elements),
        status=getattr(resource, "status", None) or "",
        codings=(
            *kinds_of_contact(resource, elements, found),
            *(coding for concept in concepts for coding in concept.codings),
        ),
        updated=_instant(meta.last_updated, elements),
        version=_number(meta.version_id),
        readable=not (lost and lost & asked_for(resource)),
        content=cache(partial(content, resource, elements, linked)),
        lost=lost,
        concepts=concepts,
        unsure="code" in one.lost and not _all_coded(untyped(one.lost["code"])),
    )


def _all_coded(concept: Any) -> bool:
    """Whether every coding of a concept of the wrong shape could be read: what was lost is beside the codes."""
    written = concept.get("coding") if isinstance(concept, dict) else None
    codings = [part for part in (written if isinstance(written, list) else [written]) if part is not None]
    return bool(codings) and all(
        isinstance(part, dict) and all(isinstance(part.get(name), str) for name in ("system", "code"))
        for part in codings
    )


def _given_twice(resource: R4AnyResource) -> frozenset[str]:
    """Name the values of an Observation or component that has several: nobody can say which of them counts."""
    if not isinstance(resource, R4Observation):
        return frozenset()
    names = dict(zip(resource.__struct_encode_fields__, resource.__struct_fields__, strict=True))
    for part in (resource, *(resource.component or ())):
        given = [
            written
            for written, name in names.items()
            if written.startswith("value") and getattr(part, name, None) is not None
        ]
        if len(given) > 1:
            return frozenset(given) if part is resource else frozenset({"component"})
    return frozenset()


def _guessed(one: _Parsed, found: links.Named, elements: Elements) -> Iterator[Concept]:
    """Read what can still be read of elements of a wrong shape that say what the resource is (U1)."""
    broken = [json for name, json in one.lost.items() if name in _SAYS_WHAT_IT_IS]
    broken += [json for name, json in found.unread if name == "code"]
    for json in broken:
        yield from _other_concepts(untyped(json), elements)


def _other_resource(one: _Parsed, elements: Elements) -> Resource:
    """Read what can be read of a resource without its type: whose it is, what it is, which version."""
    meta = one.other.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    concepts = (_other_concepts(one.other.get(name), elements) for name in _SAYS_WHAT_IT_IS)
    return Resource(
        type=one.type,
        id=one.id,
        json=one.entry.json,
        subjects=_other_subjects(one, elements.references),
        status="",
        codings=tuple(coding for some in concepts for concept in some for coding in concept.codings),
        updated=_instant(meta.get("lastUpdated"), elements),
        version=_number(meta.get("versionId")),
        readable=bool(one.other),
        content=None,
    )


def _other_subjects(one: _Parsed, known: References) -> tuple[str, ...] | None:
    found = [one.other[name] for name in ("subject", "patient") if one.other.get(name) is not None]
    return tuple(_addresses(found, known)) if found else None


def _addresses(values: Iterable[Any], known: References) -> Iterator[str]:
    for value in values:
        for reference in _objects(value):
            address = reference.get("reference")
            yield known.resolve(address) if isinstance(address, str) else ""


def _other_concepts(value: Any, elements: Elements) -> Iterator[Concept]:
    """Read a text, a Coding, a CodeableConcept, or a list of them, be their codes numbers."""
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            yield Concept(text=elements.text(text))
    for written in _objects(value):
        parts = _objects(written.get("coding", written))
        text, displays = written.get("text"), [part.get("display") for part in parts]
        yield Concept(
            tuple(_other_codings(parts, elements)),
            elements.text(text) if isinstance(text, str) else "",
            tuple(elements.text(display) for display in displays if isinstance(display, str)),
        )


def _other_codings(parts: Iterable[Mapping[str, Any]], elements: Elements) -> Iterator[Coding]:
    for part in parts:
        system, code = part.get("system"), part.get("code")
        if isinstance(code, str | int | float):
            yield elements.coding(system if isinstance(system, str) else "", str(code))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)]


def _instant(text: Any, elements: Elements) -> datetime | None:
    when = elements.time(text) if isinstance(text, str) else None
    return when.first if when else None


def _number(text: Any) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None
