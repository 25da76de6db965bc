"""Writes the report of a validation: one page, one JSON file with every number of it, tables and figures for a paper."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.artefact import Model
from models.registry import load_model
from models.training.cohort.cohort import Cohort
from models.training.cohort.describe import TableOne, table_one
from models.training.report.compose import compose
from models.training.report.export import OURS, figure_files, model_files, table_files, write_files
from models.training.report.page import page
from models.training.report.report import as_document
from models.training.statistics.progress import Progress, quiet
from models.training.validation.analysis_set import analysis_set
from models.training.validation.recorded import fit_record_of
from models.training.validation.supplement.supplement import Asked, Supplement, supplement
from models.training.validation.validate import RESAMPLES, validate
from models.training.validation.validation import Validation

__all__ = ["HTML_NAME", "JSON_NAME", "files_of", "report_on", "write_report"]

HTML_NAME, JSON_NAME = "report.html", "report.json"


def files_of(
    validation: Validation,
    model: Model,
    described: TableOne | None = None,
    date: str = "",
    record: Mapping[str, Any] | None = None,
    more: Supplement | None = None,
) -> dict[str, str]:
    """Every file of the report by name: page, numbers, tables, figures. Raises TrainingError as `compose`."""
    report = compose(validation, model, described, date, record, more)
    html, figures = page(report)
    document = as_document(replace(report, figures=figures))
    return {
        HTML_NAME: html,
        JSON_NAME: json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        **table_files(described),
        **model_files(report),
        **figure_files(html),
    }


def write_report(
    validation: Validation,
    described: TableOne | None,
    model: Model,
    folder: Path,
    date: str = "",
    *,
    record: Mapping[str, Any] | None = None,
    more: Supplement | None = None,
) -> tuple[Path, Path]:
    """Write all files into `folder`, all or none; returns the paths of page and numbers.

    `described` are the cohort's characteristics (None: the predictors alone), `date` what the page calls its date,
    `record` how the model was fitted, `more` what else is known of it in these patients. Raises TrainingError.
    """
    write_files(folder, files_of(validation, model, described, date, record, more), instead_of=OURS)
    return folder / HTML_NAME, folder / JSON_NAME


def report_on(
    model_folder: Path,
    cohort: Cohort,
    folder: Path,
    *,
    date: str = "",
    seed: int = 1,
    resamples: int = RESAMPLES,
    asked: Asked | None = None,
    progress: Progress = quiet,
) -> tuple[Validation, Path]:
    """Validate the model of a folder in a cohort and write the report; returns the validation and the page's path.

    Raises ModelError or TrainingError; then nothing is written.
    """
    model, record = load_model(model_folder), fit_record_of(model_folder)
    validation = validate(model, cohort, record=record, seed=seed, resamples=resamples, progress=progress)
    among = analysis_set(model, cohort, record)
    more = supplement(
        model, among, validation, record, asked or Asked(), resamples=resamples, progress=progress
    )
    described = table_one(replace(among.cohort, synthetic=validation.synthetic))
    html, _ = write_report(validation, described, model, folder, date, record=record, more=more)
    return validation, html
