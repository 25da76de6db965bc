"""What `imnm-cds explain` does: one patient's record, from a file or a live server, through the same `assess`."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs
from pydantic import ValidationError

from cds_service.cards.assessment import Assessment, assess
from cds_service.cards.gate import by_served_rules
from cds_service.commands.chart_file import read_bundle
from cds_service.commands.explain.format import as_json
from cds_service.commands.probe import check_patient_id
from cds_service.errors import UnusableInput, first_problem
from cds_service.fhir.client import connect
from cds_service.fhir.gather import gather
from cds_service.security.clients import Caller, callers
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import load_settings
from fhir_mapping.checks import judge
from fhir_mapping.record import Source
from fhir_mapping.terms import load_tables
from fhir_mapping.versions import MODULES, is_read
from models.registry import Model, default_folder, load_model

_SERVER_SECONDS = 60.0  # a person waits for one chart; the hook's own deadline is not for this
MOST_BYTES = 256 * 1024 * 1024  # of a file: the largest charts have some 100,000 resources of 2 kB
# Of whom there are charts; windows and intervals count decades from it
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2199


def explain(
    bundle: Mapping[str, Any], *, as_of: datetime, accept_unknown_status: bool = False
) -> dict[str, Any]:
    """The `explain` object for one FHIR Bundle given as a dictionary. Raises UnusableInput in one sentence."""
    _require_year(as_of)
    caller = caller_for(Client(name="explain", accept_unknown_status=accept_unknown_status))
    return as_json(from_bytes(json.dumps(bundle).encode(), caller, as_of))


def caller_for(client: Client) -> Caller:
    """The tables and settings by which this client's records are read."""
    caller, *_ = callers([client], load_tables(), b"imnm-cds explain").values()  # its bases are read alike
    return caller


def client_of(config: Path | None, fhir_version: str, *, accept_unknown_status: bool) -> Client:
    """The one client of a configuration (none: defaults), with what the command line says put over it.

    Raises SettingsError or UnusableInput.
    """
    if not is_read(fhir_version):
        raise UnusableInput(
            f"--fhir-version: there is no mapping for this version; give {' or '.join(MODULES)}"
        )
    clients = load_settings(config).client if config else (Client(name="explain"),)
    if len(clients) != 1:
        raise UnusableInput(f"--config: {len(clients)} [[client]] blocks; explain needs exactly one")
    accepted = accept_unknown_status or clients[0].accept_unknown_status
    return clients[0].model_copy(update={"accept_unknown_status": accepted, "fhir_version": fhir_version})


def model_of(config: Path | None) -> Model:
    """The model that a configuration names (none: the shipped one). Raises SettingsError or ModelError."""
    folder = load_settings(config).model
    return by_served_rules(load_model(folder), folder)


def moment(text: str, client: Client) -> datetime:
    """`--as-of`: a bare date is its first instant in UTC; a time without zone is the client's. Raises UnusableInput."""
    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        raise UnusableInput(
            "--as-of: give a date like 2026-03-01, or a moment like 2026-03-01T08:00:00Z"
        ) from None
    _require_year(written)
    if len(text) <= len("2026-03-01"):
        return written.replace(tzinfo=UTC)
    return (written if written.tzinfo else written.replace(tzinfo=ZoneInfo(client.time_zone))).astimezone(UTC)


def _require_year(moment: datetime) -> None:
    """Refuse a moment from which no day of a chart can be counted. Raises UnusableInput."""
    if not _EARLIEST_YEAR <= moment.year <= _LATEST_YEAR:
        raise UnusableInput(f"--as-of: give a year from {_EARLIEST_YEAR} to {_LATEST_YEAR}")


def tell_unread(assessment: Assessment) -> None:
    """Say on standard error what could not be read of the record, and why."""
    if unread := ", ".join(f"{key} ({why})" for key, why in assessment.findings.failed.items()):
        sys.stderr.write(f"imnm-cds: could not be read: {unread}\n")


def from_file(file: Path, caller: Caller, as_of: datetime, model: Model | None = None) -> Assessment:
    """Assess the record in a file. Raises UnusableInput."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnusableInput(f"{file}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UnusableInput(
            f"{file}: larger than {MOST_BYTES // 1024**2} MiB: that is no chart of one patient"
        )
    try:
        return from_bytes(data, caller, as_of, model)
    except UnusableInput as error:
        raise UnusableInput(f"{file}: {error}") from error


def from_bytes(data: bytes, caller: Caller, as_of: datetime, model: Model | None = None) -> Assessment:
    """Assess the record in a Bundle, by the shipped model unless one is given. Raises UnusableInput."""
    gathered = read_bundle(data, caller.mapping)
    absent = {key: Source("not-offered") for key in caller.not_offered}
    gathered = structs.replace(gathered, sources={**gathered.sources, **absent})
    return assess(judge(gathered, as_of), model or load_model(default_folder()), explained=True)


def from_server(
    base: str, patient_id: str, client: Client, as_of: datetime, model: Model | None = None
) -> Assessment:
    """Read one chart from a live server and assess it. Raises UnusableInput, which repeats nothing of the address."""
    check_patient_id(patient_id)
    try:
        known = Client.model_validate({**client.model_dump(), "fhir_base": base})
    except ValidationError as error:
        raise UnusableInput(f"--server: {first_problem(error)[2]}") from None
    return asyncio.run(
        _from_server(patient_id, caller_for(known), as_of, model or load_model(default_folder()))
    )


async def _from_server(patient_id: str, caller: Caller, as_of: datetime, model: Model) -> Assessment:
    limits = replace(Limits(), answer_seconds=_SERVER_SECONDS)
    async with connect(limits, client=caller.client) as connection:
        deadline = asyncio.get_running_loop().time() + limits.gather_seconds
        gathering = await gather(
            caller,
            patient_id,
            "",
            {},
            as_of=as_of,
            connection=connection,
            limits=limits,
            deadline=deadline,
            whole=True,
        )
    return assess(gathering.record, model, explained=True)
