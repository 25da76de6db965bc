"""The example report of the documentation: what `imnm-cds train` writes for the synthetic demonstration cohort.

`python -m tests.statistics.example --write` writes `docs/example-report.html` and `.json`.
"""

import io
import sys
import tempfile
from datetime import date
from pathlib import Path

from cds_service.commands.cohort import CohortSource
from cds_service.commands.train import run_train
from cds_service.terminal import open_console
from models.training.fitting.fit_record import Labels
from models.training.fitting.train import Options
from models.training.report.write import HTML_NAME, JSON_NAME

ROOT = Path(__file__).parents[2]
COHORT = ROOT / "tests" / "data" / "reference" / "data" / "demo_reconstructed_200.csv"
PAGE = ROOT / "docs" / "example-report.html"
NUMBERS = ROOT / "docs" / "example-report.json"
TIME_ZERO = "180 days after the start of treatment"
LABELS = Labels("the demonstration cohort", date(2026, 3, 1), synthetic=True)


def example(resamples: int = 1000) -> tuple[str, str]:
    """The page and its numbers, as `train` writes them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        console, options = open_console(io.StringIO()), Options(bootstrap=resamples)
        run_train(CohortSource(COHORT, TIME_ZERO), folder, options, LABELS, console)
        report = folder / "report"
        return tuple((report / name).read_text(encoding="utf-8") for name in (HTML_NAME, JSON_NAME))


def write_example() -> None:
    """Write both files."""
    html, numbers = example()
    PAGE.write_text(html, encoding="utf-8", newline="\n")
    NUMBERS.write_text(numbers, encoding="utf-8", newline="\n")


if __name__ == "__main__" and "--write" in sys.argv:
    write_example()
