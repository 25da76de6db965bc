"""What happened, by group: Kaplan-Meier and Aalen-Johansen curves by predictor and by risk group, with log-rank."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, floor

import numpy as np

from models.inputs import Horizon
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Members, Statuses, plain_numbers
from models.training.statistics.limits import Z
from models.training.statistics.survival import aalen_johansen, kaplan_meier, log_rank
from models.training.validation.validation import (
    AtRisk,
    Comparison,
    GroupCurve,
    Grouping,
    GroupRisk,
    Measure,
    estimable,
    finite_or_none,
    measure,
    missing,
)

FEWEST_AT_RISK = 10  # curves end at the last whole year with so many of all still at risk
SHARE_AT_RISK, LEAST_AT_RISK = 0.1, 5
"""Of a group: while so many are at risk, its curve is sure enough to be drawn in full (Pocock, Clayton and Altman 2002:
10 to 20 %); beyond, one event moves it by 20 points or more."""


def sure_until(time: Floats) -> float:
    """Until when a curve of these patients (n,) is drawn in full; 0 where they are too few from the beginning."""
    needed = max(LEAST_AT_RISK, ceil(SHARE_AT_RISK * len(time)))
    return float(np.sort(time)[-needed]) if len(time) >= needed else 0.0


def in_words(years: float) -> str:
    """A time in words: 1 year, 2 years."""
    return f"{years:g} year{'' if years == 1 else 's'}"


def kaplan_meier_risk(time: Floats, status: Statuses, years: float) -> Measure:
    """The risk 1 - KM at a horizon, log-log limits; death counts as censoring."""
    if not len(time):
        return missing("nobody is in this group")
    curve = kaplan_meier(time, status == 1)
    at = np.array([years])
    low, high = curve.limits(at)
    if np.isnan(curve.at(at)[0]):
        return missing(f"nobody was followed for {in_words(years)}")
    return measure(1 - float(curve.at(at)[0]), limits=(1 - float(high[0]), 1 - float(low[0])))


def aalen_johansen_risk(time: Floats, status: Statuses, years: float) -> Measure:
    """The cumulative incidence of recurrence at a horizon with death competing; limits on the log-log scale."""
    if not len(time):
        return missing("nobody is in this group")
    curve, at = aalen_johansen(time, status, 1), np.array([years])
    value, se = float(curve.at(at)[0]), float(curve.standard_error(at)[0])
    if np.isnan(value):
        return missing(f"nobody was followed for {in_words(years)}")
    if not 0 < value < 1:
        return measure(value)
    width = Z * se / (value * abs(np.log(value)))
    return measure(value, se, (value ** np.exp(width), value ** np.exp(-width)))


def drawn_until(time: Floats, horizons: Sequence[Horizon]) -> float:
    """The last whole year with enough of these patients (n,) at risk, but at least the last horizon."""
    enough = np.sort(time)[::-1][min(FEWEST_AT_RISK, len(time)) - 1]
    return float(max(floor(enough), *(horizon.years for horizon in horizons)))


def grouping(
    name: str,
    label: str,
    members: Mapping[str, Members],
    time: Floats,
    status: Statuses,
    horizons: Sequence[Horizon],
) -> Grouping:
    """Curves of the groups, by label, and whether they differ; groups without members have none."""
    end = drawn_until(time, horizons)
    there = {text: rows for text, rows in members.items() if rows.any()}
    curves = tuple(_curve(text, time[rows], status[rows], end, horizons) for text, rows in there.items())
    left_out = int(len(time) - sum(rows.sum() for rows in there.values()))
    group = np.full(len(time), -1, dtype=np.int64)
    for index, rows in enumerate(there.values()):
        group[rows] = index
    inside = group >= 0
    if len(there) < 2:  # noqa: PLR2004
        compared = Comparison(reason="a comparison needs at least two groups")
    elif not (status[inside] == 1).any():
        compared = Comparison(reason="nobody had a recurrence")
    else:
        try:
            test = log_rank(time[inside], status[inside] == 1, group[inside])
            compared = Comparison(test.chi_square, test.degrees, test.p)
        except TrainingError as error:
            compared = Comparison(reason=str(error))
    return Grouping(name, label, end, left_out, curves, compared)


def _curve(label: str, time: Floats, status: Statuses, end: float, horizons: Sequence[Horizon]) -> GroupCurve:
    curve = kaplan_meier(time, status == 1)
    steps = curve.times[(curve.events > 0) & (curve.times <= end)]
    low, high = curve.limits(steps)
    table = []
    for year in map(float, np.arange(0, end + 1)):
        past = time < year  # so that the four add up to the group
        table.append(
            AtRisk(
                years=year,
                at_risk=int((time >= year).sum()),
                censored=int((past & (status == 0)).sum()),
                died=int((past & (status > 1)).sum()),
                events=int((past & (status == 1)).sum()),
            )
        )
    return GroupCurve(
        label=label,
        n=len(time),
        events=int((status == 1).sum()),
        deaths=int((status > 1).sum()),
        last=min(float(time.max()), end),
        sure=min(sure_until(time), end),
        times=plain_numbers(steps),
        survival=plain_numbers(curve.at(steps)),
        low=tuple(map(finite_or_none, low)),
        high=tuple(map(finite_or_none, high)),
        table=tuple(table),
        risks=tuple(
            GroupRisk(
                horizon,
                estimable(partial(kaplan_meier_risk, time, status, horizon.years)),
                estimable(partial(aalen_johansen_risk, time, status, horizon.years)),
            )
            for horizon in horizons
        ),
    )
