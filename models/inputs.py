"""The language a model speaks: horizons, predictors and follow-up facts, without FHIR."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple, Self


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


Anchor = Literal["onset", "first-agent"]
"""From what a model's time zero is counted (S11): myositis onset (E9), or the first day of any agent of T1."""

Phase = Literal["relapse", "rising", "active", "improving", "controlled", "unknown"]
"""The disease now (R4), the first that holds."""
PRESSING: frozenset[Phase] = frozenset({"relapse", "rising", "active"})
"""The phases that are the headline of a card (R5)."""

PartName = Literal[
    "visit",
    "ck",
    "ast",
    "alt",
    "troponin-i",
    "ecg",
    "echo",
    "lung-function",
    "chest-ct",
    "anti-srp",
    "anti-hmgcr",
    "ana",
]
"""What can be done and ordered: the parts of the follow-up items, and what decides a predictor beside them."""


class Part(NamedTuple):
    """One part of a follow-up item (V1): when it was last done, and the orders for it.

    `last` is a calendar day in the client's zone; None: never. `orders` are the moments at which active orders
    were written. `readable` is false where a source of its evidence failed or is not offered. `unclear` is the day of
    the latest Encounter that may have been the visit (V4). `again`: something later asks for it once more.
    """

    name: PartName
    last: date | None = None
    evidence: str = ""  # "Observation/o1"
    orders: tuple[datetime, ...] = ()
    readable: bool = True
    unclear: date | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Statin:
    """A statin on the medication list (V). `unknown`: by words alone, or it could not be used.

    `never_answered`: no antibody is positive, and anti-HMGCR has no answer.
    """

    state: Literal["warn", "unknown"]
    names: tuple[str, ...]  # ingredients
    since: str = ""  # the start of the first, as written
    evidence: tuple[str, ...] = ()
    never_answered: bool = False


@dataclass(frozen=True, slots=True)
class BookedVisit:
    """A booked visit: when it begins, and that day in the client's zone."""

    start: datetime
    day: date


class FollowUpFacts(NamedTuple):
    """What was done and what is planned, by item of the follow-up table; an item that does not apply is left out."""

    as_of: datetime
    today: date
    items: Mapping[str, tuple[Part, ...]]
    appointments: tuple[BookedVisit, ...] = ()  # the earliest first
    statin: Statin | None = None
    has_ild: bool = False
    ild_since: datetime | None = None  # the first instant of the earliest dated interstitial lung disease
    pregnant: bool = False
    ordered: frozenset[PartName] = frozenset()  # for which any order is active, whatever its age
    to_ask: tuple[PartName, ...] = ()  # what would answer "is this IMNM?" (E3)


FOLLOW_UP_PARTS: Mapping[str, tuple[PartName, ...]] = MappingProxyType(
    {
        "visit": ("visit",),
        "ck-ast-alt": ("ck", "ast", "alt"),
        "troponin-ecg": ("troponin-i", "ecg"),
        "echo": ("echo",),
        "lung-function": ("lung-function",),  # FVC or DLCO
        "chest-ct": ("chest-ct",),
        "antibodies": ("anti-srp", "anti-hmgcr"),
    }
)
"""The items of the follow-up table and their parts: the names that mapping and policy share."""
