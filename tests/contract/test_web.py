"""Discovery, CORS, methods, errors, health: everything about the hook call but the record."""

import asyncio
import json

import httpx
import pytest

from cds_service.events import Events
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings, SettingsError
from cds_service.web.app import create_app, write_line
from cds_service.web.clock import utc_now
from cds_service.web.discovery import discovery_file, enabled, read_discovery
from cds_service.web.edge import Edge
from cds_service.web.ingress.load import Load
from tests.support import ehr_simulator as sim
from tests.support.charts import healthy_chart, imnm_chart
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.service import ORIGIN, SERVICE, authorization, call_body, prefetch_of, running, settings

DOCUMENT = read_discovery(discovery_file())


async def asked(method: str, path: str, **headers: str) -> httpx.Response:
    async with running() as service:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await service.http.request(method, path, headers=named)


def is_outcome(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    content = response.json()
    assert content["resourceType"] == "OperationOutcome"
    assert content["issue"][0]["code"] == code


class TestDiscovery:
    @pytest.mark.parametrize("path", ["/cds-services", "/cds-services/", "http://cds.example//cds-services"])
    async def test_serves_the_file_as_it_is_where_the_whole_prefetch_is_wanted(self, path):
        async with running(configured=Settings(prefetch="full")) as service:
            response = await service.http.get(path)
        assert response.json() == DOCUMENT
        assert list(response.json()["services"][0]["prefetch"]) == list(DOCUMENT["services"][0]["prefetch"])

    async def test_asks_on_every_chart_for_no_more_than_who_has_the_disease_unless_told_otherwise(self):
        (served,), (whole,) = (await asked("GET", "/cds-services")).json()["services"], DOCUMENT["services"]
        assert list(served["prefetch"]) == ["patient", "conditions", "antibodies"]
        assert served == whole | {"prefetch": {key: whole["prefetch"][key] for key in served["prefetch"]}}

    def test_leaves_services_out_that_are_not_enabled(self):
        assert enabled(DOCUMENT, ()) == {"services": []}
        assert enabled(DOCUMENT, None) == enabled(DOCUMENT, ("imnm-recurrence",)) == DOCUMENT

    def test_refuses_a_service_or_a_hook_that_does_not_exist(self):
        with pytest.raises(
            SettingsError, match=r"services: other is not in cds-hooks\.json, which has imnm-recurrence"
        ):
            enabled(DOCUMENT, ("other",))
        other = {"services": [DOCUMENT["services"][0] | {"hook": "order-sign"}]}
        with pytest.raises(SettingsError, match="no adapter for the hook order-sign"):
            enabled(other, None)


class TestTheHookCall:
    @pytest.mark.parametrize(
        "path", [SERVICE, f"{SERVICE}/", "/cds-services//imnm-recurrence", f"http://cds.example/{SERVICE}"]
    )
    async def test_tolerates_slashes(self, path):
        async with running(EhrSimulator(healthy_chart("p1"))) as service:
            response = await service.http.post(path, json=call_body())
        assert (response.status_code, response.json()) == (200, {"cards": []})
        assert response.headers["content-type"] == "application/json"

    async def test_of_a_hook_instance_seen_before_is_answered_again(self):
        async with running(EhrSimulator(imnm_chart())) as service:
            first, second = [await service.hook(call_body()) for _ in range(2)]
        assert first.json() == second.json()

    @pytest.mark.parametrize("user", ["Patient/p1", "RelatedPerson/r1"])
    async def test_in_a_patients_or_proxys_view_gives_no_card_and_reads_nothing(self, user):
        ehr = EhrSimulator(imnm_chart())
        async with running(ehr) as service:
            response = await service.hook(call_body(context={"userId": user, "patientId": "p1"}))
            (audit,) = service.audits()
        assert (response.json(), ehr.requests, audit["outcome"]) == ({"cards": []}, [], "patients-view")

    @pytest.mark.parametrize(
        "server",
        [
            f"{BASE}/x",
            "https://evil.example/fhir",
            BASE.upper(),
            "http://ehr.example/fhir",
            "http://169.254.169.254/",
            "/",
            "///",
        ],
    )
    async def test_for_a_server_that_nobody_configured_is_403_and_dials_nothing(self, server):
        ehr = EhrSimulator(imnm_chart())
        async with running(ehr) as service:
            is_outcome(await service.hook(call_body(fhirServer=server)), 403, "forbidden")
        assert ehr.requests == []

    async def test_for_a_configured_server_may_have_a_slash_at_its_end(self):
        async with running(EhrSimulator(imnm_chart())) as service:
            response = await service.hook(call_body(fhirServer=f"{BASE}/"))
        assert len(response.json()["cards"]) == 1

    async def test_without_a_server_is_403_where_no_client_is_open(self):
        only = Settings(client=(Client(name="hospital", fhir_base=BASE),))
        async with running(configured=only) as service:
            is_outcome(await service.hook(call_body(fhirServer=None)), 403, "forbidden")

    async def test_with_an_unusable_authorization_goes_on_without_a_token(self):
        ehr = EhrSimulator(healthy_chart("p1"))
        async with running(ehr) as service:
            given = authorization("t", token_type="DPoP")
            assert (await service.hook(call_body(fhirAuthorization=given))).json() == {"cards": []}
            (audit,) = service.audits()
        assert audit["token"] == "ignored"
        assert all("authorization" not in request.headers for request in ehr.requests)

    async def test_for_another_service_is_404(self):
        async with running() as service:
            is_outcome(await service.http.post("/cds-services/other", json=call_body()), 404, "not-found")

    async def test_that_crashes_is_500_without_a_word_of_what_happened(self, monkeypatch):
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("Eve Example, born 1970")

        monkeypatch.setattr("cds_service.web.pipeline.assess", broken)
        async with running(EhrSimulator(healthy_chart("p1"))) as service:
            response = await service.hook(call_body(), origin=ORIGIN)
            crashed = json.loads(service.lines[1])
        is_outcome(response, 500, "exception")
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "Eve" not in response.text + "".join(service.lines)
        assert (crashed["event"], crashed["error"]) == ("hook-call", "RuntimeError")
        assert crashed["place"].startswith("test_web.py:")
        assert service.audits()[0]["outcome"] == "crashed"


class TestOverload:
    @pytest.mark.parametrize(("calls", "refused"), [(2, 0), (3, 0), (4, 1)])
    async def test_beyond_so_many_calls_at_once_is_503_at_once(self, calls, refused):
        ehr = EhrSimulator(healthy_chart("p1"), delay=0.05)
        async with running(ehr, limits=Limits(parallel_calls=3)) as service:
            responses = await asyncio.gather(*(service.hook(call_body()) for _ in range(calls)))
            busy = [response for response in responses if response.status_code == 503]
            assert len(busy) == refused
            for response in busy:
                is_outcome(response, 503, "throttled")
                assert response.headers["retry-after"] == "1"
            assert (await service.hook(call_body())).status_code == 200
            assert len(service.audits()) == calls + 1


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("POST", "/cds-services", {"GET", "HEAD"}),
            ("GET", SERVICE, {"POST"}),
            ("PUT", SERVICE, {"POST"}),
            ("DELETE", "/health", {"GET", "HEAD"}),
            ("POST", "/model", {"GET", "HEAD"}),
            ("PUT", "/model.json", {"GET", "HEAD"}),
            ("OPTIONS", SERVICE, {"POST"}),
            ("TRACE", SERVICE, {"POST"}),
        ],
    )
    async def test_that_are_not_offered_are_405(self, method, path, allowed):
        response = await asked(method, path)
        is_outcome(response, 405, "not-supported")
        assert set(response.headers["allow"].split(", ")) == allowed

    @pytest.mark.parametrize("path", ["/cds-services", "/health", "/ready", "/model", "/model.json"])
    async def test_head_is_as_good_as_get(self, path):
        assert (await asked("HEAD", path)).status_code == 200

    @pytest.mark.parametrize(
        "path", ["/docs", "/openapi.json", "/redoc", "/cds-services/a/b", "/%2e%2e/etc/passwd", "/x"]
    )
    async def test_a_path_that_is_none_is_404(self, path):
        is_outcome(await asked("GET", path), 404, "not-found")


class TestCors:
    @pytest.mark.parametrize(
        "path", ["/cds-services", SERVICE, f"{SERVICE}/feedback", "http://cds.example//x"]
    )
    async def test_a_preflight_needs_no_token(self, path):
        response = await asked(
            "OPTIONS",
            path,
            origin=ORIGIN,
            access_control_request_method="POST",
            access_control_request_headers="authorization,content-type",
        )
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "authorization" in response.headers["access-control-allow-headers"].lower()
        assert "content-type" in response.headers["access-control-allow-headers"].lower()
        assert "POST" in response.headers["access-control-allow-methods"]

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", ORIGIN.upper(), f"{ORIGIN}.evil.example", ""]
    )
    async def test_another_origin_may_not(self, origin):
        response = await asked("OPTIONS", SERVICE, origin=origin, access_control_request_method="POST")
        is_outcome(response, 403, "forbidden")
        assert "access-control-allow-origin" not in response.headers

    @pytest.mark.parametrize(
        "origin",
        [
            ORIGIN.replace("https", "http"),
            f"{ORIGIN}:8443",
            f"{ORIGIN}:443",
            f"{ORIGIN}.",
            f"{ORIGIN}/",
            f"{ORIGIN}/path",
            f"https://x.{ORIGIN.removeprefix('https://')}",
            f"https://x@{ORIGIN.removeprefix('https://')}",
            f"{ORIGIN}@evil.example",
            f"{ORIGIN}, https://evil.example",
            f"https://evil.example {ORIGIN}",
            "file://",
            "*",
        ],
    )
    @pytest.mark.parametrize(
        ("method", "path"), [("OPTIONS", SERVICE), ("GET", "/cds-services"), ("POST", SERVICE)]
    )
    async def test_an_origin_is_one_of_the_list_word_for_word(self, origin, method, path):
        preflight = {"access_control_request_method": "POST"} if method == "OPTIONS" else {}
        response = await asked(method, path, origin=origin, **preflight)
        assert [name for name in response.headers if name.startswith("access-control-")] == []
        assert response.headers["vary"] == "Origin"

    async def test_no_answer_allows_credentials_whatever_is_listed(self):
        for origins in ((ORIGIN,), ("*",), (ORIGIN, "*")):
            async with running(configured=settings().model_copy(update={"cors_origins": origins})) as service:
                for method, more in (("OPTIONS", {"access-control-request-method": "POST"}), ("GET", {})):
                    headers = {"origin": ORIGIN, "cookie": "a=b"} | more
                    response = await service.http.request(method, SERVICE, headers=headers)
                    assert response.headers["access-control-allow-origin"] in {ORIGIN, "*"}
                    assert "access-control-allow-credentials" not in response.headers

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/cds-services", 200), ("GET", "/x", 404), ("PUT", SERVICE, 405), ("POST", SERVICE, 415)],
    )
    async def test_holds_for_every_answer_errors_too(self, method, path, status):
        response = await asked(method, path, origin=ORIGIN)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["vary"] == "Origin"
        other = await asked(method, path, origin="https://evil.example")
        assert "access-control-allow-origin" not in other.headers

    async def test_may_be_open_to_all_and_then_without_credentials(self):
        async with running(configured=Settings(cors_origins=("*",))) as service:
            response = await service.http.get("/cds-services", headers={"origin": "https://any.example"})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


async def test_no_answer_is_kept_by_a_cache_or_guessed_to_be_something_else():
    response = await asked("GET", "/cds-services")
    assert (response.headers["cache-control"], response.headers["x-content-type-options"]) == (
        "no-store",
        "nosniff",
    )


class TestHealth:
    async def test_says_that_the_process_lives(self):
        assert (await asked("GET", "/health")).json() == {"status": "ok"}

    async def test_readiness_comes_with_the_start_and_goes_with_the_stop(self):
        app = create_app(settings(), transport=EhrSimulator(), write=lambda _: None)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://cds.example") as http:
            is_outcome(await http.get("/ready"), 503, "throttled")
            async with app.router.lifespan_context(app):
                assert (await http.get("/ready")).json() == {"status": "ready"}
            is_outcome(await http.get("/ready"), 503, "throttled")

    async def test_start_and_stop_are_events(self):
        async with running() as service:
            pass
        first, last = json.loads(service.lines[0]), json.loads(service.lines[-1])
        assert (first["event"], first["clients"], first["services"]) == ("started", 2, 1)
        assert last["event"] == "stopped"


class TestAnythingThatEscapes:
    @staticmethod
    async def _broken(service, path: str) -> httpx.Response:
        return await service.http.get(path, headers={"origin": ORIGIN})

    async def test_is_a_500_with_cors_headers(self, monkeypatch):
        async def broken(*_: object) -> None:
            raise RuntimeError("Eve Example")

        monkeypatch.setattr("cds_service.web.app.answer", broken)
        async with running() as service:
            response = await service.hook(call_body(), origin=ORIGIN)
        is_outcome(response, 500, "exception")
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "Eve" not in "".join(service.lines)

    async def test_is_named_by_the_first_task_that_failed(self, monkeypatch):
        async def broken(*_: object, **__: object) -> None:
            raise KeyError("Eve Example")

        monkeypatch.setattr("cds_service.fhir.client.Chart.search", broken)
        async with running(EhrSimulator(imnm_chart())) as service:
            is_outcome(await service.hook(call_body()), 500, "exception")
        assert json.loads(service.lines[1])["error"] == "KeyError"

    async def test_of_another_protocol_is_left_to_the_framework(self):
        seen = []

        async def app(scope, receive, send):
            seen.append(scope["type"])

        await Edge(app, Events(seen.append, utc_now), Load(Limits()))({"type": "websocket"}, None, None)
        assert seen == ["websocket"]

    async def test_after_an_answer_has_begun_cuts_it_off(self):
        lines: list[str] = []

        async def half(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("Eve Example")

        edge = Edge(half, Events(lines.append, utc_now), Load(Limits()))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(edge), base_url="http://cds.example"
        ) as http:
            with pytest.raises(RuntimeError):
                await http.get("/")
        assert "crashed" in lines[0]


async def test_a_body_that_never_ends_is_408(monkeypatch):
    async def drip():
        yield b"{"
        await asyncio.sleep(10)

    async with running(limits=Limits(answer_seconds=0.1, render_seconds=0.05)) as service:
        headers = {"content-type": "application/json"}
        response = await service.http.post(SERVICE, content=drip(), headers=headers)
        (audit,) = service.audits()
    is_outcome(response, 408, "timeout")
    assert audit["status"] == 408


async def test_a_call_that_is_cancelled_still_leaves_its_audit_event():
    async with running(EhrSimulator().bend(sim.hang)) as service:
        call = asyncio.ensure_future(service.hook(call_body()))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (audit,) = service.audits()
    assert audit["status"] == 0


async def test_the_identity_of_a_card_stays_while_the_secret_does(monkeypatch):
    async def uuids(secret: str) -> str:
        monkeypatch.setenv("IMNM_CDS_CARD_SECRET", secret)
        async with running(configured=settings()) as service:
            response = await service.hook(call_body(prefetch=prefetch_of(imnm_chart())))
        return response.json()["cards"][0]["uuid"]

    one, again, other = [await uuids(secret) for secret in ("a" * 16, "a" * 16, "b" * 16)]
    assert one == again != other


def test_events_go_to_standard_output_and_time_is_utc(capsys):
    write_line("{}")
    assert capsys.readouterr().out == "{}\n"
    assert utc_now().utcoffset().total_seconds() == 0


async def test_the_extension_of_epic_is_accepted():
    extension = {
        "com.epic.cdshooks.request.bpa-trigger-action": "60",
        "internal.epic.cdshooks.request.epic-emp-id": "1",
    }
    async with running(EhrSimulator(healthy_chart("p1"))) as service:
        assert (await service.hook(call_body(extension=extension))).status_code == 200


@pytest.mark.parametrize("key", ["patient", "conditions", "medications", "record", "labs"])
def test_a_prefetch_key_that_no_server_may_lack_stops_the_start_with_one_line(key):
    client = Client(name="ours", not_offered=frozenset({key}))
    with pytest.raises(SettingsError) as error:
        create_app(Settings(client=(client,)))
    assert str(error.value) == f"client ours: not_offered: {key} is no prefetch key that a server may lack"


def test_a_site_map_that_is_wrong_stops_the_start_with_one_line(tmp_path):
    file = tmp_path / "codes.csv"
    file.write_text("system,code,role\nurn:lab,X,nonsense\n")
    with pytest.raises(SettingsError, match="client hospital: site_map: "):
        create_app(settings(site_map=file))
    with pytest.raises(SettingsError, match="client hospital: site_map: "):
        create_app(settings(site_map=tmp_path / "none.csv"))


class TestTheHost:
    """Under which names the service answers; a page of another name must not reach it by rebinding its own."""

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("cds.example", 200),
            ("CDS.Example:8080", 200),
            ("evil.example", 421),
            ("cds.example.evil.example", 421),
            ("cds.example@evil.example", 421),
            ("", 421),
            ("127.0.0.1", 421),
        ],
    )
    async def test_must_be_one_of_ours_where_they_are_named(self, host, status):
        configured = settings().model_copy(update={"hosts": ("cds.example",)})
        async with running(configured=configured) as service:
            response = await service.http.get("/cds-services", headers={"host": host})
            assert response.status_code == status
            if status != 200:
                is_outcome(response, 421, "forbidden")
                assert json.loads(service.lines[-1])["outcome"] == "wrong host"
            for probe in ("/health", "/ready"):
                assert (await service.http.get(probe, headers={"host": host})).status_code == 200

    async def test_may_be_any_where_none_is_named(self):
        assert (await asked("GET", "/cds-services", host="any.example")).status_code == 200

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("cds.hospital.example", 200),
            ("cds.hospital.example:8443", 200),
            ("localhost:8080", 200),
            ("127.0.0.1", 200),
            ("[::1]:8080", 200),
            ("evil.example", 421),
            ("cds.hospital.example.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("169.254.169.254", 421),
            ("", 421),
        ],
    )
    async def test_is_that_of_the_public_address_or_this_machine_where_none_is_named(self, host, status):
        configured = Settings(public_url="https://CDS.hospital.example:8443/imnm")
        async with running(configured=configured) as service:
            response = await service.http.get("http://x/cds-services", headers={"host": host})
        assert response.status_code == status

    @pytest.mark.parametrize(
        ("public_url", "named", "served"),
        [
            ("https://cds.example/imnm", (), "cds.example"),
            ("https://[2001:DB8::1]:8443", (), "[2001:db8::1]"),
            ("https://cds.example", ("other.example",), "other.example"),
        ],
    )
    def test_that_is_named_wins(self, public_url, named, served):
        hosts = Settings(public_url=public_url, hosts=named).served_hosts
        assert hosts[0] == served
        assert hosts[1:] == (() if named else ("localhost", "127.0.0.1", "[::1]"))
