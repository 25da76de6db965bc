"""Made-up cohorts for the tests of the statistics, and a report as text."""

import numpy as np

from models.training.report.write import HTML_NAME, JSON_NAME, files_of


def cohort(seed: int, n: int = 120, p: int = 3, *, ties: bool = True):
    """Columns (n, p), times and events of a proportional-hazards model; in whole weeks if they are to tie."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 2, (n, p - 1))]).astype(float)
    until = rng.exponential(20 * np.exp(-x @ np.linspace(0.8, 0.4, p)))
    lost = rng.uniform(2, 40, n)
    time = np.minimum(until, lost)
    return x, np.ceil(time) if ties else time, until <= lost


def competing(seed: int, n: int = 150):
    """Columns, times and status (0 censored, 1 the event, 2 another)."""
    x, time, event = cohort(seed, n)
    other = np.random.default_rng(seed + 1).random(n) < 0.3
    return x, time, np.where(event, np.where(other, 2, 1), 0)


def rendered(*given, **named):
    """The page and the numbers of a report, as text."""
    texts = files_of(*given, **named)
    return texts[HTML_NAME], texts[JSON_NAME]
