"""A2: calls drawn from the schema of every endpoint, right ones and wrong ones: no 5xx, and the answers are of the schema."""

import asyncio
import json

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.hostile.openapi import OPENAPI
from tests.support.charts import healthy_chart
from tests.support.ehr_simulator import EhrSimulator
from tests.support.nightly import count
from tests.support.service import running
from tests.support.service import settings as configured

SCHEMA = schemathesis.openapi.from_dict(OPENAPI)
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
MODES = [
    (label, mode)
    for label in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if label.startswith("POST") or mode is GenerationMode.POSITIVE  # what has no parameter has no wrong call
]


def flaws(operation, response):
    """What is wrong with an answer; None where it is one that the schema describes."""
    answers = operation.definition.raw["responses"]
    if str(response.status_code) not in answers:
        return f"status {response.status_code} is not described"
    (kind, described), *_ = answers[str(response.status_code)]["content"].items()
    if response.headers["content-type"] != kind:
        return f"not {kind}"
    content = json.loads(response.content) if kind == "application/json" else response.text
    errors = jsonschema_rs.validator_for(described["schema"]).iter_errors(content)
    return next((error.message for error in errors), None)


def test_every_endpoint_is_described():
    assert sorted(OPERATIONS) == [
        "GET /cds-services",
        "GET /health",
        "GET /model",
        "GET /model.json",
        "GET /ready",
        "POST /cds-services/{service}",
        "POST /cds-services/{service}/feedback",
    ]


@pytest.mark.parametrize(("label", "mode"), MODES, ids=[f"{label} {mode.value}" for label, mode in MODES])
async def test_no_call_gets_anything_but_a_described_answer(label, mode, tmp_path):
    operation, statuses, loop = OPERATIONS[label], set(), asyncio.get_running_loop()
    ours = configured().model_copy(update={"store": tmp_path / "feedback.sqlite"})
    async with running(EhrSimulator(healthy_chart("p1")), ours) as service:

        @settings(
            max_examples=count(60, 10_000),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(operation.as_strategy(generation_mode=mode))
        def drawn(case):
            sent = case.as_transport_kwargs(base_url="http://cds.example")
            content = sent.get("data", json.dumps(sent.get("json")).encode() if "json" in sent else None)
            named = {name: sent[name] for name in ("method", "url", "params", "headers")}
            asked = service.http.request(**named, content=content)
            response = asyncio.run_coroutine_threadsafe(asked, loop).result()
            statuses.add(response.status_code)
            assert flaws(operation, response) is None

        await asyncio.to_thread(drawn)  # a loop that stood still while calls are drawn would look overloaded
    assert 200 in statuses if mode is GenerationMode.POSITIVE else statuses & {400, 404, 405, 415}


@pytest.mark.parametrize("change", [{"cards": [{}]}, {"cards": None}, {"other": []}])
def test_an_answer_that_is_not_of_the_schema_is_seen(change):
    operation = OPERATIONS["POST /cds-services/{service}"]
    headers = {"content-type": "application/json"}
    assert flaws(operation, httpx.Response(200, json={"cards": []}, headers=headers)) is None
    assert flaws(operation, httpx.Response(200, json=change, headers=headers))
    assert flaws(operation, httpx.Response(500, json={}, headers=headers)) == "status 500 is not described"
