"""What is read of one chart is counted: one value too many, and that source has failed and says so. Large charts go aside."""

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest

from cds_service.fhir import gather as gathering
from cds_service.fhir.aside import aside
from cds_service.fhir.client import Chart, connect
from cds_service.fhir.gather import ChartSources, Gathering, gather
from cds_service.fhir.queries import BY_KEY, PHASE_1, supplied
from cds_service.security.clients import Caller, callers
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.versions.r4 import work
from fhir_mapping.versions.untyped import how_many
from tests.support.charts import (
    AS_OF,
    BROAD,
    antibody,
    condition,
    healthy_chart,
    imnm_chart,
    observation,
    patient,
    prescription,
)
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.heavy_charts import whole
from tests.support.service import TABLES, call_body, prefetch_of, running

MEDICINES = {
    "medicationRequests", "medicationStatements", "medicationDispenses", "medicationAdministrations", "medications",
}  # fmt: skip


def caller() -> Caller:
    return callers([Client(name="open")], TABLES, b"secret")[""]


def sources_of(prefetch: Mapping[str, bytes], **limits: int) -> ChartSources:
    sources = ChartSources(caller(), "p1", None, Limits(**limits))
    sources.hold(prefetch)
    sources.take_in(key for key in BY_KEY if key in prefetch)
    return sources


async def gathering_of(
    asker: Caller, prefetch: Mapping[str, bytes], ehr: EhrSimulator, **limits: int
) -> Gathering:
    within, until = Limits(**limits), asyncio.get_running_loop().time() + 5
    async with connect(within, ehr) as connection:
        return await gather(
            asker, "p1", "", prefetch, as_of=AS_OF, connection=connection, limits=within, deadline=until
        )


def written(chart: list[dict]) -> dict[str, bytes]:
    return {key: json.dumps(value).encode() for key, value in prefetch_of(chart).items()}


def counted(*resources: dict) -> int:
    entries = tuple(Entry(json.dumps(resource).encode()) for resource in resources)
    return work(Gathered("p1", "", {"record": Source("read", entries)}, MappingSettings(TABLES)))


class Recorded(httpx.AsyncBaseTransport):
    """The EHR, with the bodies of its answers."""

    def __init__(self, ehr: EhrSimulator, bodies: list[bytes]) -> None:
        self.ehr, self.bodies = ehr, bodies

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.ehr.handle_async_request(request)
        self.bodies.append(await response.aread())
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(self.bodies[-1])
        )


@asynccontextmanager
async def chart_of(ehr: EhrSimulator, bodies: list[bytes], **limits: int) -> AsyncIterator[Chart]:
    async with connect(Limits(**limits), Recorded(ehr, bodies)) as connection:
        yield Chart(connection, BASE, "", Limits(**limits), asyncio.get_running_loop().time() + 5)


class TestWhatIsCounted:
    def test_every_value_that_a_text_can_hold(self):
        assert how_many(b'{"a":[1,2],"b":{"c":"d, e"}}') == 6  # 3 commas, 3 openings

    @pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 5000])
    def test_every_character_of_a_laboratory_text_that_is_read(self, length: int):
        plain = counted(antibody(""))
        assert counted(antibody("x" * length)) == plain + min(length, 1000)

    def test_a_product_each_time_that_it_is_named(self):
        product = {"resourceType": "Medication", "id": "x", "ingredient": [{"isActive": True}] * 50}
        named = [prescription(f"m{i}", medicationReference={"reference": "Medication/x"}) for i in range(7)]
        by_itself = counted(product)
        assert counted(product, *named) == by_itself + 7 * by_itself + sum(map(counted, named))


class TestOfOneChart:
    @pytest.mark.parametrize(("more", "failed"), [(1, set()), (0, set()), (-1, {"medicationRequests"})])
    def test_prefetch(self, more: int, failed: set[str]):
        prefetch = written(imnm_chart())
        size = sum(
            counted(*(one["resource"] for one in json.loads(value).get("entry", [])))
            for key, value in prefetch.items()
            if key != "patient"
        ) + counted(patient())
        read = sources_of(prefetch, chart_values=size + more).gathered().sources
        assert {key for key, source in read.items() if source.state == "failed"} == failed
        assert [read[key].detail for key in failed] == [f"more than {size + more} values"] * len(failed)

    @pytest.mark.parametrize(("more", "failed"), [(1, False), (0, False), (-1, True)])
    def test_one_key_of_prefetch(self, more: int, failed: bool):
        bundle = written([patient(), *(observation("2157-6", f"ck{i}", i) for i in range(9))])["enzymes"]
        source = (
            sources_of({"enzymes": bundle}, chart_values=how_many(bundle) + more)
            .gathered()
            .sources["enzymes"]
        )
        assert (source.state == "failed", len(source.entries)) == (failed, 0 if failed else 9)

    @pytest.mark.parametrize(("more", "failed"), [(1, False), (0, False), (-1, True)])
    @pytest.mark.parametrize("kind", ["Bundle", "List"])
    def test_one_key_of_prefetch_that_holds_little_else(self, kind: str, more: int, failed: bool):
        text = json.dumps({"resourceType": kind, "entry": [{}] * 99}, separators=(",", ":")).encode()
        read = sources_of({"ana": text}, chart_values=how_many(text) + more).gathered().sources
        detail = (
            f"prefetch: more than {how_many(text) + more} values"
            if failed
            else "prefetch: an entry cannot be read"
        )
        assert {source.detail for source in read.values()} == (
            {detail} if failed or kind == "Bundle" else set()
        )

    @pytest.mark.parametrize(("more", "failed"), [(1, False), (0, False), (-1, True)])
    async def test_products_that_many_name(self, more: int, failed: bool):
        chart = whole("medications_of_one_product", 60)
        size = counted(*(one for one in chart if one["resourceType"].startswith("Medication")))
        asker = callers([Client(name="open", fhir_base=BASE)], TABLES, b"secret")[BASE]
        found = await gathering_of(asker, {}, EhrSimulator(chart), chart_values=size + more)
        sources = found.gathered.sources
        assert {key for key, source in sources.items() if source.state == "failed"} == (
            MEDICINES if failed else set()
        )
        assert not failed or sources["medicationRequests"].detail == f"more than {size + more} values"

    @pytest.mark.parametrize(("more", "failure"), [(1, ""), (0, ""), (-1, "page 2: more than {} values")])
    async def test_answers_of_a_server(self, more: int, failure: str):
        ehr = EhrSimulator([observation("2157-6", f"ck{i}", i) for i in range(20)], page_size=10)
        bodies: list[bytes] = []
        async with chart_of(ehr, bodies) as chart:
            await chart.search("Observation", (("patient", "p1"),))
        size = sum(map(how_many, bodies))
        async with chart_of(ehr, bodies, chart_values=size + more) as chart:
            found = await chart.search("Observation", (("patient", "p1"),))
        assert found.failure == failure.format(size + more)

    async def test_the_card_says_what_was_too_much(self):
        chart = [*imnm_chart(), *(observation("2157-6", f"more{i}", i, valueInteger=400) for i in range(40))]
        body = call_body(prefetch=prefetch_of(chart), fhirServer=None)
        async with running(limits=Limits(chart_values=600)) as service:
            response = await service.hook(body)
        assert "could not be read" in response.text


class TestPrefetchIsLookedAt:
    @pytest.mark.parametrize(
        ("chart", "missing", "looked_at"),
        [
            (healthy_chart("p1"), "", PHASE_1),
            (healthy_chart("p1"), "enzymes", PHASE_1),
            (healthy_chart("p1"), "antibodies", (key for key in BY_KEY if key != "antibodies")),
            ([*healthy_chart("p1"), condition(BROAD)], "", (*PHASE_1, "ana", "enzymes")),
            (imnm_chart(), "", tuple(BY_KEY)),
        ],
        ids=[
            "as far as phase 1",
            "and no further",
            "all before a question",
            "as far as CK",
            "all of a patient's",
        ],
    )
    async def test_as_far_as_it_is_needed(self, chart, missing, looked_at, monkeypatch):
        seen: list[str] = []

        def seeing(query, *given):
            seen.append(query.key)
            return supplied(query, *given)

        monkeypatch.setattr(gathering, "supplied", seeing)
        prefetch = {key: value for key, value in written(chart).items() if key != missing}
        await gathering_of(caller(), prefetch, EhrSimulator(chart))
        assert seen == list(looked_at)

    async def test_in_whole_where_it_is_of_another_version(self):
        prefetch = written(healthy_chart("p1")) | written(
            [patient(), *(condition(BROAD, f"c{i}") | {"verificationStatus": "confirmed"} for i in range(3))]
        )
        found = await gathering_of(caller(), prefetch, EhrSimulator())
        assert found.other_version == "STU3"
        assert found.gathered.sources.keys() == prefetch.keys()


class TestAside:
    @pytest.mark.parametrize("is_large", [False, True])
    async def test_large_work_is_done_on_a_thread(self, is_large: bool):
        done_by = await aside(is_large, threading.current_thread)
        assert (done_by is threading.current_thread()) == (not is_large)

    @pytest.mark.parametrize(("more", "is_large"), [(1, False), (0, False), (-1, True)])
    @pytest.mark.parametrize("limit", ["inline_values", "inline_bytes"])
    def test_a_chart_is_large_beyond_the_limit(self, limit: str, more: int, is_large: bool):
        prefetch = {"patient": json.dumps(patient()).encode()}
        size = {"inline_values": counted(patient()), "inline_bytes": len(prefetch["patient"])}[limit]
        assert sources_of(prefetch, **{limit: size + more}).is_large == is_large

    @pytest.mark.parametrize(("inline_bytes", "is_large"), [(10_000, True), (100_000, False)])
    @pytest.mark.parametrize("wordy", ["Condition", "Patient", "Medication"])
    async def test_so_is_one_that_has_more_bytes_at_its_server(
        self, wordy: str, inline_bytes: int, is_large: bool
    ):
        asker = callers([Client(name="hospital", fhir_base=BASE)], TABLES, b"secret")[BASE]
        chart = [patient(), *(condition(number=f"c{n}") for n in range(6))]
        chart += [prescription(medicationReference={"reference": "Medication/x"})]
        chart += [{"resourceType": "Medication", "id": "x"}]
        said = {"text": {"div": "x" * (3_000 if wordy == "Condition" else 18_000)}}
        chart = [r | said if r["resourceType"] == wordy else r for r in chart]
        ehr = EhrSimulator(chart, page_size=2)
        assert (await gathering_of(asker, {}, ehr, inline_bytes=inline_bytes)).is_large == is_large

    async def test_others_are_answered_while_large_work_goes_on(self):
        begun, may_end = threading.Event(), threading.Event()

        def work_long() -> bool:
            begun.set()
            return may_end.wait(10)

        task = asyncio.ensure_future(aside(True, work_long))
        await asyncio.to_thread(begun.wait, 10)
        may_end.set()
        assert await task

    async def test_the_collector_rests_until_no_large_chart_is_in_work(self):
        one, other = threading.Event(), threading.Event()
        both = threading.Barrier(3)

        def wait_for(event: threading.Event) -> bool:
            both.wait(10)
            return event.wait(10)

        first, second = (asyncio.ensure_future(aside(True, wait_for, event)) for event in (one, other))
        await asyncio.to_thread(both.wait, 10)
        one.set()
        assert await first
        assert not gc.isenabled()
        other.set()
        assert await second
        assert gc.isenabled()

    async def test_the_collector_works_again_after_a_failure(self):
        with pytest.raises(ZeroDivisionError):
            await aside(True, divmod, 1, 0)
        assert gc.isenabled()
