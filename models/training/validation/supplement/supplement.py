"""What is asked beyond a validation: centres, groups of patients, death, effects over time, other models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.artefact import Model
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.fitting.shrinkage import uniform_shrinkage
from models.training.statistics.arrays import Floats
from models.training.statistics.baseline import Baseline, baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData, refit
from models.training.validation.subgroups import decided
from models.training.validation.supplement.against import Rival, against
from models.training.validation.supplement.centres import Centres, Develop, at_centres, internal_external
from models.training.validation.supplement.comparison import ModelComparison
from models.training.validation.supplement.competing import CompetingEvents, competing_events
from models.training.validation.supplement.fairness import AGES, GroupsOf, fairness
from models.training.validation.supplement.time_varying import TimeVarying, time_varying
from models.training.validation.validate import RESAMPLES, scorable, score_all
from models.training.validation.validation import Validation

_INNER = 200  # resamples of the shrinkage factor, where the model is made without a centre


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asks of the supplement: the age groups' limits in years, and the models to compare with."""

    ages: tuple[float, ...] = AGES
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True)
class Supplement:
    """Beside a validation, on the same patients. `centres` is None where fewer than two are named."""

    centres: Centres | None
    fairness: tuple[GroupsOf, ...]
    competing: CompetingEvents
    time_varying: TimeVarying
    comparisons: tuple[ModelComparison, ...]


def supplement(
    model: Model,
    cohort: Cohort,
    validation: Validation,
    record: Mapping[str, Any],
    asked: Asked,
    *,
    resamples: int = RESAMPLES,
    progress: Progress = quiet,
) -> Supplement:
    """Everything for a model whose `validation` in this cohort is given. Raises TrainingError as that does."""
    scored = scorable(model, cohort)
    scores = score_all(model, scored.matrix(model.names))
    risk = decided(model, scores.risks)
    absolute = (record.get("competing_death") or {}).get("absolute") or {}
    return Supplement(
        _centres(model, scored, risk, validation, record, progress),
        fairness(scored, risk, DECISION_HORIZON, asked.ages),
        competing_events(
            model, scored, scores.patterns, scores.risks, absolute if validation.same_cohort else {}
        ),
        time_varying(model, scored),
        tuple(against(model, rival, cohort, validation, resamples, progress) for rival in asked.rivals),
    )


def _centres(
    model: Model,
    scored: Cohort,
    risk: Floats,
    validation: Validation,
    record: Mapping[str, Any],
    progress: Progress,
) -> Centres | None:
    """Without each centre where the model was fitted to this cohort, else the model as it is at each."""
    try:
        if validation.same_cohort != "fit":
            return at_centres(scored, risk, DECISION_HORIZON)
        complete = scored.complete(model.names)
        return internal_external(
            complete, model.names, _steps(record, validation.seed), DECISION_HORIZON, progress
        )
    except TrainingError:
        return None


def _steps(record: Mapping[str, Any], seed: int) -> Develop:
    def develop(data: SurvivalData) -> Baseline:
        fit = fit_cox(
            data.x, data.time, data.event, ridge=record.get("ridge") or 0, firth=bool(record.get("firth"))
        )
        shrinks = record.get("shrinkage") is not None
        factor = uniform_shrinkage(data, refit(data, _INNER, seed)).factor if shrinks else 1.0
        return baseline(factor * fit.coef, factor**2 * fit.covariance, data.x, data.time, data.event)

    return develop
