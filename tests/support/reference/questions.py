"""Questions that a comparator or an interval can leave open, and what they leave open together (rule D6)."""

from dataclasses import dataclass

from .numbers import Magnitude


@dataclass(frozen=True)
class Answer:
    """Yes, no, or (None) open; and the results that leave it open, by name."""

    truth: bool | None
    left_by: frozenset[str] = frozenset()


YES, NO = Answer(True), Answer(False)


def plainly(truth: bool) -> Answer:
    return YES if truth else NO


def asked(truth: bool | None, *results: dict) -> Answer:
    """What was asked of some results: open is laid to those that are no single number."""
    if truth is not None:
        return plainly(truth)
    return Answer(None, frozenset(one["name"] for one in results if not one["magnitude"].exact))


def no(answer: Answer) -> Answer:
    return answer if answer.truth is None else plainly(not answer.truth)


def all_of(*answers: Answer) -> Answer:
    """No if one is no; else open if one is open."""
    if any(answer.truth is False for answer in answers):
        return NO
    left_open = [answer for answer in answers if answer.truth is None]
    return Answer(None, frozenset().union(*(one.left_by for one in left_open))) if left_open else YES


def any_of(*answers: Answer) -> Answer:
    return no(all_of(*(no(answer) for answer in answers)))


def highest_of(results: list[dict]) -> Magnitude:
    """All that the highest of some results can be."""
    held = [one["magnitude"] for one in results]
    lows = [one for one in held if one.low is not None]
    low = max((one.low for one in lows), default=None)
    low_open = any(one.low_open for one in lows if one.low == low)
    if any(one.high is None for one in held):
        return Magnitude(low, None, low_open=low_open)
    high = max(one.high for one in held)
    high_open = all(one.high_open for one in held if one.high == high)
    return Magnitude(low, high, low_open, high_open)


def can_be_highest(results: list[dict]) -> list[dict]:
    """Those that are not surely below another, nor at most as high as one that is known; of equal ones the earliest."""
    top = highest_of(results)
    floor = top.low
    if floor is None:
        return list(results)
    held = [(one, one["magnitude"]) for one in results]
    equal = [one for one, size in held if size.exact and size.low == floor]
    first = min(equal, key=lambda one: one["last"], default=None)
    return [
        one
        for one, size in held
        if ((size.low == floor and not top.low_open) or size.high is None or size.high > floor)
        and not (size.exact and one is not first)
    ]


def lowest_of(sure: list[dict], perhaps: list[dict]) -> Magnitude:
    """All that the lowest of some results can be, of which some count and some only perhaps do."""
    held = [one["magnitude"] for one in (*sure, *perhaps)]
    low, low_open = None, False
    if all(one.low is not None for one in held):
        low = min(one.low for one in held)
        low_open = all(one.low_open for one in held if one.low == low)
    tops = [one["magnitude"] for one in (sure or perhaps)]
    if not sure and any(one.high is None for one in tops):
        return Magnitude(low, None, low_open=low_open)
    highs = [one.high for one in tops if one.high is not None]
    if not highs:
        return Magnitude(low, None, low_open=low_open)
    return Magnitude(low, min(highs) if sure else max(highs), low_open)
