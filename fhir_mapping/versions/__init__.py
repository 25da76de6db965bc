"""One module per FHIR version: resource JSON to neutral readings, typed reading of only the fields we use."""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from fhir_mapping.record import Gathered
from fhir_mapping.versions.neutral import Resource
from fhir_mapping.versions.shape import found_version

__all__ = ["Version", "found_version", "is_read", "version"]


class Version(Protocol):
    """What a module of this package offers; its name is that of the FHIR version in lower case."""

    def read(self, gathered: Gathered) -> tuple[Resource, ...]:
        """Read every entry of every source."""
        ...

    def unresolved_medications(self, gathered: Gathered) -> tuple[str, ...]:
        """Name the Medication resources that are referred to and were not gathered."""
        ...


def is_read(name: str) -> bool:
    """Whether there is a module for this FHIR version ("R4")."""
    is_name = re.fullmatch(r"R\d+B?", name) is not None
    return is_name and find_spec(f"{__name__}.{name.lower()}") is not None


def version(name: str) -> Version:
    """The module for a FHIR version that is read."""
    return cast(Version, import_module(f"{__name__}.{name.lower()}"))
