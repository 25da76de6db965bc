"""B1 to B4: nothing but the configured servers is connected to, whatever requests, answers and name servers say."""

import asyncio
import json
import os
import re
import threading
from contextlib import asynccontextmanager

import pytest

from cds_service.fhir.client import Chart, connect
from cds_service.fhir.network import _public_trust
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from tests.support.charts import healthy_chart
from tests.support.loopback import loopback, response
from tests.support.network import dialled, networked, of_chart
from tests.support.service import authorization, call_body

HERE = "127.0.0.1"
HOSTS = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fd00:ec2::254]",
    "[fe80::1%25lo]",
    "100.100.100.200",
    "192.0.0.192",
    "metadata.google.internal",
    "metadata",
    "localhost",
    "LOCALHOST",
    "127.1",
    "127.0.0.2",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "[::]",
    "0.0.0.0",
    "0",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "224.0.0.1",
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "127.0.0.1%2fevil.example",
    "127.0.0.1%00.evil.example",
    "127。0。0。1",
    "\uff11\uff12\uff17.0.0.1",
    "evil.example:80:443",
    "user:pass@127.0.0.1",
    "xn--e1awd7f.example",
]
WHOLE = [
    "https://127.0.0.1:PORT/fhir",
    "http://127.0.0.1:PORT.evil.example/fhir",
    "http://127.0.0.1:PORT@evil.example/fhir",
    "http://evil.example/?http://127.0.0.1:PORT/fhir",
    "http://evil.example#http://127.0.0.1:PORT/fhir",
    "http://evil.example\\@127.0.0.1:PORT/fhir",
    "http://127.0.0.1:PORT\\@evil.example/fhir",
    "http:/\\evil.example/fhir",
    "http:///evil.example/fhir",
    "http:evil.example/fhir",
    "//evil.example/fhir",
    "///evil.example/fhir",
    "/\\evil.example/fhir",
    "\\\\evil.example\\fhir",
    "http://127.0.0.1:PORT/admin",
    "http://127.0.0.1:PORT/fhir/../admin",
    "http://127.0.0.1:PORT/fhir/%2e%2e/admin",
    "http://127.0.0.1:PORT/fhir/..;/admin",
    "http://127.0.0.1:PORT/fhir\r\nHost: evil.example",
    "http://127.0.0.1:PORT/fhir evil",
    "HTTP://EVIL.EXAMPLE/fhir",
    "ftp://evil.example/fhir",
    "file:///etc/passwd",
    "gopher://evil.example/_x",
    "unix:///run/docker.sock",
    "data:application/json,{}",
    "javascript:alert(1)",
    "jar:http://evil.example!/",
    "dict://evil.example:11211/",
    "ldap://evil.example/x",
]
CORPUS = [*(f"http://{host}:PORT/fhir" for host in HOSTS), *WHOLE]


def written(url: str, port: int) -> str:
    return url.replace("PORT", str(port))


class TestTheUrlCorpus:
    """B1."""

    def test_has_its_size(self):
        assert len(set(CORPUS)) >= 60

    async def test_as_fhir_server_is_403_and_dials_nothing(self):
        async with loopback(of_chart(healthy_chart("p1"))) as server:
            client = Client(name="hospital", fhir_base=server.base)
            async with networked(client) as service:
                with dialled() as seen:
                    for url in CORPUS:
                        answer = await service.hook(call_body(fhirServer=written(url, server.port)))
                        assert answer.status_code in {400, 403}, url
        assert (seen.addresses, seen.names) == ([], [])

    async def test_as_next_link_dials_nothing_but_the_base_and_never_goes_unsaid(self):
        url = ""

        def lying(server, asked):
            if not asked.path.startswith("/fhir/Condition"):
                return of_chart(healthy_chart("p1"))(server, asked)
            link = {"relation": "next", "url": url}
            return response({"resourceType": "Bundle", "entry": [], "link": [link]})

        async with loopback(lying) as server:
            async with networked(Client(name="hospital", fhir_base=server.base)) as service:
                with dialled() as seen:
                    for row in CORPUS:
                        url = written(row, server.port)
                        answer = await service.hook(call_body(fhirServer=server.base))
                        assert answer.status_code == 412, url
            assert set(seen.addresses) == {(HERE, server.port)}
            assert seen.names == []
            assert [a.path for a in server.asked if not re.match(r"/fhir([/?]|$)", a.path)] == []
            assert not any("admin" in asked.path for asked in server.asked)

    async def test_as_location_dials_nothing_but_the_base_and_is_not_followed(self):
        location, status = "", 302

        def redirecting(server, asked):
            return response(b"", status, {"Location": location.replace("\r\n", " ")})

        limits = Limits(failures_in_a_row=10**6)
        async with loopback(redirecting) as server:
            async with networked(Client(name="hospital", fhir_base=server.base), limits=limits) as service:
                with dialled() as seen:
                    for number, row in enumerate(CORPUS):
                        location = written(row, server.port).encode("ascii", "ignore").decode()
                        status = (301, 302, 303, 307, 308)[number % 5]
                        answer = await service.hook(call_body(fhirServer=server.base))
                        assert f"HTTP {status}" in answer.text, location
            assert set(seen.addresses) == {(HERE, server.port)}
            assert seen.names == []
            assert len(server.asked) == 3 * len(CORPUS)

    async def test_lets_the_honest_base_through(self):
        async with loopback(of_chart(healthy_chart("p1"))) as server:
            client = Client(name="hospital", fhir_base=server.base)
            async with networked(client) as service:
                answer = await service.hook(call_body(fhirServer=server.base))
            assert answer.json() == {"cards": []}


NAME = "ehr.hospital.example"


@asynccontextmanager
async def named(resolver, *, private_network: bool = True, host: str = NAME):
    """A chart of a client whose server has a name, `resolver` in the place of the name servers; and the server."""
    async with loopback(of_chart(healthy_chart("p1"))) as server:
        base = f"http://{host}:{server.port}/fhir"
        client = Client(name="a", fhir_base=base, plain_http=True, private_network=private_network)
        limits = Limits(answer_seconds=1)
        async with connect(limits, None, client, resolver) as connection:

            def chart() -> Chart:
                return Chart(connection, base, "t", limits, asyncio.get_running_loop().time() + 1)

            yield chart, server


class TestNamesThatLeadElsewhere:
    """B2."""

    @pytest.mark.parametrize(
        ("addresses", "private_network", "failure"),
        [
            ([HERE], False, "private_network is not set"),
            (["::1"], False, "private_network is not set"),
            (["::ffff:127.0.0.1"], False, "private_network is not set"),
            (["10.0.0.5"], False, "private_network is not set"),
            (["fd12::5"], False, "private_network is not set"),
            (["8.8.8.8", HERE], False, "private_network is not set"),
            (["169.254.169.254"], True, "metadata service"),
            (["fd00:ec2::254"], True, "metadata service"),
            (["::ffff:169.254.169.254"], True, "metadata service"),
            (["64:ff9b::a9fe:a9fe"], True, "metadata service"),
            (["fe80::1%lo"], True, "metadata service"),
            ([HERE, "100.100.100.200"], True, "metadata service"),
            (["0.0.0.0"], True, "none of a server"),
            (["224.0.0.1"], True, "none of a server"),
            ([], True, "no connection"),
        ],
    )
    async def test_are_not_connected_to_and_the_setting_is_named(self, addresses, private_network, failure):
        async with named(lambda _: addresses, private_network=private_network) as (chart, server):
            with dialled() as seen:
                searched = await chart().search("Condition", (("patient", "p1"),))
        assert failure in searched.failure
        assert (seen.addresses, server.connections) == ([], 0)

    async def test_are_connected_to_where_the_block_permits_it_and_keep_their_name(self):
        async with named(lambda _: [HERE]) as (chart, server):
            searched = await chart().search("Condition", (("patient", "p1"),))
        assert searched.failure == ""
        assert server.asked[0].headers["host"] == f"{NAME}:{server.port}"

    async def test_may_have_a_dead_address_before_the_live_one(self):
        async with named(lambda _: ["127.0.0.9", HERE]) as (chart, server):
            searched = await chart().search("Condition", (("patient", "p1"),))
        assert (searched.failure, server.connections) == ("", 1)

    async def test_are_looked_up_once_a_call_so_that_a_second_answer_moves_nothing(self):
        answers = [[HERE], ["169.254.169.254"]]
        asked = []

        def rebinding(host: str) -> list[str]:
            asked.append(host)
            return answers[min(len(asked), 2) - 1]

        async with named(rebinding) as (chart, server):
            with dialled() as seen:
                first = chart()
                for number in range(3):
                    searched = await first.search("Condition", (("patient", "p1"), ("_id", str(number))))
                    assert searched.failure == ""
                assert asked == [NAME]
                searched = await chart().search("Condition", (("patient", "p1"),))
                assert "metadata service" in searched.failure
        assert {address for address, _ in seen.addresses} == {HERE}
        assert len(server.asked) == 3

    async def test_are_looked_up_once_for_questions_at_once(self):
        asked = []

        def slow(host: str) -> list[str]:
            asked.append(host)
            return [HERE]

        async with named(slow) as (chart, _server):
            one = chart()
            searches = [one.search("Condition", (("patient", "p1"), ("_id", str(n)))) for n in range(8)]
            assert [s.failure for s in await asyncio.gather(*searches)] == [""] * 8
        assert asked == [NAME]

    async def test_end_in_time_where_nobody_answers_for_them(self):
        release = threading.Event()

        def dead(_: str) -> list[str]:
            release.wait(10)
            return [HERE]

        async with named(dead) as (chart, server):
            begun = asyncio.get_running_loop().time()
            searched = await chart().search("Condition", (("patient", "p1"),))
            assert searched.failure == "timed out"
            assert asyncio.get_running_loop().time() - begun < 3
            release.set()
        assert server.connections == 0

    async def test_are_said_in_the_answer_and_in_the_audit_of_a_call(self, monkeypatch):
        monkeypatch.setattr("cds_service.fhir.network.look_up", lambda _: ["10.1.2.3"])
        base = "https://ehr.hospital.example/fhir"
        async with networked(Client(name="hospital", fhir_base=base)) as service:
            answer = await service.hook(call_body(fhirServer=base))
            assert answer.status_code == 412
            assert "private_network is not set" in answer.text
            assert "private_network is not set" in service.audits()[0]["failed"]["conditions"]
            assert "10.1.2.3" not in answer.text


class TestTheEnvironment:
    """B3: what stands in it changes nothing."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("HTTP_PROXY", "http://127.0.0.1:9"),
            ("http_proxy", "http://127.0.0.1:9"),
            ("ALL_PROXY", "http://127.0.0.1:9"),
            ("SSL_CERT_FILE", "/nowhere"),
            ("SSL_CERT_DIR", "/nowhere"),
            ("SSLKEYLOGFILE", "keys.log"),
            ("NETRC", "netrc"),
        ],
    )
    async def test_is_ignored(self, name, value, monkeypatch, tmp_path):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
        file = tmp_path / value if name in {"SSLKEYLOGFILE", "NETRC"} else value
        monkeypatch.setenv(name, str(file))
        assert os.environ[name]
        _public_trust.cache_clear()
        async with loopback(of_chart(healthy_chart("p1"))) as server:
            with dialled() as seen:
                async with networked(Client(name="hospital", fhir_base=server.base)) as service:
                    answer = await service.hook(call_body(fhirServer=server.base))
        assert answer.json() == {"cards": []}
        assert set(seen.addresses) == {(HERE, server.port)}
        assert not any("authorization" in asked.headers for asked in server.asked)
        assert _public_trust().keylog_filename is None
        assert _public_trust().cert_store_stats()["x509_ca"] > 50
        _public_trust.cache_clear()


async def test_a_token_reaches_its_own_server_and_no_other():
    """B4, on sockets; every simulator of every suite counts strays too."""
    chart = of_chart(healthy_chart("p1"))
    async with loopback(chart) as first, loopback(chart) as second:
        clients = (Client(name="a", fhir_base=first.base), Client(name="b", fhir_base=second.base))
        async with networked(*clients) as service:
            for _ in range(5):
                for server, token in ((first, "token-of-a"), (second, "token-of-b")):
                    body = call_body(fhirServer=server.base, fhirAuthorization=authorization(token))
                    assert (await service.hook(body)).json() == {"cards": []}
            assert "token-of" not in json.dumps(service.lines)
    assert {asked.headers["authorization"] for asked in first.asked} == {"Bearer token-of-a"}
    assert {asked.headers["authorization"] for asked in second.asked} == {"Bearer token-of-b"}
