"""95 % limits: the level and its standard errors, said once."""

from math import exp, inf

from scipy.stats import norm, t

LEVEL = 0.95
Z = float(norm.ppf((1 + LEVEL) / 2))
"""So many standard errors lie between an estimate and its limits: 1.96."""


def hazard_ratio(log_ratio: float, se: float, degrees: float = inf) -> tuple[float, float, float]:
    """The hazard ratio with its lower and upper limit on the log scale: Wald's, or by t where `degrees` are finite."""
    reach = Z * se if degrees == inf else float(t.ppf((1 + LEVEL) / 2, degrees)) * se
    return exp(log_ratio), exp(log_ratio - reach), exp(log_ratio + reach)


def with_limits(value: float, low: float, high: float) -> str:
    """The number with its limits, for people: "2.10 (1.20 to 3.68)"."""
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
