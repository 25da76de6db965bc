"""`imnm-cds check --connect`: what each client's FHIR server supports, refuses and slows down, and what to do about it.

Nothing of a record is printed, and of a server's own words nothing but its FHIR version and the name of its software.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from cds_service.commands.probe import (
    PATIENCE_S,
    SLOW_SHARE,
    Cost,
    KeyProbe,
    Server,
    Spent,
    ask,
    check_patient_id,
    cost,
    first_patient,
    keys_problem,
    missed,
)
from cds_service.errors import UnusableInput
from cds_service.fhir.bundle import UnreadableError
from cds_service.fhir.client import Capability, Transport, connect
from cds_service.fhir.gather import VERSIONS
from cds_service.security.clients import Caller, callers
from cds_service.settings.limits import Limits
from cds_service.settings.service import ENVIRONMENT_PREFIX, Settings
from cds_service.web.discovery import templates
from fhir_mapping.record import NEVER_OFF
from fhir_mapping.terms import load_tables

_TOKEN_VARIABLE = f"{ENVIRONMENT_PREFIX}FHIR_TOKEN"
_SHOWN = 60  # characters of a server's own words
_TOKEN = re.compile(r"[\x21-\x7e]+")
_BAD = frozenset({"refused", "failed", "timed-out"})
_MEANING = {
    "HTTP 400": "it does not accept this search",
    "HTTP 401": "a token is needed",
    "HTTP 403": "no access",
    "HTTP 404": "not there",
    "HTTP 429": "too many requests",
    "HTTP 503": "it is busy",
}
_MEANING_OF_KIND = {"HTTP 3": "it sends us elsewhere", "HTTP 5": "the server failed"}
_WHOSE = {
    "other patient": "is another patient: raise a ticket with its operator",
    "subject elsewhere": "is at another address: if that is this server too, add its base to also_known_as",
    "no subject": "is not named: raise a ticket with its operator",
}
"""What is wrong with resources whose subject is not this patient (F1), and what to do, the worst first."""


def show_connections(
    console: Console,
    settings: Settings,
    *,
    only: str,
    patient: str,
    transport: Transport | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = perf_counter,
) -> bool:
    """Check the FHIR server of every client, or of the one named `only`; returns whether all of them work.

    `patient`: whose chart is read; without it the first that a server names. `transport` stands in for the network.
    Raises UnusableInput for what is wrong on the command line, SettingsError for a site map that cannot be used.
    """
    if not settings.client:
        raise UnusableInput("--connect: the configuration has no [[client]] block; name a file with --config")
    clients = tuple(client for client in settings.client if only in {"", client.name})
    if not clients:
        names = ", ".join(client.name for client in settings.client)
        raise UnusableInput(f"--client: there is no client of this name; there are: {names}")
    if patient:
        check_patient_id(patient)
    token = os.environ.get(_TOKEN_VARIABLE, "").strip() if only else ""
    if token and not _TOKEN.fullmatch(token):
        raise UnusableInput(f"{_TOKEN_VARIABLE}: this is no access token")
    bounds = limits or Limits()

    async def check(caller: Caller) -> bool:
        own = bounds.answering_within(caller.client.answer_seconds)
        async with connect(own, transport, caller.client) as connection:
            return await _check(console, Server(caller, connection, token, own, clock), patient)

    results = [asyncio.run(check(caller)) for caller in callers(clients, load_tables(), b"").values()]
    return all(results)


def harmless(text: str) -> str:
    """Cut what a server says of itself to one short piece of plain text: no control characters, no markup."""
    return re.sub(r"[^\w .,()/+-]", "", text)[:_SHOWN].strip()


async def _check(console: Console, server: Server, patient: str) -> bool:
    """Check one client's server and print what was found; returns whether it works."""
    client, base = server.caller.client, server.caller.base
    mode = "" if client.mode == "live" else f" (mode {client.mode})"
    _say(console, f"{client.name}{mode}: {base or 'no FHIR server: everything comes as prefetch'}")
    advice, works = list[str](), True
    if base:
        with console.status(Text(f"asking {base}")):
            advice, works = await _examine(console, server, patient)
    if why := await keys_problem(server):
        advice.append(
            f"jwks_url gives no keys ({why}), so every call would end with 401: try it from this machine."
        )
    _say(console, (" ".join(advice) or ("Everything is supported." if base else "")) + "\n")
    return works and not why


async def _examine(console: Console, server: Server, patient: str) -> tuple[list[str], bool]:
    """Print what a server is, supports and costs; returns what to do about it, and whether it works."""
    try:
        capability = await server.chart(PATIENCE_S).capability()
    except UnreadableError as error:
        if not str(error).startswith("HTTP "):
            return [f"It does not answer ({error}): check fhir_base, the network and its certificate."], False
        capability = Capability()
        _say(console, f"/metadata: {_meant(str(error))}")
    else:
        name, number = _version(capability), harmless(capability.fhir_version)
        fhir = f"FHIR {name} ({number})" if name != number else f"FHIR {name or 'of an unknown version'}"
        software = harmless(capability.software_name)
        _say(console, f"{fhir}, {software}" if software else fhir)
    wanted, spoken = server.caller.mapping.fhir_version, _version(capability)
    if spoken not in {"", wanted}:
        return [
            f"It speaks FHIR {spoken}, this client is configured for {wanted}: set fhir_base to its {wanted} address."
        ], False
    try:
        patient_id = patient or await first_patient(server)
    except UnreadableError as error:
        if str(error) == "HTTP 401":
            return [_token_needed(server)], False
        return [f"No patient could be chosen ({_meant(str(error))}): name one with --patient."], False
    probes = [
        await ask(server, key, template, patient_id) for key, template in templates(load_tables()).items()
    ]
    console.print(_table(probes))
    advice, works = await _spent(console, server, probes, patient_id)
    if not spoken:
        advice.append(
            "Its FHIR version is not known: check fhir_base, or raise a ticket with its operator about /metadata."
        )
    works = works and bool(spoken) and not any(probe.state in _BAD for probe in probes)
    return [*_advice(probes, server), *advice], works


async def _spent(
    console: Console, server: Server, probes: list[KeyProbe], patient_id: str
) -> tuple[list[str], bool]:
    """Print what a chart costs where any can be read; returns what to do, and whether it is read in time and used."""
    usable = {probe.key for probe in probes if probe.state in {"supported", "otherwise"}}
    if not usable:
        return [], False
    spent = await cost(server, patient_id)
    _say(
        console,
        f"One chart without prefetch costs this server {_amount(spent.whole)};"
        f" of a patient without IMNM {_amount(spent.phase_1)}.",
    )
    advice = list(_about_use(spent, server.caller.mapping.fhir_version))
    if keys := await missed(server, spent.empty, patient_id):
        advice.append(
            f"Its search by code does not find {_listed(keys)} and its search by category does: raise a ticket with"
            " its operator, a code without its system must be found."
        )
    if unread := [probe.key for probe in probes if probe.key in usable & spent.unread]:
        seconds = server.limits.gather_seconds
        asked = f"Asked in parallel, as a hook call asks within {seconds:.1f} s"
        advice.append(f"{asked}, {_listed(unread)} could not be read: raise a ticket with its operator.")
    return advice, not advice


def _about_use(spent: Cost, wanted: str) -> Iterator[str]:
    """Say why a hook call would use nothing of what it read, though every query was answered."""
    if spent.other_version:
        yield (
            f"What it sends is FHIR {spent.other_version}, this client is configured for {wanted}, so nothing of it"
            f" is used: set fhir_base to its {wanted} address."
        )
    for reason, whose in _WHOSE.items():
        if number := spent.refused.get(reason):
            yield f"Of {_many(number, 'resource')}, not used for that, the subject {whose}."
    if not spent.found and not spent.unread:
        yield (
            "No query brought anything but the Patient, so it is not known whether this server's records are found:"
            " name a patient who has some with --patient."
        )


# --- words -------------------------------------------------------------------------------------------------------


def _say(console: Console, text: str) -> None:
    console.print(Text(text))


def _version(capability: Capability) -> str:
    """Name the FHIR version; what we do not know is named as it is written."""
    return VERSIONS.get(capability.fhir_version[:3], harmless(capability.fhir_version))


def _token_needed(server: Server) -> str:
    if server.token:
        return f"The token in {_TOKEN_VARIABLE} is not accepted (HTTP 401)."
    return f"A token is needed: set {_TOKEN_VARIABLE} and name the client with --client."


def _meant(reason: str) -> str:
    """Add to an HTTP status what it means."""
    meaning = _MEANING.get(reason) or _MEANING_OF_KIND.get(reason[:6])
    return f"{reason}: {meaning}" if meaning else reason


def _table(probes: list[KeyProbe]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("prefetch key", no_wrap=True)
    table.add_column("what the server does with it")
    table.add_column("time", justify="right", no_wrap=True)
    for probe in probes:
        time = "" if probe.state == "configured" else f"{probe.seconds:.2f} s"
        amount = f"{_many(probe.resources, 'resource')}, {_many(probe.pages, 'page')}"
        slow = "slow, but " if probe.slow else ""
        match probe.state:
            case "configured":
                answer = "not offered by configuration"
            case "not-offered":
                answer = f"not offered ({_meant(probe.reason)})"
            case "refused":
                answer = f"refused ({_meant(probe.reason)})"
            case "timed-out":
                answer = f"time-out ({probe.reason})"
            case "failed":
                answer = f"failed ({probe.reason})"
            case "otherwise":
                answer = f"asks otherwise (HTTP 400); {slow}supported {probe.way}: {amount}"
            case "supported":
                ignored = f"; it ignores {_listed(probe.ignored)}" if probe.ignored else ""
                answer = f"{slow}supported: {amount}{ignored}"
        table.add_row(Text(probe.key), Text(answer), Text(time))
    return table


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _amount(spent: Spent) -> str:
    return f"{_many(spent.requests, 'request')}, {decimal(spent.bytes)} and {spent.seconds:.2f} s"


def _advice(probes: list[KeyProbe], server: Server) -> list[str]:
    """Say what to do about the probes, one sentence a matter; nothing where there is nothing to do."""
    reasons = {probe.reason for probe in probes if probe.state in _BAD}
    absent = [probe for probe in probes if probe.state == "not-offered"]
    slow = [probe.key for probe in probes if probe.slow and probe.state in {"supported", "otherwise"}]
    ignored = [probe.key for probe in probes if probe.ignored]
    said = [_token_needed(server)] if "HTTP 401" in reasons else []
    for reason in sorted(reasons - {"HTTP 401"}):
        keys = [probe.key for probe in probes if probe.state in _BAD and probe.reason == reason]
        if reason == "HTTP 404" and "patient" in keys:
            said.append("There is no such patient: name another with --patient.")
        elif reason == "HTTP 400":
            said.append(
                f"The search of {_listed(keys)} is not accepted: mend it in cds_service/fhir/queries.py and run"
                " `imnm-cds check --write`, or raise a ticket with the server's operator."
            )
        elif reason == "HTTP 403":
            said.append(f"This service needs read access to {_listed(keys)}.")
        else:
            said.append(f"Raise a ticket with the server's operator: {_listed(keys)} ({_meant(reason)}).")
    if denied := [probe.key for probe in absent if probe.reason == "HTTP 403"]:
        said.append(f"This service needs read access to {_listed(denied)}.")
    if absent and not any(probe.key in NEVER_OFF and probe.state in _BAD for probe in probes):
        quoted = ", ".join(f'"{probe.key}"' for probe in absent)
        said.append(f"If it stays so, add not_offered = [{quoted}] to this client.")
    if slow:
        limit = SLOW_SHARE * server.limits.gather_seconds
        said.append(
            f"More than {limit:.1f} s for {_listed(slow)}: raise a ticket with its operator, or expect gaps."
        )
    if ignored:
        said.append(f"Search parameters are ignored in {_listed(ignored)}: raise a ticket with its operator.")
    if not said and any(probe.state == "otherwise" for probe in probes):
        said.append("Everything is supported, in part by another search than the template's.")
    return said
