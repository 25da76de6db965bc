# ruff: noqa: N802 - the functions bear the ids of the rules
"""What arrived: entries, versions of one id, and whose they are (rules F1, F2, F7)."""

import json
import re
from datetime import UTC
from decimal import Decimal
from functools import cmp_to_key
from itertools import pairwise

from .shapes import without_nulls
from .tables import as_text
from .times import parse_time

ABSOLUTE = re.compile(r"(https?)://([^/]+)(/.*)?", re.IGNORECASE)


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
    """JSON text, or JSON already read, without nulls."""
    held = json.loads(data, parse_float=Decimal) if isinstance(data, str | bytes) else decimals(data)
    return without_nulls(held)


def entries_of(data) -> list[tuple[str, dict]]:
    """(fullUrl, resource) of a Bundle, a list of resources or a JSON object of prefetch keys."""
    if isinstance(data, list):
        return [("", resource) for resource in data if isinstance(resource, dict)]
    if data.get("resourceType") == "Bundle":
        held = [entry for entry in data.get("entry") or [] if isinstance(entry, dict)]
        return [
            (as_text(e.get("fullUrl")), e["resource"]) for e in held if isinstance(e.get("resource"), dict)
        ]
    entries = []
    for value in data.values():
        if isinstance(value, dict):
            inner = entries_of(value) if value.get("resourceType") == "Bundle" else [("", value)]
            entries.extend(inner)
    return entries


def canonical(resource: dict) -> str:
    return json.dumps(resource, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)


def later_version(one: dict, other: dict) -> int:
    """Which of two versions of one id is the later (F7)."""
    meta, meta2 = (held.get("meta") if isinstance(held.get("meta"), dict) else {} for held in (one, other))
    written = parse_time(meta.get("lastUpdated"), UTC)
    written2 = parse_time(meta2.get("lastUpdated"), UTC)
    if written and written2 and written["first"] != written2["first"]:
        return 1 if written["first"] > written2["first"] else -1
    number, number2 = str(meta.get("versionId") or ""), str(meta2.get("versionId") or "")
    if number.isdigit() and number2.isdigit() and int(number) != int(number2):
        return 1 if int(number) > int(number2) else -1
    text, text2 = canonical(one), canonical(other)
    return (text > text2) - (text < text2)


def key_of(resource: dict) -> tuple[str, str]:
    return str(resource.get("resourceType")), str(resource.get("id") or canonical(resource))


def urls_of(entries: list, last: list) -> dict[str, dict]:
    """The resource behind every fullUrl: the last version of the id that stands there."""
    current = {key_of(resource): resource for _, resource in last}
    return {
        rule_F1_same_address(url.split("/_history/")[0]): current[key_of(resource)]
        for url, resource in entries
        if url
    }


def rule_F7_versions(entries: list) -> tuple[list, list]:
    """The last version of every id, and the versions that it supersedes. Identical copies count once."""
    by_id: dict = {}
    for full_url, resource in entries:
        key = key_of(resource)
        copies = by_id.setdefault(key, [])
        if not any(canonical(known) == canonical(resource) for _, known in copies):
            copies.append((full_url, resource))
    last, superseded = [], []
    for copies in by_id.values():
        ranked = sorted(copies, key=cmp_to_key(lambda one, other: later_version(one[1], other[1])))
        last.append(ranked[-1])
        superseded.extend(ranked[:-1])
    last.sort(key=lambda entry: (str(entry[1].get("resourceType")), str(entry[1].get("id"))))
    return last, superseded


def find_patient(entries: list) -> tuple[str, dict]:
    for full_url, resource in entries:
        if resource.get("resourceType") == "Patient":
            return full_url, resource
    return "", {}


def rule_F1_same_address(address: str) -> str:
    """One spelling of an address: as RFC 3986 compares host and path, http and https alike, slashes once."""
    match = ABSOLUTE.fullmatch(address)
    if is_urn(address):
        return address.lower()
    if not match:
        return re.sub(r"/+", "/", address).strip("/")
    host = re.sub(r":(80|443)$", "", match[2].lower())
    path = re.sub(r"/+", "/", match[3] or "").strip("/")
    return f"//{host}/{path}".rstrip("/")


def is_urn(reference: str) -> bool:
    return reference[:4].lower() == "urn:"


def is_absolute(reference: str) -> bool:
    return bool(ABSOLUTE.fullmatch(reference)) or is_urn(reference)


def own_bases(record: dict) -> set[str]:
    """The client's FHIR base and the bases in `also_known_as`."""
    return {rule_F1_same_address(base) for base in (record["base"], *record["also_known_as"]) if base}


def unversioned(reference: str) -> str:
    """A reference without its version, where one stands there."""
    return re.sub("/_history/.+", "", reference, flags=re.DOTALL)


def in_bundle(record: dict, reference: str) -> dict | None:
    """F1: the entry whose fullUrl the reference is, with or without a version."""
    for written in (reference, unversioned(reference)):
        held = record["by_url"].get(rule_F1_same_address(written))
        if held is not None:
            return held
    return None


def target_of(record: dict, reference) -> str:
    """`Type/id` of what a reference points to: by fullUrl first, then relative or on one of the client's bases."""
    reference = as_text(reference)
    if not reference or reference.startswith("#"):
        return reference
    held = in_bundle(record, reference)
    if held is not None:
        return f"{held['resourceType']}/{held.get('id')}"
    same = rule_F1_same_address(unversioned(reference))
    for base in sorted(own_bases(record), key=len, reverse=True):
        if same.startswith(base + "/"):
            return same[len(base) + 1 :]
    return same


def resource_at(record: dict, reference, container: dict) -> dict | None:
    """The resource behind a reference: contained, or in the Bundle."""
    reference = as_text(reference)
    if not reference:
        return None
    if reference.startswith("#"):
        for contained in container.get("contained") or []:
            if isinstance(contained, dict) and contained.get("id") == reference[1:]:
                return contained
        return None
    wanted = target_of(record, reference)
    for _, resource in record["entries"]:
        if f"{resource.get('resourceType')}/{resource.get('id')}" == wanted:
            return resource
    return None


def rule_F1_whose(record: dict, reference: str) -> str:
    """own, `no subject`, `subject elsewhere` or `other patient`: whose a reference says that something is."""
    chart = f"Patient/{record['patient']['id']}"
    reference = reference.strip()
    if reference.startswith("#"):
        return "other patient"
    held = in_bundle(record, reference)
    if held is not None:
        return "own" if held is record["patient"]["resource"] else "other patient"
    if target_of(record, reference) == chart:
        return "own"
    before, _, query = reference.partition("?")
    if query and is_type(before.split("/")[-1]):
        return "no subject"  # a search: by identifier only
    return "other patient" if rule_F1_is_another(record, reference) else "subject elsewhere"


def is_type(word: str) -> bool:
    """Is this written as FHIR writes the name of a type? `patient` in any case is one too."""
    capitals = word[:1].isupper() and not any(a.isupper() and b.isupper() for a, b in pairwise(word))
    return word.lower() == "patient" or (
        word.isascii() and word.isalpha() and capitals and word[-1].islower()
    )


def rule_F1_is_another(record: dict, reference: str) -> bool:
    """[base/]Type/id with another id, when what stands behind the id is cut off."""
    for sign in "?#|":
        reference = reference.split(sign, maxsplit=1)[0]
    path = re.sub("/_history(/.*)?$", "", target_of(record, reference)).strip("/")
    *base, kind, id_ = ["", *path.split("/")]
    if not is_type(kind) or not re.fullmatch(r"[\w.~-]+", id_, re.ASCII):
        return False
    own = record["patient"]["id"].lower()
    if id_.lower() != own:
        folded = [part.lower() for part in base]
        return ("patient", own) not in pairwise(folded)  # nor what lies below the patient
    return kind.lower() != "patient" and not any(base)  # Group/p1, but not https://host/Fhir/p1


def references_in(parts) -> list[str]:
    """The references of some elements, where they are strings."""
    held = [part.get("reference") for part in parts if isinstance(part, dict)]
    return [reference for reference in held if isinstance(reference, str) and reference.strip()]


def subjects_of(record: dict, resource: dict) -> list[str] | None:
    """Whose the resource says it is; None where its type has no such element and F1 does not judge it."""
    if resource["resourceType"] == "Appointment":
        parts = resource.get("participant")
        actors = (
            [part.get("actor") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        )
        patients = []
        for reference in references_in(actors):
            if "Patient" in target_of(record, reference).split("/")[-2:-1]:
                patients.append(reference)
        return patients
    held = [resource[name] for name in ("subject", "patient") if name in resource]
    return references_in(held) if held else None


def rule_F1_subject(record: dict, resource: dict) -> str:
    """The reason why the subject is not the patient of the chart, or nothing."""
    subjects = subjects_of(record, resource)
    if not subjects:
        return "no subject"
    whose = [rule_F1_whose(record, reference) for reference in subjects]
    if resource["resourceType"] == "Appointment" and "own" in whose:
        return ""
    for reason in ("other patient", "subject elsewhere", "no subject"):
        if reason in whose:
            return reason
    if resource["resourceType"] == "Observation" and resource.get("focus"):
        return rule_F1_focus(record, resource)
    return ""


def rule_F1_focus(record: dict, resource: dict) -> str:
    """Nothing where every focus is the patient or a Condition of theirs; `other subject` where one is surely not.

    Else it cannot be told, as of a subject: `subject elsewhere`, or `no subject`.
    """
    problems = {rule_F1_problem_of_focus(record, part) for part in resource["focus"]}
    ordered = ("other subject", "subject elsewhere", "no subject")
    return next((problem for problem in ordered if problem in problems), "")


def rule_F1_problem_of_focus(record: dict, part) -> str:
    reference = as_text(part.get("reference")).strip() if isinstance(part, dict) else ""
    if not reference:
        return "no subject"
    whose = rule_F1_whose(record, reference)
    held = None if reference.startswith("#") else resource_at(record, reference, {})
    if held is not None and held.get("resourceType") == "Condition":
        whose = rule_F1_subject(record, held) or "own"
    if whose == "own":
        return ""
    return "other subject" if whose == "other patient" else whose


def rule_F2_extensions(resource) -> str:
    """A modifierExtension or implicitRules anywhere inside: none of them do we understand."""
    if holds(resource, "modifierExtension"):
        return "modifier extension"
    return "implicit rules" if holds(resource, "implicitRules") else ""


def holds(data, name: str) -> bool:
    if isinstance(data, dict):
        return bool(data.get(name)) or any(holds(value, name) for value in data.values())
    return isinstance(data, list) and any(holds(value, name) for value in data)
