"""The nested bootstrap: R's numbers on the same resamples, and what must hold of any cohort."""

import csv
from functools import cache

import numpy as np
import pytest

from models.training.fitting.steps import Steps, take
from models.training.statistics.arrays import Counts
from models.training.statistics.cox import fit_cox, fit_many, fit_slopes
from models.training.statistics.resampling import SurvivalData, draw_resamples, draw_rows, refit_in
from models.training.validation.internal import Nested, drawn, nested, unstable
from models.training.validation.performance import Performance, Scales, performance
from tests.statistics.datasets import DEFAULT, read
from tests.statistics.nested_slopes import OUTER as SIMULATED
from tests.statistics.nested_slopes import compared, slope_differences
from tests.statistics.rms import multiplicities
from tests.support.nightly import NIGHTLY, count

OUTER, INNER = count(5, 25), 40  # of tests/statistics/r/nested_bootstrap.R, which says how they are made
SCALES = Scales(
    np.array([1.0, 2.0, 3.0]), np.tile(np.linspace(0.05, 0.8, 5), (3, 1)), np.array([0.1, 0.2, 0.3, 0.45])
)


def inner_of_r(b: int, n: int) -> Counts:
    """The inner resamples of resample b, from 1; 0: of the cohort itself."""
    state, rows = 1 + 7919 * b, []
    for _ in range(INNER * n):
        state = 16807 * state % 2147483647
        rows.append(int(n * state / 2147483647))
    return multiplicities(np.array(rows).reshape(INNER, n), n)


@cache
def data_of(name: str) -> SurvivalData:
    found = read().datasets[name]
    return SurvivalData(found.x, found.time, found.event)


@cache
def by_us(name: str) -> tuple[float, Performance, Nested]:
    """Factor and apparent performance of the model of the data set, and what the resamples show."""
    data, counts = data_of(name), read().datasets["syn200"].counts[:OUTER]
    stepped = take(Steps(), data, inner_of_r(0, len(data.time)))
    base = stepped.bases[0]
    own = performance(data, base.coef, base.cumulative(SCALES.years), SCALES)
    resamples = [data.resample(count) for count in counts]
    return (
        stepped.shrinkage.factor,
        own,
        nested(Steps(), [data], resamples, SCALES, lambda b, n: inner_of_r(b + 1, n)),
    )


def rows_of_r() -> list[dict[str, str]]:
    with (DEFAULT / "nested_bootstrap.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def number(of: Performance, row: dict[str, str]) -> float:
    value = getattr(of, row["quantity"])
    if row["time"]:
        value = value[int(row["time"]) - 1]
    if row["at"]:
        value = value[list(SCALES.thresholds).index(float(row["at"]))]
    return float(value)


@pytest.mark.parametrize("name", ["demo200", "syn200"])
def test_every_step_in_every_resample_is_that_of_r(name):
    factor, own, found = by_us(name)
    rows = [row for row in rows_of_r() if row["dataset"] == name and row["outer"] in {"", str(OUTER)}]
    assert len(rows) == 24
    for row in rows:
        if row["quantity"] == "factor":
            assert factor == pytest.approx(float(row["apparent"]), abs=1e-6)
        else:
            apparent = number(own, row)
            given = [apparent, *(number(part, row) for part in (found.inside, found.outside))]
            given.append(apparent - number(found.optimism, row))
            of_r = [float(row[key] or "nan") for key in ("apparent", "inside", "outside", "corrected")]
            assert given == pytest.approx(of_r, abs=1e-6, nan_ok=True), row


def test_the_simulation_takes_the_slopes_of_the_nested_bootstrap():
    data, counts = data_of("demo200"), draw_resamples(200, 3, 5)
    whole = nested(Steps(), [data], [data.resample(count) for count in counts], SCALES, drawn(1))
    assert slope_differences(data, counts, drawn(1)) == pytest.approx(whole.slopes, abs=1e-7)


def test_equal_rows_are_fitted_as_one():
    data, counts = data_of("demo200"), draw_resamples(200, 4, 5)
    again = data.resample(counts[0])
    assert refit_in(again, counts).coef == pytest.approx(
        fit_many(again.x, again.time, again.event, counts), abs=1e-9
    )


def test_resamples_drawn_row_by_row_are_resamples():
    counts = draw_rows(50, 400, (1, 2))
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3)
    assert counts.var() == pytest.approx(1 - 1 / 50, abs=0.05)


def test_the_model_itself_as_its_only_resample_has_no_optimism():
    data = data_of("demo200")
    found = nested(Steps(), [data], [data], SCALES, drawn(1))
    for field in ("slope", "concordance", "auc", "ipa", "ici", "benefit"):
        assert np.all(getattr(found.optimism, field) == 0)


def test_the_resamples_take_turns_with_the_completed_sets():
    sets = [data_of("demo200"), data_of("syn200")]
    resamples = [sets[0].resample(count) for count in draw_resamples(200, 2, 5)]
    both = nested(Steps(), sets, resamples, SCALES, drawn(1))
    alone = [
        nested(Steps(), [sets[b]], [resamples[b]], SCALES, lambda _, n, b=b: drawn(1)(b, n)) for b in (0, 1)
    ]
    assert float(both.outside.slope) == pytest.approx(np.mean([one.outside.slope for one in alone]))
    assert both.coef == pytest.approx(np.concatenate([one.coef for one in alone]))


@pytest.mark.parametrize("steps", [Steps(shrinks=False, ridge=10), Steps(shrinks=False, firth=True)])
def test_a_penalty_is_repeated_in_each_resample(steps):
    data = data_of("demo200")
    again = data.resample(draw_resamples(200, 1, 5)[0])
    found = nested(steps, [data], [again], SCALES, drawn(1))
    fit = fit_cox(again.x, again.time, again.event, ridge=steps.ridge, firth=steps.firth)
    score = data.x @ fit.coef
    assert float(found.outside.slope) == pytest.approx(fit_slopes(score[None], data.time, data.event)[0])


def test_a_slope_that_other_resamples_would_move_is_not_given():
    chance = np.random.default_rng(1)
    assert unstable(chance.normal(0.1, 0.2, 1000)) == ""
    assert "middle half" in unstable(chance.normal(0.1, 1.0, 1000))
    outlier = np.append(chance.normal(0.1, 0.2, 999), 100.0)
    assert "Monte Carlo standard error 0.10" in unstable(outlier)
    assert unstable(np.array([np.nan, 0.1])) == "fewer than four in five resamples show it"


def test_the_old_way_gave_a_slope_above_one_to_every_shrunken_model_and_every_step_does_not():
    found = [one for one in (compared(k, outer=count(10, SIMULATED)) for k in range(count(2, 200))) if one]
    for one in found:
        assert one.old == pytest.approx(1 + (1 - one.factor) ** 2 / one.factor)
    if NIGHTLY:
        stable = [one for one in found if np.isfinite(one.corrected)]
        corrected, old = (
            np.median([getattr(one, field) for one in stable]) for field in ("corrected", "old")
        )
        assert abs(corrected - 1) < abs(old - 1)
