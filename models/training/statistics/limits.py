"""95 % limits: the level and its standard errors, said once."""

from math import exp

from scipy.stats import norm

LEVEL = 0.95
Z = float(norm.ppf((1 + LEVEL) / 2))
"""So many standard errors lie between an estimate and its limits: 1.96."""


def hazard_ratio(log_ratio: float, se: float) -> tuple[float, float, float]:
    """The hazard ratio with its lower and upper limit (Wald's, on the log scale)."""
    return exp(log_ratio), exp(log_ratio - Z * se), exp(log_ratio + Z * se)


def with_limits(value: float, low: float, high: float) -> str:
    """The number with its limits, for people: "2.10 (1.20 to 3.68)"."""
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
