"""Results as JSON: frozen dataclasses become objects, arrays lists, numpy's numbers plain ones."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Annotated, Any

import msgspec
import numpy as np

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""How many, as JSON gives it back."""
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
LogRatio = Annotated[float, msgspec.Meta(ge=-100, le=100)]
"""Of hazards, with a ratio that is a number still."""


def as_json(value: Any, *, not_finite_as_null: bool = False) -> Any:
    """A value as JSON objects and arrays.

    JSON has no number that is not finite. Where such a number means "not estimable" it may become null; anywhere else
    it is a mistake: raises ValueError.
    """
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            str(key): as_json(child, not_finite_as_null=not_finite_as_null) for key, child in value.items()
        }
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(child, not_finite_as_null=not_finite_as_null) for child in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        if not_finite_as_null:
            return None
        raise ValueError(f"{value} has no place in JSON")
    return value
