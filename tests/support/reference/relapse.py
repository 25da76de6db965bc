# ruff: noqa: N802 - the functions bear the ids of the rules
"""Disease now: the line of CK results, a possible relapse and a rising CK (rules R1, R2, R2b)."""

from fractions import Fraction

from .drr import of_analyte, ratio_of
from .eligibility import RELAPSING, rule_E2_is_broad
from .questions import (
    NO,
    Answer,
    all_of,
    any_of,
    asked,
    can_be_highest,
    highest_of,
    lowest_of,
    no,
    plainly,
)
from .tables import number
from .times import day_of, days
from .values import height, highest_over_limit, over_limit


def span(record: dict, name: str):
    return days(number(record["tables"], f"activity.{name}"))


def times(record: dict, name: str):
    return number(record["tables"], f"activity.{name}")


def shown(ck: dict) -> dict:
    """A CK of the line; of an interval its lower end."""
    value = ck["magnitude"].written[0]
    return {
        "value": value,
        "times_uln": Fraction(value) / Fraction(ck["uln"]),
        "date": ck["text"][:10],
    }


def depth(ck: dict) -> tuple:
    """The height of a CK, of an interval that of its lower end."""
    return ck["magnitude"].order


def rule_R1_latest(record: dict) -> dict | None:
    return max(of_analyte(record, "ck"), key=lambda ck: (ck["last"], depth(ck)), default=None)


def rule_R1_peak(record: dict) -> dict | None:
    """The highest on record, of several the earliest."""
    every = of_analyte(record, "ck")
    top = max((depth(ck) for ck in every), default=None)
    return min((ck for ck in every if depth(ck) == top), key=lambda ck: ck["last"], default=None)


def rule_R1_may_be_peak(record: dict, ck: dict) -> bool:
    """Can it be the highest, and higher than any earlier one?"""
    high = ck["magnitude"].high
    for other in of_analyte(record, "ck"):
        low = other["magnitude"].low
        if other is ck or high is None or low is None or high > low:
            continue
        is_open = ck["magnitude"].high_open or other["magnitude"].low_open
        if high < low or is_open or other["last"] < ck["last"]:
            return False
    return True


def rule_R1_peaks(record: dict) -> list[dict]:
    """Whatever can be the peak."""
    return [ck for ck in of_analyte(record, "ck") if rule_R1_may_be_peak(record, ck)]


def after_peak(record: dict, peak: dict | None) -> list[dict]:
    """CK results strictly later than the peak; results of one day without a time have no order."""
    return [ck for ck in of_analyte(record, "ck") if peak is not None and ck["first"] > peak["last"]]


def rule_R1_line(record: dict) -> dict:
    """The latest CK, its peak and the nadir after the peak."""
    latest, peak = rule_R1_latest(record), rule_R1_peak(record)
    if latest is None or peak is None:
        return {}
    line = {"ck": shown(latest), "peak": shown(peak)}
    after = after_peak(record, peak)
    if after:
        line["nadir"] = shown(min(after, key=lambda ck: (height(ck), ck["last"])))
    return line


def rule_R2a_coded(record: dict) -> bool:
    """A core or broad Condition recorded as relapse or recurrence within 180 days."""
    for condition in record["conditions"]:
        named = "core" in condition["roles"] or rule_E2_is_broad(record, condition)
        if not (named and condition["confirmed"] and condition["clinical"] in RELAPSING):
            continue
        moment = condition["recorded"] or condition["when"]
        if moment is None or moment["first"] > record["as_of"]:
            continue
        last = min(moment["last"], record["as_of"])
        if record["as_of"] - last <= span(record, "relapse_days"):
            return True
    return False


def before(record: dict, ck: dict) -> list[dict]:
    return [other for other in of_analyte(record, "ck") if other["last"] < ck["last"]]


def of_its_time(record: dict, ck: dict) -> list[dict]:
    """Every CK of one time: the highest of them counts, and any that is bounded may be it."""
    return [other for other in of_analyte(record, "ck") if other["last"] == ck["last"]]


def rule_R2_improved(record: dict, ck: dict) -> Answer:
    """Is a result at most 2 x ULN, or half of the highest before it, that highest being above 2 x ULN?"""
    earlier = before(record, ck)
    if not earlier:
        return NO
    limit = times(record, "improved_times_uln")
    half = Fraction(times(record, "improved_percent_of_peak")) / 100
    was_high = highest_over_limit(earlier, limit)
    low = no(asked(over_limit(ck, limit), ck))
    ratio = ratio_of(ck["magnitude"], highest_of(earlier))
    halved = no(asked(ratio.above(half), ck, *can_be_highest(earlier)))
    return all_of(was_high, any_of(low, halved))


def rule_R2_risen(record: dict, ck: dict, earlier: list[dict], nadirs: str, ulns: str) -> Answer:
    """Is the highest CK of a time so many times the nadir of the earlier results and above so many times its limit?"""
    together = of_its_time(record, ck)
    answers = [(one, rule_R2_improved(record, one)) for one in earlier]
    sure = [one for one, answer in answers if answer.truth is True]
    perhaps = [one for one, answer in answers if answer.truth is None]
    if not sure and not perhaps:
        return NO
    improved = any_of(*(answer for _, answer in answers))
    ratio = ratio_of(highest_of(together), lowest_of(sure, perhaps))
    from_nadir = asked(ratio.at_least(times(record, nadirs)), *can_be_highest(together), *sure, *perhaps)
    return all_of(improved, from_nadir, highest_over_limit(together, times(record, ulns)))


def rule_R2_is_recent(record: dict, ck: dict) -> bool:
    return record["as_of"] - ck["last"] <= span(record, "recent_days")


def last_of_each_day(record: dict) -> list[dict]:
    by_day: dict = {}
    for ck in sorted(of_analyte(record, "ck"), key=lambda one: (one["last"], height(one))):
        by_day[day_of(ck["last"], record["zone"])] = ck
    return [by_day[day] for day in sorted(by_day)]


def rule_R2_two_high(record: dict) -> Answer:
    """(b): the two latest CK results, on different days, both risen from the nadir."""
    daily = last_of_each_day(record)
    if len(daily) < 2:
        return NO
    earlier, later = daily[-2:]
    apart = later["last"] - earlier["last"]
    if apart > span(record, "pair_days") or not rule_R2_is_recent(record, later):
        return NO
    held = before(record, earlier)
    return all_of(*(rule_R2_risen(record, ck, held, "times_nadir", "times_uln") for ck in (earlier, later)))


def rule_R2_one_very_high(record: dict) -> Answer:
    """(c): the latest CK alone is at least 3 x the nadir and above 5 x ULN."""
    latest = rule_R1_latest(record)
    if latest is None or not rule_R2_is_recent(record, latest):
        return NO
    return rule_R2_risen(record, latest, before(record, latest), "single_times_nadir", "single_times_uln")


def rule_R2_relapse(record: dict) -> Answer:
    coded = plainly(rule_R2a_coded(record))
    return any_of(coded, rule_R2_two_high(record), rule_R2_one_very_high(record))


def rule_R2b_rising(record: dict) -> Answer:
    """The latest CK alone has risen."""
    latest = rule_R1_latest(record)
    if latest is None or not rule_R2_is_recent(record, latest):
        return NO
    return rule_R2_risen(record, latest, before(record, latest), "times_nadir", "times_uln")
