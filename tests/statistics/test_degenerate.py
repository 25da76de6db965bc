"""Of cohorts that hold next to nothing every statistic gives a number, nan, or a sentence; nothing else, and no warning."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.training.errors import TrainingError
from models.training.fitting.sample_size import sample_size
from models.training.fitting.selection import select
from models.training.fitting.steps import Steps, take
from models.training.statistics.accuracy import brier_at
from models.training.statistics.arrays import Events, Floats
from models.training.statistics.baseline import baseline
from models.training.statistics.benefit import net_benefit
from models.training.statistics.calibration import calibration_at, calibration_slope
from models.training.statistics.cox import fit_cox, fit_slopes
from models.training.statistics.discrimination import auc_at, harrell_c, uno_c
from models.training.statistics.proportionality import score_test
from models.training.statistics.resampling import SurvivalData, draw_resamples, refit
from models.training.statistics.smooth import in_resamples, smoother
from models.training.statistics.survival import aalen_johansen, kaplan_meier, log_rank
from models.training.validation.groups import aalen_johansen_risk, kaplan_meier_risk
from models.training.validation.internal import drawn, nested
from models.training.validation.performance import Scales

AT = 2.0
THRESHOLDS = np.array([0.1, 0.5])
SCALES = Scales(np.array([AT]), np.array([[0.2, 0.6]]), THRESHOLDS)


def risk_of(x: Floats) -> Floats:
    """Risks between 0 and 1 that follow the first column."""
    return np.asarray(1 / (1 + np.exp(1 - x[:, 0])))


def hazard_of(x: Floats) -> Floats:
    return np.asarray(-np.log1p(-risk_of(x)))


STATISTICS: dict[str, Callable[[Floats, Floats, Events], object]] = {
    "Cox": fit_cox,
    "Cox with ridge": lambda x, t, e: fit_cox(x, t, e, ridge=1.0),
    "Cox by Firth": lambda x, t, e: fit_cox(x, t, e, firth=True),
    "baseline": lambda x, t, e: baseline(np.zeros(x.shape[1]), np.eye(x.shape[1]), x, t, e).cumulative(
        np.array([AT])
    ),
    "proportional hazards": lambda x, t, e: score_test(x, t, e, fit_cox(x, t, e)),
    "slope": lambda x, t, e: calibration_slope(t, e, x[:, 0]),
    "slopes": lambda x, t, e: fit_slopes(x[:, 0][None], t, e),
    "Harrell's C": lambda x, t, e: harrell_c(t, e, x[:, 0]),
    "Uno's C": lambda x, t, e: uno_c(t, e, x[:, 0], AT),
    "AUC": lambda x, t, e: auc_at(t, e, x[:, 0], AT),
    "Brier": lambda x, t, e: brier_at(t, e, risk_of(x), AT),
    "calibration": lambda x, t, e: calibration_at(t, e, risk_of(x), hazard_of(x), AT),
    "curve": lambda x, t, e: smoother(x[:, 0], t, e).at(x[:, 0], AT),
    "curves": lambda x, t, e: in_resamples(x[:, 0], t, e, draw_resamples(len(t), 3, 1)),
    "net benefit": lambda x, t, e: net_benefit(t, e, risk_of(x), AT, THRESHOLDS),
    "Kaplan-Meier": lambda x, t, e: kaplan_meier(t, e).limits(np.array([AT])),
    "Kaplan-Meier's time": lambda x, t, e: kaplan_meier(t, ~e).time_of(0.5),
    "Aalen-Johansen": lambda x, t, e: aalen_johansen(t, e.astype(np.int64), 1).standard_error(np.array([AT])),
    "risk": lambda x, t, e: kaplan_meier_risk(t, e.astype(np.int64), AT),
    "competing risk": lambda x, t, e: aalen_johansen_risk(t, e.astype(np.int64), AT),
    "log-rank": lambda x, t, e: log_rank(t, e, (x[:, 0] > 0).astype(np.int64)),
    "resamples": lambda x, t, e: refit(SurvivalData(x, t, e), 3, 1),
    "steps": lambda x, t, e: take(Steps(), SurvivalData(x, t, e), draw_resamples(len(t), 3, 1)),
    "nested": lambda x, t, e: nested(
        Steps(),
        [SurvivalData(x, t, e)],
        [SurvivalData(x, t, e).resample(count) for count in draw_resamples(len(t), 2, 1)],
        SCALES,
        drawn(1),
    ),
    "selection": lambda x, t, e: select(("a", "b"), SurvivalData(x, t, e), 3, 1),
    "sample size": lambda _x, t, e: sample_size(
        float(e.sum()) / 30,
        2,
        rate=float(e.sum()) / max(t.sum(), 1),
        horizon=AT,
        follow_up=float(t.sum()) / 30,
    ),
}


@st.composite
def cohorts(draw) -> tuple[Floats, Floats, Events]:
    """Two columns, times and events of at most 30 patients, of which anything may be all the same."""
    n = draw(st.integers(1, 30))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    time = draw(
        st.sampled_from(
            [
                np.full(n, 1.0),  # all tied
                np.full(n, AT),  # all at the horizon
                chance.integers(1, 4, n).astype(float),
                chance.exponential(2, n) + 1e-3,
                chance.exponential(0.1, n) + 1e-3,  # nobody followed to the horizon
                np.full(n, 1e-9),
            ]
        )
    )
    event = draw(
        st.sampled_from([np.zeros(n, bool), np.ones(n, bool), chance.random(n) < 0.4, np.arange(n) == 0])
    )
    first = draw(
        st.sampled_from(
            [
                np.zeros(n),
                np.ones(n),
                chance.integers(0, 2, n).astype(float),
                chance.normal(size=n),
                event.astype(float),
            ]
        )
    )
    second = draw(st.sampled_from([first, 1 - first, np.zeros(n), chance.integers(0, 2, n).astype(float)]))
    return np.column_stack([first, second]), time, event


ONE = (np.zeros((1, 2)), np.ones(1), np.ones(1, bool))


@pytest.mark.parametrize("name", STATISTICS)
@given(of=cohorts())
@example(of=ONE)
@example(of=(np.zeros((0, 2)), np.zeros(0), np.zeros(0, bool)))
@settings(max_examples=25, deadline=None)
def test_a_cohort_that_holds_next_to_nothing_gives_a_number_nan_or_a_sentence(name, of):
    x, time, event = of
    with suppress(TrainingError):  # the sentence
        STATISTICS[name](x, time, event)
