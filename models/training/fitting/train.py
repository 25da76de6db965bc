"""`imnm-cds train`: the pre-specified four-predictor Cox model of one cohort, shrunk, with all that belongs to it.

Complete cases only. Efron ties for the hazard ratios; the baseline is estimated under the shrunken linear predictor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.artefact import Model
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
from models.training.fitting.sample_size import SampleSize, sample_size
from models.training.fitting.selection import Selection, select
from models.training.fitting.served import HORIZONS
from models.training.fitting.shrinkage import WEAK, Shrinkage, uniform_shrinkage
from models.training.fitting.univariable import Univariable, univariable_table
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.by_lifelines import fit_by_lifelines, lifelines_version
from models.training.statistics.cox import CoxFit, Floats, Ties, fit_cox
from models.training.statistics.proportionality import ScoreTest, score_test
from models.training.validation.internal import Data, Progress, Refits, four_figures, quiet, refit
from models.training.validation.validation import FourFigures

NOT_PROPORTIONAL = 0.05  # p of the global test below which a warning is given
_YEARS = np.array(list(HORIZONS.values()))

ShrinkageName = Literal["bootstrap", "none"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit. `shrinkage` None: by bootstrap, unless a penalty shrinks already.

    `ridge` is theta of theta/2 · sum(b²): a normal prior of variance 1/theta on each log hazard ratio. `baseline` says
    how ties count in the baseline hazard. `select` also selects among predictors and candidates, for information.
    """

    shrinkage: ShrinkageName | None = None
    ridge: float = 0.0
    firth: bool = False
    baseline: Ties = "efron"
    bootstrap: int = 1000
    seed: int = 1
    select: bool = False

    @property
    def penalised(self) -> bool:
        """Whether the fit is other than by maximum likelihood."""
        return self.ridge > 0 or self.firth

    @property
    def shrinks(self) -> bool:
        """Whether log hazard ratios are shrunk after the fit."""
        return self.shrinkage == "bootstrap" or (self.shrinkage is None and not self.penalised)


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model. `cohort` holds the complete cases, `missing` what was not known before, by predictor.

    `fit` is unshrunk; `base` has the shrunken log hazard ratios with their covariance and is what is served. `figures`
    (C) and `shrinkage` are None where there was no bootstrap, `death` where nobody died, `size` without its answer.
    """

    cohort: Cohort
    missing: Mapping[str, int]
    options: Options
    method: str
    univariable: tuple[Univariable, ...]
    fit: CoxFit
    base: Baseline
    proportionality: ScoreTest
    shrinkage: Shrinkage | None = None
    figures: FourFigures | None = None
    size: SampleSize | None = None
    death: CompetingDeath | None = None
    selection: Selection | None = None
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The predictors, in the order of the numbers."""
        return PREDICTORS


@dataclass(frozen=True, slots=True)
class Updated:
    """A given model whose baseline hazard was estimated anew; its log hazard ratios and their covariance stay.

    `ratio` is observed over expected recurrences under the given model, to the last horizon.
    """

    cohort: Cohort
    missing: Mapping[str, int]
    options: Options
    parent: Model
    base: Baseline
    ratio: float
    death: CompetingDeath | None = None
    warnings: tuple[str, ...] = ()


def train(cohort: Cohort, options: Options, progress: Progress = quiet) -> Trained:
    """Fit the model. Raises TrainingError where the cohort is too small, or leaves no finite hazard ratio."""
    _check(options)
    known = cohort.complete(PREDICTORS)
    require_recurrences(known, len(PREDICTORS))
    if options.select:
        names = (*PREDICTORS, *cohort.candidates)
        require_recurrences(cohort.complete(names), len(names))
    require_horizons(known)
    require_contrast(known, PREDICTORS, separation=options.firth)
    require_difference(known, PREDICTORS)
    try:
        return _train(cohort, known, options, progress)
    except TrainingError as error:
        raise TrainingError(f"{cohort.name}: {error}") from None


def _train(cohort: Cohort, known: Cohort, options: Options, progress: Progress) -> Trained:
    """Fit to the complete cases, `known`, of a cohort that may be fitted to."""
    data = Data(known.matrix(PREDICTORS), known.time, known.event)
    progress("the Cox model", 0, 1)
    fit, method = _fit(data, options)
    progress("the Cox model", 1, 1)
    refits = None if options.penalised else refit(data, options.bootstrap, options.seed, progress)
    shrinkage = uniform_shrinkage(data, refits) if refits and options.shrinks else None
    factor = shrinkage.factor if shrinkage else 1.0
    trained = Trained(
        cohort=known,
        missing=_missing(cohort),
        options=options,
        method=method,
        univariable=univariable_table(cohort, (*PREDICTORS, *cohort.candidates)),
        fit=fit,
        base=_baseline(data, factor * fit.coef, factor**2 * fit.covariance, options),
        proportionality=score_test(data.x, data.time, data.event, fit),
        shrinkage=shrinkage,
        figures=_figures(data, fit, refits),
        size=_size(known, fit),
        selection=_selection(cohort, options, progress),
    )
    death = competing_death(
        known, PREDICTORS, trained.base, _YEARS, fewest_deaths=LEAST_PER_PARAMETER * len(PREDICTORS)
    )
    return replace(trained, death=death, warnings=_warnings(trained))


def update(cohort: Cohort, parent: Model, options: Options) -> Updated:
    """Estimate a model's baseline hazard anew under its own linear predictor. Raises TrainingError as `train` does.

    The covariance of the log hazard ratios stays the given one: it is independent of this cohort.
    """
    if set(parent.names) != set(PREDICTORS):
        raise TrainingError(f"{parent.id} has other predictors: {', '.join(parent.names)}")
    if set(parent.horizons) != set(HORIZONS):
        raise TrainingError(f"{parent.id} has other horizons: {', '.join(parent.horizons)}")
    known = cohort.complete(parent.names)
    require_recurrences(known, parameters=1)
    require_horizons(known)
    data = Data(known.matrix(parent.names), known.time, known.event)
    p = len(parent.names)
    covariance = np.array(parent.covariance)[:p, :p]
    base = _baseline(data, np.array(parent.log_hazard_ratios), covariance, options)
    death = competing_death(
        known, parent.names, base, _YEARS, fewest_deaths=LEAST_PER_PARAMETER * len(parent.names)
    )
    return Updated(
        known,
        _missing(cohort),
        options,
        parent,
        base,
        _ratio(data, parent),
        death,
        tuple(warnings_on_size(known, parameters=1)),
    )


def _check(options: Options) -> None:
    if options.ridge > 0 and options.firth:
        raise TrainingError("ridge and firth are two penalties: give one of them")
    if options.penalised and options.shrinkage == "bootstrap":
        raise TrainingError(
            "a penalised fit is not shrunk by bootstrap as well: give ridge or firth, or shrinkage"
        )


def _fit(data: Data, options: Options) -> tuple[CoxFit, str]:
    if not options.penalised:
        method = f"CoxPHFitter of lifelines {lifelines_version()}, compared with this software's own fit"
        return fit_by_lifelines(PREDICTORS, data.x, data.time, data.event), method
    fit = fit_cox(data.x, data.time, data.event, ridge=options.ridge, firth=options.firth)
    if options.firth:
        return fit, "Firth's penalised partial likelihood"
    return fit, f"ridge penalty theta/2 · sum(b²), theta = {options.ridge:g}"


def _baseline(data: Data, coef: Floats, covariance: Floats, options: Options) -> Baseline:
    return baseline(coef, covariance, data.x, data.time, data.event, ties=options.baseline)


def _figures(data: Data, fit: CoxFit, refits: Refits | None) -> FourFigures | None:
    """The C of the model: shrinkage does not change the order of risks."""
    return four_figures(data, data.x @ fit.coef, refits) if refits else None


def _size(cohort: Cohort, fit: CoxFit) -> SampleSize | None:
    """Riley's criteria at what was found here: Cox-Snell's R², event rate, mean follow-up; the horizon is two years."""
    n, events = len(cohort), float(cohort.event.sum())
    r_squared = 1 - float(np.exp(-2 * (fit.log_likelihood - fit.log_likelihood_null) / n))
    years = float(cohort.time.sum())
    try:
        return sample_size(r_squared, len(fit.coef), rate=events / years, horizon=2.0, follow_up=years / n)
    except TrainingError:
        return None


def _selection(cohort: Cohort, options: Options, progress: Progress) -> Selection | None:
    if not options.select:
        return None
    names = (*PREDICTORS, *cohort.candidates)
    known = cohort.complete(names)
    data = Data(known.matrix(names), known.time, known.event)
    return select(names, data, options.bootstrap, options.seed, progress)


def _missing(cohort: Cohort) -> dict[str, int]:
    return {name: int(np.isnan(cohort.column(name)).sum()) for name in PREDICTORS}


def _ratio(data: Data, parent: Model) -> float:
    """Recurrences over what the given model expects, its hazard taken as linear between the horizons."""
    years = np.array([0.0, *(HORIZONS[horizon] for horizon in parent.horizons)])
    hazard = np.interp(data.time, years, [0.0, *parent.baseline_hazard.values()])
    expected = hazard * np.exp(data.x @ np.array(parent.log_hazard_ratios))
    return float((data.event & (data.time <= years[-1])).sum() / expected.sum())


def _warnings(trained: Trained) -> tuple[str, ...]:
    n, options, shrinkage = len(trained.cohort), trained.options, trained.shrinkage
    found = warnings_on_size(trained.cohort, len(PREDICTORS))
    if shrinkage and shrinkage.mean_slope < WEAK:
        found.append(f"the mean calibration slope in resamples is {shrinkage.mean_slope:.2f}: overfitting")
    if shrinkage and shrinkage.without_fit:
        found.append(f"{shrinkage.without_fit} resamples had no finite fit and do not count")
    if not (options.penalised or options.shrinks):
        found.append("the hazard ratios are not shrunk: risks will be too extreme in new patients")
    if trained.size and trained.size.n > n:
        found.append(f"{trained.size.n} patients would be needed (Riley's criteria), {n} were analysed")
    if trained.proportionality.p_global < NOT_PROPORTIONAL:
        p = trained.proportionality.p_global
        found.append(f"hazards are not proportional (global score test, p = {p:.2g})")
    if trained.selection:
        found.append(trained.selection.warning)
    return tuple(found)
