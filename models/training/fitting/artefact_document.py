"""The document of a served model, `model.json`, from a fit: numbers, texts of the card, provenance.

The schema is the registry's. The field `fit` is beyond what is served: readers of `imnm-cds-model/1` ignore it, but it
is under the checksum and has its provenance.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from models.registry import SCHEMA, checksum, default_folder
from models.training.cohort.cohort import Cohort
from models.training.fitting.fit_record import Labels, fit_record, require_text
from models.training.fitting.served import HORIZONS, YEARS, at_horizons, joint_table
from models.training.fitting.train import Trained
from models.training.fitting.update import Updated


def document_of(result: Trained | Updated, labels: Labels) -> dict[str, Any]:
    """The whole of `model.json`, with its checksum."""
    require_text("time zero", result.cohort.time_zero)
    template = json.loads((default_folder() / "model.json").read_text(encoding="utf-8"))
    parent = result.parent if isinstance(result, Updated) else None
    document = {
        "schema": SCHEMA,
        "id": f"{parent.id.removesuffix('-updated')}-updated" if parent else "imnm-recurrence-local",
        "version": f"{labels.day.year}.{labels.day.month}.{labels.day.day}",
        "rules": parent.rules if parent else template["rules"],
        "evidence": parent.evidence if parent and not labels.synthetic else labels.evidence,
        "card": _card(result, labels),
        "description": _description(result, labels, template["description"]),
        "predictors": [asdict(spec) for spec in parent.predictors] if parent else template["predictors"],
        **_numbers(result),
        "interval": list(parent.interval) if parent else template["interval"],
        "fit": fit_record(result, labels),
        "provenance": _provenance(result, labels, template["provenance"]),
    }
    return document | {"sha256": checksum(document)}


def _numbers(result: Trained | Updated) -> dict[str, Any]:
    """What is served. An updated model keeps its joint table: only the baseline is local."""
    if isinstance(result, Updated):
        served, joint = at_horizons(result.base, YEARS), result.parent.joint
    else:
        served, joint = result.at(YEARS), joint_table(result.sets)
    return {
        "log_hazard_ratios": result.base.coef.tolist(),
        "baseline_cumulative_hazard": dict(zip(HORIZONS, served.hazard.tolist(), strict=True)),
        "covariance": served.covariance.tolist(),
        "joint": dict(joint),
    }


def _counted(cohort: Cohort) -> str:
    return f"{len(cohort)} patients with {int(cohort.event.sum())} recurrences"


def _card(result: Trained | Updated, labels: Labels) -> dict[str, str]:
    """The lines that every card carries."""
    cohort, synthetic = result.cohort, "synthetic " if labels.synthetic else ""
    patients = f"{len(cohort)} {synthetic}patients with {int(cohort.event.sum())} recurrences"
    of = f"{patients}, {labels.centre}, {labels.day.isoformat()}"
    if isinstance(result, Updated):
        return {
            "limits": f"Baseline risk estimated on {of}; hazard ratios from {result.parent.id} "
            f"{result.parent.version} ({result.parent.evidence}). {result.parent.limits}",
            "range": f"{result.parent.range_note} The baseline is that of {labels.centre}.",
            "time_zero": f"Risk is counted from today; the baseline was estimated from {cohort.time_zero}.",
        }
    demonstration = " A demonstration, not for decisions." if labels.synthetic else ""
    kind = "Fit" if labels.synthetic else "Local fit"
    validated = "Not validated" if result.options.penalised else "Validated only internally"
    return {
        "limits": f"{kind}: {of}. {validated}, not in other patients.{demonstration}",
        "range": f"The plausible range covers estimation from these {len(cohort)} patients only, not differences "
        "between hospitals, treatments or definitions.",
        "time_zero": f"Risk is counted from today; the model was fitted from {cohort.time_zero}.",
    }


def _description(result: Trained | Updated, labels: Labels, template: Mapping[str, str]) -> dict[str, str]:
    cohort = result.cohort
    death = (
        "Death before a recurrence was treated as the end of observation: the risk is that if nobody died."
    )
    base = dict(result.parent.description) if isinstance(result, Updated) else dict(template)
    imputed = isinstance(result, Trained) and len(result.sets) > 1
    known = "unknown predictors imputed" if imputed else "of whom all predictors were known"
    local = {
        "population": f"{_counted(cohort)}, {known}, of {labels.centre}.",
        "time_zero": f"The moment of the question (as_of). The cohort was followed from {cohort.time_zero}.",
        "outcome": f"First recurrence as the cohort of {labels.centre} defines it. {death}",
    }
    if isinstance(result, Updated):
        local["assumptions"] = "estimated, of no assumed form."
        return base | {name: f"{base[name]} Baseline: {text}" for name, text in local.items()}
    local["intended_use"] = (
        "To show a rheumatologist or neurologist which follow-up the record asks for, and why."
    )
    local["assumptions"] = "Proportional hazards, no interaction, the same effects at all times."
    return base | local


def _provenance(
    result: Trained | Updated, labels: Labels, template: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Where each group of numbers comes from."""
    of = f"{_counted(result.cohort)} of {labels.centre}, {labels.day.isoformat()}"
    baseline = _derived(
        f"Cumulative baseline hazard at covariates 0, {result.options.baseline} estimate; {of}."
    )
    fit = _derived(f"How the model was fitted, by `imnm-cds train`; {of}.")
    if isinstance(result, Updated):
        kept = {name: asdict(source) for name, source in result.parent.provenance.items()}
        parent = f"{result.parent.id} {result.parent.version}"
        covariance = _derived(
            f"Log hazard ratios: as in {parent}. Log baseline hazards: delta method, estimated given those; {of}."
        )
        return kept | {"baseline_cumulative_hazard": baseline, "covariance": covariance, "fit": fit}
    raw = (
        f"Measured values were in the cohort for {', '.join(result.cohort.raw)}. "
        if result.cohort.raw
        else ""
    )
    coded = "What came coded was coded by the centre, by definitions that this file does not know. "
    bedside = f"At the bedside: {template['predictors']['source']}"
    shrunk = f", times {result.shrinkage.factor:.4f} (bootstrap shrinkage)" if result.shrinkage else ""
    sets = len(result.sets)
    pooled = f" Pooled over {sets} imputed sets by Rubin's rules." if sets > 1 else ""
    counts = f"Mean counts of patterns in {sets} imputed sets" if sets > 1 else "Counts of patterns"
    if sets > 1:
        baseline["source"] += f" Mean logarithms of {sets} imputed sets."
    return {
        "log_hazard_ratios": _derived(f"{result.method}{shrunk}; {of}."),
        "baseline_cumulative_hazard": baseline,
        "covariance": _derived(
            "Delta method: log hazard ratios (the shrinkage factor held fixed) in the order of the predictors, then "
            f"log cumulative baseline hazard at 1, 2 and 3 years; {of}.{pooled}"
        ),
        "joint": _derived(
            f"{counts}, smoothed; cells with fewer than 5 patients pooled and shared out as if the predictors "
            f"were independent; {of}."
        ),
        "interval": dict(template["interval"]) | {"source": "5 % and 95 % points, as for the shipped model."},
        "predictors": {"mark": "assumed", "source": f"{raw}{coded}{bedside}"},
        "fit": fit,
    }


def _derived(source: str) -> dict[str, str]:
    return {"mark": "derived", "source": source}
