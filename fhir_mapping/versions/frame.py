"""The frame of a Bundle, which is the same in every FHIR version, and the texts of the resources in it."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from fhir_mapping.record import Entry

_NULL = Raw(b"null")

Fitting = tuple[str, str]
"""Of an entry its type ("": it does not fit) and its name ("": it has no id)."""
Framed = tuple[Entry, str, str, str]
"""An entry of a Bundle, how it came to be in it (`search.mode`), its type and its name if it fits."""


class Search(msgspec.Struct, gc=False):
    """Bundle.entry.search."""

    mode: str | None = None


class Frame(msgspec.Struct, gc=False, rename="camel"):
    """Bundle, but for its entries; what the server counted and its links may have any type."""

    resource_type: str = ""
    type: str = ""
    total: Raw = _NULL
    link: Raw = _NULL


class FramedEntry(msgspec.Struct, gc=False, rename="camel"):
    """Bundle.entry, its resource as text, and what came of a request of a batch."""

    resource: Raw = _NULL
    response: Raw = _NULL
    full_url: str | None = None
    search: Search | None = None


def framing(resource: Any) -> Any:
    """A Bundle whose entries have resources of these types, and fit."""
    fields: list[Any] = [
        ("resource", resource),
        ("full_url", str | None, None),
        ("search", Search | None, None),
    ]
    entry = msgspec.defstruct("Entry", fields, gc=False, rename="camel")
    return msgspec.defstruct("Bundle", [("entry", list[entry] | None, None)], bases=(Frame,))  # type: ignore[valid-type]


class RawBundle(Frame):
    """A Bundle in whose frame everything fits."""

    entry: list[FramedEntry] | None = None


RAW_BUNDLE = msgspec.json.Decoder(RawBundle)


class Texts:
    """The texts of the resources of a Bundle that was decoded without them: cut out when one is asked for."""

    def __init__(self, bundle: bytes) -> None:
        self._bundle = bundle

    def of(self, number: int) -> bytes:
        """The text of the resource of one entry, counted from 0."""
        return self._all[number]

    @cached_property
    def _all(self) -> list[bytes]:
        try:
            bundle = RAW_BUNDLE.decode(self._bundle)
        except RecursionError:  # who asks may stand deeper than who read the Bundle did; a thread begins anew
            with ThreadPoolExecutor(1) as thread:
                bundle = thread.submit(RAW_BUNDLE.decode, self._bundle).result()
        return [bytes(entry.resource) for entry in bundle.entry or ()]
