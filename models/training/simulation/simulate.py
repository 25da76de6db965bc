"""`imnm-cds simulate`: synthetic cohorts from an artefact or a named scenario, and how often they look like the abstract.

From an artefact: its joint table, its log hazard ratios, and its baseline hazard as a Weibull hazard between horizons
and beyond them. Patients carry ids SYN-… and a column `synthetic` that says where they come from.
"""

import csv
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.stats import beta

from models.artefact import Model
from models.inputs import Horizon
from models.training.cohort.cohort import PREDICTORS
from models.training.cohort.schema import RECURRENCE
from models.training.cohort.table import SYNTHETIC
from models.training.errors import TrainingError
from models.training.simulation.many_cohorts import Ordered, fit_each, rank_each
from models.training.simulation.synthetic import (
    FollowUpPlan,
    Hazard,
    Recipe,
    draw,
    hazard_for_risk,
    one_factor,
)
from models.training.statistics.arrays import Floats, cells, patterns
from models.training.statistics.progress import Progress, quiet

SCENARIOS = Path(__file__).with_name("scenarios.toml")
RECONSTRUCTION = Path(__file__).with_name("reconstruction.toml")
MOST_PATIENTS = 200_000
_MOST_OF_MANY, _MOST_COHORTS = 5_000, 1_000_000
"""Patients of a cohort of which many are drawn, a thousand at once, and how many are drawn."""
COLUMNS = ("id", "time_years", "status", *PREDICTORS, "subtype", SYNTHETIC)
_DECIMALS = 6  # of a time in years: half a minute
_BATCH = 1000  # cohorts of one stream of random numbers
_TAIL = 0.025


@cache
def settings(path: Path) -> Mapping[str, Any]:
    """The numbers of scenarios.toml or reconstruction.toml."""
    return MappingProxyType(tomllib.loads(path.read_text(encoding="utf-8")))


def scenario_names() -> tuple[str, ...]:
    """The named scenarios."""
    return tuple(settings(SCENARIOS)["scenarios"])


def assumed_population() -> Floats:
    """The joint table (1, 2^p) of the assumed population, in the order of the predictors."""
    population = settings(SCENARIOS)["population"]
    prevalence = np.array([[population["prevalence"][name] for name in PREDICTORS]])
    return one_factor(prevalence, np.array([population["correlation"]]))


def recipe_of_scenario(name: str, death_per_year: float = 0.0) -> Recipe:
    """What a named scenario draws from. Raises TrainingError for a name that is not in scenarios.toml."""
    if name not in scenario_names():
        raise TrainingError(f"there is no scenario {name}; these are: {', '.join(scenario_names())}")
    scenario, joint = settings(SCENARIOS)["scenarios"][name], assumed_population()
    size, effects = scenario["log_hazard_ratio"], np.array(scenario["effects"])
    relative = (cells(len(PREDICTORS)) * size).sum(axis=1)
    at_two = hazard_for_risk(joint, relative[None], np.array([scenario["risk_2y"]]))
    years = np.array([1.0, 2.0])
    return Recipe(
        origin=f"scenario {name}",
        names=PREDICTORS,
        joint=joint[0],
        begin=np.arange(float(len(effects))),
        log_hazard_ratios=size * np.tile(effects[:, None], len(PREDICTORS)),
        hazard=Hazard(years, at_two * (years / 2) ** scenario["shape"]),
        plan=_plan(death_per_year),
        subtypes=_subtypes(),
    )


def recipe_of_model(model: Model, death_per_year: float = 0.0) -> Recipe:
    """What an artefact draws from. Raises TrainingError if its predictors are not those of a cohort."""
    if set(model.names) != set(PREDICTORS):
        raise TrainingError(f"{model.id} has other predictors: {', '.join(model.names)}")
    return Recipe(
        origin=f"{model.id} {model.version} ({model.evidence})",
        names=model.names,
        joint=np.array([model.joint[pattern] for pattern in patterns(len(model.names))]),
        begin=np.zeros(1),
        log_hazard_ratios=np.array([model.log_hazard_ratios]),
        hazard=Hazard(
            np.array([horizon.years for horizon in model.horizons]),
            np.array(list(model.baseline_hazard.values())),
        ),
        plan=_plan(death_per_year),
        subtypes=_subtypes(),
    )


def _plan(death_per_year: float) -> FollowUpPlan:
    plan = settings(SCENARIOS)["follow_up"]
    return FollowUpPlan(plan["recruitment_years"], plan["lateness"], plan["loss_per_year"], death_per_year)


def _subtypes() -> Mapping[str, float]:
    shares = settings(SCENARIOS)["subtypes"]
    return {name: share for name, share in shares.items() if name not in {"mark", "source"}}


def simulate(recipe: Recipe, n: int, seed: int) -> str:
    """One synthetic cohort of n as CSV; the same recipe, n and seed give the same bytes. Raises TrainingError."""
    if not 1 <= n <= MOST_PATIENTS:
        raise TrainingError(f"a synthetic cohort has 1 to {MOST_PATIENTS} patients")
    drawn = draw(recipe, n, 1, np.random.default_rng(seed))
    every = cells(len(recipe.names)).astype(int)[drawn.pattern[0]]
    predictors = every[:, [recipe.names.index(name) for name in PREDICTORS]]
    time = np.maximum(np.round(drawn.time[0], _DECIMALS), 10.0**-_DECIMALS)
    subtypes, origin = list(recipe.subtypes), f"{recipe.origin}; seed {seed}"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(n):
        writer.writerow(
            [
                f"SYN-{number + 1:06d}",
                f"{time[number]:.{_DECIMALS}f}",
                drawn.status[0, number],
                *predictors[number],
                subtypes[drawn.subtype[0, number]],
                origin,
            ]
        )
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the cohorts show something, as a share with exact 95 % limits."""

    what: str
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A number over the cohorts: its mean and standard deviation, and what the abstract says."""

    what: str
    mean: float
    sd: float
    published: float


@dataclass(frozen=True, slots=True)
class Resemblance:
    """How cohorts of n look when each is fitted and judged by its own model; `failed` have no finite fit or AUC."""

    origin: str
    n: int
    cohorts: int
    failed: int
    seed: int
    figures: tuple[Figure, ...]
    shares: tuple[Share, ...]


def resemblance(recipe: Recipe, n: int, cohorts: int, seed: int, progress: Progress = quiet) -> Resemblance:
    """Draw cohorts, fit each, and count how often C and AUCs look like the published ones. Death counts as censoring.

    Raises TrainingError where that is more than can be drawn, or no cohort has a finite fit.
    """
    if not (1 <= n <= _MOST_OF_MANY and 1 <= cohorts <= _MOST_COHORTS):
        raise TrainingError(f"1 to {_MOST_COHORTS} cohorts of 1 to {_MOST_OF_MANY} patients can be looked at")
    published = settings(RECONSTRUCTION)["abstract"]
    years = np.array([Horizon(horizon).years for horizon in published["auc"]])
    c, auc = _rankings(recipe, n, cohorts, seed, years, progress)
    known = np.isfinite(c) & np.isfinite(auc).all(axis=1)
    c, auc = c[known], auc[known]
    if not len(c):
        raise TrainingError("no simulated cohort has a finite fit and AUC: ask for more patients")
    figures = [
        Figure(f"AUC at {horizon}", float(values.mean()), float(values.std()), value)
        for (horizon, value), values in zip(published["auc"].items(), auc.T, strict=True)
    ]
    return Resemblance(
        origin=recipe.origin,
        n=n,
        cohorts=len(c),
        failed=cohorts - len(c),
        seed=seed,
        figures=(Figure("C, apparent", float(c.mean()), float(c.std()), published["c"]), *figures),
        shares=_shares(c, auc),
    )


def _rankings(
    recipe: Recipe, n: int, cohorts: int, seed: int, years: Floats, progress: Progress
) -> tuple[Floats, Floats]:
    c, auc = [], []
    # Where effects change over time the fit is wrong in any case: it may start anywhere.
    start = np.tile(recipe.log_hazard_ratios[0], (_BATCH, 1))
    for batch, stream in enumerate(np.random.SeedSequence(seed).spawn(-(-cohorts // _BATCH))):
        size = min(_BATCH, cohorts - batch * _BATCH)
        drawn = draw(recipe, n, size, np.random.default_rng(stream))
        ordered = Ordered.of(drawn.pattern, drawn.time, drawn.status == RECURRENCE)
        ranking = rank_each(ordered, fit_each(ordered, len(recipe.names), start[:size]).coef, years)
        c.append(ranking.c)
        auc.append(ranking.auc)
        progress("synthetic cohorts", batch * _BATCH + size, cohorts)
    return np.concatenate(c), np.concatenate(auc)


def _shares(c: Floats, auc: Floats) -> tuple[Share, ...]:
    wanted, published = settings(RECONSTRUCTION)["resemblance"], settings(RECONSTRUCTION)["abstract"]
    first, second, third = auc.T
    near = (np.abs(auc - list(published["auc"].values())) <= wanted["auc_within"]).all(axis=1)
    shapes = {
        f"AUC at 2 years at least {wanted['contrast']} above the mean of 1 and 3": (
            second - (first + third) / 2 >= wanted["contrast"]
        ),
        f"AUC rises by at least {wanted['rise']}, then falls by at least {wanted['fall']}": (
            (second - first >= wanted["rise"]) & (second - third >= wanted["fall"])
        ),
        f"all three AUCs within {wanted['auc_within']} and C within {wanted['c_within']}": (
            near & (np.abs(c - published["c"]) <= wanted["c_within"])
        ),
    }
    shares = []
    for what, shows in shapes.items():
        count, n = int(np.sum(shows)), len(shows)
        low = float(beta.ppf(_TAIL, count, n - count + 1)) if count else 0.0
        high = float(beta.ppf(1 - _TAIL, count + 1, n - count)) if count < n else 1.0
        shares.append(Share(what, count, count / n, low, high))
    return tuple(shares)
