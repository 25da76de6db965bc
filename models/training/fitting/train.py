"""`imnm-cds train`: the pre-specified four-predictor Cox model of one cohort, shrunk, with all that belongs to it.

Unknown predictors are imputed (`missing.py`): the model is fitted to each completed set, and the results are pooled.
Efron ties for the hazard ratios; the baseline is estimated under the shrunken linear predictor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from importlib.metadata import version
from itertools import combinations
from typing import Literal

import numpy as np

from models.artefact import Policy
from models.policy import load_policy
from models.registry import default_folder
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.errors import TrainingError
from models.training.fitting.adequacy import (
    LEAST_PER_PARAMETER,
    require_contrast,
    require_difference,
    require_horizons,
    require_recurrences,
    warnings_on_bands,
    warnings_on_size,
)
from models.training.fitting.death import CompetingDeath, competing_death
from models.training.fitting.form import Form, forms
from models.training.fitting.missing import Analysed, Estimates, Missingness, analysed, risk_of, unknown_of
from models.training.fitting.sample_size import SampleSize, sample_size
from models.training.fitting.selection import Selection, select
from models.training.fitting.served import AtHorizons, mean_baseline, pooled_at_horizons
from models.training.fitting.shrinkage import MOST_WITHOUT_FIT, WEAK, Shrinkage
from models.training.fitting.steps import Steps, after_fit
from models.training.fitting.univariable import Univariable, univariable_table
from models.training.statistics.arrays import Floats, plain_numbers
from models.training.statistics.baseline import Baseline
from models.training.statistics.by_lifelines import fit_by_lifelines
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.imputation.pooling import Pooled, pool
from models.training.statistics.partial_likelihood import Ties
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.proportionality import NOT_PROPORTIONAL, ScoreTest, score_test
from models.training.statistics.resampling import (
    FourFigures,
    Refits,
    SurvivalData,
    four_figures,
    refit,
    slopes_on_original,
)

ShrinkageName = Literal["bootstrap", "none"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit. `shrinkage` None: by bootstrap, unless a penalty shrinks already.

    `ridge` is theta of theta/2 · sum(b²): a normal prior of variance 1/theta on each log hazard ratio. `baseline` says
    how ties count in the baseline hazard. `select` also selects among predictors and candidates, for information.
    `imputations` is the number of completed sets, 0: complete cases alone, None: imputed where many are not complete.
    """

    shrinkage: ShrinkageName | None = None
    ridge: float = 0.0
    firth: bool = False
    baseline: Ties = "efron"
    bootstrap: int = 1000
    seed: int = 1
    select: bool = False
    imputations: int | None = None

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
    """A fitted model. `cohort` holds who was analysed, `missing` what was not known of all, by predictor.

    `sets` (m, n, p) are the predictors that it was fitted to: completed, or a single set of complete cases. `fit` is
    unshrunk; `bases` have the shrunken log hazard ratios with the covariance of the fit, one for each set, and are what is
    served; `base` is their mean. Of several sets `fit` is pooled, with mean log likelihoods. Without a bootstrap there is
    no `shrinkage`, `figures` (C), or `mean_slope`, of the resamples' models in all patients. `death` is None where nobody
    died, `size` without its answer, `missingness` where everything was known.
    """

    cohort: Cohort
    sets: Floats
    missing: Mapping[str, int]
    options: Options
    method: str
    univariable: tuple[Univariable, ...]
    fit: CoxFit
    base: Baseline
    bases: tuple[Baseline, ...]
    proportionality: ScoreTest
    shrinkage: Shrinkage | None = None
    mean_slope: float | None = None
    figures: FourFigures | None = None
    size: SampleSize | None = None
    death: CompetingDeath | None = None
    selection: Selection | None = None
    missingness: Missingness | None = None
    forms: tuple[Form, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The predictors, in the order of the numbers."""
        return PREDICTORS

    def at(self, years: Floats) -> AtHorizons:
        """What is served at these times (k,), pooled over the sets. Raises TrainingError as `at_horizons` does."""
        return pooled_at_horizons(self.bases, years)


def train(
    cohort: Cohort, options: Options, progress: Progress = quiet, *, policy: Policy | None = None
) -> Trained:
    """Fit the model. `policy` (the shipped one by default) has the bands that its risks are held against.

    Raises TrainingError where the cohort is too small, or leaves no finite hazard ratio.
    """
    if options.ridge > 0 and options.firth:
        raise TrainingError("ridge and firth are two penalties: give one of them")
    if options.penalised and options.shrinkage == "bootstrap":
        raise TrainingError(
            "a penalised fit is not shrunk by bootstrap as well: give ridge or firth, or shrinkage"
        )
    among = analysed(cohort, options.imputations, options.seed)
    if options.select:
        names = (*PREDICTORS, *cohort.candidates)
        require_recurrences(cohort.complete(names), len(names))
    _require(among.cohort, options)
    policy = policy or load_policy(default_folder() / "policy.toml")
    try:
        return _train(cohort, among, options, policy, progress)
    except TrainingError as error:
        raise TrainingError(f"{cohort.name}: {error}") from None


def _require(cohort: Cohort, options: Options) -> None:
    """Refuse what cannot be fitted to; what is known of a predictor must suffice without what is imputed."""
    require_recurrences(cohort, len(PREDICTORS))
    require_horizons(cohort)
    for name in PREDICTORS:
        require_contrast(cohort.complete((name,)), (name,), separation=options.firth)
    for pair in combinations(PREDICTORS, 2):
        require_difference(cohort.complete(pair), pair)


def _train(cohort: Cohort, among: Analysed, options: Options, policy: Policy, progress: Progress) -> Trained:
    """Fit to the patients of a cohort that may be fitted to."""
    data = among.data
    fits = _fits(data, options, progress)
    fit, pooled = _as_one(fits, among.cohort)
    refits = _refits(data, options, progress)
    stepped = after_fit(options.steps, data, fits, refits)
    bases = stepped.bases
    base = mean_baseline(bases) if among.imputed else bases[0]
    proportionality = _proportionality(data, fits)
    mean_slope, figures = _in_resamples(data, fits, refits, stepped.shrinkage)
    names, selection = (*PREDICTORS, *cohort.candidates), None
    if options.select:
        complete = cohort.complete(names)
        whole = SurvivalData(complete.matrix(names), complete.time, complete.event)
        selection = select(names, whole, options.bootstrap, options.seed, progress)
    fewest_deaths = LEAST_PER_PARAMETER * len(PREDICTORS)
    trained = Trained(
        cohort=among.cohort,
        sets=among.sets,
        missing=unknown_of(cohort),
        options=options,
        method=_method(options, len(fits)),
        univariable=univariable_table(cohort, names),
        fit=fit,
        base=base,
        bases=bases,
        proportionality=proportionality,
        shrinkage=stepped.shrinkage,
        mean_slope=mean_slope,
        figures=figures,
        size=_sample_size(among.cohort, fit),
        selection=selection,
        death=competing_death(among.cohort, PREDICTORS, base, fewest_deaths=fewest_deaths, sets=among.sets),
    )
    trained = replace(trained, forms=forms(cohort), missingness=_missingness(cohort, among, trained, pooled))
    return replace(trained, warnings=_warnings(trained, policy))


def _fits(data: Sequence[SurvivalData], options: Options, progress: Progress) -> list[CoxFit]:
    """The fit to each set before any shrinkage."""
    fits = []
    for number, rows in enumerate(data):
        progress("the Cox model", number, len(data))
        if options.penalised:
            fits.append(fit_cox(rows.x, rows.time, rows.event, ridge=options.ridge, firth=options.firth))
        else:
            fits.append(fit_by_lifelines(PREDICTORS, rows.x, rows.time, rows.event))
    progress("the Cox model", len(data), len(data))
    return fits


def _method(options: Options, sets: int) -> str:
    """How the fit was made, in words."""
    if options.firth:
        method = "Firth's penalised partial likelihood"
    elif options.ridge:
        method = f"ridge penalty theta/2 · sum(b²), theta = {options.ridge:g}"
    else:
        method = f"CoxPHFitter of lifelines {version('lifelines')}, compared with this software's own fit"
    return method if sets == 1 else f"{method}; in each of {sets} imputed sets, pooled by Rubin's rules"


def _as_one(fits: Sequence[CoxFit], cohort: Cohort) -> tuple[CoxFit, Pooled | None]:
    """The fits to the completed sets as one, and how they were pooled; a single one as it is."""
    if len(fits) == 1:
        return fits[0], None
    # With nothing missing a Cox model has its recurrences, less its coefficients, to learn from
    degrees = float(cohort.event.sum()) - len(PREDICTORS)
    pooled = pool(np.array([fit.coef for fit in fits]), np.array([fit.covariance for fit in fits]), degrees)
    likelihood, first = float(np.mean([fit.log_likelihood for fit in fits])), fits[0]
    fit = CoxFit(pooled.estimate, pooled.covariance, likelihood, first.log_likelihood_null, first.ties)
    return fit, pooled


def _refits(data: Sequence[SurvivalData], options: Options, progress: Progress) -> list[Refits]:
    """Resamples, shared out among the sets; none of a penalised fit."""
    if options.penalised:
        return []
    each = -(-options.bootstrap // len(data))
    refits = []
    for number, rows in enumerate(data):

        def told(what: str, done: int, _: int, before: int = number * each) -> None:
            progress(what, before + done, each * len(data))

        refits.append(refit(rows, each, options.seed + number, told))
    return refits


def _proportionality(data: Sequence[SurvivalData], fits: Sequence[CoxFit]) -> ScoreTest:
    """The test of the fit; of several sets the median of each statistic (Eekhout et al. 2017)."""
    tests = [score_test(rows.x, rows.time, rows.event, fit) for rows, fit in zip(data, fits, strict=True)]
    columns = zip(*map(astuple, tests), strict=True)
    return ScoreTest(*(np.median(column, axis=0) for column in columns))


def _in_resamples(
    data: Sequence[SurvivalData],
    fits: Sequence[CoxFit],
    refits: Sequence[Refits],
    shrinkage: Shrinkage | None,
) -> tuple[float | None, FourFigures | None]:
    """The mean slope, also of a fit that is not shrunk, and the C of the fit; of several sets the mean of each figure.

    None where too many resamples have no finite fit: the others are a selection.
    Shrinkage does not change the order of risks, so the C of the fit is that of what is served.
    """
    failed = sum(of.failed for of in refits)
    if not refits or failed > MOST_WITHOUT_FIT * (failed + sum(len(of.coef) for of in refits)):
        return None, None
    if shrinkage:
        mean_slope = shrinkage.mean_slope
    else:
        slopes = [slopes_on_original(*pair) for pair in zip(data, refits, strict=True)]
        mean_slope = float(np.nanmean(np.concatenate(slopes)))
    figures = [
        four_figures(rows, rows.x @ fit.coef, again)
        for rows, fit, again in zip(data, fits, refits, strict=True)
    ]
    return mean_slope, FourFigures(*map(float, np.mean([astuple(four) for four in figures], axis=0)))


def _missingness(
    cohort: Cohort, among: Analysed, trained: Trained, pooled: Pooled | None
) -> Missingness | None:
    whole = ~np.isnan(cohort.matrix(PREDICTORS)).any(axis=1)
    if whole.all():
        return None
    return Missingness(
        complete=int(whole.sum()),
        complete_recurrences=int(cohort.event[whole].sum()),
        others=int((~whole).sum()),
        others_recurrences=int(cohort.event[~whole].sum()),
        imputations=len(among.sets) if among.imputed else 0,
        auxiliaries=among.auxiliaries,
        missing_information=plain_numbers(pooled.missing_information) if pooled else (),
        degrees=plain_numbers(pooled.degrees) if pooled else (),
        served=_served(trained.fit, trained.bases),
        alone=_alone(cohort, trained.options) if pooled else None,
    )


def _served(fit: CoxFit, bases: Sequence[Baseline]) -> Estimates:
    hazard = pooled_at_horizons(bases, np.array([DECISION_HORIZON.years])).hazard[0]
    errors = plain_numbers(np.sqrt(fit.covariance.diagonal()))
    return Estimates(plain_numbers(fit.coef), errors, risk_of(float(hazard)))


def _alone(cohort: Cohort, options: Options) -> Estimates | None:
    """What complete cases give by the same steps; None where they are too few for them."""
    try:
        among = analysed(cohort, 0, options.seed)
        _require(among.cohort, options)
        fits = _fits(among.data, options, quiet)
        refits = _refits(among.data, options, quiet) if options.shrinks else []
        return _served(fits[0], after_fit(options.steps, among.data, fits, refits).bases)
    except TrainingError:
        return None


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


def _warnings(trained: Trained, policy: Policy) -> tuple[str, ...]:
    n, shrinkage = len(trained.cohort), trained.shrinkage
    warnings = warnings_on_size(trained.cohort, len(PREDICTORS))
    hazard = trained.at(np.array([DECISION_HORIZON.years])).hazard[0]
    warnings += warnings_on_bands(policy, trained.base.coef, float(hazard))
    if trained.missingness:
        warnings.append(trained.missingness.sentence)
    if trained.mean_slope is not None and trained.mean_slope < WEAK:
        text = f"the mean calibration slope in resamples is {trained.mean_slope:.2f}: overfitting"
        unshrunk = ", and the hazard ratios are not shrunk: risks will be too extreme in new patients"
        warnings.append(text if shrinkage else text + unshrunk)
    if trained.figures is None and not trained.options.penalised:
        warnings.append("too many resamples have no finite fit to tell how much is owed to chance")
    if shrinkage and shrinkage.without_fit:
        warnings.append(f"{shrinkage.without_fit} resamples had no finite fit and do not count")
    if trained.size and trained.size.n > n:
        warnings.append(f"{trained.size.n} patients would be needed (Riley's criteria), {n} were analysed")
    if trained.proportionality.p_global < NOT_PROPORTIONAL:
        p = trained.proportionality.p_global
        warnings.append(f"hazards are not proportional (global score test, p = {p:.2g})")
    if trained.selection:
        warnings.append(trained.selection.warning)
    return tuple(warnings)
