"""The same thing with other members, whether it is a dataclass, a Struct or a named tuple."""

import dataclasses
from typing import Any

import msgspec


def replace(thing: Any, **members: object) -> Any:
    """Make another of a thing."""
    if isinstance(thing, msgspec.Struct):
        return msgspec.structs.replace(thing, **members)
    return (
        dataclasses.replace(thing, **members)
        if dataclasses.is_dataclass(thing)
        else thing._replace(**members)
    )
