"""Elements that change the meaning of a resource in a way that we do not understand (F2)."""

import re
from typing import Any

from fhir_mapping.versions.untyped import untyped

_NAMES = (("modifierExtension", "modifier extension"), ("implicitRules", "implicit rules"))

_WRITTEN = tuple(name.encode() for name, _ in _NAMES)
_ESCAPE = re.compile(rb"\\u")


def not_understood(json: bytes) -> str:
    """Give the reason of F2 for a resource that has such an element anywhere inside; empty where it has none.

    The whole is decoded only where the bytes can hold one of the names, be it by an escape; what cannot be decoded
    then is `unreadable`.
    """
    has_escape = b"\\" in json and _ESCAPE.search(json)
    if not has_escape and _WRITTEN[0] not in json and _WRITTEN[1] not in json:
        return ""
    whole = untyped(json)
    if whole is None:
        return "unreadable"
    found = _keys(whole)
    return next((reason for name, reason in _NAMES if name in found), "")


def _keys(whole: Any) -> set[str]:
    """Collect the names of all elements that have a value, at any depth."""
    found: set[str] = set()
    left = [whole]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            found.update(name for name, inner in value.items() if inner not in (None, [], ""))
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return found
