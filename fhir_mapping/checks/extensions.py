"""Elements that change the meaning of a resource in a way that we do not understand (F2)."""

from typing import Any

from fhir_mapping.versions.untyped import untyped

_NAMES = (("modifierExtension", "modifier extension"), ("implicitRules", "implicit rules"))


def not_understood(json: bytes) -> str:
    """Give the reason of F2 for a resource that has such an element anywhere inside; empty where it has none.

    The whole is decoded only where the bytes can hold one of the names, be it by an escape; what cannot be decoded
    then is `unreadable`.
    """
    if not _may_hold_a_name(json):
        return ""
    whole = untyped(json)
    if whole is None:
        return "unreadable"
    found = _keys(whole)
    return next((reason for name, reason in _NAMES if name in found), "")


def _may_hold_a_name(json: bytes) -> bool:
    """Whether a name, or the escape that may write one, is anywhere in the bytes.

    A lone backslash is the quickest to rule out; from the end a long name is found in a third of the time.
    """
    return (
        json.rfind(b"modifierExtension") >= 0
        or json.rfind(b"implicitRules") >= 0
        or (b"\\" in json and b"\\u" in json)
    )


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
