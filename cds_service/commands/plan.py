"""What `imnm-cds plan` does: how many patients a study needs before there are data, in words or as JSON."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.terminal import print_json
from models.registry import default_folder, load_model
from models.training.fitting.sample_size import MARGIN, OPTIMISM, SHRINKAGE
from models.training.plain_json import as_json
from models.training.simulation.planning import Plan, Widths, Wishes, plan
from models.training.simulation.simulate import recipe_of_model

SCHEMA = "imnm-cds-plan/1"


def run_plan(
    folder: Path | None,
    wishes: Wishes,
    widths: Widths,
    sizes: tuple[int, ...],
    console: Console,
    *,
    as_json_object: bool,
) -> None:
    """Plan for patients like those of a model folder, or of the shipped model, and print it. Raises ValueError."""
    model = load_model(folder or default_folder())
    made = plan(recipe_of_model(model), wishes, widths, sizes)
    if as_json_object:
        print_json({"schema": SCHEMA, **as_json(made)}, indent=1)
    else:
        console.print(Text(model.limits, style="bold"), soft_wrap=True)
        _show_plan(console, made)


def _show_plan(console: Console, made: Plan) -> None:
    """Print what is assumed, what development and validation need, and what fewer patients give."""
    assumed, size = made.assumed, made.development
    most = max(made.validation, key=lambda row: row.n)
    risk, rate = f"{100 * assumed.risk:.0f} %", f"{100 * assumed.rate:.0f}"
    parameters = f"{assumed.parameters} parameter{'' if assumed.parameters == 1 else 's'}"
    model = f"Cox-Snell's R² {assumed.r_squared:.2f}, {parameters}"
    within = f"the overall risk known to within {100 * MARGIN:.0f} points"
    lines = (
        f"Assumed, from {assumed.origin} where nothing else was given:",
        f"  {risk} recur within {_years(assumed.horizon)}; C {assumed.concordance:.2f}, {model};",
        f"  {_years(assumed.follow_up)} of follow-up on average, {rate} recurrences in 100 person-years.",
        Text("\nTo develop a model (Riley's criteria, as pmsampsize)", style="bold"),
        f"{size.n} patients with {size.events:.0f} recurrences, {size.events_per_parameter:.1f} for each parameter.",
        f"  shrinkage of at least {SHRINKAGE:g}: {size.shrinkage} patients",
        f"  optimism of Nagelkerke's R² of at most {OPTIMISM:g}: {size.optimism} patients",
        f"  {within}: {size.precision} patients; {size.n} give {100 * size.margin:.1f} points",
        Text("\nTo validate a model that is right", style="bold"),
        f"{most.n} patients with {most.events:.0f} recurrences.",
        *(
            f"  {row.measure}, an interval {row.width:g} wide: {row.n} patients, {row.events:.0f} recurrences"
            for row in made.validation
        ),
        Text("\nWhat so many patients give", style="bold"),
    )
    for line in lines:
        console.print(Text(line) if isinstance(line, str) else line)
    console.print(_table(made))
    console.print(
        Text(
            "Width of the 95 % interval where a model is validated in them; shrinkage that a model developed on them is"
            f" expected to need. From {made.drawn:,} simulated patients: numbers of patients are within about 2 %;"
            " below 150 patients intervals turn out somewhat wider.",
            style="dim",
        )
    )


def _table(made: Plan) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("patients", "recurrences", "slope", "O/E", "C", "shrinkage"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in made.expected:
        widths = (row.slope, row.observed_over_expected, row.concordance)
        numbers = (*widths, row.shrinkage)
        table.add_row(f"{row.n:,}", f"{row.events:.0f}", *(f"{number:.2f}" for number in numbers))
    return table


def _years(years: float) -> str:
    return "1 year" if years == 1 else f"{years:.3g} years"
