"""Puts a report together from a validation, its model and, where they are given, Table 1 and the record of the fit."""

from collections.abc import Mapping
from math import exp
from typing import Any

from models.artefact import Model
from models.training.cohort.describe import TableOne
from models.training.report.checklist import checklists
from models.training.report.describe_text import tables
from models.training.report.figures.nomogram import nomogram
from models.training.report.imputed import reported_missing
from models.training.report.report import (
    Report,
    ReportedHorizon,
    ReportedModel,
    ReportedPolicy,
    ReportedPredictor,
    ReportedRatio,
    ReportedRatios,
)
from models.training.report.words import counted
from models.training.statistics.limits import LEVEL
from models.training.validation.internal import STABILITY_QUANTILES
from models.training.validation.recorded import fit_record_in
from models.training.validation.supplement.supplement import Supplement
from models.training.validation.validation import Measure, Validation

SCHEMA = "imnm-cds-report/1"
EVIDENCE = {
    "local-fit": "Fitted to local data",
    "literature-reconstructed": "Reconstructed from literature",
    "synthetic": "Synthetic: made up, for demonstration",
}
_MANY_EVENTS = 100
_KINDS = {
    "": "Validation",
    "fit": "Development and internal validation",
    "baseline update": "Baseline update and its check in the same cohort",
    "recalibration": "Recalibration and its check in the same cohort",
    "no update": "Validation: no update was needed",
}
_SAME = {
    "": "Whether it holds elsewhere: this is one cohort.",
    "fit": (
        "How it does at another hospital: the cohort is the one that the model was fitted to. Only the values that "
        "are called corrected allow for that, and they do not stand for another hospital."
    ),
    "fit alone": (
        "How it does at another hospital, or in any patients but these: the cohort is the one that the model was fitted "
        "to, and nothing here allows for that."
    ),
    "baseline update": (
        "Whether its risks are right on average: its baseline hazard comes from this very cohort, so observed over "
        "expected is near one by construction."
    ),
    "recalibration": (
        "Whether its risks are right: its baseline hazard and slope come from this very cohort, so observed over expected "
        "and the calibration slope are near one by construction."
    ),
    "no update": "Whether it holds elsewhere: this is one cohort.",
}


def compose(
    validation: Validation,
    model: Model,
    described: TableOne | None = None,
    date: str = "",
    record: Mapping[str, Any] | None = None,
    supplement: Supplement | None = None,
) -> Report:
    """The report, before its page is drawn. Raises TrainingError where the record of the fit cannot be read.

    `described` are the cohort's characteristics, `record` how the model was fitted, as its file holds it, `supplement`
    what else is known of the model in these patients.
    """
    kind = _KINDS[validation.same_cohort]
    if validation.same_cohort == "fit" and validation.internal is None:
        kind = "Development, without internal validation,"
    record, reported = record or {}, _reported(model)
    limits = cannot_tell(validation, model)
    return Report(
        schema=SCHEMA,
        title=f"{kind} of {model.id}",
        date=date,
        level=LEVEL,
        evidence=EVIDENCE[model.evidence],
        model=reported,
        validation=validation,
        hazard_ratios=tuple(
            ReportedRatios(ratio.name, ratio.label, _exponential(ratio.served), _exponential(ratio.refitted))
            for ratio in validation.hazard_ratios
        ),
        stability_quantiles=STABILITY_QUANTILES,
        table_one=described,
        tables=tables(described) if described else (),
        fit=record,
        cannot_tell=limits,
        nomogram=nomogram(reported),
        checklists=checklists(reported, validation, fit_record_in(record), limits, supplement),
        supplement=supplement,
        missing=reported_missing(fit_record_in(record)),
    )


def _reported(model: Model) -> ReportedModel:
    policy = model.policy
    return ReportedModel(
        id=model.id,
        version=model.version,
        sha256=model.sha256,
        evidence=model.evidence,
        limits=model.limits,
        range_note=model.range_note,
        description=model.description,
        predictors=tuple(
            ReportedPredictor(spec.name, spec.label, spec.threshold, float(ratio))
            for spec, ratio in zip(model.predictors, model.log_hazard_ratios, strict=True)
        ),
        horizons=tuple(
            ReportedHorizon(horizon, horizon.years, float(hazard), 1 - exp(-hazard))
            for horizon, hazard in model.baseline_hazard.items()
        ),
        policy=ReportedPolicy(policy.known_at_least, policy.low_below, policy.high_from),
        provenance=model.provenance,
    )


def _exponential(log_ratio: Measure) -> ReportedRatio:
    value, low, high = (
        None if end is None else exp(end) for end in (log_ratio.value, log_ratio.low, log_ratio.high)
    )
    return ReportedRatio(value, low, high, log_ratio.reason)


def cannot_tell(validation: Validation, model: Model) -> tuple[str, ...]:
    """What a reader must not conclude from this report: sentences."""
    alone = validation.same_cohort == "fit" and validation.internal is None
    sentences = [
        _SAME["fit alone" if alone else validation.same_cohort],
        "Whether using the model helps patients: that takes a trial.",
        "Whether a predictor causes recurrence: hazard ratios here describe, they do not explain.",
        (
            f"What happens before time zero ({validation.time_zero}): risks count from there, and what is known only "
            "later must not be used then."
        ),
    ]
    if validation.synthetic:
        sentences.append("How it does in real patients: these are synthetic, drawn from a model.")
    if validation.events < _MANY_EVENTS:
        sentences.append(
            f"Small differences: {counted(validation.events, 'recurrence')} are few (a calibration curve needs 100, better 200)."
        )
    if validation.deaths:
        sentences.append(
            f"The risk with death as a competing event: {validation.deaths} died and count as censored unless it says "
            "competing."
        )
    if model.evidence != "local-fit":
        sentences.append(f"More than the model's own limits allow: {model.limits}")
    return tuple(sentences)
