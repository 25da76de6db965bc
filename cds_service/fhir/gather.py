"""Prefetch and FHIR server → Gathered, in two phases (design 2).

The hook fires on every chart and two in 100,000 people have this disease, so what says whether this is an IMNM patient
comes first: Patient, Conditions, antibodies; then CK, if exactly one of a broad code and an antibody is there. Only a
patient for whom there may be something to say is read in full. Whatever cannot be read is named, never left out.
"""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cds_service.fhir.bundle import UnreadableError
from cds_service.fhir.client import AskOtherwiseError, Chart, Connection, Found, NotOfferedError
from cds_service.fhir.queries import (
    BY_KEY,
    NEVER_OFF,
    PHASE_1,
    QUERIES,
    Parameters,
    Query,
    search_value,
    supplied,
)
from cds_service.security.clients import Caller
from cds_service.settings import Limits
from cds_service.web.body import HookRequest
from fhir_mapping.checks import judge
from fhir_mapping.record import Entry, Gathered, Source
from fhir_mapping.rules.eligibility import Signs, read_signs
from fhir_mapping.versions import found_version, version

VERSIONS = {
    "1.0": "DSTU2",
    "3.0": "STU3",
    "4.0": "R4",
    "4.3": "R4B",
    "5.0": "R5",
}  # by the start of fhirVersion
_PUZZLED = re.compile(r"HTTP 4(?!01|03|29)\d\d")  # what a server of another FHIR version may answer
REFERRED = "medications"  # the source of Medications read by reference; no prefetch key
MEDICATION_KEYS = tuple(query.key for query in QUERIES if query.resource_type.startswith("Medication"))


@dataclass(frozen=True, slots=True)
class Gathering:
    """What was gathered, and what it cost at the FHIR server."""

    gathered: Gathered
    fhir_requests: int = 0
    fhir_bytes: int = 0
    warnings: int = 0  # remarks of the server inside its answers
    other_version: str = ""  # the FHIR version found, where it is not the client's


async def gather(
    request: HookRequest,
    caller: Caller,
    as_of: datetime,
    *,
    connection: Connection,
    limits: Limits,
    deadline: float,
) -> Gathering:
    """Read as much of the chart as the question needs, until `deadline` (loop time, s)."""
    chart = Chart(connection, caller.base, request.token, limits, deadline) if caller.base else None
    reading = _Reading(request, caller, chart, limits)
    await reading.run(as_of)
    costs = (chart.requests, chart.bytes) if chart else (0, 0)
    return Gathering(reading.gathered(), *costs, reading.warnings, reading.other_version)


class _Reading:
    """The sources of one chart, filled step by step."""

    def __init__(self, request: HookRequest, caller: Caller, chart: Chart | None, limits: Limits) -> None:
        self._patient_id = request.patient_id
        self._caller = caller
        self._chart = chart
        self.warnings = 0
        self.other_version = ""
        self._asked: tuple[str, ...] = PHASE_1  # what eligibility is judged by
        self._partial: dict[str, Source] = {}  # prefetch that is not whole
        self._sources: dict[str, Source] = {}
        for query in QUERIES:
            source = supplied(query, request.prefetch, request.patient_id, limits.json_depth)
            if source:
                (self._sources if source.state == "read" else self._partial)[query.key] = source

    def gathered(self) -> Gathered:
        """Return everything that was read up to now; prefetch that is not whole counts as failed."""
        sources = {key: self._sources.get(key) or self._partial.get(key) for key in (*BY_KEY, REFERRED)}
        return self._gathered({key: source for key, source in sources.items() if source})

    def _gathered(self, sources: Mapping[str, Source]) -> Gathered:
        return Gathered(self._patient_id, self._caller.base, sources, self._caller.mapping)

    async def run(self, as_of: datetime) -> None:
        """Read phase 1, and phase 2 if it may matter."""
        await self._read(PHASE_1)
        if self._is_of_another_version():
            return
        await self._ask_for_version()
        if not await self._concerns(as_of):
            self._drop_all_but(self._asked)
        elif self._is_unfinished():
            await self._read(BY_KEY)
            await self._read_medications()
        for key in self._sources.keys() - {REFERRED}:
            if found := self._version_of(key):
                self._sources[key] = replace(self._sources[key], state="failed", detail=self._instead(found))

    def _is_unfinished(self) -> bool:
        """Say whether there is anything that could still be read."""
        return len(self._sources) < len(QUERIES) or bool(
            version(self._caller.mapping.fhir_version).unresolved_medications(self.gathered())
        )

    async def _concerns(self, as_of: datetime) -> bool:
        """Say whether there may be something to say; CK is read first where it settles that (E2, E3)."""
        signs = self._signs(as_of)
        if signs.state == "none" and bool(signs.broad) != bool(signs.serology.positive):
            self._asked = (*PHASE_1, "enzymes")
            await self._read(self._asked)
            signs = self._signs(as_of)
        return signs.state != "none"

    def _signs(self, as_of: datetime) -> Signs:
        held = self.gathered().sources
        asked = {key: source for key, source in held.items() if key in self._asked}
        return read_signs(judge(self._gathered(asked), as_of))

    def _drop_all_but(self, keys: Collection[str]) -> None:
        """Look at nothing else of a chart that is not this disease: the hook fires on every chart."""
        self._sources = {key: source for key, source in self._sources.items() if key in keys}
        self._partial = {key: source for key, source in self._partial.items() if key in keys}

    async def _read(self, keys: Iterable[str]) -> None:
        """Read the keys that are not there yet, in parallel."""
        async with asyncio.TaskGroup() as group:
            tasks = {
                key: group.create_task(self._source(BY_KEY[key])) for key in keys if key not in self._sources
            }
        self._sources.update({key: task.result() for key, task in tasks.items()})

    async def _source(self, query: Query) -> Source:
        """Fetch one key. A failure keeps what is there: enough, perhaps, to know that a card is due."""
        partial = self._partial.get(query.key)
        held = partial.entries if partial else ()
        if query.key in self._caller.client.not_offered and not partial:
            return Source("not-offered", (), "not offered by the server")
        if self._chart is None:
            reason = partial.detail if partial else "not supplied"
            return Source("failed", held, f"{reason}, and no FHIR server was given")
        try:
            found = await self._ask(query, self._chart)
        except UnreadableError as error:
            absent = isinstance(error, NotOfferedError) or (
                isinstance(error, AskOtherwiseError) and error.not_supported
            )
            if absent and not partial and query.key not in NEVER_OFF:
                return Source("not-offered", (), f"not offered by the server ({error})")
            return Source("failed", held, str(error))
        self.warnings += found.warnings
        if found.failure:
            return Source("failed", (*held, *found.entries), found.failure)
        return Source("read", tuple(found.entries))

    async def _ask(self, query: Query, chart: Chart) -> Found:
        """Send the query; where the server wants it otherwise, ask by category, and at last for everything."""
        if query.key == "patient":
            return Found([await chart.read("Patient", self._patient_id)])
        patient = ("patient", search_value(self._patient_id))
        ways: tuple[tuple[Parameters, ...], ...] = (
            (query.parameters(self._caller.mapping.tables),),
            *query.instead(),
        )
        for searches in ways[:-1]:
            try:
                return await self._all_of(chart, query, patient, searches)
            except AskOtherwiseError:
                continue
        return await self._all_of(chart, query, patient, ways[-1])

    async def _all_of(
        self, chart: Chart, query: Query, patient: tuple[str, str], searches: tuple[Parameters, ...]
    ) -> Found:
        """Make several searches that together answer one query."""
        together = Found()
        for parameters in searches:
            found = await chart.search(query.resource_type, (patient, *parameters))
            together.entries += found.entries
            together.warnings += found.warnings
            together.failure = together.failure or found.failure
        return together

    def _is_of_another_version(self) -> bool:
        """Say whether phase 1 contradicts the client's FHIR version; then nothing counts as read."""
        self.other_version = next(filter(None, map(self._version_of, PHASE_1)), "")
        if self.other_version:
            unread = Source("failed", (), self._instead(self.other_version))
            self._sources = dict.fromkeys((*PHASE_1, *self._sources), unread)
            self._partial = {}
        return bool(self.other_version)

    def _version_of(self, key: str) -> str:
        """Name the FHIR version that most resources of a key have, if not the client's."""
        return found_version(self._gathered({key: self._sources[key]}))

    async def _ask_for_version(self) -> None:
        """Where a server did not understand the first questions, ask whether it speaks another FHIR version."""
        puzzled = [key for key in NEVER_OFF if _PUZZLED.search(self._sources[key].detail)]
        if puzzled and self._chart:
            found = VERSIONS.get((await self._chart.version())[:3], "")
            if found not in {"", self._caller.mapping.fhir_version}:
                self.other_version = found
                for key in puzzled:
                    self._sources[key] = replace(self._sources[key], detail=self._instead(found))

    def _instead(self, found: str) -> str:
        return f"FHIR {found} instead of {self._caller.mapping.fhir_version}"

    async def _read_medications(self) -> None:
        """Read the Medications that prescriptions only refer to (T1), and those that these refer to."""
        unresolved = version(self._caller.mapping.fhir_version).unresolved_medications
        entries: dict[str, Entry | None] = {}
        while names := [name for name in unresolved(self.gathered()) if name not in entries]:
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(self._medication(name)) for name in names}
            entries |= {name: task.result() for name, task in tasks.items()}
            read = tuple(entry for entry in entries.values() if entry)
            self._sources[REFERRED] = Source("read", read)
        unread = {name for name, entry in entries.items() if not entry}
        for key in MEDICATION_KEYS if unread else ():
            source = self._sources[key]
            named = unresolved(self._gathered({key: source}))
            if source.state == "read" and not unread.isdisjoint(named):
                self._sources[key] = Source(
                    "failed", source.entries, "a medication that it names could not be read"
                )

    async def _medication(self, name: str) -> Entry | None:
        """Read one Medication of the client's own server; None if that cannot be done."""
        medication_id = name.removeprefix("Medication/")
        if self._chart is None or not medication_id.strip("."):
            return None
        try:
            return await self._chart.read("Medication", medication_id)
        except UnreadableError:
            return None
