"""Our answer to one row of reference numbers: its model and quantity, by R's names, to a call of models/training."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np

from models.training.fitting.sample_size import sample_size
from models.training.statistics.accuracy import brier_at
from models.training.statistics.baseline import baseline
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import calibration_at, calibration_slope
from models.training.statistics.competing.fine_gray import fine_gray
from models.training.statistics.cox import CoxFit, fit_cox
from models.training.statistics.discrimination import auc_at, harrell_c, uno_c
from models.training.statistics.proportionality import score_test
from models.training.statistics.resampling import draw_resamples
from models.training.statistics.survival import aalen_johansen, kaplan_meier, log_rank
from tests.statistics.competing import cause_specific
from tests.statistics.datasets import Dataset, Row
from tests.statistics.logistic import fit_logistic, flic, logistic_accuracy
from tests.statistics.r_only import (
    cumulative_for,
    events_over_expected,
    heuristic_shrinkage,
    number_at_risk,
    observed_over_expected,
    survival_at,
)
from tests.statistics.rms import optimism, optimism_logistic

Answer = tuple[float, float | None]  # with its standard error, where R gives one
INDEX = {"index.orig": "original", "index.corrected": "corrected"}
BOOTSTRAP_C = {
    "c_apparent": "apparent",
    "c_mean_train": "mean_in_resamples",
    "c_bootstrap_mean_training": "mean_in_resamples",
    "c_mean_test": "mean_on_original",
    "c_bootstrap_mean_test": "mean_on_original",
    "c_corrected": "corrected",
}


def answer(data: Dataset, row: Row) -> Answer:
    """Compute one row. Raises KeyError for a model or quantity that is not known."""
    for pattern, compute in MODELS.items():
        if found := re.fullmatch(pattern, row.model):
            result = compute(data, row, *found.groups())
            return result if isinstance(result, tuple) else (float(result), None)
    raise KeyError(row.model)


class Cached:
    """Results of one data set, so that each is computed once. Data sets compare by identity here."""

    _kept: dict = {}  # noqa: RUF012

    @classmethod
    def get(cls, data: Dataset, what: tuple, make: Callable):
        """Make it once."""
        key = (id(data), *what)
        if key not in cls._kept:
            cls._kept[key] = (make(), data)  # with the data set, so that its id stays taken
        return cls._kept[key][0]


def fitted(data: Dataset, ties: str = "efron", ridge: float = 0.0, firth: bool = False) -> CoxFit:
    """The Cox model of a data set."""
    make = partial(fit_cox, data.x, data.time, data.event, ties=ties, ridge=ridge, firth=firth)
    return Cached.get(data, ("fit", ties, ridge, firth), make)


def base_of(data: Dataset, ties: str = "efron"):
    """Its baseline hazard."""
    fit = fitted(data, ties)
    make = partial(baseline, fit.coef, fit.covariance, data.x, data.time, data.event, ties=ties)
    return Cached.get(data, ("baseline", ties), make)


def risk_at(model: Dataset, data: Dataset, t: float) -> np.ndarray:
    """The predicted risk at t of the people of one data set by the model of another (or the same)."""
    make = lambda: 1 - base_of(model).survival(data.x, np.array([t]))[:, 0]  # noqa: E731
    return Cached.get(data, ("risk", model.name, t), make)


def cox(data: Dataset, row: Row, theta: str | None, firth: str | None, ties: str):
    """A quantity of a fit, of its baseline, of its test of proportional hazards, or of its predictions."""
    fit = fitted(data, ties, float(theta or 0), bool(firth))
    quantity = row.quantity
    if quantity == "coef":
        k = data.names.index(row.term)
        return float(fit.coef[k]), float(np.sqrt(fit.covariance[k, k]))
    if quantity == "vcov":
        return fit.covariance[tuple(data.names.index(name) for name in row.term.split(":"))]
    if quantity == "loglik":
        return fit.log_likelihood
    if quantity == "loglik_null":
        return fit.log_likelihood_null
    if quantity == "heuristic_shrinkage":
        return heuristic_shrinkage(fit)
    if quantity.startswith("zph_"):
        return proportionality(data, row, ties)
    if quantity == "cumhaz0":
        return base_of(data, ties).cumulative(np.array([row.time]))[0]
    if quantity.startswith("surv"):
        curve = survival_at(base_of(data, ties), person_of(data, row), np.array([row.time]))
        name = {"surv": "survival", "surv_se_cumhaz": "se_cumulative_hazard"}.get(quantity)
        return getattr(curve, name or quantity.removeprefix("surv_").removesuffix("95"))[0, 0]
    return scored(data, row, data)


def person_of(data: Dataset, row: Row) -> np.ndarray:
    """`row1` is the first person, `mean` one with everybody's mean: (1, p)."""
    if row.term == "mean":
        return data.x.mean(axis=0, keepdims=True)
    return data.x[[int(row.term.removeprefix("row")) - 1]]


def proportionality(data: Dataset, row: Row, ties: str) -> float:
    """cox.zph."""
    test = Cached.get(
        data, ("zph", ties), partial(score_test, data.x, data.time, data.event, fitted(data, ties))
    )
    chi = row.quantity == "zph_chisq"
    if row.term == "GLOBAL":
        return test.chi_square_global if chi else test.p_global
    return (test.chi_square if chi else test.p)[data.names.index(row.term)]


def scored(data: Dataset, row: Row, model: Dataset):
    """The performance of a model's predictions."""
    time, event, score = data.time, data.event, data.x @ fitted(model).coef
    quantity, t = row.quantity, row.time
    if quantity in {"harrell_c", "harrell_c_rounded"}:
        return pair(Cached.get(data, ("c", model.name), partial(harrell_c, time, event, score)))
    if quantity == "uno_c":
        return pair(uno_c(time, event, score, np.inf if t is None else t))
    if quantity in {"auc_score", "auc_timeROC"}:
        return pair(auc_at(time, event, score, t, strictly_before=quantity == "auc_timeROC"))
    if quantity == "cal_slope":
        return pair(calibration_slope(time, event, score))
    if quantity == "oe_poisson":
        return events_over_expected(event, cumulative_for(base_of(model), data.x, time))
    risk = risk_at(model, data, t)
    if quantity in {"brier", "ipa"}:
        found = Cached.get(data, ("brier", model.name, t), partial(brier_at, time, event, risk, t))
        return pair(found) if quantity == "brier" else found.ipa
    if quantity == "oe_ratio":
        return observed_over_expected(time, event, risk, t)
    if quantity == "net_benefit":
        return net_benefit(time, event, risk, t, np.array([row.at])).model[0]
    hazard = cumulative_for(base_of(model), data.x, np.full(len(time), t))
    make = partial(calibration_at, time, event, risk, hazard, t)
    return getattr(Cached.get(data, ("calibration", model.name, t), make), quantity.removesuffix("_tight"))


def pair(estimate) -> Answer:
    """A value with its standard error."""
    return estimate.value, estimate.se


def null_model(data: Dataset, row: Row) -> float:
    """The Brier score of the cohort's own Kaplan-Meier risk."""
    return brier_at(data.time, data.event, np.zeros(len(data.time)), row.time).null


def treat_all(data: Dataset, row: Row) -> float:
    """The net benefit of treating all."""
    nobody = np.zeros(len(data.time))
    return net_benefit(data.time, data.event, nobody, row.time, np.array([row.at])).treat_all[0]


def survival(data: Dataset, row: Row):
    """Kaplan-Meier."""
    curve, t = kaplan_meier(data.time, data.event), np.array([row.time])
    if row.quantity == "surv":
        at_t = np.searchsorted(curve.times, row.time, side="right") - 1
        return float(curve.at(t)[0]), float(curve.at(t)[0] * np.sqrt(curve.log_variance[at_t]))
    if row.quantity == "n_risk":
        return number_at_risk(data.time, row.time)
    return curve.limits(t)[{"lower95": 0, "upper95": 1}[row.quantity]][0]


def thirds(data: Dataset, row: Row) -> float:
    """The log-rank test of thirds of the linear predictor."""
    score = data.x @ fitted(data).coef
    group = np.searchsorted(np.quantile(score, [1 / 3, 2 / 3]), score)
    if row.quantity == "group_n":
        return (group == int(row.term) - 1).sum()
    test = log_rank(data.time, data.event, group)
    return {"logrank_chisq": test.chi_square, "logrank_p": test.p}[row.quantity]


def incidence(data: Dataset, row: Row, model: str) -> float:
    """Aalen-Johansen's cumulative incidence, or 1 - Kaplan-Meier."""
    t = np.array([row.time])
    if model == "one_minus_km":
        return 1 - kaplan_meier(data.time, data.event).at(t)[0]
    return aalen_johansen(data.time, data.status, 1).at(t)[0]


def competing(data: Dataset, row: Row) -> float:
    """Absolute risk from cause-specific Cox models, and the AUC of the first cause's linear predictor."""
    if row.quantity == "abs_risk":
        models = Cached.get(data, ("causes",), partial(cause_specific, data.x, data.time, data.status))
        return models.absolute_risk(person_of(data, row), np.array([row.time]))[0, 0]
    score = data.x @ fit_cox(data.x, data.time, data.status == 1).coef
    free = {"auc_timeROC_def1": True, "auc_timeROC_def2": False}[row.quantity]
    at = auc_at(data.time, data.status, score, row.time, strictly_before=True, controls_event_free=free)
    return at.value


def subdistribution(data: Dataset, row: Row) -> float:
    """Fine and Gray."""
    make = partial(fine_gray, data.x, data.time, data.status)
    return Cached.get(data, ("fine-gray",), make).coef[data.names.index(row.term)]


def recalibrated(data: Dataset, row: Row) -> float:
    """The baseline hazard in new data under the model's linear predictor as an offset, at the mean offset as basehaz()."""
    offset = (data.x @ fitted(data.developed_on).coef)[:, None]
    base = baseline(np.ones(1), np.zeros((1, 1)), offset, data.time, data.event)
    return cumulative_for(base, offset.mean(axis=0, keepdims=True), np.array([row.time]))[0]


def logistic(data: Dataset, row: Row, kind: str):
    """A logistic model: coefficients, limits, and what lrm prints."""
    firth = kind in {"firth", "flic"}
    fit = Cached.get(data, ("logistic", firth), lambda: fit_logistic(data.x, data.outcome, firth=firth))
    if row.term:
        k = ("(Intercept)", *data.names).index(row.term)
        coef = flic(data.x, data.outcome, fit) if kind == "flic" else fit.coef
        if row.quantity == "coef":
            return float(coef[k]), float(np.sqrt(fit.covariance[k, k]))
        return {"pl_lower": fit.lower, "pl_upper": fit.upper}[row.quantity][k]
    found = logistic_accuracy(fit.coef[0] + data.x @ fit.coef[1:], data.outcome)
    return getattr(found, {"C": "c_lrm", "Brier": "brier", "R2": "r_squared", "g": "g"}[row.quantity])


def validated(data: Dataset, row: Row, resampled: str | None = None) -> float:
    """rms::validate on resamples of ours, or on those that R used too."""

    def make():
        n = len(data.x)
        counts = data.counts if resampled is None else draw_resamples(n, int(resampled), data.seed)
        if "outcome" in data.columns:
            return optimism_logistic(data.x, data.outcome, counts)
        return optimism(data.x, data.time, data.event, counts)

    found = Cached.get(data, ("validate", resampled), make)
    if row.quantity in BOOTSTRAP_C:
        return getattr(found.c, BOOTSTRAP_C[row.quantity])
    if row.quantity in {"coef_mean", "coef_sd"}:
        column = found.coefficients[:, data.names.index(row.term)]
        return column.mean() if row.quantity == "coef_mean" else column.std(ddof=1)
    if row.quantity == "c_optimism":
        return found.c.mean_in_resamples - found.c.mean_on_original
    if row.quantity == "slope_corrected":
        return found.shrinkage
    name, _, which = row.quantity.partition("_")
    return getattr(found.indexes[name], INDEX.get(which, which))


def planned(data: Dataset, row: Row) -> float:
    """pmsampsize for survival models."""
    plan = {k: data.settings[k] for k in ("rate", "horizon", "follow_up")}
    return sample_size(row.at, data.settings["parameters"], **plan).n


MODELS: dict[str, Callable] = {
    r"cox_(?:ridge_theta([\d.]+)_)?(?:(firth)_)?(efron|breslow)": cox,
    r"ext": lambda data, row: scored(data, row, data.developed_on),
    r"null_km": null_model,
    r"treat_all": treat_all,
    r"km": survival,
    r"km_tertile": thirds,
    r"(aalen_johansen|one_minus_km)": incidence,
    r"cause_specific_cox": competing,
    r"fine_gray": subdistribution,
    r"recal_baseline": recalibrated,
    r"logit_(ml|firth|flic)": logistic,
    r"rms_validate_B(\d+)": validated,
    r"boot\d+_shared": validated,
    r"pmsampsize": planned,
}
