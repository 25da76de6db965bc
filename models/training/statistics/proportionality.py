"""The score test of proportional hazards, as survival's cox.zph gives it (transform "km").

Each column gets a partner, itself times g(t), with coefficient 0; the test is the score of the partners against the
information of the model with both. g(t) is 1 - S(t-), S being the Kaplan-Meier estimate of all.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from models.training.statistics.arrays import Events, Floats
from models.training.statistics.cox import CoxFit
from models.training.statistics.partial_likelihood import Design, term_means
from models.training.statistics.survival import kaplan_meier


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """Chi-square and p of each column (p,), with one degree of freedom, and of all together, with p."""

    chi_square: Floats
    p: Floats
    chi_square_global: float
    p_global: float


def score_test(x: Floats, time: Floats, event: Events, fit: CoxFit) -> ScoreTest:
    """Test a fit on the data (n, p) that it came from; nan where all events are at one time, or nearly so."""
    design = Design(x, time, event)
    z, p = design.z[0].T, design.p
    features = np.hstack([z, (z[:, :, None] * z[:, None]).reshape(len(z), -1)])
    means, when = term_means(design, fit.coef * design.scale[0], features, fit.ties)
    m = means[:, :p]
    variance = means[:, p:].reshape(-1, p, p) - m[:, :, None] * m[:, None]
    everybody = kaplan_meier(time, event)
    g = 1 - np.concatenate([[1.0], everybody.survival])[np.searchsorted(everybody.times, design.times)]
    g = (g - g[when].mean())[when]  # the test is the same without centring, but rounds better with it
    score = g @ (z[design.event] - m)
    # the information of the partners, of partners with columns, and of columns
    own, mixed = np.einsum("t,tij->ij", g**2, variance), np.einsum("t,tij->ij", g, variance)
    try:
        given_fit = np.linalg.solve(variance.sum(axis=0), mixed)
        with np.errstate(all="ignore"):
            each = score**2 / (own.diagonal() - np.einsum("ij,ji->i", mixed, given_fit))
        together = float(score @ np.linalg.solve(own - mixed @ given_fit, score))
    except np.linalg.LinAlgError:
        each, together = np.full(p, np.nan), np.nan
    return ScoreTest(each, chi2.sf(each, 1), together, float(chi2.sf(together, len(score))))
