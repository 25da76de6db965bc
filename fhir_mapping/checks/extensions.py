"""Elements that change the meaning of a resource in a way that we do not understand (F2)."""

from fhir_mapping.versions.neutral import Plain, Resource
from fhir_mapping.versions.untyped import untyped

_FEW = 10_000  # backslashes: a page of 1,000 results has as many
_NAMES = (("modifierExtension", "modifier extension"), ("implicitRules", "implicit rules"))


def not_understood(read: Resource | Plain) -> str:
    """Give the reason of F2 for a resource that has such an element anywhere inside; empty where it has none."""
    return "" if read.entry.unchanged else not_understood_in(read.entry.json)


def not_understood_in(json: bytes) -> str:
    """Give the same for JSON.

    The whole is decoded only where the bytes can hold one of the names, be it by an escape; what cannot be decoded
    then is `unreadable`.
    """
    if not may_change_a_meaning(json):
        return ""
    whole = untyped(json)
    if whole is None:
        return "unreadable"
    names: set[str] = set()  # of all elements that have a value, at any depth
    left = [whole]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            names.update(name for name, inner in value.items() if inner not in (None, [], ""))
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return next((reason for name, reason in _NAMES if name in names), "")


def may_change_a_meaning(json: bytes) -> bool:
    """Whether a name, or the escape that may write one, is anywhere in the bytes of a resource, or of a page of them.

    To search a page for a long name takes half of what its resources take.
    """
    if json.find(b"modifierExtension") >= 0 or json.find(b"implicitRules") >= 0:
        return True
    # An ASCII character is written as an escape with two zeros. Nearly all backslashes are few and before a quote: to
    # go from one to the next takes a tenth of a search for four signs
    at = json.find(b"\\")
    for _ in range(_FEW):
        if at < 0:
            return False
        if json.startswith(b"u00", at + 1):
            return True
        at = json.find(b"\\", at + 1)
    return json.find(b"\\u00", at) >= 0
