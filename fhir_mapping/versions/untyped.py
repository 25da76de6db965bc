"""JSON without a type, for what the typed reading leaves open.

A value of the wrong shape is written as the text that a laboratory would write: F5 may find a number in it (U5b). What
stands in a list counts like itself; of several numbers any may be meant, so they are an interval, as those of a range are.
What is no comparator says nothing, and a unit that is no text is one that nobody knows.
"""

from math import isfinite
from typing import Any, get_args

import msgspec

from fhir_mapping.record import Comparator


def _number(text: str) -> float | str:
    """Keep a number beyond every float as its text: it must not make the whole resource unreadable."""
    number = float(text)
    return number if isfinite(number) else text


_DECODER = msgspec.json.Decoder(float_hook=_number)
_BETWEEN = " - "  # the ends of an interval
_UNKNOWN_UNIT = "[unit]"
_COMPARATORS = frozenset({*get_args(Comparator), "≤", "≥"})
BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def how_many(json: bytes) -> int:
    """Count the values that a JSON text can hold: its commas and openings, those inside of texts too.

    To cut one sign out of a text takes a third of the instructions of `bytes.count`.
    """
    without = len(json.replace(b"{", b"")) + len(json.replace(b"[", b"")) + len(json.replace(b",", b""))
    return 3 * len(json) - without


def untyped(json: bytes) -> Any:
    """Decode any JSON; None where it cannot be read: it is none, or nests too deeply."""
    try:
        return _DECODER.decode(json)
    except BROKEN:
        return None


def listed(value: Any) -> list[Any]:
    """The entries of a list, or what stands in the place of one as its only entry."""
    return value if isinstance(value, list) else [value]


def words_of_value(value: Any) -> str:
    """Write any JSON that stands as a value; empty: it says nothing."""
    match value:
        case list():
            return _BETWEEN.join(filter(None, map(words_of_value, value)))
        case {"low": _} | {"high": _}:
            low, high = words_of_value(value.get("low")), words_of_value(value.get("high"))
            if low and high:
                return f"{low}{_BETWEEN}{high}"
            return f">= {low}" if low else f"<= {high}" if high else ""  # an open side is a comparator
        case {"value": _}:
            number, comparator = words_of_value(value["value"]), words_of_value(value.get("comparator"))
            # One that was written with its comparator or its unit has these already
            if number[:1].isdigit() and comparator.strip() in _COMPARATORS:
                number = f"{comparator} {number}"
            return f"{number} {_unit(value)}".rstrip() if number[-1:].isdigit() else number
        case dict():
            return words_of_value(value.get("text"))
        case bool() | None:
            return ""
        case _:
            return str(value)


def holds_digit(text: str) -> bool:
    """Whether a text may hold a number."""
    return any(map(str.isdigit, text))


def _unit(quantity: dict[str, Any]) -> str:
    """Give its unit, else its code; of what is neither text nor nothing the name of no unit."""
    written = [quantity[name] for name in ("unit", "code") if quantity.get(name) not in (None, "")]
    alone = [part[0] if isinstance(part, list) and len(part) == 1 else part for part in written]
    return next((part for part in alone if isinstance(part, str)), _UNKNOWN_UNIT if written else "")
