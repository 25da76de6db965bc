"""The sample patients, and their charts opened through the real hook call, in process."""

import json
import tomllib
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from cds_service.app import create_app
from cds_service.cards import CardSettings
from cds_service.demo.ehr import BASE_PATH, create_ehr
from cds_service.demo.patients import chart, samples
from cds_service.explain import caller_for, from_bytes
from cds_service.explain.format import as_json
from cds_service.fhir.prefetch import templates
from cds_service.settings import Client, Settings
from fhir_mapping.terms import load_tables

GOLDENS = tomllib.loads((Path(__file__).parent / "patients.toml").read_text(encoding="utf-8"))
NAMES = [sample.name for sample in samples().patients]
AS_OF = datetime.combine(samples().base_day, time(), UTC)
BASE = f"https://ehr.example{BASE_PATH}"
SECRET = "a secret for the golden cards"
INSTANCE = "6f1f0c7e-5a0c-4d5b-9d8a-3f1a2b3c4d5e"
CLIENT = Client(name="golden", fhir_base=BASE, accept_unknown_status=True)


@cache
def ehr() -> Any:
    """The demonstration EHR with every sample patient, as of the base day."""
    return create_ehr([chart(name) for name in NAMES])


@cache
def service() -> Any:
    """The service, with the demonstration EHR as its network and the base day as its clock."""
    settings = Settings(client=(CLIENT,), card_secret=SECRET)
    transport = httpx.ASGITransport(app=ehr())
    return create_app(settings, clock=lambda: AS_OF, transport=transport, write=lambda _: None)


@cache
def queries() -> dict[str, str]:
    """The prefetch templates by key."""
    return templates(load_tables())


async def prefetch(name: str) -> dict[str, Any]:
    """Every prefetch key as a client fills it, all pages in one Bundle."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=ehr())) as client:
        return {key: await _filled(client, query, name) for key, query in queries().items()}


async def _filled(client: httpx.AsyncClient, query: str, name: str) -> Any:
    answer = await _get(client, f"{BASE}/{query.replace('{{context.patientId}}', name)}")
    page = answer
    while link := next((k["url"] for k in page.get("link", ()) if k["relation"] == "next"), None):
        page = await _get(client, link)
        answer["entry"] += page["entry"]
    answer.pop("link", None)
    return answer


async def _get(client: httpx.AsyncClient, url: str) -> Any:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    return json.loads(response.text)


async def cards(name: str, given: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The cards of the real hook call, with this much prefetch."""
    body = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "fhirServer": BASE,
        "context": {"patientId": name, "userId": "Practitioner/p"},
    }
    if given is not None:
        body["prefetch"] = given
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=service()), base_url="https://cds.example"
    ) as client:
        response = await client.post("/cds-services/imnm-recurrence", json=body)
    assert response.status_code == 200, response.text
    return response.json()["cards"]


@cache
def explained(name: str) -> dict[str, Any]:
    """The `explain` object of the chart read from its file."""
    return as_json(_assessment(name), _settings())


def _assessment(name: str) -> Any:
    return from_bytes(json.dumps(chart(name)).encode(), caller_for(CLIENT), AS_OF)


def _settings() -> CardSettings:
    return CardSettings(secret=SECRET.encode(), client=CLIENT.name, instance=INSTANCE)
