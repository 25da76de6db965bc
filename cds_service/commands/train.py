"""What `imnm-cds train` does: a cohort becomes a folder that the service serves."""

import json
import re
from datetime import UTC, date, datetime
from math import exp, inf
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.gate import by_served_rules
from cds_service.commands.cohort import CohortSource
from cds_service.commands.progress import progress_bars
from models.artefact import Model
from models.policy import load_policy
from models.registry import default_folder, load_model
from models.training.errors import TrainingError
from models.training.fitting.fit_record import Labels, require_text
from models.training.fitting.train import Options, Trained, train
from models.training.fitting.updating.in_words import in_words, recorded
from models.training.fitting.updating.update import Updated, update
from models.training.fitting.write_model import require_free, write_model
from models.training.plain_json import as_json
from models.training.report.write import report_on
from models.training.statistics.limits import hazard_ratio, with_limits
from models.training.validation.supplement.against import rival
from models.training.validation.supplement.fairness import age_limits
from models.training.validation.supplement.supplement import Asked

SETTINGS = "serve.toml"
"""The file in a model's folder that serves it: a configuration names its model relative to itself."""


def run_train(
    source: CohortSource,
    out: Path,
    options: Options,
    labels: Labels,
    console: Console,
    *,
    parent: Path | None = None,
    policy: Path | None = None,
    age_groups: str = "",
) -> None:
    """Fit, write the folder `out` with a report and a configuration in it, and show the result.

    `parent` is a model that is changed as far as the cohort asks for. The report compares with the shipped model, and
    patients by age between the limits `age_groups`. Raises TrainingError or ModelError; then nothing is written.
    """
    require_free(out)
    if words := source.time_zero.strip():
        require_text("time zero", words)
    how_to_fit = options.penalised or options.select or options.shrinkage or options.imputations is not None
    if parent and how_to_fit:
        raise TrainingError(
            "--update finds out how much of the given model is to be changed: leave out what says how to fit"
        )
    given = by_served_rules(load_model(parent), parent) if parent else None
    asked = Asked(age_limits(age_groups), (rival(default_folder()),))
    policy = policy or (parent or default_folder()) / "policy.toml"
    bands = load_policy(policy)  # refuses here, before a long fit
    with progress_bars() as progress:
        cohort = source.read(progress)
        if cohort.synthetic and not labels.synthetic:
            raise TrainingError(f"{cohort.name} says that its patients are synthetic: give --synthetic")
        result = (
            update(cohort, given, options, progress, policy=bands)
            if given
            else train(cohort, options, progress, policy=bands)
        )

        def add_report(folder: Path) -> None:
            (folder / SETTINGS).write_text(_settings("."), encoding="utf-8")
            report_on(
                folder,
                cohort,
                folder / "report",
                date=labels.day.isoformat(),
                seed=options.seed,
                resamples=options.bootstrap,
                asked=asked,
                progress=progress,
            )

        model = write_model(out, result, labels, policy, add_report)
    show(console, result, model, out)


def default_centre(path: Path) -> str:
    """What a cohort is called where no centre was named: its file's name as words."""
    return " ".join(re.findall(r"[^\W_]+", path.stem))[:120] or "an unnamed centre"


def day_of(text: str) -> date:
    """`--date`; today where it is empty. Raises TrainingError."""
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TrainingError("--date: give a day like 2026-03-01") from None


def show(console: Console, result: Trained | Updated, model: Model, out: Path) -> None:
    """Print the hazard ratios, what was done to them, the warnings, and what to do next."""
    console.print(Text(model.limits, style="bold"))
    if isinstance(result, Updated):
        for sentence in in_words(as_json(recorded(result.recalibration), not_finite_as_null=True)):
            console.print(Text(sentence), soft_wrap=True)
    if fit := result.refit if isinstance(result, Updated) else result:
        _show_fit(console, fit, model)
    if model.time_zero:
        given = ", ".join(str(days) for days in (0, *(of.days for of in model.landmarks)))
        console.print(f"Baselines from landmarks {given} days after time zero.")
    for name, words in result.cohort.categories.items():
        console.print(Text(f"{name} is compared with {words.reference}."))
    for warning in result.warnings:
        console.print(Text(f"Warning: {warning}.", style="yellow"))
    console.print(Text(f"Written: {out}. Read MODEL_CARD.md and report/report.html there."), soft_wrap=True)
    settings = out.resolve() / SETTINGS
    console.print(Text(f"To serve it: imnm-cds serve --config {settings}, which says:"), soft_wrap=True)
    console.print(Text(_settings(str(out.resolve()))), soft_wrap=True)


def _settings(model: str) -> str:
    """A configuration that serves a model as it stands, to callers of this machine."""
    return (
        f"model = {json.dumps(model, ensure_ascii=False)}\n"
        'prefetch = "full"  # as the client below has no FHIR server, a call brings all that is needed\n\n'
        "[[client]]  # an EHR that calls; docs/configuration.md says how it proves who it is\n"
        'name = "this-machine"\n'
        '# fhir_base = "https://fhir.hospital.example/r4"  # with its FHIR server, prefetch may be "lean"\n'
    )


def _show_fit(console: Console, result: Trained, model: Model) -> None:
    table = Table("predictor", "hazard ratio (95 %)", "served")
    errors = np.sqrt(result.fit.covariance.diagonal())
    pooled = result.missingness.degrees if result.missingness else ()
    degrees = pooled or [inf] * len(errors)
    for name, log_ratio, se, served, of in zip(
        model.names, result.fit.coef, errors, model.log_hazard_ratios, degrees, strict=True
    ):
        table.add_row(name, with_limits(*hazard_ratio(log_ratio, se, of)), f"{exp(served):.2f}")
    console.print(table)
    if result.shrinkage:
        console.print(
            f"Shrinkage by bootstrap: {result.shrinkage.factor:.3f}, the baseline estimated under it. The limits are "
            "those of the fit before it."
        )
    if result.figures:
        c = result.figures
        console.print(f"Harrell's C: {c.apparent:.3f} apparent, {c.corrected:.3f} corrected for optimism.")
