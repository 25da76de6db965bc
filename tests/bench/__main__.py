"""`make bench`: CPU time from body to card against `orjson.loads` of the same body, for 200 Observations; and of a
bootstrap validation against lifelines (`tests/bench/statistics.py`).

Ratios of one run on one machine are what counts; the milliseconds of two machines do not compare.
"""

import asyncio
import copy
import json
import statistics
import time

import httpx
import orjson

from cds_service.demo.patients import chart
from cds_service.fhir.queries import QUERIES, Query
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from tests.bench import statistics as of_statistics
from tests.golden.charts import AS_OF, INSTANCE

OBSERVATIONS = 200
ROUNDS = 60


def body(name: str, *, with_imnm: bool) -> bytes:
    """A hook call with the whole chart as prefetch, its Observations repeated up to 200."""
    resources = [entry["resource"] for entry in chart(name)["entry"]]
    tests = [r for r in resources if r["resourceType"] == "Observation"]
    copies = (copy.deepcopy(tests[i % len(tests)]) | {"id": f"o{i}"} for i in range(OBSERVATIONS))
    if not with_imnm:
        resources = [r for r in resources if r["resourceType"] != "Condition"]
        copies = (o for o in copies if not _is_antibody(o))
    rest = [r for r in resources if r["resourceType"] != "Observation"]
    prefetch = {
        query.key: _answer(query, rest, list(copies) if query.key == "enzymes" else []) for query in QUERIES
    }
    context = {"patientId": name, "userId": "Practitioner/p"}
    call = {"hook": "patient-view", "hookInstance": INSTANCE, "context": context, "prefetch": prefetch}
    return json.dumps(call).encode()


def _is_antibody(observation: dict) -> bool:
    return any(c["code"] in {"33921-8", "93493-5"} for c in observation["code"]["coding"])


def _answer(query: Query, rest: list[dict], observations: list[dict]) -> dict:
    found = observations or [r for r in rest if r["resourceType"] == query.resource_type]
    if query.key == "patient":
        return found[0]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "entry": [{"resource": r} for r in found],
    }


async def measure(data: bytes) -> tuple[float, float, int]:
    """CPU seconds of one whole answer, of `orjson.loads`, and the number of cards; medians of alternating rounds."""
    app = create_app(Settings(client=(Client(name="bench"),)), clock=lambda: AS_OF, write=lambda _: None)
    transport = httpx.ASGITransport(app=app)
    headers = {"content-type": "application/json"}
    ours, theirs, cards = [], [], 0
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        for _ in range(ROUNDS):
            begun = time.process_time()
            response = await client.post("/cds-services/imnm-recurrence", content=data, headers=headers)
            ours.append(time.process_time() - begun)
            cards = len(response.json()["cards"])
            begun = time.process_time()
            orjson.loads(data)
            theirs.append(time.process_time() - begun)
    return statistics.median(ours), statistics.median(theirs), cards


def main() -> None:
    """Print one line for an IMNM patient and one for a patient without IMNM."""
    for label, with_imnm in (("IMNM", True), ("not IMNM", False)):
        data = body("high-overdue", with_imnm=with_imnm)
        ours, theirs, cards = asyncio.run(measure(data))
        print(
            f"bench: {label}, {OBSERVATIONS} Observations, {len(data) / 1000:.0f} kB, {cards} card(s): "
            f"body to card {ours * 1000:.2f} ms CPU, orjson.loads {theirs * 1000:.2f} ms, ratio {ours / theirs:.1f}"
        )
    of_statistics.main()


if __name__ == "__main__":
    main()
