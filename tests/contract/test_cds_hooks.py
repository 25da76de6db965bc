"""CDS Hooks 2.0.1 and 3.0.0-ballot, as far as no other file holds it: members, values and addresses of what we answer.

`tests/conformance` lists every requirement with its tests.
"""

import itertools
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.servicerequest import ServiceRequest
from markdown_it import MarkdownIt
from starlette.responses import Response

from cds_service.settings.limits import Limits
from cds_service.web.discovery import discovery_file, read_discovery
from tests.contract.test_cards import NAMES, cards_of
from tests.support import ehr_simulator as sim
from tests.support.charts import healthy_chart, imnm_chart
from tests.support.ehr_simulator import EhrSimulator
from tests.support.service import SERVICE, authorization, call_body, prefetch_of, running, settings
from tests.support.walker import hollow_elements

SERVICES = read_discovery(discovery_file())["services"]
CODING = {"system", "code", "display"}
RESOURCES: dict[str, Any] = {"ServiceRequest": ServiceRequest, "Appointment": Appointment}
CARDS = [
    card
    for name, one_action, visit_as in itertools.product(NAMES, (False, True), ("referral", "appointment"))
    for card in cards_of(name, one_action=one_action, visit_as=visit_as)
]
SUGGESTIONS = [suggestion for card in CARDS for suggestion in card.get("suggestions", [])]
ACTIONS = [action for suggestion in SUGGESTIONS for action in suggestion["actions"]]
ERRORS = {
    "no JSON": (400, b"nothing", {}),
    "a member that is missing": (400, call_body(context={"userId": "Practitioner/1"}), {}),
    "another hook": (400, call_body(hook="order-sign"), {}),
    "an authorization without its server": (
        400,
        call_body(fhirServer=None, fhirAuthorization=authorization("t")),
        {},
    ),
    "a server that nobody configured": (403, call_body(fhirServer="https://other.example/fhir"), {}),
    "too many bytes": (413, b" " * 4096, {}),
    "no JSON by its name": (415, call_body(), {"content_type": "text/plain"}),
    "data that cannot be had": (412, call_body(), {}),
}


def is_coding(coding, members=frozenset({"system", "code"})):
    """A Coding of CDS Hooks, which is not that of FHIR: three members, two of them needed."""
    return (
        members <= set(coding) <= CODING
        and all(isinstance(value, str) and value for value in coding.values())
        and bool(urlsplit(coding["system"]).scheme)
    )


class TestDiscovery:
    @pytest.mark.parametrize("service", SERVICES, ids=lambda service: service["id"])
    def test_a_service_has_the_members_that_clients_of_either_version_know(self, service):
        assert set(service) <= {"hook", "id", "title", "description", "usageRequirements", "prefetch"}
        assert {"hook", "id", "title", "description"} <= set(service)
        texts = [value for name, value in service.items() if name != "prefetch"]
        templates = service["prefetch"]
        assert templates
        assert all(isinstance(text, str) and text.strip() for text in (*texts, *templates.values()))

    def test_each_service_has_an_id_of_its_own_and_is_called_at_the_address_made_of_it(self):
        ids = [service["id"] for service in SERVICES]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", name) for name in ids)

    @pytest.mark.parametrize("service", SERVICES, ids=lambda service: service["id"])
    async def test_what_is_discovered_can_be_called(self, service):
        async with running(EhrSimulator(healthy_chart("p1"))) as running_service:
            found = (await running_service.http.get("/cds-services")).json()["services"]
            address = f"/cds-services/{service['id']}"
            response = await running_service.http.post(address, json=call_body(hook=service["hook"]))
        (one,) = [each for each in found if each["id"] == service["id"]]
        assert one | {"prefetch": service["prefetch"]} == service
        assert one["prefetch"].items() < service["prefetch"].items()  # lean
        assert response.status_code == 200

    @pytest.mark.parametrize("service", SERVICES, ids=lambda service: service["id"])
    def test_a_template_needs_nothing_but_the_patient_of_the_context(self, service):
        """So it holds for both versions, and no template needs the encounter, which a client may not have."""
        for template in service["prefetch"].values():
            assert re.findall(r"\{\{(.*?)\}\}", template) == ["context.patientId"]
            assert template.count("{{") == template.count("}}") == 1
            assert not re.search(r"today\(\)|ofType|resolve\(|%|:|\s", template)
            assert re.match(r"[A-Z][A-Za-z]+[?/]", template), "relative to the FHIR base"


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("chart", "cards"), [(imnm_chart(), 1), (healthy_chart("p1"), 0)], ids=["a card", "none"]
    )
    async def test_holds_cards_and_nothing_else(self, chart, cards):
        async with running(EhrSimulator(chart)) as service:
            response = await service.hook(call_body(), content_type="application/json; charset=utf-8")
        assert (response.status_code, list(response.json())) == (200, ["cards"])
        assert len(response.json()["cards"]) == cards
        assert response.headers["content-type"] == "application/json"
        response.content.decode("utf-8")

    async def test_is_the_same_whatever_else_a_request_brings(self):
        more = {"extension": {"com.example": {"x": [1, None]}}, "com.example.other": [{}], "user": None}
        context = {"userId": "Practitioner/1", "patientId": "p1"}
        given = authorization("t")
        async with running(EhrSimulator(imnm_chart())) as service:
            plain = await service.hook(call_body(fhirAuthorization=given))
            richer = await service.hook(
                call_body(context=context | more, fhirAuthorization=given | more, **more)
            )
        assert len(plain.json()["cards"]) == 1
        assert richer.json() == plain.json()

    async def test_without_an_encounter_is_the_card_of_the_same_record(self):
        context = {"userId": "Practitioner/1", "patientId": "p1"}
        async with running(EhrSimulator(imnm_chart())) as service:
            bare, full = [
                (await service.hook(call_body(context=context | encounter))).json()["cards"][0]
                for encounter in ({}, {"encounterId": "e1"})
            ]
        assert bare["summary"] == full["summary"]
        assert bare["detail"] == full["detail"]

    async def test_to_two_calls_has_other_uuids_where_the_event_is_another(self):
        async with running(EhrSimulator(imnm_chart())) as service:
            answers = [
                (await service.hook(call_body(hookInstance=f"{n}63a2834-b45a-4616-8a5e-c08353762b85"))).json()
                for n in "abcd"
            ]
        assert len({answer["cards"][0]["uuid"] for answer in answers}) == 4


class TestAnError:
    @pytest.mark.parametrize(("status", "body", "headers"), ERRORS.values(), ids=ERRORS)
    async def test_is_an_operation_outcome_as_json(self, status, body, headers):
        ehr = EhrSimulator().bend(sim.refuse_connection)
        async with running(ehr, limits=Limits(body_bytes=2048)) as service:
            response = await service.hook(body, **headers)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        outcome = json.loads(response.content.decode("utf-8"))
        assert outcome["resourceType"] == "OperationOutcome"
        assert all(issue["severity"] == "error" and issue["diagnostics"] for issue in outcome["issue"])
        assert "Practitioner/1" not in response.text

    async def test_of_needed_data_that_neither_prefetch_nor_a_server_can_give_is_412(self):
        open_client = settings()
        async with running(configured=open_client) as service:
            response = await service.hook(call_body(fhirServer=None))
        assert response.status_code == 412

    async def test_is_never_given_for_a_record_that_merely_lacks_something(self):
        """What was supplied and holds no CK is assessed: 412 is for data that could not be had."""
        chart = [r for r in imnm_chart() if r["resourceType"] != "Observation"]
        async with running(EhrSimulator().bend(sim.refuse_connection)) as service:
            response = await service.hook(call_body(prefetch=prefetch_of(chart)))
        assert response.status_code == 200


class TestTheFhirAuthorization:
    @pytest.mark.parametrize("name", ["access_token", "token_type", "expires_in", "scope", "subject"])
    async def test_that_lacks_a_member_is_never_an_error_of_ours(self, name):
        given = {key: value for key, value in authorization("t").items() if key != name}
        async with running(EhrSimulator(healthy_chart("p1"))) as service:
            response = await service.hook(call_body(fhirAuthorization=given))
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "scope",
        [
            "user/Observation.read patient/*.read",
            "patient/Observation.rs?category=laboratory launch",
            "user/*.* openid fhirUser",
            "EPIC.SOMETHING;;(2024) *",
            "",
        ],
    )
    async def test_is_used_whatever_its_scope_looks_like(self, scope):
        ehr = EhrSimulator(healthy_chart("p1"), token="t")
        async with running(ehr) as service:
            response = await service.hook(call_body(fhirAuthorization=authorization("t", scope=scope)))
        assert (response.status_code, response.json()) == (200, {"cards": []})
        assert len(ehr.requests) == 3
        assert {request.headers["authorization"] for request in ehr.requests} == {"Bearer t"}

    async def test_for_another_patient_reads_nothing(self):
        ehr = EhrSimulator(imnm_chart())
        async with running(ehr) as service:
            response = await service.hook(call_body(fhirAuthorization=authorization("t", patient="p2")))
        assert (response.status_code, ehr.requests) == (400, [])


class TestACard:
    def test_is_there_for_every_kind_of_patient_and_client(self):
        assert len(CARDS) > 40
        assert len(SUGGESTIONS) > 100
        assert {action["resource"]["resourceType"] for action in ACTIONS} == set(RESOURCES)

    def test_has_one_of_the_three_indicators(self):
        assert {card["indicator"] for card in CARDS} <= {"info", "warning", "critical"}

    def test_has_a_detail_that_is_markdown_without_html_links_or_images(self):
        for card in CARDS:
            tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(card["detail"])
            kinds = {one.type for token in tokens for one in (token, *(token.children or ()))}
            assert kinds & {"html_block", "html_inline", "link_open", "image"} == set()

    def test_has_a_source_with_a_label_and_absolute_addresses_that_name_no_patient(self):
        for card in CARDS:
            source = card["source"]
            assert {"label", "url", "topic"} <= set(source) <= {"label", "url", "icon", "topic"}
            assert source["label"].strip()
            assert is_coding(source["topic"])
            for name in set(source) & {"url", "icon"}:
                parts = urlsplit(source[name])
                assert parts.scheme == "https"
                assert parts.hostname
                assert not parts.query

    def test_gives_reasons_to_dismiss_it_that_are_codings_with_a_display(self):
        reasons = [reason for card in CARDS for reason in card["overrideReasons"]]
        assert reasons
        assert all(is_coding(reason, CODING) for reason in reasons)

    def test_has_suggestions_only_with_a_selection_behavior_that_every_client_knows(self):
        for card in CARDS:
            assert ("suggestions" in card) == (card.get("selectionBehavior") == "any")

    def test_has_no_links_and_starts_no_app(self):
        assert all("links" not in card and "appContext" not in json.dumps(card) for card in CARDS)

    def test_carries_the_date_of_the_results_that_it_is_about(self):
        for card in CARDS:
            for line in re.findall(r"CK [\d,]+ U/L.*", card["detail"]):
                assert re.search(r"20\d\d-\d\d-\d\d", line), line


class TestASuggestion:
    def test_has_a_label_and_a_uuid_and_no_members_that_are_not_defined(self):
        for suggestion in SUGGESTIONS:
            assert {"label", "uuid", "actions"} <= set(suggestion)
            assert set(suggestion) <= {"label", "uuid", "isRecommended", "actions"}
            assert suggestion["label"].strip()
            assert isinstance(suggestion.get("isRecommended", True), bool)
        for card in CARDS:
            uuids = [suggestion["uuid"] for suggestion in card.get("suggestions", [])]
            assert len(set(uuids)) == len(uuids)
            assert card["uuid"] not in uuids

    def test_holds_actions_and_leaves_no_choice_among_them(self):
        assert all(suggestion["actions"] for suggestion in SUGGESTIONS)
        assert all("actionSelectionBehavior" not in suggestion for suggestion in SUGGESTIONS)


class TestAnAction:
    def test_creates_and_says_what(self):
        for action in ACTIONS:
            assert set(action) == {"type", "description", "resource"}
            assert action["type"] == "create"
            assert action["description"].strip()

    def test_brings_a_whole_new_fhir_resource_of_the_patient_as_an_object(self):
        for action in ACTIONS:
            resource = action["resource"]
            assert isinstance(resource, dict)
            assert "id" not in resource
            RESOURCES[resource["resourceType"]].model_validate(resource)
            patients = [resource["subject"]] if "subject" in resource else []
            patients += [one["actor"] for one in resource.get("participant", []) if "actor" in one]
            assert any(one.get("reference", "").startswith("Patient/") for one in patients)


class TestTheWalkThroughEveryAnswer:
    """It goes through every JSON answer that any test gets: see the fixture in `tests/conftest.py`."""

    @pytest.mark.parametrize(
        "hollow",
        [{"a": None}, {"a": ""}, {"a": []}, {"a": {}}, {"cards": [{"cards": []}]}, {"a": [{"b": [None]}]}],
    )
    def test_finds_what_is_null_or_empty(self, hollow):
        assert len(list(hollow_elements(hollow))) == 1
        assert list(hollow_elements({"cards": [], "services": [], "a": {"b": [0, False, "x"]}})) == []

    @pytest.mark.usefixtures("_every_answer_is_sound")
    def test_is_made_while_this_test_runs(self):
        assert Response.__init__.__qualname__ == "_every_answer_is_sound.<locals>.watched"


def test_the_service_is_called_where_the_tests_call_it():
    assert f"/cds-services/{SERVICES[0]['id']}" == SERVICE
