"""`imnm-cds simulate --reconstruct`: the parameters of the shipped model once more, and whether they agree.

Approximate Bayesian computation: parameters are drawn from broad priors, a cohort of the abstract's size from each, a
Cox model is fitted to it, and the parameters are kept where C, mean AUC and significance are those of the abstract.
Restricting the prior of the 2-year recurrence is the anchor in other cohorts.

From the accepted parameters, as for the shipped numbers: the log hazard ratios are all equal to the mean of their
posterior means, because nothing tells the predictors apart. The baseline hazard has the posterior mean shape, and
gives the assumed population, at these ratios, the posterior mean of the 2-year recurrence. The covariance is that of
the accepted log hazard ratios and log baseline hazards at 1, 2 and 3 years.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from models.artefact import Model
from models.inputs import Horizon
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import PREDICTORS
from models.training.errors import TrainingError
from models.training.simulation.many_cohorts import Ordered, fit_each, rank_each
from models.training.simulation.simulate import RECONSTRUCTION, SCENARIOS, assumed_population, settings
from models.training.simulation.synthetic import (
    choose,
    end_of_follow_up,
    hazard_for_risk,
    one_factor,
    waiting,
)
from models.training.statistics.arrays import Floats, cells
from models.training.statistics.progress import Progress, quiet

_FEWEST_ACCEPTED = 30  # fewer give no covariance of 7 parameters worth the name
_BATCH = 1000  # draws of one stream of random numbers
_STEP = 1e-4  # of a numerical derivative
_P = len(PREDICTORS)

_Number = tuple[str, float, float]
"""A name, the value, and the standard deviation of what one accepted draw adds to it."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Draws: log hazard ratios (B, p), the other parameters (B,), and the baseline hazard at 2 years that follows (B,)."""

    log_hazard_ratios: Floats
    risk: Floats
    shape: Floats
    lateness: Floats
    loss_per_year: Floats
    joint: Floats  # (B, 2^p)
    hazard: Floats

    def rows(self) -> Floats:
        """What is kept of accepted draws: ratios, log hazard at 2 years, shape, risk: (B, p + 3)."""
        return np.column_stack([self.log_hazard_ratios, np.log(self.hazard), self.shape, self.risk])


@dataclass(frozen=True, slots=True)
class Compared:
    """One number of the artefact, reconstructed and shipped; `error` is the Monte-Carlo error of their difference."""

    name: str
    shipped: float
    reconstructed: float
    own_error: float
    error: float
    z: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What came out. All agree where every |z| is at most `limit`."""

    model: str
    draws: int
    accepted: int
    seed: int
    limit: float
    numbers: tuple[Compared, ...]

    @property
    def agrees(self) -> bool:
        """Whether every number agrees."""
        return all(number.agrees for number in self.numbers)


def reconstruct(
    model: Model, draws: int | None = None, seed: int | None = None, progress: Progress = quiet
) -> Reconstruction:
    """Draw, accept, and compare with the artefact. Raises TrainingError where too few draws are accepted.

    Without `draws` there are as many as leave as large an error as the shipped numbers have; the seed is fixed too.
    """
    run = settings(RECONSTRUCTION)["run"]
    draws, seed = draws or int(run["draws"]), int(run["seed"]) if seed is None else seed
    if model.names != PREDICTORS:
        raise TrainingError(f"{model.id} has other predictors, or another order: {', '.join(model.names)}")
    accepted = accepted_draws(draws, seed, progress)
    if len(accepted) < _FEWEST_ACCEPTED:
        raise TrainingError(
            f"{len(accepted)} of {draws} draws were accepted; at least {_FEWEST_ACCEPTED} are needed: ask for more draws"
        )
    years = np.array([horizon.years for horizon in model.horizons])
    again = [*_point(accepted, years), *_covariance(accepted, years)]
    limit = float(norm.isf(settings(RECONSTRUCTION)["agreement"]["false_alarm"] / 2 / len(again)))
    behind = settings(RECONSTRUCTION)["shipped"]["accepted"]
    covariance = np.array(model.covariance)
    upper = covariance[np.triu_indices(len(covariance))]
    theirs = [float(np.mean(model.log_hazard_ratios)), *model.baseline_hazard.values(), *upper.tolist()]
    numbers = []
    for (name, value, deviation), shipped in zip(again, theirs, strict=True):
        error = deviation * float(np.sqrt(1 / len(accepted) + 1 / behind))
        z = (value - shipped) / error
        own = deviation / len(accepted) ** 0.5
        numbers.append(Compared(name, shipped, value, own, error, z, abs(z) <= limit))
    return Reconstruction(f"{model.id} {model.version}", draws, len(accepted), seed, limit, tuple(numbers))


def accepted_draws(
    draws: int, seed: int, progress: Progress = quiet, prior: Mapping[str, Any] | None = None
) -> Floats:
    """The accepted rows (m, p + 3) of so many draws: log hazard ratios, log hazard at 2 years, shape, 2-year risk."""
    prior = prior or settings(RECONSTRUCTION)["prior"]
    kept = []
    for batch, stream in enumerate(np.random.SeedSequence(seed).spawn(-(-draws // _BATCH))):
        size = min(_BATCH, draws - batch * _BATCH)
        generator = np.random.default_rng(stream)
        parameters = draw_prior(prior, size, generator)
        kept.append(parameters.rows()[_accepted(parameters, generator)])
        progress("cohorts drawn from the prior", batch * _BATCH + size, draws)
    return np.concatenate(kept)


def draw_prior(prior: Mapping[str, Any], draws: int, generator: np.random.Generator) -> Parameters:
    """Parameters from uniform distributions between the bounds of reconstruction.toml."""

    def between(bounds: Sequence[float], uniforms: Floats) -> Floats:
        return bounds[0] + (bounds[1] - bounds[0]) * uniforms

    uniforms = generator.random((2 * _P + 5, draws))
    ratios = between(list(np.log(prior["hazard_ratio"])), uniforms[:_P].T)
    prevalence = np.column_stack(
        [between(prior["prevalence"][name], uniforms[_P + j]) for j, name in enumerate(PREDICTORS)]
    )
    correlation, risk, shape, lateness, loss = (
        between(prior[name], uniforms[2 * _P + j])
        for j, name in enumerate(("correlation", "risk_2y", "shape", "lateness", "loss_per_year"))
    )
    joint = one_factor(prevalence, correlation)
    hazard = hazard_for_risk(joint, ratios @ cells(_P).T, risk)
    return Parameters(ratios, risk, shape, lateness, loss, joint, hazard)


def _accepted(parameters: Parameters, generator: np.random.Generator) -> Floats:
    """The numbers of the draws whose cohort looks like the abstract; significance first, because it decides most."""
    rules, published = settings(RECONSTRUCTION)["accept"], settings(RECONSTRUCTION)["abstract"]
    # One cohort of each draw; death is ignored, as in the abstract
    uniforms = generator.random((4, len(parameters.risk), published["patients"]))
    pattern = choose(uniforms[0], parameters.joint)
    scores = parameters.log_hazard_ratios @ cells(_P).T
    reached = waiting(uniforms[1]) / np.exp(np.take_along_axis(scores, pattern, axis=1))
    shape = parameters.shape[:, None]
    recurrence = DECISION_HORIZON.years * (reached / parameters.hazard[:, None]) ** (1 / shape)
    recruitment = settings(SCENARIOS)["follow_up"]["recruitment_years"]
    lateness, loss = parameters.lateness[:, None], parameters.loss_per_year[:, None]
    lost = end_of_follow_up(uniforms[2:], recruitment, lateness, loss)
    cohorts = Ordered.of(pattern, np.minimum(recurrence, lost), recurrence <= lost)
    fits = fit_each(cohorts, _P, parameters.log_hazard_ratios)
    with np.errstate(invalid="ignore"):
        z = np.abs(fits.coef) / np.sqrt(fits.variance)
        rows = np.flatnonzero((z > norm.isf(rules["largest_p"] / 2)).all(axis=1))
    years = np.array([Horizon(horizon).years for horizon in published["auc"]])
    ranking = rank_each(cohorts.subset(rows), fits.coef[rows], years)
    near = np.abs(ranking.c - published["c"]) < rules["c_within"]
    near &= np.abs(ranking.auc.mean(axis=1) - rules["mean_auc"]) < rules["mean_auc_within"]
    return np.asarray(rows[near])


def _point(accepted: Floats, years: Floats) -> list[_Number]:
    """The common log hazard ratio, and the cumulative baseline hazard at these years."""
    means = np.array([accepted[:, :_P].mean(), *accepted[:, [_P + 1, _P + 2]].mean(axis=0)])
    spread = np.cov(np.column_stack([accepted[:, :_P].mean(axis=1), accepted[:, [_P + 1, _P + 2]]]).T)
    slopes = np.stack(
        [
            (_log_hazard(means + step, years) - _log_hazard(means - step, years)) / (2 * _STEP)
            for step in _STEP * np.eye(3)
        ]
    )
    deviations = np.sqrt(np.einsum("ak,ab,bk->k", slopes, spread, slopes))
    hazard = np.exp(_log_hazard(means, years))
    ratio = ("log hazard ratio, each", float(means[0]), float(np.sqrt(spread[0, 0])))
    return [ratio] + [
        (f"baseline hazard at {year:g}y", float(value), float(value * deviation))
        for year, value, deviation in zip(years, hazard, deviations, strict=True)
    ]


def _log_hazard(point: Floats, years: Floats) -> Floats:
    """From (log hazard ratio, shape, 2-year risk) to the log cumulative baseline hazard in the assumed population."""
    ratio, shape, risk = point
    scores = ratio * cells(_P).sum(axis=1)
    at_two = hazard_for_risk(assumed_population(), scores[None], np.array([risk]))
    return np.asarray(np.log(at_two) + shape * np.log(years / DECISION_HORIZON.years))


def _covariance(accepted: Floats, years: Floats) -> list[_Number]:
    """The upper triangle of the covariance, row by row; a covariance is the mean of the products of deviations."""
    log_hazards = accepted[:, [_P]] + accepted[:, [_P + 1]] * np.log(years / DECISION_HORIZON.years)
    values = np.column_stack([accepted[:, :_P], log_hazards])
    away = values - values.mean(axis=0)
    names = [*PREDICTORS, *(f"log H {year:g}y" for year in years)]
    numbers = []
    for i, j in zip(*np.triu_indices(len(names)), strict=True):
        products = away[:, i] * away[:, j] * len(away) / (len(away) - 1)
        name = f"variance of {names[i]}" if i == j else f"covariance of {names[i]}, {names[j]}"
        numbers.append((name, float(products.mean()), float(products.std(ddof=1))))
    return numbers
