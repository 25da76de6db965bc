"""What a bound or an interval proves: "> 7000" is above 5000, "< 9" and "2-5" leave 3 open (D6, A2)."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from fhir_mapping.record import Amount, Result

_ORDER = ("<", "<=", "", ">=", ">")

Magnitude = TypeVar("Magnitude", Decimal, Fraction)


def above(value: Magnitude, comparator: str, limit: Magnitude, upto: Magnitude | None = None) -> bool | None:
    """Whether the measured magnitude is > `limit`; None where comparator or interval leaves it open.

    Of an interval `value` is the lower end and `upto` the other: true if all of it is above, false if none of it.
    """
    if upto is not None:
        return agreed(above(end, comparator, limit) for end in (value, upto))
    if not comparator:
        return value > limit
    if comparator.startswith("<"):
        return False if value <= limit else None
    exceeds = value >= limit if comparator == ">" else value > limit
    return True if exceeds else None


def at_least(
    value: Magnitude, comparator: str, limit: Magnitude, upto: Magnitude | None = None
) -> bool | None:
    """Whether the measured magnitude is ≥ `limit`; None where comparator or interval leaves it open."""
    if upto is not None:
        return agreed(at_least(end, comparator, limit) for end in (value, upto))
    if not comparator:
        return value >= limit
    if comparator.startswith(">"):
        return True if value >= limit else None
    is_below = value <= limit if comparator == "<" else value < limit
    return False if is_below else None


def agreed(answers: Iterable[bool | None]) -> bool | None:
    """What all answers say alike; None where they differ."""
    said = set(answers)
    return said.pop() if len(said) == 1 else None


def rank(comparator: str) -> int:
    """The order of comparators beside one number: "< 500" before 500, "> 500" after it."""
    return _ORDER.index(comparator)


def size(amount: Amount) -> tuple[Decimal, int, Decimal]:
    """How large an amount is, to put amounts in order: of an interval the lower end comes first."""
    return amount.value, rank(amount.comparator), amount.value if amount.upto is None else amount.upto


def amount_of(result: Result) -> Amount:
    """The amount of a result that is known to have one."""
    assert result.amount is not None
    return result.amount


def at_most(result: Result) -> Decimal:
    """Its value, of an interval the upper end."""
    amount = amount_of(result)
    return amount.value if amount.upto is None else amount.upto


def above_limit(result: Result, times: Decimal | int = 1) -> bool | None:
    """Whether a result exceeds so many times its own upper limit (F8); None: no limit, or the question is left open."""
    amount, limits = amount_of(result), result.limits
    if limits.highs:
        own = agreed(above(amount.value, amount.comparator, times * h, amount.upto) for h in limits.highs)
        if own is not None:
            return own
    if limits.high is None:
        return None
    return above(amount.value, amount.comparator, times * limits.high, amount.upto)


def is_raised(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly exceeds so many times its own upper limit (F8)."""
    return above_limit(result, times) is True


def is_within(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly is at most so many times its own upper limit (F8)."""
    return above_limit(result, times) is False
