"""`imnm-cds train --update`: as much of a given model is changed as the patients of one cohort ask for, and no more.

Complete cases only. Which step is taken is decided by a closed test (`updating/recalibration.py`): nothing, a new
baseline, a new baseline and a factor of all log hazard ratios, or a fit of its own as `train` makes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.artefact import Model, Policy
from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.errors import TrainingError
from models.training.fitting.adequacy import (
    LEAST_PER_PARAMETER,
    require_contrast,
    require_difference,
    require_horizons,
    require_recurrences,
    warnings_on_size,
)
from models.training.fitting.death import CompetingDeath, competing_death
from models.training.fitting.missing import unknown_of
from models.training.fitting.served import HORIZONS, YEARS, AtHorizons, at_horizons
from models.training.fitting.train import Options, Trained, train
from models.training.fitting.updating.recalibration import Recalibration, Step, recalibration
from models.training.statistics.arrays import Floats
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import score_and_information
from models.training.statistics.limits import with_limits
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData

FEWEST_FOR_SLOPE = 50
"""Recurrences; a judgement: with fewer, steps beyond a factor of the baseline are unstable."""
_FEW: tuple[Step, ...] = ("nothing", "in the large")


@dataclass(frozen=True, slots=True)
class Updated:
    """A given model as far as it was changed; its predictors and joint table stay.

    `coef` (p,) are the served log hazard ratios, `served` baseline and covariance. `base` is the baseline as a step
    function, as far as it is used beside: `is_local` where it was estimated in this cohort, else the given one,
    taken as linear between the horizons, times a factor. `refit` is the model that takes the given one's place.
    """

    cohort: Cohort
    missing: Mapping[str, int]
    options: Options
    parent: Model
    recalibration: Recalibration
    coef: Floats
    served: AtHorizons
    base: Baseline
    is_local: bool
    death: CompetingDeath | None = None
    warnings: tuple[str, ...] = ()
    refit: Trained | None = None

    @property
    def step(self) -> Step:
        """How much was changed."""
        return self.recalibration.step

    @property
    def is_scaled(self) -> bool:
        """Whether the given baseline was multiplied by a factor, for want of recurrences."""
        return self.step == "in the large" and not self.is_local


def update(
    cohort: Cohort,
    parent: Model,
    options: Options,
    progress: Progress = quiet,
    *,
    policy: Policy | None = None,
) -> Updated:
    """Change a model by the smallest step that is not rejected. Raises TrainingError as `train` does.

    With fewer than 50 recurrences only a factor of the baseline hazard is allowed. A refit is `train`'s.
    """
    if set(parent.names) != set(PREDICTORS):
        raise TrainingError(f"{parent.id} has other predictors: {', '.join(parent.names)}")
    if set(parent.horizons) != set(HORIZONS):
        raise TrainingError(f"{parent.id} has other horizons: {', '.join(parent.horizons)}")
    complete = cohort.complete(parent.names)
    require_recurrences(complete, parameters=1)
    require_horizons(complete)
    data = SurvivalData(complete.matrix(parent.names), complete.time, complete.event)
    allowed, coef = _allowed(complete), np.array(parent.log_hazard_ratios)
    observed = int((data.event & (data.time <= parent.horizons[-1].years)).sum())
    expected = float((_hazard(parent, data.time) * np.exp(data.x @ coef)).sum())
    calibration = recalibration(data.x, coef, data.time, data.event, observed, expected, allowed)
    step, slope = calibration.step, calibration.slope
    if step == "refit":
        return _refitted(train(cohort, options, progress, policy=policy), parent, calibration)
    if step == "intercept and slope" and slope is not None and slope <= 0:
        raise TrainingError(
            f"the calibration slope is {slope:.2f}: {parent.id} does not predict recurrence here, and turned "
            "round it would be another model; fit one to these patients without --update"
        )
    coef, served, base, is_local = _served(data, parent, calibration, options, scaled=allowed == _FEW)
    fewest_deaths = LEAST_PER_PARAMETER * len(parent.names)
    death = competing_death(complete, parent.names, base, fewest_deaths=fewest_deaths)
    missing = unknown_of(cohort)
    updated = Updated(complete, missing, options, parent, calibration, coef, served, base, is_local, death)
    return replace(updated, warnings=tuple(_warnings(updated, allowed)))


def _refitted(new: Trained, parent: Model, calibration: Recalibration) -> Updated:
    served = new.at(YEARS)
    return Updated(
        new.cohort,
        new.missing,
        new.options,
        parent,
        calibration,
        new.base.coef,
        served,
        new.base,
        is_local=True,
        death=new.death,
        warnings=new.warnings,
        refit=new,
    )


def _allowed(complete: Cohort) -> tuple[Step, ...]:
    """The steps that this cohort can bear."""
    if int(complete.event.sum()) < FEWEST_FOR_SLOPE:
        return _FEW
    try:
        require_recurrences(complete, len(PREDICTORS))
        require_contrast(complete, PREDICTORS)
        require_difference(complete, PREDICTORS)
    except TrainingError:
        return (*_FEW, "intercept and slope")
    return (*_FEW, "intercept and slope", "refit")


def _hazard(parent: Model, time: Floats) -> Floats:
    """The given cumulative baseline hazard (n,) at times (n,), linear between the horizons, level after the last."""
    years = [0.0, *(horizon.years for horizon in parent.horizons)]
    return np.interp(time, years, [0.0, *parent.baseline_hazard.values()])


def _served(
    data: SurvivalData, parent: Model, calibration: Recalibration, options: Options, *, scaled: bool
) -> tuple[Floats, AtHorizons, Baseline, bool]:
    """The log hazard ratios, baseline and covariance after a step; the baseline as steps, and whether it is local."""
    coef, covariance = np.array(parent.log_hazard_ratios), np.array(parent.covariance)
    p = len(coef)
    given = AtHorizons(np.array(list(parent.baseline_hazard.values())), covariance)
    step = calibration.step
    if step == "nothing":
        return coef, given, _between_horizons(data, parent, 1.0), False
    if step == "in the large" and scaled:
        factor = calibration.ratio
        return coef, _scaled(data, parent, calibration), _between_horizons(data, parent, factor), False
    of_ratios = covariance[:p, :p]
    if step == "intercept and slope":
        coef, of_ratios = _with_slope(data, coef, of_ratios, calibration)
    base = baseline(coef, of_ratios, data.x, data.time, data.event, ties=options.baseline)
    return coef, at_horizons(base, YEARS), base, True


def _with_slope(
    data: SurvivalData, coef: Floats, covariance: Floats, calibration: Recalibration
) -> tuple[Floats, Floats]:
    """The given log hazard ratios times the slope, with their covariance (p, p) by the delta method.

    With b the given ones, s the slope, u and I score and information at s b: ds/db = (u - s I b) / b'Ib. So what is
    uncertain in the size of b alone does not matter: the slope makes up for it.
    """
    assert calibration.of_slope is not None
    slope = float(calibration.of_slope.coef[0])
    score, information = score_and_information(data.x, data.time, data.event, slope * coef)
    of_slope = float(coef @ information @ coef)
    moved = slope * np.eye(len(coef)) + np.outer(coef, score - slope * information @ coef) / of_slope
    together = moved @ covariance @ moved.T + np.outer(coef, coef) / of_slope
    return slope * coef, (together + together.T) / 2


def _scaled(data: SurvivalData, parent: Model, calibration: Recalibration) -> AtHorizons:
    """The given baseline times observed over expected, with the covariance of (b, log H) by the delta method.

    log H grows by log O - log E, where O is a Poisson count, and E, the expected count, depends on b and log H.
    """
    k = len(parent.horizons)
    years = np.array([0.0, *(horizon.years for horizon in parent.horizons)])
    hazard = np.array(list(parent.baseline_hazard.values()))
    relative = np.exp(data.x @ np.array(parent.log_hazard_ratios))
    expected = relative * _hazard(parent, data.time)
    parts = np.array([relative @ np.interp(data.time, years, row) for row in np.eye(k + 1)[1:]])
    slope = np.concatenate([expected @ data.x, parts * hazard]) / expected.sum()
    moved = np.eye(len(slope))
    moved[-k:] -= slope
    together = moved @ np.array(parent.covariance) @ moved.T
    together[-k:, -k:] += 1 / calibration.observed
    return AtHorizons(calibration.ratio * hazard, (together + together.T) / 2)


def _between_horizons(data: SurvivalData, parent: Model, factor: float) -> Baseline:
    """The given baseline times a factor as small steps; without what a covariance would need."""
    times = np.union1d(data.time[data.event & (data.time <= YEARS[-1])], YEARS)
    none, p = np.zeros_like(times), len(parent.names)
    return Baseline(
        times,
        factor * _hazard(parent, times),
        none,
        np.zeros((len(times), p)),
        np.zeros(p),
        np.array(parent.log_hazard_ratios),
        np.zeros((p, p)),
        float(YEARS[-1]),
    )


def _warnings(updated: Updated, allowed: tuple[Step, ...]) -> Iterator[str]:
    cohort, limits = updated.cohort, updated.recalibration.slope_limits
    yield from warnings_on_size(cohort, parameters=1)
    if allowed == _FEW:
        yield (
            f"{int(cohort.event.sum())} recurrences: with fewer than {FEWEST_FOR_SLOPE} only a factor of the baseline "
            "is estimated, whatever the slope"
        )
    if limits is None:
        yield "the calibration slope has no finite estimate in these patients"
    elif updated.step in _FEW and not limits[0] <= 1 <= limits[1]:
        far = "far apart" if limits[1] < 1 else "close together"
        text = with_limits(updated.recalibration.slope or 0.0, *limits)
        yield f"the calibration slope is {text}: the risks of the given model lie too {far} for these patients"
    kept = updated.step == "nothing" or (updated.is_local and cohort.anchored)
    if updated.parent.landmarks and not kept:
        why = "a factor says nothing of them" if updated.is_scaled else "give --anchor to estimate them"
        yield f"the baselines that {updated.parent.id} has from landmarks are lost: {why}"
