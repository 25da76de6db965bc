"""What only a HAPI server does: refusals, traps, ids of its own, a browser's preflight."""

import json

import httpx
import pytest

from tests.golden.charts import call, cards, explained, prefetch, queries, service_for
from tests.support.servers import as_new, post_transaction, resources_of
from tests.support.wire import Wire

pytestmark = pytest.mark.xdist_group("hapi")


def with_unknown_parameter(url: httpx.URL) -> httpx.URL:
    return url.copy_add_param("colour", "red") if "patient" in url.params else url


async def test_a_search_that_is_refused_never_looks_like_nothing_found(hapi):
    whole = await prefetch("low-quiet", hapi.base)
    assert explained("low-quiet")["cards"] == []
    for key in set(queries()) - {"patient"}:
        wire = Wire(with_unknown_parameter)
        async with service_for(hapi.base, wire) as app:
            given = {k: v for k, v in whole.items() if k != key}
            response = await call("low-quiet", given, hapi.base, app)
        said = response.text if response.status_code == 412 else response.json()["cards"][0]["detail"]
        assert "HTTP 400" in said, key
        assert sum("colour" in url.params for url in wire.asked) == 1, (
            key
        )  # refused once, not asked for again


async def test_an_empty_patient_id_for_which_hapi_gives_everybodys_data_asks_nothing(hapi):
    async with httpx.AsyncClient() as client:
        everybodys = (await client.get(f"{hapi.base}/Observation?patient=&_count=200")).json()["entry"]
    assert len({entry["resource"]["subject"]["reference"] for entry in everybodys}) > 1
    wire = Wire()
    async with service_for(hapi.base, wire) as app:
        response = await call("", None, hapi.base, app)
    assert response.status_code == 400
    assert wire.asked == []


@pytest.mark.parametrize("name", ["high-overdue", "possible-imnm"])
async def test_the_card_is_the_same_under_ids_that_hapi_assigns(hapi, name):
    stored = post_transaction(hapi.base, as_new(name))
    patient_id = next(
        e["response"]["location"] for e in stored if "Patient/" in e["response"]["location"]
    ).split("/")[1]
    assert patient_id != name
    async with service_for(hapi.base) as app:
        found = await cards(patient_id, None, hapi.base, app)
    said = json.dumps(explained(name)["cards"])
    for resource, answer in zip(resources_of(name), stored, strict=True):
        was = f"{resource['resourceType']}/{resource['id']}"
        said = said.replace(f'"{was}"', f'"{"/".join(answer["response"]["location"].split("/")[:2])}"')
    expected = json.loads(said)
    assert [_without_uuids(card) for card in found] == [_without_uuids(card) for card in expected]


def _without_uuids(card):
    suggestions = [{**suggestion, "uuid": ""} for suggestion in card.get("suggestions", ())]
    return card | {"uuid": "", "suggestions": suggestions}


async def test_a_browser_may_ask_from_any_page(hapi):
    headers = {
        "Origin": "https://sandbox.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    async with httpx.AsyncClient() as client:
        allowed = await client.options(f"{hapi.base}/Observation/_search", headers=headers)
        answer = await client.get(f"{hapi.base}/Patient/plain", headers={"Origin": headers["Origin"]})
    assert allowed.status_code == 200
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "*"
