"""Observations as nearly all of them are: one number under codes, decoded without what such a one does not have.

What laboratories write alike again and again, codes, flags and reference ranges, is decoded once for all entries of a
page, by its text. An Observation is plain if

- it has an id, a subject, `effectiveDateTime`, codes, and a number of 15 characters at most, without comparator, sign and
  exponent;
- of what else a rule reads it has no more than status, specimen, flags and reference ranges.

`R4Plain` has all other elements as they are written: of one that is not plain the entry is decoded as `R4Observation`. Of
a plain one that reads the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Union

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import astuple

from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions.r4_resources import (
    ABSENT,
    R4AnyResource,
    R4Concept,
    R4Element,
    R4Meta,
    R4Observation,
    R4Reference,
    R4ReferenceRange,
)
from fhir_mapping.versions.untyped import BROKEN

_LONGEST_NUMBER = 15  # far below where arithmetic or its writing would round


class _Quantity(R4Element):
    value: Raw = ABSENT
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class _Parts(R4Element):
    id: str | None = None
    subject: R4Reference | None = None
    effective_date_time: str | None = None
    value_quantity: _Quantity | None = None
    code: Raw = ABSENT
    status: str | None = None
    specimen: R4Reference | None = None
    interpretation: Raw = ABSENT
    reference_range: Raw = ABSENT
    meta: R4Meta | None = None
    issued: str | None = None


_REST = [name for name in R4Observation.__struct_fields__ if name not in _Parts.__struct_fields__]
R4Plain: Any = msgspec.defstruct(
    "R4Plain",
    [(name, Raw, ABSENT) for name in _REST],
    bases=(_Parts,),
    tag_field="resourceType",
    tag="Observation",
)
_OTHER_KINDS = [kind for kind in R4AnyResource.__args__ if kind is not R4Observation]
ANY_RESOURCE: Any = Union[(R4Plain, *_OTHER_KINDS)]
_NO_REST = [ABSENT] * len(_REST)
_CONCEPT = msgspec.json.Decoder(R4Concept)
_SAID = msgspec.json.Decoder(tuple[R4Concept, ...] | None)
_RANGES = msgspec.json.Decoder(tuple[R4ReferenceRange, ...] | None)


class FlagsAndRanges(Struct, frozen=True, gc=False, eq=False):
    """Flags and reference ranges, as many Observations of a page have them; `characters` are those of their texts."""

    said: tuple[R4Concept, ...] = ()
    ranges: tuple[R4ReferenceRange, ...] = ()
    characters: int = 0


_NOTHING = FlagsAndRanges()


class DecodedPlain(Struct, frozen=True, gc=False):
    """A plain Observation: what is its own, as written, and what it shares with others of its page."""

    name: str  # `Type/id`
    subject: R4Reference
    when: str
    number: str
    unit: tuple[str | None, str | None, str | None]  # unit, code, system
    status: str | None
    specimen: R4Reference | None
    concept: R4Concept
    beside: FlagsAndRanges


class Shared:
    """What the plain Observations of one page write alike, by its text."""

    def __init__(self) -> None:
        self._concepts: dict[bytes, R4Concept] = {}
        self._beside: dict[tuple[bytes, bytes], FlagsAndRanges] = {}

    def plain(self, own: Any) -> DecodedPlain | None:
        """Complete what was decoded as `R4Plain`; None where it is not plain, does not fit, or is something else."""
        if type(own) is not R4Plain:
            return None
        id_, subject, when, quantity, code, status, specimen, said, ranges, _, _, *rest = astuple(own)
        if quantity is None or quantity.comparator is not None or rest != _NO_REST:
            return None
        if subject is None or when is None or not id_ or code is ABSENT:
            return None
        number = bytes(quantity.value)
        if len(number) > _LONGEST_NUMBER or not (number.isdigit() or number.replace(b".", b"", 1).isdigit()):
            return None
        try:
            written = bytes(code)
            if (concept := self._concepts.get(written)) is None:
                concept = self._concepts[written] = _CONCEPT.decode(written)
            beside = _NOTHING if said is ABSENT is ranges else self._beside_of(bytes(said), bytes(ranges))
        except BROKEN:
            return None
        unit = quantity.unit, quantity.code, quantity.system
        return DecodedPlain(
            f"Observation/{id_}", subject, when, number.decode(), unit, status, specimen, concept, beside
        )

    def _beside_of(self, interpretation: bytes, reference_range: bytes) -> FlagsAndRanges:
        if (known := self._beside.get((interpretation, reference_range))) is None:
            said, ranges = _SAID.decode(interpretation) or (), _RANGES.decode(reference_range) or ()
            characters = sum(min(len(text), LONGEST_TEXT) for text in texts_beside(said, ranges))
            known = FlagsAndRanges(said, ranges, characters)
            self._beside[interpretation, reference_range] = known
        return known


def texts_beside(said: Iterable[R4Concept], ranges: Sequence[R4ReferenceRange]) -> Iterator[str]:
    """Every text beside a value that a laboratory's words are looked for in."""
    concepts = (*said, *(part.type for part in ranges if part.type))
    return filter(None, (*(concept.text for concept in concepts), *(part.text for part in ranges)))
