"""`imnm-cds validate`: how an artefact does in a cohort (discrimination, accuracy, calibration, benefit, groups).

The risks are those of the bedside: marginalised over unknown predictors, and none where too few are known. Recurrence
is the event, death counts as censoring unless a name says `competing`. Conventions as in the modules scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from models.artefact import Model
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import Cohort
from models.training.cohort.schema import CENSORED
from models.training.errors import TrainingError
from models.training.fitting.steps import Steps, steps_of
from models.training.statistics.arrays import Floats
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.discrimination import PointEstimate, auc_at, harrell_c, uno_c
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import draw_resamples
from models.training.statistics.smooth import cloglog
from models.training.statistics.survival import kaplan_meier
from models.training.validation.analysis_set import AnalysisSet, analysis_set, score_all
from models.training.validation.at_horizon import PredictedRisks, at_horizon, grid_of, with_correction
from models.training.validation.groups import in_words
from models.training.validation.internal import drawn, internal, nested, stability
from models.training.validation.performance import Scales
from models.training.validation.pooled import pooled
from models.training.validation.subgroups import (
    decided,
    groupings,
    hazard_ratios,
    missing_counts,
    pattern_counts,
    subgroups,
)
from models.training.validation.validation import (
    AtHorizon,
    AucPoint,
    Measure,
    Validation,
    estimable,
    estimated,
    measure,
    missing,
    unit_measure,
)

RESAMPLES = 1000
_BAND_RESAMPLES, _LEAST_FOR_A_BAND = 200, 40  # at most, for the band of a calibration curve
_BETWEEN_AUCS = 0.25  # years
_FEWEST_CASES = 5  # an AUC before so many recurrences, or after all but so many have left, says nothing
THRESHOLDS = np.round(np.arange(0.05, 0.605, 0.01), 2)
"""Around the policy's bands; nobody would act on less or more."""


def validate(
    model: Model,
    cohort: Cohort,
    *,
    record: Mapping[str, Any] | None = None,
    seed: int = 1,
    resamples: int = RESAMPLES,
    progress: Progress = quiet,
) -> Validation:
    """Validate an artefact in a cohort; internally too where the cohort is the one it was fitted to.

    `record` says how it was fitted (`fit_record_of`): by its cohort's checksums the same patients are known.
    `resamples` is the number of bootstrap resamples, drawn from `seed`; `progress` is told what is done, how many of
    how many. What these data do not allow says why in its `reason`. Raises TrainingError where nobody can be scored.
    """
    record = record or {}
    among = analysis_set(model, cohort, record)
    synthetic = cohort.synthetic or (bool(among.same_cohort) and record.get("synthetic") is True)
    validation = replace(_external(model, among, resamples, seed, progress), seed=seed, synthetic=synthetic)
    if validation.same_cohort != "fit":
        return validation
    return _with_internal(validation, model, among, steps_of(record), resamples, progress)


def _external(model: Model, among: AnalysisSet, resamples: int, seed: int, progress: Progress) -> Validation:
    """All but internal validation."""
    scored, scores = among.cohort, among.scores(model)
    time, status = scored.time, scored.status
    median = kaplan_meier(time, status == CENSORED).time_of(1 / 2)  # of follow-up, by reverse Kaplan-Meier
    unknown = missing("less than half of the patients are censored")
    risk = decided(model, scores.risks)
    performed = _performed(model, among, resamples, seed, progress)
    return Validation(
        model_id=model.id,
        model_version=model.version,
        model_sha256=model.sha256,
        evidence=model.evidence,
        cohort=scored.name,
        cohort_sha256=scored.sha256,
        time_zero=scored.time_zero,
        same_cohort=among.same_cohort,
        seed=0,
        screened=scored.flow[0].left,
        n=len(scored),
        events=int(scored.event.sum()),
        deaths=int((status > 1).sum()),
        censored=int((status == 0).sum()),
        person_years=float(time.sum()),
        follow_up=unknown if median is None else measure(median),
        flow=scored.flow,
        harrell=performed.harrell,
        uno=performed.uno,
        slope=performed.slope,
        horizons=performed.horizons,
        auc_over_time=performed.auc_over_time,
        groupings=groupings(model, scored, risk),
        subgroups=subgroups(scored, scores.patterns, risk),
        hazard_ratios=hazard_ratios(model, scored),
        missing=missing_counts(model, scored),
        patterns=pattern_counts(scores.patterns),
        imputations=len(among.sets) if among.imputed else 0,
        internal=None,
        not_internal="the model was not fitted to this cohort",
    )


@dataclass(frozen=True, slots=True)
class _Performed:
    """What is said of the risks of one completed set."""

    harrell: Measure
    uno: tuple[AucPoint, ...]  # Uno's C up to each horizon
    slope: Measure
    horizons: tuple[AtHorizon, ...]
    auc_over_time: tuple[AucPoint, ...]


def _performed(model: Model, among: AnalysisSet, resamples: int, seed: int, progress: Progress) -> _Performed:
    """The same of all sets, pooled; their resamples, for the band of a calibration curve, are shared out among them."""
    cohort, each = among.cohort, max(_LEAST_FOR_A_BAND, _BAND_RESAMPLES // len(among.sets))
    band = draw_resamples(len(cohort), min(each, resamples), seed)
    results = []
    for number, x in enumerate(among.sets):
        risks = score_all(model, x).risks
        score = decided(model, cloglog(risks))
        uno = []
        for t in (horizon.years for horizon in model.horizons):
            c = missing(f"nobody was followed for {in_words(t)}")
            if t <= cohort.time.max():
                c = _of(partial(uno_c, cohort.time, cohort.event, score, t))
            uno.append(AucPoint(t, c))
        horizons = [
            at_horizon(PredictedRisks(cohort.time, cohort.status, risks[:, k], horizon), THRESHOLDS, band)
            for k, horizon in enumerate(model.horizons)
        ]
        results.append(
            _Performed(
                _of(partial(harrell_c, cohort.time, cohort.event, score)),
                tuple(uno),
                _of(partial(calibration_slope, cohort.time, cohort.event, score), measure),
                tuple(horizons),
                _auc_over_time(cohort, score, model.horizons[-1].years),
            )
        )
        progress("discrimination and calibration", number + 1, len(among.sets))
    return pooled(results)


def _of(
    compute: Callable[[], PointEstimate], as_measure: Callable[[float, float], Measure] = unit_measure
) -> Measure:
    return estimable(lambda: estimated(compute(), as_measure))


def _auc_over_time(cohort: Cohort, score: Floats, last: float) -> tuple[AucPoint, ...]:
    """The AUC every quarter of a year, from the fifth recurrence on, while enough are followed; to the last horizon."""
    points, time = [], cohort.time
    for t in np.arange(_BETWEEN_AUCS, last + _BETWEEN_AUCS / 2, _BETWEEN_AUCS):
        cases, controls = int((cohort.event & (time <= t)).sum()), int((time > t).sum())
        if min(cases, controls) >= _FEWEST_CASES:
            points.append(AucPoint(float(t), _of(partial(auc_at, time, cohort.event, score, float(t)))))
    return tuple(points)


def _with_internal(
    validation: Validation,
    model: Model,
    among: AnalysisSet,
    steps: Steps,
    resamples: int,
    progress: Progress,
) -> Validation:
    """The same with internal validation: the steps of the fit, imputation included, taken anew in each resample."""
    risks = np.array([score_all(model, x).risks for x in among.sets])
    scales = Scales(
        np.array([horizon.years for horizon in model.horizons]),
        np.array([at.curve.predicted or grid_of(risks[..., k]) for k, at in enumerate(validation.horizons)]),
        THRESHOLDS,
    )
    counts = draw_resamples(validation.n, resamples, validation.seed)
    try:
        again = among.resamples(model, counts, validation.seed + 1, progress)
        bootstrap = nested(steps, among.data, again, scales, drawn(validation.seed), progress)
    except TrainingError as error:
        none = missing(str(error))
        uncorrected = (
            replace(at, auc_corrected=none, ipa_corrected=none, ici_corrected=none)
            for at in validation.horizons
        )
        return replace(validation, horizons=tuple(uncorrected), not_internal=str(error))
    horizons = tuple(
        with_correction(at, bootstrap.optimism, k, risks[..., k]) for k, at in enumerate(validation.horizons)
    )
    decision = model.horizons.index(DECISION_HORIZON)
    scatter = stability(risks[0, :, decision], bootstrap.risks(among.sets[0], decision), DECISION_HORIZON)
    return replace(
        validation, horizons=horizons, internal=internal(bootstrap, validation, scatter), not_internal=""
    )
