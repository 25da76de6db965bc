"""C5: whatever stands in prefetch, the answer is the clean card, an honest abstention, or a 412 that names what lacks."""

import asyncio
import copy
import json

import pytest

from cds_service.fhir.queries import PHASE_1, QUERIES
from tests.support import ehr_simulator as sim
from tests.support.charts import (
    BROAD,
    CORE,
    condition,
    enzyme,
    healthy_chart,
    imnm_chart,
    observation,
    patient,
)
from tests.support.ehr_simulator import EhrSimulator, entry
from tests.support.service import call_body, prefetch_of, running

KEYS = tuple(query.key for query in QUERIES)
OTHER = "p9"


def bundle(*resources: dict, **members: object) -> dict:
    return {"resourceType": "Bundle", "entry": [entry("https://x", r) for r in resources]} | members


def every(value: object) -> dict:
    return dict.fromkeys(KEYS, value)


def but(**members: object) -> dict:
    return prefetch_of(imnm_chart()) | members


def with_added(key: str, *resources: dict) -> dict:
    given = copy.deepcopy(prefetch_of(imnm_chart()))
    given[key].setdefault("entry", []).extend(entry("https://x", resource) for resource in resources)
    given[key]["total"] = len(given[key]["entry"])
    return given


def stale() -> dict:
    given = copy.deepcopy(prefetch_of(imnm_chart()))
    for item in given["enzymes"]["entry"]:
        item["resource"]["meta"] = {"lastUpdated": "2001-01-01T00:00:00Z"}
    return given


CONTAINED = condition(BROAD, "c7") | {"contained": [condition(CORE, "inner", OTHER)]}

# name → prefetch, and whether the clean card must come where a server can fill the gaps
CASES: dict[str, tuple[dict, bool]] = {
    "nothing": ({}, True),
    "every key {}": (every({}), True),
    "every key []": (every([]), True),
    "every key text": (every("zq"), True),
    "every key a number": (every(1), True),
    "every key an OperationOutcome": (every(sim.outcome("exception")), True),
    "every key a Patient": (every(patient()), True),
    "every key another patient": (every(patient(OTHER)), True),
    "every key a Bundle of OperationOutcomes": (every(bundle(sim.outcome("exception") | {"id": "o"})), True),
    "every key a first page": (
        every(bundle(link=[{"relation": "next", "url": "https://evil.example/"}])),
        True,
    ),
    "every key a truncated Bundle": (every(bundle(total=1)), True),
    "a Bundle in a Bundle": (every(bundle(bundle() | {"id": "b"})), True),
    "broken entries": (
        every({"resourceType": "Bundle", "entry": [None, 1, "x", {}, {"resource": []}]}),
        True,
    ),
    "wrong links": (every({"resourceType": "Bundle", "link": "next"}), True),
    "half the keys": (prefetch_of(imnm_chart(), KEYS[::2]), True),
    "the other half": (prefetch_of(imnm_chart(), KEYS[1::2]), True),
    "phase 1 alone": (prefetch_of(imnm_chart(), PHASE_1), True),
    "phase 2 alone": (prefetch_of(imnm_chart(), KEYS[3:]), True),
    "keys mixed up": (but(conditions=prefetch_of(imnm_chart())["enzymes"]), True),
    "medications null": (but(medicationRequests=None), False),
    "enzymes none found": (but(enzymes=bundle()), False),
    "another patient's enzymes": (with_added("enzymes", enzyme("1920-8", "x1", 9000, 1, OTHER)), True),
    "another patient's ANA": (
        with_added("ana", observation("5048-4", "x2", 1, OTHER, valueString="1:5120")),
        True,
    ),
    "another patient's heart failure": (
        with_added("conditions", condition(("http://snomed.info/sct", "84114007"), "x3", OTHER)),
        True,
    ),
    "another patient's code in contained": (with_added("conditions", CONTAINED), True),
    "an old lastUpdated": (stale(), True),
    "a resource with broken fields": (
        with_added("enzymes", observation("2345-7", "x4", status=5, valueQuantity=[])),
        True,
    ),
    "surplus keys": (but(other=patient(OTHER), more=bundle(condition(patient_id=OTHER))), True),
}


async def answered(prefetch: dict, ehr: EhrSimulator, **members: object):
    async with running(ehr) as service:
        response = await service.hook(call_body(prefetch=prefetch, **members))
        return response, service.audits()[0]


@pytest.fixture(scope="module")
def clean() -> str:
    response, _ = asyncio.run(answered({}, EhrSimulator(imnm_chart())))
    return told(response)


def told(response) -> str:
    """The card's text without the note about resources that were refused."""
    (card,) = response.json()["cards"]
    return "\n".join(
        line
        for line in card["detail"].splitlines()
        if "Patient" not in line and "refused" not in line.lower()
    )


@pytest.mark.parametrize(("prefetch", "same"), CASES.values(), ids=CASES)
async def test_where_a_server_can_fill_the_gaps_the_card_is_the_clean_one(prefetch, same, clean):
    response, audit = await answered(prefetch, EhrSimulator(imnm_chart()))
    assert response.status_code == 200
    assert OTHER not in json.dumps(response.json())
    assert (told(response) == clean) is same
    assert audit["failed"] == {}


@pytest.mark.parametrize(("prefetch", "same"), CASES.values(), ids=CASES)
async def test_where_none_can_the_answer_is_honest(prefetch, same):
    response, audit = await answered(prefetch, EhrSimulator().bend(sim.refuse_connection))
    if response.status_code == 412:
        assert audit["outcome"] == "eligibility-unknown"
        assert "could not be read" in response.json()["issue"][0]["diagnostics"]
    else:
        assert response.status_code == 200
        (card,) = response.json()["cards"]
        assert audit["outcome"] in {"scored", "abstained", "not-eligible"}
        assert ("Could not be read: " in card["detail"]) is bool(audit["failed"])
        assert (
            not audit["failed"]
            or audit["outcome"] != "scored"
            or set(audit["failed"]) <= set(KEYS[12:]) | {"bloodCount", "lungFunction"}
        )


async def test_another_patients_chart_is_never_read_as_this_one():
    response, audit = await answered(prefetch_of(imnm_chart(OTHER)), EhrSimulator(healthy_chart("p1")))
    assert response.json() == {"cards": []}
    assert audit["refused"]["other patient"] >= 2
