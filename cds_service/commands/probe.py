"""What a FHIR server does with the prefetch templates, and what one chart costs it: asked as a hook call asks.

Each template is asked alone, with the whole time of a chart; then the chart is read in parallel, within it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from cds_service.fhir.bundle import UnreadableError
from cds_service.fhir.client import AskOtherwiseError, Chart, Connection, Found, NotOfferedError
from cds_service.fhir.gather import REFERRED
from cds_service.fhir.queries import BY_KEY, NEVER_OFF, PATIENT, PHASE_1, Parameters, search_value
from cds_service.security.clients import Caller
from cds_service.settings import Limits
from fhir_mapping.record import Entry, Gathered, Source
from fhir_mapping.versions import version

PATIENCE_S = 30.0  # for /metadata and a patient to try, which no hook call asks and some servers are slow at
SLOW_SHARE = 0.5  # of a chart's time: one query that takes more has no room for a second page or a busy day

State = Literal["supported", "otherwise", "not-offered", "configured", "refused", "failed", "timed-out"]
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Row:
    """What a server does with one prefetch key. `reason` is ours ("HTTP 404"), never the server's words."""

    key: str
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


async def first_patient(server: Server) -> str:
    """Return the id of the patient that the server names first; raises UnreadableError."""
    one_page = replace(server.limits, query_pages=1)
    found = await server.chart(PATIENCE_S, one_page).search("Patient", (("_count", "1"),))
    if not found.entries:
        raise UnreadableError(found.failure or "it names none")
    try:
        return msgspec.json.decode(found.entries[0].json, type=_Identified).id
    except msgspec.DecodeError:
        raise UnreadableError("its id cannot be read") from None


async def ask(server: Server, key: str, template: str, patient_id: str) -> Row:
    """Ask for one key as a client that fills its template, and judge the answer as a hook call does."""
    if key in server.caller.client.not_offered:
        return Row(key, "configured")
    parameters = _filled(template, patient_id)
    begun = server.clock()
    try:
        found, way = await _by_any_way(
            server.chart(server.limits.gather_seconds), key, parameters, patient_id
        )
        row = _judged(key, found, way, parameters)
    except UnreadableError as error:
        row = _refused(key, error)
    seconds = server.clock() - begun
    return replace(row, seconds=seconds, slow=seconds > SLOW_SHARE * server.limits.gather_seconds)


async def cost(server: Server, patient_id: str) -> Cost:
    """Read a whole chart as a hook call for an IMNM patient does: phase 1, the rest, Medications by reference."""
    chart = server.chart(server.limits.gather_seconds)
    begun = server.clock()
    offered = [key for key in BY_KEY if key not in server.caller.client.not_offered]
    sources = await _read(server, chart, [key for key in offered if key in PHASE_1], patient_id)
    phase_1 = Spent(chart.requests, chart.bytes, server.clock() - begun)
    sources |= await _read(server, chart, [key for key in offered if key not in PHASE_1], patient_id)
    await _read_medications(server, chart, sources, patient_id)
    whole = Spent(chart.requests, chart.bytes, server.clock() - begun)
    return Cost(phase_1, whole, frozenset(key for key, source in sources.items() if source.state == "failed"))


def _filled(template: str, patient_id: str) -> Parameters:
    """Fill a template and take the search parameters out of it; a read has none."""
    pairs = [part.partition("=") for part in template.partition("?")[2].split("&") if part]
    return tuple((name, value.replace(PATIENT, search_value(patient_id))) for name, _, value in pairs)


async def _by_any_way(chart: Chart, key: str, parameters: Parameters, patient_id: str) -> tuple[Found, str]:
    """Ask, and where the server wants it otherwise ask as `gather` does; returns which way it was in the end.

    Raises UnreadableError.
    """
    query = BY_KEY[key]
    if not parameters:
        return Found([await chart.read(query.resource_type, patient_id)], matches=1, pages=1), ""
    patient = ("patient", search_value(patient_id))
    ways: list[tuple[str, tuple[Parameters, ...]]] = [("", (parameters,))]
    for searches in query.instead():
        named = "by category" if ("category" in dict(searches[0])) else "by patient alone"
        ways.append((named, tuple((patient, *rest) for rest in searches)))
    for way, searches in ways[:-1]:
        try:
            return await _together(chart, query.resource_type, searches), way
        except AskOtherwiseError:
            continue
    way, searches = ways[-1]
    return await _together(chart, query.resource_type, searches), way


async def _together(chart: Chart, resource_type: str, searches: Iterable[Parameters]) -> Found:
    """Make several searches that together answer one query."""
    together = Found()
    for parameters in searches:
        found = await chart.search(resource_type, parameters)
        together.entries += found.entries
        together.matches += found.matches
        together.pages += found.pages
        together.failure = together.failure or found.failure
        together.self_link = found.self_link
    return together


def _judged(key: str, found: Found, way: str, parameters: Parameters) -> Row:
    if found.failure:
        raise UnreadableError(found.failure)
    ignored = () if way else _ignored(found.self_link, parameters)
    return Row(key, "otherwise" if way else "supported", found.matches, found.pages, way=way, ignored=ignored)


def _refused(key: str, error: UnreadableError) -> Row:
    """Tell an absent source from a failure, as rule F9 does."""
    absent = isinstance(error, NotOfferedError) or (
        isinstance(error, AskOtherwiseError) and error.not_supported
    )
    reason = str(error)
    if absent and key not in NEVER_OFF:
        return Row(key, "not-offered", reason=reason)
    if reason.endswith("timed out"):
        return Row(key, "timed-out", reason=reason)
    return Row(key, "refused" if reason.startswith("HTTP ") else "failed", reason=reason)


def _ignored(self_link: str, parameters: Parameters) -> tuple[str, ...]:
    """Name the parameters that the server's self link lacks; a link without any says nothing."""
    query = parse_qsl(urlsplit(self_link).query, keep_blank_values=True)
    understood = {"_count", *(name.partition(":")[0] for name, _ in query)}
    if "subject" in understood:
        understood.add("patient")  # the same to a server where the subject is a patient
    return tuple(name for name, _ in parameters if query and name not in understood)


async def _read(server: Server, chart: Chart, keys: Iterable[str], patient_id: str) -> dict[str, Source]:
    """Read several keys in parallel, the site's own codes among them."""

    async def source(key: str) -> Source:
        patient = ("patient", search_value(patient_id))
        rest = BY_KEY[key].parameters(server.caller.mapping.tables)
        try:
            found, _ = await _by_any_way(chart, key, () if key == "patient" else (patient, *rest), patient_id)
        except UnreadableError as error:
            absent = _refused(key, error).state == "not-offered"
            return Source("not-offered" if absent else "failed")
        return Source("failed" if found.failure else "read", tuple(found.entries))

    return await _each(keys, source)


async def _read_medications(
    server: Server, chart: Chart, sources: dict[str, Source], patient_id: str
) -> None:
    """Read the Medications that prescriptions only refer to, and those that these refer to (T1)."""
    mapping = server.caller.mapping
    gathered = Gathered(patient_id, server.caller.base, sources, mapping)
    unresolved = version(mapping.fhir_version).unresolved_medications
    read: dict[str, tuple[Entry, ...]] = {}

    async def medication(name: str) -> tuple[Entry, ...]:
        medication_id = name.removeprefix("Medication/")
        if not medication_id.strip("."):
            return ()
        try:
            return (await chart.read("Medication", medication_id),)
        except UnreadableError:
            return ()

    while names := [name for name in unresolved(gathered) if name not in read]:
        read |= await _each(names, medication)
        sources[REFERRED] = Source("read", tuple(entry for found in read.values() for entry in found))


async def _each(names: Iterable[str], read: Callable[[str], Awaitable[_Read]]) -> dict[str, _Read]:
    names = tuple(names)
    return dict(zip(names, await asyncio.gather(*map(read, names)), strict=True))
