"""The command `imnm-cds`: serve, demo, check, explain, call. Bad input ends in one line and exit status 2."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Config = Annotated[Path | None, typer.Option(help="Configuration in TOML; see docs/configuration.md.")]


def main() -> None:
    """Run the command line; every expected error is one line on standard error."""
    from cds_service.errors import CallerError

    try:
        app()
    except (ValueError, CallerError) as error:
        # Our own errors of configuration, tables, models and input are ValueErrors with one sentence for people.
        typer.echo(f"imnm-cds: {' '.join(str(error).split())}", err=True)
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
) -> None:
    """Serve CDS Hooks until stopped. SIGHUP reads the configuration anew."""
    from cds_service.serving import run

    run(config, host, port, workers)


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
    from cds_service.app import create_app
    from cds_service.fhir.prefetch import discovery_file, write_discovery
    from cds_service.settings import load_settings
    from cds_service.terminal import open_console
    from fhir_mapping.terms import load_tables

    settings = load_settings(config)
    if write:
        write_discovery(discovery_file(), load_tables())
    create_app(settings)
    typer.echo("imnm-cds: configuration, tables, model and prefetch templates are in order")
    if connect:
        from cds_service.connect import show_connections

        if not show_connections(open_console(), settings, only=client, patient=patient):
            sys.exit(1)
    if report:
        from cds_service.report import show_report

        show_report(open_console(), settings, tuple(audit or ()))


@app.command()
def explain(
    file: Annotated[Path | None, typer.Argument(help="A FHIR Bundle with one patient's record.")] = None,
    as_of: Annotated[str, typer.Option(help="Date or moment of the assessment; now if left out.")] = "",
    fhir_version: Annotated[str, typer.Option(help="R4, R4B or R5; only R4 is read so far.")] = "R4",
    accept_unknown_status: Annotated[bool, typer.Option("--accept-unknown-status")] = False,
    config: Config = None,
    server: Annotated[str, typer.Option(help="FHIR base to read from, instead of a file.")] = "",
    patient: Annotated[str, typer.Option(help="Patient id on that server.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain what is said about one patient, and why."""
    from cds_service import explain as command
    from cds_service.explain.format import as_json as json_object
    from cds_service.explain.text import show_explanation
    from cds_service.terminal import open_console

    client = command.client_of(config, fhir_version, accept_unknown_status=accept_unknown_status)
    moment = command.moment(as_of, client) if as_of else datetime.now(UTC)
    if file and not (server or patient):
        assessment = command.from_file(file, command.caller_for(client), moment)
    elif server and patient and not file:
        assessment = command.from_server(server, patient, client, moment)
    else:
        raise ValueError("give a FILE, or --server BASE with --patient ID")
    if as_json:
        typer.echo(json.dumps(json_object(assessment), ensure_ascii=False, allow_nan=False))
    else:
        show_explanation(open_console(), json_object(assessment))
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
    from cds_service.call import Action, run

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
