"""The patients that a validation is about, the same in every part of a report, and the risks that they are given.

In the cohort of the model's own fit they are those that were fitted, and what was imputed for the fit is imputed again,
with the same seed: each figure is computed in each completed set and pooled (Marshall et al. 2009; Wood et al. 2015). In
any other cohort they are those who get a score at the bedside, with its risk, marginalised over what is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.artefact import Model
from models.risk import mean_risk
from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.cohort.same_patients import are_the_same
from models.training.errors import TrainingError
from models.training.fitting import missing
from models.training.statistics.arrays import Counts, Floats
from models.training.statistics.imputation.chained import impute_many
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData


@dataclass(frozen=True, slots=True)
class Scores:
    """What the artefact says about each patient: the pattern (n), and the risk by horizon (n, k)."""

    patterns: tuple[str, ...]
    risks: Floats


@dataclass(frozen=True, slots=True)
class AnalysisSet(missing.Analysed):
    """The patients, and the model's predictors (m, n, p) that risks are computed from: completed sets, or one.

    In the `cohort` nothing is imputed. `same_cohort` is as in a validation.
    """

    same_cohort: str = ""

    def scores(self, model: Model) -> Scores:
        """Patterns of what is known, and each patient's mean risk over the sets."""
        risks = np.mean([score_all(model, x).risks for x in self.sets], axis=0)
        return Scores(score_all(model, self.cohort.matrix(model.names)).patterns, risks)

    def resamples(
        self, model: Model, counts: Counts, seed: int, progress: Progress = quiet
    ) -> list[SurvivalData]:
        """The patients of each resample (B, n) as rows; what is not known is imputed once, from the resample alone."""
        if not self.imputed:
            return [self.data[0].resample(count) for count in counts]
        start = missing.incomplete(self.cohort)
        completed = impute_many(
            start.columns,
            self.cohort.time,
            self.cohort.event,
            counts,
            seed,
            coded_from=start.coded_from,
            progress=progress,
        )[..., _columns(model)]
        again = [self.data[0].resample(count) for count in counts]
        return [replace(data, x=x) for data, x in zip(again, completed, strict=True)]


def analysis_set(model: Model, cohort: Cohort, record: Mapping[str, Any]) -> AnalysisSet:
    """Who is analysed, with a step of the flow; `record` says how the model was fitted.

    Raises TrainingError, also where the record does not say how many sets the fit completed, 0: none, and its seed.
    """
    if not are_the_same(record, cohort.sha256, cohort.patients_sha256):
        scored = scorable(model, cohort)
        return AnalysisSet(scored, scored.matrix(model.names)[None])
    kind = str(record.get("kind", ""))
    missingness = record.get("missingness") or {}
    imputations = (missingness.get("imputations") or 0) if isinstance(missingness, Mapping) else None
    seed = record.get("seed") if imputations else 0
    if type(imputations) is not int or type(seed) is not int or min(imputations, seed) < 0:
        raise TrainingError(
            "the record of the model's fit cannot be read: missingness.imputations and seed in model.json must be whole "
            "numbers from 0; restore the folder, or write it again with `imnm-cds train`"
        )
    if kind == "fit" and imputations:
        among = missing.analysed(cohort, imputations, seed)
        return AnalysisSet(among.cohort, among.sets[..., _columns(model)], among.auxiliaries, kind)
    complete = cohort.complete(model.names)
    return AnalysisSet(complete, complete.matrix(model.names)[None], same_cohort=kind)


def _columns(model: Model) -> list[int]:
    """Where the model's predictors stand among ours."""
    return [PREDICTORS.index(name) for name in model.names]


def score_all(model: Model, matrix: Floats) -> Scores:
    """The artefact's risks of each row (n, p) of predictors, marginalised over the unknown (nan) as at the bedside."""
    marks = np.where(np.isnan(matrix), "?", np.where(matrix > 0, "1", "0"))
    patterns = tuple("".join(row) for row in marks)
    risks = {
        pattern: [mean_risk(model, pattern, horizon) for horizon in model.horizons]
        for pattern in sorted(set(patterns))
    }
    return Scores(patterns, np.array([risks[pattern] for pattern in patterns], dtype=np.float64))


def scorable(model: Model, cohort: Cohort) -> Cohort:
    """Only who has enough predictors known for a score (S5), with a step of the flow. Raises TrainingError."""
    least = model.policy.known_at_least
    known = (~np.isnan(cohort.matrix(model.names))).sum(axis=1)
    kept = known >= least
    if not kept.any():
        raise TrainingError(f"{cohort.name}: nobody has {least} of the model's predictors known")
    why = f"fewer than {least} of {len(model.names)} predictors known: no score, as at the bedside"
    return cohort.left(kept, "enough predictors known for a score", why)
