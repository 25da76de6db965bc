"""Comparing groups: tests named and chosen by a stated rule, standardised differences, Holm's adjustment.

Numbers: Wilcoxon's rank sum test for two groups (exact below 50 a group without ties, else normal with continuity
correction, as in R), Kruskal-Wallis for more. Counts: Pearson's chi-square without continuity correction, or Fisher's
exact test (Freeman and Halton's for more than two rows) where an expected count is below 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2_contingency, kruskal, mannwhitneyu

from models.training.statistics.arrays import Counts, Floats

SMALLEST_EXPECTED = 5.0
_EXACT_BELOW = 50  # R's wilcox.test
_AS_LIKELY = 1 + 1e-7  # tables this much more likely than the observed one count as equally likely, as in R
_A_PAIR = 2
_MOST_TABLES = 1_000_000  # of an exact test: some hundred MB


@dataclass(frozen=True, slots=True)
class Tested:
    """A test by name with its p-value, or the `reason` why there is none."""

    name: str = ""
    p: float | None = None
    reason: str = ""


def compare_numbers(groups: Sequence[Floats]) -> Tested:
    """Test whether the known values of the groups (n_g,) come from one distribution."""
    if reason := _not_comparable(groups):
        return Tested(reason=reason)
    values = np.concatenate(groups)
    if len(np.unique(values)) == 1:
        return Tested(reason="all values are the same")
    if len(groups) > _A_PAIR:
        return Tested("Kruskal-Wallis", float(kruskal(*groups).pvalue))
    tied = len(np.unique(values)) < len(values)
    exact = not tied and max(map(len, groups)) < _EXACT_BELOW
    test = mannwhitneyu(*groups, method="exact" if exact else "asymptotic")
    return Tested("Wilcoxon rank sum", float(test.pvalue))


def compare_counts(table: Counts) -> Tested:
    """Test whether levels (rows) are spread alike over groups (columns): (k, g) counts of known values."""
    if reason := _not_comparable([np.repeat(1.0, count) for count in table.sum(axis=0)]):
        return Tested(reason=reason)
    table = table[table.sum(axis=1) > 0]
    if len(table) < _A_PAIR:
        return Tested(reason="all values are the same")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if expected.min() >= SMALLEST_EXPECTED:
        return Tested("chi-square", float(chi2_contingency(table, correction=False).pvalue))
    if _A_PAIR not in table.shape:
        return Tested(reason="expected counts below 5, and no exact test for a table of this shape")
    table = table if table.shape[1] == _A_PAIR else table.T
    # So many tables an exact test looks through at most
    drawn, sizes = table.sum(axis=0).min(), np.sort(table.sum(axis=1))
    if float(np.prod(np.minimum(sizes[:-1], drawn) + 1.0)) > _MOST_TABLES:
        return Tested(reason="expected counts below 5, and too many groups for an exact test")
    return Tested("Fisher's exact", fisher_exact(table))


def _not_comparable(groups: Sequence[Floats]) -> str:
    if len(groups) < _A_PAIR:
        return "there is one group only"
    return "" if all(map(len, groups)) else "no known value in a group"


def fisher_exact(table: Counts) -> float:
    """The two-sided p-value of a (k, 2) table: all tables with its margins that are no more likely than it.

    The number of tables is that of the smaller rows' choices; where an expected count is small, so is it.
    """
    rarer = np.argsort(table.sum(axis=0), kind="stable")[0]
    order = np.argsort(table.sum(axis=1), kind="stable")
    sizes, observed = table.sum(axis=1)[order], table[order, rarer]
    drawn = observed.sum()
    grids = np.meshgrid(*(np.arange(min(size, drawn) + 1) for size in sizes[:-1]), indexing="ij")
    rest = drawn - np.sum(grids, axis=0)
    possible = (rest >= 0) & (rest <= sizes[-1])
    cells = np.stack([*(grid[possible] for grid in grids), rest[possible]])
    likely = _log_choose(sizes[:, None], cells).sum(axis=0)
    of_observed = _log_choose(sizes, observed).sum()
    weights = np.exp(likely - likely.max())
    return float(min(1.0, weights[likely <= of_observed + np.log(_AS_LIKELY)].sum() / weights.sum()))


def _log_choose(n: Counts, k: Counts) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def difference_of_numbers(a: Floats, b: Floats) -> float | None:
    """The difference of the means over the root of the mean variance; None: not defined."""
    if min(len(a), len(b)) < _A_PAIR:
        return None
    return _standardised(float(a.mean() - b.mean()), float((a.var(ddof=1) + b.var(ddof=1)) / 2))


def difference_of_counts(a: Counts, b: Counts) -> float | None:
    """The standardised difference of two distributions over k levels, by counts (k,); None: not defined.

    Two levels: (p1 - p2) over the root of the mean variance. More: the Mahalanobis distance of Yang and Dalton (2012),
    which has no sign.
    """
    if not (a.sum() and b.sum()):
        return None
    p, q = a / a.sum(), b / b.sum()
    if len(a) == _A_PAIR:
        return _standardised(float(p[1] - q[1]), float((p[1] * p[0] + q[1] * q[0]) / 2))
    there = (a + b) > 0  # a level that nobody has is no level
    p, q = p[there][1:], q[there][1:]
    if not len(p):
        return 0.0
    spread = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    if np.linalg.matrix_rank(spread) < len(p):
        return None
    return sqrt((p - q) @ np.linalg.solve(spread, p - q))


def _standardised(difference: float, variance: float) -> float | None:
    if variance > 0:
        return difference / sqrt(variance)
    return 0.0 if difference == 0 else None


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of the p-values of one family, in the given order."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return tuple(adjusted)
