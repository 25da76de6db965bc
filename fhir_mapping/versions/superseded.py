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
    for same in by_name.values():
        versions = same
        if len(same) > 1:
            first: dict[bytes, Resource] = {}
            for resource in same:
                first.setdefault(resource.entry.json, resource)
            versions = list(first.values())
            if len(versions) > 1:
                by_form = {canonical(json): resource for json, resource in sorted(first.items())}
                versions = [by_form[form] for form in sorted(by_form)]
        if not versions[0].id:
            current.extend(versions)
            continue
        last = reduce(_later, versions)
        current.append(last)
        superseded.extend(resource for resource in versions if resource is not last)
    return tuple(current), tuple(superseded)


def _later(first: Resource, second: Resource) -> Resource:
    """Choose the later of two versions; `second` sorts last as canonical JSON."""
    if first.updated and second.updated and first.updated != second.updated:
        return first if first.updated > second.updated else second
    if first.version is not None and second.version is not None and first.version > second.version:
        return first
    return second
