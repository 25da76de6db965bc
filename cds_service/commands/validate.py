"""What `imnm-cds validate` does: a model and a cohort become a report, and its main numbers are printed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.commands.cohort import CohortSource
from cds_service.commands.progress import progress_bars
from models.registry import load_model
from models.training.cohort.cohort import PREDICTORS
from models.training.cohort.same_patients import coincidence
from models.training.fitting.write_model import require_free
from models.training.report.words import counted, too_few, written
from models.training.report.write import report_on
from models.training.validation.recorded import fit_record_of
from models.training.validation.supplement.against import rival
from models.training.validation.supplement.fairness import age_limits
from models.training.validation.supplement.supplement import Asked
from models.training.validation.validation import Measure, Validation


def run_validate(
    model: Path,
    source: CohortSource,
    out: Path,
    console: Console,
    *,
    bootstrap: int,
    seed: int,
    date: str = "",
    against: Sequence[Path] = (),
    age_groups: str = "",
) -> None:
    """Validate, write the report into `out`, which must be free, show the main numbers. Raises TrainingError or ModelError.

    The report compares with the models of the folders `against`, and patients by age between the limits `age_groups`.
    """
    require_free(out)
    limits = load_model(model).limits  # a model that cannot be served is refused before anything is read
    record = fit_record_of(model)
    asked = Asked(age_limits(age_groups), tuple(rival(folder) for folder in against))
    with progress_bars() as progress:
        cohort = source.read(progress)
        validation, page = report_on(
            model, cohort, out, seed=seed, resamples=bootstrap, date=date, asked=asked, progress=progress
        )
    show(console, validation, limits, page)
    complete = cohort.where(np.asarray(~np.isnan(cohort.matrix(PREDICTORS)).any(axis=1)))
    alike = (coincidence(record, c.time, int(c.event.sum())) for c in (cohort, complete))
    if not validation.same_cohort and (warning := next(filter(None, alike), "")):
        console.print(Text(f"Warning: {warning}.", style="yellow"))


def show(console: Console, validation: Validation, limits: str, page: Path) -> None:
    """Print the model's own limits, the main numbers, and where the report is."""
    console.print(Text(limits, style="bold"), soft_wrap=True)
    what = f"{validation.model_id} {validation.model_version} in {validation.cohort}"
    patients = counted(validation.n, "synthetic patient" if validation.synthetic else "patient")
    events = counted(validation.events, "recurrence")
    console.print(Text(f"{what}: {patients}, {events}, {validation.deaths} died before"), soft_wrap=True)
    for step in validation.flow:
        if step.taken_out:
            console.print(Text(f"Taken out: {step.taken_out}, {step.reason}."))
    corrected = ""
    if (internal := validation.internal) and internal.shifted.value is not None:
        corrected = (
            f"; {written(internal.shifted.value, 3)} corrected for optimism ({internal.resamples} resamples)"
        )
    console.print(Text(f"Harrell's C: {said(validation.harrell)}{corrected}"))
    console.print(Text(f"Calibration slope: {said(validation.slope)}"))
    table = Table("", "AUC", "Brier", "IPA", "observed / expected", "ICI")
    for at in validation.horizons:
        brier, ipa, ici = (
            "–" if measure.value is None else written(measure.value, 3)
            for measure in (at.brier, at.ipa, at.ici)
        )
        table.add_row(f"{at.years:g} y", said(at.auc), brier, ipa, said(at.observed_over_expected), ici)
    console.print(table)
    if few := too_few(validation.events):
        console.print(Text(f"Warning: {few}.", style="yellow"), soft_wrap=True)
    console.print(Text(f"Report: {page}, all numbers in {page.with_suffix('.json').name}"), soft_wrap=True)


def said(measure: Measure, decimals: int = 2) -> str:
    """A measure in words, with its limits where it has them."""
    if measure.value is None:
        return "not estimable"
    text = written(measure.value, decimals)
    if measure.low is None or measure.high is None:
        return text
    return f"{text} ({written(measure.low, decimals)} to {written(measure.high, decimals)})"
