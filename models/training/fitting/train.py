"""`imnm-cds train`: the pre-specified four-predictor Cox model of one cohort, shrunk, with all that belongs to it.

Complete cases only. Efron ties for the hazard ratios; the baseline is estimated under the shrunken linear predictor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal

import numpy as np

from models.artefact import Model
from models.risk import DECISION_HORIZON
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
from models.training.fitting.served import HORIZONS, YEARS
from models.training.fitting.shrinkage import WEAK, Shrinkage
from models.training.fitting.steps import Steps, after_fit
from models.training.fitting.univariable import Univariable, univariable_table
from models.training.statistics.arrays import Floats
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.by_lifelines import fit_by_lifelines
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.proportionality import ScoreTest, score_test
from models.training.statistics.resampling import FourFigures, SurvivalData, four_figures, refit

NOT_PROPORTIONAL = 0.05  # p of the global test below which a warning is given

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

    @property
    def steps(self) -> Steps:
        """What is done to complete data, here and in each resample of the internal validation."""
        return Steps(self.shrinks, self.ridge, self.firth, self.baseline)


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
    if options.ridge > 0 and options.firth:
        raise TrainingError("ridge and firth are two penalties: give one of them")
    if options.penalised and options.shrinkage == "bootstrap":
        raise TrainingError(
            "a penalised fit is not shrunk by bootstrap as well: give ridge or firth, or shrinkage"
        )
    complete = cohort.complete(PREDICTORS)
    require_recurrences(complete, len(PREDICTORS))
    if options.select:
        names = (*PREDICTORS, *cohort.candidates)
        require_recurrences(cohort.complete(names), len(names))
    require_horizons(complete)
    require_contrast(complete, PREDICTORS, separation=options.firth)
    require_difference(complete, PREDICTORS)
    try:
        return _train(cohort, complete, options, progress)
    except TrainingError as error:
        raise TrainingError(f"{cohort.name}: {error}") from None


def _train(cohort: Cohort, complete: Cohort, options: Options, progress: Progress) -> Trained:
    """Fit to the complete cases of a cohort that may be fitted to."""
    data = _survival_data(complete, PREDICTORS)
    progress("the Cox model", 0, 1)
    fit, method = _fit(data, options)
    progress("the Cox model", 1, 1)
    refits = None if options.penalised else refit(data, options.bootstrap, options.seed, progress)
    stepped = after_fit(options.steps, [data], [fit], [refits] if refits else [])
    base = stepped.bases[0]
    trained = Trained(
        cohort=complete,
        missing=_missing(cohort),
        options=options,
        method=method,
        univariable=univariable_table(cohort, (*PREDICTORS, *cohort.candidates)),
        fit=fit,
        base=base,
        proportionality=score_test(data.x, data.time, data.event, fit),
        shrinkage=stepped.shrinkage,
        # shrinkage does not change the order of risks: the C is that of the fit
        figures=four_figures(data, data.x @ fit.coef, refits) if refits else None,
        size=_sample_size(complete, fit),
        selection=_selection(cohort, options, progress) if options.select else None,
        death=_death(complete, PREDICTORS, base),
    )
    return replace(trained, warnings=_warnings(trained))


def update(cohort: Cohort, parent: Model, options: Options) -> Updated:
    """Estimate a model's baseline hazard anew under its own linear predictor. Raises TrainingError as `train` does.

    The covariance of the log hazard ratios stays the given one: it is independent of this cohort.
    """
    if set(parent.names) != set(PREDICTORS):
        raise TrainingError(f"{parent.id} has other predictors: {', '.join(parent.names)}")
    if set(parent.horizons) != set(HORIZONS):
        raise TrainingError(f"{parent.id} has other horizons: {', '.join(parent.horizons)}")
    complete = cohort.complete(parent.names)
    require_recurrences(complete, parameters=1)
    require_horizons(complete)
    data = _survival_data(complete, parent.names)
    p = len(parent.names)
    covariance = np.array(parent.covariance)[:p, :p]
    base = _baseline(data, np.array(parent.log_hazard_ratios), covariance, options)
    return Updated(
        complete,
        _missing(cohort),
        options,
        parent,
        base,
        _observed_over_expected(data, parent),
        _death(complete, parent.names, base),
        tuple(warnings_on_size(complete, parameters=1)),
    )


def _survival_data(complete: Cohort, names: Sequence[str]) -> SurvivalData:
    return SurvivalData(complete.matrix(names), complete.time, complete.event)


def _fit(data: SurvivalData, options: Options) -> tuple[CoxFit, str]:
    """The fit before any shrinkage, and how it was made, in words."""
    if not options.penalised:
        method = f"CoxPHFitter of lifelines {version('lifelines')}, compared with this software's own fit"
        return fit_by_lifelines(PREDICTORS, data.x, data.time, data.event), method
    fit = fit_cox(data.x, data.time, data.event, ridge=options.ridge, firth=options.firth)
    if options.firth:
        return fit, "Firth's penalised partial likelihood"
    return fit, f"ridge penalty theta/2 · sum(b²), theta = {options.ridge:g}"


def _baseline(data: SurvivalData, coef: Floats, covariance: Floats, options: Options) -> Baseline:
    return baseline(coef, covariance, data.x, data.time, data.event, ties=options.baseline)


def _death(complete: Cohort, names: Sequence[str], base: Baseline) -> CompetingDeath | None:
    return competing_death(complete, names, base, YEARS, fewest_deaths=LEAST_PER_PARAMETER * len(names))


def _sample_size(cohort: Cohort, fit: CoxFit) -> SampleSize | None:
    """Riley's criteria for what this cohort shows: Cox-Snell's R², event rate, mean follow-up."""
    n, events = len(cohort), float(cohort.event.sum())
    r_squared = 1 - float(np.exp(-2 * (fit.log_likelihood - fit.log_likelihood_null) / n))
    years = float(cohort.time.sum())
    horizon = DECISION_HORIZON.years
    try:
        return sample_size(
            r_squared, len(fit.coef), rate=events / years, horizon=horizon, follow_up=years / n
        )
    except TrainingError:
        return None


def _selection(cohort: Cohort, options: Options, progress: Progress) -> Selection:
    names = (*PREDICTORS, *cohort.candidates)
    data = _survival_data(cohort.complete(names), names)
    return select(names, data, options.bootstrap, options.seed, progress)


def _missing(cohort: Cohort) -> dict[str, int]:
    return {name: int(np.isnan(cohort.column(name)).sum()) for name in PREDICTORS}


def _observed_over_expected(data: SurvivalData, parent: Model) -> float:
    """Recurrences over what the given model expects, its hazard taken as linear between the horizons."""
    years = np.array([0.0, *(horizon.years for horizon in parent.horizons)])
    hazard = np.interp(data.time, years, [0.0, *parent.baseline_hazard.values()])
    expected = hazard * np.exp(data.x @ np.array(parent.log_hazard_ratios))
    return float((data.event & (data.time <= years[-1])).sum() / expected.sum())


def _warnings(trained: Trained) -> tuple[str, ...]:
    n, options, shrinkage = len(trained.cohort), trained.options, trained.shrinkage
    warnings = warnings_on_size(trained.cohort, len(PREDICTORS))
    if shrinkage and shrinkage.mean_slope < WEAK:
        warnings.append(f"the mean calibration slope in resamples is {shrinkage.mean_slope:.2f}: overfitting")
    if shrinkage and shrinkage.without_fit:
        warnings.append(f"{shrinkage.without_fit} resamples had no finite fit and do not count")
    if not (options.penalised or options.shrinks):
        warnings.append("the hazard ratios are not shrunk: risks will be too extreme in new patients")
    if trained.size and trained.size.n > n:
        warnings.append(f"{trained.size.n} patients would be needed (Riley's criteria), {n} were analysed")
    if trained.proportionality.p_global < NOT_PROPORTIONAL:
        p = trained.proportionality.p_global
        warnings.append(f"hazards are not proportional (global score test, p = {p:.2g})")
    if trained.selection:
        warnings.append(trained.selection.warning)
    return tuple(warnings)
