"""Centres, death and effects over time against R: `supplement.csv`, made by `tests/statistics/r/supplement.R`."""

import csv
from functools import cache

import numpy as np
import pytest

from models.inputs import Horizon
from models.training.statistics.baseline import baseline
from models.training.statistics.competing.calibration import competing_curve
from models.training.statistics.competing.fine_gray import fine_gray
from models.training.statistics.cox import fit_cox
from models.training.statistics.limits import Z
from models.training.statistics.proportionality import scaled_residuals, smoothed
from models.training.validation.supplement.centres import internal_external
from models.training.validation.supplement.competing import accuracy
from models.training.validation.supplement.pooling import random_effects
from models.training.validation.supplement.time_varying import by_period

from .datasets import DEFAULT, Dataset, read
from .trained import made

TOLERANCE = 1e-6
CENTRES = {"rotterdam5": (5, "3y"), "gbsg5": (4, "3y"), "syn200": (3, "2y"), "demo200": (3, "2y")}
COMPETING = ("syn200", "pbc312")
OVER_TIME = ("demo200", "syn200", "rotterdam5")


@cache
def datasets() -> dict[str, Dataset]:
    return read().datasets


@cache
def of_r() -> dict[tuple[str, str], dict[tuple[str, float | None], float]]:
    found = {}
    with (DEFAULT / "supplement.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at = float(row["at"]) if row["at"] else None
            found.setdefault((row["dataset"], row["what"]), {})[row["term"], at] = float(row["value"])
    return found


def agrees(name: str, what: str, answer: dict) -> None:
    """Every number of R under this name, and no other, is met."""
    expected = of_r()[name, what]
    assert expected.keys() <= answer.keys()
    off = {key: abs(answer[key] - value) for key, value in expected.items()}
    assert max(off.values()) <= TOLERANCE, {key: d for key, d in off.items() if d > TOLERANCE}


@cache
def left_out(name: str):
    """The centres of a made-up rule, row after row, in a cohort of a reference data set, without shrinkage."""
    data, (number, horizon) = datasets()[name], CENTRES[name]
    n = len(data.time)
    centre = tuple(str(row % number + 1) for row in range(n))
    people = made(n, events=1, **{column: data.x[:, k] for k, column in enumerate(data.names)})
    people = people.__class__(
        **{f: getattr(people, f) for f in people.__slots__}
        | {"time": data.time, "status": data.event.astype(np.int64), "groups": {"centre": centre}}
    )

    def develop(part):
        fit = fit_cox(part.x, part.time, part.event)
        return baseline(fit.coef, fit.covariance, part.x, part.time, part.event)

    return internal_external(people, data.names, develop, Horizon(horizon))


@pytest.mark.parametrize("name", CENTRES)
def test_each_left_out_centre_is_that_of_r(name):
    answer = {}
    for centre in left_out(name).centres:
        part, at = centre.performance, float(centre.label)
        answer |= {
            ("c", at): part.concordance.value,
            ("c_se", at): part.concordance.se,
            ("expected", at): part.expected,
            ("observed", at): part.observed.value,
            ("oe", at): part.observed_over_expected.value,
            ("oe_se", at): part.observed_over_expected.se,
            ("slope", at): part.slope.value,
            ("slope_se", at): part.slope.se,
        }
    agrees(name, "left_out", answer)


@pytest.mark.parametrize("name", CENTRES)
@pytest.mark.parametrize("what", ["concordance", "observed_over_expected", "slope"])
def test_random_effects_are_those_of_metafor(name, what):
    expected = of_r()[name, f"pooled_{what}"]
    estimates = of_r()[name, "left_out"]
    column = {"concordance": "c", "observed_over_expected": "oe", "slope": "slope"}[what]
    numbers = [at for term, at in estimates if term == column]
    value = np.array([estimates[column, at] for at in numbers])
    se = np.array([estimates[f"{column}_se", at] for at in numbers])
    to = {"c": lambda p: np.log(p / (1 - p)), "oe": np.log, "slope": lambda x: x}[column]
    steep = {"c": 1 / (value * (1 - value)), "oe": 1 / value, "slope": 1.0}[column]
    found = random_effects(to(value), (se * steep) ** 2)
    answer = {
        "mean": found.mean,
        "se": found.se,
        "low": found.limits[0],
        "high": found.limits[1],
        "tau_squared": found.tau_squared,
        "i_squared": found.i_squared,
        "q": found.q,
        "p": found.p,
        "predicted_low": found.prediction[0],
        "predicted_high": found.prediction[1],
    }
    assert {term for term, _ in expected} == answer.keys()
    agrees(name, f"pooled_{what}", {(term, None): number for term, number in answer.items()})
    own = getattr(left_out(name), what)
    assert own.tau_squared == pytest.approx(found.tau_squared, abs=TOLERANCE)
    assert own.i_squared == pytest.approx(found.i_squared, abs=TOLERANCE)


@cache
def gray(name: str):
    data = datasets()[name]
    return fine_gray(data.x, data.time, data.status)


@pytest.mark.parametrize("name", COMPETING)
def test_fine_and_grays_model_is_that_of_cmprsk(name):
    data, fit = datasets()[name], gray(name)
    errors = np.sqrt(fit.covariance.diagonal())
    agrees(name, "fine_gray", dict(zip([(n, None) for n in data.names], fit.coef, strict=True)))
    agrees(name, "fine_gray_se", dict(zip([(n, None) for n in data.names], errors, strict=True)))
    years = np.array(sorted({at for _, at in of_r()[name, "fine_gray_risk"]}))
    risk = fit.cumulative_incidence(data.x[:3], years)
    agrees(
        name,
        "fine_gray_risk",
        {(f"row{i + 1}", t): risk[i, k] for i in range(3) for k, t in enumerate(years)},
    )


@pytest.mark.parametrize("name", COMPETING)
def test_accuracy_and_calibration_where_death_competes_are_those_of_r(name):
    data = datasets()[name]
    cox = fit_cox(data.x, data.time, data.status == 1)
    base = baseline(cox.coef, cox.covariance, data.x, data.time, data.status == 1)
    brier, smooth, observed = {}, {}, {}
    for years in sorted({at for _, at in of_r()[name, "brier"]}):
        risk = 1 - base.survival(data.x, np.array([years]))[:, 0]
        found = accuracy("served", data.time, data.status, risk, Horizon(f"{years:g}y"))
        brier |= {
            ("value", years): found.brier.value,
            ("se", years): found.brier.se,
            ("null", years): found.brier_null.value,
            ("ipa", years): found.ipa.value,
        }
        observed["aj", years] = found.observed.value
        assert found.observed_over_expected.value == pytest.approx(found.observed.value / risk.mean())
        smooth["ici", years] = found.ici.value
        at_rows = competing_curve(data.time, data.status, risk).at(risk[:5], years)
        smooth |= {(f"row{i + 1}", years): value for i, value in enumerate(at_rows)}
    agrees(name, "brier", brier)
    agrees(name, "observed", observed)
    agrees(name, "smooth", smooth)


@pytest.mark.parametrize("name", OVER_TIME)
def test_residuals_and_their_smooth_are_those_of_cox_zph(name):
    data = datasets()[name]
    fit = fit_cox(data.x, data.time, data.event)
    residuals = scaled_residuals(data.x, data.time, data.event, fit)
    points = np.linspace(residuals.g.min(), residuals.g.max(), 40)
    answer, value, low, high = {}, {}, {}, {}
    for k, column in enumerate(data.names):
        answer |= {(column, i + 1.0): r for i, r in enumerate(residuals.values[:, k])}
        curve = smoothed(residuals, k, points)
        for into, of in ((value, curve.value), (low, curve.low), (high, curve.high)):
            into |= {(column, i + 1.0): v for i, v in enumerate(of)}
    agrees(name, "residual", answer)
    agrees(name, "smooth_value", value)
    agrees(name, "smooth_low", low)
    agrees(name, "smooth_high", high)


@pytest.mark.parametrize("name", OVER_TIME)
def test_hazard_ratios_by_period_are_those_of_one_model_with_periods(name):
    data = datasets()[name]
    value, error = {}, {}
    for p, period in enumerate(by_period(data.x, data.time, data.event), start=1):
        for column, ratio in zip(data.names, period.hazard_ratios, strict=True):
            value[column, float(p)] = np.log(ratio.value)
            error[column, float(p)] = np.log(ratio.high / ratio.low) / (2 * Z)
    agrees(name, "period", value)
    agrees(name, "period_se", error)
