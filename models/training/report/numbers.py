"""The report as one JSON document: every number that the page shows is taken from here."""

from collections.abc import Mapping
from math import exp
from typing import Any

from models.artefact import Model
from models.training.cohort.describe import TableOne
from models.training.report.checklist import checklists
from models.training.report.describe_text import tables
from models.training.report.figures.nomogram import nomogram
from models.training.validation.internal import STABILITY_QUANTILES
from models.training.validation.validation import LEVEL, HazardRatio, Measure, Validation, as_json

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
}
_SAME = {
    "": "Whether it holds elsewhere: this is one cohort.",
    "fit": (
        "How it does at another hospital: the cohort is the one that the model was fitted to. Only the values that "
        "are called corrected allow for that, and they do not stand for another hospital."
    ),
    "baseline update": (
        "Whether its risks are right on average: its baseline hazard comes from this very cohort, so observed over "
        "expected is near one by construction."
    ),
}


def _kind(found: Validation) -> str:
    without = found.same_cohort == "fit" and found.internal is None
    return "Development, without internal validation," if without else _KINDS[found.same_cohort]


def document(
    found: Validation,
    model: Model,
    described: TableOne | None = None,
    date: str = "",
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything the page shows. `described` are the cohort's characteristics, `record` how the model was fitted."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "title": f"{_kind(found)} of {model.id}",
        "date": date,
        "level": LEVEL,
        "evidence": EVIDENCE[model.evidence],
        "model": _model(model),
        "validation": as_json(found),
        "hazard_ratios": [_hazard_ratio(row) for row in found.hazard_ratios],
        "stability_quantiles": list(STABILITY_QUANTILES),
        "table_one": as_json(described) if described else {},
        "tables": [dict(table) for table in tables(described)] if described else [],
        "fit": dict(record or {}),
        "cannot_tell": cannot_tell(found, model),
    }
    content["nomogram"] = nomogram(content["model"])
    content["checklists"] = checklists(content)
    return content


def _model(model: Model) -> dict[str, Any]:
    ratios = zip(model.predictors, model.log_hazard_ratios, strict=True)
    return {
        "id": model.id,
        "version": model.version,
        "sha256": model.sha256,
        "evidence": model.evidence,
        "limits": model.limits,
        "range_note": model.range_note,
        "description": dict(model.description),
        "predictors": [
            {
                "name": spec.name,
                "label": spec.label,
                "threshold": spec.threshold,
                "log_hazard_ratio": float(b),
            }
            for spec, b in ratios
        ],
        "horizons": [
            {
                "horizon": name,
                "years": float(name.removesuffix("y")),
                "baseline_cumulative_hazard": float(hazard),
                "baseline_risk": 1 - exp(-hazard),
            }
            for name, hazard in model.baseline_hazard.items()
        ],
        "policy": {
            "known_at_least": model.policy.known_at_least,
            "low_below": model.policy.low_below,
            "high_from": model.policy.high_from,
        },
        "provenance": {name: {"mark": p.mark, "source": p.source} for name, p in model.provenance.items()},
    }


def _hazard_ratio(row: HazardRatio) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": row.label,
        "served": _exponential(row.served),
        "refitted": _exponential(row.refitted),
    }


def _exponential(log_ratio: Measure) -> dict[str, Any]:
    def of(value: float | None) -> float | None:
        return None if value is None else exp(value)

    return {
        "value": of(log_ratio.value),
        "low": of(log_ratio.low),
        "high": of(log_ratio.high),
        "reason": log_ratio.reason,
    }


def cannot_tell(found: Validation, model: Model) -> list[str]:
    """What a reader must not conclude from this report: sentences."""
    sentences = [
        _SAME[found.same_cohort],
        "Whether using the model helps patients: that takes a trial.",
        "Whether a predictor causes recurrence: hazard ratios here describe, they do not explain.",
        (
            f"What happens before time zero ({found.time_zero}): risks count from there, and what is known only later "
            "must not be used then."
        ),
    ]
    if found.events < _MANY_EVENTS:
        sentences.append(
            f"Small differences: {found.events} recurrences are few (a calibration curve needs 100, better 200)."
        )
    if found.deaths:
        sentences.append(
            f"The risk with death as a competing event: {found.deaths} died and count as censored unless it says "
            "competing."
        )
    if model.evidence != "local-fit":
        sentences.append(f"More than the model's own limits allow: {model.limits}")
    return sentences
