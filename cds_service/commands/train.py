"""What `imnm-cds train` does: a cohort becomes a folder that the service serves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import exp, sqrt
from pathlib import Path
from typing import Literal, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.commands.cohort import load_cohort
from cds_service.commands.progress import Report, progress_bars
from fhir_mapping.cohort.tabulate import Landmark
from models.artefact import Model
from models.policy import load_policy
from models.registry import default_folder, load_model
from models.training.cohort.cohort import MAX_ROWS, Cohort
from models.training.errors import TrainingError
from models.training.fitting.fit_record import Labels, require_text
from models.training.fitting.train import Options, Trained, Updated, train, update
from models.training.fitting.write_model import require_free, write_model
from models.training.report.write import report_on

_LANDMARK = re.compile(r"(eligible|treated)\+(\d{1,4})", re.ASCII)
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class CohortSource:
    """Where a cohort is and how it is read: a table with its time zero, or a folder with landmark and extract date."""

    path: Path
    time_zero: str = ""
    columns: Sequence[str] = ()  # "cardiac_involvement=heart"
    candidates: Sequence[str] = ()
    landmark: str = ""  # "treated+180"
    until: str = ""
    max_rows: int | None = None  # as many as a cohort may have

    def read(self, report: Report) -> Cohort:
        """Read it. Raises TrainingError."""
        report("reading the cohort", 0, 1)
        cohort = load_cohort(
            self.path,
            time_zero=self.time_zero,
            columns=_all_renamed(self.columns),
            candidates=self.candidates,
            landmark=_landmark(self.landmark) if self.landmark else None,
            until=_until(self.until) if self.until else None,
            max_rows=self.max_rows or MAX_ROWS,
        )
        report("reading the cohort", 1, 1)
        return cohort


def run_train(
    source: CohortSource,
    out: Path,
    options: Options,
    labels: Labels,
    console: Console,
    *,
    parent: Path | None = None,
    policy: Path | None = None,
) -> None:
    """Fit, write the folder `out` with a report in it, and show what was found. Raises TrainingError or ModelError; then nothing is written.

    `parent` is a model of which only the baseline hazard is estimated anew.
    """
    require_free(out)
    if words := source.time_zero.strip():
        require_text("time zero", words)
    if parent and (options.penalised or options.select or options.shrinkage):
        raise TrainingError("--update estimates the baseline alone: leave out what says how to fit")
    given = load_model(parent) if parent else None
    policy = policy or (parent or default_folder()) / "policy.toml"
    load_policy(policy)  # refuses here, before a long fit
    with progress_bars() as report:
        cohort = source.read(report)
        if "synthetic" in cohort.unused and not labels.synthetic:
            raise TrainingError(f"{cohort.name} says that its patients are synthetic: give --synthetic")
        result = update(cohort, given, options) if given else train(cohort, options, report)

        def add_report(folder: Path) -> None:
            report_on(
                folder,
                cohort,
                folder / "report",
                date=labels.day.isoformat(),
                seed=options.seed,
                resamples=options.bootstrap,
                progress=report,
            )

        model = write_model(out, result, labels, policy, add_report)
    show(console, result, model, out)


def default_centre(path: Path) -> str:
    """What a cohort is called where no centre was named: its file's name as words."""
    return " ".join(re.findall(r"[^\W_]+", path.stem))[:120] or "an unnamed centre"


def day_of(text: str) -> date:
    """`--date`. Raises TrainingError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TrainingError("--date: give a day like 2026-03-01") from None


def show(console: Console, result: Trained | Updated, model: Model, out: Path) -> None:
    """Print the hazard ratios, what was done to them, the warnings, and what to do next."""
    console.print(Text(model.limits, style="bold"))
    if isinstance(result, Updated):
        console.print(f"Observed over expected recurrences under {result.parent.id}: {result.ratio:.2f}")
    else:
        _show_fit(console, result, model)
    for warning in result.warnings:
        console.print(Text(f"Warning: {warning}.", style="yellow"))
    console.print(Text(f"Written: {out}. Read MODEL_CARD.md and report/report.html there."), soft_wrap=True)
    console.print("To serve it, set in the configuration:")
    console.print(Text(f'model = "{out.resolve()}"'), soft_wrap=True)


def _show_fit(console: Console, result: Trained, model: Model) -> None:
    table = Table("predictor", "hazard ratio (95 %)", "served")
    for name, ratio, variance, served in zip(
        model.names, result.fit.coef, result.fit.covariance.diagonal(), model.log_hazard_ratios, strict=True
    ):
        low, high = exp(ratio - _Z * sqrt(variance)), exp(ratio + _Z * sqrt(variance))
        table.add_row(name, f"{exp(ratio):.2f} ({low:.2f} to {high:.2f})", f"{exp(served):.2f}")
    console.print(table)
    if result.shrinkage:
        console.print(
            f"Shrinkage by bootstrap: {result.shrinkage.factor:.3f}, the baseline estimated under it."
        )
    if result.figures:
        c = result.figures
        console.print(f"Harrell's C: {c.apparent:.3f} apparent, {c.corrected:.3f} corrected for optimism.")


def _all_renamed(texts: Sequence[str]) -> dict[str, str]:
    pairs = [_renamed(text) for text in texts]
    if len(dict(pairs)) < len(pairs):
        raise TrainingError("--columns: a name is given twice")
    return dict(pairs)


def _renamed(text: str) -> tuple[str, str]:
    name, given, column = text.partition("=")
    if not (name and given and column):
        raise TrainingError(f"--columns: {text!r} is not NAME=COLUMN")
    return name, column


def _landmark(text: str) -> Landmark:
    match = _LANDMARK.fullmatch(text)
    if not match:
        raise TrainingError("--landmark: give a start and days, like treated+180 or eligible+180")
    return Landmark(cast(Literal["eligible", "treated"], match[1]), int(match[2]))


def _until(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        raise TrainingError("--until: give the date of the extract, like 2026-03-01") from None
