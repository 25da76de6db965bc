"""From predictors to the risk of recurrence (rules 4, S1 to S9).

A *pattern* is one character per predictor, in the model's order: "1" present, "0" absent, "?" unknown. A *cell* is
a pattern without "?". Everything is computed on the scale u = log(-log S), where a cell's u is normal (S2) and an
unknown predictor makes a mixture of normals (S3). Time zero is the moment of the question (S9).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import product
from math import exp, expm1, fsum, log, sqrt
from statistics import NormalDist
from sys import float_info
from typing import Literal, TypeVar

from models.artefact import DecidingTest, Model, Orderable
from models.inputs import Horizon, Predictor, State

_Asked = TypeVar("_Asked", bound=str)  # a horizon or a predictor
_Answer = TypeVar("_Answer")
DECISION_HORIZON = Horizon("2y")
"""Bands, contributions and the next best test are about the 2-year risk (S6 to S8)."""

_COMPUTED_AT_MOST = 4096  # answers that are kept of a model; four predictors ask for fewer
_TOLERANCE = 1e-13  # of a quantile, on the u scale
_WIDTH_DECIMALS = 9  # S8: equal widths stay equal whatever the order of summation


@dataclass(frozen=True, slots=True)
class Estimate:
    """A probability of recurrence, and its plausible range (5 % and 95 % points)."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Extremes:
    """The lowest and the highest estimate over the unknown predictors (S3)."""

    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a present predictor adds (S7): its hazard ratio, and the 2-year risk were it recorded absent."""

    hazard_ratio: float
    risk_2y_without: float


@dataclass(frozen=True, slots=True)
class NextBestTest:
    """The unknown predictor whose answer would narrow the 2-year estimate most (S8), and what to order for it."""

    predictor: str
    name: str
    orders: tuple[Orderable, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A risk by horizon. `range_over_unknowns` is empty where all predictors are known."""

    pattern: str
    present: int
    unknown: tuple[str, ...]
    risk: Mapping[Horizon, Estimate]
    range_over_unknowns: Mapping[Horizon, Extremes]
    contributions: Mapping[str, Contribution]
    next_best_test: NextBestTest | None


@dataclass(frozen=True, slots=True)
class Abstained:
    """No number can be given (S5). `needs` names what would help: tests, or the sources to be read again."""

    code: Literal["too-few-predictors", "record-incomplete"]
    reason: str
    needs: tuple[str, ...]
    pattern: str
    next_best_test: NextBestTest | None


def score(model: Model, predictors: Mapping[str, Predictor], unread: Mapping[str, str]) -> Scored | Abstained:
    """The risk of recurrence from now on, or why there is none (S1 to S5, S7, S8, S9).

    `predictors` by name, every one of the model's; `unread` names the sources that failed (F9) and what happened.
    """
    marks = {State.PRESENT: "1", State.ABSENT: "0"}
    pattern = "".join(marks.get(predictors[name].state, "?") for name in model.names)
    unknown = {name: predictors[name].reason for name in model.names if not predictors[name].state.known}
    if unread:
        failures = ", ".join(f"{source} ({what})" for source, what in unread.items())
        return Abstained("record-incomplete", f"could not be read: {failures}", tuple(unread), pattern, None)
    test = next_best_test(model, pattern, unknown)
    known, at_least = len(pattern) - len(unknown), model.policy.known_at_least
    if known < at_least:
        reason = f"{known} of {len(pattern)} predictors known, at least {at_least} are needed"
        helpful = (model.policy.tests[name] for name in model.names if _competes(model, name, unknown))
        return Abstained("too-few-predictors", reason, tuple(map(_with_codes, helpful)), pattern, test)
    return Scored(
        pattern=pattern,
        present=pattern.count("1"),
        unknown=tuple(unknown),
        risk={horizon: estimate(model, pattern, horizon) for horizon in model.horizons},
        range_over_unknowns={
            horizon: extremes(model, pattern, horizon) for horizon in (model.horizons if unknown else ())
        },
        contributions=contributions(model, pattern),
        next_best_test=test,
    )


def _with_codes(test: DecidingTest) -> str:
    """A test with the codes of its orders, as in "ANA titre (LOINC 5048-4)"."""
    codes = ", ".join(order.code.code for order in test.orders)
    return f"{test.name} ({test.orders[0].code.vocabulary} {codes})"


def percent(risk: float) -> str:
    """A risk for people (S10): whole percents of the unrounded risk, "> 95 %" and "< 1 %" at the ends."""
    top, bottom = risk.as_integer_ratio()
    whole = (200 * top + bottom) // (2 * bottom)  # exactly, half up
    ends = "> 95 %" if risk > 0.95 else "< 1 %" if risk < 0.01 else ""  # noqa: PLR2004 - S10, a rule of display
    return ends or f"{whole} %"


def _of_pattern(compute: Callable[[Model, str, _Asked], _Answer]) -> Callable[[Model, str, _Asked], _Answer]:
    """Compute once what follows from a model, a pattern and what is asked about it."""

    @wraps(compute)
    def computed(model: Model, pattern: str, asked: _Asked) -> _Answer:
        key = (compute, pattern, asked)
        if key in model.computed:
            known: _Answer = model.computed[key]
            return known
        answer = compute(model, pattern, asked)
        if len(model.computed) < _COMPUTED_AT_MOST:
            model.computed[key] = answer
        return answer

    return computed


def cell_risk(model: Model, cell: str, horizon: Horizon) -> float:
    """The risk of a cell at a horizon: 1 - exp(-H0 exp(sum of log hazard ratios)) (S1)."""
    return risk_at(_mean_u(model, cell, horizon))


def cell_distribution(model: Model, cell: str, horizon: Horizon) -> NormalDist:
    """The distribution of u in a cell at a horizon: variance g'Vg, where g is 1 for what is present (S2)."""
    rows = [i for i, mark in enumerate(cell) if mark == "1"]
    rows.append(len(cell) + model.horizons.index(horizon))
    variance = fsum(model.covariance[i][j] for i in rows for j in rows)
    return NormalDist(_mean_u(model, cell, horizon), sqrt(variance))


def risk_at(u: float) -> float:
    """The risk 1 - S at u = log(-log S)."""
    return -expm1(-exp(u))


def cells(model: Model, pattern: str) -> dict[str, float]:
    """The cells that a pattern leaves open, each with its probability given what is known (S4)."""
    open_cells = ("".join(marks) for marks in product(*("01" if mark == "?" else mark for mark in pattern)))
    joint = {cell: model.joint[cell] for cell in open_cells}
    total = fsum(joint.values())
    return {cell: probability / total for cell, probability in joint.items()}


@_of_pattern
def mean_risk(model: Model, pattern: str, horizon: Horizon) -> float:
    """The risk at a horizon, marginalised over the unknown predictors (S3)."""
    return fsum(weight * cell_risk(model, cell, horizon) for cell, weight in cells(model, pattern).items())


@_of_pattern
def estimate(model: Model, pattern: str, horizon: Horizon) -> Estimate:
    """The marginalised risk, and the 5 % and 95 % points of the mixture of the open cells' distributions (S2, S3)."""
    mixture = [
        (weight, cell_distribution(model, cell, horizon)) for cell, weight in cells(model, pattern).items()
    ]
    low, high = (risk_at(quantile(mixture, probability)) for probability in model.interval)
    return Estimate(mean_risk(model, pattern, horizon), low, high)


@_of_pattern
def extremes(model: Model, pattern: str, horizon: Horizon) -> Extremes:
    """The lowest and the highest risk among the cells that a pattern leaves open (S3)."""
    risks = [cell_risk(model, cell, horizon) for cell in cells(model, pattern)]
    return Extremes(min(risks), max(risks))


def quantile(parts: Sequence[tuple[float, NormalDist]], probability: float) -> float:
    """The point of a mixture of normals below which it has this probability.

    Newton's steps, kept inside a bracket: the mixture's point lies between those of its parts. One part alone
    needs no step.
    """
    points = [u.inv_cdf(probability) for _, u in parts]
    low, high = min(points), max(points)
    point = (low + high) / 2
    step = high - low
    while abs(step) > _TOLERANCE:
        excess = fsum(weight * u.cdf(point) for weight, u in parts) - probability
        density = fsum(weight * u.pdf(point) for weight, u in parts)
        low, high = (point, high) if excess < 0 else (low, point)
        newton = point - excess / max(density, float_info.min)
        target = newton if low <= newton <= high else (low + high) / 2
        point, step = target, target - point
    return point


def contributions(model: Model, pattern: str) -> dict[str, Contribution]:
    """For each present predictor its hazard ratio, and the 2-year risk with it recorded absent (S7)."""
    return {
        name: Contribution(
            exp(ratio), mean_risk(model, f"{pattern[:i]}0{pattern[i + 1 :]}", DECISION_HORIZON)
        )
        for i, (name, ratio) in enumerate(zip(model.names, model.log_hazard_ratios, strict=True))
        if pattern[i] == "1"
    }


def next_best_test(model: Model, pattern: str, unknown: Mapping[str, str]) -> NextBestTest | None:
    """Which unknown predictor, once known, leaves the smallest expected width (S8); None: no test helps.

    `unknown` gives the reason why each is not known. The order of the policy's tests breaks ties.
    """
    helpful = [name for name in model.policy.tests if _competes(model, name, unknown)]
    if not helpful:
        return None
    best = min(helpful, key=lambda name: round(expected_width(model, pattern, name), _WIDTH_DECIMALS))
    test = model.policy.tests[best]
    return NextBestTest(best, test.name, test.orders)


@_of_pattern
def expected_width(model: Model, pattern: str, predictor: str) -> float:
    """Highest minus lowest 2-year estimate, expected after an unknown predictor becomes known (S8)."""
    index, width = model.names.index(predictor), 0.0
    for answer in "01":
        left = {cell: p for cell, p in cells(model, pattern).items() if cell[index] == answer}
        risks = [cell_risk(model, cell, DECISION_HORIZON) for cell in left]
        width += fsum(left.values()) * (max(risks) - min(risks))
    return width


def _mean_u(model: Model, cell: str, horizon: Horizon) -> float:
    ratios = fsum(ratio for ratio, mark in zip(model.log_hazard_ratios, cell, strict=True) if mark == "1")
    return log(model.baseline_hazard[horizon]) + ratios


def _competes(model: Model, name: str, unknown: Mapping[str, str]) -> bool:
    return name in unknown and model.policy.tests[name].helps(unknown[name])
