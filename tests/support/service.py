"""The service in one process: an ASGI client in front, the bendable EHR behind, time and events in our hands."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from unittest.mock import patch

import httpx
from pydantic import SecretStr

from cds_service.fhir.queries import QUERIES
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from fhir_mapping.terms import load_tables
from models.registry import load_model
from tests.support.charts import clock
from tests.support.ehr_simulator import BASE, EhrSimulator, entry, matches
from tests.support.feedback import SECRET

KEYS = tuple(query.key for query in QUERIES)
TABLES = load_tables()  # read and checked once for all tests, like the model
_model = cache(load_model)
SERVICE = "/cds-services/imnm-recurrence"
ORIGIN = "https://ehr-frontend.example"
ACCEPTED = {"accepted_by": "the tests", "accepted_on": date(2024, 1, 1)}  # the model, by a client


def settings(**client: object) -> Settings:
    """One hospital with the simulator's FHIR base, and the single open client."""
    given = {"name": "hospital", "fhir_base": BASE, "accept_unknown_status": True} | ACCEPTED | client
    return Settings(
        client=(Client(**given), Client(name="open", **ACCEPTED)),
        cors_origins=(ORIGIN,),
        card_secret=SecretStr(SECRET),
    )


def call_body(patient_id: str = "p1", **members: object) -> dict:
    body = {
        "hook": "patient-view",
        "hookInstance": "d63a2834-b45a-4616-8a5e-c08353762b85",
        "fhirServer": BASE,
        "context": {"userId": "Practitioner/1", "patientId": patient_id},
    } | members
    return {name: value for name, value in body.items() if value is not None}


def authorization(token: str, **members: object) -> dict:
    given = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"}
    return given | members


def prefetch_of(chart: list[dict], keys: tuple[str, ...] = KEYS) -> dict:
    """What a client that fills every template would send for a chart."""
    ids = [r["id"] for r in chart if r["resourceType"] == "Patient"]
    return {key: _filled(key, chart, ids[0]) for key in keys}


def _filled(key: str, chart: list[dict], patient_id: str) -> dict:
    query = next(q for q in QUERIES if q.key == key)
    if key == "patient":
        return next(r for r in chart if r["resourceType"] == "Patient")
    wanted = dict(query.parameters(TABLES)) | {"patient": patient_id}
    wanted.pop("_count")
    found = [r for r in chart if r["resourceType"] == query.resource_type and matches(r, wanted)]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return bundle | ({"entry": [entry(BASE, r) for r in found]} if found else {})


@dataclass
class Running:
    """The service while it runs; `lines` are the events it wrote."""

    http: httpx.AsyncClient
    lines: list[str] = field(default_factory=list)

    async def hook(self, body: dict | bytes, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.post(SERVICE, content=content, headers=sent)

    def audits(self) -> list[dict]:
        """The audit events of the hook calls, in order."""
        events = [json.loads(line) for line in self.lines]
        return [event for event in events if event["event"] == "hook-call"]


def never_late(limits: Limits | None = None) -> Limits:
    """The limits of a service in the event loop of a test: how late that is, is the doing of the test and its neighbours."""
    return replace(limits or Limits(), lag_seconds=86_400, start_seconds=86_400)


@asynccontextmanager
async def running(
    ehr: EhrSimulator | None = None,
    configured: Settings | None = None,
    limits: Limits | None = None,
    now: Callable[[], datetime] = clock,
) -> AsyncIterator[Running]:
    """Start the service in front of `ehr`, and check that nothing went anywhere else."""
    ehr = ehr or EhrSimulator()
    lines: list[str] = []
    with patch.multiple("cds_service.web.app", load_tables=lambda: TABLES, load_model=_model):
        app = create_app(
            configured or settings(),
            clock=now,
            transport=ehr,
            write=lines.append,
            limits=never_late(limits),
        )
    base = (configured and configured.public_url) or "http://cds.example"
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)
    async with app.router.lifespan_context(app), client as http:
        yield Running(http, lines)
    assert ehr.strays == []
