"""Synthetic cohorts: patterns of binary predictors, times of recurrence, recruitment, loss and death, from uniforms.

Uniforms alone are drawn and transformed, so that a seed gives the same cohort with any version of numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.training.cohort.schema import CENSORED, DEATH, RECURRENCE
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Statuses, cells

_QUADRATURE_POINTS = 15  # over the common factor; with 30 a cell's probability changes by less than 1e-9
_NEWTON_STEPS = 60
_CLOSE = 1e-11  # of a log hazard

Patterns = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hazard:
    """A cumulative baseline hazard through given points (k,), a Weibull hazard between two of them and beyond.

    That is, log H is linear in log t; where all points lie on one Weibull hazard this is it. One point alone: constant.
    """

    years: Floats
    hazard: Floats

    def __post_init__(self) -> None:
        """Refuse points that do not rise. Raises TrainingError."""
        rising = [np.diff(values, prepend=0) > 0 for values in (self.years, self.hazard)]
        if not np.concatenate(rising).all():
            raise TrainingError("the cumulative baseline hazard must rise from above 0")

    def at(self, t: Floats) -> Floats:
        """H(t)."""
        return _power_line(t, self.years, self.hazard)

    def when(self, hazard: Floats) -> Floats:
        """The time at which this cumulative hazard is reached."""
        return _power_line(hazard, self.hazard, self.years)


def _power_line(x: Floats, xs: Floats, ys: Floats) -> Floats:
    """Straight lines in log x and log y, the first and the last of them prolonged."""
    if len(xs) == 1:
        return np.asarray(x * ys[0] / xs[0])
    logs, values = np.log(xs), np.log(ys)
    with np.errstate(divide="ignore", over="ignore"):
        at = np.log(x)
        piece = np.clip(np.searchsorted(logs, at) - 1, 0, len(xs) - 2)
        slopes = np.diff(values) / np.diff(logs)
        return np.asarray(np.exp(values[piece] + slopes[piece] * (at - logs[piece])))


@dataclass(frozen=True, slots=True)
class FollowUpPlan:
    """How patients come and go: see scenarios.toml. `death_per_year` is a rate that depends on nothing."""

    recruitment_years: float
    lateness: float
    loss_per_year: float
    death_per_year: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a cohort is drawn from: the joint table (2^p,) and log hazard ratios (k, p) from the times `begin` (k,) on.

    The order of the joint table is that of `cells`. `subtypes` are shares by name. `origin` says what it is, in words.
    """

    origin: str
    names: tuple[str, ...]
    joint: Floats
    begin: Floats
    log_hazard_ratios: Floats
    hazard: Hazard
    plan: FollowUpPlan
    subtypes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Several cohorts: pattern numbers (B, n), years (B, n), how follow-up ended (B, n), subtype numbers (B, n)."""

    pattern: Patterns
    time: Floats
    status: Statuses
    subtype: NDArray[np.int64]


def one_factor(prevalence: Floats, correlation: Floats) -> Floats:
    """The joint tables (B, 2^p) of thresholded normal variables: prevalences (B, p), one common correlation each (B,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_POINTS)
    rho = correlation[:, None, None]
    present = ndtr((ndtri(prevalence)[:, None] - np.sqrt(rho) * points[:, None]) / np.sqrt(1 - rho))
    both = np.stack([1 - present, present], axis=-1) * 1.0
    table = (weights / weights.sum())[None, :, None]
    for column in range(prevalence.shape[1]):
        table = (table[..., None] * both[:, :, None, column]).reshape(len(prevalence), len(points), -1)
    return np.asarray(table.sum(axis=1))


def hazard_for_risk(joint: Floats, log_relative: Floats, risk: Floats) -> Floats:
    """The cumulative baseline hazards (B,) that give populations these risks (B,), by cells (B, 2^p)."""
    log_hazard = np.log(-np.log1p(-risk)) - np.log((joint * np.exp(log_relative)).sum(axis=1))
    for _ in range(_NEWTON_STEPS):
        passed = np.exp(log_hazard[:, None] + log_relative)
        excess = -(joint * np.expm1(-passed)).sum(axis=1) - risk
        step = np.clip(excess / (joint * passed * np.exp(-passed)).sum(axis=1), -1, 1)
        log_hazard = log_hazard - step
        if np.abs(step).max() < _CLOSE:
            break
    return np.asarray(np.exp(log_hazard))


def choose(uniform: Floats, shares: Floats) -> NDArray[np.int64]:
    """Numbers of categories from uniforms (B, n), by shares (B, c) or (1, c)."""
    reached = np.cumsum(shares, axis=1)
    bounds = reached[:, :-1] / reached[:, -1:]
    return np.asarray((uniform[..., None] >= bounds[:, None]).sum(axis=-1), dtype=np.int64)


def waiting(uniform: Floats) -> Floats:
    """Standard exponential times from uniforms in [0, 1)."""
    return np.asarray(-np.log1p(-uniform))


def end_of_follow_up(uniforms: Floats, years: float, lateness: Floats, loss_per_year: Floats) -> Floats:
    """When each would be censored: uniforms (2, B, n) of entry and of loss → (B, n)."""
    until_close = years * (1 - uniforms[0] ** (1 / lateness))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.fmin(until_close, waiting(uniforms[1]) / loss_per_year))


def draw(recipe: Recipe, n: int, cohorts: int, generator: np.random.Generator) -> Drawn:
    """Draw so many cohorts of n."""
    uniforms = generator.random((6, cohorts, n))
    pattern = choose(uniforms[0], recipe.joint[None])
    # A recurrence comes when the cumulative hazard of the pattern has reached a value
    reached = waiting(uniforms[1])
    relative = np.exp(cells(len(recipe.names)) @ recipe.log_hazard_ratios.T)
    base = np.append(0.0, recipe.hazard.at(recipe.begin[1:]))
    passed = np.cumsum(relative[:, :-1] * np.diff(base), axis=1)
    passed = np.concatenate([np.zeros((len(relative), 1)), passed], axis=1)
    period = (reached[..., None] >= passed[pattern, 1:]).sum(axis=-1)
    left = (reached - passed[pattern, period]) / relative[pattern, period]
    recurrence = recipe.hazard.when(base[period] + left)
    plan = recipe.plan
    lost = end_of_follow_up(
        uniforms[2:4], plan.recruitment_years, np.array(plan.lateness), np.array(plan.loss_per_year)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        death = np.fmin(np.inf, waiting(uniforms[4]) / plan.death_per_year)
    ends = np.stack([recurrence, death, lost])
    status = np.array([RECURRENCE, DEATH, CENSORED])[ends.argmin(axis=0)]
    shares = np.array([list(recipe.subtypes.values())], dtype=np.float64)
    return Drawn(pattern, ends.min(axis=0), status, choose(uniforms[5], shares))
