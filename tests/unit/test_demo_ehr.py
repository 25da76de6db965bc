"""The demonstration EHR: reads, searches, pages, and what it refuses."""

import httpx
import pytest

from cds_service.demo.ehr import create_ehr
from cds_service.demo.patients import chart, samples
from cds_service.demo.search import PARAMETERS, SearchError, select

CHARTS = [chart(sample.name) for sample in samples().patients]
ANCHOR = "http://ehr.test/fhir"


@pytest.fixture
def served():
    return []


@pytest.fixture
async def ehr(served):
    app = create_ehr(CHARTS, served.append)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://ehr.test/fhir/"
    ) as client:
        yield client


def ids(bundle):
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


async def test_a_resource_is_read_by_its_id(ehr):
    answer = await ehr.get("Patient/child", headers={"Accept": "application/json+fhir"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert answer.json()["name"][0]["given"] == ["Leo"]


@pytest.mark.parametrize(
    "path", ["Patient/nobody", "Basic/child", "Basic", "Patient/child/_history/1", "../other"]
)
async def test_what_is_not_there_is_a_404_with_an_operation_outcome(ehr, path):
    answer = await ehr.get(path)
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["code"] == "not-found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_the_ehr_can_only_be_read(ehr, method):
    answer = await ehr.request(method, "Patient/child")
    assert answer.status_code == 405
    assert answer.json()["issue"][0]["diagnostics"] == "this EHR can only be read"


async def test_the_patients_are_listed_for_a_client_that_lets_one_choose(ehr):
    bundle = (await ehr.get("Patient")).json()
    assert bundle["type"] == "searchset"
    assert bundle["total"] == len(CHARTS)
    assert all(entry["resource"]["name"][0]["given"] for entry in bundle["entry"])


@pytest.mark.parametrize("patient", ["plain", "Patient/plain", f"{ANCHOR}/Patient/plain"])
async def test_a_search_finds_one_patients_resources_and_nobody_elses(ehr, patient):
    bundle = (await ehr.get("Condition", params={"patient": patient})).json()
    assert bundle["total"] == len(bundle["entry"]) == 6
    assert {e["resource"]["subject"]["reference"] for e in bundle["entry"]} == {"Patient/plain"}
    assert bundle["entry"][0]["fullUrl"] == f"{ANCHOR}/Condition/pl-cond-1"
    assert bundle["entry"][0]["search"] == {"mode": "match"}


async def test_a_search_that_finds_nothing_has_no_entry(ehr):
    bundle = (await ehr.get("Observation?patient=plain&code=33921-8")).json()
    assert bundle["total"] == 0
    assert "entry" not in bundle


async def test_get_and_post_find_the_same(ehr):
    asked = {"patient": "plain", "code": "http://loinc.org|2157-6,1920-8", "status": "final", "_count": "100"}
    got = (await ehr.get("Observation", params=asked)).json()
    posted = (await ehr.post("Observation/_search", data=asked)).json()
    assert ids(got) == ids(posted)
    assert len(ids(got)) == 8


async def test_a_post_whose_body_is_no_form_is_refused_and_not_ignored(ehr):
    answer = await ehr.post("Observation/_search", json={"patient": "plain"})
    assert answer.status_code == 400


async def test_pages_follow_an_opaque_link_to_the_end(ehr):
    whole = (await ehr.get("Observation?patient=low-quiet&_count=200")).json()
    pages, url = [], "Observation?patient=low-quiet&_count=40"
    while url:
        page = (await ehr.get(url)).json()
        pages.append(ids(page))
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert page["total"] == whole["total"]
        assert not url or url.startswith(f"{ANCHOR}?_getpages=")
    assert [len(page) for page in pages[:-1]] == [40] * (len(pages) - 1)
    assert [each for page in pages for each in page] == ids(whole)


async def test_a_page_has_fifty_resources_unless_told_otherwise_and_never_more_than_two_hundred(ehr):
    assert len(ids((await ehr.get("Observation?patient=low-quiet")).json())) == 50
    assert len(ids((await ehr.get("Observation?_count=1000")).json())) == 200
    none = (await ehr.get("Observation?patient=low-quiet&_count=0")).json()
    assert none["total"] > 50
    assert "entry" not in none


@pytest.mark.parametrize("token", ["", "x", "bm8=", "W10=", "eyJ0eXBlIjogMX0="])
async def test_an_unknown_page_is_gone(ehr, token):
    assert (await ehr.get(f"{ANCHOR}?_getpages={token}")).status_code == 410


@pytest.mark.parametrize(
    "query",
    [
        "patient=plain&_sort=-date",
        "patient:Patient=plain",
        "patient=plain&code:in=x",
        "patient=",
        "patient=plain&code=,",
        "patient=plain&_count=many",
        f"patient=plain&_count={5000 * '9'}",
        "patient=plain&date=yesterday",
        "patient=plain&date=2026-02-30",
        "patient=plain&date=ne2026-01-01",
    ],
)
async def test_what_cannot_be_searched_is_refused(ehr, query):
    answer = await ehr.get(f"Observation?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"]


async def test_the_capability_statement_names_r4_and_every_parameter(ehr):
    statement = (await ehr.get("metadata")).json()
    assert statement["fhirVersion"] == "4.0.1"
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    CapabilityStatement.model_validate(statement)
    by_type = {each["type"]: each for each in statement["rest"][0]["resource"]}
    assert by_type.keys() == PARAMETERS.keys()
    assert {"name": "code", "type": "token"} in by_type["Observation"]["searchParam"]


async def test_any_web_page_may_read(ehr):
    answer = await ehr.get("Patient/child", headers={"Origin": "https://anywhere.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    preflight = await ehr.options(
        "Observation/_search",
        headers={"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 200


async def test_every_request_is_told_as_it_was_asked(ehr, served):
    await ehr.get("Patient/child")
    await ehr.get("Condition?patient=child")
    await ehr.post("Condition/_search", data={"patient": "child"})
    await ehr.get("Condition?nonsense=1")
    assert [(each.method, each.target, each.status, each.matches) for each in served] == [
        ("GET", "Patient/child", 200, None),
        ("GET", "Condition?patient=child", 200, 2),
        ("POST", "Condition/_search?patient=child", 200, 2),
        ("GET", "Condition?nonsense=1", 400, None),
    ]


def found(resource_type, *asked):
    everything = [
        e["resource"] for c in CHARTS for e in c["entry"] if e["resource"]["resourceType"] == resource_type
    ]
    return [each["id"] for each in select(everything, resource_type, asked)]


@pytest.mark.parametrize(
    ("resource_type", "asked", "expected"),
    [
        ("Condition", [("code", "http://snomed.info/sct|233703007")], ["si-cond-2", "sf-cond-2"]),
        ("Condition", [("code", "233703007")], ["si-cond-2", "sf-cond-2"]),
        ("Condition", [("code", "http://loinc.org|233703007")], []),
        ("Condition", [("patient", "relapse-now"), ("code", "http://www.orpha.net|")], ["rn-cond-1"]),
        ("Condition", [("patient", "srp-ild"), ("clinical-status", "resolved")], ["si-cond-3"]),
        ("Condition", [("patient", "too-few"), ("category", "encounter-diagnosis,other")], ["tf-cond-3"]),
        ("Condition", [("_id", "si-cond-2,pl-cond-1,x")], ["si-cond-2", "pl-cond-1"]),
        ("Appointment", [("patient", "relapse-now"), ("status", "booked")], ["rn-app-1"]),
        ("Appointment", [("actor", "Patient/high-overdue"), ("status", "booked")], []),
        ("Appointment", [("date", "ge2026-04-01"), ("date", "lt2026-04-03T00:00:00Z")], ["pi-app-1"]),
        ("ServiceRequest", [("patient", "high-overdue"), ("status", "active")], ["ho-sr-1"]),
        ("MedicationStatement", [("effective", "le2015")], ["sa-ms-1"]),
        ("MedicationAdministration", [("effective-time", "2026"), ("code", "121191")], []),
        ("Encounter", [("patient", "critical-illness"), ("class", "IMP"), ("date", "2025-10")], []),
        ("Encounter", [("class", "IMP"), ("date", "ge2026"), ("patient", "too-few")], ["tf-enc-10"]),
        ("Encounter", [("patient", "critical-illness"), ("date", "gt2026-01-25")], ["ci-enc-10"]),
        (
            "Specimen",
            [("patient", "ana-missing"), ("type", "119364003"), ("_id", "am-spec-1")],
            ["am-spec-1"],
        ),
        ("Patient", [("birthdate", "1949-10-30")], ["plain"]),
        ("Patient", [("identifier", "urn:example:sample-hospital:mrn|SAMPLE-PL")], ["plain"]),
    ],
)
def test_search_parameters_find_what_fhir_says(resource_type, asked, expected):
    assert found(resource_type, *asked) == expected


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ("2026", True),
        ("2026-02", True),
        ("2026-02-24", True),
        ("2026-02-24T11:05:00Z", True),
        ("2026-02-24T12:05:00+01:00", True),
        ("2026-02-25", False),
        ("2025", False),
        ("ge2026-02-24T11:05:00Z", True),
        ("gt2026-02-24T11:05:00Z", False),
        ("gt2026-02-24", False),
        ("le2026-02-23", False),
        ("lt2026-02-24T11:05:01Z", True),
        ("2024,2026", True),
        *(
            (f"{prefix}9999{rest}", prefix in {"le", "lt"})
            for prefix in ("", "ge", "le", "lt")
            for rest in ("", "-12", "-12-31")
        ),
    ],
)
def test_a_date_is_as_long_as_it_is_written(value, matches):
    resource = {"resourceType": "Observation", "id": "o", "effectiveDateTime": "2026-02-24T11:05:00Z"}
    assert bool(select([resource], "Observation", [("date", value)])) is matches


def test_february_and_december_end_when_they_do():
    period = {"start": "2025-12-31", "end": "2026-02-28"}
    resource = {"resourceType": "Encounter", "id": "e", "period": period}
    for value, expected in (
        ("gt2026-02", False),
        ("ge2026-02-28", True),
        ("lt2025-12-31", False),
        ("le2025", True),
    ):
        assert bool(select([resource], "Encounter", [("date", value)])) is expected


def test_a_period_without_end_goes_on():
    resource = {"resourceType": "MedicationStatement", "id": "m", "effectivePeriod": {"start": "2020-01-01"}}
    assert select([resource], "MedicationStatement", [("effective", "ge2099")])
    assert not select([resource], "MedicationStatement", [("effective", "lt2020")])


def test_a_comma_inside_a_value_can_be_escaped():
    resource = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "a,b"}]}
    assert select([resource], "Patient", [("identifier", "a\\,b")])
    assert not select([resource], "Patient", [("identifier", "a,b")])


def test_an_unknown_parameter_names_the_known_ones():
    with pytest.raises(SearchError, match="known are: _count, _id, code"):
        select([], "Medication", [("name", "x")])
