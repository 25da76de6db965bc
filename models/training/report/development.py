"""How the model was fitted, as `train` recorded it: predictors alone, shrinkage, proportional hazards, sample size."""

from collections.abc import Mapping
from typing import Any

from models.training.report import markup as m


def development(content: Mapping[str, Any]) -> str:
    """The section; nothing where there is no record."""
    record = content["fit"]
    if not record:
        return ""
    labels = {row["name"]: row["label"] for row in content["model"]["predictors"]}
    return m.section(
        "development",
        "How the model was fitted",
        _summary(record),
        _univariable(record, labels),
        _proportionality(record, list(labels.values())),
        _libraries(record),
    )


def _summary(record: Mapping[str, Any]) -> str:
    same = f"{m.number(record['patients'])} patients with {m.number(record['recurrences'])} recurrences of {m.words(record['centre'])}"
    lines = [
        f"{m.words(record['kind'][0].upper() + record['kind'][1:])} to {same}; time zero: {m.words(record['time_zero'])}."
    ]
    if record.get("method"):
        lines.append(f"Method: {m.words(record['method'])}; ties: {m.words(record['ties'])}.")
    if record.get("shrinkage"):
        found = record["shrinkage"]
        lines.append(
            f"Log hazard ratios were multiplied by {m.number(found['factor'], 3)}, the mean calibration slope in "
            f"{m.number(found['resamples'])} resamples, and the baseline was estimated under them."
        )
    if record.get("sample_size"):
        size = record["sample_size"]
        lines.append(
            f"Sample size by Riley’s criteria at what was found: {m.number(size['n'])} patients; there were "
            f"{m.number(record['patients'])}."
        )
    if "observed_over_expected" in record:
        lines.append(f"Observed over expected before: {m.number(record['observed_over_expected'])}.")
    return m.listed(lines)


def _univariable(record: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    rows = []
    for row in record.get("univariable", ()):
        ratio = {
            "value": row["hazard_ratio"],
            "low": row["low"],
            "high": row["high"],
            "reason": row["reason"],
        }
        name = m.words(labels.get(row["name"], row["name"]))
        rows.append(
            [name, m.number(row["n"]), m.number(row["events"]), m.measure(ratio), m.p_value(row["p"])]
        )
    heads = ["Predictor", "Patients", "Recurrences", "Hazard ratio (95 % limits)", "p (Wald)"]
    return m.table("Each predictor alone", heads, rows) if rows else ""


def _proportionality(record: Mapping[str, Any], names: list[str]) -> str:
    test = record.get("proportionality")
    if not test:
        return ""
    rows = [
        [m.words(name), m.number(chi, 2), m.p_value(p)]
        for name, chi, p in zip(names, test["chi_square"], test["p"], strict=True)
    ]
    rows.append(["All together", m.number(test["chi_square_global"], 2), m.p_value(test["p_global"])])
    return m.table("Proportional hazards: score test (time by Kaplan-Meier)", ["Predictor", "χ²", "p"], rows)


def _libraries(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
    return f'<p class="note">Fitted with {m.words(versions)}.</p>'
