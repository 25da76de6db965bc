"""The Cox model by lifelines, converged tightly and compared with our own fit: two programs must agree."""

import warnings
from collections.abc import Sequence

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats
from models.training.statistics.cox import CoxFit, fit_cox

AGREEMENT = 1e-6  # of log hazard ratios and of their covariance
# At lifelines' defaults log hazard ratios are off by up to 1e-4; either rule alone would stop as early.
_TIGHT = {"precision": 1e-12, "r_precision": 1e-12}


def fit_by_lifelines(names: Sequence[str], x: Floats, time: Floats, event: Events) -> CoxFit:
    """Fit x (n, p) by lifelines (Efron ties). Raises TrainingError without a finite fit, or where our own fit differs."""
    own = fit_cox(x, time, event)
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    table = pd.DataFrame(x, columns=list(names)).assign(time=time, event=event)
    fitter = CoxPHFitter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fitter.fit(table, "time", "event", fit_options=dict(_TIGHT))
        except (ConvergenceError, ConvergenceWarning):
            raise TrainingError(
                "lifelines did not converge on this cohort; use ridge or firth (--ridge, --firth)"
            ) from None
    coef, covariance = fitter.params_.to_numpy(), fitter.variance_matrix_.to_numpy()
    largest = max(float(np.abs(gap).max()) for gap in (coef - own.coef, covariance - own.covariance))
    if not largest <= AGREEMENT:
        raise TrainingError(
            f"lifelines and our own fit differ by {largest:.1e}, more than {AGREEMENT:g}: "
            "this cohort is too close to having no finite fit; use ridge or firth (--ridge, --firth)"
        )
    covariance = (covariance + covariance.T) / 2
    return CoxFit(coef, covariance, float(fitter.log_likelihood_), own.log_likelihood_null, "efron")
