"""Of several versions of one resource the last counts (F7)."""

from collections.abc import Iterable
from functools import reduce
from operator import attrgetter

import msgspec

from fhir_mapping.versions.neutral import Resource
from fhir_mapping.versions.untyped import untyped


def canonical(json: bytes) -> bytes:
    """Write JSON in one form only: keys sorted, no white space. What cannot be read stays as it is."""
    whole = untyped(json)
    return json if whole is None else msgspec.json.encode(whole, order="sorted")


def last_versions(resources: Iterable[Resource]) -> tuple[tuple[Resource, ...], tuple[Resource, ...]]:
    """Part copies and versions into the last version of each resource, and the superseded ones.

    Identical copies count once. A resource without an id has no versions. Both results are in an order that does
    not depend on that of the resources.
    """
    resources = sorted(resources, key=attrgetter("name"))
    if len({resource.name for resource in resources}) == len(resources):
        return tuple(resources), ()
    by_name: dict[str, list[Resource]] = {}
    for resource in resources:
        by_name.setdefault(resource.name, []).append(resource)
    current: list[Resource] = []
    superseded: list[Resource] = []
    for copies in by_name.values():
        versions = _distinct(copies)
        if not versions[0].id:
            current.extend(versions)
            continue
        last = reduce(_later, versions)
        current.append(last)
        superseded.extend(resource for resource in versions if resource is not last)
    return tuple(current), tuple(superseded)


def _distinct(copies: list[Resource]) -> list[Resource]:
    """The copies that differ, in the order of their canonical JSON."""
    if len(copies) == 1:
        return copies
    by_json: dict[bytes, Resource] = {}
    for resource in copies:
        by_json.setdefault(resource.entry.json, resource)
    if len(by_json) == 1:
        return list(by_json.values())
    by_form = {canonical(json): resource for json, resource in sorted(by_json.items())}
    return [by_form[form] for form in sorted(by_form)]


def _later(first: Resource, second: Resource) -> Resource:
    """Choose the later of two versions; `second` sorts last as canonical JSON."""
    if first.updated and second.updated and first.updated != second.updated:
        return first if first.updated > second.updated else second
    if first.version is not None and second.version is not None and first.version > second.version:
        return first
    return second
