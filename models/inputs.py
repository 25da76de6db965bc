"""The language a model speaks: horizons, predictors and follow-up facts, without FHIR."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Self


class Horizon(str):
    """How long after time zero a risk is meant, as models write it: "2y". Raises ValueError for any other text."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text: a whole number and y."""
        if not re.fullmatch(r"[1-9]\d?y", text, re.ASCII):
            raise ValueError(f"{text!r} is no horizon like 2y")
        return super().__new__(cls, text)

    @property
    def years(self) -> float:
        """The same as a number of years."""
        return float(self.removesuffix("y"))


class State(StrEnum):
    """What the record says about a predictor. Indeterminate and missing are never read as absent."""

    PRESENT = "present"
    ABSENT = "absent"
    INDETERMINATE = "indeterminate"
    MISSING = "missing"

    @property
    def known(self) -> bool:
        """Present or absent."""
        return self in {State.PRESENT, State.ABSENT}


NOT_READ = "not read"
"""The reason of a predictor whose source failed (S5)."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """One predictor of one patient; `reason` says why it is not known (S8 asks for it)."""

    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a follow-up item (V1): when it was last done, and the orders for it.

    `last` is a calendar day in the client's zone; None: never. `orders` are the moments at which active orders
    were written. `readable` is false where a source of its evidence failed or is not offered.
    """

    name: str
    last: date | None = None
    evidence: str = ""  # "Observation/o1"
    orders: tuple[datetime, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class FollowUpFacts:
    """What was done and what is planned, by item of the follow-up table; an item that does not apply is left out."""

    as_of: datetime
    today: date
    items: Mapping[str, tuple[Part, ...]]
    appointments: tuple[datetime, ...] = ()  # starts of booked visits
    statin: str = ""  # the resource of an active statin in anti-HMGCR disease


FOLLOW_UP_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "visit": ("visit",),
        "ck-ast-alt": ("ck", "ast", "alt"),
        "troponin-ecg": ("troponin-i", "ecg"),
        "echo": ("echo",),
        "lung-function": ("lung-function", "chest-ct"),  # FVC or DLCO; chest CT only where ILD is coded
    }
)
"""The items of the follow-up table and the parts they can have: the names that mapping and policy share."""
