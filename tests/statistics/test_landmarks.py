"""Baselines from landmarks: the same numbers as R's survfit from a starting time, and when there are none."""

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.training.errors import TrainingError
from models.training.fitting.landmarks import fitted_landmarks
from models.training.fitting.served import YEARS, at_horizons
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from tests.statistics.datasets import DEFAULT

TOLERANCE = 1e-6
FACTOR = {"as fitted": 1.0, "shrunk": 0.8}


def columns(name):
    with (DEFAULT / "data" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(row[column] or "nan") for row in rows]) for column in rows[0]}


def syn200():
    of = columns("imnm_syn200.csv")
    x = np.column_stack([of["cardiac"], of["ana_high"], of["refractory"], of["drr"] > 1.73])
    return x, of["time_days"] / 365.25, of["event"] == 1


def pbc312():
    of = columns("pbc312.csv")
    logs = (np.log(of["bili"]), np.log(of["protime"] / 10), np.log(of["albumin"] / 3.5))
    return np.column_stack([(of["age"] - 50) / 10, of["edema"], *logs]), of["years"], of["event"] == 1


DATA = {"syn200": syn200, "pbc312": pbc312}


@cache
def fitted(name, kind):
    x, time, event = DATA[name]()
    fit, factor = fit_cox(x, time, event), FACTOR[kind]
    return baseline(factor * fit.coef, factor**2 * fit.covariance, x, time, event), time, event


@cache
def numbers():
    with (DEFAULT / "landmarks.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ours(row):
    base, time, event = fitted(row["dataset"], row["fit"])
    if row["quantity"] == "coef":
        names = dict.fromkeys(
            r["term"] for r in numbers() if r["quantity"] == "coef" and r["dataset"] == row["dataset"]
        )
        return base.coef[list(names).index(row["term"])]
    found = next(f for f in fitted_landmarks((base,), time, event) if f.days == int(row["days"]))
    if row["quantity"] in {"at_risk", "recurrences"}:
        return getattr(found, row["quantity"])
    cell, year = np.array([float(mark) for mark in row["term"]]), int(row["at"]) - 1
    assert found.served is not None
    if row["quantity"] == "cumhaz":
        return found.served.hazard[year] * np.exp(cell @ base.coef)
    of_log = np.concatenate([cell, np.eye(len(YEARS))[year]])
    return np.sqrt(of_log @ found.served.covariance @ of_log)


def test_every_number_of_r_is_met():
    wrong = [(row, ours(row)) for row in numbers() if not abs(ours(row) - float(row["value"])) <= TOLERANCE]
    assert not wrong
    assert {row["dataset"] for row in numbers()} == set(DATA)
    assert len(numbers()) == 510


def test_a_later_baseline_is_that_of_a_new_estimate_after_the_landmark():
    x, time, event = syn200()
    base, *_ = fitted("syn200", "shrunk")
    since = 730 / 365.25
    left = time > since
    again = baseline(base.coef, base.covariance, x[left], time[left] - since, event[left])
    np.testing.assert_allclose(
        at_horizons(base, YEARS, since).covariance, at_horizons(again, YEARS).covariance, atol=1e-12
    )
    np.testing.assert_allclose(at_horizons(base, YEARS, since).hazard, again.cumulative(YEARS), rtol=1e-12)


def test_the_log_hazard_ratios_keep_their_covariance_at_every_landmark():
    base, time, event = fitted("syn200", "as fitted")
    for found in fitted_landmarks((base,), time, event):
        if found.served:
            np.testing.assert_array_equal(
                found.served.covariance[:4, :4], at_horizons(base, YEARS).covariance[:4, :4]
            )


def made(times, events):
    time, event = np.array(times, dtype=float), np.array(events, dtype=bool)
    x = np.tile([[0.0], [1.0]], (len(time), 1))[: len(time)]
    return baseline(np.array([0.5]), np.eye(1), x, time, event), time, event


def of_made(base, time, event):
    return fitted_landmarks((base,), time, event)


@pytest.mark.parametrize(
    ("late", "events", "at_risk", "recurrences", "reason"),
    [
        (20, [1.5, 2.5, 3.5, 3.6, 3.7], 20, 5, ""),
        (19, [1.5, 2.5, 3.5, 3.6, 3.7], 19, 5, "19 at risk, at least 20 are needed"),
        (20, [1.5, 2.5, 3.5, 3.6], 20, 4, "4 recurrences in the 3 years after it, at least 5 are needed"),
        (20, [1.5, 1.6, 1.7, 3.6, 3.7], 20, 5, "no recurrence in one of the years after it"),
    ],
)
def test_a_landmark_needs_twenty_at_risk_and_five_recurrences_one_in_each_year(
    late, events, at_risk, recurrences, reason
):
    times = [*events, *[5.0] * (late - len(events)), *[365 / 365.25] * 30]
    flags = [True] * len(events) + [False] * (late - len(events)) + [True] * 30
    found = of_made(*made(times, flags))[0]
    assert (found.days, found.at_risk, found.recurrences) == (365, at_risk, recurrences)
    assert found.reason == reason
    assert (found.served is None) == bool(reason)


def test_a_landmark_is_not_given_beyond_the_follow_up():
    times = [*np.linspace(0.1, 3.9, 40), 3.99]
    found = of_made(*made(times, [True] * 40 + [False]))
    assert [f.reason for f in found[:1]] == ["nobody was followed for 3 years after it"]
    longer = of_made(*made([*times, 4.0], [True] * 40 + [False, False]))
    assert longer[0].served is not None
    assert longer[1].reason == "nobody was followed for 3 years after it"


def test_a_recurrence_on_the_day_of_the_landmark_lies_before_it():
    base, time, event = fitted("syn200", "as fitted")
    since = 365 / 365.25
    moved = replace(base, times=np.where(base.times == base.times[0], since, base.times))
    assert base.times[0] < since
    order = np.argsort(moved.times, kind="stable")
    assert len(order) == len(base.times)
    np.testing.assert_allclose(
        at_horizons(base, YEARS, since).hazard,
        at_horizons(replace(base, times=np.sort(moved.times)), YEARS, since).hazard,
    )
    assert fitted_landmarks((base,), np.where(time > since, time, since), event)[0].at_risk == int(
        (time > since).sum()
    )


def test_horizons_beyond_the_follow_up_are_refused_from_a_landmark_too():
    base, *_ = fitted("syn200", "as fitted")
    with pytest.raises(TrainingError, match="needs a recurrence before each horizon"):
        at_horizons(base, YEARS, base.last - 1)
