"""The checklists TRIPOD+AI and HTI-1, filled from the report's own facts; the rest is left to the author."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from models.risk import DECISION_HORIZON
from models.training.report.report import Checklist, ChecklistItem, Checklists, ReportedModel
from models.training.report.sections.facts import supplement_facts
from models.training.report.words import said, written
from models.training.validation.recorded import FitRecord
from models.training.validation.supplement.supplement import Supplement
from models.training.validation.validation import Validation
from models.transparency import asked, with_and

AUTHOR = "To be filled by the author."
_FILE = Path(__file__).with_name("checklist.toml")
_MAY_BE_EMPTY = {"c_corrected", "sample_size", "shrinkage", "fitting"}


def checklists(
    model: ReportedModel,
    validation: Validation,
    record: FitRecord | None,
    cannot_tell: Sequence[str],
    supplement: Supplement | None = None,
) -> Checklists:
    """Both lists; a fact that the data do not give leaves its item to the author."""
    facts = {
        **_of_model(model, record),
        **_of_cohort(validation, len(model.predictors)),
        **_of_performance(validation),
        **supplement_facts(supplement),
        "cannot_tell": " ".join(cannot_tell),
    }
    given = {name: text for name, text in facts.items() if text or name in _MAY_BE_EMPTY}
    fills = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    filled = {}
    for name, each in asked().items():
        answers, items = fills[name], []
        for item in each.items:
            try:
                answer = answers[item.id].format_map(given)
            except KeyError:
                answer = AUTHOR
            items.append(ChecklistItem(item.id, item.section, item.topic, answer, filled=answer != AUTHOR))
        filled[name] = Checklist(each.source, tuple(items))
    return Checklists(**filled)


def _of_model(model: ReportedModel, record: FitRecord | None) -> dict[str, str]:
    """The model as it is served, and what `train` recorded of its fit, if anything."""
    text = model.description
    size = record.sample_size if record else None
    shrinkage = record.shrinkage if record else None
    method = record.method if record else ""
    predictors = [f"{row.label}: {row.threshold}" for row in model.predictors]
    return {
        "title": text.get("title", model.id),
        "population": text.get("population", ""),
        "intended_use": text.get("intended_use", ""),
        "not_intended_use": text.get("not_intended_use", ""),
        "users": text.get("users", "Rheumatologists and neurologists"),
        "outcome": text.get("outcome", ""),
        "model_kind": text.get("kind", ""),
        "training_flow": text.get("training", "") or text.get("population", ""),
        "limits": model.limits,
        "predictors": "; ".join(predictors),
        "predictor_labels": ", ".join(row.label[:1].lower() + row.label[1:] for row in model.predictors),
        "parameters": str(len(predictors)),
        "horizons": with_and([f"{row.years:g}" for row in model.horizons]) + " years",
        "known_at_least": str(model.policy.known_at_least),
        "low_below": written(model.policy.low_below, 0, percent=True),
        "high_from": written(model.policy.high_from, 0, percent=True),
        "model_id": model.id,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "specification": "log hazard ratios and cumulative baseline hazard at each horizon",
        "sample_size": f" Riley's criteria at what was found ask for {size.n} patients." if size else "",
        "shrinkage": f" Log hazard ratios shrunk by {written(shrinkage.factor, 3)}." if shrinkage else "",
        "fitting": f" Fitted by {method}." if method else "",
    }


def _of_cohort(validation: Validation, parameters: int) -> dict[str, str]:
    out = [f"{s.taken_out} ({s.reason})" for s in validation.flow if s.taken_out]
    follow_up = validation.follow_up.value
    internal_method = f"No internal validation: {validation.not_internal}"
    if internal := validation.internal:
        internal_method = (
            f"Internal validation: {internal.resamples} bootstrap resamples, every step (fit, shrinkage factor by "
            f"{internal.inner_resamples} resamples, baseline) taken anew in each"
        )
    if validation.same_cohort:
        kind = f"Development with{'' if internal else 'out'} internal validation"
        use_of_data = "One cohort for development and, by bootstrap, for internal validation."
        differences = "Does not apply: one cohort."
        external_cohort = external_process = "None yet"
        next_step = "External validation; before local use, recalibration of the baseline."
    else:
        kind = "Evaluation in a cohort other than the source"
        use_of_data = "The whole cohort for evaluation."
        differences = ""
        external_cohort = f"{validation.cohort}, {validation.n} patients"
        external_process = "This report"
        next_step = "Before local use, recalibration of the baseline where observed and expected differ."
    return {
        "kind": kind,
        "cohort": validation.cohort,
        "cohort_sha256": validation.cohort_sha256,
        "time_zero": validation.time_zero,
        "n": str(validation.n),
        "screened": str(validation.screened),
        "events": str(validation.events),
        "deaths": str(validation.deaths),
        "censored": str(validation.censored),
        "follow_up": "not estimable" if follow_up is None else f"{written(follow_up, 1)} years",
        "flow": "; ".join(out) or "nobody",
        "missing": "; ".join(f"{row.label} {row.unknown}" for row in validation.missing),
        "events_per_parameter": written(validation.events / parameters, 1),
        "use_of_data": use_of_data,
        "internal_method": internal_method,
        "differences": differences,
        "external_cohort": external_cohort,
        "external_process": external_process,
        "next_step": next_step,
    }


def _of_performance(validation: Validation) -> dict[str, str]:
    internal = validation.internal
    at = next(at for at in validation.horizons if at.horizon == DECISION_HORIZON)
    corrected = ""
    if internal and internal.shifted.value is not None:
        corrected = f", {written(internal.shifted.value)} corrected for optimism"
    c, oe = said(validation.harrell), said(at.observed_over_expected)
    aucs = "; ".join(f"{row.years:g} y {said(row.auc)}" for row in validation.horizons)
    summary = f"C {c}{corrected}; AUC {aucs}"
    subgroups = [f"{s.label} n {s.n}, C {said(s.concordance)}" for s in validation.subgroups]
    same = validation.same_cohort
    return {
        "c": c,
        "c_corrected": corrected,
        "aucs": aucs,
        "oe": oe,
        "slope": said(validation.slope),
        "subgroups": "; ".join(subgroups),
        "same_source": summary if same else "",
        "external_performance": "Not available" if same else summary,
    }
