"""The form of measured values: splines against R's rms, and what is said of a value's form."""

import csv
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from models.training.cohort.cohort import PREDICTORS
from models.training.fitting.form import _curve, forms, knots_of
from models.training.statistics import calibration
from models.training.statistics.cox import fit_cox
from tests.statistics.trained import DATA, DEATHS, cohort


def spline_numbers():
    """R's numbers by data set and number of knots: quantity and term → value."""
    numbers = defaultdict(dict)
    with (DATA.parent / "spline_numbers.csv").open(encoding="utf-8") as lines:
        next(lines)
        for row in csv.DictReader(lines):
            numbers[row["dataset"], int(row["knots"])][row["quantity"], row["term"]] = float(row["value"])
    return numbers


def spline_data(name: str):
    """Time, event, the value and the other column."""
    with (DATA / f"{name}.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))

    def column(of):
        return np.array([float(row[of]) for row in rows])

    if name == "pbc312":
        return column("years"), column("event") == 1, np.log(column("bili")), column("age")
    return column("time"), column("event") == 1, column("age"), column("ph_ecog")


@pytest.mark.parametrize("knots", [3, 4])
@pytest.mark.parametrize("name", ["pbc312", "lung"])
def test_splines_are_those_of_rms(name, knots, monkeypatch):
    numbers = spline_numbers()[name, knots]
    time, event, u, other = spline_data(name)
    monkeypatch.setattr("models.training.fitting.form.ENOUGH_FOR_FOUR", 100 if knots == 4 else 1000)
    places = knots_of(u)
    expected = [value for (quantity, _), value in numbers.items() if quantity == "knot"]
    np.testing.assert_allclose(places, expected, atol=1e-12)
    fit = fit_cox(np.column_stack([calibration.restricted_cubic(u, places), other]), time, event)
    for k, (coef, variance) in enumerate(zip(fit.coef, fit.covariance.diagonal(), strict=True), start=1):
        assert coef == pytest.approx(numbers["coef", str(k)], abs=1e-6)
        assert np.sqrt(variance) == pytest.approx(numbers["se", str(k)], abs=1e-6)
    assert fit.log_likelihood == pytest.approx(numbers["loglik", "fit"], abs=1e-6)
    assert fit.log_likelihood_null == pytest.approx(numbers["loglik", "null"], abs=1e-6)
    at, curve, error = _curve(u, places, fit)
    assert at[[0, -1]] == pytest.approx(np.quantile(u, [0.05, 0.95]))
    for end, place in ((0, "0.05"), (-1, "0.95")):
        assert curve[end] == pytest.approx(numbers["curve", place], abs=1e-6)
        assert error[end] == pytest.approx(numbers["curve_se", place], abs=1e-6)
    for place in ("0.25", "0.75"):  # between the points of the grid the curve is all but straight
        where = np.quantile(u, float(place))
        assert np.interp(where, at, curve) == pytest.approx(numbers["curve", place], abs=0.01)


def test_the_forms_are_held_against_each_other_beside_the_other_predictors():
    of = cohort(DEATHS)
    [form] = forms(of)
    assert (form.predictor, form.value, form.n) == ("high_drr", "de_ritis_ratio", 200)
    dichotomy, line, spline = form.fits
    others = fit_cox(of.matrix(PREDICTORS[:3]), of.time, of.event)
    served = fit_cox(of.matrix(PREDICTORS), of.time, of.event)
    assert dichotomy.chi_square == pytest.approx(2 * (served.log_likelihood - others.log_likelihood))
    assert dichotomy.aic == pytest.approx(8 - 2 * served.log_likelihood)
    assert (dichotomy.df, line.df, spline.df) == (1, 1, 3)
    assert spline.chi_square > line.chi_square
    assert form.not_linear == pytest.approx(chi2.sf(spline.chi_square - line.chi_square, 2))
    assert len(form.knots) == 4
    assert min(form.knots) > 0.2
    middle = np.interp(form.reference, form.at, form.curve)
    assert middle == pytest.approx(0, abs=0.02)
    values, drr = of.predictors["high_drr"] > 0, of.raw["de_ritis_ratio"]
    assert drr[~values].max() < form.cut < drr[values].min()
    assert form.levels[1] - form.levels[0] == pytest.approx(served.coef[3])
    curve = np.interp(np.log(drr), np.log(form.at), form.curve)  # beyond its ends flat: only about the mean
    assert np.where(values, form.levels[1], form.levels[0]).mean() == pytest.approx(curve.mean(), abs=0.1)
    assert all(low <= mid <= high for low, mid, high in zip(form.low, form.curve, form.high, strict=True))


def test_a_value_that_allows_no_curve_says_why():
    of = cohort(DEATHS)
    two = np.where(of.predictors["high_drr"] > 0, 2.0, 1.0)
    [form] = forms(replace(of, raw={"de_ritis_ratio": two}))
    assert form.reason == "the values lie too close together for a curve"
    assert not form.fits
    [nobody] = forms(replace(of, raw={"de_ritis_ratio": np.zeros(200)}))
    assert nobody.n == 0
    assert nobody.reason
    assert forms(replace(of, raw={})) == ()
