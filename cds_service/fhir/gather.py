"""Prefetch and FHIR server → `Gathered` and the record that it makes, in two phases.

The hook fires on every chart and two in 100,000 people have this disease, so what says whether this is an IMNM patient
comes first, and only a patient for whom there may be something to say is read in full. The contract, in order:

1. Prefetch is taken as it is where it is whole; a key that is not whole is asked for, and kept beside the answer if
   that fails. It is looked at when it is needed, or at once where anything is asked for.
2. **Phase 1** reads Patient, Conditions and antibodies. If most of what was read has another FHIR version than the
   client's, every source is `failed` and nothing else is asked. A server that did not understand the first questions
   is asked for its version.
3. If exactly one of a broad code and an antibody is there, be it as a doubt, CK is read too (E2, E3, U4); if then only
   a biopsy is missing that the client has a code for, procedures and reports are (E2b).
4. Without a sign of the disease the chart ends here: whatever else prefetch held is not looked at.
5. **Phase 2** reads the rest in parallel, then the Medications that prescriptions refer to (T1).
6. The record is that by which the chart ended, else all that was read is judged.

A source ends as `read` (everything), `failed` (incomplete, with what there is and why) or `not-offered` (the server has
no such thing, F9; never Patient and Conditions). Nothing is left out in silence. All of it ends at one deadline.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import TypeVar, TypeVarTuple

from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_service.fhir.answers import AskOtherwiseError, NotOfferedError, RefusedError
from cds_service.fhir.aside import aside
from cds_service.fhir.bundle import SearchSet, TooMuchError, UnreadableError
from cds_service.fhir.client import Chart
from cds_service.fhir.network import Connection
from cds_service.fhir.queries import (
    BY_KEY,
    MAY_BE_REFUSED,
    PHASE_1,
    QUERIES,
    Parameters,
    Query,
    search_value,
    supplied,
)
from cds_service.security.clients import Caller
from cds_service.settings.limits import Limits
from fhir_mapping.checks import judge, with_states
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import NEVER_OFF, Entry, Gathered, Source, SourceKey
from fhir_mapping.rules.eligibility import BIOPSIES
from fhir_mapping.rules.signs import Signs, read_signs, signs_in_doubt
from fhir_mapping.versions import found_version, version
from fhir_mapping.versions.untyped import how_many

VERSIONS = {  # by the start of fhirVersion
    "1.0": "DSTU2",
    "3.0": "STU3",
    "4.0": "R4",
    "4.3": "R4B",
    "5.0": "R5",
}
_Given = TypeVarTuple("_Given")
_Done = TypeVar("_Done")
_PUZZLED = re.compile(r"HTTP 4(?!01|03|29)\d\d")  # what a server of another FHIR version may answer
_NOWHERE = frozenset({"HTTP 404", "HTTP 410"})  # a Medication that the server does not have
MEDICATION_KEYS = tuple(query.key for query in QUERIES if query.resource_type.startswith("Medication"))


class Gathering(Struct, frozen=True):
    """What was gathered, the record that it was judged to be, and what it cost at the FHIR server."""

    gathered: Gathered
    record: PatientRecord
    fhir_requests: int = 0
    fhir_bytes: int = 0
    warnings: int = 0  # remarks of the server inside its answers
    other_version: str = ""  # the FHIR version found, where it is not the client's
    is_large: bool = False  # more than is worked on at once


async def gather(
    caller: Caller,
    patient_id: str,
    token: str,
    prefetch: Mapping[str, bytes | Raw],
    *,
    as_of: datetime,
    connection: Connection,
    limits: Limits,
    deadline: float,
    whole: bool = False,
) -> Gathering:
    """Read as much of the chart as the question needs, until `deadline` (loop time, s); `token` is for its FHIR base.

    `whole`: read the rest too where nothing speaks for the disease.
    """
    is_asked = caller.base and caller.is_named
    chart = Chart(connection, caller.base, token, limits, deadline) if is_asked else None
    sources = ChartSources(caller, patient_id, chart, limits)
    sources.hold(prefetch)
    record, other_version = await sources.read_what_matters(as_of, whole=whole)
    costs = (chart.requests, chart.bytes) if chart else (0, 0)
    return Gathering(sources.gathered(), record, *costs, sources.warnings, other_version, sources.is_large)


async def ask(chart: Chart, query: Query, patient_id: str, parameters: Parameters) -> SearchSet:
    """Send a query; where the server wants it otherwise, ask by category, and at last for everything.

    `parameters` is what is searched for beside the patient. Raises UnreadableError.
    """
    if query.key == "patient":
        entry = await chart.read("Patient", patient_id)
        return SearchSet([entry], {f"Patient/{patient_id}"}, pages=1, size=len(entry.json))
    patient = ("patient", search_value(patient_id))
    *ways, last = (parameters,), *query.instead()
    for searches in ways:
        try:
            return await _together(chart, query, patient, searches)
        except AskOtherwiseError:
            continue
    return await _together(chart, query, patient, last)


def is_not_offered(key: SourceKey, error: UnreadableError) -> bool:
    """Whether the server does not offer what was asked for, which is no failure (F9)."""
    not_supported = isinstance(error, AskOtherwiseError) and error.not_supported
    return key not in NEVER_OFF and (not_supported or isinstance(error, NotOfferedError))


async def _together(
    chart: Chart, query: Query, patient: tuple[str, str], searches: tuple[Parameters, ...]
) -> SearchSet:
    """Make several searches that together answer one query; what some of them bring is kept where others are refused."""
    answered: list[SearchSet] = []
    refusals: list[RefusedError] = []
    for parameters in searches:
        try:
            answered.append(await chart.search(query.resource_type, (patient, *parameters)))
        except RefusedError as error:
            if parameters != MAY_BE_REFUSED:
                refusals.append(error)
    if not answered:
        raise refusals[0]
    together = SearchSet(parameters=searches[0])
    for searched in answered:
        together.entries += searched.entries
        together.matches |= searched.matches
        together.pages += searched.pages
        together.size += searched.size
        together.warnings += searched.warnings
        together.failure = together.failure or searched.failure
        together.self_link = searched.self_link
    together.failure = together.failure or ", ".join(dict.fromkeys(map(str, refusals)))
    return together


class ChartSources:
    """The sources of one chart, filled step by step, until there is more to read than the limits allow."""

    def __init__(self, caller: Caller, patient_id: str, chart: Chart | None, limits: Limits) -> None:
        self._caller = caller
        self._mapping = replace(caller.mapping, tables=caller.mapping.tables.for_one_record())
        self._patient_id = patient_id
        self._chart = chart
        self._limits = limits
        self._held: dict[SourceKey, bytes | Raw] = {}  # of prefetch, not yet taken in
        self._partial: dict[SourceKey, Source] = {}
        self._sources: dict[SourceKey, Source] = {}
        self._version = version(caller.mapping.fhir_version)
        self._work = 0  # of what was taken in, as `Version.work` counts it, at most
        self._uncounted: list[tuple[Source, int]] = []  # with the most that each may be of it
        self._bytes = 0  # that they were read from
        self.warnings = 0

    @property
    def is_large(self) -> bool:
        """Whether so much was taken in that it is not to be worked on at once."""
        if self._bytes > self._limits.inline_bytes:
            return True
        if self._work > self._limits.inline_values:
            self._count()
        return self._work > self._limits.inline_values

    def hold(self, prefetch: Mapping[str, bytes | Raw]) -> None:
        """Keep what prefetch has until it is asked for."""
        self._held = {key: prefetch[key] for key in BY_KEY if key in prefetch}

    def take_in(self, keys: Iterable[SourceKey]) -> None:
        """Take in what prefetch has of these keys, whole (`read`) or not (`failed`)."""
        most = self._limits.chart_values
        source: Source | None
        for key in keys:
            value = bytes(self._held.pop(key))
            values = len(value) // 2 + 1  # at most: each but the first has a sign before it
            if self._work + values > most * 3 // 4:  # the rest is for what is counted
                values = how_many(value)
            if values > most:
                source = Source("failed", (), f"prefetch: {TooMuchError(most)}")
            else:
                source = supplied(BY_KEY[key], value, self._patient_id)
            if source:
                self._bytes += len(value)
                source = self._within(source, values)
                (self._sources if source.state == "read" else self._partial)[key] = source

    def gathered(self, keys: Collection[SourceKey] = (*BY_KEY, "medications")) -> Gathered:
        """Return what was read up to now of these keys; prefetch that is not whole counts as failed."""
        there = self._partial | self._sources
        return self._as_gathered({key: there[key] for key in keys if key in there})

    async def read_what_matters(self, as_of: datetime, *, whole: bool = False) -> tuple[PatientRecord, str]:
        """Read phase 1, and phase 2 if it may matter; returns the record, and the FHIR version found if another one."""
        await self.read(PHASE_1)
        if other := await self._aside(found_version, self.gathered(PHASE_1)):
            await self._take_in_up_to(BY_KEY)
            unread = Source("failed", (), self._instead(other))
            self._sources = dict.fromkeys((*PHASE_1, *self._sources), unread)
            self._partial = {}
            return judge(self.gathered(), as_of), other
        other = await self._ask_for_version()
        asked, record, signs = await self._read_signs(as_of)
        if signs.state == "none" and not whole:  # nothing else is looked at: the hook fires on every chart
            self._held = {}
            self._sources = {key: source for key, source in self._sources.items() if key in asked}
            self._partial = {key: source for key, source in self._partial.items() if key in asked}
            await self._aside(self._fail_other_versions)
            return with_states(record, self.gathered()), other
        await self.read(BY_KEY)
        await self.read_medications()
        await self._aside(self._fail_other_versions)
        return await self._aside(judge, self.gathered(), as_of), other

    async def read(self, keys: Iterable[SourceKey]) -> None:
        """Read the keys that are not there yet, in parallel, once prefetch was looked at.

        Sources count one after the other against one limit, and what is asked for after all of prefetch.
        """
        keys = tuple(keys)
        await self._take_in_up_to(keys)
        if self._sources.keys() >= set(keys):
            return
        await self._take_in_up_to(BY_KEY)
        async with asyncio.TaskGroup() as group:
            tasks = {
                key: group.create_task(self._source(BY_KEY[key])) for key in keys if key not in self._sources
            }
        for key, task in tasks.items():
            self._sources[key] = await self._aside(self._within, task.result())

    async def read_medications(self) -> None:
        """Read the Medications that prescriptions only refer to (T1), and those that these refer to.

        One that the server does not have is nowhere, which the rules know (T1); a failed read fails what names it (F9).
        """
        unresolved = self._version.unresolved_medications
        entries: dict[str, Entry | None] = {}
        failed: set[str] = set()
        while True:
            referred = await self._aside(unresolved, self.gathered())
            names = [name for name in referred if name not in entries]
            if not names:
                break
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(self._medication(name, failed)) for name in names}
            entries |= {name: task.result() for name, task in tasks.items()}
            self._sources["medications"] = Source("read", tuple(entry for entry in entries.values() if entry))
        if failed:
            for key in MEDICATION_KEYS:
                source = self._sources[key]
                referred = await self._aside(unresolved, self._as_gathered({key: source}))
                if source.state == "read" and not failed.isdisjoint(referred):
                    why = "a medication that it names could not be read"
                    self._sources[key] = Source("failed", source.entries, why)
        await self._aside(self._count_products)

    async def _read_signs(self, as_of: datetime) -> tuple[tuple[SourceKey, ...], PatientRecord, Signs]:
        """Judge what speaks for the disease, CK and a biopsy where they settle it (E2, E3); returns also what was asked."""
        asked = PHASE_1
        record = await self._aside(judge, self.gathered(asked), as_of)
        signs, tried = read_signs(record), read_signs(record, signs_in_doubt(record))
        if signs.state == "none" and (signs.asks_for_ck or tried.asks_for_ck):
            asked = (*PHASE_1, "enzymes")
            await self.read(asked)
            record = await self._aside(judge, self.gathered(asked), as_of)
            signs, tried = read_signs(record), read_signs(record, signs_in_doubt(record))
        if signs.asks_for_biopsy or (signs.state == "none" and tried.asks_for_biopsy):
            asked = (*asked, *BIOPSIES)
            await self.read(asked)
            record = await self._aside(judge, self.gathered(asked), as_of)
            signs = read_signs(record)
        return asked, record, signs

    async def _take_in_up_to(self, keys: Collection[SourceKey]) -> None:
        """Take in prefetch in the order of the queries, up to the last of these keys."""
        held = list(self._held)
        while held and held[-1] not in keys:
            held.pop()
        size = self._bytes + sum(len(self._held[key]) for key in held)
        await aside(size > self._limits.inline_bytes, self.take_in, held)

    async def _source(self, query: Query) -> Source:
        """Fetch one key. A failure keeps what is there: enough, perhaps, to know that a card is due."""
        partial = self._partial.get(query.key)
        held, asked = (partial.entries, partial.asked) if partial else ((), frozenset())
        if query.key in self._caller.not_offered and not partial:
            return Source("not-offered", (), "not offered by the server")
        if self._chart is None:
            reason = partial.detail if partial else "not supplied"
            return Source("failed", held, f"{reason}, and no FHIR server was given", asked)
        try:
            parameters = query.parameters(self._caller.mapping.tables)
            searched = await ask(self._chart, query, self._patient_id, parameters)
        except UnreadableError as error:
            if is_not_offered(query.key, error) and not partial:
                return Source("not-offered", (), f"not offered by the server ({error})")
            return Source("failed", held, str(error), asked)
        self.warnings += searched.warnings
        self._bytes += searched.size
        by_code = any(name == "code" for name, _ in searched.parameters)
        asked = frozenset(query.roles if by_code else ())
        if searched.failure:
            return Source("failed", (*held, *searched.entries), searched.failure, asked)
        return Source("read", tuple(searched.entries), asked=asked)

    async def _aside(self, work: Callable[[*_Given], _Done], *given: *_Given) -> _Done:
        return await aside(self.is_large, work, *given)

    def _within(self, source: Source, values: int | None = None) -> Source:
        """Take in a source; one with more than may be read of the whole chart has failed, and nothing of it is read.

        `values`: as many as it was read from at most. They are counted one by one only where that decides.
        """
        if not source.entries:
            return source
        most, gathered = self._limits.chart_values, self._as_gathered({"record": source})
        if values is not None:
            at_most = self._version.work(gathered, values)
            if self._work + at_most <= most:
                self._work += at_most
                self._uncounted.append((source, at_most))
                return source
        self._count()
        work = self._version.work(gathered)
        if self._work + work > most:
            return Source("failed", (), str(TooMuchError(most)))
        self._work += work
        return source

    def _count(self) -> None:
        """Count what was taken in for less than it may be."""
        for source, at_most in self._uncounted:
            self._work -= at_most - self._version.work(self._as_gathered({"record": source}))
        self._uncounted = []

    def _count_products(self) -> None:
        """Fail the medicines if their products, each read as often as it is named, are more than may be read."""
        keys = [key for key in (*MEDICATION_KEYS, "medications") if key in self._sources]
        sources = {key: self._sources[key] for key in keys}
        gathered, most = self._as_gathered(sources), self._limits.chart_values
        if self._version.products(gathered) and self._version.work(gathered) > most:
            self._sources |= dict.fromkeys(keys, Source("failed", (), str(TooMuchError(most))))

    def _fail_other_versions(self) -> None:
        """Fail what was read after phase 1 in another version than the client's."""
        for key in self._sources.keys() - {*PHASE_1, "medications"}:
            if spoken := found_version(self._as_gathered({key: self._sources[key]})):
                self._sources[key] = replace(self._sources[key], state="failed", detail=self._instead(spoken))

    async def _ask_for_version(self) -> str:
        """Where a server did not understand the first questions, ask whether it speaks another FHIR version."""
        puzzled = [key for key in NEVER_OFF if _PUZZLED.search(self._sources[key].detail)]
        if not puzzled or not self._chart:
            return ""
        told = VERSIONS.get((await self._chart.version())[:3], "")
        if told in {"", self._caller.mapping.fhir_version}:
            return ""
        for key in puzzled:
            self._sources[key] = replace(self._sources[key], detail=self._instead(told))
        return told

    def _instead(self, spoken: str) -> str:
        return f"FHIR {spoken} instead of {self._caller.mapping.fhir_version}"

    async def _medication(self, name: str, failed: set[str]) -> Entry | None:
        """Read one Medication of the client's own server; None if that cannot be done, or there is no such thing."""
        medication_id = name.removeprefix("Medication/")
        if self._chart is None or not medication_id.strip("."):
            return None
        try:
            entry = await self._chart.read("Medication", medication_id)
        except UnreadableError as error:
            if str(error) not in _NOWHERE:
                failed.add(name)
            return None
        self._bytes += len(entry.json)
        return entry

    def _as_gathered(self, sources: Mapping[SourceKey, Source]) -> Gathered:
        return Gathered(self._patient_id, self._caller.base, sources, self._mapping)
