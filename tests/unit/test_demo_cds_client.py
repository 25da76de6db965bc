"""The CDS client: discovery, prefetch, hook call, and what it says when a service does not answer properly."""

import json
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from cds_service import cds_client
from cds_service.cds_client import CallError, Exchange, open_client
from tests.support.loopback import loopback, response

SERVICE = {
    "id": "s",
    "hook": "patient-view",
    "prefetch": {
        "patient": "Patient/{{context.patientId}}",
        "conditions": "Condition?patient={{context.patientId}}&_count=100",
        "gone": "Basic?patient={{context.patientId}}",
        "unfilled": "Encounter/{{context.encounterId}}",
    },
}
CONTEXT = {"patientId": "p1", "userId": "Practitioner/u"}


def client(answer):
    transport = httpx.MockTransport(answer)
    return open_client("http://cds.test/cds-services/", "http://ehr.test/fhir/", transport)


def usual(request):
    if request.url.path == "/cds-services":
        return httpx.Response(200, json={"services": [SERVICE]})
    if request.url.path == "/fhir/Basic":
        return httpx.Response(404, json={"resourceType": "OperationOutcome"})
    if request.url.host == "ehr.test":
        return httpx.Response(200, json={"asked": f"{request.url.path}?{request.url.query.decode()}"})
    return httpx.Response(200, json={"cards": [{"summary": request.url.path}]})


async def test_it_reads_the_services_of_the_discovery_document():
    async with client(usual) as cds:
        assert await cds.services() == [SERVICE]


async def test_it_fills_the_templates_and_leaves_out_the_keys_that_fail():
    async with client(usual) as cds:
        assert await cds.prefetch(SERVICE, CONTEXT) == {
            "patient": {"asked": "/fhir/Patient/p1?"},
            "conditions": {"asked": "/fhir/Condition?patient=p1&_count=100"},
        }


@pytest.mark.parametrize("prefetch", [None, {"patient": {"resourceType": "Patient", "id": "p1"}}])
async def test_it_calls_the_hook_as_an_ehr_does(prefetch):
    async with client(usual) as cds:
        exchange = await cds.call(SERVICE, CONTEXT, prefetch)
    assert exchange.url == "http://cds.test/cds-services/s"
    assert exchange.request["fhirServer"] == "http://ehr.test/fhir"
    assert exchange.request["context"] == CONTEXT
    assert len(exchange.request["hookInstance"]) == 36
    assert exchange.request.get("prefetch") == prefetch
    assert exchange.cards == [{"summary": "/cds-services/s"}]
    assert exchange.refusal == ""


async def test_a_refusal_is_no_card_and_says_why():
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": "incomplete", "diagnostics": "unread"}]}
    async with client(lambda _: httpx.Response(412, json=outcome)) as cds:
        exchange = await cds.call(SERVICE, CONTEXT)
    assert (exchange.status, exchange.cards, exchange.refusal) == (412, [], "unread")


async def test_a_refusal_without_a_reason_is_one_all_the_same():
    async with client(lambda _: httpx.Response(502, json={})) as cds:
        assert (await cds.call(SERVICE, CONTEXT)).refusal == "no reason given"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "HTTP 200, the answer is no JSON object"),
        (b"<html>", "HTTP 200, the answer is no JSON object"),
        (b"[1]", "HTTP 200, the answer is no JSON object"),
        (b'{"cards": [], "x": NaN}', "HTTP 200, the answer is no JSON object"),
        (b'{"cards": ' + b"[" * 100_000, "HTTP 200, the answer is no JSON object"),
        (b"{}", "HTTP 200, the answer has no list `cards`"),
        (b'{"cards": null}', "HTTP 200, the answer has no list `cards`"),
    ],
    ids=["empty", "html", "array", "NaN", "deep", "no cards", "null cards"],
)
async def test_an_answer_that_is_none_is_named(content, said):
    async with client(lambda _: httpx.Response(200, content=content)) as cds:
        with pytest.raises(CallError, match=said):
            await cds.call(SERVICE, CONTEXT)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]"])
async def test_a_refusal_needs_no_json(content):
    async with client(lambda _: httpx.Response(500, content=content)) as cds:
        exchange = await cds.call(SERVICE, CONTEXT)
    assert (exchange.status, exchange.response, exchange.refusal) == (500, {}, "no reason given")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"issue": [{"details": {"text": "in words"}, "code": "invalid"}]}, "in words"),
        ({"issue": [{"diagnostics": "one"}, {"code": "two"}]}, "one; two"),
        ({"issue": [{"diagnostics": ["no text"]}, 7]}, '{"issue": [{"diagnostics": ["no text"]}, 7]}'),
        ({"issue": "none"}, '{"issue": "none"}'),
        ({"detail": "Not Found"}, '{"detail": "Not Found"}'),
        ({"detail": "x" * 1000}, '{"detail": "' + "x" * 288),
    ],
)
def test_a_refusal_says_what_the_answer_says_whatever_its_shape(response, reason):
    assert Exchange("", {}, 422, response).refusal == reason


@pytest.mark.parametrize("cards", [None, {}, "x", 3])
def test_cards_that_are_no_list_are_none(cards):
    assert Exchange("", {}, 200, {"cards": cards}).cards == []


def test_a_card_that_is_no_object_is_an_empty_one():
    assert Exchange("", {}, 200, {"cards": [{"summary": "a"}, None, "b"]}).cards == [{"summary": "a"}, {}, {}]


@pytest.mark.parametrize("document", [{}, {"services": None}, {"services": {"id": "s"}}])
async def test_a_discovery_without_services_says_what_such_an_address_looks_like(document):
    async with client(lambda _: httpx.Response(200, json=document)) as cds:
        with pytest.raises(CallError, match=r"usually ends in /cds-services"):
            await cds.services()


async def test_a_service_that_is_no_object_is_passed_over():
    async with client(lambda _: httpx.Response(200, json={"services": [None, SERVICE, 1]})) as cds:
        assert await cds.services() == [SERVICE]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_named_and_not_followed(status):
    asked = []

    def redirect(request):
        asked.append(str(request.url))
        return httpx.Response(status, headers={"Location": "http://elsewhere.test/"})

    async with client(redirect) as cds:
        with pytest.raises(CallError, match=f"HTTP {status}, it leads to another address"):
            await cds.call(SERVICE, CONTEXT)
    assert asked == ["http://cds.test/cds-services/s"]


async def test_a_body_is_read_no_further_than_its_bound(monkeypatch):
    monkeypatch.setattr(cds_client, "BODY_BYTES", 2**20)
    given = []

    async def endless():
        while True:
            given.append(1)
            yield b" " * 2**18

    async with client(lambda _: httpx.Response(200, content=endless())) as cds:
        with pytest.raises(CallError, match="more than 1 MiB"):
            await cds.services()
    assert len(given) == 5


async def test_a_body_as_large_as_its_bound_is_read(monkeypatch):
    body = json.dumps({"services": []}).encode()
    monkeypatch.setattr(cds_client, "BODY_BYTES", len(body))
    async with client(lambda _: httpx.Response(200, content=body)) as cds:
        assert await cds.services() == []


@pytest.mark.parametrize("content", [b"", b"OK", b"[]"])
async def test_feedback_may_be_answered_by_anything(content):
    async with client(lambda _: httpx.Response(200, content=content)) as cds:
        exchange = await cds.feedback(SERVICE, [{"card": "c"}])
    assert exchange.url == "http://cds.test/cds-services/s/feedback"
    assert exchange.request == {"feedback": [{"card": "c"}]}
    assert (exchange.status, exchange.response) == (200, {})


def asked_for(prefetch, context=CONTEXT):
    """Return what the FHIR server is asked for one template, byte for byte, and the reason if it is left out."""

    async def ask():
        asked = []

        def answer(request):
            asked.append(request.url.raw_path.decode().removeprefix("/fhir/"))
            return httpx.Response(200, json={})

        async with client(answer) as cds:
            await cds.prefetch({"prefetch": {"key": prefetch}}, context)
            return asked, cds.left_out.get("key", "")

    return ask()


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("{{context.userId}}", "PractitionerRole/r-1"),
        ("PractitionerRole/{{userPractitionerRoleId}}", "PractitionerRole/r-1"),
        ("Patient/{{ context.patientId }}/$everything", "Patient/p1/$everything"),
        ("Observation?code=http://loinc.org|2157-6", "Observation?code=http://loinc.org%7C2157-6"),
        ("Observation?code=http://loinc.org%7C2157-6,1", "Observation?code=http://loinc.org%7C2157-6,1"),
        ("Observation?date=ge2026-01-01T00:00:00+01:00", "Observation?date=ge2026-01-01T00:00:00%2B01:00"),
        ("Condition?code:text=a b#c&_count=5", "Condition?code:text=a%20b%23c&_count=5"),
        ("Basic?x=50%", "Basic?x=50%25"),
        ("Basic?x=µ", "Basic?x=%C2%B5"),
    ],
)
async def test_a_template_is_filled_and_encoded(template, asked):
    context = {"patientId": "p1", "userId": "PractitionerRole/r-1"}
    assert await asked_for(template, context) == ([asked], "")


@pytest.mark.parametrize("kind", ["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"])
async def test_the_token_of_the_user_is_that_of_its_kind(kind):
    context = {"patientId": "p1", "userId": f"{kind}/u1"}
    for other in ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson"):
        asked, why = await asked_for(f"{other}/{{{{user{other}Id}}}}", context)
        assert asked == ([f"{kind}/u1"] if other == kind else [])
        assert why == ("" if other == kind else f"no value for {{{{user{other}Id}}}}")


async def test_an_id_is_one_part_of_an_address_whatever_it_holds():
    context = CONTEXT | {"patientId": "a/b?c=d&e%41 |"}
    assert await asked_for("Patient/{{context.patientId}}", context) == (
        ["Patient/a%2Fb%3Fc%3Dd%26e%2541%20%7C"],
        "",
    )
    assert (await asked_for("Basic?patient={{context.patientId}}&_count=1", context))[0] == [
        "Basic?patient=a%2Fb%3Fc%3Dd%26e%2541%20%7C&_count=1"
    ]


@pytest.mark.parametrize(
    ("token", "days"),
    [("today()", 0), ("today() - 90 days", -90), ("today()+1 day", 1), ("today() - 0 days", 0)],
)
async def test_today_is_the_date_here(token, days):
    before = datetime.now(UTC).astimezone().date()
    (asked,), _ = await asked_for(f"Observation?date=ge{{{{{token}}}}}")
    after = datetime.now(UTC).astimezone().date()
    assert before <= date.fromisoformat(asked.removeprefix("Observation?date=ge")) - timedelta(days) <= after


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("Encounter/{{context.encounterId}}", "no value for {{context.encounterId}}"),
        ("Observation?date=ge{{today() - 1 month}}", "no value for {{today() - 1 month}}"),
        ("Patient/{{%patient.id}}", "no value for {{%patient.id}}"),
        ("http://elsewhere.test/{{context.patientId}}", "the template is no FHIR read or search"),
        ("//elsewhere.test/", "the template is no FHIR read or search"),
        ("Patient/../../admin", "the template is no FHIR read or search"),
        ("Patient/%2e%2E/admin", "the template is no FHIR read or search"),
        ("", "the template is no FHIR read or search"),
        (None, "the template is no text"),
        ({"resource": "Patient"}, "the template is no text"),
    ],
)
async def test_a_template_that_cannot_be_asked_is_left_out_with_the_reason(template, why):
    assert await asked_for(template) == ([], why)


async def test_what_an_ehr_cannot_give_is_left_out_with_the_reason():
    async with client(usual) as cds:
        await cds.prefetch(SERVICE, CONTEXT)
        assert cds.left_out["gone"] == "HTTP 404"
        assert set(cds.left_out) == {"gone", "unfilled"}


@pytest.mark.parametrize("prefetch", [None, "Patient", ["Patient"]])
async def test_a_prefetch_that_is_no_object_asks_for_nothing(prefetch):
    async with client(usual) as cds:
        assert await cds.prefetch({"prefetch": prefetch}, CONTEXT) == {}
        assert cds.left_out == {}


async def test_what_a_server_sends_unasked_answers_no_template():
    """An answer and another behind it: whoever took that for the next one would prefetch another patient's chart."""

    def answer(_, asked):
        return response({"asked": asked.path}) + response({"asked": "nothing"})

    async with loopback(answer) as server, open_client("http://cds.test", server.base) as cds:
        for patient in ("p1", "p2"):
            filled = await cds.prefetch(SERVICE, CONTEXT | {"patientId": patient})
            assert filled["patient"] == {"asked": f"/fhir/Patient/{patient}"}


async def test_the_id_of_a_service_is_one_part_of_its_address():
    asked = []

    def answer(request):
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"cards": []})

    async with client(answer) as cds:
        await cds.call(SERVICE | {"id": "a/b ?c"}, CONTEXT)
    assert asked == ["/cds-services/a%2Fb%20%3Fc"]


async def test_a_discovery_that_fails_is_named():
    async with client(lambda _: httpx.Response(503, content=json.dumps({}))) as cds:
        with pytest.raises(CallError, match="HTTP 503"):
            await cds.services()


async def test_a_service_that_is_not_there_is_named():
    def refuse(request):
        raise httpx.ConnectError("connection refused", request=request)

    async with client(refuse) as cds:
        with pytest.raises(CallError, match=r"/s: connection refused"):
            await cds.call(SERVICE, CONTEXT)
