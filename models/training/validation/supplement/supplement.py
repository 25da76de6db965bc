"""What is asked beyond a validation: centres, groups of patients, death, effects over time, other models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.artefact import Model
from models.risk import DECISION_HORIZON
from models.training.errors import TrainingError
from models.training.fitting.steps import steps_of, take
from models.training.statistics.baseline import Baseline
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData, draw_resamples
from models.training.validation.analysis_set import AnalysisSet
from models.training.validation.internal import INNER_RESAMPLES
from models.training.validation.subgroups import decided
from models.training.validation.supplement.against import Rival, against
from models.training.validation.supplement.centres import Centres, Develop, at_centres, internal_external
from models.training.validation.supplement.comparison import ModelComparison
from models.training.validation.supplement.competing import CompetingEvents, competing_events
from models.training.validation.supplement.fairness import AGES, GroupsOf, fairness
from models.training.validation.supplement.time_varying import TimeVarying, time_varying
from models.training.validation.validate import RESAMPLES
from models.training.validation.validation import Validation


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asks of the supplement: the age groups' limits in years, and the models to compare with."""

    ages: tuple[float, ...] = AGES
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True)
class Supplement:
    """Beside a validation, on the same patients. `centres` is None where `not_by_centre` says why."""

    centres: Centres | None
    not_by_centre: str
    fairness: tuple[GroupsOf, ...]
    competing: CompetingEvents
    time_varying: TimeVarying
    comparisons: tuple[ModelComparison, ...]


def supplement(
    model: Model,
    among: AnalysisSet,
    validation: Validation,
    record: Mapping[str, Any],
    asked: Asked,
    *,
    resamples: int = RESAMPLES,
    progress: Progress = quiet,
) -> Supplement:
    """Everything for a model whose `validation` in these patients is given."""
    scored, scores = among.cohort, among.scores(model)
    risk = decided(model, scores.risks)
    absolute = (record.get("competing_death") or {}).get("absolute") or {}
    centres, why_not = None, ""
    try:
        if validation.same_cohort == "fit":  # without each centre, where the model was fitted to this cohort
            develop = _develop(record, validation.seed)
            centres = internal_external(scored, model.names, develop, DECISION_HORIZON, progress)
        else:
            centres = at_centres(scored, risk, DECISION_HORIZON)
    except TrainingError as error:
        why_not = str(error)
    return Supplement(
        centres,
        why_not,
        fairness(scored, risk, DECISION_HORIZON, asked.ages),
        competing_events(
            model, scored, scores.patterns, scores.risks, absolute if validation.same_cohort else {}
        ),
        time_varying(model, scored),
        tuple(against(model, rival, among, validation, resamples, progress) for rival in asked.rivals),
    )


def _develop(record: Mapping[str, Any], seed: int) -> Develop:
    """The steps by which the model was made, for other patients."""
    steps = steps_of(record)

    def develop(data: SurvivalData) -> Baseline:
        return take(steps, data, draw_resamples(len(data.time), INNER_RESAMPLES, seed)).bases[0]

    return develop
