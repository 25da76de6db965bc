"""Of several versions of one resource the last counts (F7)."""

from collections.abc import Iterable
from functools import reduce

import msgspec

from fhir_mapping.versions.neutral import Reading
from fhir_mapping.versions.untyped import BROKEN, untyped


def canonical(json: bytes) -> bytes:
    """Write JSON in one form only: keys sorted, no white space. What cannot be read stays as it is."""
    try:
        return msgspec.json.encode(untyped(json), order="sorted")
    except BROKEN:
        return json


def last_versions(readings: Iterable[Reading]) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
    """Part the readings into those that are the last version of their resource, and the superseded ones.

    Identical copies count once. A resource without an id has no versions. Both results are in an order that does
    not depend on that of the readings.
    """
    copies: dict[str, dict[bytes, Reading]] = {}
    for reading in readings:
        copies.setdefault(reading.name, {}).setdefault(reading.json, reading)
    current: list[Reading] = []
    superseded: list[Reading] = []
    for name in sorted(copies):
        versions = _distinct(copies[name])
        if not versions[0].id:
            current.extend(versions)
            continue
        last = reduce(_later, versions)
        current.append(last)
        superseded.extend(reading for reading in versions if reading is not last)
    return tuple(current), tuple(superseded)


def _distinct(copies: dict[bytes, Reading]) -> list[Reading]:
    if len(copies) == 1:
        return list(copies.values())
    by_form = {canonical(json): reading for json, reading in sorted(copies.items())}
    return [by_form[form] for form in sorted(by_form)]


def _later(first: Reading, second: Reading) -> Reading:
    """Choose the later of two versions; `second` sorts last as canonical JSON."""
    if first.updated and second.updated and first.updated != second.updated:
        return first if first.updated > second.updated else second
    if first.version is not None and second.version is not None and first.version > second.version:
        return first
    return second
