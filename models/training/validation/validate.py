"""`imnm-cds validate`: how an artefact does in a cohort (discrimination, accuracy, calibration, benefit, groups).

The risks are those of the bedside: marginalised over unknown predictors, and none where too few are known. Recurrence
is the event, death counts as censoring unless a name says `competing`. Conventions as in the modules used.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefact import Model
from models.risk import DECISION_HORIZON, mean_risk
from models.training.cohort.cohort import Cohort, FlowStep
from models.training.errors import TrainingError
from models.training.statistics.calibration import calibration_slope
from models.training.statistics.cox import Floats
from models.training.statistics.discrimination import Estimate, auc_at, harrell_c, uno_c
from models.training.statistics.smooth import cloglog
from models.training.statistics.survival import kaplan_meier
from models.training.validation.at_horizon import Sample, at_horizon, grid_of, with_correction
from models.training.validation.groups import in_words
from models.training.validation.internal import (
    Curves,
    Data,
    Grids,
    Moments,
    Progress,
    Refits,
    corrected_slope,
    curves,
    draw,
    four_figures,
    quiet,
    refit,
    stability,
)
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
    FourFigures,
    Internal,
    Measure,
    Validation,
    estimable,
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


Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """What the artefact says about each patient: the pattern (n), and the risk by horizon (n, k)."""

    patterns: tuple[str, ...]
    risks: Floats


def years_of(horizon: str) -> float:
    """The years of a horizon such as "2y"."""
    return float(horizon.removesuffix("y"))


def score_all(model: Model, matrix: Floats) -> Scores:
    """The artefact's risks of each row (n, p) of predictors, marginalised over the unknown (nan) as at the bedside."""
    marks = np.where(np.isnan(matrix), "?", np.where(matrix > 0, "1", "0"))
    patterns = tuple("".join(row) for row in marks)
    of = {p: [mean_risk(model, p, horizon) for horizon in model.horizons] for p in sorted(set(patterns))}
    return Scores(patterns, np.array([of[p] for p in patterns], dtype=np.float64))


def fit_record_of(folder: Path) -> dict[str, Any]:
    """How the model in a folder was fitted, as `train` recorded it; empty where there is no record."""
    found = json.loads((folder / "model.json").read_text(encoding="utf-8")).get("fit", {})
    return found if isinstance(found, dict) else {}


def _same_cohort(record: Mapping[str, Any], cohort: Cohort) -> str:
    same = bool(cohort.sha256) and record.get("cohort_sha256") == cohort.sha256
    return str(record.get("kind", "")) if same else ""


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

    `record` says how it was fitted (`fit_record_of`): by the checksum of its cohort the same cohort is known.
    `resamples` is the number of bootstrap resamples, drawn from `seed`; `progress` is told what is done, how many of
    how many. What these data do not allow says why in its `reason`. Raises TrainingError where nobody can be scored.
    """
    used = scorable(model, cohort)
    scores = score_all(model, used.matrix(model.names))
    again = draw(len(used), min(BAND_RESAMPLES, resamples), seed)
    found = _external(model, cohort, used, scores, again, progress)
    found = replace(found, seed=seed, same_cohort=_same_cohort(record or {}, cohort))
    if found.same_cohort == "fit" and record and (record.get("ridge") or record.get("firth")):
        return replace(
            found, not_internal="the model was fitted with a penalty, the resamples would be without"
        )
    return _with_internal(found, model, used, scores, resamples, progress)


def _external(
    model: Model,
    cohort: Cohort,
    used: Cohort,
    scores: Scores,
    again: Counts,
    progress: Progress,
) -> Validation:
    """All but internal validation; `again` (B, n) are resamples for bands."""
    time, status, event = used.time, used.status, used.event
    score = decided(model, cloglog(scores.risks))
    last = years_of(model.horizons[-1])
    return Validation(
        model_id=model.id,
        model_version=model.version,
        model_sha256=model.sha256,
        evidence=model.evidence,
        cohort=cohort.name,
        cohort_sha256=cohort.sha256,
        time_zero=cohort.time_zero,
        same_cohort="",
        seed=0,
        screened=used.flow[0].left,
        n=len(used),
        events=int(event.sum()),
        deaths=int((status > 1).sum()),
        censored=int((status == 0).sum()),
        person_years=float(time.sum()),
        follow_up=_follow_up(used),
        flow=used.flow,
        harrell=_of(partial(harrell_c, time, event, score)),
        uno=tuple(AucPoint(t, _uno(used, score, t)) for t in _years(model)),
        slope=_of(partial(calibration_slope, time, event, score)),
        horizons=_horizons(model, used, scores, again, progress),
        auc_over_time=_auc_over_time(used, score, last),
        groupings=groupings(model, used, decided(model, scores.risks)),
        subgroups=subgroups(used, scores.patterns, decided(model, scores.risks)),
        hazard_ratios=hazard_ratios(model, used),
        missing=missing_counts(model, used),
        patterns=pattern_counts(scores.patterns),
        internal=None,
        not_internal="the model was not fitted to this cohort",
    )


def _uno(cohort: Cohort, score: Floats, t: float) -> Measure:
    if t > cohort.time.max():
        return missing(f"nobody was followed for {in_words(t)}")
    return _of(partial(uno_c, cohort.time, cohort.event, score, t))


def _years(model: Model) -> tuple[float, ...]:
    return tuple(years_of(horizon) for horizon in model.horizons)


def _of(compute: Callable[[], Estimate]) -> Measure:
    def as_measure() -> Measure:
        found = compute()
        return measure(found.value, found.se)

    return estimable(as_measure)


def _follow_up(cohort: Cohort) -> Measure:
    """The median follow-up by reverse Kaplan-Meier, in years."""
    lost = kaplan_meier(cohort.time, cohort.status == 0)
    reached = np.flatnonzero(lost.survival <= 1 / 2)
    if not len(reached):
        return missing("less than half of the patients are censored")
    return measure(float(lost.times[reached[0]]))


def _horizons(
    model: Model, cohort: Cohort, scores: Scores, again: Counts, progress: Progress
) -> tuple[AtHorizon, ...]:
    found = []
    for index, horizon in enumerate(model.horizons):
        sample = Sample(cohort.time, cohort.status, scores.risks[:, index], horizon, years_of(horizon))
        found.append(at_horizon(sample, THRESHOLDS, again))
        progress("horizons", index + 1, len(model.horizons))
    return tuple(found)


def _auc_over_time(cohort: Cohort, score: Floats, last: float) -> tuple[AucPoint, ...]:
    """The AUC every quarter of a year, from the fifth recurrence on, while enough are followed; to the last horizon."""
    points, time = [], cohort.time
    for t in np.arange(BETWEEN_AUCS, last + BETWEEN_AUCS / 2, BETWEEN_AUCS):
        cases, controls = int((cohort.event & (time <= t)).sum()), int((time > t).sum())
        if min(cases, controls) >= FEWEST_CASES:
            points.append(AucPoint(float(t), _of(partial(auc_at, time, cohort.event, score, float(t)))))
    return tuple(points)


def _with_internal(
    found: Validation, model: Model, cohort: Cohort, scores: Scores, resamples: int, progress: Progress
) -> Validation:
    """The same with internal validation, where the cohort is the one that the model was fitted to."""
    if found.same_cohort != "fit":
        return found
    complete = np.asarray(~np.isnan(cohort.matrix(model.names)).any(axis=1))
    part = cohort.where(complete)
    data = Data(part.matrix(model.names), part.time, part.event)
    try:
        refits = refit(data, resamples, found.seed, progress)
    except (TrainingError, np.linalg.LinAlgError) as error:
        return replace(found, not_internal=str(error))
    risks = scores.risks[complete]
    years = _years(model)
    grids = Grids(
        {t: grid_of(scores.risks[:, k]) for k, t in enumerate(years)},
        {t: Moments(data, t, THRESHOLDS) for t in years},
    )
    whole = curves(data, refits, grids, progress)
    horizons = tuple(
        with_correction(at, whole.optimism[at.years], scores.risks[:, k])
        if at.years in whole.optimism
        else at
        for k, at in enumerate(found.horizons)
    )
    checked = _internal(model, data, refits, whole, risks)
    return replace(found, horizons=horizons, internal=checked, not_internal="")


def _internal(model: Model, data: Data, refits: Refits, whole: Curves, risks: Floats) -> Internal:
    own = decided(model, risks)
    figures: FourFigures = four_figures(data, cloglog(own), refits)
    slope = corrected_slope(data, refits)
    plain = calibration_slope(data.time, data.event, cloglog(own))
    apparent = harrell_c(data.time, data.event, cloglog(own))
    return Internal(
        n=len(data.time),
        events=int(data.event.sum()),
        resamples=len(refits.coef),
        failed=refits.failed,
        curve_resamples=len(next(iter(whole.risks.values()))),
        concordance=figures,
        shifted=measure(figures.corrected, apparent.se),
        refits_slope=slope,
        slope=_of(lambda: Estimate(plain.value - (1 - slope), plain.se)),
        stability=stability(own, whole.risks[years_of(DECISION_HORIZON)], DECISION_HORIZON),
    )
