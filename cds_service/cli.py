"""The command `imnm-cds`. Bad input ends in one line and exit status 2."""

import gc
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cds_service.commands.options import (
    AcceptUnknownStatus,
    AgeGroups,
    BaselineTies,
    Candidates,
    CohortPath,
    Columns,
    Config,
    DraftMap,
    Groups,
    Imputations,
    Map,
    MaxRows,
    Ridge,
    ShrinkageOption,
    StartOfFollowUp,
    TimeZero,
    TimeZeroInRecords,
    Until,
)

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

_OURS = {"cds_service", "fhir_mapping", "models"}


def main() -> None:
    """Run the command line; every expected error is one line on standard error."""
    from cds_service.errors import CallerError

    try:
        app()
    except (ValueError, CallerError, OSError) as error:
        # Our own errors are ValueErrors with one sentence for people; the system's are of a full disk or a device that is gone.
        typer.echo(f"imnm-cds: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OURS:
            raise
        typer.echo(
            f"imnm-cds: {error.name} is not installed here: this command needs the packages of all.lock"
            " (in the repository: make .venv/all)",
            err=True,
        )
        sys.exit(2)


@app.callback()
def imnm_cds() -> None:
    """Clinical decision support for immune-mediated necrotizing myopathy (IMNM)."""


@app.command()
def serve(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    certfile: Annotated[Path | None, typer.Option(help="Certificate chain in PEM, for TLS.")] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its private key in PEM.")] = None,
    allow_unproved_callers: Annotated[
        bool,
        typer.Option(
            "--allow-unproved-callers", help="Also listen beyond loopback for clients without auth."
        ),
    ] = False,
) -> None:
    """Serve CDS Hooks until stopped. SIGHUP reads the configuration anew."""
    gc.disable()  # nothing of a start is garbage: to look for some would be a sixth of it
    try:
        from cds_service.web.serving import Address, run

        run(config, Address(host, port, certfile, keyfile, allow_unproved_callers), workers)
    finally:
        gc.enable()


@app.command()
def demo(
    patient: Annotated[str, typer.Option(help="Sample patient whose chart is opened.")] = "high-overdue",
    once: Annotated[bool, typer.Option("--once", help="End after the card.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the service.")] = None,
    loopback: Annotated[
        list[str] | None, typer.Option(help="A further FHIR base on this machine that may call; repeatable.")
    ] = None,
) -> None:
    """Open the chart of a sample patient through the real hook call, and show the card."""
    from cds_service.demo.run import run

    run(patient, port, once=once, loopback=tuple(loopback or ()))


@app.command()
def check(
    config: Config = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write cds-hooks.json anew from the tables.")
    ] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Run every prefetch query once on each client's FHIR server.")
    ] = False,
    client: Annotated[str, typer.Option(help="With --connect: this client's server only.")] = "",
    patient: Annotated[str, typer.Option(help="With --connect: the patient whose chart is read.")] = "",
    report: Annotated[
        bool, typer.Option("--report", help="Report what was shown, what would have been, and the feedback.")
    ] = False,
    audit: Annotated[
        list[Path] | None,
        typer.Option(help="With --report: a file of events that `serve` wrote; repeatable."),
    ] = None,
) -> None:
    """Check configuration, tables, model and prefetch templates, as start-up does."""
    from cds_service.commands.clients import about
    from cds_service.settings.service import load_settings
    from cds_service.terminal import open_console
    from cds_service.web.discovery import discovery_file, write_discovery
    from fhir_mapping.terms import load_tables

    if (client or patient) and not connect:
        raise ValueError("--client and --patient go with --connect")
    if audit and not report:
        raise ValueError("--audit goes with --report")
    settings = load_settings(config)
    if write:
        write_discovery(discovery_file(), load_tables())
    console = open_console()
    for line in about(settings):
        console.out(f"imnm-cds: {line}")
    if connect:
        from cds_service.commands.connect import show_connections

        if not show_connections(console, settings, only=client, patient=patient):
            sys.exit(1)
    if report:
        from cds_service.commands.usage_report import show_report

        show_report(console, settings, tuple(audit or ()))


@app.command()
def explain(
    file: Annotated[Path | None, typer.Argument(help="A FHIR Bundle with one patient's record.")] = None,
    as_of: Annotated[str, typer.Option(help="Date or moment of the assessment; now if left out.")] = "",
    fhir_version: Annotated[str, typer.Option(help="The FHIR version of the record.")] = "R4",
    accept_unknown_status: AcceptUnknownStatus = False,
    config: Config = None,
    server: Annotated[str, typer.Option(help="FHIR base to read from, instead of a file.")] = "",
    patient: Annotated[str, typer.Option(help="Patient id on that server.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain what is said about one patient, and why."""
    from cds_service.commands import explain as command
    from cds_service.commands.explain.format import as_json as json_object
    from cds_service.commands.explain.text import show_explanation
    from cds_service.terminal import open_console, print_json

    client = command.client_of(config, fhir_version, accept_unknown_status=accept_unknown_status)
    moment = command.moment(as_of, client) if as_of else datetime.now(UTC)
    model = command.model_of(config)
    if file and not (server or patient):
        assessment = command.from_file(file, command.caller_for(client), moment, model)
    elif server and patient and not file:
        assessment = command.from_server(server, patient, client, moment, model)
    else:
        raise ValueError("give a FILE, or --server BASE with --patient ID")
    if as_json:
        print_json(json_object(assessment))
    else:
        show_explanation(open_console(), json_object(assessment))
    command.tell_unread(assessment)
    if assessment.outcome_name == "eligibility-unknown":
        sys.exit(3)


@app.command()
def call(
    discovery: Annotated[str, typer.Argument(help="Discovery address, like http://host:8080/cds-services.")],
    fhir: Annotated[str, typer.Option(help="FHIR base that prefetch is read from and the call names.")],
    patient: Annotated[str, typer.Option(help="Patient id on that FHIR server.")],
    service: Annotated[str, typer.Option(help="Service id; the first for patient-view if left out.")] = "",
    user: Annotated[str, typer.Option(help="Who opens the chart.")] = "Practitioner/example",
    prefetch: Annotated[bool, typer.Option(help="Fill the service's prefetch templates first.")] = True,
    accept: Annotated[
        int | None, typer.Option(min=1, help="Accept this suggestion of the first card.")
    ] = None,
    dismiss: Annotated[
        int | None, typer.Option(min=0, help="Dismiss the first card for this reason; 0: without one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was answered, as JSON.")] = False,
) -> None:
    """Call any CDS Hooks service as an EHR does when a chart is opened, and show its cards."""
    from cds_service.commands.call import Action, run

    action = Action(accept=accept, dismiss=dismiss)
    run(
        discovery,
        fhir,
        patient,
        service=service,
        user=user,
        prefetch=prefetch,
        action=action,
        as_json=as_json,
    )


@app.command()
def describe(
    cohort: CohortPath,
    time_zero: TimeZero = "",
    columns: Columns = None,
    map: Map = None,  # noqa: A002
    candidates: Candidates = None,
    landmark: StartOfFollowUp = "",
    until: Until = "",
    max_rows: MaxRows = None,
    out: Annotated[Path | None, typer.Option(help="Also write the tables into this folder, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    draft_map: DraftMap = None,
) -> None:
    """Describe a cohort: Table 1 by antibody subtype and by recurrence, follow-up, missing values."""
    from cds_service.commands.cohort import CohortSource
    from cds_service.commands.describe import run_describe, run_draft
    from cds_service.terminal import open_console

    source = CohortSource(cohort, time_zero, columns or (), candidates or (), landmark, until, max_rows, map)
    if draft_map:
        run_draft(source, draft_map, open_console())
    else:
        run_describe(source, open_console(), as_json_object=as_json, out=out)


@app.command()
def train(
    cohort: CohortPath,
    out: Annotated[Path, typer.Option(help="Folder to write the model to; it must not be there yet.")],
    time_zero: TimeZero = "",
    columns: Columns = None,
    map: Map = None,  # noqa: A002
    candidates: Candidates = None,
    landmark: StartOfFollowUp = "",
    until: Until = "",
    shrinkage: ShrinkageOption = None,
    ridge: Ridge = 0.0,
    firth: Annotated[bool, typer.Option("--firth", help="Firth's penalty, against separation.")] = False,
    baseline: BaselineTies = "efron",
    bootstrap: Annotated[int, typer.Option(min=20, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**53, help="Seed of the resamples.")] = 1,
    select: Annotated[
        bool, typer.Option("--select", help="Also select among predictors and candidates, for information.")
    ] = False,
    imputations: Imputations = None,
    update: Annotated[
        Path | None, typer.Option(help="A model folder: change it as far as the cohort asks for, no more.")
    ] = None,
    anchor: TimeZeroInRecords = "",
    policy: Annotated[Path | None, typer.Option(help="A policy.toml to go with the model.")] = None,
    centre: Annotated[str, typer.Option(help="Whose cohort it is, as cards will say.")] = "",
    synthetic: Annotated[bool, typer.Option("--synthetic", help="The patients are not real.")] = False,
    group: Groups = None,
    age_groups: AgeGroups = "",
    max_rows: MaxRows = None,
    date: Annotated[str, typer.Option(help="Day of the fit, as cards will say; today if left out.")] = "",
) -> None:
    """Fit the four-predictor model to a cohort and write it as a folder that the service serves."""
    from cds_service.commands.cohort import CohortSource
    from cds_service.commands.train import day_of, default_centre, run_train
    from cds_service.terminal import open_console
    from models.training.fitting.fit_record import Labels
    from models.training.fitting.train import Options

    read = (candidates or (), landmark, until, max_rows, map, anchor, group or ())
    source = CohortSource(cohort, time_zero, columns or (), *read)
    options = Options(shrinkage, ridge, firth, baseline, bootstrap, seed, select, imputations)
    labels = Labels(centre or default_centre(cohort), day_of(date), synthetic)
    console = open_console()
    run_train(source, out, options, labels, console, parent=update, policy=policy, age_groups=age_groups)


@app.command()
def validate(
    model: Annotated[Path, typer.Argument(help="A model folder, as `train` writes it.")],
    cohort: CohortPath,
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json, tables and figures.")],
    time_zero: TimeZero = "",
    columns: Columns = None,
    map: Map = None,  # noqa: A002
    landmark: StartOfFollowUp = "",
    until: Until = "",
    bootstrap: Annotated[int, typer.Option(min=20, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 1,
    date: Annotated[str, typer.Option(help="What the report calls its date; none if left out.")] = "",
    against: Annotated[list[Path] | None, typer.Option(help="A model folder to compare with.")] = None,
    group: Groups = None,
    age_groups: AgeGroups = "",
    max_rows: MaxRows = None,
) -> None:
    """Validate a model in a cohort, and write a report: one page of HTML, and every number of it as JSON."""
    from cds_service.commands.cohort import CohortSource
    from cds_service.commands.validate import run_validate
    from cds_service.terminal import open_console

    source = CohortSource(
        cohort, time_zero, columns or (), (), landmark, until, max_rows, map, groups=group or ()
    )
    run_validate(
        model,
        source,
        out,
        open_console(),
        bootstrap=bootstrap,
        seed=seed,
        date=date,
        against=against or (),
        age_groups=age_groups,
    )


@app.command()
def simulate(
    model: Annotated[
        Path | None, typer.Option(help="A model folder to draw from; the shipped model if left out.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="A named scenario instead: proportional, time-varying.")] = "",
    n: Annotated[int, typer.Option(min=1, help="Patients of a cohort.")] = 200,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; 1, or that of the reconstruction.")] = None,
    deaths_per_year: Annotated[float, typer.Option(min=0, help="Rate of death; 0: nobody dies.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="CSV file to write; standard output if left out.")] = None,
    resemblance: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many cohorts and count how often they look like the abstract."),
    ] = None,
    reconstruct: Annotated[
        bool,
        typer.Option("--reconstruct", help="Reconstruct the shipped model; status 1 unless it agrees."),
    ] = False,
    draws: Annotated[
        int | None, typer.Option(min=1, help="With --reconstruct: draws from the prior.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --resemblance or --reconstruct: print one JSON object.")
    ] = False,
) -> None:
    """Make a synthetic cohort; or check where the shipped model comes from."""
    from cds_service.commands import simulate as command
    from cds_service.terminal import open_console

    if reconstruct:
        if scenario or out or resemblance:
            raise ValueError("--reconstruct goes with --model, --draws, --seed and --json only")
        if not command.run_reconstruct(model, draws, seed, open_console(), as_json_object=as_json):
            sys.exit(1)
        return
    if draws:
        raise ValueError("--draws goes with --reconstruct")
    recipe = command.recipe_for(model, scenario, deaths_per_year)
    if resemblance:
        if out:
            raise ValueError("--resemblance writes no cohort: leave out --out")
        command.run_resemblance(recipe, n, resemblance, seed, open_console(), as_json_object=as_json)
    else:
        command.run_cohort(recipe, n, seed, out)


@app.command()
def plan(
    horizon: Annotated[float, typer.Option(help="Years for which the risk is given.")] = 2.0,
    parameters: Annotated[int, typer.Option(min=1, help="Parameters of the model.")] = 4,
    concordance: Annotated[float | None, typer.Option("--c", help="Expected C.")] = None,
    r_squared: Annotated[float | None, typer.Option(help="Expected Cox-Snell R²; else from C.")] = None,
    risk: Annotated[float | None, typer.Option(help="Recurrence by the horizon, as 0.37.")] = None,
    follow_up: Annotated[float | None, typer.Option(help="Mean years until recurrence or censoring.")] = None,
    slope_width: Annotated[float, typer.Option(help="Widest interval of the calibration slope.")] = 0.2,
    oe_width: Annotated[float, typer.Option(help="Widest interval of observed/expected.")] = 0.2,
    c_width: Annotated[float, typer.Option(help="Widest interval of C.")] = 0.1,
    n: Annotated[list[int] | None, typer.Option(help="A number of patients to look at; repeatable.")] = None,
    model: Annotated[Path | None, typer.Option(help="Whose patients; else the shipped model's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Plan a study before there are data: how many patients development and validation need."""
    from cds_service.commands.plan import run_plan
    from cds_service.terminal import open_console
    from models.training.simulation.planning import SIZES, Widths, Wishes

    wishes = Wishes(horizon, parameters, concordance, r_squared, risk, follow_up)
    widths = Widths(slope_width, oe_width, c_width)
    run_plan(model, wishes, widths, tuple(n or SIZES), open_console(), as_json_object=as_json)
