"""JSON without a type, for what the typed reading leaves open."""

from math import isfinite
from typing import Any

import msgspec


def _number(text: str) -> float | str:
    """Keep a number beyond every float as its text: it must not make the whole resource unreadable."""
    number = float(text)
    return number if isfinite(number) else text


_NO_VALUE = bytes(set(range(256)) - set(b",{["))
_DECODER = msgspec.json.Decoder(float_hook=_number)
BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def how_many(json: bytes) -> int:
    """Count the values that a JSON text can hold: its commas and openings, those inside of texts too."""
    return len(json.translate(None, _NO_VALUE))


def values_and_openings(json: bytes) -> tuple[int, int]:
    """Count the values as `how_many` does, and of these the objects and lists: no JSON nests deeper than it has of them.

    Of a short text, where it is quicker than `how_many`: what is cut out is looked for a word at a time.
    """
    openings = _count(json, b"{") + _count(json, b"[")
    return openings + _count(json, b","), openings


def _count(json: bytes, sign: bytes) -> int:
    return len(json) - len(json.replace(sign, b""))


def untyped(json: bytes) -> Any:
    """Decode any JSON; None where it cannot be read: it is none, or nests too deeply."""
    try:
        return _DECODER.decode(json)
    except BROKEN:
        return None
