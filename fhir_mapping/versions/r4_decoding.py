"""One entry, from its bytes to a typed resource of R4: decoded once in a request, and by itself.

A resource of a type that some rule reads becomes its struct of `r4_resources.py`, a plain Observation what
`r4_plain.py` makes of it; elements that no rule reads are skipped, and those of a wrong JSON type are left out
(`salvage.py`). Any other type stays plain JSON; what is no JSON object at all stays an empty one.

A resource that lost an element which a rule asks for, or a part of one, cannot be judged (F3). A rule asks for all those
of `r4_resources.py`, but for

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
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Union

import msgspec
from msgspec.structs import force_setattr

from fhir_mapping.record import Entry, Gathered
from fhir_mapping.versions.frame import Fitting, Frame, Framed, Texts, framing
from fhir_mapping.versions.r4_plain import ANY_RESOURCE, DecodedPlain, R4Plain, Shared
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
from fhir_mapping.versions.untyped import BROKEN, holds_digit, untyped, words_of_value

_NONE: Mapping[str, Any] = MappingProxyType({})
_NO_FIT: Fitting = ("", "")
DECODED = attrgetter("decoded")


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What an entry holds: a typed resource, without what it `lost`, else whatever it is. Nobody changes any of it.

    A resource without an id is known by its `fullUrl`. Of a plain Observation there is a `DecodedPlain` instead.
    """

    type: str
    id: str
    name: str  # `Type/id`
    resource: R4AnyResource | None = None
    lost: Mapping[str, bytes] = _NONE
    other: Mapping[str, Any] = _NONE


class _Kind(msgspec.Struct, rename="camel"):
    """Any resource, by its type alone."""

    resource_type: str = ""


# What a server sends along with what it was asked for, so that its page is read at once all the same
_SENT_ALONG = ("Medication", "OperationOutcome", "Practitioner", "PractitionerRole", "Substance")
_ANY_ENTRY: Any = Union[
    (ANY_RESOURCE, *(msgspec.defstruct(name, [], tag_field="resourceType", tag=name) for name in _SENT_ALONG))
]
_BUNDLE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(framing(_ANY_ENTRY))
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ANY_RESOURCE)
_RESOURCE = msgspec.json.Decoder(R4AnyResource)
_KIND = msgspec.json.Decoder(_Kind)
_TYPES = {struct: name for name, struct in R4_STRUCTS.items()}
_VALUES = ("valueQuantity", "valueInteger", "valueRange", "valueString", "valueCodeableConcept")
_IN_PLACE: Mapping[Any, Callable[[], Any]] = {  # written, but no time (F3)
    str | None: str,
    R4Period | None: lambda: R4Period("", ""),
}


class Reader:
    """Reads entries of one page, or of one record, for the first time."""

    def __init__(self) -> None:
        self._shared = Shared()

    def bundle(self, text: bytes, *, unchanged: bool) -> tuple[Frame, list[Framed]] | None:
        """Read a Bundle in one pass; None where one resource does not fit, or is of a type that is not expected."""
        try:
            bundle = _BUNDLE.decode(text)
        except BROKEN:
            return None
        text_of, plain, framed = Texts(text).of, self._shared.plain, []
        for number, written in enumerate(bundle.entry or ()):
            resource, search = written.resource, written.search
            decoded = plain(resource)
            entry = Entry(text_of, written.full_url or "", unchanged, decoded, number)
            kind, name = ("Observation", decoded.name) if decoded else _fit(entry, resource)
            framed.append((entry, (search and search.mode) or "", kind, name))
        return bundle, framed

    def fits(self, entry: Entry) -> Fitting:
        """Read an entry by itself, to be kept with it, if it fits."""
        try:
            resource = _ANY.decode(entry.json)
        except BROKEN:
            return _NO_FIT
        if decoded := self._shared.plain(resource):
            force_setattr(entry, "decoded", decoded)
            return "Observation", decoded.name
        return _fit(entry, resource)

    def read(self, entry: Entry) -> None:
        """Read an entry that was not read before, whatever it is."""
        self.fits(entry)
        if entry.decoded is None:
            force_setattr(entry, "decoded", _read_broken(entry))


def read_all(gathered: Gathered) -> list[Entry]:
    """Give every entry of every source, each with what was decoded of it."""
    every = [*chain.from_iterable(source.entries for source in gathered.sources.values())]
    if not all(map(DECODED, every)):
        reader = Reader()
        for entry in every:
            if entry.decoded is None:
                reader.read(entry)
    return every


def in_full(entry: Entry) -> Decoded:
    """Give what was decoded of an entry with nothing left aside, also of one that was found to be plain."""
    decoded: Decoded | DecodedPlain = entry.decoded
    if isinstance(decoded, Decoded):
        return decoded
    return _whole(entry) or Decoded("Observation", decoded.name.partition("/")[2], decoded.name)


def _fit(entry: Entry, resource: Any) -> Fitting:
    """Keep with an entry what was decoded of it; an Observation that is not plain is decoded with all that it has."""
    if type(resource) is R4Plain:
        decoded = _whole(entry)
    else:
        decoded = _typed(entry, resource) if type(resource) in _TYPES else None
    if decoded is None or decoded.resource is None:
        return _NO_FIT
    force_setattr(entry, "decoded", decoded)  # it is frozen for all others
    return decoded.type, decoded.name if decoded.resource.id else ""


def _whole(entry: Entry) -> Decoded | None:
    """Read an entry with nothing left aside; None where it does not fit."""
    try:
        return _typed(entry, _RESOURCE.decode(entry.json))
    except BROKEN:
        return None


def _typed(entry: Entry, resource: R4AnyResource, lost: Mapping[str, bytes] = _NONE) -> Decoded:
    kind, id_ = _TYPES[type(resource)], id_of(resource.id, entry.full_url)
    return Decoded(kind, id_, f"{kind}/{id_}", resource, lost=lost)


def _read_broken(entry: Entry) -> Decoded:
    """Read a resource of a type that no rule reads, or one in which something does not fit."""
    try:
        struct = R4_STRUCTS.get(_KIND.decode(entry.json).resource_type)
    except BROKEN:
        struct = None
    read = salvaged(entry.json, struct) if struct else None
    if read is None or read.value is None:
        # Enough of it to name it and to say whose it is
        other = untyped(entry.json)
        other = other if isinstance(other, dict) else {}
        id_, kind = other.get("id"), other.get("resourceType")
        id_ = id_of(id_ if isinstance(id_, str) else None, entry.full_url)
        kind = kind if isinstance(kind, str) else "Resource"
        return Decoded(kind, id_, f"{kind}/{id_}", other=other)
    for element in msgspec.structs.fields(type(read.value)):
        if element.encode_name in read.lost and (instead := _IN_PLACE.get(element.type)):
            setattr(read.value, element.name, instead())
    if isinstance(read.value, R4Observation):
        _put_words(read.value, read.lost)
    return _typed(entry, read.value, read.lost)


def _put_words(observation: R4Observation, lost: Mapping[str, bytes]) -> None:
    """Put the words of a value of the wrong shape in its place: the doubt that it gives may hold a number (U5b)."""
    concept = observation.value_codeable_concept
    written = []
    for json in (lost[name] for name in _VALUES if name in lost):
        try:
            written.append(words_of_value(untyped(json)))
        except BROKEN:  # it nests too deeply
            written.append("")
    if not written:
        return
    written += [observation.value_string or "", (concept and concept.text) or ""]
    words = max(filter(None, written), key=holds_digit, default="")
    if words and concept:
        concept.text = words
    elif words:
        observation.value_string = words


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
