"""A validated model against another one: who can be scored by both, and what is optimism in the difference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from models.artefact import Model
from models.registry import load_model
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import Cohort
from models.training.cohort.same_patients import are_the_same
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats
from models.training.statistics.progress import Progress, quiet
from models.training.validation.analysis_set import AnalysisSet, scorable, score_all
from models.training.validation.recorded import fit_record_of
from models.training.validation.supplement.comparison import FigureDifference, ModelComparison, compare
from models.training.validation.validation import Measure, Validation, measure, missing


@dataclass(frozen=True, slots=True)
class Rival:
    """Another model to compare with, and the record of its fit."""

    model: Model
    record: Mapping[str, Any]


def rival(folder: Path) -> Rival:
    """The model of a folder. Raises ModelError or TrainingError."""
    return Rival(load_model(folder), fit_record_of(folder))


def against(
    model: Model,
    rival: Rival,
    among: AnalysisSet,
    validation: Validation,
    resamples: int,
    progress: Progress = quiet,
) -> ModelComparison:
    """A model against another one in those of the analysed patients whom both can score."""
    other = rival.model
    here = {
        "model": validation.same_cohort == "fit",
        "other": rival.record.get("kind") == "fit"
        and are_the_same(rival.record, among.cohort.sha256, among.cohort.patients_sha256),
    }
    fitted = "both" if all(here.values()) else next((name for name, is_so in here.items() if is_so), "")
    empty = ModelComparison(other.id, other.version, other.sha256, other.evidence, fitted)
    common = [horizon for horizon in model.horizons if horizon in other.horizons]
    if DECISION_HORIZON not in common:
        return replace(empty, reason=f"{other.id} gives no risk at {DECISION_HORIZON.years:g} years")
    try:
        both, risks = _scored(model, other, among)
    except TrainingError as error:
        return replace(empty, reason=str(error))
    first, second = (
        by_horizon[:, [scoring.horizons.index(horizon) for horizon in common]]
        for scoring, by_horizon in zip((model, other), risks, strict=True)
    )
    rows = compare(
        both,
        first,
        second,
        common,
        np.array([model.policy.low_below, model.policy.high_from]),
        resamples=resamples,
        seed=validation.seed,
        decisive=common.index(DECISION_HORIZON),
        progress=progress,
    )
    corrected = tuple(_corrected(row, fitted, validation, len(both)) for row in rows)
    return replace(empty, n=len(both), events=int(both.event.sum()), resamples=resamples, rows=corrected)


def _scored(model: Model, other: Model, among: AnalysisSet) -> tuple[Cohort, tuple[Floats, Floats]]:
    """Who is scored by both models, and their risks (n, k); what is imputed for one is imputed for the other."""
    if among.imputed and set(other.names) <= set(model.names):
        places = [model.names.index(name) for name in other.names]
        sets = [score_all(other, x[:, places]).risks for x in among.sets]
        return among.cohort, (among.scores(model).risks, np.mean(sets, axis=0))
    both = scorable(other, scorable(model, among.cohort))
    own, others = (score_all(scoring, both.matrix(scoring.names)).risks for scoring in (model, other))
    return both, (own, others)


def _corrected(row: FigureDifference, fitted: str, validation: Validation, n: int) -> FigureDifference:
    """The row with its difference less the optimism of the model, where that is what is known."""
    if fitted in {"other", "both"}:
        return replace(row, corrected=missing("the other model's optimism in these patients is not known"))
    if fitted != "model":
        return row
    off = _optimism(row, validation) if n == validation.n else None
    if off is None or row.difference.value is None:
        return replace(row, corrected=missing("the optimism is not known"))
    return replace(row, corrected=measure(row.difference.value - off))


def _optimism(row: FigureDifference, validation: Validation) -> float | None:
    """By how much the model's own figure owes its looks to chance."""
    if row.at is None:
        figures = validation.internal.concordance if validation.internal else None
        return figures.optimism if figures else None
    at = next(at for at in validation.horizons if at.years == row.at)
    if row.figure == "AUC":
        return _less(at.auc, at.auc_corrected)
    if row.figure == "Brier":
        gained = _less(at.ipa, at.ipa_corrected)
        return None if gained is None or at.brier_null.value is None else -gained * at.brier_null.value
    curve = at.decision  # of net benefit, where the curve has a point at the threshold
    near = [k for k, cut in enumerate(curve.thresholds) if isclose(cut, row.threshold or 0)]
    if not near or not curve.corrected:
        return None
    own, corrected = curve.model[near[0]], curve.corrected[near[0]]
    return None if own is None or corrected is None else own - corrected


def _less(apparent: Measure, corrected: Measure) -> float | None:
    if apparent.value is None or corrected.value is None:
        return None
    return apparent.value - corrected.value
