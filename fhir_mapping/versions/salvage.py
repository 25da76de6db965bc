"""Reading what can be read of a resource in which elements have a wrong JSON type (F3).

What fits is kept. What does not is lost, together with whatever would mean something else without it: a Quantity
without its comparator, a reference range without its group. So an element of a resource goes as a whole, of a list the
entries that do not fit, of a struct that is `alternatives` (a CodeableConcept) its own elements. A null in a list is no
entry, and one object in place of the list of alternatives is its only entry; neither is a loss.

Each depth is decoded with its type first, and taken apart only where that fails: the cost is linear.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from fhir_mapping.versions.untyped import BROKEN


class Salvageable(Struct):
    """A struct that can be salvaged; `alternatives`: its elements mean the same without each other."""

    alternatives: ClassVar[bool] = False


AnyStruct = TypeVar("AnyStruct", bound=Salvageable)

_PARTS = msgspec.json.Decoder(dict[str, Raw])
_ENTRIES = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[AnyStruct]):
    """What could be read, and the JSON of each element that lost something. `value` None: it is no object."""

    value: AnyStruct | None
    lost: Mapping[str, bytes] = field(default_factory=dict)


def salvaged(json: bytes, struct: type[AnyStruct]) -> Salvaged[AnyStruct]:
    """Read a resource without those of its elements that do not fit."""
    try:
        return Salvaged(_decoder(struct).decode(json))
    except BROKEN:
        pass
    try:
        parts = _PARTS.decode(json)
    except BROKEN:
        return Salvaged(None)
    values, lost = _elements(parts, struct)
    return Salvaged(struct(**values), {name: bytes(parts[name]) for name in lost})


def _fitted(json: bytes, kind: Any) -> tuple[Any, bool]:
    """Read a value of a kind as far as it fits (None: not at all), and say whether it is whole."""
    try:
        return _decoder(kind).decode(json), True
    except BROKEN:
        pass
    try:
        for option in get_args(kind) if isinstance(kind, UnionType) else (kind,):
            if get_origin(option) is list and json.startswith(b"["):
                (of_entries,) = get_args(option)
                entries = (bytes(entry) for entry in _ENTRIES.decode(json))
                fitted = [_fitted(entry, of_entries) for entry in entries if entry != b"null"]
                return [value for value, _ in fitted if value is not None], all(whole for _, whole in fitted)
            if isinstance(option, type) and issubclass(option, Salvageable) and json.startswith(b"{"):
                values, lost = _elements(_PARTS.decode(json), option)
                return (None, False) if lost and not option.alternatives else (option(**values), not lost)
    except (*BROKEN, ValueError):  # a ValueError is that of a struct whose elements contradict each other
        pass
    return None, False


def _elements(parts: Mapping[str, Raw], struct: type[Salvageable]) -> tuple[dict[str, Any], list[str]]:
    """Read the elements of a struct by themselves, and name those that lost something."""
    values: dict[str, Any] = {}
    lost: list[str] = []
    for element in _fields(struct):
        json = bytes(parts.get(element.encode_name, b"null"))
        if json == b"null":
            continue
        options = get_args(element.type) if struct.alternatives and json.startswith(b"{") else ()
        if any(get_origin(option) is list for option in options):
            json = b"[" + json + b"]"
        value, whole = _fitted(json, element.type)
        if value is not None:
            values[element.name] = value
        if not whole:
            lost.append(element.encode_name)
    return values, lost


@cache
def _fields(struct: type[Salvageable]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
