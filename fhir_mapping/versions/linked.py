"""Resources that others refer to, in `contained` or in other entries: products (T1) and roles of practitioners (V4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from fhir_mapping.versions.r4_resources import (
    R4Concept,
    R4Identified,
    R4Ingredient,
    R4PractitionerRole,
    R4Product,
    R4Reference,
)
from fhir_mapping.versions.references import References
from fhir_mapping.versions.untyped import BROKEN

TYPES = frozenset({"Medication", "Substance", "PractitionerRole"})

_PRODUCT = msgspec.json.Decoder(R4Product)
_ROLE = msgspec.json.Decoder(R4PractitionerRole)
_IDENTIFIED = msgspec.json.Decoder(R4Identified)


@dataclass(frozen=True, slots=True)
class Named:
    """The concepts by which a product is named, its forms, and the JSON they were read from."""

    concepts: tuple[R4Concept, ...] = ()
    forms: tuple[R4Concept, ...] = ()
    json: tuple[bytes, ...] = ()
    unresolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """The entries of the types above, by `Type/id`."""

    entries: Mapping[str, bytes]
    references: References

    def product(self, reference: R4Reference | None, contained: Sequence[Raw] | None) -> Named:
        """Follow a reference to a product: its code and, each by itself, its active ingredients (T1)."""
        if not reference or not reference.reference:
            return Named()
        inside = _by_id(contained)
        name, json = self._found(reference.reference, inside)
        product = _product(json)
        if json is None or product is None:
            return Named(unresolved=() if json else (name,))
        inside.update(_by_id(product.contained))
        ingredients = [self._ingredient(part, inside) for part in product.ingredient or ()]
        return _together([_itself(product, json), *ingredients])

    def specialties(
        self, reference: R4Reference | None, contained: Sequence[Raw] | None
    ) -> tuple[R4Concept, ...]:
        """Follow a reference to the role of a practitioner: its specialties (V4)."""
        if not reference or not reference.reference:
            return ()
        _, json = self._found(reference.reference, _by_id(contained))
        try:
            return tuple(_ROLE.decode(json).specialty or ()) if json else ()
        except BROKEN:
            return ()

    def _found(self, reference: str, inside: Mapping[str, bytes]) -> tuple[str, bytes | None]:
        if reference.startswith("#"):
            return reference, inside.get(reference[1:])
        name = self.references.resolve(reference)
        return name, self.entries.get(name)

    def _ingredient(self, ingredient: R4Ingredient, inside: Mapping[str, bytes]) -> Named:
        """Read one ingredient; of one by reference its code alone."""
        if ingredient.is_active is False:
            return Named()
        if ingredient.item_codeable_concept:
            return Named((ingredient.item_codeable_concept,))
        item = ingredient.item_reference
        if not item or not item.reference:
            return Named()
        name, json = self._found(item.reference, inside)
        product = _product(json)
        if json is None or product is None:
            return Named(unresolved=() if json else (name,))
        return _itself(product, json)


def _itself(product: R4Product, json: bytes) -> Named:
    return Named((product.code,) if product.code else (), (product.form,) if product.form else (), (json,))


def _together(parts: Sequence[Named]) -> Named:
    return Named(
        tuple(concept for part in parts for concept in part.concepts),
        tuple(form for part in parts for form in part.forms),
        tuple(json for part in parts for json in part.json),
        tuple(name for part in parts for name in part.unresolved),
    )


def _by_id(contained: Sequence[Raw] | None) -> dict[str, bytes]:
    found = {}
    for resource in contained or ():
        try:
            id_ = _IDENTIFIED.decode(resource).id
        except BROKEN:
            continue
        if id_:
            found[id_] = bytes(resource)
    return found


def _product(json: bytes | None) -> R4Product | None:
    try:
        return _PRODUCT.decode(json) if json else None
    except BROKEN:
        return None
