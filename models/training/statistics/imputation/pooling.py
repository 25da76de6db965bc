"""Rubin's rules: the results of one analysis in several completed sets become one result.

The estimate is the mean; its covariance T = W + (1 + 1/m) B, W being the mean covariance and B the covariance between the
sets (Rubin 1987). Degrees of freedom by Barnard and Rubin (1999), all as R's `mice::pool` has them.
"""

from dataclasses import dataclass

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats

FEWEST = 2  # sets: of one there is no variation between sets
_LEAST_SHARE = 1e-4  # of variance between the sets, in degrees of freedom: as in mice


@dataclass(frozen=True, slots=True)
class Pooled:
    """Of q estimates: mean (q,), total covariance (q, q), degrees of freedom (q,), fraction of missing information (q,)."""

    estimate: Floats
    covariance: Floats
    degrees: Floats
    missing_information: Floats


def pool(estimates: Floats, covariances: Floats, complete_degrees: float = np.inf) -> Pooled:
    """Pool estimates (m, q) and their covariances (m, q, q).

    `complete_degrees` are those that the analysis would have if nothing were missing: for a Cox model its events less its
    coefficients. Raises TrainingError for fewer than FEWEST sets.
    """
    m = len(estimates)
    if m < FEWEST:
        raise TrainingError(f"results of at least {FEWEST} completed sets can be pooled, here are {m}")
    within = covariances.mean(axis=0)
    between = (1 + 1 / m) * np.atleast_2d(np.cov(estimates, rowvar=False))
    covariance = within + between
    share = between.diagonal() / covariance.diagonal()
    degrees = (m - 1) / np.maximum(share, _LEAST_SHARE) ** 2
    if np.isfinite(complete_degrees):
        ratio = (complete_degrees + 1) / (complete_degrees + 3)
        observed = ratio * complete_degrees * (1 - np.maximum(share, _LEAST_SHARE))
        degrees = degrees * observed / (degrees + observed)
    relative = between.diagonal() / within.diagonal()
    information = (relative + 2 / (degrees + 3)) / (relative + 1)
    return Pooled(estimates.mean(axis=0), covariance, degrees, information)
