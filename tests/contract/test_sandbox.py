"""The CDS Hooks sandbox as a client: its requests, as recorded in `tests/data/sandbox`, against the demonstration."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from cds_service.demo.ehr import create_ehr
from cds_service.demo.patients import chart, samples
from cds_service.demo.report import SANDBOX, Addresses
from cds_service.demo.run import demo_settings
from cds_service.settings.service import Settings
from cds_service.web.discovery import discovery_file, read_discovery
from cds_service.web.store import Feedback, Store
from tests.support.charts import AS_OF, clock
from tests.support.service import Running, running

DATA = Path(__file__).parents[1] / "data" / "sandbox"
VISIT = json.loads((DATA / "visit.json").read_text(encoding="utf-8"))
PREFETCH = json.loads((DATA / "prefetch.json").read_text(encoding="utf-8"))
FEEDBACK = json.loads((DATA / "feedback.json").read_text(encoding="utf-8"))
DSTU2 = json.loads((DATA / "dstu2.json").read_text(encoding="utf-8"))
FHIR = "http://127.0.0.1:8124/fhir"
SERVICE = "http://127.0.0.1:8123/cds-services"
NAMES = [sample.name for sample in samples().patients]
TEMPLATES = read_discovery(discovery_file())["services"][0]["prefetch"]
EHR = create_ehr([chart(name) for name in NAMES])
PRIVATE = {"access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods"}


@dataclass
class Network(httpx.AsyncBaseTransport):
    """What the service can reach: the demonstration EHR, and nothing else. `asked` is what it asked for."""

    ehr: httpx.AsyncBaseTransport
    asked: list[httpx.Request] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not str(request.url).startswith(FHIR):
            raise httpx.ConnectError("no such host", request=request)
        self.asked.append(request)
        return await self.ehr.handle_async_request(request)


@dataclass
class Sandbox:
    """Sends what the sandbox sends. `page_size` is what the FHIR server puts on a page, if not what was asked for."""

    service: Running
    fhir: httpx.AsyncClient
    network: Network
    settings: Settings
    discovery: str = SERVICE
    page_size: str = ""

    async def visit(self, patient: str, prefetch: dict | None = None) -> httpx.Response:
        """All requests of a visit in their order; returns the answer of the last, the hook call."""
        for step in VISIT:
            if step == "prefetch":
                filled = await self.prefetch(patient) if prefetch is None else prefetch
            else:
                answer = await self._send(step, patient, filled if "json" in step else {})
                assert answer.is_success, answer.text
        return answer

    async def prefetch(self, patient: str) -> dict[str, dict]:
        """Every template filled as the sandbox does it: the first page only, and keys that fail left out."""
        answers = {key: await self._fill(template, patient) for key, template in TEMPLATES.items()}
        return {key: answer.json() for key, answer in answers.items() if answer.status_code == 200}

    async def hook(self, body: dict, **headers: str) -> httpx.Response:
        """The hook call alone."""
        return await self.service.http.post(f"{self.discovery}/imnm-recurrence", json=body, headers=headers)

    async def feedback(self, name: str, card: dict) -> httpx.Response:
        """One of the recorded feedback bodies for a card, after its preflight."""
        address = f"{self.discovery}/imnm-recurrence/feedback"
        asked = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        }
        assert (await self.service.http.options(address, headers=asked)).status_code == 204
        text = json.dumps(FEEDBACK[name]).replace("{card}", card["uuid"])
        body = text.replace("{suggestion}", card["suggestions"][0]["uuid"])
        sent = {"content-type": "application/json", "authorization": "Bearer header.payload.signature"}
        return await self.service.http.post(address, content=body, headers=sent)

    def stored(self) -> list[Feedback]:
        """What the service has kept."""
        assert self.settings.store
        store = Store(self.settings.store, 1.0, clock)
        kept = list(store.all())
        store.close()
        return kept

    async def _send(self, step: dict, patient: str, prefetch: dict) -> httpx.Response:
        filled = json.loads(json.dumps(step).replace("{patient}", patient).replace("{fhir}", FHIR))
        base, client = (FHIR, self.fhir) if step["to"] == "fhir" else (self.discovery, self.service.http)
        body = filled.get("json")
        content = json.dumps(body | {"prefetch": prefetch} if prefetch else body) if body else None
        answer = await client.request(
            step["method"], base + filled["path"], headers=filled["headers"], content=content
        )
        assert answer.headers["access-control-allow-origin"] in {SANDBOX, "*"}
        return answer

    async def _fill(self, template: str, patient: str) -> httpx.Response:
        method, path, form = as_sandbox_asks(template, patient)
        if self.page_size:
            form = form.replace("_count=100", f"_count={self.page_size}")
        headers = {"accept": "application/json+fhir"}
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
        return await self.fhir.request(method, FHIR + path, content=form or None, headers=headers)


def as_sandbox_asks(template: str, patient: str) -> tuple[str, str, str]:
    """Method, path and form of what is sent for a template: searches by POST, parameters in alphabetical order."""
    query = template.replace("{{context.patientId}}", patient)
    path, _, parameters = query.partition("?")
    if not parameters:
        return "GET", f"/{path}", ""
    return "POST", f"/{path}/_search", urlencode(sorted(parse_qsl(parameters)))


@asynccontextmanager
async def sandbox(folder: Path, discovery: str = SERVICE, page_size: str = "") -> AsyncIterator[Sandbox]:
    """The demonstration as it is configured, and the sandbox in front of it."""
    ehr = httpx.ASGITransport(EHR)
    network = Network(ehr)
    configured = demo_settings(FHIR, folder / "feedback.db")
    client = httpx.AsyncClient(transport=ehr, headers={"origin": SANDBOX})
    async with running(network, configured) as service, client as fhir:
        service.http.headers["origin"] = SANDBOX
        yield Sandbox(service, fhir, network, configured, discovery, page_size)


def body(patient: str, **members: object) -> dict:
    shape = VISIT[-1]["json"] | {"fhirServer": FHIR}
    return shape | {"context": shape["context"] | {"patientId": patient}} | members


def said(answer: httpx.Response) -> list[dict]:
    """The cards without what is new on every call."""
    assert answer.status_code == 200, answer.text
    text = re.sub(r'"[0-9a-f-]{36}"', '"uuid"', answer.text)
    return json.loads(text)["cards"]


class TestTheLaunchLink:
    def test_carries_what_the_sandbox_reads_from_its_address(self):
        link = Addresses("http://127.0.0.1:8123", FHIR).launch("high-overdue")
        assert link.startswith(f"{SANDBOX}/?")
        assert parse_qs(urlsplit(link).query) == {
            "fhirServiceUrl": [FHIR],
            "patientId": ["high-overdue"],
            "serviceDiscoveryURL": [SERVICE],
        }

    def test_leaves_no_character_that_would_end_one_of_its_values(self):
        query = Addresses("http://127.0.0.1:8123", FHIR).launch("plain").partition("?")[2]
        assert all(re.fullmatch(r"[\w.%-]+", part.partition("=")[2]) for part in query.split("&"))


class TestPreflights:
    @pytest.mark.parametrize(
        ("path", "asked"),
        [
            ("", "authorization"),
            ("/imnm-recurrence", "authorization,content-type"),
            ("/imnm-recurrence/feedback", "authorization,content-type"),
            ("//imnm-recurrence", "authorization,content-type"),
            ("//imnm-recurrence/feedback", "authorization,content-type"),
        ],
    )
    async def test_are_granted_to_the_sandbox(self, tmp_path, path, asked):
        async with sandbox(tmp_path) as page:
            headers = {"access-control-request-method": "POST", "access-control-request-headers": asked}
            answer = await page.service.http.options(SERVICE + path, headers=headers)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == SANDBOX
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert set(asked.split(",")) <= set(allowed)
        assert "POST" in answer.headers["access-control-allow-methods"]

    @pytest.mark.parametrize("origin", ["https://evil.example", f"{SANDBOX}.evil.example", "null"])
    async def test_and_answers_are_for_no_other_origin(self, tmp_path, origin):
        async with sandbox(tmp_path) as page:
            page.service.http.headers["origin"] = origin
            asked = {
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization",
            }
            preflight = await page.service.http.options(f"{SERVICE}/imnm-recurrence", headers=asked)
            answer = await page.hook(body("high-overdue"))
        assert preflight.status_code == 403
        assert PRIVATE.isdisjoint(preflight.headers)
        assert PRIVATE.isdisjoint(answer.headers)

    async def test_are_not_needed_to_see_an_error_as_what_it_is(self, tmp_path):
        async with sandbox(tmp_path) as page:
            for answer in (await page.hook({}), await page.service.http.get(f"{SERVICE}/x/y")):
                assert answer.headers["access-control-allow-origin"] == SANDBOX
                assert answer.json()["resourceType"] == "OperationOutcome"


class TestAVisit:
    @pytest.mark.parametrize("recorded", PREFETCH, ids=lambda r: r["template"])
    def test_asks_for_a_template_as_it_was_recorded(self, recorded):
        asked = as_sandbox_asks(recorded["template"], "high-overdue")
        assert asked == (recorded["method"], recorded["path"], recorded["form"])

    @pytest.mark.parametrize("patient", NAMES)
    async def test_ends_in_the_card_that_a_call_without_prefetch_gets(self, tmp_path, patient):
        async with sandbox(tmp_path) as page:
            visited = await page.visit(patient)
            paths = [request.url.path for request in page.network.asked]
            assert all(
                path.startswith("/fhir/Medication/") for path in paths
            )  # what a template cannot ask for
            assert said(visited) == said(await page.hook(body(patient)))

    async def test_through_an_address_with_a_slash_at_its_end_is_the_same(self, tmp_path):
        async with sandbox(tmp_path) as plain, sandbox(tmp_path, f"{SERVICE}/") as slash:
            assert slash.discovery + "/imnm-recurrence" == f"{SERVICE}//imnm-recurrence"
            assert said(await slash.visit("high-overdue")) == said(await plain.visit("high-overdue"))
            stored = await slash.feedback("accepted", (await slash.visit("high-overdue")).json()["cards"][0])
        assert stored.json() == {"stored": 1}

    async def test_needs_no_token_and_believes_none(self, tmp_path):
        async with sandbox(tmp_path) as page:
            without = await page.hook(body("high-overdue"))
            for token in ("Bearer header.payload.signature", "Bearer e30.e30.", "Basic eDp5", "x"):
                answer = await page.hook(body("high-overdue"), authorization=token)
                assert said(answer) == said(without)
            assert all("authorization" not in request.headers for request in page.network.asked)
            assert {audit["token"] for audit in page.service.audits()} == {"none"}

    async def test_with_first_pages_only_gets_the_rest_read_by_the_service(self, tmp_path):
        async with sandbox(tmp_path, page_size="20") as page:
            prefetch = await page.prefetch("high-overdue")
            assert len(prefetch["enzymes"]["entry"]) == 20 < prefetch["enzymes"]["total"]
            answer = await page.visit("high-overdue")
            assert page.network.asked
            assert all("authorization" not in request.headers for request in page.network.asked)
            assert said(answer) == said(await page.hook(body("high-overdue")))

    @pytest.mark.parametrize("left_out", [*TEMPLATES, "every other", "all"])
    async def test_with_keys_left_out_gets_them_read_by_the_service(self, tmp_path, left_out):
        async with sandbox(tmp_path) as page:
            prefetch = await page.prefetch("relapse-now")
            gone = {"all": list(TEMPLATES), "every other": list(TEMPLATES)[::2]}.get(left_out, [left_out])
            kept = {key: value for key, value in prefetch.items() if key not in gone}
            answer = await page.visit("relapse-now", kept)
            assert page.network.asked
            assert said(answer) == said(await page.hook(body("relapse-now")))


class TestATokenThatTheSandboxCannotFill:
    """It would send it as it stands, and hand on the empty Bundle that comes back."""

    def test_stands_in_no_template(self):
        tokens = {token for template in TEMPLATES.values() for token in re.findall(r"\{\{.*?\}\}", template)}
        assert tokens == {"{{context.patientId}}"}

    def test_nor_does_a_parameter_stand_twice_in_a_template(self):
        for template in TEMPLATES.values():
            names = [name for name, _ in parse_qsl(template.partition("?")[2])]
            assert len(names) == len(set(names))

    async def test_as_the_patient_is_never_an_empty_list_of_cards(self, tmp_path):
        async with sandbox(tmp_path) as page:
            empty = await page.prefetch("{{context.patientId}}")
            assert "patient" not in empty
            assert empty["conditions"]["total"] == 0
            answer = await page.hook(body("{{context.patientId}}", prefetch=empty))
        (card,) = said(answer)
        assert card["summary"].startswith("IMNM: not assessed, the record could not be read")

    async def test_as_the_user_is_refused(self, tmp_path):
        async with sandbox(tmp_path) as page:
            context = {"patientId": "plain", "userId": "{{context.userId}}"}
            answer = await page.hook(body("plain", context=context))
        assert answer.status_code == 400
        assert "userId" in answer.json()["issue"][0]["diagnostics"]


class TestTheDefaultServerOfTheSandbox:
    """Whoever adds the discovery address and nothing else calls for a server that speaks FHIR DSTU2."""

    @pytest.mark.parametrize("prefetch", ["as sent", "none", "the patient alone"])
    async def test_gets_a_card_that_names_the_address_to_set(self, tmp_path, prefetch):
        sent = {
            "as sent": DSTU2["prefetch"],
            "none": {},
            "the patient alone": {"patient": DSTU2["prefetch"]["patient"]},
        }
        async with sandbox(tmp_path) as page:
            (card,) = (await page.hook(DSTU2 | {"prefetch": sent[prefetch]})).json()["cards"]
        assert card["summary"].startswith("IMNM: ")
        assert card["indicator"] == "info"
        assert FHIR in card["detail"]
        assert "suggestions" not in card

    async def test_has_its_version_named_where_the_resources_show_it(self, tmp_path):
        async with sandbox(tmp_path) as page:
            (card,) = (await page.hook(DSTU2)).json()["cards"]
        assert card["summary"] == "IMNM: this FHIR server is DSTU2, not R4"

    async def test_is_the_only_other_server_that_may_be_named(self, tmp_path):
        async with sandbox(tmp_path) as page:
            answer = await page.hook(DSTU2 | {"fhirServer": "https://launch.smarthealthit.org/v/r4/fhir"})
        assert answer.status_code == 403


class TestFeedback:
    async def test_of_every_recorded_shape_is_stored_once_however_often_it_comes(self, tmp_path):
        async with sandbox(tmp_path) as page:
            (card,) = (await page.visit("high-overdue")).json()["cards"]
            for name in FEEDBACK:
                answers = [await page.feedback(name, card) for _ in range(2)]
                assert [(a.status_code, a.json()) for a in answers] == [
                    (200, {"stored": 1}),
                    (200, {"stored": 0}),
                ]
            stored = page.stored()
        assert len(stored) == len(FEEDBACK)
        assert {item.card for item in stored} == {card["uuid"]}
        assert {item.service for item in stored} == {"imnm-recurrence"}

    @pytest.mark.parametrize("name", ["accepted", "a bare object, as older sandboxes sent it"])
    async def test_of_a_pressed_suggestion_names_it(self, tmp_path, name):
        async with sandbox(tmp_path) as page:
            (card,) = (await page.visit("high-overdue")).json()["cards"]
            await page.feedback(name, card)
            (item,) = page.stored()
        assert (item.outcome, item.suggestions) == ("accepted", (card["suggestions"][0]["uuid"],))
        assert item.at.date() == AS_OF.date()

    @pytest.mark.parametrize(
        ("name", "reasons", "commented"),
        [
            ("dismissed with a reason", ["action-completed"], False),
            ("dismissed without a reason", [], False),
            ("one object in place of the list", [], False),
            ("Epic's plural with a reason and its extension", ["patient-refuses"], True),
            ("Epic's plural with its extension alone", ["17"], False),
        ],
    )
    async def test_of_a_dismissed_card_keeps_the_code_of_the_reason_and_no_text(
        self, tmp_path, name, reasons, commented
    ):
        async with sandbox(tmp_path) as page:
            (card,) = (await page.visit("high-overdue")).json()["cards"]
            assert (await page.feedback(name, card)).json() == {"stored": 1}
            (item,) = page.stored()
        assert (item.outcome, [code for _, code in item.reasons]) == ("overridden", reasons)
        assert item.commented is commented
        assert b"Eve" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())

    async def test_gives_only_reasons_that_the_sandbox_can_send_back(self, tmp_path):
        async with sandbox(tmp_path) as page:
            (card,) = (await page.visit("high-overdue")).json()["cards"]
        assert all({"code", "system", "display"} <= set(reason) for reason in card["overrideReasons"])
        assert all(suggestion["uuid"] for suggestion in card["suggestions"])
