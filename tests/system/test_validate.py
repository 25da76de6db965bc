"""HAPI's validator finds no error in what we suggest and in what we ship."""

import httpx
import pytest

from cds_service.cards.render import draft_order, possible_orders, proposed_appointment
from models.registry import default_folder, load_model
from tests.golden.charts import NAMES, explained
from tests.support.servers import resources_of

pytestmark = pytest.mark.xdist_group("hapi")


async def errors_in(base, resource):
    """What the validator says of a resource, warnings left out."""
    async with httpx.AsyncClient(timeout=120) as client:
        response = await client.post(f"{base}/{resource['resourceType']}/$validate", json=resource)
    issues = response.json()["issue"]
    return [issue["diagnostics"] for issue in issues if issue["severity"] in {"error", "fatal"}]


def bundle_of(resources):
    """A Bundle: every resource in it is validated, and its references too."""
    entries = [
        {"fullUrl": f"http://ehr.example/fhir/{r['resourceType']}/{r['id']}", "resource": r}
        for r in resources
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def suggested():
    """Every resource in a suggestion of a sample patient's card, and one for each suggestion that can occur."""
    for name in NAMES:
        for card in explained(name)["cards"]:
            for suggestion in card.get("suggestions", ()):
                yield from (action["resource"] for action in suggestion["actions"])
    for order in possible_orders(load_model(default_folder()).policy):
        codings = [
            {"system": code.system, "code": code.code, "display": code.display} for code in order.codes
        ]
        make = proposed_appointment if order.kind == "appointment" else draft_order
        yield make(order.label, codings, "Patient/plain", "2026-03-01")


@pytest.mark.parametrize("name", NAMES)
async def test_every_resource_of_the_sample_patient_is_valid(hapi, name):
    assert await errors_in(hapi.base, bundle_of(resources_of(name))) == []


async def test_every_resource_in_a_suggestion_is_valid(hapi):
    resources = list(suggested())
    assert {r["resourceType"] for r in resources} == {"ServiceRequest", "Appointment"}
    found = {
        r["code"]["text"] if "code" in r else r["description"]: await errors_in(hapi.base, r)
        for r in resources
    }
    assert {what: errors for what, errors in found.items() if errors} == {}


async def test_the_validator_finds_an_error_in_one_entry_of_a_bundle_and_in_an_order(hapi):
    chart = resources_of("plain")
    del next(r for r in chart if r["resourceType"] == "Observation")["code"]
    assert any("Observation.code" in error for error in await errors_in(hapi.base, bundle_of(chart)))
    order = draft_order(
        "CK", [{"system": "http://loinc.org", "code": "2157-6"}], "Patient/plain", "2026-03-01"
    )
    del order["intent"]
    assert any("ServiceRequest.intent" in error for error in await errors_in(hapi.base, order))
