"""FHIR R4: every entry becomes a `Resource` in neutral terms.

In: `Gathered`, the raw JSON of every source. Out: a `Resource` an entry, in the order of the entries, copies and
versions of one resource still among them (F7). Nothing is refused here, and one broken resource never breaks the
others. `read` takes these steps in this order, each for all entries before the next begins:

1. Parse (`r4_decoding.py`), what was not parsed before.
2. Index the references (F1): `fullUrl` → `Type/id`. A `fullUrl` that two resources claim leads nowhere.
3. Link: the last version of each Medication, Substance and PractitionerRole, which others name their products (T1) or
   specialties (V4) by.
4. Say whose each resource is (F1), what it is (F4), its status and its version (F7). The rest, `content`, is read when a
   check asks for it; plain JSON has none. A resource that lost an element which a rule asks for is not `readable`:
   `checks/` refuses it, and by what can still be read of it, it is a doubt (U1).

`read_apart` does the same, but of a plain Observation (`r4_plain.py`) that no other resource shares its name with it makes
a `Plain`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from typing import Any

from msgspec.structs import replace

from fhir_mapping.record import Concept, Entry, Gathered, Source
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions import linked as links
from fhir_mapping.versions.neutral import Plain, Resource
from fhir_mapping.versions.r4_content import SAYS, Plainly, texts_of
from fhir_mapping.versions.r4_decoding import DECODED, Decoded, Reader, asked_for, in_full, read_all
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_plain import DecodedPlain
from fhir_mapping.versions.r4_resources import R4AnyResource, R4Measured, R4Medicated, R4Observation
from fhir_mapping.versions.r4_shape import other_version
from fhir_mapping.versions.references import references
from fhir_mapping.versions.superseded import last_versions
from fhir_mapping.versions.untyped import how_many, listed, untyped

__all__ = ["other_version", "products", "read", "read_apart", "reader", "unresolved_medications", "work"]


_CODES = ("code", "medicationCodeableConcept")
_ALSO_SAYS_WHAT_IT_IS = ("class", "type", "serviceType", "specialty", "appointmentType")
# value[x], as JSON names it and as the structs do
_VALUES = tuple(name for name in R4Measured.__struct_encode_fields__ if name.startswith("value"))
_VALUES_OF = attrgetter(*(name for name in R4Measured.__struct_fields__ if name.startswith("value")))
_MEDICATION = re.compile(r"Medication/[A-Za-z0-9.\-]{1,64}")
_NAME = attrgetter("decoded.name")
# What one source holds: the plain Observations, the rest
_Parted = tuple[Source, list[Plain], list[Resource]]


def reader() -> Reader:
    """Make what reads the entries of one page."""
    return Reader()


def read(gathered: Gathered) -> tuple[Resource, ...]:
    """Read every entry of every source, in any order; copies and versions are still all there (F7)."""
    resource = _InFull(gathered, read_all(gathered)).resource
    sources = gathered.sources.values()
    return _as_asked([(source, [], [*map(resource, source.entries)]) for source in sources], gathered)


def read_apart(gathered: Gathered) -> tuple[tuple[Plain, ...], tuple[Resource, ...]]:
    """Do the same, with the plain Observations apart from the rest."""
    whole = _InFull(gathered, read_all(gathered))
    observation = Plainly(whole.elements, gathered.mapping.tables, whole.resource).observation
    parted: list[_Parted] = []
    for source in gathered.sources.values():
        plain: list[Plain] = []
        others: list[Resource] = []
        for entry in source.entries:
            decoded = entry.decoded
            is_plain = type(decoded) is DecodedPlain and decoded.name not in whole.several
            if is_plain and (known := observation(entry, decoded)):
                plain.append(known)
            else:
                others.append(whole.resource(entry))
        parted.append((source, plain, others))
    return tuple(chain.from_iterable(plain for _, plain, _ in parted)), _as_asked(parted, gathered)


def _as_asked(parted: Iterable[_Parted], gathered: Gathered) -> tuple[Resource, ...]:
    """Note what a resource that does not say what it is was found by, in every source that holds it (U1)."""
    asked: dict[str, frozenset[RoleWord]] = {}
    resources: list[Resource] = []
    for source, plain, others in parted:
        resources += others
        if not (source.asked and others):
            continue
        unsaid = {resource.name for resource in others if resource.unsure or not resource.is_coded}
        if not unsaid:
            continue
        words = [observation.codes.meaning.words for observation in plain]
        coded = [resource for resource in others if resource.is_coded and not resource.unsure]
        words += [gathered.mapping.tables.words("observations", resource.codings) for resource in coded]
        # Else the server sent all that it has, and not what it was asked for by code
        if 2 * sum(map(source.asked.isdisjoint, words)) <= len(words):
            asked |= {name: asked.get(name, frozenset()) | source.asked for name in unsaid}
    if not asked:
        return tuple(resources)
    return tuple(
        [
            replace(resource, asked=asked[resource.name]) if resource.name in asked else resource
            for resource in resources
        ]
    )


def unresolved_medications(gathered: Gathered) -> tuple[str, ...]:
    """Name the Medication resources that are referred to and were not gathered, as `Medication/x` (T1)."""
    names = {name for product in _products(gathered, read_all(gathered)) for name in product.unresolved}
    return tuple(sorted(name for name in names if _MEDICATION.fullmatch(name)))


def work(gathered: Gathered, values: int | None = None) -> int:
    """Count what the rules will read: values, characters of laboratory texts, products each time they are named.

    `values`: as many as there are at most, where somebody knows without counting them.
    """
    every = read_all(gathered)
    total = sum(how_many(entry.json) for entry in every) if values is None else values
    for decoded in map(DECODED, every):
        if type(decoded) is DecodedPlain:
            total += decoded.beside.characters
        elif isinstance(decoded.resource, R4Observation):
            total += sum(min(len(text), LONGEST_TEXT) for text in texts_of(decoded.resource))
    return total + sum(product.values for product in _products(gathered, every))


def products(gathered: Gathered) -> int:
    """Count the values of products alone, each time they are named."""
    return sum(product.values for product in _products(gathered, read_all(gathered)))


def _products(gathered: Gathered, every: Sequence[Entry]) -> Iterator[links.Named]:
    """Follow the references of medication resources to what they are about (T1)."""
    refer = [
        (reference, decoded.resource.contained)
        for decoded in map(DECODED, every)
        if type(decoded) is not DecodedPlain
        and isinstance(decoded.resource, R4Medicated)
        and (reference := decoded.resource.medication_reference)
    ]
    if refer:
        linked = _linked(every, _elements(gathered, every))
        yield from (linked.product(reference, contained) for reference, contained in refer)


def _elements(gathered: Gathered, every: Iterable[Entry]) -> Elements:
    mapping = gathered.mapping
    claims = ((entry.full_url, entry.decoded.name) for entry in every if entry.full_url)
    known = references(gathered.base, mapping.also_known_as, claims)
    return Elements(mapping.tables.systems, mapping.time_zone, known)


def _linked(every: Iterable[Entry], elements: Elements) -> links.Linked:
    resources = [
        _other_resource(entry, decoded, elements)
        for entry in every
        if type(decoded := entry.decoded) is not DecodedPlain and decoded.type in links.TYPES
    ]
    current, _ = last_versions(resources) if resources else ((), ())
    return links.Linked({resource.name: resource.entry.json for resource in current}, elements.references)


class _InFull:
    """Reads entries of one record in neutral terms, each with all that it may have."""

    def __init__(self, gathered: Gathered, every: Sequence[Entry]) -> None:
        self.elements = _elements(gathered, every)
        names = [*map(_NAME, every)]
        # Of which the last version counts (F7): of others nobody asks which it is
        self.several: set[str] = set()
        if len(set(names)) < len(names):
            self.several = {name for name, number in Counter(names).items() if number > 1}
        self._linked = _linked(every, self.elements)

    def resource(self, entry: Entry) -> Resource:
        """Read an entry, also one that was found to be plain."""
        elements = self.elements
        decoded = in_full(entry)
        resource = decoded.resource
        if resource is None:
            return _other_resource(entry, decoded, elements)
        says = SAYS[type(resource)](resource, elements, self._linked)
        read = Resource(
            type=decoded.type,
            id=decoded.id,
            name=decoded.name,
            entry=entry,
            subjects=says.subjects,
            status=getattr(resource, "status", None) or "",
            codings=says.codings,
            updated=None,
            version=None,
            readable=True,
            content=says.content,
            concepts=says.concepts,
        )
        if decoded.name in self.several and resource.meta:
            updated, version = _instant(resource.meta.last_updated, elements), resource.meta.version_id
            read = replace(read, updated=updated, version=_number(version))
        if decoded.lost or says.named.unread or decoded.type == "Observation":
            read = _as_far_as_it_fits(read, decoded, says.named, elements)
        return read


def _as_far_as_it_fits(read: Resource, decoded: Decoded, named: links.Named, elements: Elements) -> Resource:
    """Add what was lost, and what can still be read of it."""
    assert decoded.resource is not None
    lost = frozenset(decoded.lost) or _given_twice(decoded.resource)
    if named.unread:
        lost |= {"participant" if decoded.type == "Encounter" else "medicationReference"}
        lost |= {"form"}.intersection(element for element, _ in named.unread)
    if not lost:
        return read
    # Codes of a wrong shape that say what it is, those of its product and ingredients too (U1)
    codes = [untyped(decoded.lost[name]) for name in _CODES if name in decoded.lost]
    for name, json in named.unread:
        if name == "code":
            codes.append(untyped(json))
        elif name == "ingredient":
            codes += [
                part.get("itemCodeableConcept") if isinstance(part, dict) else part
                for part in listed(untyped(json))
            ]
    broken = [untyped(json) for name, json in decoded.lost.items() if name in _ALSO_SAYS_WHAT_IT_IS]
    guessed = [concept for written in (*codes, *broken) for concept in _other_concepts(written, elements)]
    return replace(
        read,
        concepts=(*read.concepts, *guessed),
        codings=(*read.codings, *(coding for concept in guessed for coding in concept.codings)),
        readable=not lost & asked_for(decoded.resource),
        lost=lost,
        unsure=not all(map(_all_coded, codes)),
    )


def _all_coded(concept: Any) -> bool:
    """Whether every coding of a concept of the wrong shape could be read: what was lost is beside the codes."""
    written = concept.get("coding") if isinstance(concept, dict) else None
    codings = [coding for coding in listed(written) if coding is not None]
    return bool(codings) and all(
        isinstance(coding, dict) and all(isinstance(coding.get(name), str) for name in ("system", "code"))
        for coding in codings
    )


def _given_twice(resource: R4AnyResource) -> frozenset[str]:
    """Name the values of an Observation or component that has several: nobody can say which of them counts."""
    if not isinstance(resource, R4Observation):
        return frozenset()
    for part in (resource, *(resource.component or ())):
        values = _VALUES_OF(part)
        if values.count(None) < len(values) - 1:
            given = (name for name, value in zip(_VALUES, values, strict=True) if value is not None)
            return frozenset(given) if part is resource else frozenset({"component"})
    return frozenset()


def _other_resource(entry: Entry, decoded: Decoded, elements: Elements) -> Resource:
    """Read what can be read of a resource without its type: whose it is, what it is, which version."""
    meta = decoded.other.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    concepts = (
        _other_concepts(decoded.other.get(name), elements) for name in (*_CODES, *_ALSO_SAYS_WHAT_IT_IS)
    )
    whose = [decoded.other[name] for name in ("subject", "patient") if decoded.other.get(name) is not None]
    addresses = [reference.get("reference") for written in whose for reference in _objects(written)]
    resolve = elements.references.resolve
    subjects = tuple([resolve(address) if isinstance(address, str) else "" for address in addresses])
    return Resource(
        type=decoded.type,
        id=decoded.id,
        name=decoded.name,
        entry=entry,
        subjects=subjects if whose else None,
        status="",
        codings=tuple(coding for some in concepts for concept in some for coding in concept.codings),
        updated=_instant(meta.get("lastUpdated"), elements),
        version=_number(meta.get("versionId")),
        readable=bool(decoded.other),
        content=None,
    )


def _other_concepts(value: Any, elements: Elements) -> Iterator[Concept]:
    """Read a text, a Coding, a CodeableConcept, or a list of them, be their codes numbers."""
    for written in listed(value):
        if isinstance(written, str):
            yield Concept(text=elements.text(written))
    for concept in _objects(value):
        parts = _objects(concept.get("coding", concept))
        codings = []
        for part in parts:
            system, code = part.get("system"), part.get("code")
            if isinstance(code, str | int | float):
                codings.append(elements.coding(system if isinstance(system, str) else "", str(code)))
        text, displays = concept.get("text"), [part.get("display") for part in parts]
        yield Concept(
            tuple(codings),
            elements.text(text) if isinstance(text, str) else "",
            tuple(elements.text(display) for display in displays if isinstance(display, str)),
        )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in listed(value) if isinstance(each, dict)]


def _instant(text: Any, elements: Elements) -> datetime | None:
    when = elements.time(text) if isinstance(text, str) else None
    return when.first if when else None


def _number(text: Any) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None
