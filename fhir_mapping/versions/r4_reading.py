"""One entry, from its bytes to a typed resource of R4: decoded once in a request, and by itself.

A resource of a type that some rule reads becomes its struct of `r4_resources.py`; elements that no rule reads are
skipped, and those of a wrong JSON type are left out (`salvage.py`). Any other type stays plain JSON; what is no JSON
object at all stays an empty one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fhir_mapping.record import Entry
from fhir_mapping.versions.r4_resources import R4_STRUCTS, R4AnyResource, R4Observation, R4Period
from fhir_mapping.versions.references import address_of, id_of
from fhir_mapping.versions.salvage import salvaged
from fhir_mapping.versions.untyped import BROKEN, untyped, values_and_openings


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What an entry holds: a typed resource, without what it `lost`, else whatever it is. Nobody changes any of it.

    A resource without an id is known by its `fullUrl`.
    """

    type: str
    id: str
    address: str  # of its `fullUrl`, comparable
    values: int  # that its JSON can hold
    openings: int  # of these, objects and lists
    resource: R4AnyResource | None
    lost: Mapping[str, bytes] = {}
    other: Mapping[str, Any] = {}


class _Kind(msgspec.Struct, rename="camel"):
    """Any resource, by its type alone."""

    resource_type: str = ""


_RESOURCE = msgspec.json.Decoder(R4AnyResource)
_KIND = msgspec.json.Decoder(_Kind)
_TYPES = {struct: name for name, struct in R4_STRUCTS.items()}
_VALUES = ("valueQuantity", "valueInteger", "valueString")
_IN_PLACE: Mapping[Any, Callable[[], Any]] = {  # written, but no time (F3)
    str | None: str,
    R4Period | None: lambda: R4Period("", ""),
}


def reading_of(entry: Entry) -> Reading:
    """Read an entry, or give what was read of it before."""
    if entry.reading is None and not fits(entry):
        _keep(entry, _read_broken(entry))
    read: Reading = entry.reading
    return read


def fits(entry: Entry) -> tuple[str, str, int, int] | None:
    """Read an entry, to be kept with it, if it fits: its type, its id ("": none), its values and openings."""
    try:
        resource = _RESOURCE.decode(entry.json)
    except BROKEN:
        return None
    read = _typed(entry, resource, {})
    _keep(entry, read)
    return read.type, resource.id or "", read.values, read.openings


def _keep(entry: Entry, read: Reading) -> None:
    """Leave what depends on an entry alone with it, which is frozen otherwise."""
    object.__setattr__(entry, "reading", read)


def _typed(entry: Entry, resource: R4AnyResource, lost: Mapping[str, bytes]) -> Reading:
    id_ = id_of(resource.id, entry.full_url)
    address = address_of(entry.full_url)
    return Reading(_TYPES[type(resource)], id_, address, *values_and_openings(entry.json), resource, lost)


def _read_broken(entry: Entry) -> Reading:
    """Read a resource of a type that no rule reads, or one in which something does not fit."""
    try:
        struct = R4_STRUCTS.get(_KIND.decode(entry.json).resource_type)
    except BROKEN:
        struct = None
    read = salvaged(entry.json, struct) if struct else None
    if read is None or read.value is None:
        return _read_other(entry)
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


def _read_other(entry: Entry) -> Reading:
    """Read enough of a resource that no rule reads to name it and to say whose it is."""
    other = untyped(entry.json)
    if not isinstance(other, dict):
        other = {}
    written = other.get("id")
    type_ = other.get("resourceType")
    id_ = id_of(written if isinstance(written, str) else None, entry.full_url)
    kind = type_ if isinstance(type_, str) else "Resource"
    return Reading(kind, id_, address_of(entry.full_url), *values_and_openings(entry.json), None, other=other)
