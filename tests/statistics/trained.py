"""Cohorts and fitted models that several tests look at; each is fitted once."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np

from cds_service.cli import main
from cds_service.commands.cohort import load_cohort
from models.training.cohort.cohort import PREDICTORS, Cohort
from models.training.fitting.fit_record import Labels
from models.training.fitting.train import Options, Trained, train

DATA = Path(__file__).parents[1] / "data" / "reference" / "data"
DEMO = DATA / "demo_reconstructed_200.csv"
DEATHS = DATA / "imnm_syn200.csv"  # 8 of 200 died
GAPS = DATA / "imnm_syn200_missing.csv"
TIME_ZERO = "180 days after the start of treatment"
LABELS = Labels("West Hospital", date(2026, 3, 1))


@dataclass
class Ended:
    """How a command ended, and what it printed."""

    status: int
    out: str
    error: str


def command(*arguments) -> Ended:
    """Run the command line in this process."""
    out, error = io.StringIO(), io.StringIO()
    argv = ["imnm-cds", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(error):
        try:
            main()
        except SystemExit as end:
            return Ended(int(end.code or 0), out.getvalue(), error.getvalue())
    return Ended(0, out.getvalue(), error.getvalue())


@cache
def cohort(path: Path = DEMO) -> Cohort:
    """A cohort as the command line reads it."""
    return load_cohort(path, time_zero=TIME_ZERO)


@cache
def fitted(path: Path = DEMO, **options) -> Trained:
    """A model, with few resamples."""
    return train(cohort(path), Options(**{"bootstrap": 40} | options))


def made(n: int = 200, *, events: int = 60, seed: int = 1, **predictors) -> Cohort:
    """A cohort of chance with so many recurrences, spread over four years; predictors may be given."""
    chance = np.random.default_rng(seed)
    found = {name: chance.integers(0, 2, n).astype(float) for name in PREDICTORS} | predictors
    status = np.zeros(n, dtype=np.int64)
    status[chance.permutation(n)[:events]] = 1
    return replace(
        cohort(),
        name="made.csv",
        ids=tuple(f"id-{i}" for i in range(n)),
        time=chance.uniform(0.1, 4.5, n),
        status=status,
        predictors=found,
        raw={},
        subtype=("",) * n,
        candidates={},
    )
