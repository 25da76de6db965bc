"""One FHIR answer, as bytes: whether it is what was asked for, whether it is whole, and which resources it holds.

Only the frame of a Bundle is read here. Each resource stays as it arrived: `fhir_mapping` judges it, one by one.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from cds_service.json_text import too_deep
from fhir_mapping.record import Entry

_FAILURES = frozenset({"error", "fatal"})
_Read = TypeVar("_Read")


class UnreadableError(Exception):
    """The answer is not what was asked for; the message is for people and holds nothing of the answer."""


class _Issue(msgspec.Struct, gc=False):
    severity: str = ""
    code: str = ""


class _Outcome(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    issue: list[_Issue] = []


class _Resource(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    id: str | None = None


class _Typed(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class _Entry(msgspec.Struct, gc=False, rename="camel"):
    resource: msgspec.Raw
    full_url: str | None = None
    search: _Search | None = None


class _Link(msgspec.Struct, gc=False):
    relation: str = ""
    url: str = ""


class _Bundle(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    total: int | None = None
    entry: list[msgspec.Raw] | None = None
    link: list[_Link] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: resources of the wanted type and the Medications sent with them."""

    entries: tuple[Entry, ...]
    matches: int  # entries that answer the search; Medications sent along and remarks of the server are not counted
    broken: bool  # an entry holds no resource, or one that cannot even be named
    total: int | None
    next_link: str
    warnings: int  # remarks of the server
    self_link: str = ""  # the search as the server understood it


def read_page(text: bytes, resource_type: str, depth: int) -> Page:
    """Read a Bundle of a search for `resource_type`; raises UnreadableError if it is none or reports a failure."""
    bundle = _decode(text, _Bundle)
    if bundle.resource_type != "Bundle":
        raise UnreadableError("the answer is not a Bundle")
    entries: list[Entry] = []
    foreign = matches = warnings = 0
    broken = False
    for raw in bundle.entry or ():
        try:
            entry = _decode(raw, _Entry)
            type_ = _decode(entry.resource, _Typed).resource_type
        except UnreadableError:
            broken = True
            continue
        if type_ == "OperationOutcome":
            warnings += _remarks(entry.resource)
            continue
        match = ((entry.search and entry.search.mode) or "match") == "match"
        matches += match
        if (type_ == resource_type and match) or type_ == "Medication":
            entries.append(_whole(entry.resource, depth, entry.full_url or ""))
        foreign += match and type_ != resource_type
    if foreign and not entries:
        raise UnreadableError("the answer holds other resources")
    links = {link.relation: link.url for link in reversed(bundle.link or ())}  # the first of its kind counts
    next_link, self_link = links.get("next", ""), links.get("self", "")
    return Page(tuple(entries), matches, broken, bundle.total, next_link, warnings, self_link)


def read_resource(text: bytes, resource_type: str, resource_id: str, depth: int, full_url: str = "") -> Entry:
    """Read a single resource; raises UnreadableError if it is of another type or has another id."""
    resource = _decode(text, _Resource)
    if resource.resource_type != resource_type:
        raise UnreadableError(f"the answer is not a {resource_type}")
    if resource.id != resource_id:
        raise UnreadableError(f"the answer is another {resource_type}")
    return _whole(text, depth, full_url)


def issue_codes(text: bytes) -> frozenset[str]:
    """Return the issue codes of an OperationOutcome; empty for anything else."""
    try:
        outcome = _decode(text, _Outcome)
    except UnreadableError:
        return frozenset()
    return frozenset(issue.code for issue in outcome.issue if outcome.resource_type == "OperationOutcome")


def _decode(text: bytes | msgspec.Raw, kind: type[_Read]) -> _Read:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableError("the answer is not FHIR JSON") from None


def _whole(raw: bytes | msgspec.Raw, depth: int, full_url: str) -> Entry:
    text = bytes(raw)
    if too_deep(text, depth):
        raise UnreadableError("a resource is nested too deeply")
    return Entry(text, full_url)


def _remarks(outcome: msgspec.Raw) -> int:
    """Count what the server remarks; an error among it fails the whole answer."""
    issues = _decode(outcome, _Outcome).issue
    if any(issue.severity in _FAILURES for issue in issues):
        raise UnreadableError("the server reported an error")
    return len(issues)
