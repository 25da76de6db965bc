"""What a value proves when it is written with a comparator: "> 7000" is above 5000, "< 9" leaves 3 open (D6, A2)."""

from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from fhir_mapping.record import Amount, Result

_ORDER = ("<", "<=", "", ">=", ">")

Magnitude = TypeVar("Magnitude", Decimal, Fraction)


def above(value: Magnitude, comparator: str, limit: Magnitude) -> bool | None:
    """Whether the measured magnitude is > `limit`; None where the comparator leaves it open."""
    match comparator:
        case "<" | "<=":
            return False if value <= limit else None
        case ">":
            return True if value >= limit else None
        case ">=":
            return True if value > limit else None
        case _:
            return value > limit


def at_least(value: Magnitude, comparator: str, limit: Magnitude) -> bool | None:
    """Whether the measured magnitude is ≥ `limit`; None where the comparator leaves it open."""
    match comparator:
        case "<":
            return False if value <= limit else None
        case "<=":
            return False if value < limit else None
        case ">" | ">=":
            return True if value >= limit else None
        case _:
            return value >= limit


def rank(comparator: str) -> int:
    """The order of comparators beside one number: "< 500" before 500, "> 500" after it."""
    return _ORDER.index(comparator)


def size(amount: Amount) -> tuple[Decimal, int]:
    """How large an amount is, to put amounts in order."""
    return amount.value, rank(amount.comparator)


def amount_of(result: Result) -> Amount:
    """The amount of a result that is known to have one."""
    assert result.amount is not None
    return result.amount


def _above_limit(result: Result, times: Decimal | int = 1) -> bool | None:
    """Whether a result exceeds so many times its own upper limit (F8); None: no limit, or a comparator leaves it open."""
    amount, limit = result.amount, result.limits.high
    if amount is None or limit is None:
        return None
    return above(amount.value, amount.comparator, times * limit)


def is_raised(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly exceeds so many times its own upper limit (F8)."""
    return _above_limit(result, times) is True


def is_within(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly is at most so many times its own upper limit (F8)."""
    return _above_limit(result, times) is False
