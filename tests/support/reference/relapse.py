# ruff: noqa: N802 - the functions bear the ids of the rules
"""Disease now, and a possible relapse now (rules R1 and R2)."""

from fractions import Fraction

from .drr import of_analyte
from .eligibility import RELAPSING, rule_E2_is_broad
from .tables import number
from .times import day_of, days
from .values import at_least, at_most, height, over_limit


def span(record: dict, name: str):
    return days(number(record["tables"], f"activity.{name}"))


def shown(ck: dict) -> dict:
    """A CK of the line; of an interval its lower end."""
    value = ck["magnitude"].ends[0]
    return {
        "value": value,
        "times_uln": Fraction(value) / Fraction(ck["uln"]),
        "date": ck["text"][:10],
    }


def depth(ck: dict) -> tuple:
    """The height of a CK, of an interval that of its lower end."""
    ends = ck["magnitude"].ends
    return ends[0], height(ck)[1], ends[-1]


def rule_R1_line(record: dict) -> dict:
    """The latest CK, its peak (of several the earliest) and the nadir after the peak."""
    every = of_analyte(record, "ck")
    if not every:
        return {}
    latest = max(every, key=lambda ck: (ck["last"], depth(ck)))
    top = max(depth(ck) for ck in every)
    peak = min((ck for ck in every if depth(ck) == top), key=lambda ck: ck["last"])
    after = [ck for ck in every if ck["first"] > peak["last"]]
    line = {"ck": shown(latest), "peak": shown(peak)}
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


def rule_R2_nadir(record: dict, before: list[dict]):
    """The lowest result that is an improvement on an earlier one above 2 x ULN; None without improvement."""
    tables = record["tables"]
    times = number(tables, "activity.improved_times_uln")
    percent = number(tables, "activity.improved_percent_of_peak")
    improved = []
    for ck in before:
        earlier = [other for other in before if other["last"] < ck["last"]]
        if not earlier:
            continue
        highest = max(earlier, key=lambda other: (at_least(other), other["magnitude"].low_open))
        if over_limit(highest, times) is not True:
            continue
        halved = at_most(ck) * 100 <= at_least(highest) * Fraction(percent)
        if over_limit(ck, times) is False or halved:
            improved.append(at_most(ck))
    return min(improved, default=None)


def rule_R2_raised(record: dict, ck: dict, nadir) -> bool:
    tables = record["tables"]
    high = at_least(ck) >= nadir * Fraction(number(tables, "activity.times_nadir"))
    return high and over_limit(ck, number(tables, "activity.times_uln")) is True


def last_of_each_day(record: dict) -> list[dict]:
    by_day: dict = {}
    for ck in sorted(of_analyte(record, "ck"), key=lambda one: (one["last"], height(one))):
        by_day[day_of(ck["last"], record["zone"])] = ck
    return [by_day[day] for day in sorted(by_day)]


def rule_R2b_two_high(record: dict) -> bool:
    """The two latest CK results, on different days, both risen from the nadir."""
    daily = last_of_each_day(record)
    if len(daily) < 2:
        return False
    earlier, later = daily[-2:]
    if later["last"] - earlier["last"] > span(record, "pair_days"):
        return False
    if record["as_of"] - later["last"] > span(record, "recent_days"):
        return False
    before = [ck for ck in of_analyte(record, "ck") if ck["last"] < earlier["last"]]
    nadir = rule_R2_nadir(record, before)
    if nadir is None:
        return False
    return rule_R2_raised(record, earlier, nadir) and rule_R2_raised(record, later, nadir)


def rule_R2_rising(record: dict) -> bool:
    """The latest CK alone is high: no headline."""
    daily = last_of_each_day(record)
    if not daily or record["as_of"] - daily[-1]["last"] > span(record, "recent_days"):
        return False
    latest = daily[-1]
    before = [ck for ck in of_analyte(record, "ck") if ck["last"] < latest["last"]]
    nadir = rule_R2_nadir(record, before)
    return nadir is not None and rule_R2_raised(record, latest, nadir)


def rule_R_activity(record: dict) -> dict:
    coded, two_high = rule_R2a_coded(record), rule_R2b_two_high(record)
    rising = not two_high and rule_R2_rising(record)
    return {**rule_R1_line(record), "possible_relapse": coded or two_high, "rising": rising}
