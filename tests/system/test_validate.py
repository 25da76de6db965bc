"""HAPI's validator finds no error in what we suggest and in what we ship."""

import json

import httpx
import pytest

from cds_service.cards.card_settings import CardSettings
from cds_service.cards.orders import possible
from models.registry import default_folder, load_model
from tests.golden.charts import NAMES, explained
from tests.support.servers import resources_of

pytestmark = pytest.mark.xdist_group("hapi")
OWN = {
    "system": "urn:com.epic.cdshooks.action.code.system.preference-list-item",
    "code": "4711",
    "display": "CK",
}


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
    """Every resource in a suggestion of a sample patient's card, and every kind that can occur."""
    for name in NAMES:
        for card in explained(name)["cards"]:
            for suggestion in card.get("suggestions", ()):
                yield from (action["resource"] for action in suggestion["actions"])
    yield from possible(load_model(default_folder()), CardSettings(order_codes={"ck": OWN}))


@pytest.mark.parametrize("name", NAMES)
async def test_every_resource_of_the_sample_patient_is_valid(hapi, name):
    assert await errors_in(hapi.base, bundle_of(resources_of(name))) == []


async def test_every_resource_in_a_suggestion_is_valid(hapi):
    resources = list(suggested())
    assert {r["resourceType"] for r in resources} == {"ServiceRequest", "Appointment"}
    assert {r.get("priority") for r in resources} == {"urgent", "routine", None}
    for member in ("encounter", "requester", "reasonReference", "reasonCode"):
        assert {member in r for r in resources if r["resourceType"] == "ServiceRequest"} == {True, False}
    found = {json.dumps(r): await errors_in(hapi.base, r) for r in resources}
    assert {resource: errors for resource, errors in found.items() if errors} == {}


async def test_the_validator_finds_an_error_in_one_entry_of_a_bundle_and_in_what_is_suggested(hapi):
    chart = resources_of("plain")
    del next(r for r in chart if r["resourceType"] == "Observation")["code"]
    assert any("Observation.code" in error for error in await errors_in(hapi.base, bundle_of(chart)))
    for kind, member in (("ServiceRequest", "intent"), ("Appointment", "participant")):
        whole = next(r for r in suggested() if r["resourceType"] == kind)
        broken = {name: value for name, value in whole.items() if name != member}  # others read the same one
        assert any(f"{kind}.{member}" in error for error in await errors_in(hapi.base, broken))
