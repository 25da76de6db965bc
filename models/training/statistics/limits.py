"""95 % limits: the level and its standard errors, said once."""

from math import exp, inf

from scipy.stats import chi2, norm, t

LEVEL = 0.95
Z = float(norm.ppf((1 + LEVEL) / 2))
"""So many standard errors lie between an estimate and its limits: 1.96."""


def hazard_ratio(log_ratio: float, se: float, degrees: float = inf) -> tuple[float, float, float]:
    """The hazard ratio with its lower and upper limit on the log scale: Wald's, or by t where `degrees` are finite."""
    reach = Z * se if degrees == inf else float(t.ppf((1 + LEVEL) / 2, degrees)) * se
    return exp(log_ratio), exp(log_ratio - reach), exp(log_ratio + reach)


def poisson_limits(count: int) -> tuple[float, float]:
    """The exact limits of an expected number of which `count` were seen (Garwood 1936)."""
    tail = (1 - LEVEL) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.isf(tail, 2 * count + 2)) / 2


def with_limits(value: float, low: float, high: float) -> str:
    """The number with its limits, for people: "2.10 (1.20 to 3.68)"."""
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
