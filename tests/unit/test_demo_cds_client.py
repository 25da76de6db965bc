"""The CDS client: discovery, prefetch, hook call, and what it says when a service does not answer properly."""

import json

import httpx
import pytest

from cds_service.cds_client import CallError, open_client

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
        (b"<html>", "HTTP 200, the answer is not JSON"),
        (b"[1]", "HTTP 200, the answer is no JSON object"),
    ],
)
async def test_an_answer_that_is_none_is_named(content, said):
    async with client(lambda _: httpx.Response(200, content=content)) as cds:
        with pytest.raises(CallError, match=said):
            await cds.call(SERVICE, CONTEXT)


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
