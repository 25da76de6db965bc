"""Writes the example report of the documentation, from the synthetic demonstration cohort.

`python -m models.training.report.example --write` in the repository writes `docs/example-report.html` and `.json`.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path

from models.registry import load_model
from models.training.cohort import read_cohort
from models.training.describe import table_one
from models.training.fit_record import Labels
from models.training.report.write import render
from models.training.train import Options, train
from models.training.validate import fit_record_of, validate
from models.training.write_model import write_model

ROOT = Path(__file__).parents[3]
COHORT = ROOT / "tests" / "data" / "reference" / "data" / "demo_reconstructed_200.csv"
PAGE = ROOT / "docs" / "example-report.html"
NUMBERS = ROOT / "docs" / "example-report.json"
TIME_ZERO = "180 days after the start of treatment"
LABELS = Labels("the demonstration cohort", date(2026, 3, 1), synthetic=True)


def example(resamples: int = 1000) -> tuple[str, str]:
    """The page and its numbers: a model fitted to the cohort as `imnm-cds train` does, and validated in it."""
    cohort = read_cohort(COHORT, time_zero=TIME_ZERO)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        write_model(folder, train(cohort, Options(bootstrap=resamples)), LABELS)
        model, record = load_model(folder), fit_record_of(folder)
    found = validate(model, cohort, record=record, resamples=resamples)
    return render(found, model, table_one(cohort), record=record)


def write_example() -> None:
    """Write both files."""
    html, numbers = example()
    PAGE.write_text(html, encoding="utf-8", newline="\n")
    NUMBERS.write_text(numbers, encoding="utf-8", newline="\n")


if __name__ == "__main__" and "--write" in sys.argv:
    write_example()
