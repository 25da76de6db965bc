"""Finds what no answer may hold: null and empty elements, and orders that a client could not place or understand."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fhir_mapping.record import Gathered

ALLOWED = {"$.cards", "$.services"}  # empty lists that CDS Hooks allows
NEEDED = {
    "ServiceRequest": {"category", "priority", "code", "subject", "occurrencePeriod", "authoredOn", "note"},
    "Appointment": {"serviceType", "specialty", "participant", "requestedPeriod", "created", "description"},
}
NO_MORE = {("ServiceRequest", "draft", "proposal"), ("Appointment", "proposed", None)}  # type, status, intent
OURS = "imnm-cds: "  # how the source of our cards begins: the tests answer with cards of other services too


def hollow_elements(content: object, path: str = "$") -> Iterator[str]:
    """Yield the path of every null or empty element."""
    if content is None or (content in ("", [], {}) and path not in ALLOWED):
        yield path
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from hollow_elements(value, f"{path}.{name}")
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from hollow_elements(value, f"{path}[{number}]")


@dataclass
class Seen:
    """What calls brought, hence what an order may refer to: ids of patients, and references to the rest."""

    patients: set[str] = field(default_factory=set)
    context: set[str] = field(default_factory=set)  # "Encounter/1", "Practitioner/1"
    conditions: dict[str, set[str]] = field(default_factory=dict)  # by patient

    def heard(self, body: bytes) -> None:
        """Note the context of a hook call."""
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])  # what lies deeper may be anything
        context = msgspec.json.decode(raw["context"])
        self.patients.add(context["patientId"])
        self.context |= {str(context["userId"]), f"Encounter/{context.get('encounterId')}"}

    def read(self, gathered: Gathered) -> None:
        """Note the Conditions of a record."""
        raw = [entry.json for source in gathered.sources.values() for entry in source.entries]
        found = [json.loads(each) for each in raw if b'"Condition"' in each and _is_json(each)]
        self.patients.add(gathered.patient_id)
        self.conditions.setdefault(gathered.patient_id, set()).update(
            f"Condition/{each['id']}" for each in found if isinstance(each, dict) and "id" in each
        )


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def order_flaws(answer: Any, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with the orders that an answer suggests, if it is one of cards of ours."""
    for card in answer.get("cards", ()) if isinstance(answer, dict) else ():
        if card.get("source", {}).get("label", "").startswith(OURS):
            yield from _flaws_of_card(card, seen)


def _flaws_of_card(card: dict, seen: Seen) -> Iterator[str]:
    suggestions = card.get("suggestions", [])
    actions = [action for suggestion in suggestions for action in suggestion["actions"]]
    resources = [action["resource"] for action in actions]
    for what, values in (
        ("uuid", [suggestion["uuid"] for suggestion in suggestions]),
        ("label", [suggestion["label"] for suggestion in suggestions]),
        ("description", [action["description"] for action in actions]),
        ("code", [code for resource in resources for code in _ordered(resource)]),
    ):
        yield from (f"{what} twice: {value}" for value, times in Counter(values).items() if times > 1)
    yield from (f"label too long: {s['label']}" for s in suggestions if len(s["label"]) > 80)
    yield from (f"no create: {action['type']}" for action in actions if action["type"] != "create")
    if len({patient for resource in resources for patient in _patients(resource)}) > 1:
        yield "orders for two patients"
    for resource in resources:
        yield from (f"{resource['resourceType']} {flaw}" for flaw in _flaws_of_order(resource, seen))


def _ordered(resource: dict) -> list[tuple[str, str]]:
    """The codes that say what is ordered."""
    concepts = [resource["code"]] if "code" in resource else resource.get("serviceType", [])
    return [(coding["system"], coding["code"]) for concept in concepts for coding in concept["coding"]]


def _references(resource: dict) -> list[str]:
    return [each["reference"] for each in _objects_with("reference", resource)]


def _patients(resource: dict) -> list[str]:
    return [r.removeprefix("Patient/") for r in _references(resource) if r.startswith("Patient/")]


def _flaws_of_order(resource: dict, seen: Seen) -> Iterator[str]:
    yield from (f"without {name}" for name in sorted(NEEDED[resource["resourceType"]] - resource.keys()))
    if (resource["resourceType"], resource.get("status"), resource.get("intent")) not in NO_MORE:
        yield "that is more than a draft or a proposal"
    for concept in _objects_with("coding", resource):
        if len(concept["coding"]) != 1:
            yield f"with {len(concept['coding'])} codings in one concept"
        yield from ("with a coding that lacks something" for c in concept["coding"] if len(c) != 3)
    for period in (resource.get("occurrencePeriod"), *resource.get("requestedPeriod", ())):
        if period and not period["start"] <= period["end"]:
            yield "with a period that ends before it starts"
    patients = _patients(resource)
    if len(patients) != 1 or patients[0] not in seen.patients:
        yield f"for {patients or 'nobody'}"
    known = seen.context.union(*(seen.conditions.get(patient, ()) for patient in patients))
    leading_nowhere = set(_references(resource)) - known - {f"Patient/{patient}" for patient in patients}
    yield from (f"with a reference that leads nowhere: {r}" for r in sorted(leading_nowhere))


def _objects_with(name: str, content: object) -> Iterator[dict]:
    """Every object that has this member, however deep."""
    if isinstance(content, dict):
        if name in content:
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from _objects_with(name, value)
