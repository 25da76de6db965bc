"""One module a FHIR version: resource JSON in neutral terms, typed reading of only the fields we use.

To add a version, write its module (what `Version` asks for) and its line in `MODULES`. A module is imported when a
record of its version is first read.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from fhir_mapping.record import Entry, Gathered
from fhir_mapping.versions.frame import Fitting, Frame, Framed
from fhir_mapping.versions.neutral import Plain, Resource

MODULES: Mapping[str, str] = {
    "R4": "fhir_mapping.versions.r4",
}


class PageReader(Protocol):
    """Reads the entries of one page for the first time, and keeps with each what was read of it."""

    def bundle(self, text: bytes, *, unchanged: bool) -> tuple[Frame, list[Framed]] | None:
        """Read a Bundle in one pass; None where something in it does not fit. `unchanged`: that of its entries."""
        ...

    def fits(self, entry: Entry) -> Fitting:
        """Read an entry by itself, if it fits."""
        ...


class Version(Protocol):
    """What the module of a version offers."""

    def read(self, gathered: Gathered) -> tuple[Resource, ...]:
        """Read every entry of every source."""
        ...

    def read_apart(self, gathered: Gathered) -> tuple[tuple[Plain, ...], tuple[Resource, ...]]:
        """Read every entry of every source, the plain Observations apart."""
        ...

    def unresolved_medications(self, gathered: Gathered) -> tuple[str, ...]:
        """Name the Medication resources that are referred to and were not gathered."""
        ...

    def work(self, gathered: Gathered, values: int | None = None) -> int:
        """Count what the rules will read: values, characters of laboratory texts, products each time they are named.

        `values`: as many as there are at most, where somebody knows without counting them.
        """
        ...

    def products(self, gathered: Gathered) -> int:
        """Count the values of products alone, each time they are named."""
        ...

    def reader(self) -> PageReader:
        """Make what reads the entries of one page."""
        ...

    def other_version(self, gathered: Gathered) -> str:
        """Name the FHIR version that the entries have instead of this one; empty where nothing contradicts it."""
        ...


def is_read(name: str) -> bool:
    """Whether there is a module for this FHIR version ("R4")."""
    return name in MODULES


@cache
def version(name: str) -> Version:
    """The module for a FHIR version that is read."""
    return cast(Version, import_module(MODULES[name]))


def found_version(gathered: Gathered) -> str:
    """Name the FHIR version that the entries have instead of the client's; empty where nothing contradicts it.

    A server's word for its version is not always there, so the shape of what it sends is looked at.
    """
    return version(gathered.mapping.fhir_version).other_version(gathered)


class AnyReader:
    """Reads the entries of one page by whichever version they fit."""

    def __init__(self) -> None:
        self._readers = [version(name).reader() for name in MODULES]

    def bundle(self, text: bytes, *, unchanged: bool) -> tuple[Frame, list[Framed]] | None:
        """Read a Bundle in one pass; None where something in it fits no version."""
        return next(filter(None, (read.bundle(text, unchanged=unchanged) for read in self._readers)), None)

    def fits(self, entry: Entry) -> Fitting:
        """Read an entry by itself, if it fits a version."""
        return next((fit for read in self._readers if any(fit := read.fits(entry))), ("", ""))
