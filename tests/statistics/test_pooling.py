"""Pooled results against R's mice and survival, given the same imputed sets, and our imputations against theirs."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from models.training.errors import TrainingError
from models.training.fitting.served import at_horizons, mean_baseline, pooled_at_horizons
from models.training.statistics.baseline import baseline
from models.training.statistics.cox import fit_cox
from models.training.statistics.imputation.chained import impute
from models.training.statistics.imputation.pooling import pool
from tests.statistics.trained import DATA
from tests.support.nightly import count

PREDICTORS = {
    "syn200": ("cardiac", "ana_high", "refractory", "drr_high"),
    "lung": ("age", "sex", "ph_ecog", "wt_loss"),
}
ALPHA = 4.5  # standard errors: of some 20 comparisons none is further off by chance


def table(path):
    """The rows of a file; a line that begins with # says how it was made."""
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def numbers(name: str):
    """R's numbers of a data set: quantity → term → value."""
    found = defaultdict(dict)
    for row in table(DATA.parent / "imputation_numbers.csv"):
        if row["dataset"] == name:
            found[row["quantity"]][row["term"]] = float(row["value"])
    return found


def incomplete(name: str):
    """Columns with gaps, time in years, event: as the script prepares them."""
    rows = table(DATA / {"syn200": "imnm_syn200_missing.csv", "lung": "lung.csv"}[name])

    def column(of):
        return np.array([float("nan" if row[of] in {"", "NA"} else row[of]) for row in rows])

    if name == "syn200":
        drr = column("drr")
        columns = [column(of) for of in PREDICTORS[name][:3]]
        columns.append(np.where(np.isnan(drr), np.nan, drr > 1.73))
        return np.column_stack(columns), column("time_days") / 365.25, column("event") == 1
    columns = np.column_stack([column(of) for of in PREDICTORS[name]])
    columns[:, 1] -= 1
    columns[2::3, 1] = np.nan
    return columns, column("time") / 365.25, column("event") == 1


def completed(name: str):
    """The sets that R imputed (m, n, p)."""
    columns, time, event = incomplete(name)
    cells = table(DATA / f"imputed_{name}.csv")
    sets = np.tile(columns, (max(int(c["set"]) for c in cells), 1, 1))
    for cell in cells:
        place = int(cell["set"]) - 1, int(cell["row"]) - 1, PREDICTORS[name].index(cell["column"])
        assert np.isnan(columns[place[1:]])
        sets[place] = float(cell["value"])
    assert not np.isnan(sets).any()
    return sets, time, event


@pytest.mark.parametrize("name", PREDICTORS)
def test_pooled_results_are_those_of_mice_given_the_same_sets(name):
    sets, time, event = completed(name)
    fits = [fit_cox(x, time, event) for x in sets]
    pooled = pool(
        np.array([f.coef for f in fits]), np.array([f.covariance for f in fits]), event.sum() - sets.shape[2]
    )
    theirs = numbers(name)
    for quantity, values in (
        ("coef", pooled.estimate),
        ("se", np.sqrt(pooled.covariance.diagonal())),
        ("fmi", pooled.missing_information),
    ):
        np.testing.assert_allclose(values, [theirs[quantity][p] for p in PREDICTORS[name]], atol=1e-8)
    np.testing.assert_allclose(pooled.degrees, [theirs["df"][p] for p in PREDICTORS[name]], rtol=1e-8)


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_pooled_baseline_is_the_mean_of_the_log_hazards_of_the_sets(name):
    sets, time, event = completed(name)
    bases = []
    for x in sets:
        fit = fit_cox(x, time, event)
        bases.append(baseline(fit.coef, fit.covariance, x, time, event))
    terms = numbers(name)["log_hazard"]
    years = np.quantile(time, [float(term) for term in terms])
    pooled = pooled_at_horizons(bases, years)
    np.testing.assert_allclose(np.log(pooled.hazard), list(terms.values()), atol=1e-8)
    curve = mean_baseline(bases)
    np.testing.assert_allclose(curve.cumulative(years), pooled.hazard, rtol=1e-12)
    p = sets.shape[2]
    np.testing.assert_allclose(curve.covariance, pooled.covariance[:p, :p], rtol=1e-12)
    theirs = numbers(name)
    np.testing.assert_allclose(
        np.sqrt(pooled.covariance.diagonal()[:p]), [theirs["se"][t] for t in PREDICTORS[name]], atol=1e-8
    )
    # between the sets hazards differ: the pooled variance is above the mean one
    mean = np.mean([at_horizons(base, years).covariance.diagonal() for base in bases], axis=0)
    assert (pooled.covariance.diagonal()[:p] > mean[:p]).all()
    assert (pooled.covariance.diagonal() >= mean).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_our_imputations_are_distributed_as_those_of_mice(name):
    columns, time, event = incomplete(name)
    sets = impute(columns, time, event, imputations=count(300, 3000), seed=11)
    fits = [fit_cox(x, time, event) for x in sets]
    coefs = np.array([f.coef for f in fits])
    theirs = numbers(name)
    for k, term in enumerate(PREDICTORS[name]):
        between, m = theirs["many_between"][term], theirs["many"]["sets"]
        error = np.sqrt(between / m + coefs[:, k].var() / len(sets))
        assert abs(coefs[:, k].mean() - theirs["many_coef"][term]) < ALPHA * error
        ratio = np.log(coefs[:, k].var(ddof=1) / between)
        assert abs(ratio) < ALPHA * np.sqrt(2 / m + 2 / len(sets))
        within = np.mean([f.covariance[k, k] for f in fits])
        assert within == pytest.approx(theirs["many_within"][term], rel=0.02)


def test_of_one_set_nothing_is_pooled():
    with pytest.raises(TrainingError, match="at least 2 completed sets"):
        pool(np.ones((1, 2)), np.ones((1, 2, 2)))
