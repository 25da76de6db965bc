"""What `imnm-cds simulate` does: a synthetic cohort, how often such cohorts look like the abstract, the reconstruction."""

import os
import sys
from math import isfinite
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.commands.progress import progress_bars
from cds_service.terminal import print_json
from models.registry import default_folder, load_model
from models.training.errors import TrainingError
from models.training.plain_json import as_json
from models.training.simulation.reconstruct import reconstruct
from models.training.simulation.simulate import (
    recipe_of_model,
    recipe_of_scenario,
    resemblance,
    simulate,
)
from models.training.simulation.synthetic import Recipe

_COHORT_SEED = 1


def recipe_for(folder: Path | None, scenario: str, deaths_per_year: float) -> Recipe:
    """What is drawn from: a scenario, a model folder, or the model that is served by default. Raises ValueError."""
    if folder and scenario:
        raise TrainingError("give a model or a scenario, not both")
    if not isfinite(deaths_per_year):
        raise TrainingError("--deaths-per-year: give a finite rate, like 0.02")
    if scenario:
        return recipe_of_scenario(scenario, deaths_per_year)
    return recipe_of_model(load_model(folder or default_folder()), deaths_per_year)


def run_cohort(recipe: Recipe, n: int, seed: int | None, out: Path | None) -> None:
    """Write one synthetic cohort to a new file, or to standard output. Raises TrainingError; then nothing is written."""
    text = simulate(recipe, n, _COHORT_SEED if seed is None else seed)
    if out is None:
        sys.stdout.write(text)
        return
    if out.exists():
        raise TrainingError(f"{out} is there already: name another file")
    unfinished = out.with_name(f"{out.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        os.replace(unfinished, out)  # noqa: PTH105
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise TrainingError(f"{out} cannot be written ({error.strerror}); name another file") from error


def run_resemblance(
    recipe: Recipe, n: int, cohorts: int, seed: int | None, console: Console, *, as_json_object: bool
) -> None:
    """Draw and fit cohorts, print means beside the published numbers, and how often they look like the abstract."""
    with progress_bars() as progress:
        counted = resemblance(recipe, n, cohorts, _COHORT_SEED if seed is None else seed, progress)
    if as_json_object:
        print_json(as_json(counted), indent=1)
        return
    console.print(
        Text(
            f"{counted.cohorts} synthetic cohorts of {counted.n} from {counted.origin}; seed {counted.seed}",
            style="bold",
        )
    )
    table = _table("of each cohort's own model", "mean", "SD", "published")
    for figure in counted.figures:
        table.add_row(figure.what, f"{figure.mean:.3f}", f"{figure.sd:.3f}", f"{figure.published:.3f}")
    console.print(table)
    table = _table("how often", "cohorts", "probability", "95 % limits")
    for share in counted.shares:
        limits = f"{share.low:.5f} to {share.high:.5f}"
        table.add_row(share.what, str(share.count), f"{share.share:.5f}", limits)
    console.print(table)
    if counted.failed:
        console.print(Text(f"{counted.failed} cohorts had no finite fit or AUC and do not count."))


def run_reconstruct(
    folder: Path | None, draws: int | None, seed: int | None, console: Console, *, as_json_object: bool
) -> bool:
    """Reconstruct, print each number beside the shipped one; returns whether they agree."""
    model = load_model(folder or default_folder())
    with progress_bars() as progress:
        again = reconstruct(model, draws, seed, progress)
    if as_json_object:
        print_json(as_json(again), indent=1)
        return again.agrees
    console.print(
        Text(f"{again.model} once more: {again.draws} draws, seed {again.seed}, {again.accepted} accepted")
    )
    table = _table("", "shipped", "now", "error now", "z")
    for index, number in enumerate(again.numbers):
        decimals = 5 if index else 4  # those of model.json
        values = (number.shipped, number.reconstructed, number.own_error)
        mark = "" if number.agrees else " !"
        table.add_row(number.name, *(f"{value:.{decimals}f}" for value in values), f"{number.z:+.2f}{mark}")
    console.print(table)
    console.print(
        Text(
            "error now: Monte-Carlo standard error of this run. z: the difference over the error of both sides; "
            f"numbers agree up to {again.limit:.2f}, which all do with 99 % probability if nothing differs."
        )
    )
    differing = [number.name for number in again.numbers if not number.agrees]
    verdict = "All numbers agree." if again.agrees else f"These do not agree: {', '.join(differing)}."
    console.print(Text(verdict, style="bold"))
    return again.agrees


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
