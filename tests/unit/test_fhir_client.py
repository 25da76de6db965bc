import asyncio
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from httpcore._backends.anyio import AnyIOStream

from cds_service.fhir.answers import AskOtherwiseError, NotOfferedError, RefusedError
from cds_service.fhir.bundle import UnreadableError
from cds_service.fhir.client import Chart, connect
from cds_service.settings.limits import Limits
from tests.support import ehr_simulator as sim
from tests.support.charts import condition, patient
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.loopback import Asked, Loopback, loopback, response

TOKEN = sim.TOKEN
ALL = (("patient", "p1"), ("_count", "100"))


def conditions(number: int) -> list[dict]:
    return [condition(number=f"c{n}") for n in range(number)]


@asynccontextmanager
async def chart_of(ehr: EhrSimulator, seconds: float = 5, **limits: float) -> AsyncIterator[Chart]:
    bounds = Limits(**limits)
    async with connect(bounds, ehr) as connection:
        yield Chart(connection, ehr.base, ehr.token, bounds, asyncio.get_running_loop().time() + seconds)
    assert ehr.strays == []


async def found(ehr: EhrSimulator, seconds: float = 5, **limits: float):
    async with chart_of(ehr, seconds, **limits) as chart:
        return await chart.search("Condition", ALL)


async def test_a_search_asks_for_plain_fresh_fhir_json_and_shows_the_token():
    ehr = EhrSimulator(conditions(1), token=TOKEN)
    assert len((await found(ehr)).entries) == 1
    (request,) = ehr.requests
    assert str(request.url) == f"{BASE}/Condition?patient=p1&_count=100"
    assert request.headers["accept"].startswith("application/fhir+json")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["cache-control"] == "no-cache"
    assert request.headers["accept-encoding"] == "identity"


async def test_without_a_token_none_is_shown():
    ehr = EhrSimulator(conditions(1))
    await found(ehr)
    assert "authorization" not in ehr.requests[0].headers


async def test_all_pages_are_read():
    ehr = EhrSimulator(conditions(250), page_size=100)
    result = await found(ehr)
    assert (len(result.entries), result.pages, result.failure) == (250, 3, "")


async def test_a_search_that_was_made_is_not_made_again():
    ehr = EhrSimulator(conditions(1))
    async with chart_of(ehr) as chart:
        both = await asyncio.gather(chart.search("Condition", ALL), chart.search("Condition", ALL))
    assert both[0] is both[1]
    assert len(ehr.requests) == 1


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (sim.refuse_connection, "no connection"),
        (sim.reset, "the connection broke"),
        (sim.half_closed, "the connection broke"),
        (sim.slow_to_connect, "timed out"),
        (sim.truncated, "the answer is not FHIR JSON"),
        (sim.body(b"<html>log in</html>", content_type="text/html"), "the answer is not FHIR JSON"),
        (sim.body(b""), "the answer is not FHIR JSON"),
        (sim.body(b"\xff\xfe"), "the answer is not FHIR JSON"),
        (sim.body(b"[" * 100_000 + b"]" * 100_000), "the answer is not FHIR JSON"),
        (sim.body(b"", 204), "HTTP 204"),
        (sim.body(b'{"resourceType":"Patient","id":"p1"}'), "the answer is not a Bundle"),
        (sim.changed(lambda bundle: bundle.update(total=7)), "the server counted more than it sent"),
        (sim.changed(lambda bundle: bundle["entry"].append(5)), "an entry cannot be read"),
        (sim.gzip_bomb, "the answer has more than 8388608 bytes"),
        (sim.huge, "the answer has more than 8388608 bytes"),
        (sim.encoded_as("br"), "the answer is compressed in an unknown way"),
        (sim.encoded_as("gzip, gzip"), "the answer is compressed in an unknown way"),
        (sim.encoded_as("utf-8, br"), "the answer is compressed in an unknown way"),
        (sim.encoded_as("gzip", b"no gzip at all"), "the connection broke"),
        (sim.encoded_as("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), "the answer is cut off"),
        *((sim.status(code), f"HTTP {code}") for code in (401, 405, 406, 409, 410, 500, 502)),
        *(
            (sim.status(code, location="http://169.254.169.254/latest"), f"HTTP {code}")
            for code in (301, 302, 303, 307, 308)
        ),
        (sim.with_next("https://evil.example/fhir?page=2"), "page 2: it lies on another server"),
        (sim.with_next("https://ehr.example:443:443/fhir?page=2"), "page 2: its address cannot be read"),
        (sim.with_next("https://[ehr.example/fhir?page=2"), "page 2: its address cannot be read"),
        (sim.with_next(None), "the link to the next page cannot be used"),
        (sim.with_next(f"{BASE}/Condition?patient=p1&_count=100"), "page 2: the pages go round in a circle"),
        (sim.with_next(f"{BASE}?_getpages=gone&_getpagesoffset=1&_count=1"), "page 2: HTTP 410"),
    ],
)
async def test_whatever_a_server_does_wrong_is_said_in_one_line(fault, failure):
    ehr = EhrSimulator(conditions(2), token=TOKEN).bend(fault, page=1)
    assert (await found(ehr)).failure == failure


@pytest.mark.parametrize("status", [400, 422, 501])
async def test_a_search_that_is_refused_as_such_is_told_from_a_failure(status):
    with pytest.raises(RefusedError, match=f"^HTTP {status}$"):
        await found(EhrSimulator(conditions(2), token=TOKEN).bend(sim.status(status), page=1))


async def test_a_redirect_is_not_followed():
    ehr = EhrSimulator().bend(sim.status(302, location=f"{BASE}/Patient/p1"))
    await found(ehr)
    assert len(ehr.requests) == 1


async def test_compressed_answers_are_read_though_we_never_ask_for_them():
    assert len((await found(EhrSimulator(conditions(3)).bend(sim.gzipped))).entries) == 3


@pytest.mark.parametrize(
    "encoding", ["UTF-8", "utf8", "us-ascii", '"utf-8"', "identity", "", "identity, UTF-8"]
)
async def test_a_charset_in_the_place_of_an_encoding_is_none(encoding):
    def named(request, answered):
        return httpx.Response(
            200, headers={"content-encoding": encoding}, stream=sim._bytes(answered.content)
        )

    result = await found(EhrSimulator(conditions(3)).bend(named))
    assert (len(result.entries), result.failure) == (3, "")


async def test_a_charset_beside_an_encoding_is_none():
    def named(request, answered):
        packed = sim.gzipped(request, answered)
        packed.headers["content-encoding"] = "gzip, UTF-8"
        return packed

    result = await found(EhrSimulator(conditions(3)).bend(named))
    assert (len(result.entries), result.failure) == (3, "")


@pytest.mark.parametrize("code", [200, 203, 206])
async def test_a_byte_order_mark_before_a_whole_answer_is_passed_over(code):
    def marked(request, answered):
        return httpx.Response(code, content=b"\xef\xbb\xbf" + answered.content)

    result = await found(EhrSimulator(conditions(3)).bend(marked))
    assert (len(result.entries), result.failure) == (3, "")
    async with chart_of(EhrSimulator([patient()]).bend(marked)) as chart:
        assert json.loads((await chart.read("Patient", "p1")).json)["id"] == "p1"


async def test_a_byte_order_mark_before_a_refusal_does_not_hide_what_it_asks_for():
    refusal = b"\xef\xbb\xbf" + json.dumps(sim.outcome("required")).encode()
    with pytest.raises(AskOtherwiseError):
        await found(EhrSimulator().bend(sim.body(refusal, 400)))


@pytest.mark.parametrize(
    ("total", "failure"),
    [(3, ""), (4, "the server counted more than it sent"), (None, "the server calls it a part")],
)
async def test_a_part_is_everything_only_if_the_server_counts_so_many(total, failure):
    def part(request, answered):
        return sim.answer(json.loads(answered.content) | {"total": total}, 206)

    result = await found(EhrSimulator(conditions(3)).bend(part))
    assert (len(result.entries), result.failure) == (3, failure)


async def test_a_part_that_is_cut_off_cannot_be_read():
    def cut(request, answered):
        return httpx.Response(206, content=answered.content[:-5])

    assert (await found(EhrSimulator(conditions(3)).bend(cut))).failure == "the answer is not FHIR JSON"


async def test_a_resource_that_moved_between_two_pages_hides_another():
    def moved(bundle):
        bundle["entry"][0] = sim.entry(BASE, condition(number="c0"))

    ehr = EhrSimulator(conditions(150)).bend(sim.changed(moved), page=2)
    result = await found(ehr)
    assert (len(result.entries), result.failure) == (150, "the server counted more than it sent")


async def test_an_error_on_one_page_keeps_the_matches_of_all():
    remark = {"resource": sim.outcome("processing"), "search": {"mode": "outcome"}}
    ehr = EhrSimulator(conditions(150)).bend(sim.changed(lambda b: b["entry"].append(remark)), page=1)
    result = await found(ehr)
    assert (len(result.entries), result.failure) == (150, "the server reported an error")


async def test_what_was_read_before_a_page_failed_is_kept():
    ehr = EhrSimulator(conditions(150)).bend(sim.status(500), page=2)
    result = await found(ehr)
    assert (len(result.entries), result.failure) == (100, "page 2: HTTP 500")


async def test_a_relative_next_link_is_followed():
    ehr = EhrSimulator(conditions(150))
    ehr.bend(
        sim.changed(
            lambda bundle: bundle["link"][0].update(url=bundle["link"][0]["url"].removeprefix("https:"))
        ),
        page=1,
    )
    assert len((await found(ehr)).entries) == 150


async def test_a_next_link_under_the_other_scheme_is_asked_by_ours():
    ehr = EhrSimulator(conditions(150), token=TOKEN)
    ehr.bend(
        sim.changed(
            lambda bundle: bundle["link"][0].update(url=bundle["link"][0]["url"].replace("https", "http"))
        ),
        page=1,
    )
    assert len((await found(ehr)).entries) == 150


class TestNotOffered:
    @pytest.mark.parametrize("code", [403, 404])
    async def test_a_search_that_is_forbidden_or_unknown_is_not_offered(self, code):
        with pytest.raises(NotOfferedError, match=f"HTTP {code}"):
            await found(EhrSimulator().bend(sim.status(code)))

    @pytest.mark.parametrize("code", [403, 404])
    async def test_a_later_page_that_is_forbidden_is_a_failure(self, code):
        ehr = EhrSimulator(conditions(150)).bend(sim.status(code), page=2)
        assert (await found(ehr)).failure == f"page 2: HTTP {code}"

    @pytest.mark.parametrize(("issue", "not_supported"), [("required", False), ("not-supported", True)])
    async def test_a_server_may_want_to_be_asked_otherwise(self, issue, not_supported):
        with pytest.raises(AskOtherwiseError) as caught:
            await found(EhrSimulator().bend(sim.status(400, issue)))
        assert caught.value.not_supported is not_supported

    @pytest.mark.parametrize("code", [403, 404, 405, 415, 501])
    async def test_a_server_without_search_by_post_may_have_the_type(self, code):
        with pytest.raises(AskOtherwiseError, match=f"HTTP {code}") as caught:
            await found(EhrSimulator(conditions(1)).bend(sim.status(code)), url_characters=20)
        assert not caught.value.not_supported


class TestTrying:
    @pytest.mark.parametrize("code", [429, 503, 504])
    async def test_again_once_where_the_server_is_only_busy(self, code):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(code), times=1)
        assert (await found(ehr)).failure == ""
        assert len(ehr.requests) == 2

    async def test_again_once_and_no_more(self):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(503))
        assert (await found(ehr)).failure == "HTTP 503"
        assert len(ehr.requests) == 2

    async def test_again_only_after_the_time_that_the_server_names(self):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(429, retry_after="0"), times=1)
        assert (await found(ehr)).failure == ""

    @pytest.mark.parametrize(
        ("wait", "tries"), [("0", 2), ("1", 2), ("2", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 1)]
    )
    async def test_again_only_if_that_time_is_worth_it(self, wait, tries):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(503, retry_after=wait))
        await found(ehr, retry_seconds=1)
        assert len(ehr.requests) == tries

    async def test_again_only_before_the_deadline(self):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(503, retry_after="1"))
        await found(ehr, seconds=0.5, retry_seconds=1)
        assert len(ehr.requests) == 1

    async def test_never_twice_for_two_reasons(self):
        """A connection that was lost, then a server that is busy, then one that is well."""
        answers = [None, response({}, 503), response({"resourceType": "Bundle", "total": 0})]

        async with loopback(lambda server, asked: answers[len(server.asked) - 1]) as server:
            bounds = Limits()
            async with connect(bounds) as connection:
                chart = Chart(connection, server.base, "", bounds, asyncio.get_running_loop().time() + 5)
                assert (await chart.search("Condition", ALL)).failure == "HTTP 503"
        assert len(server.asked) == 2

    @pytest.mark.parametrize("code", [429, 503, 504])
    async def test_never_again_what_was_posted(self, code):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(code, retry_after="0"), times=1)
        assert (await found(ehr, url_characters=20)).failure == f"HTTP {code}"
        assert [request.method for request in ehr.requests] == ["POST"]

    async def test_counts_among_the_requests_of_a_chart(self):
        ehr = EhrSimulator(conditions(1)).bend(sim.status(503), times=1)
        assert (await found(ehr, chart_requests=1)).failure == "more than 1 requests for one chart"


class TestLimits:
    @pytest.mark.parametrize("fault", [sim.hang, sim.drip])
    async def test_time(self, fault):
        begun = asyncio.get_running_loop().time()
        result = await found(EhrSimulator(conditions(2)).bend(fault), seconds=0.2)
        assert result.failure == "timed out"
        assert asyncio.get_running_loop().time() - begun < 0.5

    async def test_time_keeps_the_pages_that_were_read(self):
        result = await found(EhrSimulator(conditions(150)).bend(sim.hang, page=2), seconds=0.2)
        assert (len(result.entries), result.failure) == (100, "page 2: timed out")

    @pytest.mark.parametrize(("pages", "failure"), [(2, ""), (3, ""), (4, "page 4: more than 3 pages")])
    async def test_pages(self, pages, failure):
        ehr = EhrSimulator(conditions(10 * pages), page_size=10)
        assert (await found(ehr, query_pages=3)).failure == failure
        assert len(ehr.requests) == min(pages, 3)

    @pytest.mark.parametrize(
        ("more", "failure"), [(1, ""), (0, ""), (-1, "the answer has more than {} bytes")]
    )
    @pytest.mark.parametrize("fault", [None, sim.gzipped])
    async def test_bytes_of_an_answer(self, more, failure, fault):
        ehr = EhrSimulator(conditions(20))
        size = await _size(ehr)
        if fault:
            ehr.bend(fault)
        assert (await found(ehr, response_bytes=size + more)).failure == failure.format(size + more)

    @pytest.mark.parametrize(
        ("more", "failure"), [(1, ""), (0, ""), (-1, "more than {} bytes for one chart")]
    )
    async def test_bytes_of_a_chart(self, more, failure):
        ehr = EhrSimulator([*conditions(20), patient()])
        size = await _size(ehr)
        patient_size = len(json.dumps(patient()))
        async with chart_of(ehr, chart_bytes=size + patient_size + more) as chart:
            await chart.read("Patient", "p1")
            result = await chart.search("Condition", ALL)
        assert result.failure == failure.format(size + patient_size + more)

    @pytest.mark.parametrize("more", [0, -1])
    async def test_bytes_of_an_answer_that_unpack_to_nothing(self, more):
        """Empty blocks of deflate: as much as one likes on the wire, not one byte unpacked."""
        packer = zlib.compressobj(wbits=31)
        content = packer.flush(zlib.Z_SYNC_FLUSH) + b"\x00\x00\x00\xff\xff" * 400
        ehr = EhrSimulator(conditions(1)).bend(sim.encoded_as("gzip", content))
        failure = (await found(ehr, response_bytes=len(content) + more)).failure
        limit = f"the answer has more than {len(content) + more} bytes"
        assert failure == ("the answer is cut off" if more == 0 else limit)

    async def test_bytes_of_a_chart_that_are_used_up_are_not_even_unpacked(self):
        ehr = EhrSimulator(conditions(20)).bend(sim.gzip_bomb)
        async with chart_of(ehr, response_bytes=1000, chart_bytes=1500) as chart:
            for number in range(4):
                await chart.search("Condition", (*ALL, ("status", str(number))))
            assert chart.bytes <= 1504

    @pytest.mark.parametrize(
        ("requests", "failure"), [(4, ""), (3, ""), (2, "page 3: more than 2 requests for one chart")]
    )
    async def test_requests_of_a_chart(self, requests, failure):
        ehr = EhrSimulator(conditions(30), page_size=10)
        assert (await found(ehr, chart_requests=requests)).failure == failure

    @pytest.mark.parametrize("most", [1, 2, 3])
    async def test_requests_at_once(self, most):
        ehr = EhrSimulator(conditions(1), delay=0.01)
        at_once, running = [], 0

        async def counted(request, response):
            nonlocal running
            running += 1
            at_once.append(running)
            await asyncio.sleep(0.01)
            running -= 1
            return response

        ehr.bend(counted)
        async with chart_of(ehr, parallel_requests=most) as chart:
            await asyncio.gather(
                *(chart.search("Condition", (ALL[0], ("_count", str(n)))) for n in range(1, 7))
            )
        assert max(at_once) == most

    @pytest.mark.parametrize(("more", "method"), [(1, "GET"), (0, "GET"), (-1, "POST")])
    async def test_characters_of_an_address(self, more, method):
        ehr = EhrSimulator(conditions(2))
        length = len(f"{BASE}/Condition?patient=p1&_count=100")
        result = await found(ehr, url_characters=length + more)
        assert (len(result.entries), ehr.requests[0].method) == (2, method)
        if method == "POST":
            assert str(ehr.requests[0].url) == f"{BASE}/Condition/_search"
            assert ehr.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def _size(ehr: EhrSimulator) -> int:
    async with chart_of(ehr) as chart:
        await chart.search("Condition", ALL)
        return chart.bytes


class TestReading:
    async def test_one_resource_by_its_id_which_is_opaque(self):
        ehr = EhrSimulator([patient("a/b?c#d e")])
        async with chart_of(ehr) as chart:
            entry = await chart.read("Patient", "a/b?c#d e")
        assert entry.full_url == f"{BASE}/Patient/a%2Fb%3Fc%23d%20e"

    @pytest.mark.parametrize(
        "fault", [sim.status(404), sim.status(500), sim.hang, sim.changed(lambda p: p.update(id="p2"))]
    )
    async def test_fails_in_one_line(self, fault):
        async with chart_of(EhrSimulator([patient()]).bend(fault), seconds=0.1) as chart:
            with pytest.raises(UnreadableError):
                await chart.read("Patient", "p1")

    @pytest.mark.parametrize(
        ("fault", "version"),
        [
            (None, "4.0.1"),
            (sim.status(500), ""),
            (sim.body(b"<html>"), ""),
            (sim.body(b'{"fhirVersion": 4}'), ""),
        ],
    )
    async def test_the_version_of_the_server(self, fault, version):
        ehr = EhrSimulator().bend(fault) if fault else EhrSimulator()
        async with chart_of(ehr) as chart:
            assert await chart.version() == version


async def test_proxies_and_netrc_of_the_environment_are_not_used(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine ehr.example login a password b")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    async with connect(Limits()) as connection:
        assert connection.http._mounts == {}
        assert not connection.http.trust_env
    ehr = EhrSimulator(conditions(1))
    await found(ehr)
    assert "authorization" not in ehr.requests[0].headers
    assert "HTTP_PROXY" in os.environ


async def test_cookies_of_one_patients_chart_do_not_reach_the_next():
    ehr = EhrSimulator(conditions(1))
    ehr.bend(
        lambda _, response: httpx.Response(
            200, headers={"set-cookie": "s=1; Path=/"}, content=response.content
        )
    )
    async with connect(Limits(), ehr) as connection:
        for _ in range(2):
            chart = Chart(connection, BASE, "", Limits(), asyncio.get_running_loop().time() + 1)
            await chart.search("Condition", ALL)
    assert ehr.strays == []


class TestAConnectionThatIsLost:
    """The server closes it without a byte, just when it is used again."""

    @staticmethod
    def _searchset(server: Loopback, asked: Asked) -> bytes:
        return response({"resourceType": "Bundle", "total": 0})

    def _unless(self, lost) -> Callable[[Loopback, Asked], bytes | None]:
        return lambda server, asked: None if lost(server, asked) else self._searchset(server, asked)

    @staticmethod
    async def _searches(base: str, *batches: int, **limits: int) -> list[str]:
        """Why searches failed: so many at once, then so many, …"""
        bounds = replace(Limits(), **limits)
        async with connect(bounds) as connection:
            chart = Chart(connection, base, "", bounds, asyncio.get_running_loop().time() + 5)
            failures = []
            for batch, size in enumerate(batches):
                asked = [chart.search("Condition", (*ALL, ("status", f"{batch}-{n}"))) for n in range(size)]
                failures += [searched.failure for searched in await asyncio.gather(*asked)]
            return failures

    async def test_leaves_so_many_sockets_to_one_process_and_no_more(self):
        async with loopback(self._searchset) as server:
            assert await self._searches(server.base, 6, connections=2) == [""] * 6
        assert server.connections == 2

    @pytest.mark.parametrize("is_kept", [True, False])
    @pytest.mark.parametrize("given_up", [{0}, {1}, {0, 1}], ids=str)
    async def test_leaves_its_place_whenever_it_is_given_up(self, given_up, is_kept):
        """Of two that want the only connection some are given up, after each step of the event loop; then a third asks."""
        bounds = replace(Limits(), connections=1, failures_in_a_row=1000)
        headers = {} if is_kept else {"Connection": "close"}
        whole = response({"resourceType": "Bundle", "total": 0}, headers=headers)

        async def search(connection, base):
            chart = Chart(connection, base, "", bounds, asyncio.get_running_loop().time() + 5)
            return (await chart.search("Condition", ALL)).failure

        async with loopback(lambda *_: whole) as server:
            for steps in range(40):
                async with connect(bounds) as connection:
                    both = [asyncio.ensure_future(search(connection, server.base)) for _ in range(2)]
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    for each in given_up:
                        both[each].cancel()
                    await asyncio.gather(*both, return_exceptions=True)
                    assert await search(connection, server.base) == "", steps

    async def test_costs_a_request_no_look_at_all_the_others(self, monkeypatch):
        """httpcore looks at all of a pool twice for each request: with 80 of them, 20 charts a second were too many."""
        looked, look = [], AnyIOStream.get_extra_info
        monkeypatch.setattr(AnyIOStream, "get_extra_info", lambda *a: looked.append(a) or look(*a))
        async with loopback(self._searchset) as server:
            assert await self._searches(server.base, 55, 55, 1, 1, parallel_requests=55) == [""] * 112
        assert server.connections == 55  # and each is used again
        assert 0 < len(looked) <= 112 * 2 * 10

    @pytest.mark.parametrize("batches", [(1, 1, 1), (4, 4), (4, 1, 1, 1)])
    async def test_is_no_loss_even_if_every_kept_connection_is_lost(self, batches):
        async with loopback(self._unless(lambda server, asked: asked.before)) as server:
            assert await self._searches(server.base, *batches) == [""] * sum(batches)
        assert len(server.asked) == sum(batches) + sum(asked.before for asked in server.asked)

    async def test_is_no_loss_if_it_was_new(self):
        async with loopback(self._unless(lambda server, asked: len(server.asked) == 1)) as server:
            assert await self._searches(server.base, 1) == [""]
        assert len(server.asked) == 2

    async def test_is_a_failure_the_second_time(self):
        async with loopback(self._unless(lambda server, asked: len(server.asked) < 3)) as server:
            assert await self._searches(server.base, 1) == ["the connection broke"]
        assert len(server.asked) == 2

    async def test_is_a_failure_if_the_question_was_posted(self):
        async with loopback(self._unless(lambda server, asked: asked.before)) as server:
            failures = await self._searches(server.base, 1, 1, url_characters=20)
        assert failures == ["", "the connection broke"]

    async def test_is_a_failure_once_a_byte_has_come(self):
        cut = response({"resourceType": "Bundle"}, headers={"Connection": "close", "Content-Length": "99"})
        async with loopback(lambda server, asked: cut) as server:
            assert await self._searches(server.base, 1) == ["the connection broke"]
        assert len(server.asked) == 1
