"""Results that come in many pages are read whole, or the card says that they were not."""

from uuid import uuid4

import httpx
import pytest

from tests.golden.charts import cards, explained, explained_bundle, first_pages, service_for
from tests.support.large_chart import large_chart
from tests.support.servers import FhirServer, load
from tests.support.wire import Wire, is_further_page, tls_in_front_of

LARGE = "large-high-overdue"
on_hapi = pytest.mark.xdist_group("hapi")


def with_count(count: int | None):
    """Ask for pages of that size, or leave the size to the server."""

    def bend(url: httpx.URL) -> httpx.URL:
        if is_further_page(url) or "patient" not in url.params:
            return url
        return url.copy_set_param("_count", count) if count else url.copy_remove_param("_count")

    return bend


def expired(url: httpx.URL) -> httpx.URL:
    """Ask for a page that the server does not keep (any more)."""
    return url.copy_set_param("_getpages", uuid4()) if "_getpages" in url.params else with_count(None)(url)


@pytest.fixture(scope="module")
def large(hapi: FhirServer) -> FhirServer:
    """HAPI, with a patient of 2,000 Observations."""
    load(hapi.base, [entry["resource"] for entry in large_chart()["entry"]])
    return hapi


@pytest.mark.parametrize("name", ["high-overdue", "low-quiet", "relapse-now"])
async def test_pages_of_20_the_servers_default_are_followed_to_their_end(server, name):
    wire = Wire(with_count(None))
    async with service_for(server.base, wire) as app:
        assert await cards(name, None, server.base, app) == explained(name)["cards"]
    assert wire.further_pages >= 3


@on_hapi
@pytest.mark.parametrize(("count", "pages"), [(100, 12), (500, 6)])  # HAPI cuts 500 down to its maximum, 200
async def test_2000_observations_give_the_card_of_the_file(large, count, pages):
    wire = Wire(with_count(count))
    async with service_for(large.base, wire) as app:
        assert await cards(LARGE, None, large.base, app) == explained_bundle(large_chart())["cards"]
    assert wire.further_pages == pages


@on_hapi
async def test_a_first_page_in_prefetch_is_not_taken_for_everything(large):
    given = await first_pages(LARGE, large.base)
    assert len(given["enzymes"]["entry"]) == 100
    assert "total" not in given["enzymes"]  # only the link says that there is more
    wire = Wire()
    async with service_for(large.base, wire) as app:
        assert await cards(LARGE, given, large.base, app) == explained_bundle(large_chart())["cards"]
    assert wire.further_pages == 12
    assert len(wire.asked) == 13  # nothing but the enzymes is asked for again


@on_hapi
async def test_more_pages_than_we_read_make_a_card_that_says_so(large):
    async with service_for(large.base, Wire(with_count(None))) as app:
        (card,) = await cards(LARGE, None, large.base, app)
    assert card["summary"].startswith("IMNM: not assessed, the record could not be read (")
    assert "muscle and liver enzymes (page 21\\: more than 20 pages)" in card["detail"]


@on_hapi
@pytest.mark.parametrize("name", ["low-quiet", "high-overdue", "remission-old", "refractory"])
async def test_a_page_that_expired_makes_a_card_that_says_so_never_low_risk_or_silence(hapi, name):
    wire = Wire(expired)
    async with service_for(hapi.base, wire) as app:
        (card,) = await cards(name, None, hapi.base, app)
    assert wire.further_pages >= 1
    assert card["summary"].startswith("IMNM: not assessed, the record could not be read (")
    assert "Could not be read: muscle and liver enzymes" in card["detail"]
    assert "(page 2\\: HTTP 410)" in card["detail"]


@on_hapi
async def test_http_links_of_a_server_behind_tls_are_followed_over_https(hapi):
    async with tls_in_front_of(hapi.base) as (base, trust):
        async with httpx.AsyncClient(verify=trust) as client:
            links = (await client.get(f"{base}/Observation?patient=high-overdue")).json()["link"]
        assert [link["url"].split("?")[0] for link in links if link["relation"] == "next"] == [
            base.replace("https:", "http:")
        ]
        wire = Wire(with_count(None), trust)
        async with service_for(base, wire) as app:
            assert await cards("high-overdue", None, base, app) == explained("high-overdue")["cards"]
        assert wire.further_pages >= 3
        assert {str(url.copy_with(query=None, path="/fhir")) for url in wire.asked} == {base}
