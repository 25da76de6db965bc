"""`imnm-cds validate`: how an artefact does in a cohort (discrimination, accuracy, calibration, benefit, groups).

The risks are those of the bedside: marginalised over unknown predictors, and none where too few are known. Recurrence
is the event, death counts as censoring unless a name says `competing`. Conventions as in the modules scored.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.artefact import Model
from models.inputs import Horizon
from models.risk import DECISION_HORIZON, mean_risk
from models.training.cohort.cohort import Cohort, FlowStep
from models.training.cohort.same_patients import are_the_same
from models.training.cohort.schema import CENSORED
from models.training.errors import TrainingError
from models.training.fitting.steps import Steps, steps_of
from models.training.statistics.arrays import Counts, Floats
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.discrimination import PointEstimate, auc_at, harrell_c, uno_c
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData, draw_resamples
from models.training.statistics.smooth import cloglog
from models.training.statistics.survival import kaplan_meier
from models.training.validation.at_horizon import PredictedRisks, at_horizon, grid_of, with_correction
from models.training.validation.groups import in_words
from models.training.validation.internal import drawn, internal, nested
from models.training.validation.performance import Scales
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
)

RESAMPLES = 1000
BAND_RESAMPLES = 200  # at most, for the band of a calibration curve
BETWEEN_AUCS = 0.25  # years
FEWEST_CASES = 5  # an AUC before so many recurrences, or after all but so many have left, says nothing
THRESHOLDS = np.round(
    np.arange(0.05, 0.605, 0.01), 2
)  # round the policy's bands; nobody would act on less or more


@dataclass(frozen=True, slots=True)
class Scores:
    """What the artefact says about each patient: the pattern (n), and the risk by horizon (n, k)."""

    patterns: tuple[str, ...]
    risks: Floats


def score_all(model: Model, matrix: Floats) -> Scores:
    """The artefact's risks of each row (n, p) of predictors, marginalised over the unknown (nan) as at the bedside."""
    marks = np.where(np.isnan(matrix), "?", np.where(matrix > 0, "1", "0"))
    patterns = tuple("".join(row) for row in marks)
    of = {p: [mean_risk(model, p, horizon) for horizon in model.horizons] for p in sorted(set(patterns))}
    return Scores(patterns, np.array([of[p] for p in patterns], dtype=np.float64))


def fit_record_of(folder: Path) -> dict[str, Any]:
    """How the model in a folder was fitted, as `train` recorded it; empty where there is no record."""
    record = json.loads((folder / "model.json").read_text(encoding="utf-8")).get("fit", {})
    return record if isinstance(record, dict) else {}


def scorable(model: Model, cohort: Cohort) -> Cohort:
    """Only who has enough predictors known for a score (S5), with a step of the flow. Raises TrainingError."""
    least = model.policy.known_at_least
    known = (~np.isnan(cohort.matrix(model.names))).sum(axis=1)
    kept = known >= least
    if not kept.any():
        raise TrainingError(f"{cohort.name}: nobody has {least} of the model's predictors known")
    out = int((~kept).sum())
    reason = (
        f"fewer than {least} of {len(model.names)} predictors known: no score, as at the bedside"
        if out
        else ""
    )
    step = FlowStep("enough predictors known for a score", int(kept.sum()), out, reason)
    return replace(cohort.where(kept), flow=(*cohort.flow, step))


def analysed(model: Model, cohort: Cohort, record: Mapping[str, Any]) -> Cohort:
    """The patients that a validation is about, the same in all of its parts, with a step of the flow.

    In the cohort of the model's own fit or update those that were fitted; in any other those who get a score at the
    bedside. Raises TrainingError.
    """
    return cohort.complete(model.names) if _same(cohort, record) else scorable(model, cohort)


def _same(cohort: Cohort, record: Mapping[str, Any]) -> str:
    """What was done with this very cohort: "fit", "baseline update", or nothing."""
    same = are_the_same(record, cohort.sha256, cohort.patients_sha256)
    return str(record.get("kind", "")) if same else ""


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
    part = analysed(model, cohort, record)
    scores = score_all(model, part.matrix(model.names))
    band = draw_resamples(len(part), min(BAND_RESAMPLES, resamples), seed)
    validation = replace(
        _external(model, part, scores, band, progress), seed=seed, same_cohort=_same(cohort, record)
    )
    if validation.same_cohort != "fit":
        return validation
    return _with_internal(validation, model, part, scores, steps_of(record), resamples, progress)


def _external(model: Model, scored: Cohort, scores: Scores, band: Counts, progress: Progress) -> Validation:
    """All but internal validation; `band` (B, n) are resamples for bands."""
    time, status, event = scored.time, scored.status, scored.event
    score = decided(model, cloglog(scores.risks))
    median = kaplan_meier(time, status == CENSORED).time_of(1 / 2)  # of follow-up, by reverse Kaplan-Meier
    return Validation(
        model_id=model.id,
        model_version=model.version,
        model_sha256=model.sha256,
        evidence=model.evidence,
        cohort=scored.name,
        cohort_sha256=scored.sha256,
        time_zero=scored.time_zero,
        same_cohort="",
        seed=0,
        screened=scored.flow[0].left,
        n=len(scored),
        events=int(event.sum()),
        deaths=int((status > 1).sum()),
        censored=int((status == 0).sum()),
        person_years=float(time.sum()),
        follow_up=missing("less than half of the patients are censored")
        if median is None
        else measure(median),
        flow=scored.flow,
        harrell=_of(partial(harrell_c, time, event, score)),
        uno=_uno(scored, score, model.horizons),
        slope=_of(partial(calibration_slope, time, event, score)),
        horizons=_horizons(model, scored, scores, band, progress),
        auc_over_time=_auc_over_time(scored, score, model.horizons[-1].years),
        groupings=groupings(model, scored, decided(model, scores.risks)),
        subgroups=subgroups(scored, scores.patterns, decided(model, scores.risks)),
        hazard_ratios=hazard_ratios(model, scored),
        missing=missing_counts(model, scored),
        patterns=pattern_counts(scores.patterns),
        internal=None,
        not_internal="the model was not fitted to this cohort",
    )


def _uno(cohort: Cohort, score: Floats, horizons: Sequence[Horizon]) -> tuple[AucPoint, ...]:
    """Uno's C up to each horizon."""
    points = []
    for t in (horizon.years for horizon in horizons):
        c = missing(f"nobody was followed for {in_words(t)}")
        if t <= cohort.time.max():
            c = _of(partial(uno_c, cohort.time, cohort.event, score, t))
        points.append(AucPoint(t, c))
    return tuple(points)


def _of(compute: Callable[[], PointEstimate]) -> Measure:
    return estimable(lambda: estimated(compute()))


def _horizons(
    model: Model, cohort: Cohort, scores: Scores, band: Counts, progress: Progress
) -> tuple[AtHorizon, ...]:
    measures = []
    for index, horizon in enumerate(model.horizons):
        predicted = PredictedRisks(cohort.time, cohort.status, scores.risks[:, index], horizon)
        measures.append(at_horizon(predicted, THRESHOLDS, band))
        progress("horizons", index + 1, len(model.horizons))
    return tuple(measures)


def _auc_over_time(cohort: Cohort, score: Floats, last: float) -> tuple[AucPoint, ...]:
    """The AUC every quarter of a year, from the fifth recurrence on, while enough are followed; to the last horizon."""
    points, time = [], cohort.time
    for t in np.arange(BETWEEN_AUCS, last + BETWEEN_AUCS / 2, BETWEEN_AUCS):
        cases, controls = int((cohort.event & (time <= t)).sum()), int((time > t).sum())
        if min(cases, controls) >= FEWEST_CASES:
            points.append(AucPoint(float(t), _of(partial(auc_at, time, cohort.event, score, float(t)))))
    return tuple(points)


def _with_internal(
    validation: Validation,
    model: Model,
    analysed: Cohort,
    scores: Scores,
    steps: Steps,
    resamples: int,
    progress: Progress,
) -> Validation:
    """The same with internal validation: the steps of the fit taken anew in each resample."""
    data = SurvivalData(analysed.matrix(model.names), analysed.time, analysed.event)
    scales = Scales(
        np.array([horizon.years for horizon in model.horizons]),
        np.array([grid_of(risk) for risk in scores.risks.T]),
        THRESHOLDS,
    )
    counts = draw_resamples(len(analysed), resamples, validation.seed)
    try:
        found = nested(
            steps,
            [data],
            [data.resample(count) for count in counts],
            scales,
            drawn(validation.seed),
            progress,
        )
    except TrainingError as error:
        return replace(validation, not_internal=str(error))
    horizons = tuple(
        with_correction(at, found.optimism, k, scores.risks[:, k]) for k, at in enumerate(validation.horizons)
    )
    return replace(
        validation,
        horizons=horizons,
        internal=internal(
            found, validation, decided(model, scores.risks), model.horizons.index(DECISION_HORIZON)
        ),
        not_internal="",
    )
