"""The same thing with other members, whether it is a dataclass or a Struct."""

import dataclasses
from typing import Any

import msgspec


def replace(thing: Any, **members: object) -> Any:
    """Make another of a thing."""
    if isinstance(thing, msgspec.Struct):
        return msgspec.structs.replace(thing, **members)
    return dataclasses.replace(thing, **members)
