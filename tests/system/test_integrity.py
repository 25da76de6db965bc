"""A server that refuses references to what is not there, as most are set up."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.golden.charts import cards, explained, service_for
from tests.support.servers import (
    FhirServer,
    as_new,
    hapi_server,
    load_samples,
    post_transaction,
    resources_of,
)

pytestmark = pytest.mark.xdist_group("strict-hapi")


@pytest.fixture(scope="module")
def strict() -> Iterator[FhirServer]:
    """A HAPI server that makes no placeholders for what is missing."""
    with hapi_server(placeholders=False) as server:
        yield server


async def test_a_result_without_its_patient_is_refused_and_whole_charts_are_taken(strict):
    result = next(r for r in resources_of("plain") if r["resourceType"] == "Observation")
    async with httpx.AsyncClient(timeout=60) as client:
        refused = await client.put(f"{strict.base}/Observation/{result['id']}", json=result)
        assert refused.status_code == 400
        assert "Patient/plain" in refused.text
        load_samples(strict)  # fails where a chart refers to anything that is not in it
        taken = await client.put(f"{strict.base}/Observation/{result['id']}", json=result)
    assert taken.status_code == 200
    async with service_for(strict.base) as app:
        assert await cards("refractory", None, strict.base, app) == explained("refractory")["cards"]


async def test_a_chart_whose_references_are_resolved_within_its_transaction_is_taken(strict):
    chart = as_new("srp-ild")
    references = re.findall(r'"reference": "([^#"][^"]*)"', json.dumps(chart))
    assert len(references) > 100
    assert all(reference.startswith("urn:uuid:") for reference in references)
    stored = post_transaction(strict.base, chart)
    assert {entry["response"]["status"] for entry in stored} == {"201 Created"}
