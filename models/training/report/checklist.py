"""The checklists TRIPOD+AI and HTI-1, filled from the report's own facts; the rest is left to the author."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.training.report.words import written

AUTHOR = "To be filled by the author."
_FILE = Path(__file__).with_name("checklist.toml")
_DECISION = "2y"
_MAY_BE_EMPTY = {"c_corrected", "internal_numbers", "sample_size", "shrinkage", "fitting"}


def checklists(document: Mapping[str, Any]) -> dict[str, Any]:
    """Both lists by name, each with its source and items (id, section, topic, answer, whether it was filled)."""
    facts = _facts(document)
    lists = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: {"source": one["source"], "items": [_item(row, facts) for row in one["items"]]}
        for name, one in lists.items()
    }


def _item(row: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = row["fill"].format_map(facts)
    except KeyError:
        answer = AUTHOR
    filled = answer != AUTHOR
    return {
        "id": row["id"],
        "section": row["section"],
        "topic": row["topic"],
        "answer": answer,
        "filled": filled,
    }


def _facts(document: Mapping[str, Any]) -> dict[str, str]:
    """Texts by name; a fact that the data do not give is not there."""
    found = {**_of_model(document["model"]), **_of_cohort(document["validation"], document["model"])}
    found |= _of_fit(document["fit"])
    found |= _of_performance(document["validation"], document["cannot_tell"])
    return {name: text for name, text in found.items() if text or name in _MAY_BE_EMPTY}


def _of_model(model: Mapping[str, Any]) -> dict[str, str]:
    text = model["description"]
    predictors = [f"{row['label']}: {row['threshold']}" for row in model["predictors"]]
    return {
        "title": text.get("title", model["id"]),
        "population": text.get("population", ""),
        "intended_use": text.get("intended_use", ""),
        "not_intended_use": text.get("not_intended_use", ""),
        "users": text.get("users", "Rheumatologists and neurologists"),
        "outcome": text.get("outcome", ""),
        "model_kind": text.get("kind", ""),
        "training_flow": text.get("training", "") or text.get("population", ""),
        "limits": model["limits"],
        "predictors": "; ".join(predictors),
        "predictor_labels": ", ".join(_within(row["label"]) for row in model["predictors"]),
        "parameters": str(len(predictors)),
        "horizons": _listed([f"{row['years']:g}" for row in model["horizons"]]) + " years",
        "known_at_least": str(model["policy"]["known_at_least"]),
        "low_below": written(model["policy"]["low_below"], 0, percent=True),
        "high_from": written(model["policy"]["high_from"], 0, percent=True),
        "model_id": model["id"],
        "model_version": model["version"],
        "model_sha256": model["sha256"],
        "specification": "log hazard ratios and cumulative baseline hazard at each horizon",
    }


def _of_cohort(found: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, str]:
    same = bool(found["same_cohort"])
    p = len(model["predictors"])
    out = [f"{s['taken_out']} ({s['reason']})" for s in found["flow"] if s["taken_out"]]
    follow_up = found["follow_up"]["value"]
    internal = found["internal"]
    return {
        "kind": f"Development with{'' if internal else 'out'} internal validation"
        if same
        else "Evaluation in a cohort other than the source",
        "cohort": found["cohort"],
        "cohort_sha256": found["cohort_sha256"],
        "time_zero": found["time_zero"],
        "n": str(found["n"]),
        "screened": str(found["screened"]),
        "events": str(found["events"]),
        "deaths": str(found["deaths"]),
        "censored": str(found["censored"]),
        "follow_up": "not estimable" if follow_up is None else f"{written(follow_up, 1)} years",
        "flow": "; ".join(out) or "nobody",
        "missing": "; ".join(f"{row['label']} {row['unknown']}" for row in found["missing"]),
        "events_per_parameter": written(found["events"] / p, 1),
        "use_of_data": "One cohort for development and, by bootstrap, for internal validation."
        if same
        else "The whole cohort for evaluation.",
        "internal_method": _internal_method(internal, found["not_internal"]),
        "internal_numbers": f" Refits: {internal['n']} patients, {internal['events']} recurrences."
        if internal
        else "",
        "differences": "Does not apply: one cohort." if same else "",
        "external_cohort": "None yet" if same else f"{found['cohort']}, {found['n']} patients",
        "external_process": "None yet" if same else "This report",
        "next_step": "External validation; before local use, recalibration of the baseline."
        if same
        else "Before local use, recalibration of the baseline where observed and expected differ.",
    }


def _of_fit(record: Mapping[str, Any]) -> dict[str, str]:
    """What `train` recorded of the fit, if anything."""
    size, shrinkage = record.get("sample_size"), record.get("shrinkage")
    return {
        "sample_size": f" Riley's criteria at what was found ask for {size['n']} patients." if size else "",
        "shrinkage": f" Log hazard ratios shrunk by {written(shrinkage['factor'], 3)}." if shrinkage else "",
        "fitting": f" Fitted by {record['method']}." if record.get("method") else "",
    }


def _internal_method(internal: Mapping[str, Any] | None, why_not: str) -> str:
    if not internal:
        return f"No internal validation: {why_not}"
    return (
        f"Internal validation: {internal['resamples']} bootstrap resamples, the predictors refitted in each by maximum "
        f"likelihood; curves from {internal['curve_resamples']}"
    )


def _of_performance(found: Mapping[str, Any], cannot_tell: Sequence[str]) -> dict[str, str]:
    internal = found["internal"]
    at = next(row for row in found["horizons"] if row["horizon"] == _DECISION)
    corrected = ""
    if internal:
        of = f" in {internal['n']} complete patients" if internal["n"] < found["n"] else ""
        corrected = f", {written(internal['concordance']['corrected'])} corrected for optimism{of}"
    c, oe = _said(found["harrell"]), _said(at["observed_over_expected"])
    aucs = "; ".join(f"{row['years']:g} y {_said(row['auc'])}" for row in found["horizons"])
    summary = f"C {c}{corrected}; AUC {aucs}"
    parts = [f"{s['label']} n {s['n']}, C {_said(s['concordance'])}" for s in found["subgroups"]]
    same = found["same_cohort"]
    return {
        "c": c,
        "c_corrected": corrected,
        "aucs": aucs,
        "oe": oe,
        "slope": _said(found["slope"]),
        "subgroups": "; ".join(parts),
        "cannot_tell": " ".join(cannot_tell),
        "same_source": summary if same else "",
        "external_performance": "Not available" if same else summary,
    }


def _said(measure: Mapping[str, Any]) -> str:
    if measure["value"] is None:
        return f"not estimable ({measure['reason']})"
    if measure["low"] is None or measure["high"] is None:
        return written(measure["value"])
    return f"{written(measure['value'])} ({written(measure['low'])} to {written(measure['high'])})"


def _within(label: str) -> str:
    """A label within a sentence."""
    return label[:1].lower() + label[1:]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
