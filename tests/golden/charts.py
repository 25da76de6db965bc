"""The sample patients, and their charts opened through the real hook call: in process, or at a FHIR server."""

import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from cds_service.cards.card_settings import CardSettings
from cds_service.commands.explain import caller_for, from_bytes
from cds_service.commands.explain.format import as_json
from cds_service.demo.ehr import BASE_PATH, create_ehr
from cds_service.demo.patients import chart, samples
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from cds_service.web.discovery import templates
from fhir_mapping.terms import load_tables
from tests.support.service import ACCEPTED

GOLDENS = tomllib.loads((Path(__file__).parent / "patients.toml").read_text(encoding="utf-8"))
NAMES = [sample.name for sample in samples().patients]
AS_OF = datetime.combine(samples().base_day, time(), UTC)
BASE = f"https://ehr.example{BASE_PATH}"
SECRET = "a secret for the golden cards"
INSTANCE = "6f1f0c7e-5a0c-4d5b-9d8a-3f1a2b3c4d5e"
USER = "Practitioner/p"
CLIENT = Client(name="golden", fhir_base=BASE, accept_unknown_status=True, **ACCEPTED)
UNHURRIED = Limits(
    answer_seconds=60, render_seconds=30
)  # what is shown here does not hang on the machine's speed


@cache
def ehr() -> Any:
    """The demonstration EHR with every sample patient, as of the base day."""
    return create_ehr([chart(name) for name in NAMES])


@cache
def service() -> Any:
    """The service, with the demonstration EHR as its network and the base day as its clock."""
    return _service(CLIENT, httpx.ASGITransport(app=ehr()))


@asynccontextmanager
async def service_for(
    base: str, transport: httpx.AsyncBaseTransport | None = None, limits: Limits = UNHURRIED
) -> AsyncIterator[Any]:
    """The service for the FHIR server at `base`, over the network; with it its connections end."""
    app = _service(CLIENT.model_copy(update={"fhir_base": (base,)}), transport, limits)
    async with app.router.lifespan_context(app):
        yield app


def _service(client: Client, transport: httpx.AsyncBaseTransport | None, limits: Limits | None = None) -> Any:
    settings = Settings(client=(client,), card_secret=SECRET)
    return create_app(settings, clock=lambda: AS_OF, transport=transport, write=lambda _: None, limits=limits)


@cache
def queries() -> dict[str, str]:
    """The prefetch templates by key."""
    return templates(load_tables())


async def prefetch(name: str, base: str = BASE) -> dict[str, Any]:
    """Every prefetch key as a client fills it, all pages in one Bundle."""
    transport = httpx.ASGITransport(app=ehr()) if base == BASE else None
    async with httpx.AsyncClient(transport=transport, timeout=60, trust_env=False) as client:
        return {
            key: await _filled(client, f"{base}/{query.replace('{{context.patientId}}', name)}")
            for key, query in queries().items()
        }


async def first_pages(name: str, base: str) -> dict[str, Any]:
    """Every prefetch key as the CDS Hooks sandbox fills it: searches by POST, first page only, failed keys left out."""
    found = {}
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        for key, query in queries().items():
            address, _, form = query.replace("{{context.patientId}}", name).partition("?")
            if form:
                asked = client.post(f"{base}/{address}/_search", data=dict(parse_qsl(form)))
            else:
                asked = client.get(f"{base}/{address}")
            response = await asked
            if response.status_code == 200:
                found[key] = response.json()
    return found


async def _filled(client: httpx.AsyncClient, url: str) -> Any:
    answer = await _get(client, url)
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


async def call(
    patient_id: str, given: Mapping[str, Any] | None = None, base: str = BASE, app: Any = None
) -> httpx.Response:
    """The answer of the real hook call, with this much prefetch; `app` is the demonstration's service if not given."""
    body: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "fhirServer": base,
        "context": {"patientId": patient_id, "userId": USER},
    }
    if given is not None:
        body["prefetch"] = given
    transport = httpx.ASGITransport(app=app or service())
    async with httpx.AsyncClient(transport=transport, base_url="https://cds.example") as client:
        return await client.post("/cds-services/imnm-recurrence", json=body)


async def cards(
    patient_id: str, given: Mapping[str, Any] | None = None, base: str = BASE, app: Any = None
) -> list[dict[str, Any]]:
    """The cards of the real hook call."""
    response = await call(patient_id, given, base, app)
    assert response.status_code == 200, response.text
    return response.json()["cards"]


@cache
def explained(name: str) -> dict[str, Any]:
    """The `explain` object of the chart read from its file."""
    return explained_bundle(chart(name))


def explained_bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The `explain` object of a chart; its cards are those of the hook call."""
    assessment = from_bytes(json.dumps(bundle).encode(), caller_for(CLIENT), AS_OF)
    settings = CardSettings(secret=SECRET.encode(), client=CLIENT.name, instance=INSTANCE, user=USER)
    return as_json(assessment, settings)
