"""What a medication resource contains, when it says so by reference: in `contained`, or in another entry (T1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from fhir_mapping.versions import r4_resources as r4
from fhir_mapping.versions.references import References

_DEEPEST = 3  # a product, its ingredient, and what that is made of
_PRODUCT = msgspec.json.Decoder(r4.Product)


@dataclass(frozen=True, slots=True)
class Named:
    """The concepts by which a product is named, its forms, and the JSON they were read from."""

    concepts: tuple[r4.Concept, ...] = ()
    forms: tuple[r4.Concept, ...] = ()
    json: tuple[bytes, ...] = ()
    unresolved: tuple[str, ...] = ()

    def __add__(self, other: "Named") -> "Named":
        return Named(
            self.concepts + other.concepts,
            self.forms + other.forms,
            self.json + other.json,
            self.unresolved + other.unresolved,
        )


@dataclass(frozen=True, slots=True)
class Products:
    """The Medication and Substance entries of the record, by `Type/id`."""

    entries: Mapping[str, bytes]
    references: References

    def named(self, reference: str, contained: Sequence[Raw], depth: int = 0) -> Named:
        """Follow a reference to a product: its code and, each by itself, its active ingredients."""
        if depth >= _DEEPEST:
            return Named()
        if reference.startswith("#"):
            return self._read(_contained(reference[1:], contained), contained, depth)
        name = self.references.resolve(reference)
        if name not in self.entries:
            return Named(unresolved=(name,))
        return self._read(self.entries[name], (), depth)

    def _read(self, json: bytes | None, around: Sequence[Raw], depth: int) -> Named:
        product = _decoded(json)
        if json is None or product is None:
            return Named()
        contained = [*around, *(product.contained or ())]
        found = Named(
            (product.code,) if product.code else (), (product.form,) if product.form else (), (json,)
        )
        for ingredient in product.ingredient or ():
            found += self._ingredient(ingredient, contained, depth)
        return found

    def _ingredient(self, ingredient: r4.Ingredient, contained: Sequence[Raw], depth: int) -> Named:
        if ingredient.is_active is False:
            return Named()
        if ingredient.item_codeable_concept:
            return Named((ingredient.item_codeable_concept,))
        item = ingredient.item_reference
        return self.named(item.reference, contained, depth + 1) if item and item.reference else Named()


def _contained(id_: str, contained: Sequence[Raw]) -> bytes | None:
    for resource in contained:
        product = _decoded(bytes(resource))
        if product and product.id == id_:
            return bytes(resource)
    return None


def _decoded(json: bytes | None) -> r4.Product | None:
    try:
        return _PRODUCT.decode(json) if json else None
    except (msgspec.MsgspecError, RecursionError):
        return None
