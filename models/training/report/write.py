"""Writes the report of a validation: one HTML file and one JSON file with every number of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.artefact import Model
from models.registry import load_model
from models.training.cohort.cohort import Cohort
from models.training.cohort.describe import TableOne, table_one
from models.training.errors import TrainingError
from models.training.report.compose import compose
from models.training.report.page import page
from models.training.report.report import as_document
from models.training.statistics.progress import Progress, quiet
from models.training.validation.analysis_set import analysis_set
from models.training.validation.supplement.supplement import Asked, Supplement, supplement
from models.training.validation.validate import RESAMPLES, fit_record_of, validate
from models.training.validation.validation import Validation

__all__ = ["HTML_NAME", "JSON_NAME", "render", "report_on", "write_report"]

HTML_NAME, JSON_NAME = "report.html", "report.json"


def render(
    validation: Validation,
    model: Model,
    described: TableOne | None = None,
    date: str = "",
    record: Mapping[str, Any] | None = None,
    more: Supplement | None = None,
) -> tuple[str, str]:
    """The report as HTML and as JSON text; the same input gives the same bytes. Raises TrainingError as `compose`."""
    report = compose(validation, model, described, date, record, more)
    html, figures = page(report)
    document = as_document(replace(report, figures=figures))
    return html, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


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
    """Write both files into `folder`, both or neither; returns their paths.

    `described` are the cohort's characteristics (None: the predictors alone), `date` what the page calls its date,
    `record` how the model was fitted, `more` what else is known of it in these patients. Raises TrainingError.
    """
    texts = render(validation, model, described, date, record, more)
    paths = (folder / HTML_NAME, folder / JSON_NAME)
    parts = [path.with_suffix(f"{path.suffix}.part") for path in paths]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, text in zip(parts, texts, strict=True):
            part.write_text(text, encoding="utf-8", newline="\n")
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
    except OSError as error:
        for part in parts:
            if part.is_file():
                part.unlink()
        raise TrainingError(
            f"{folder}: the report cannot be written ({error.strerror}); name another folder"
        ) from error
    return paths


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
    described = table_one(analysis_set(model, cohort, record).cohort)
    more = supplement(
        model, cohort, validation, record, asked or Asked(), resamples=resamples, progress=progress
    )
    html, _ = write_report(validation, described, model, folder, date, record=record, more=more)
    return validation, html
