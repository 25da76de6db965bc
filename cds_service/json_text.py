"""JSON as text: how deep it nests, whether it has one reading only, what of it can be read; and how ours is written."""

import json
import re
from typing import Any, TypeVar

import msgspec

from cds_service.errors import InvalidRequestError
from cds_service.settings.limits import Limits

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # not behind a backslash that is itself escaped
_NOT_OPENING = bytes(set(range(256)) - set(b"[{"))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_RAW = msgspec.json.Decoder(msgspec.Raw)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def check_utf_8(text: bytes) -> None:
    """Raise UnicodeDecodeError for anything but UTF-8; plain ASCII costs a glance."""
    if not text.isascii():
        text.decode("utf-8")


def in_ascii(value: object) -> str:
    """Write a value in ASCII, byte for byte as `json.dumps` does: with a quarter of the instructions where it needs none."""
    written = msgspec.json.format(msgspec.json.encode(value), indent=0)
    is_plain = written.isascii() and b"\x7f" not in written
    return str(written, "ascii") if is_plain else json.dumps(value)


def too_deep(text: bytes, levels: int) -> bool:
    """Whether valid JSON nests deeper than `levels` objects and arrays."""
    if len(text.translate(None, _NOT_OPENING)) <= levels:
        return False
    depth = 0
    for bracket in _STRING.sub(b"", text).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > levels:
            return True
    return False


def strict_json(text: bytes, limits: Limits) -> Any:
    """Read JSON that has one reading only; raises InvalidRequestError without naming any value.

    Refused are a name given twice, NUL, NaN, more than `limits.json_depth` levels, and anything but UTF-8.
    """
    try:
        check_utf_8(text)
        _RAW.decode(text)  # unlike the parser below it refuses NaN
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(what_is_wrong(error)) from None
    if too_deep(text, limits.json_depth):
        raise InvalidRequestError("the body is nested too deeply")
    if b"\\u0000" in text and _NUL.search(text):
        raise InvalidRequestError("the body contains the character NUL")
    try:
        return _STRICT.decode(str(text, "utf-8"))
    except InvalidRequestError:
        raise
    except ValueError:
        raise InvalidRequestError("the body is not JSON") from None


def leniently(text: bytes | msgspec.Raw, shape: type[_Shape]) -> _Shape:
    """Read a JSON object; a member of a wrong type loses only itself and keeps the default of `shape`.

    Raises msgspec.DecodeError (RecursionError at absurd depth) where there is no JSON object.
    """
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError:
        members = _MEMBERS.decode(text)
    kept: dict[str, Any] = {}
    for member in msgspec.structs.fields(shape):
        if member.encode_name in members:
            try:
                kept[member.name] = msgspec.json.decode(members[member.encode_name], type=member.type)
            except msgspec.ValidationError:
                continue
    return shape(**kept)


def items(array: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The items of a JSON array; null in it is passed over, and a single object is an array of one.

    Raises msgspec.DecodeError for anything else but null.
    """
    try:
        each = _ITEMS.decode(array) or []
    except msgspec.ValidationError:
        _MEMBERS.decode(array)
        each = [msgspec.Raw(array)]
    return [item for item in each if bytes(item) != b"null"]


def what_is_wrong(error: Exception) -> str:
    """Name the member that is missing or of the wrong type; its value and position stay unsaid."""
    if isinstance(error, UnicodeDecodeError):
        return "the body is not UTF-8"
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    if not isinstance(error, msgspec.ValidationError):
        return "the body is not JSON"
    missing = re.search(r"missing required field `(\w+)`", str(error))
    where = re.search(r"at `\$\.?([\w.]*)`$", str(error))
    place = where[1] if where else ""
    if missing:
        return f"{place}.{missing[1]} is missing".lstrip(".")
    return f"{place or 'the body'} has the wrong type"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidRequestError("the body names a member twice")
    return members


_STRICT = json.JSONDecoder(object_pairs_hook=_members)
