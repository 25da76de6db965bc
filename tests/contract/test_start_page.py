"""The pages of the demonstration: the sample patients, their cards as an EHR shows them, and the feedback they send."""

import asyncio
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from cds_service.cds_client import open_client
from cds_service.demo import issued as issuing
from cds_service.demo.charts import Demonstration
from cds_service.demo.ehr import create_ehr
from cds_service.demo.page import Known
from cds_service.demo.patients import banner, chart, samples
from cds_service.demo.report import SANDBOX, Addresses
from cds_service.demo.run import demo_settings
from cds_service.demo.web import with_pages
from cds_service.settings.limits import Limits
from cds_service.web.app import create_app
from cds_service.web.pages.card import show_card
from cds_service.web.store import Store
from tests.support.feedback import SECRET, issued
from tests.support.service import TABLES, _model

NAMES = [sample.name for sample in samples().patients]
SILENT = {"low-quiet", "critical-illness", "plain"}
ADDRESSES = Addresses("http://127.0.0.1:8123", "http://127.0.0.1:8124/fhir")
UNHURRIED = Limits(answer_seconds=60, render_seconds=30)  # what is shown does not hang on the machine's speed
FORM = {"content-type": "application/x-www-form-urlencoded"}
VOID = {"meta", "link", "br", "hr"}
ATTACK = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [press](https://evil.example) "
    "![see](https://evil.example/x.png) <https://evil.example> https://evil.example \"'> </textarea></article> | # "
)


def base_day():
    return datetime.combine(samples().base_day, datetime.min.time(), UTC)


class Page(HTMLParser):
    """A page as its elements: name, attributes, and the words inside."""

    def __init__(self, response):
        super().__init__()
        self.elements, self._open, self.words, self.status = [], [], "", response.status_code
        self.feed(response.text)
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), "no attribute stands twice"
        self.elements.append([tag, attributes, ""])
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        self.words += data
        for element in self._open:
            element[2] += data

    def all(self, tag, **attributes):
        return [e for e in self.elements if e[0] == tag and attributes.items() <= e[1].items()]

    def text(self, tag, **attributes):
        return [e[2] for e in self.all(tag, **attributes)]

    @property
    def main(self):
        return " ".join(self.text("main")[0].split())


class Visitor:
    """Somebody with a browser at the demonstration."""

    def __init__(self, http, running, store):
        self.http, self.running, self.store = http, running, store

    async def get(self, path, status=200):
        response = await self.http.get(path)
        assert response.status_code == status, response.text
        return Page(response)

    async def open(self, name="high-overdue"):
        """Open a chart; gives the page and the address of its card."""
        page = await self.get(f"/chart/{name}")
        return page, next(iter(page.all("form")))[1]["action"].rpartition("/")[0]

    async def press(self, path, body, **headers):
        return await self.http.post(path, content=body, headers=FORM | headers)

    def stored(self):
        return list(self.store.all())


@asynccontextmanager
async def demonstration(folder, bundles=None, service=None, *, keeps_feedback=True, addresses=ADDRESSES):
    """The demonstration in one process as of the base day; `service` may stand in for a broken one."""
    bundles = bundles or {name: chart(name) for name in NAMES}
    settings = demo_settings(ADDRESSES.fhir, folder / "feedback.db")
    settings = settings.model_copy(update={"card_secret": SecretStr(SECRET)})
    if not keeps_feedback:
        settings = settings.model_copy(update={"store": None})
    connected = {}

    def connect():
        return open_client(ADDRESSES.discovery, ADDRESSES.fhir, httpx.ASGITransport(connected["front"]))

    running = Demonstration(ADDRESSES, connect, base_day)
    ehr = httpx.ASGITransport(create_ehr(bundles.values(), running.served.append))
    with patch.multiple("cds_service.web.app", load_tables=lambda: TABLES, load_model=_model):
        ours = create_app(settings, clock=base_day, transport=ehr, write=running.hear, limits=UNHURRIED)
    known = Known(addresses, samples(), {name: banner(bundle) for name, bundle in bundles.items()})
    async with AsyncExitStack() as stack:
        store = stack.enter_context(closing(Store(folder / "feedback.db", 1.0, base_day)))
        await stack.enter_async_context(ours.router.lifespan_context(ours))
        connected["front"] = with_pages(service or ours, running, known, store)
        front = httpx.ASGITransport(connected["front"])
        http = httpx.AsyncClient(transport=front, base_url=ADDRESSES.service)
        yield Visitor(await stack.enter_async_context(http), running, store)


@pytest.fixture
async def visitor(tmp_path):
    async with demonstration(tmp_path) as visitor:
        yield visitor


PAGES = ["/", *(f"/chart/{name}" for name in NAMES), "/chart/nobody", "/card/x"]


async def visit(bundles=None):
    with tempfile.TemporaryDirectory() as folder:
        async with demonstration(Path(folder), bundles) as visitor:
            return {path: await visitor.http.get(path) for path in [*PAGES, "/style.css", "/icon.svg"]}


@cache
def visited():
    """Every page as it looks at first, by its path; read once by each worker."""
    return asyncio.run(visit())


@cache
def visited_hostile():
    """The same where every free text of every record is an attack."""
    return asyncio.run(visit({name: attacked(chart(name)) for name in NAMES}))


async def test_the_start_page_names_every_patient_with_a_chart_here_and_in_the_sandbox(visitor):
    page = await visitor.get("/")
    links = [attributes["href"] for _, attributes, _ in page.all("a")]
    for sample in samples().patients:
        assert sample.story in page.main
        assert f"/chart/{sample.name}" in links
        assert ADDRESSES.launch(sample.name) in links
    assert ADDRESSES.discovery in links
    assert f"{ADDRESSES.fhir}/metadata" in links
    assert "None yet" in page.main


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_shows_its_card_or_says_why_it_is_silent(name):
    page = Page(visited()[f"/chart/{name}"])
    (answer,) = page.all("article")
    request, response = (json.loads(text) for text in page.text("pre"))
    assert request["context"]["patientId"] == name
    assert page.text("h1") == [banner(chart(name)).name]
    if name in SILENT:
        assert response == {"cards": []}
        assert "No card is shown: the service has nothing to say about this chart." in answer[2]
        assert "Assessed:" in answer[2]
        assert "[]" not in answer[2]
        assert page.all("form") == []
        return
    (card,) = response["cards"]
    assert page.text("h3") == [card["summary"]]
    assert page.text("p", **{"class": "indicator"}) == [card["indicator"].capitalize()]
    assert card["indicator"] in answer[1]["class"]
    assert page.all("a", href=card["source"]["url"])[0][2] == card["source"]["label"]
    labels = [suggestion["label"] for suggestion in card.get("suggestions", ())]
    assert [text for text in page.text("button") if text.startswith("Accept")] == [
        f"Accept: {x}" for x in labels
    ]
    reasons = [reason["display"] for reason in card["overrideReasons"]]
    assert page.text("option") == ["no reason given", *reasons]


async def test_the_detail_of_a_card_is_rendered_with_its_tables_in_regions_that_scroll(visitor):
    page, _ = await visitor.open()
    regions = page.all("div", role="region", tabindex="0")
    names = [attributes["aria-label"] for _, attributes, _ in regions]
    assert names[:1] == ["Table: Predictor, State, value, date"]
    assert len(set(names)) == len(names)
    assert "1:640" in regions[0][2]
    assert "To do" in page.text("strong")


async def test_a_chart_opens_in_the_sandbox_whose_origin_may_call(tmp_path):
    own = dataclasses.replace(ADDRESSES, sandbox="http://127.0.0.1:9000")
    async with demonstration(tmp_path, addresses=own) as visitor:
        for path in ("/", "/chart/plain"):
            page = await visitor.get(path)
            links = [attributes["href"] for _, attributes, _ in page.all("a")]
            assert sum(link.startswith("http://127.0.0.1:9000/?fhirServiceUrl=") for link in links) in {
                1,
                len(NAMES),
            }
            assert "the sandbox at http://127.0.0.1:9000" in page.main
            assert SANDBOX not in json.dumps(links)
            assert "public" not in page.main


async def test_the_fhir_requests_of_a_chart_are_folded_and_say_what_each_gave(visitor):
    await visitor.open()
    page = await visitor.get("/chart/plain")
    listed = list(zip(page.text("td")[::2], page.text("td")[1::2], strict=True))
    assert len(listed) == 3
    assert ("GET Patient/plain", "read") in listed
    assert ("GET Condition?patient=…", "6 found") in listed
    (folded, *_) = page.all("details")
    assert "open" not in folded[1]
    assert re.match(r"3 FHIR requests made for this answer, which took \d+ ms", folded[2])
    assert "GET Patient/plain" in folded[2]


async def test_charts_that_are_opened_at_once_keep_their_own_requests(visitor):
    patients = samples().patients
    opened = await asyncio.gather(*(visitor.running.open_chart(sample) for sample in patients))
    for sample, each in zip(patients, opened, strict=True):
        assert each.requests
        targets = {served.target for served in each.requests} - {"Medication/am-med-1"}  # by reference
        assert all(sample.name in target for target in targets)
        assert each.call["fhir_requests"] == len(each.requests)


async def test_every_visit_to_a_chart_is_a_new_call(visitor):
    first, second = [json.loads((await visitor.get("/chart/plain")).text("pre")[0]) for _ in range(2)]
    assert first["hookInstance"] != second["hookInstance"]


async def test_an_accepted_suggestion_arrives_as_feedback_and_the_page_says_so(visitor):
    page, card = await visitor.open()
    button = next(e for e in page.all("button") if e[2] == "Accept: Order: CK, AST, ALT")
    answer = await visitor.press(f"{card}/accept", f"suggestion={button[1]['value']}")
    assert (answer.status_code, answer.headers["location"]) == (303, card)
    (item,) = visitor.stored()
    assert (item.outcome, item.suggestions) == ("accepted", (button[1]["value"],))
    assert (item.card, item.at) == (card.removeprefix("/card/"), base_day())
    after = await visitor.get(card)
    assert after.text("p", role="status") == ["Feedback stored: accepted “Order: CK, AST, ALT”."]
    assert len(after.all("button", name="suggestion")) == len(page.all("button", name="suggestion")) - 1
    assert "Accepted Order: CK, AST, ALT" in after.main
    start = await visitor.get("/")
    assert "1 accepted, 0 dismissed" in start.main
    assert "high-overdue: accepted “Order: CK, AST, ALT”" in start.main


@pytest.mark.parametrize(
    ("value", "reasons", "said"),
    [
        (
            "1",
            (("http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes", "action-completed"),),
            "dismissed because “Already done”",
        ),
        ("", (), "dismissed without a reason"),
    ],
)
async def test_a_dismissed_card_arrives_as_feedback_and_is_gone(visitor, value, reasons, said):
    _, card = await visitor.open()
    answer = await visitor.press(f"{card}/dismiss", f"reason={value}")
    assert (answer.status_code, answer.headers["location"]) == (303, card)
    (item,) = visitor.stored()
    assert (item.outcome, item.reasons) == ("overridden", reasons)
    after = await visitor.get(card)
    assert after.text("p", role="status") == [f"Feedback stored: {said}."]
    assert after.all("form") == []
    assert "The card was dismissed" in after.main
    assert f"high-overdue: {said}" in (await visitor.get("/")).main
    again = await visitor.press(f"{card}/dismiss", "reason=")
    assert again.status_code == 400
    assert len(visitor.stored()) == 1


async def test_feedback_on_a_card_that_another_client_showed_names_patient_and_suggestion(visitor):
    request = {
        "hook": "patient-view",
        "hookInstance": "d63a2834-b45a-4616-8a5e-c08353762b85",
        "fhirServer": ADDRESSES.fhir,
        "context": {"patientId": "relapse-now", "userId": "Practitioner/example"},
        "prefetch": {"patient": chart("relapse-now")["entry"][0]["resource"]},
    }
    answer = await visitor.http.post("/cds-services/imnm-recurrence", json=request)
    (card,) = answer.json()["cards"]
    suggestion, reason = card["suggestions"][0], card["overrideReasons"][1]
    common = {"card": card["uuid"], "outcomeTimestamp": "2026-03-01T09:30:00Z"}
    coded = {"reason": {name: reason[name] for name in ("system", "code")}}
    items = [
        {**common, "outcome": "accepted", "acceptedSuggestions": [{"id": suggestion["uuid"]}]},
        {**common, "outcome": "overridden", "overrideReason": coded},
    ]
    await visitor.http.post("/cds-services/imnm-recurrence/feedback", json={"feedback": items})
    page = await visitor.get("/")
    assert f"09:30:00 UTC, relapse-now: accepted “{suggestion['label']}”" in page.main
    assert f"09:30:00 UTC, relapse-now: dismissed because “{reason['display']}”" in page.main
    await visitor.get(f"/card/{card['uuid']}", 404)


async def test_feedback_on_a_card_of_an_earlier_demonstration_is_shown_without_words(visitor):
    uuid = issued(1, "demonstration")
    common = {"card": uuid, "outcomeTimestamp": "2026-03-01T09:30:00Z"}
    items = [
        {**common, "outcome": "accepted", "acceptedSuggestions": [{"id": uuid}]},
        {**common, "outcome": "overridden", "overrideReason": {"reason": {"code": "busy"}}},
    ]
    answer = await visitor.http.post("/cds-services/imnm-recurrence/feedback", json={"feedback": items})
    assert answer.json() == {"stored": 2}
    page = await visitor.get("/")
    assert "a card not issued here: accepted “a suggestion”" in page.main
    assert "09:30:00 UTC, a card not issued here: dismissed because “busy”" in page.main


async def test_of_much_feedback_the_last_twenty_are_listed(visitor):
    items = [
        {
            "card": issued(number, "demonstration"),
            "outcome": "overridden",
            "outcomeTimestamp": f"2026-03-01T09:30:{number:02d}Z",
        }
        for number in range(30)
    ]
    await visitor.http.post("/cds-services/imnm-recurrence/feedback", json={"feedback": items})
    page = await visitor.get("/")
    assert "0 accepted, 30 dismissed" in page.main
    assert "The last 20:" in page.main
    assert "09:30:29" in page.main
    assert "09:30:09" not in page.main


async def test_an_unknown_patient_is_one_sentence_and_404(visitor):
    page = await visitor.get("/chart/nobody%3Cscript%3E", 404)
    assert page.text("p")[1] == "There is no sample patient of that name."


@pytest.mark.parametrize("path", ["/card/x", "/card/d63a2834-b45a-4616-8a5e-c08353762b85"])
async def test_an_unknown_card_is_one_sentence_and_404(visitor, path):
    assert "This card is not known here any more" in (await visitor.get(path, 404)).main
    for what in ("accept", "dismiss"):
        assert (await visitor.press(f"{path}/{what}", "suggestion=x")).status_code == 404


@pytest.mark.parametrize(
    ("what", "body", "status", "said"),
    [
        ("accept", "suggestion=none-such", 400, "This card has no such suggestion."),
        ("accept", "suggestion=", 400, "This card has no such suggestion."),
        ("accept", "reason=1", 400, "The form must send one value, suggestion."),
        ("accept", "", 400, "The form must send one value, suggestion."),
        ("accept", "suggestion=a&suggestion=b", 400, "The form must send one value, suggestion."),
        ("accept", b"suggestion=\xff", 400, "The form must send one value, suggestion."),
        ("accept", "suggestion=%FF", 400, "The form must send one value, suggestion."),
        ("dismiss", "reason=99", 400, "This card has no such reason to dismiss it."),
        ("dismiss", "reason=-1", 400, "This card has no such reason to dismiss it."),
        ("dismiss", "reason=" + "x" * 5000, 413, "This is longer than any form here."),
    ],
)
async def test_a_form_that_no_page_of_ours_sends_is_one_sentence(visitor, what, body, status, said):
    _, card = await visitor.open()
    answer = await visitor.press(f"{card}/{what}", body)
    assert answer.status_code == status
    assert said in Page(answer).main
    assert visitor.stored() == []


async def test_what_is_no_form_is_refused(visitor):
    _, card = await visitor.open()
    answer = await visitor.http.post(f"{card}/dismiss", json={"reason": ""})
    assert answer.status_code == 400
    got = await visitor.http.get(f"{card}/dismiss")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert "cannot be called in this way" in Page(got).main


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9999", "null"])
async def test_a_form_of_another_web_origin_is_refused(visitor, origin):
    _, card = await visitor.open()
    answer = await visitor.press(f"{card}/dismiss", "reason=", origin=origin)
    assert answer.status_code == 403
    assert "Only the pages of this demonstration" in Page(answer).main
    assert visitor.stored() == []


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8123", "http://localhost:8123"])
async def test_our_own_origin_has_two_names(visitor, origin):
    _, card = await visitor.open()
    assert (await visitor.press(f"{card}/dismiss", "reason=", origin=origin)).status_code == 303


async def test_feedback_that_the_service_does_not_take_is_not_called_stored(tmp_path):
    async with demonstration(tmp_path, keeps_feedback=False) as visitor:
        _, card = await visitor.open()
        answer = await visitor.press(f"{card}/dismiss", "reason=")
        assert answer.status_code == 502
        assert "The service did not store the feedback: it answered HTTP 404" in Page(answer).main
        assert (await visitor.get(card)).all("p", role="status") == []


def standing_in(services, status, body):
    """A service that answers as told."""

    async def discovery(_):
        return JSONResponse({"services": services})

    async def hook(_):
        return JSONResponse(body, status)

    path = "/cds-services/imnm-recurrence"
    return Starlette(routes=[Route("/cds-services", discovery), Route(path, hook, methods=["POST"])])


HOOK = {"id": "imnm-recurrence", "hook": "patient-view", "title": "t", "description": "d"}


async def test_a_refused_call_never_looks_like_silence(tmp_path):
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"code": "incomplete", "diagnostics": "unread <b>"}],
    }
    async with demonstration(tmp_path, service=standing_in([HOOK], 412, outcome)) as visitor:
        page = await visitor.get("/chart/plain")
        assert "The service refused the call" in page.main
        assert "HTTP 412: unread <b>." in page.main
        assert "No card is shown" not in page.main


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (standing_in([], 200, {"cards": []}), "has no service imnm-recurrence"),
        (Starlette(), "HTTP 404"),
    ],
)
async def test_a_service_that_does_not_answer_is_one_sentence_and_502(tmp_path, service, said):
    async with demonstration(tmp_path, service=service) as visitor:
        page = await visitor.get("/chart/plain", 502)
        assert "The service did not answer" in page.main
        assert said in page.main


async def test_a_card_that_was_shown_long_ago_is_forgotten(visitor, monkeypatch):
    monkeypatch.setattr(issuing, "CARDS_KEPT", 2)
    cards = [(await visitor.open(name))[1] for name in ("high-overdue", "refractory", "srp-ild")]
    await visitor.get(cards[0], 404)
    await visitor.get(cards[1])
    assert len(visitor.running.shown) == len(visitor.running.issued.by_uuid) == 2


async def test_what_is_heard_of_other_clients_does_not_grow_for_ever(visitor):
    sample = samples().find("plain")
    for _ in range(3):
        await visitor.running.open_chart(sample)
    assert len(visitor.running.served) == 3
    assert visitor.running.served.maxlen


async def test_what_is_no_page_goes_on_to_the_service(visitor):
    for path in ("/cds-services", "//cds-services", "/cds-services/"):
        assert (await visitor.http.get(ADDRESSES.service + path)).json()["services"]
    assert (await visitor.http.get("/health")).json() == {"status": "ok"}
    nowhere = await visitor.http.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()["resourceType"]) == (404, "OperationOutcome")


@pytest.mark.parametrize("path", [*PAGES, "/style.css", "/icon.svg"])
def test_every_page_forbids_what_it_does_not_need(path):
    headers = visited()[path].headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules.keys() == {
        "default-src",
        "base-uri",
        "frame-ancestors",
        "style-src",
        "img-src",
        "form-action",
    }
    assert {rules[name] for name in ("style-src", "img-src", "form-action")} == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_in_order_for_those_who_do_not_see_it(path):
    response = visited()[path]
    page = Page(response)
    assert response.text.startswith("<!doctype html>")
    assert page.all("html")[0][1] == {"lang": "en"}
    assert [len(page.all(tag)) for tag in ("title", "header", "main", "h1")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.all("a")[0][1]["href"].removeprefix("#") in ids
    assert len(page.all("select")) == len(page.all("label"))
    links = [(words.strip(), attributes["href"]) for _, attributes, words in page.all("a")]
    assert all(words for words, _ in links)
    assert len({words for words, _ in links}) == len(set(links)), "one name, one place"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_loads_anything_from_elsewhere_or_runs_anything(path):
    page = Page(visited()[path])
    assert not {"script", "style", "img", "iframe", "object"} & {tag for tag, _, _ in page.elements}
    assert [e[1]["href"] for e in page.all("link")] == ["/style.css", "/icon.svg"]
    assert not {
        name
        for _, attributes, _ in page.elements
        for name in attributes
        if name.startswith("on") or name == "style"
    }
    assert all(attributes["action"].startswith("/card/") for _, attributes, _ in page.all("form"))


@pytest.mark.parametrize("name", NAMES)
def test_every_date_on_a_card_is_kept_on_one_line(name):
    page = Page(visited()[f"/chart/{name}"])
    words = page.text("article")[0]
    dates = re.findall(r"\d{4}-\d{2}-\d{2}", words)
    assert sorted(dates) == sorted(re.findall(r"\d{4}-\d{2}-\d{2}", " ".join(page.text("time")[1:])))
    assert re.search(r"time \{\s*white-space: nowrap;", visited()["/style.css"].text)


def palettes():
    """The colours of the stylesheet by name: when it is light, and when it is dark."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w+);", block))
        for block in re.findall(r":root \{(.*?)\}", visited()["/style.css"].text, re.DOTALL)
    )
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def contrast(colour, ground):
    """The contrast ratio of WCAG 2.2 between two colours."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(colour), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_counted_as_wcag_does():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        ("ink", ["paper", "ground", "told-ground"]),
        ("quiet", ["paper", "ground"]),
        ("link", ["paper", "ground"]),
        ("on-colour", ["info", "warning", "critical", "link", "pressed"]),
    ],
)
def test_text_has_the_contrast_of_wcag_aa_in_light_and_dark(scheme, text, grounds):
    colours = palettes()[scheme]
    assert min(contrast(colours[text], colours[ground]) for ground in grounds) >= 4.5
    assert contrast("#fff", colours["bar"]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mark", ["focus", "link", "quiet", "info", "warning", "critical", "told"])
def test_what_is_no_text_has_a_contrast_of_3_in_light_and_dark(scheme, mark):
    colours = palettes()[scheme]
    assert min(contrast(colours[mark], colours[ground]) for ground in ("paper", "ground")) >= 3


def test_titles_tell_the_pages_apart():
    titles = {Page(visited()[path]).text("title")[0] for path in PAGES[:-1]}
    assert len(titles) == len(PAGES) - 1


def attacked(value, key=""):
    """A resource with the attack in every string that is free text."""
    if isinstance(value, dict):
        return {name: attacked(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [attacked(each, key) for each in value]
    is_text = isinstance(value, str) and key in {
        "text",
        "display",
        "family",
        "given",
        "div",
        "description",
        "unit",
        "gender",
        "valueString",
        "title",
    }
    return f"{value} {ATTACK}" if is_text else value


FAMILIAR = {
    "a",
    "article",
    "button",
    "div",
    "em",
    "h3",
    "h4",
    "li",
    "p",
    "s",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "time",
    "ul",
    "ol",
    "hr",
    "br",
    "code",
    "form",
    "label",
    "option",
    "select",
}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_hostile_record_becomes_markup_or_a_link(name):
    page, clean = (Page(pages[f"/chart/{name}"]) for pages in (visited_hostile(), visited()))
    assert page.status == 200
    assert "<script>alert(1)</script>" in page.text("h1")[0], "the name is shown as it is written"
    assert {tag for tag, _, _ in page.elements} <= {tag for tag, _, _ in clean.elements} | FAMILIAR
    links = {attributes["href"] for _, attributes, _ in page.all("a")}
    assert links <= {attributes["href"] for _, attributes, _ in clean.all("a")} | {card_source()}


def card_source():
    """The one address outside that a card names."""
    (card,) = json.loads(Page(visited()["/chart/high-overdue"]).text("pre")[1])["cards"]
    return card["source"]["url"]


def test_nothing_of_a_hostile_card_becomes_markup_or_a_link():
    card = {
        "uuid": ATTACK,
        "summary": ATTACK,
        "detail": f"{ATTACK}\n\n| {ATTACK.replace('|', '')} | b |\n| --- | --- |\n| {ATTACK.replace('|', '')} | 2 |\n\n[r]: https://evil.example\n\n[r]",
        "indicator": f'critical" onclick="alert(1) {ATTACK}',
        "source": {"label": ATTACK, "url": "javascript:alert(1)"},
        "suggestions": [{"label": ATTACK, "uuid": ATTACK}],
        "overrideReasons": [{"code": ATTACK, "display": ATTACK}],
    }
    page = Page(httpx.Response(200, text=show_card(card, "/card/x")))
    assert {tag for tag, _, _ in page.elements} <= FAMILIAR - {"a"}
    assert page.all("article")[0][1] == {"class": "card other"}
    assert page.all("button")[0][1] == {"name": "suggestion", "value": ATTACK}
    assert "[press](https://evil.example)" in page.words


@pytest.mark.parametrize("detail", ["", "| a |\n| --- |", "| a | b |\n| --- | --- |\n| 1 | 2 |"])
def test_a_table_without_rows_is_one(detail):
    page = Page(httpx.Response(200, text=show_card({"indicator": "info", "detail": detail}, "/card/x")))
    assert len(page.all("table")) == bool(detail)


def test_the_demonstration_keeps_feedback_as_long_as_it_runs(tmp_path):
    """The whole program over loopback: a chart, a dismissal, and a temporary directory that ends with it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "cds_service", "demo", "--patient", "plain", "--port", str(port)]
    with subprocess.Popen(
        program, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            lines = iter(running.stdout.readline, "")
            assert any("Other sample patients" in line for line in lines)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
                page = Page(http.get("/chart/relapse-now"))
                action = page.all("form")[-1][1]["action"]
                answer = http.post(action, data={"reason": "0"}, follow_redirects=True)
                assert (
                    "Feedback stored: dismissed because “Does not apply to this patient”."
                    in Page(answer).main
                )
                assert "relapse-now: dismissed because" in Page(http.get("/")).main
            assert list(tmp_path.glob("imnm-cds-demo-*/feedback.db"))
            running.send_signal(signal.SIGTERM)
            running.stdout.read()
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()
    assert list(tmp_path.glob("imnm-cds-demo-*")) == []
