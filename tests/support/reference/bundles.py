# ruff: noqa: N802 - the functions bear the ids of the rules
"""What arrived: entries, versions of one id, and whose they are (rules F1, F2, F7)."""

import json
from datetime import UTC
from decimal import Decimal
from functools import cmp_to_key

from .times import parse_time


def decimals(data):
    """The same JSON with every float as the Decimal that was written."""
    if isinstance(data, float):
        return Decimal(repr(data))
    if isinstance(data, dict):
        return {key: decimals(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [decimals(value) for value in data]
    return data


def read(data):
    """JSON text, or JSON already read."""
    return json.loads(data, parse_float=Decimal) if isinstance(data, str | bytes) else decimals(data)


def entries_of(data) -> list[tuple[str, dict]]:
    """(fullUrl, resource) of a Bundle, a list of resources or a JSON object of prefetch keys."""
    if isinstance(data, list):
        return [("", resource) for resource in data]
    if data.get("resourceType") == "Bundle":
        return [(e.get("fullUrl") or "", e["resource"]) for e in data.get("entry") or [] if e.get("resource")]
    found = []
    for value in data.values():
        if isinstance(value, dict):
            inner = entries_of(value) if value.get("resourceType") == "Bundle" else [("", value)]
            found.extend(inner)
    return found


def canonical(resource: dict) -> str:
    return json.dumps(resource, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)


def later_version(one: dict, other: dict) -> int:
    """Which of two versions of one id is the later (F7)."""
    meta, meta2 = one.get("meta") or {}, other.get("meta") or {}
    written = parse_time(meta.get("lastUpdated"), UTC)
    written2 = parse_time(meta2.get("lastUpdated"), UTC)
    if written and written2 and written["first"] != written2["first"]:
        return 1 if written["first"] > written2["first"] else -1
    number, number2 = str(meta.get("versionId") or ""), str(meta2.get("versionId") or "")
    if number.isdigit() and number2.isdigit() and int(number) != int(number2):
        return 1 if int(number) > int(number2) else -1
    text, text2 = canonical(one), canonical(other)
    return (text > text2) - (text < text2)


def rule_F7_versions(entries: list) -> tuple[list, list]:
    """The last version of every id, and the versions that it supersedes. Identical copies count once."""
    by_id: dict = {}
    for full_url, resource in entries:
        key = (resource.get("resourceType"), resource.get("id") or canonical(resource))
        copies = by_id.setdefault(key, [])
        if not any(canonical(known) == canonical(resource) for _, known in copies):
            copies.append((full_url, resource))
    last, superseded = [], []
    for copies in by_id.values():
        ranked = sorted(copies, key=cmp_to_key(lambda one, other: later_version(one[1], other[1])))
        last.append(ranked[-1])
        superseded.extend(ranked[:-1])
    last.sort(key=lambda entry: (entry[1].get("resourceType") or "", entry[1].get("id") or ""))
    return last, superseded


def find_patient(entries: list) -> tuple[str, dict]:
    for full_url, resource in entries:
        if resource.get("resourceType") == "Patient":
            return full_url, resource
    return "", {}


def target_of(record: dict, reference: str | None) -> str:
    """`Type/id` of what a reference points to: by fullUrl first, then relative or on the client's base."""
    if not reference:
        return ""
    if reference in record["by_url"]:
        found = record["by_url"][reference]
        return f"{found['resourceType']}/{found.get('id')}"
    plain = reference.split("/_history/", maxsplit=1)[0]
    if plain in record["by_url"]:
        found = record["by_url"][plain]
        return f"{found['resourceType']}/{found.get('id')}"
    base = record["base"]
    if base and plain.startswith(base + "/"):
        return plain[len(base) + 1 :]
    return plain


def resource_at(record: dict, reference: str | None, container: dict) -> dict | None:
    """The resource behind a reference: contained, or in the Bundle."""
    if not reference:
        return None
    if reference.startswith("#"):
        for contained in container.get("contained") or []:
            if contained.get("id") == reference[1:]:
                return contained
        return None
    wanted = target_of(record, reference)
    for _, resource in record["entries"]:
        if f"{resource.get('resourceType')}/{resource.get('id')}" == wanted:
            return resource
    return None


def subjects_of(record: dict, resource: dict) -> list[str] | None:
    """Whose the resource is, as Type/id; None where its type has no such element and F1 does not judge it."""
    if resource["resourceType"] == "Appointment":
        actors = [p.get("actor") or {} for p in resource.get("participant") or []]
        found = [target_of(record, actor.get("reference")) for actor in actors]
        return [one for one in found if one.split("/")[-2:-1] == ["Patient"]]
    held = [resource[name] for name in ("subject", "patient") if name in resource]
    if not held:
        return None
    return [target_of(record, one["reference"]) for one in held if one.get("reference")]


def rule_F1_subject(record: dict, resource: dict) -> str:
    """The reason why the subject is not the patient of the chart, or nothing."""
    subjects = subjects_of(record, resource)
    if not subjects:
        return "no subject"
    chart = f"Patient/{record['patient']['id']}"
    if chart not in subjects or (resource["resourceType"] != "Appointment" and set(subjects) != {chart}):
        return "other patient"
    if resource["resourceType"] == "Observation" and resource.get("focus"):
        return "other subject"
    return ""


def rule_F2_extensions(resource) -> str:
    """A modifierExtension or implicitRules anywhere inside: none of them do we understand."""
    if holds(resource, "modifierExtension"):
        return "modifier extension"
    return "implicit rules" if holds(resource, "implicitRules") else ""


def holds(data, name: str) -> bool:
    if isinstance(data, dict):
        return bool(data.get(name)) or any(holds(value, name) for value in data.values())
    return isinstance(data, list) and any(holds(value, name) for value in data)
