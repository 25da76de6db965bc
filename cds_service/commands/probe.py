"""What a FHIR server does with the prefetch templates, and what one chart costs it: asked as a hook call asks.

Each template is asked alone, with the whole time of a chart; then the chart is read in parallel, within it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from cds_service.errors import UnusableInput
from cds_service.fhir.bundle import SearchSet, UnreadableError
from cds_service.fhir.client import Chart, fetch
from cds_service.fhir.gather import ChartSources, is_not_offered
from cds_service.fhir.gather import ask as ask_query
from cds_service.fhir.network import Connection
from cds_service.fhir.queries import BY_KEY, PATIENT, PHASE_1, Parameters, search_value
from cds_service.security.clients import Caller
from cds_service.security.keys import published_keys
from cds_service.security.tokens import UnusableKeysError, read_keys
from cds_service.settings.limits import Limits
from fhir_mapping.checks import judge
from fhir_mapping.record import Gathered, Source, SourceKey
from fhir_mapping.versions import found_version

PATIENCE_S = 30.0  # for /metadata and a patient to try, which no hook call asks and some servers are slow at
SLOW_SHARE = 0.5  # of a chart's time: one query that takes more has no room for a second page or a busy day
_PATIENT_ID = re.compile(r"(?!\.{1,2}$)[^/\\\s]{1,256}")

State = Literal["supported", "otherwise", "not-offered", "configured", "refused", "failed", "timed-out"]


@dataclass(frozen=True, slots=True)
class KeyProbe:
    """What a server does with one prefetch key. `reason` is ours ("HTTP 404"), never the server's words."""

    key: SourceKey
    state: State
    resources: int = 0
    pages: int = 0
    reason: str = ""
    way: str = ""  # how it was asked in the end, if not by the template
    seconds: float = 0.0
    slow: bool = False
    ignored: tuple[str, ...] = ()  # search parameters that the server left out of its account of the search


@dataclass(frozen=True, slots=True)
class Spent:
    """What reading cost a server; `seconds` is wall time."""

    requests: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one chart costs without prefetch: phase 1 (a patient without IMNM), and everything."""

    phase_1: Spent
    whole: Spent
    unread: frozenset[str]  # keys that could not be read in parallel and in time
    found: int  # resources beside the Patient
    empty: tuple[SourceKey, ...]  # keys of which there are none
    other_version: str  # of what was read, where it is not the client's: none of it is used then
    refused: Mapping[str, int]  # how many resources are not used, by reason


@dataclass(frozen=True, slots=True)
class Server:
    """One client's FHIR server, and how it is reached. `clock` gives seconds."""

    caller: Caller
    connection: Connection
    token: str
    limits: Limits
    clock: Callable[[], float]

    def chart(self, seconds: float, limits: Limits | None = None) -> Chart:
        """Open a chart that is read for at most `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        return Chart(self.connection, self.caller.base, self.token, limits or self.limits, deadline)


class _Identified(msgspec.Struct, gc=False):
    id: str = ""


def check_patient_id(patient_id: str) -> None:
    """Refuse what `--patient` names where it is no id. Raises UnusableInput."""
    if not _PATIENT_ID.fullmatch(patient_id):
        raise UnusableInput("--patient: this is no id of a patient")


async def first_patient(server: Server) -> str:
    """Return the id of the patient that the server names first; raises UnreadableError."""
    one_page = replace(server.limits, query_pages=1)
    named = await server.chart(PATIENCE_S, one_page).search("Patient", (("_count", "1"),))
    if not named.entries:
        raise UnreadableError(named.failure or "it names none")
    try:
        identified = msgspec.json.decode(named.entries[0].json, type=_Identified)
    except msgspec.DecodeError:
        identified = _Identified()
    if not _PATIENT_ID.fullmatch(identified.id):
        raise UnreadableError("its id cannot be read")
    return identified.id


async def keys_problem(server: Server) -> str:
    """Say why the address of the client's keys gives none that a token could be checked with; empty where it does."""
    client = server.caller.client
    if not client.jwks_url:
        return ""
    try:
        read_keys(await fetch(server.connection, client.jwks_url), client.algorithms, published_keys())
    except (ConnectionError, UnusableKeysError) as error:
        return str(error)
    return ""


async def ask(server: Server, key: SourceKey, template: str, patient_id: str) -> KeyProbe:
    """Ask for one key as a client that fills its template, and judge the answer as a hook call does."""
    if key in server.caller.not_offered:
        return KeyProbe(key, "configured")
    # The search parameters beside the patient; a read has none
    pairs = [part.partition("=") for part in template.partition("?")[2].split("&") if part]
    parameters = tuple((name, value) for name, _, value in pairs if value != PATIENT)
    chart = server.chart(server.limits.gather_seconds)
    begun = server.clock()
    try:
        searched = await ask_query(chart, BY_KEY[key], patient_id, parameters)
        probe = _judged(key, searched, parameters)
    except UnreadableError as error:
        reason = str(error)
        state: State = "refused" if reason.startswith("HTTP ") else "failed"
        if is_not_offered(key, error):  # an absent source is no failure (F9)
            state = "not-offered"
        elif reason.endswith("timed out"):
            state = "timed-out"
        probe = KeyProbe(key, state, reason=reason)
    seconds = server.clock() - begun
    return replace(probe, seconds=seconds, slow=seconds > SLOW_SHARE * server.limits.gather_seconds)


async def missed(server: Server, empty: Iterable[SourceKey], patient_id: str) -> list[SourceKey]:
    """Name those of the keys of which the server has something by category: it finds no codes as we ask for them."""
    chart, keys = server.chart(PATIENCE_S), list[SourceKey]()
    for query in (BY_KEY[key] for key in empty if BY_KEY[key].categories):
        parameters = ("patient", search_value(patient_id)), *query.instead()[0][0]
        try:
            searched = await chart.search(query.resource_type, parameters)
        except UnreadableError:
            continue
        sources = {query.key: Source("read", tuple(searched.entries))}
        gathered = Gathered(patient_id, server.caller.base, sources, server.caller.mapping)
        if any(result.analyte in query.roles for result in judge(gathered, datetime.now(UTC)).results):
            keys.append(query.key)
    return keys


async def cost(server: Server, patient_id: str) -> Cost:
    """Read a whole chart as a hook call for an IMNM patient does (phase 1, the rest, Medications), and judge it so."""
    chart = server.chart(server.limits.gather_seconds)
    sources = ChartSources(server.caller, patient_id, chart, server.limits)
    begun = server.clock()
    await sources.read(PHASE_1)
    phase_1 = Spent(chart.requests, chart.bytes, server.clock() - begun)
    await sources.read(BY_KEY)
    await sources.read_medications()
    whole = Spent(chart.requests, chart.bytes, server.clock() - begun)
    read = sources.gathered()
    failed = frozenset(key for key, source in read.sources.items() if source.state == "failed")
    found = {key: len(read.sources[key].entries) for key in BY_KEY if read.sources[key].state == "read"}
    empty = tuple(key for key, number in found.items() if not number)
    judged_together = (PHASE_1, *((key,) for key in BY_KEY if key not in PHASE_1))
    versions = (found_version(sources.gathered(keys)) for keys in judged_together)
    refused = Counter(refused.reason for refused in judge(read, datetime.now(UTC)).refused)
    others = sum(found.values()) - found.get("patient", 0)
    return Cost(phase_1, whole, failed, others, empty, next(filter(None, versions), ""), refused)


def _judged(key: SourceKey, searched: SearchSet, parameters: Parameters) -> KeyProbe:
    if searched.failure:
        raise UnreadableError(searched.failure)
    matches, pages = len(searched.matches), searched.pages
    if searched.parameters == parameters:
        # Named in our search and not in the server's self link; a link without any parameter says nothing
        query = parse_qsl(urlsplit(searched.self_link).query, keep_blank_values=True)
        understood = {"_count", *(name.partition(":")[0] for name, _ in query)}
        if "subject" in understood:
            understood.add("patient")  # the same to a server where the subject is a patient
        names = ("patient", *(name for name, _ in parameters))
        ignored = tuple(name for name in names if query and name not in understood)
        return KeyProbe(key, "supported", matches, pages, ignored=ignored)
    way = "by category" if "category" in dict(searched.parameters) else "by patient alone"
    return KeyProbe(key, "otherwise", matches, pages, way=way)
