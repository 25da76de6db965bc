"""Our answer to a published number: what `tests.statistics.quantities` does not name as the source does."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import exp, sqrt

import numpy as np
from scipy.stats import chi2, norm

from models.training.fitting.sample_size import OPTIMISM, _largest_r_squared, sample_size
from models.training.statistics.arrays import Floats
from models.training.statistics.benefit import net_benefit
from models.training.statistics.cox import CoxFit
from models.training.statistics.discrimination import harrell_c
from models.training.statistics.partial_likelihood import Design, derivatives, terms_of
from tests.statistics.datasets import Dataset, Row
from tests.statistics.quantities import answer, base_of, cox, fitted, risk_at, scored
from tests.statistics.r_only import survival_at

Z = norm.ppf(0.975)
LIMIT = {"lower": -1, "upper": 1}
SAME = {
    "auc": "auc_timeROC",
    "oe": "oe_ratio",
    "slope": "cal_slope",
}  # one quantity, by the name it has with R
ON_LOG_SCALE = {"oe", "oe_poisson"}


def answer_to(data: Dataset, row: Row) -> float:
    """Compute one number. Raises KeyError for a model or quantity that is not known."""
    for pattern, compute in MODELS.items():
        if matched := re.fullmatch(pattern, row.model):
            return float(compute(data, row, *matched.groups()))
    return answer(data, row)[0]


def model_of(data: Dataset, row: Row, ties: str) -> float:
    """A number of the printed table of a Cox model: a coefficient's, or one of the whole fit."""
    fit = fitted(data, ties)
    if row.term in data.names:
        return of_coefficient(fit, data.names.index(row.term), row)
    if row.quantity in OF_FIT:
        return OF_FIT[row.quantity](data, fit)
    if row.quantity == "surv_variance_base":
        return variance_of_hazard(data, float(row.term), ties)
    return cox(data, row, None, None, ties)


def of_coefficient(fit: CoxFit, k: int, row: Row) -> float:
    """A column of the table: estimate, standard error, z, p, and what is made of them."""
    b, se = fit.coef[k], sqrt(fit.covariance[k, k])
    return {
        "coef": b,
        "se": se,
        "z": b / se,
        "p": 2 * norm.sf(abs(b / se)),
        "exp_coef": exp(b),
        "exp_minus_coef": exp(-b),
        "exp_lower": exp(b - Z * se),
        "exp_upper": exp(b + Z * se),
        "information": 1 / se**2,
    }[row.quantity]


def likelihood_ratio(_: Dataset, fit: CoxFit) -> float:
    """Twice the gain in log likelihood."""
    return 2 * (fit.log_likelihood - fit.log_likelihood_null)


def wald(_: Dataset, fit: CoxFit) -> float:
    """The Wald test of all coefficients."""
    return float(fit.coef @ np.linalg.solve(fit.covariance, fit.coef))


def score_of(data: Dataset, fit: CoxFit) -> float:
    """The score test of all coefficients, at coefficients of 0."""
    design = Design(data.x, data.time, data.event)
    everybody = np.ones((1, len(data.time)))
    none: Floats = np.zeros((1, len(fit.coef)))
    gradient, information = derivatives(design, none, everybody, terms_of(design, everybody, fit.ties))
    return float(gradient[0] @ np.linalg.solve(information[0], gradient[0]))


def p_of(test: Callable[[Dataset, CoxFit], float], data: Dataset, fit: CoxFit) -> float:
    """The p of a test of all coefficients."""
    return float(chi2.sf(test(data, fit), len(fit.coef)))


def explained(data: Dataset, fit: CoxFit, *, less: int = 0, among: str = "all") -> float:
    """1 - exp(-likelihood ratio / n): Cox and Snell's; with parameters taken off, or events in place of people, rms's."""
    n = data.event.sum() if among == "events" else len(data.time)
    return 1 - exp(-(likelihood_ratio(data, fit) - less * len(fit.coef)) / n)


def largest(data: Dataset, fit: CoxFit) -> float:
    """The largest that Cox and Snell's R² can be."""
    return 1 - exp(2 * fit.log_likelihood_null / len(data.time))


def rank_correlation(data: Dataset, fit: CoxFit) -> float:
    """Somers' Dxy."""
    return 2 * harrell_c(data.time, data.event, data.x @ fit.coef).value - 1


OF_FIT: dict[str, Callable[[Dataset, CoxFit], float]] = {
    "n": lambda data, _: len(data.time),
    "events": lambda data, _: data.event.sum(),
    "likelihood_ratio": likelihood_ratio,
    "wald_test": wald,
    "score_test": score_of,
    "likelihood_ratio_p": partial(p_of, likelihood_ratio),
    "wald_test_p": partial(p_of, wald),
    "score_test_p": partial(p_of, score_of),
    "cox_snell": explained,
    "cox_snell_largest": largest,
    "nagelkerke": lambda data, fit: explained(data, fit) / largest(data, fit),
    "r2_adjusted_n": partial(explained, less=1),
    "r2_adjusted_events": partial(explained, less=1, among="events"),
    "dxy": rank_correlation,
}


def variance_of_hazard(data: Dataset, t: float, ties: str) -> float:
    """The variance of the cumulative hazard of somebody whose covariates are 0."""
    nobody = np.zeros((1, data.x.shape[1]))
    return float(survival_at(base_of(data, ties), nobody, np.array([t])).se_cumulative_hazard[0, 0] ** 2)


def performance(data: Dataset, row: Row, which: str) -> float:
    """The performance of a model where it was developed, or elsewhere; with `_lower`, `_upper` or `_se` of its interval."""
    model = data if which == "apparent" else data.developed_on
    quantity, _, end = row.quantity.rpartition("_")
    if end not in LIMIT and end != "se":
        quantity, end = row.quantity, ""
    if quantity == "net_benefit_all":
        return benefit(data, np.zeros(len(data.time)), row)
    asked = replace(row, quantity=SAME.get(quantity, quantity))
    if quantity == "ipa" or not end:
        return alone(scored(data, asked, model))
    value, se = with_error(data, asked, model, quantity)
    if end == "se":
        return se
    return value * exp(LIMIT[end] * Z * se) if quantity in ON_LOG_SCALE else value + LIMIT[end] * Z * se


def alone(result: float | tuple[float, float]) -> float:
    """A value without its standard error."""
    return result[0] if isinstance(result, tuple) else result


def with_error(data: Dataset, row: Row, model: Dataset, quantity: str) -> tuple[float, float]:
    """A value with the standard error that the source takes; of O/E that of its logarithm, as if events were Poisson."""
    found = scored(data, row, model)
    return (found, 1 / sqrt(data.event.sum())) if quantity in ON_LOG_SCALE else found


def decision(data: Dataset, row: Row) -> float:
    """The net benefit of a column that is a risk already, of the Cox model's risk, or of treating all."""
    if row.quantity == "net_benefit_all":
        return benefit(data, np.zeros(len(data.time)), row)
    risk = data.x[:, data.names.index(row.term)] if row.term in data.names else risk_at(data, data, row.time)
    return benefit(data, risk, row)


def benefit(data: Dataset, risk: Floats, row: Row) -> float:
    """The net benefit at one threshold."""
    at = net_benefit(data.time, data.event, risk, row.time, np.array([row.at]))
    return (at.treat_all if row.quantity == "net_benefit_all" else at.model)[0]


def planned(_: Dataset, row: Row) -> float:
    """The size of a development study; its plan stands in the row's term."""
    plan = {key: float(value) for key, _, value in (part.partition("=") for part in row.term.split())}
    parameters = int(plan.pop("parameters"))
    r_squared = plan.pop("r_squared")
    size = sample_size(r_squared, parameters, **plan)
    largest = _largest_r_squared(plan["rate"], plan["follow_up"])
    per_parameter = plan["rate"] * plan["follow_up"] / parameters
    return {
        "n": size.n,
        "n_shrinkage": size.shrinkage,
        "n_optimism": size.optimism,
        "epp": size.events_per_parameter,
        "epp_shrinkage": size.shrinkage * per_parameter,
        "epp_optimism": size.optimism * per_parameter,
        "factor_optimism": r_squared / (r_squared + OPTIMISM * largest),
        "r_squared_largest": largest,
        "nagelkerke": r_squared / largest,
    }[row.quantity]


MODELS: dict[str, Callable] = {
    r"cox_(efron|breslow)": model_of,
    r"(apparent|ext)": performance,
    r"apparent_risk": decision,
    r"development": planned,
}
