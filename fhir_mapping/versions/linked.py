"""Resources that others refer to, in `contained` or in other entries: products (T1) and roles of practitioners (V4)."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from fhir_mapping.versions.r4_resources import R4Concept, R4Element, R4Reference
from fhir_mapping.versions.references import References
from fhir_mapping.versions.salvage import AnyStruct, Salvaged, salvaged
from fhir_mapping.versions.untyped import BROKEN, how_many

TYPES = frozenset({"Medication", "Substance", "PractitionerRole"})


class _R4Identified(R4Element):
    """Any contained resource, by its id."""

    id: str | None = None


class _R4PractitionerRole(R4Element):
    """PractitionerRole, read where a participant of an Encounter leads to it."""

    specialty: list[R4Concept] | None = None


class _R4Ingredient(R4Element):
    """Medication.ingredient."""

    item_codeable_concept: R4Concept | None = None
    item_reference: R4Reference | None = None
    is_active: bool | None = None


class _R4Product(R4Element):
    """A Medication, or a Substance: both have a code. Read where a reference leads to it, also in `contained`."""

    code: R4Concept | None = None
    form: R4Concept | None = None
    ingredient: list[_R4Ingredient] | None = None
    contained: list[Raw] | None = None


_IDENTIFIED = msgspec.json.Decoder(_R4Identified)


class Named(Struct, frozen=True, gc=False):
    """The concepts that references lead to: names of a product with its forms, specialties; and their JSON.

    `unresolved` are references that lead nowhere, `unread` the elements of what can be read in part only.
    """

    concepts: tuple[R4Concept, ...] = ()
    forms: tuple[R4Concept, ...] = ()
    json: tuple[bytes, ...] = ()
    unresolved: tuple[str, ...] = ()
    unread: tuple[tuple[str, bytes], ...] = ()
    values: int = 0  # how many their JSON holds


NOTHING = Named()


class Linked(Struct, frozen=True):
    """The entries of the types above, by `Type/id`."""

    entries: Mapping[str, bytes]
    references: References
    _products: dict[str, Named] = {}

    def product(self, reference: R4Reference, contained: Sequence[Raw] | None) -> Named:
        """Follow a reference to a product: its code and, each by itself, its active ingredients (T1).

        A product that many refer to is read once.
        """
        name = self.references.resolve(reference.reference or "")
        if name not in self.entries:
            return self._with_ingredients(name, _by_id(contained))
        if name not in self._products:
            self._products[name] = self._with_ingredients(name, {})
        return self._products[name]

    def _with_ingredients(self, name: str, inside: dict[str, bytes]) -> Named:
        product, named = self._product(name, inside)
        if product is None:
            return named
        inside.update(_by_id(product.contained))
        active = [part for part in product.ingredient or () if part.is_active is not False]
        concepts = tuple(part.item_codeable_concept for part in active if part.item_codeable_concept)
        items = _each_once(part.item_reference for part in active if not part.item_codeable_concept)
        of_items = (self._product(item, inside)[1] for item in items if item)  # of these the code alone
        return _together([named, Named(concepts), *of_items])

    def specialties(self, references: Sequence[R4Reference | None], contained: Sequence[Raw] | None) -> Named:
        """Follow references to the roles of practitioners: their specialties (V4)."""
        if not (self.entries or contained or _lead_inside(references)):
            return NOTHING
        inside, roles = _by_id(contained), []
        for reference in _each_once(references):
            name, json = self._follow(reference, inside)
            if json is None:
                is_inside = name.startswith("#")  # and is not there, or cannot be read
                roles.append(Named(unresolved=(name,), unread=((name, b"null"),) if is_inside else ()))
                continue
            read = salvaged(json, _R4PractitionerRole)
            specialties = tuple(read.value.specialty or ()) if read.value else ()
            roles.append(Named(specialties, json=(json,), unread=_unread(read, json), values=how_many(json)))
        return _together(roles)

    def _follow(self, reference: str, inside: Mapping[str, bytes]) -> tuple[str, bytes | None]:
        if reference.startswith("#"):
            return reference, inside.get(reference[1:])
        name = self.references.resolve(reference)
        return name, self.entries.get(name)

    def _product(self, reference: str, inside: Mapping[str, bytes]) -> tuple[_R4Product | None, Named]:
        """Follow a reference to a product, and name it by itself, without its ingredients."""
        name, json = self._follow(reference, inside)
        if json is None:
            return None, Named(unresolved=(name,))
        read = salvaged(json, _R4Product)
        product = read.value or _R4Product()
        codes = (product.code,) if product.code else ()
        forms = (product.form,) if product.form else ()
        return product, Named(codes, forms, (json,), unread=_unread(read, json), values=how_many(json))


def _each_once(references: Iterable[R4Reference | None]) -> Iterable[str]:
    """The addresses of references, "" for one that has none: what is named twice is followed once."""
    return dict.fromkeys(reference.reference or "" for reference in references if reference)


def _lead_inside(references: Iterable[R4Reference | None]) -> bool:
    for reference in references:
        if reference is not None and reference.reference and reference.reference[0] == "#":
            return True
    return False


def _unread(read: Salvaged[AnyStruct], json: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple(read.lost.items()) if read.value else (("", json),)


def _together(parts: Sequence[Named]) -> Named:
    return Named(
        tuple(concept for part in parts for concept in part.concepts),
        tuple(form for part in parts for form in part.forms),
        tuple(json for part in parts for json in part.json),
        tuple(name for part in parts for name in part.unresolved),
        tuple(element for part in parts for element in part.unread),
        sum(part.values for part in parts),
    )


def _by_id(contained: Sequence[Raw] | None) -> dict[str, bytes]:
    resources = {}
    for resource in contained or ():
        try:
            id_ = _IDENTIFIED.decode(resource).id
        except BROKEN:
            continue
        if id_:
            resources[id_] = bytes(resource)
    return resources
