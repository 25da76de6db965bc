"""`imnm-cds plan`: how many patients a model's development and its validation need, before there are data.

Development: Riley's criteria, with the R² and the event rate that the assumptions give. Validation: the framework of
Riley and others (Statistics in Medicine 2022;41:1280-1295): one large cohort is drawn from the assumed linear predictor,
event times and censoring; the standard errors of O/E, calibration slope and C in it shrink with the square root of the
number of patients. The slope and C are those of `validate`: a Cox model's slope, Harrell's C.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import asinh, ceil, exp, log, sinh, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from models.training.cohort.schema import RECURRENCE
from models.training.errors import TrainingError
from models.training.fitting.sample_size import SampleSize, sample_size
from models.training.simulation.synthetic import Hazard, Patterns, Recipe, draw, hazard_for_risk
from models.training.statistics.arrays import Events, Floats, cells
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.cox import log_likelihoods
from models.training.statistics.discrimination import DECIMALS, PointEstimate
from models.training.statistics.survival import kaplan_meier, step_at

LARGE = 50_000  # the numbers of patients that come of it vary by about 2 % with the seed
SEED = 1
SIZES = (50, 100, 150, 200, 300, 500, 1000)
_Z = float(norm.ppf(0.975))
_MOST_FOLD = 30.0  # by which effects or recruitment may have to be scaled
_CLOSE = 1e-12  # to the ends between which a shrinkage can lie
_PASSES = 2  # C depends on the follow-up, and the follow-up on the effects


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is assumed instead of what the recipe says; None leaves that as it is.

    `concordance`: Harrell's C. `risk`: of recurrence by the horizon, in all. `horizon` and `follow_up` (the mean until
    recurrence or censoring): years.
    """

    horizon: float
    parameters: int
    concordance: float | None = None
    r_squared: float | None = None
    risk: float | None = None
    follow_up: float | None = None


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the 95 % intervals are to be at most: calibration slope, observed/expected, C. pmvalsampsize's are these."""

    slope: float = 0.2
    observed_over_expected: float = 0.2
    concordance: float = 0.1


@dataclass(frozen=True, slots=True)
class Assumed:
    """What the plan rests on: `rate` of recurrences in a person-year, Cox and Snell's `r_squared`, risk by the horizon."""

    origin: str
    horizon: float
    parameters: int
    concordance: float
    r_squared: float
    risk: float
    rate: float
    follow_up: float


@dataclass(frozen=True, slots=True)
class Needed:
    """How many patients, and recurrences among them, give an interval of this width."""

    measure: str
    width: float
    n: int
    events: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What n patients can give: interval widths where a model is validated in them, the shrinkage of one made from them."""

    n: int
    events: float
    slope: float
    observed_over_expected: float
    concordance: float
    shrinkage: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; `validation` has one row a measure, the number for all three is the largest."""

    assumed: Assumed
    development: SampleSize
    validation: tuple[Needed, ...]
    expected: tuple[Expected, ...]
    drawn: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Errors:
    """Standard errors times the square root of n: calibration slope, log of O/E, C."""

    slope: float
    log_ratio: float
    concordance: float


def plan(
    recipe: Recipe, wishes: Wishes, widths: Widths, sizes: Sequence[int] = SIZES, seed: int = SEED
) -> Plan:
    """Plan for patients like those of a recipe. Raises TrainingError for what cannot be, or cannot be reached."""
    _check(wishes, widths, sizes)
    for _ in range(_PASSES):
        recipe = _as_wished(recipe, wishes, seed)
    time, event, cell = _drawn(recipe, seed)
    score, c = _scores(recipe)[cell], concordance_by_cell(cell, time, event, _scores(recipe))
    errors = _errors(time, event, score, c, wishes.horizon)
    assumed = _assumed(recipe, wishes, time, event, score, c.value)
    development = sample_size(
        assumed.r_squared,
        assumed.parameters,
        rate=assumed.rate,
        horizon=assumed.horizon,
        follow_up=assumed.follow_up,
    )
    share = float(event.mean())
    return Plan(
        assumed=assumed,
        development=development,
        validation=_validation(errors, widths, share),
        expected=tuple(_expected(n, share, errors, assumed) for n in sizes),
        drawn=LARGE,
        seed=seed,
    )


def _check(wishes: Wishes, widths: Widths, sizes: Sequence[int]) -> None:
    bounds = (
        ("the C", wishes.concordance, 0.5, 1.0),
        ("the risk", wishes.risk, 0.0, 1.0),
        ("the horizon", wishes.horizon, 0.0, 100.0),
        ("the mean follow-up", wishes.follow_up, 0.0, 100.0),
        ("the width for the calibration slope", widths.slope, 0.0, 10.0),
        ("the width for observed/expected", widths.observed_over_expected, 0.0, 10.0),
        ("the width for C", widths.concordance, 0.0, 1.0),
    )
    for what, value, low, high in bounds:
        if value is not None and not low < value < high:
            raise TrainingError(f"{what} must lie between {low:g} and {high:g}")
    if wishes.parameters < 1:
        raise TrainingError("a model has one parameter at least")
    if not all(1 <= n <= 10**7 for n in sizes):
        raise TrainingError("a number of patients must lie between 1 and 10,000,000")


def _as_wished(recipe: Recipe, wishes: Wishes, seed: int) -> Recipe:
    """The recipe with effects that give the C, a baseline that gives the risk, recruitment that gives the mean follow-up."""
    base = float(recipe.hazard.at(np.array([wishes.horizon]))[0])
    risk = wishes.risk or _risk(recipe, wishes.horizon)

    def stronger(factor: float) -> Recipe:
        effects = recipe.log_hazard_ratios * factor
        scores = _scores(recipe)[None] * factor
        wanted = hazard_for_risk(recipe.joint[None], scores, np.array([risk]))[0]
        hazard = Hazard(recipe.hazard.years, recipe.hazard.hazard * wanted / base)
        return replace(recipe, log_hazard_ratios=effects, hazard=hazard)

    strength = 1.0
    if wishes.concordance is not None:
        strength = _factor(lambda f: _concordance(stronger(f), seed).value, wishes.concordance, "C")
    scaled = stronger(strength)
    if wishes.follow_up is None:
        return scaled

    def lasting(factor: float) -> Recipe:
        years = scaled.plan.recruitment_years * factor
        return replace(scaled, plan=replace(scaled.plan, recruitment_years=years))

    longer = _factor(lambda f: float(_drawn(lasting(f), seed)[0].mean()), wishes.follow_up, "mean follow-up")
    return lasting(longer)


def _risk(recipe: Recipe, horizon: float) -> float:
    """The risk of recurrence by the horizon in all."""
    base = float(recipe.hazard.at(np.array([horizon]))[0])
    passed = base * np.exp(_scores(recipe))
    return -float((recipe.joint * np.expm1(-passed)).sum())


def expected_shrinkage(n: int, r_squared: float, parameters: int) -> float:
    """The shrinkage that a model from n patients can be expected to need: Riley's first criterion read the other way."""

    def too_many(shrinkage: float) -> float:
        return parameters / ((shrinkage - 1) * log(1 - r_squared / shrinkage)) - n

    most, least = 1 - _CLOSE, r_squared * (1 + _CLOSE)
    if too_many(least) > 0:
        raise TrainingError(
            f"{n} patients are too few for {parameters} parameters: nothing would be left after shrinkage"
        )
    return float(brentq(too_many, least, most))


def concordance_by_cell(cell: Patterns, time: Floats, event: Events, score: Floats) -> PointEstimate:
    """Harrell's C as `harrell_c` gives it, in a time that grows with n alone: by cells (n,) with scores (c,); no ties.

    Each counts, cell by cell, who recurred before and, where it recurred itself, who was left after it.
    """
    order = np.argsort(time)
    cell, event = cell[order], event[order]
    belongs = cell[:, None] == np.arange(len(score))
    left = np.cumsum(belongs[::-1], axis=0)[::-1] - belongs
    before = np.cumsum(belongs & event[:, None], axis=0) - (belongs & event[:, None])
    left = left * event[:, None]
    rounded = np.round(score, DECIMALS)
    right = (np.sign(rounded[:, None] - rounded) + 1) / 2
    pairs = left.sum(axis=1) + before.sum(axis=1)
    wins = (left * right[cell]).sum(axis=1) + (before * right.T[cell]).sum(axis=1)
    value = wins.sum() / pairs.sum()
    return PointEstimate(float(value), float(2 * sqrt(((wins - value * pairs) ** 2).sum()) / pairs.sum()))


def _factor(value_at: Callable[[float], float], wanted: float, what: str) -> float:
    """The factor at which a value that rises with it is as wanted. Raises TrainingError where none gives it."""
    low, high = 1 / _MOST_FOLD, _MOST_FOLD
    if not value_at(low) < wanted < value_at(high):
        raise TrainingError(
            f"a {what} of {wanted:g} cannot be reached with these patients: between {value_at(low):.2f} and "
            f"{value_at(high):.2f} it can"
        )
    return exp(brentq(lambda f: value_at(exp(f)) - wanted, log(low), log(high), xtol=1e-4))


def _drawn(recipe: Recipe, seed: int) -> tuple[Floats, Events, Patterns]:
    """A large cohort: times (n,), recurrences (n,) and cells (n,)."""
    drawn = draw(recipe, LARGE, 1, np.random.default_rng(seed))
    return drawn.time[0], np.asarray(drawn.status[0] == RECURRENCE), drawn.pattern[0]


def _scores(recipe: Recipe) -> Floats:
    """The linear predictor of each cell."""
    return np.asarray(cells(len(recipe.names)) @ recipe.log_hazard_ratios[0])


def _concordance(recipe: Recipe, seed: int) -> PointEstimate:
    """C of a recipe's own linear predictor in the large cohort."""
    time, event, cell = _drawn(recipe, seed)
    return concordance_by_cell(cell, time, event, _scores(recipe))


def _errors(time: Floats, event: Events, score: Floats, c: PointEstimate, horizon: float) -> _Errors:
    curve, at = kaplan_meier(time, event), np.array([horizon])
    survival = float(curve.at(at)[0])
    if not 0 < survival < 1:
        raise TrainingError(
            "nobody is followed to the horizon: ask for a longer follow-up or a nearer horizon"
        )
    spread = sqrt(float(step_at(curve.times, curve.log_variance, at, 0.0)[0])) * survival / (1 - survival)
    root = sqrt(len(time))
    slope = calibration_slope(time, event, score)
    return _Errors(slope.se * root, spread * root, c.se * root)


def _assumed(recipe: Recipe, wishes: Wishes, time: Floats, event: Events, score: Floats, c: float) -> Assumed:
    r_squared = wishes.r_squared
    if r_squared is None:
        once = np.ones((1, len(time)), dtype=np.int64)
        fitted, null = log_likelihoods(score[:, None], time, event, np.ones((1, 1)), once)
        r_squared = 1 - exp(-2 * float(fitted[0] - null[0]) / len(time))
    return Assumed(
        origin=recipe.origin,
        horizon=wishes.horizon,
        parameters=wishes.parameters,
        concordance=c,
        r_squared=r_squared,
        risk=_risk(recipe, wishes.horizon),
        rate=float(event.sum() / time.sum()),
        follow_up=float(time.mean()),
    )


def _validation(errors: _Errors, widths: Widths, share: float) -> tuple[Needed, ...]:
    """For each measure the least n: half of an interval is 1.96 standard errors, of O/E on the log scale."""
    ratio = widths.observed_over_expected
    rows = (
        ("calibration slope", widths.slope, errors.slope, widths.slope / 2),
        ("observed/expected", ratio, errors.log_ratio, asinh(ratio / 2)),
        ("C", widths.concordance, errors.concordance, widths.concordance / 2),
    )
    return tuple(
        Needed(measure, width, n := ceil((error * _Z / half) ** 2), n * share)
        for measure, width, error, half in rows
    )


def _expected(n: int, share: float, errors: _Errors, assumed: Assumed) -> Expected:
    each = _Z / sqrt(n)
    return Expected(
        n=n,
        events=n * share,
        slope=2 * errors.slope * each,
        observed_over_expected=2 * sinh(errors.log_ratio * each),
        concordance=2 * errors.concordance * each,
        shrinkage=expected_shrinkage(n, assumed.r_squared, assumed.parameters),
    )
