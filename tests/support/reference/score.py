# ruff: noqa: N802 - the functions bear the ids of the rules
"""The score (rules 4), from the artefact's numbers, in the plainest arithmetic."""

import re
from math import exp, log, sqrt
from statistics import NormalDist

from .tables import load_model

ORDER = ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")
TIE_ORDER = ("high_drr", "high_ana", "cardiac_involvement", "treatment_refractory")
HORIZONS = ("1y", "2y", "3y")
NORMAL = NormalDist()


def rule_S1_risk(model: dict, cell: str, horizon: str) -> float:
    """Risk of one fully known pattern such as `1001`."""
    lp = sum(beta for beta, x in zip(model["log_hazard_ratios"], cell, strict=True) if x == "1")
    return 1 - exp(-model["baseline_cumulative_hazard"][horizon] * exp(lp))


def rule_S2_normal(model: dict, cell: str, horizon: str) -> tuple[float, float]:
    """Mean and standard deviation of u = log(-log S) of one known pattern."""
    lp = sum(beta for beta, x in zip(model["log_hazard_ratios"], cell, strict=True) if x == "1")
    mean = log(model["baseline_cumulative_hazard"][horizon]) + lp
    g = [float(x) for x in cell] + [1.0 if horizon == name else 0.0 for name in HORIZONS]
    covariance = model["covariance"]
    variance = sum(g[i] * covariance[i][j] * g[j] for i in range(7) for j in range(7))
    return mean, sqrt(variance)


def cells_of(pattern: str) -> list[str]:
    """All fully known patterns that a pattern with unknowns (`0?01`) allows."""
    cells = [""]
    for mark in pattern:
        cells = [cell + x for cell in cells for x in ("01" if mark == "?" else mark)]
    return cells


def rule_S4_weights(model: dict, pattern: str) -> dict[str, float]:
    """The joint table, given what is known."""
    total = sum(model["joint"][cell] for cell in cells_of(pattern))
    return {cell: model["joint"][cell] / total for cell in cells_of(pattern)}


def rule_S3_estimate(model: dict, pattern: str, horizon: str) -> float:
    weights = rule_S4_weights(model, pattern)
    return sum(weight * rule_S1_risk(model, cell, horizon) for cell, weight in weights.items())


def rule_S3_quantile(model: dict, pattern: str, horizon: str, p: float) -> float:
    """A point of the mixture of the patterns' normal distributions, by bisection, as a risk."""
    weights = rule_S4_weights(model, pattern)
    parts = [(weight, *rule_S2_normal(model, cell, horizon)) for cell, weight in weights.items()]
    low = min(mean - 10 * sd for _, mean, sd in parts)
    high = max(mean + 10 * sd for _, mean, sd in parts)
    for _ in range(80):
        middle = (low + high) / 2
        if sum(weight * NORMAL.cdf((middle - mean) / sd) for weight, mean, sd in parts) < p:
            low = middle
        else:
            high = middle
    return 1 - exp(-exp((low + high) / 2))


def rule_S3_ends(model: dict, pattern: str, horizon: str = "2y") -> tuple[float, float]:
    risks = [rule_S1_risk(model, cell, horizon) for cell in cells_of(pattern)]
    return min(risks), max(risks)


def rule_S6_band_of(policy: dict, risk: float) -> str:
    if risk < policy["bands"]["low_below"]["value"]:
        return "low"
    return "high" if risk >= policy["bands"]["high_from"]["value"] else "intermediate"


def pattern_of(features: dict) -> str:
    marks = {"present": "1", "absent": "0"}
    return "".join(marks.get(features[name]["state"], "?") for name in ORDER)


def set_mark(pattern: str, position: int, mark: str) -> str:
    return pattern[:position] + mark + pattern[position + 1 :]


def rule_S8_competes(name: str, reason: str) -> bool:
    """A predictor whose source failed never competes; most only for some reasons (`…` and DATE: any text)."""
    if reason == "not read":
        return False
    allowed = load_model()[1]["next_best_test"][name].get("reasons")
    if allowed is None:
        return True
    shapes = [re.escape(text).replace("…", ".*").replace("DATE", ".*") for text in allowed]
    return any(re.fullmatch(shape, reason or "") for shape in shapes)


def rule_S8_next_test(model: dict, features: dict) -> str | None:
    """The unknown predictor whose knowledge would narrow the 2-year range most."""
    pattern = pattern_of(features)
    best = None
    for name in TIE_ORDER:
        position = ORDER.index(name)
        if pattern[position] != "?" or not rule_S8_competes(name, features[name].get("reason", "")):
            continue
        weights = rule_S4_weights(model, pattern)
        width = 0.0
        for mark in "01":
            share = sum(weight for cell, weight in weights.items() if cell[position] == mark)
            low, high = rule_S3_ends(model, set_mark(pattern, position, mark))
            width += share * (high - low)
        if best is None or round(width, 9) < best[0]:
            best = (round(width, 9), name)
    return best[1] if best else None


def rule_S5_needs(policy: dict, features: dict) -> list[str]:
    """What would help: the orders of the predictors that compete in S8."""
    unknown = [name for name in ORDER if features[name]["state"] not in ("present", "absent")]
    competing = [name for name in unknown if rule_S8_competes(name, features[name].get("reason", ""))]
    return [policy["next_best_test"][name]["name"] for name in competing]


def rule_S_score(features: dict, *, incomplete: bool, model: dict | None = None) -> dict:
    """Outcome, risk, band, contributions and next best test of an eligible patient."""
    shipped, policy = load_model()
    model = model or shipped
    pattern = pattern_of(features)
    scored: dict = {}
    unknown = "?" in pattern
    test = rule_S8_next_test(model, features) if unknown and not incomplete else None
    if test:
        scored["next_best_test"] = test
    known = len(pattern) - pattern.count("?")
    if incomplete or known < policy["score"]["known_at_least"]["value"]:
        code = "record-incomplete" if incomplete else "too-few-predictors"
        abstention = {"code": code}
        if not incomplete:
            abstention["needs"] = rule_S5_needs(policy, features)
        return {**scored, "outcome": "abstained", "abstention": abstention}
    scored["outcome"] = "scored"
    scored["risk"] = {
        horizon: {
            "estimate": rule_S3_estimate(model, pattern, horizon),
            "low": rule_S3_quantile(model, pattern, horizon, 0.05),
            "high": rule_S3_quantile(model, pattern, horizon, 0.95),
        }
        for horizon in HORIZONS
    }
    lowest, highest = rule_S3_ends(model, pattern)
    if unknown:
        scored["range_over_unknowns"] = {"2y": {"lowest": lowest, "highest": highest}}
    ends = {rule_S6_band_of(policy, lowest), rule_S6_band_of(policy, highest)}
    scored["band"] = ends.pop() if len(ends) == 1 else "uncertain"
    scored["column"] = rule_S6_band_of(policy, scored["risk"]["2y"]["estimate"])
    scored["contributions"] = {
        name: {
            "hazard_ratio": exp(model["log_hazard_ratios"][position]),
            "risk_2y_without": rule_S3_estimate(model, set_mark(pattern, position, "0"), "2y"),
        }
        for position, name in enumerate(ORDER)
        if pattern[position] == "1"
    }
    return scored
