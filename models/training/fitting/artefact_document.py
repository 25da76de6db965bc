"""The document of a served model, `model.json`, from a fit: numbers, texts of the card, provenance.

The schema is the registry's. The field `fit` is beyond what is served: readers ignore it, but it is under the checksum
and has its provenance.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from models.artefact import Model
from models.registry import SCHEMA, SCHEMA_WITH_TIME_ZERO, checksum, default_folder
from models.training.cohort.cohort import Cohort
from models.training.fitting.fit_record import Labels, fit_record, require_text
from models.training.fitting.landmarks import FittedLandmark, fitted_landmarks
from models.training.fitting.served import HORIZONS, YEARS, AtHorizons, joint_table
from models.training.fitting.train import Trained
from models.training.fitting.updating.update import Updated


def document_of(made: Trained | Updated, labels: Labels) -> dict[str, Any]:
    """The whole of `model.json`, with its checksum. A refit is a fit, and says which model it takes the place of."""
    result = made.refit or made if isinstance(made, Updated) else made
    require_text("time zero", result.cohort.time_zero)
    template = json.loads((default_folder() / "model.json").read_text(encoding="utf-8"))
    if isinstance(result, Updated):  # its joint table stays
        parent, bases = result.parent, [result.base] if result.is_local else []
        coef, served, joint = result.coef, result.served, result.parent.joint
    else:
        parent, bases = None, [*result.bases]
        coef, served, joint = result.base.coef, result.at(YEARS), joint_table(result.sets)
    later: Sequence[FittedLandmark] = ()
    # S11: landmarks where time zero can be read from a record, and there is a baseline
    if result.cohort.anchored and bases:
        later = fitted_landmarks(bases, result.cohort.time, result.cohort.event)
    timed = _time_zero(result, later)
    document = {
        "schema": SCHEMA_WITH_TIME_ZERO if timed else SCHEMA,
        "id": f"{parent.id.removesuffix('-updated')}-updated" if parent else "imnm-recurrence-local",
        "version": f"{labels.day.year}.{labels.day.month}.{labels.day.day}",
        "rules": parent.rules if parent else template["rules"],
        "evidence": parent.evidence if parent and not labels.synthetic else labels.evidence,
        "card": _card(result, labels, made.parent if isinstance(made, Updated) else None),
        "description": _description(result, labels, template["description"]),
        "predictors": [asdict(spec) for spec in parent.predictors] if parent else template["predictors"],
        "log_hazard_ratios": coef.tolist(),
        **_baseline(served),
        "joint": dict(joint),
        **timed,
        "interval": list(parent.interval) if parent else template["interval"],
        "fit": fit_record(made, labels, later),
        "provenance": _provenance(result, labels, template["provenance"], timed),
    }
    return document | {"sha256": checksum(document)}


def _baseline(served: AtHorizons) -> dict[str, Any]:
    return {
        "baseline_cumulative_hazard": dict(zip(HORIZONS, served.hazard.tolist(), strict=True)),
        "covariance": served.covariance.tolist(),
    }


def _time_zero(result: Trained | Updated, later: Sequence[FittedLandmark]) -> dict[str, Any]:
    """Where time zero lies and the later baselines; those of the parent where that is served unchanged."""
    if isinstance(result, Updated) and result.step == "nothing":
        zero = result.parent.time_zero
        kept = [
            {
                "days": landmark.days,
                "baseline_cumulative_hazard": dict(landmark.baseline_hazard),
                "covariance": [list(row) for row in landmark.covariance],
            }
            for landmark in result.parent.landmarks
        ]
        return {"time_zero": asdict(zero), "landmarks": kept} if zero else {}
    anchored = result.cohort.anchored
    if not later or anchored is None:
        return {}
    given = [{"days": landmark.days, **_baseline(landmark.served)} for landmark in later if landmark.served]
    return {"time_zero": asdict(anchored), "landmarks": given}


def _counted(cohort: Cohort) -> str:
    return f"{len(cohort)} patients with {int(cohort.event.sum())} recurrences"


def _card(result: Trained | Updated, labels: Labels, parent: Model | None) -> dict[str, str]:
    """The lines that every card carries; of a refit also which model did not fit."""
    cohort, synthetic = result.cohort, "synthetic " if labels.synthetic else ""
    patients = f"{len(cohort)} {synthetic}patients with {int(cohort.event.sum())} recurrences"
    of = f"{patients}, {labels.centre}, {labels.day.isoformat()}"
    if isinstance(result, Updated):
        return _card_of_update(result, of, labels.centre)
    demonstration = " A demonstration, not for decisions." if labels.synthetic else ""
    kind = "Fit" if labels.synthetic else "Local fit"
    rejected = f" Refitted, for {parent.id} {parent.version} did not fit here." if parent else ""
    return {
        "limits": f"{kind}: {of}. Not validated in other patients.{rejected}{demonstration}",
        "range": f"The plausible range (5 % and 95 % points) covers estimation from these {len(cohort)} patients only, "
        "not differences between hospitals, treatments or definitions.",
        "time_zero": f"Risk is counted from today; the model was fitted from {cohort.time_zero}.",
    }


def _card_of_update(result: Updated, of: str, centre: str) -> dict[str, str]:
    """The lines of an updated model: which step was taken, on whom, and the parent's own limits."""
    parent, slope = result.parent, result.recalibration.slope
    from_parent = f"hazard ratios from {parent.id} {parent.version} ({parent.evidence})"
    taken = {
        "nothing": f"No update needed in {of}: {parent.id} {parent.version} ({parent.evidence}) as it is",
        "in the large": f"Baseline risk estimated on {of}; {from_parent}",
        "intercept and slope": f"Baseline risk and slope ({slope or 1:.2f}) estimated on {of}; {from_parent}",
    }
    if result.is_scaled:
        taken["in the large"] = (
            f"Baseline risk times {result.recalibration.ratio:.2f}, estimated on {of}; {from_parent}"
        )
    limits = f"{taken[result.step]}. {parent.limits}"
    if result.step == "nothing":
        return {"limits": limits, "range": parent.range_note, "time_zero": parent.time_zero_note}
    return {
        "limits": limits,
        "range": f"{parent.range_note} The baseline is that of {centre}.",
        "time_zero": f"Risk is counted from today; the baseline was estimated from {result.cohort.time_zero}.",
    }


def _description(result: Trained | Updated, labels: Labels, template: Mapping[str, str]) -> dict[str, str]:
    cohort = result.cohort
    base = dict(result.parent.description) if isinstance(result, Updated) else dict(template)
    if isinstance(result, Updated) and result.step == "nothing":
        return base
    death = (
        "Death before a recurrence was treated as the end of observation: the risk is that if nobody died."
    )
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
    result: Trained | Updated,
    labels: Labels,
    template: Mapping[str, Mapping[str, str]],
    timed: Mapping[str, Any],
) -> dict[str, dict[str, str]]:
    """Where each group of numbers comes from."""
    of = f"{_counted(result.cohort)} of {labels.centre}, {labels.day.isoformat()}"
    baseline = _derived(
        f"Cumulative baseline hazard at covariates 0, {result.options.baseline} estimate; {of}."
    )
    fit = {"fit": _derived(f"How the model was fitted, by `imnm-cds train`; {of}.")}
    if isinstance(result, Updated):
        return _provenance_of_update(result, of, baseline) | fit | _provenance_of_time(result, of, timed)
    measured = ", ".join(result.cohort.raw)
    raw = f"Measured values were in the cohort for {measured}. " if measured else ""
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
            "Delta method: log hazard ratios (as of the fit before any shrinkage) in the order of the predictors, then "
            f"log cumulative baseline hazard at 1, 2 and 3 years; {of}.{pooled}"
        ),
        "joint": _derived(
            f"{counts}, smoothed; cells with fewer than 5 patients pooled and shared out as if the predictors "
            f"were independent; {of}."
        ),
        "interval": dict(template["interval"]) | {"source": "5 % and 95 % points, as for the shipped model."},
        "predictors": {"mark": "assumed", "source": f"{raw}{coded}{bedside}"},
        **fit,
        **_provenance_of_time(result, of, timed),
    }


def _provenance_of_update(result: Updated, of: str, baseline: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The parent's sources, and those of what was changed."""
    kept = {name: asdict(source) for name, source in result.parent.provenance.items()}
    kept = {name: source for name, source in kept.items() if name not in {"time_zero", "landmarks"}}
    if result.step == "nothing":
        return kept
    parent = f"{result.parent.id} {result.parent.version}"
    changed = {
        "baseline_cumulative_hazard": dict(baseline),
        "covariance": _derived(
            f"Log hazard ratios: as in {parent}. Log baseline hazards: delta method, estimated given those; {of}."
        ),
    }
    if result.is_scaled:
        changed["baseline_cumulative_hazard"] = _derived(
            f"That of {parent} times observed over expected recurrences; {of}."
        )
    if result.step == "intercept and slope":
        ratios = f"Log hazard ratios of {parent} times the calibration slope"
        changed["log_hazard_ratios"] = _derived(f"{ratios}; {of}.")
        changed["covariance"] = _derived(
            f"{ratios}: delta method, from their covariance there and the slope's error. Log baseline hazards: delta "
            f"method; {of}."
        )
    return kept | changed


def _provenance_of_time(
    result: Trained | Updated, of: str, timed: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Of time zero and of the later baselines, where the document has them."""
    if not timed:
        return {}
    if isinstance(result, Updated) and result.step == "nothing":
        return {name: asdict(result.parent.provenance[name]) for name in ("time_zero", "landmarks")}
    return {
        "time_zero": _derived(
            f"Where the cohort's time zero lies in a record, as whoever made it says; {of}."
        ),
        "landmarks": _derived(
            "Cumulative baseline hazard from each landmark on, H(L + t) - H(L) of the same fit, with the delta method's "
            f"covariance; {of}."
        ),
    }


def _derived(source: str) -> dict[str, str]:
    return {"mark": "derived", "source": source}
