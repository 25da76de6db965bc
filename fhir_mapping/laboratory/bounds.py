"""What a bound or an interval proves: "> 7000" is above 5000, "< 9" and "2-5" leave 3 open (D6, A2)."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from fhir_mapping.record import Amount, Result

_ORDER = ("<", "<=", "", ">=", ">")
_NOTHING, _EVERYTHING = Decimal(0), Decimal("Infinity")

Magnitude = TypeVar("Magnitude", Decimal, Fraction)


class Reach(NamedTuple):
    """From where to where a magnitude can lie, which is never below 0; it is not at an end that is open."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False

    def exceeds(self, times: Decimal, other: "Reach") -> bool | None:
        """Whether a magnitude is > so many times another; None where it is left open."""
        high = times * other.high
        if self.low > high or (self.low == high and (self.low_open or other.high_open)):
            return True
        return False if self.high <= times * other.low else None

    def reaches(self, times: Decimal, other: "Reach") -> bool | None:
        """Whether a magnitude is ≥ so many times another; None where it is left open."""
        if self.low >= times * other.high:
            return True
        low = times * other.low
        return False if self.high < low or (self.high == low and (self.high_open or other.low_open)) else None


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


def reach(result: Result) -> Reach:
    """From where to where the magnitude of a result can lie."""
    amount = amount_of(result)
    match amount.comparator:
        case "":
            return Reach(amount.value, at_most(result))
        case "<" | "<=":
            return Reach(_NOTHING, at_most(result), high_open=amount.comparator == "<")
        case _:
            return Reach(amount.value, _EVERYTHING, low_open=amount.comparator == ">")


def highest_reach(reaches: Iterable[Reach]) -> Reach:
    """From where to where the highest of some magnitudes can lie."""
    every = list(reaches)
    low, high = max(span.low for span in every), max(span.high for span in every)
    return Reach(
        low,
        high,
        low_open=any(span.low_open for span in every if span.low == low),
        high_open=all(span.high_open for span in every if span.high == high),
    )


def lowest_reach(sure: Iterable[Reach], perhaps: Iterable[Reach]) -> Reach:
    """From where to where the lowest of some magnitudes can lie: of those that surely count, else of one or more that may.

    `perhaps` holds the sure ones too.
    """
    every = list(perhaps)
    tops = [(span.high, not span.high_open) for span in sure]
    high, is_reached = min(tops) if tops else max((span.high, not span.high_open) for span in every)
    low = min(span.low for span in every)
    low_open = all(span.low_open for span in every if span.low == low)
    return Reach(low, high, low_open, high_open=not is_reached)


def is_bounded(result: Result) -> bool:
    """Whether a result is no single number."""
    return bool(amount_of(result).comparator) or amount_of(result).upto is not None


def bounded(*results: Result) -> tuple[Result, ...]:
    """Those of the results that are no single number."""
    return tuple(result for result in results if is_bounded(result))


def at_most(result: Result) -> Decimal:
    """Its value, of an interval the upper end."""
    amount = amount_of(result)
    return amount.value if amount.upto is None else amount.upto


def above_limit(result: Result, times: Decimal | int = 1) -> bool | None:
    """Whether a result exceeds so many times its own upper limit (F8); None: no limit, or the question is left open."""
    amount, limits = amount_of(result), result.limits
    if limits.highs:
        exceeds = (above(amount.value, amount.comparator, times * high, amount.upto) for high in limits.highs)
        if (alike := agreed(exceeds)) is not None:
            return alike
    if limits.high is None:
        return None
    return above(amount.value, amount.comparator, times * limits.high, amount.upto)


def is_raised(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly exceeds so many times its own upper limit (F8)."""
    return above_limit(result, times) is True


def is_within(result: Result, times: Decimal | int = 1) -> bool:
    """Whether a result certainly is at most so many times its own upper limit (F8)."""
    return above_limit(result, times) is False
