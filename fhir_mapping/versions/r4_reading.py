"""One entry, from its bytes to a typed resource of R4: decoded once in a request, and by itself.

A resource of a type that some rule reads becomes its struct of `r4_resources.py`, a plain Observation what
`r4_plain.py` makes of it; elements that no rule reads are skipped, and those of a wrong JSON type are left out
(`salvage.py`). Any other type stays plain JSON; what is no JSON object at all stays an empty one.

A resource that lost an element which a rule asks for, or a part of one, cannot be judged (F3). They are those of `r4_resources.py`, but for

- `id` and `meta`: a resource without them has no versions (F7), as one that never had them; but a Patient without an
  id is nobody's;
- `contained` of a medication resource: what it refers to in there is `unresolved` then (T1);
- `gender`: there is a rule for an unknown sex (F8);
- `issued` beside an effective time: nothing asks for it (F3).

What stands beside a code and is no evidence, its `display` and `extension`, is of any type. A part that is lost counts
like the whole: of two reference ranges the one that was lost may be the one that fits, of two instructions the one by
mouth.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from fhir_mapping.record import Entry
from fhir_mapping.versions.r4_plain import ANY_RESOURCE, PlainReading, R4Plain, Shared
from fhir_mapping.versions.r4_resources import (
    R4_STRUCTS,
    R4AnyResource,
    R4DiagnosticReport,
    R4Medicated,
    R4Observation,
    R4Patient,
    R4Period,
)
from fhir_mapping.versions.references import id_of
from fhir_mapping.versions.salvage import salvaged
from fhir_mapping.versions.untyped import BROKEN, openings, untyped


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What an entry holds: a typed resource, without what it `lost`, else whatever it is. Nobody changes any of it.

    A resource without an id is known by its `fullUrl`. Of a plain Observation there is no `resource` but `plain`.
    """

    type: str
    id: str
    name: str  # `Type/id`
    resource: R4AnyResource | None = None
    plain: PlainReading | None = None
    lost: Mapping[str, bytes] = {}
    other: Mapping[str, Any] = {}


class _Kind(msgspec.Struct, rename="camel"):
    """Any resource, by its type alone."""

    resource_type: str = ""


_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ANY_RESOURCE)
_RESOURCE = msgspec.json.Decoder(R4AnyResource)
_KIND = msgspec.json.Decoder(_Kind)
_TYPES = {struct: name for name, struct in R4_STRUCTS.items()}
_VALUES = ("valueQuantity", "valueInteger", "valueString")
_IN_PLACE: Mapping[Any, Callable[[], Any]] = {  # written, but no time (F3)
    str | None: str,
    R4Period | None: lambda: R4Period("", ""),
}


class Reader:
    """Reads entries of one page, or of one record, for the first time."""

    def __init__(self) -> None:
        self._shared = Shared()

    def reading_of(self, entry: Entry) -> Reading:
        """Read an entry, or give what was read of it before."""
        if entry.reading is None and not self.fits(entry):
            _keep(entry, _read_broken(entry))
        read: Reading = entry.reading
        return read

    def fits(self, entry: Entry) -> tuple[str, str, int] | None:
        """Read an entry, to be kept with it, if it fits: its type, its name ("": it has no id), its objects and lists."""
        read = self._plain(entry) or whole(entry)
        if read is None:
            return None
        _keep(entry, read)
        has_id = read.plain is not None or (read.resource is not None and read.resource.id)
        return read.type, read.name if has_id else "", openings(entry.json)

    def _plain(self, entry: Entry) -> Reading | None:
        """Read what is plain, or no Observation."""
        try:
            own = _ANY.decode(entry.json)
        except BROKEN:
            return None
        if not isinstance(own, R4Plain):
            return _typed(entry, own, {})
        plain = self._shared.plain(own)
        if plain is None:
            return None
        name = f"Observation/{own.id}"
        return Reading("Observation", own.id, name, plain=plain)


def whole(entry: Entry) -> Reading | None:
    """Read an entry with nothing left aside; None where it does not fit."""
    try:
        return _typed(entry, _RESOURCE.decode(entry.json), {})
    except BROKEN:
        return None


def _keep(entry: Entry, read: Reading) -> None:
    """Leave what depends on an entry alone with it, which is frozen otherwise."""
    force_setattr(entry, "reading", read)


def _typed(entry: Entry, resource: R4AnyResource, lost: Mapping[str, bytes]) -> Reading:
    kind, id_ = _TYPES[type(resource)], id_of(resource.id, entry.full_url)
    return Reading(kind, id_, f"{kind}/{id_}", resource, lost=lost)


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
    return Reading(kind, id_, f"{kind}/{id_}", other=other)


def asked_for(resource: R4AnyResource) -> frozenset[str]:
    """Name the elements of a resource without which it cannot be judged, as JSON names them."""
    names = frozenset(type(resource).__struct_encode_fields__)
    match resource:
        case R4Patient():
            return names - {"meta", "gender"}
        case R4Medicated():
            return names - {"id", "meta", "contained"}
        case R4Observation() if (
            resource.effective_date_time or resource.effective_period or resource.effective_instant
        ):
            return names - {"id", "meta", "issued"}
        case R4DiagnosticReport() if resource.effective_date_time or resource.effective_period:
            return names - {"id", "meta", "issued"}
        case _:
            return names - {"id", "meta"}
