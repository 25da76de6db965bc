# ruff: noqa: N802 - the functions bear the ids of the rules
"""The phase of the disease, and what could not be read of it (rules R4, U5, U5b)."""

from fractions import Fraction

from .drr import of_analyte, ratio_of
from .numbers import Magnitude
from .questions import NO, Answer, all_of, any_of, asked, highest_of, no
from .refractory import rule_T9_newer_ck
from .relapse import (
    after_peak,
    of_its_time,
    rule_R1_latest,
    rule_R1_line,
    rule_R1_peaks,
    rule_R2_relapse,
    rule_R2b_rising,
    span,
    times,
)
from .values import highest_over_limit

HEADLINES = ("relapse", "rising", "active")


def rule_R4_latest(record: dict) -> dict | None:
    """The latest CK, where it is at most 180 days old."""
    latest = rule_R1_latest(record)
    recent = latest is not None and record["as_of"] - latest["last"] <= span(record, "phase_ck_days")
    return latest if recent else None


def rule_R4_fallen_from(record: dict, peak: dict) -> Answer:
    """Is a CK after this peak at most 50 % of it? As the peak it is not below any other."""
    half = Fraction(times(record, "active_percent_of_peak")) / 100
    floor, own = highest_of(of_analyte(record, "ck")), peak["magnitude"]
    height = Magnitude(floor.low, own.high, floor.low_open, own.high_open)
    answers = []
    for ck in after_peak(record, peak):
        answers.append(no(asked(ratio_of(ck["magnitude"], height).above(half), ck, peak)))
    return any_of(*answers) if answers else NO


def rule_R4_fallen(record: dict) -> Answer:
    """Is a CK after the peak at most 50 % of it, whichever is the peak?"""
    peaks = rule_R1_peaks(record)
    answers = [rule_R4_fallen_from(record, peak) for peak in peaks]
    truths = {answer.truth for answer in answers}
    if len(truths) == 1 and None not in truths:
        return answers[0]
    left = frozenset().union(*(answer.left_by for answer in answers))
    return Answer(None, left | asked(None, *peaks).left_by)


def rule_R4_raised(record: dict, name: str) -> Answer:
    latest = rule_R4_latest(record)
    return NO if latest is None else highest_over_limit(of_its_time(record, latest), times(record, name))


def rule_R4_active(record: dict) -> Answer:
    very_high = rule_R4_raised(record, "active_times_uln")
    high = rule_R4_raised(record, "raised_times_uln")
    return any_of(very_high, all_of(high, no(rule_R4_fallen(record))))


def rule_U5b_may_be_nadir(record: dict) -> list:
    """Doubts that hold a number, later than the peak, where the latest CK is above 1.5 x ULN."""
    latest = rule_R4_latest(record)
    if latest is None:
        return []
    if highest_over_limit(of_its_time(record, latest), times(record, "times_uln")).truth is False:
        return []
    since = min(peak["last"] for peak in rule_R1_peaks(record))
    held = [doubt for doubt in record["doubts"] if doubt.role == "ck" and doubt.last > since]
    return [doubt for doubt in held if doubt.number is not None or doubt.number_unit_unknown]


def rule_R4_questions(record: dict) -> dict[str, Answer]:
    return {
        "relapse": rule_R2_relapse(record),
        "rising": rule_R2b_rising(record),
        "active": rule_R4_active(record),
        "improving": rule_R4_raised(record, "raised_times_uln"),
    }


def rule_R4_phase(record: dict) -> str:
    """The first that holds; the comparators are left aside where the record says so (U6)."""
    answers = rule_R4_questions(record)
    for name in HEADLINES:
        if answers[name].truth is True:
            return name
    if rule_R4_latest(record) is None or rule_T9_newer_ck(record):
        return "unknown"
    if record.get("open_ck", True) and any(answer.truth is None for answer in answers.values()):
        return "unknown"
    if answers["improving"].truth is True:
        return "improving"
    return "unknown" if rule_U5b_may_be_nadir(record) else "controlled"


def rule_R4_left_open_by(record: dict) -> list[dict]:
    """The CK results whose comparator or interval makes the phase unknown."""
    if rule_R4_phase(record) != "unknown" or rule_R4_latest(record) is None:
        return []
    answers = rule_R4_questions(record).values()
    names = frozenset().union(*(answer.left_by for answer in answers if answer.truth is None))
    return [ck for ck in of_analyte(record, "ck") if ck["name"] in names]


def rule_R_activity(record: dict) -> dict:
    phase = rule_R4_phase(record)
    return {**rule_R1_line(record), "phase": phase, "possible_relapse": phase == "relapse"}
