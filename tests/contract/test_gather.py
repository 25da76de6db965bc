"""Design 2: phase 1 first, prefetch in every combination, and nothing that could not be read goes unsaid."""

import asyncio
import itertools

import pytest

from cds_service.fhir.queries import PHASE_1, QUERIES
from cds_service.settings.limits import Limits
from tests.support import ehr_simulator as sim
from tests.support.charts import (
    BROAD,
    CORE,
    antibody,
    condition,
    enzyme,
    healthy_chart,
    imnm_chart,
    observation,
    patient,
    prescription,
)
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.service import authorization, call_body, prefetch_of, running, settings

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MEDICATION = {
    "resourceType": "Medication",
    "id": "med1",
    "code": {"coding": [{"system": RXNORM, "code": "6851"}]},
}
BY_REFERENCE = prescription("m2", medicationReference={"reference": "Medication/med1"})

KEYS = tuple(query.key for query in QUERIES)
SHORT = Limits(answer_seconds=0.6, render_seconds=0.3)
SRP, CK = "33921-8", "2157-6"


async def opened(
    ehr: EhrSimulator, limits: Limits | None = None, client: dict | None = None, **members: object
):
    """Open the chart of p1; the answer and its audit event."""
    async with running(ehr, settings(**(client or {})), limits) as service:
        response = await service.hook(call_body(**members))
        (audit,) = service.audits()
        assert audit["status"] == response.status_code
        return response, audit


def cards(response) -> list[dict]:
    assert response.status_code == 200, response.text
    return response.json()["cards"]


def unread(response) -> str:
    assert response.status_code == 412, response.text
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"][0]["diagnostics"]


@pytest.fixture(scope="module")
def clean() -> dict:
    """The card of the whole record, but for its uuids."""

    async def card() -> dict:
        response, _ = await opened(EhrSimulator(imnm_chart()))
        return cards(response)[0]

    return asyncio.run(card())


class TestANonImnmChart:
    async def test_costs_three_requests_without_prefetch(self):
        ehr = EhrSimulator(healthy_chart("p1"))
        response, audit = await opened(ehr)
        assert cards(response) == []
        assert [p.removeprefix(BASE).partition("?")[0] for p in ehr.asked()] == [
            "/Patient/p1",
            "/Condition",
            "/Observation",
        ]
        assert (audit["outcome"], audit["eligibility"], audit["fhir_requests"]) == ("not-eligible", "none", 3)

    async def test_costs_none_where_prefetch_holds_phase_1(self):
        ehr = EhrSimulator()
        response, audit = await opened(ehr, prefetch=prefetch_of(healthy_chart("p1"), PHASE_1))
        assert (cards(response), ehr.requests, audit["cards"]) == ([], [], 0)

    async def test_costs_none_where_prefetch_is_whole_but_for_a_medication_by_reference(self):
        ehr = EhrSimulator()
        response, _ = await opened(ehr, prefetch=prefetch_of([*healthy_chart("p1"), BY_REFERENCE]))
        assert (cards(response), ehr.requests) == ([], [])

    @pytest.mark.parametrize("sign", [condition(BROAD), antibody()], ids=["broad code", "antibody"])
    async def test_with_one_sign_costs_the_ck_too_and_no_more(self, sign):
        ehr = EhrSimulator([patient(), sign, enzyme(CK, "ck", 120)])
        response, audit = await opened(ehr)
        assert (cards(response), audit["fhir_requests"]) == ([], 4)

    async def test_with_another_patients_core_code_stays_silent_and_the_audit_says_why(self):
        other = condition(CORE, patient_id="p2")
        ehr = EhrSimulator([patient()]).bend(sim.with_entries([other]), "Condition")
        response, audit = await opened(ehr)
        assert (cards(response), audit["refused"]) == ([], {"other patient": 1})


class TestAnImnmChart:
    async def test_is_read_in_full(self, clean):
        ehr = EhrSimulator(imnm_chart())
        response, audit = await opened(ehr)
        assert audit["fhir_requests"] == 17
        assert audit["outcome"] == "scored"
        assert cards(response)[0]["detail"] == clean["detail"]

    async def test_is_possible_by_antibody_and_ck_alone(self):
        response, audit = await opened(EhrSimulator([patient(), antibody(), enzyme(CK, "ck", 4000)]))
        assert audit["eligibility"] == "possible"
        assert len(cards(response)) == 1

    async def test_reads_the_token_s_server_only(self):
        ehr = EhrSimulator(imnm_chart(), token=sim.TOKEN)
        response, audit = await opened(ehr, fhirAuthorization=authorization(sim.TOKEN))
        assert audit["token"] == "used"
        assert len(cards(response)) == 1


class TestPrefetch:
    async def test_that_is_whole_needs_no_server(self, clean):
        ehr = EhrSimulator()
        response, _audit = await opened(ehr, prefetch=prefetch_of(imnm_chart()))
        assert cards(response)[0]["detail"] == clean["detail"]
        assert ehr.requests == []

    async def test_that_is_whole_needs_not_even_the_name_of_one(self, clean):
        response, audit = await opened(EhrSimulator(), fhirServer=None, prefetch=prefetch_of(imnm_chart()))
        assert audit["client"] == "open"
        assert cards(response)[0]["summary"] == clean["summary"]

    @pytest.mark.parametrize("key", KEYS)
    async def test_of_one_key_alone_gives_the_same_card(self, key, clean):
        response, audit = await opened(EhrSimulator(imnm_chart()), prefetch=prefetch_of(imnm_chart(), (key,)))
        assert cards(response)[0]["detail"] == clean["detail"]
        assert audit["fhir_requests"] == 16

    @pytest.mark.parametrize("key", KEYS)
    async def test_without_one_key_gives_the_same_card_for_one_request(self, key, clean):
        given = prefetch_of(imnm_chart(), tuple(k for k in KEYS if k != key))
        response, audit = await opened(EhrSimulator(imnm_chart()), prefetch=given)
        assert cards(response)[0]["detail"] == clean["detail"]
        assert audit["fhir_requests"] == 1

    @pytest.mark.parametrize(
        "bad",
        [
            sim.outcome("exception"),
            {},
            [],
            "text",
            {"resourceType": "Bundle", "entry": [5]},
            {"resourceType": "Bundle", "link": [{"relation": "next", "url": "https://evil.example/"}]},
            {"resourceType": "Bundle", "total": 3},
            {"resourceType": "Bundle", "entry": [{"resource": sim.outcome("exception")}]},
            {"resourceType": "Patient", "id": "p1"},
        ],
    )
    async def test_that_is_not_whole_is_fetched(self, bad, clean):
        for key in ("conditions", "enzymes"):
            given = prefetch_of(imnm_chart()) | {key: bad}
            response, audit = await opened(EhrSimulator(imnm_chart()), prefetch=given)
            assert cards(response)[0]["detail"] == clean["detail"]
            assert audit["fhir_requests"] == 1

    async def test_of_null_says_none_found_and_is_not_asked_again(self):
        given = prefetch_of(imnm_chart()) | {"ana": None}
        ehr = EhrSimulator(imnm_chart())
        _response, audit = await opened(ehr, prefetch=given)
        assert ehr.requests == []
        assert audit["failed"] == {}

    async def test_of_a_first_page_is_read_to_the_end(self, clean):
        given = prefetch_of(imnm_chart())
        given["enzymes"]["entry"] = given["enzymes"]["entry"][:2]
        given["enzymes"]["link"] = [{"relation": "next", "url": f"{BASE}?_getpages=old"}]
        response, _ = await opened(EhrSimulator(imnm_chart()), prefetch=given)
        assert cards(response)[0]["detail"] == clean["detail"]

    async def test_of_keys_that_nobody_asked_for_is_ignored(self, clean):
        given = prefetch_of(imnm_chart()) | {"-user": {"resourceType": "Practitioner"}}
        response, _ = await opened(EhrSimulator(), prefetch=given)
        assert cards(response)[0]["detail"] == clean["detail"]

    @pytest.mark.parametrize("left", [("patient",), ("conditions", "antibodies"), PHASE_1, KEYS[3:], KEYS])
    async def test_that_lacks_keys_where_there_is_no_server_is_named_or_refused(self, left):
        given = prefetch_of(imnm_chart(), tuple(k for k in KEYS if k not in left))
        response, audit = await opened(EhrSimulator(), fhirServer=None, prefetch=given)
        assert set(left) & set(PHASE_1) <= set(audit["failed"]) <= set(left)
        if "conditions" in left:
            assert "no FHIR server was given" in unread(response)
        else:
            assert audit["outcome"] == "abstained"
            assert len(cards(response)) == 1


class TestPhase1ThatCouldNotBeRead:
    @pytest.mark.parametrize("resource_type", ["Patient", "Condition", "Observation"])
    @pytest.mark.parametrize("fault", [sim.status(500), sim.refuse_connection, sim.hang, sim.truncated])
    async def test_is_412_and_never_an_empty_list(self, resource_type, fault):
        ehr = EhrSimulator(healthy_chart("p1")).bend(fault, resource_type)
        response, audit = await opened(ehr, SHORT)
        assert unread(response).startswith("not assessed, because this could not be read: ")
        assert audit["outcome"] == "eligibility-unknown"
        assert response.headers["retry-after"] == "5"

    async def test_is_a_card_where_the_client_wants_one(self):
        ehr = EhrSimulator(healthy_chart("p1")).bend(sim.status(500), "Condition")
        response, audit = await opened(ehr, client={"when_eligibility_unknown": "card"})
        (card,) = cards(response)
        assert card["indicator"] == "info"
        assert audit["failed"] == {"conditions": "HTTP 500"}

    @pytest.mark.parametrize("code", [401, 403, 404])
    async def test_conditions_that_are_forbidden_are_unread_and_not_absent(self, code):
        _response, audit = await opened(EhrSimulator(imnm_chart()).bend(sim.status(code), "Condition"))
        assert audit["failed"]["conditions"] == f"HTTP {code}"
        assert audit["not_offered"] == {}

    async def test_a_second_page_of_conditions_that_fails_is_412(self):
        many = [condition(("http://snomed.info/sct", "44054006"), f"c{n}") for n in range(150)]
        ehr = EhrSimulator([patient(), *many]).bend(sim.status(500), "Condition", page=2)
        response, _ = await opened(ehr)
        assert unread(response).endswith("conditions: page 2: HTTP 500")

    async def test_antibodies_that_the_server_does_not_offer_are_an_absent_source(self):
        ehr = EhrSimulator(healthy_chart("p1")).bend(sim.status(403), "Observation")
        response, audit = await opened(ehr)
        assert cards(response) == []
        assert audit["not_offered"] == {"antibodies": "not offered by the server (HTTP 403)"}

    async def test_ck_that_would_have_decided_is_412(self):
        ehr = EhrSimulator([patient(), condition(BROAD)]).bend(sim.status(500), "Observation", code=CK)
        response, _audit = await opened(ehr)
        assert "enzymes: HTTP 500" in unread(response)

    async def test_what_was_read_before_decides_where_it_can(self):
        ehr = EhrSimulator([patient(), antibody(), enzyme(CK, "ck", 4000)]).bend(sim.status(500), "Condition")
        response, audit = await opened(ehr)
        assert audit["eligibility"] == "possible"
        assert len(cards(response)) == 1


class TestAnImnmPatientWhoCannotBeReadInFull:
    @pytest.mark.parametrize(
        "fault", [sim.status(500), sim.refuse_connection, sim.hang, sim.drip, sim.gzip_bomb]
    )
    @pytest.mark.parametrize("known", ["from prefetch", "from the server"])
    async def test_always_gets_a_card_that_says_so(self, fault, known):
        ehr = EhrSimulator(imnm_chart())
        given = prefetch_of(imnm_chart(), PHASE_1) if known == "from prefetch" else {}
        if known == "from prefetch":
            ehr.bend(fault)
        for resource_type in ("MedicationRequest", "Encounter", "DiagnosticReport"):
            ehr.bend(fault, resource_type)
        ehr.bend(fault, "Observation", code=CK)
        response, audit = await opened(ehr, SHORT, prefetch=given)
        (card,) = cards(response)
        assert (audit["outcome"], audit["reason"]) == ("abstained", "record incomplete")
        assert "Could not be read: " in card["detail"]
        assert audit["milliseconds"] < 2100

    async def test_gets_it_within_the_real_deadline(self):
        ehr = EhrSimulator(imnm_chart()).bend(sim.hang)
        response, audit = await opened(ehr, prefetch=prefetch_of(imnm_chart(), PHASE_1))
        assert 1600 < audit["milliseconds"] < 2100
        assert len(cards(response)) == 1

    async def test_is_known_even_from_a_prefetch_that_is_not_whole(self):
        given = prefetch_of(imnm_chart(), ("conditions",))
        given["conditions"]["total"] = 7
        response, audit = await opened(EhrSimulator().bend(sim.refuse_connection), prefetch=given)
        assert (audit["eligibility"], audit["failed"]["conditions"]) == ("definite", "no connection")
        assert len(cards(response)) == 1

    @pytest.mark.parametrize("code", [403, 404])
    async def test_medications_that_are_not_offered_leave_the_predictor_missing(self, code):
        ehr = EhrSimulator(imnm_chart())
        for kind in (
            "MedicationRequest",
            "MedicationStatement",
            "MedicationDispense",
            "MedicationAdministration",
        ):
            ehr.bend(sim.status(code), kind)
        response, audit = await opened(ehr)
        assert (audit["outcome"], audit["failed"], len(audit["not_offered"])) == ("scored", {}, 4)
        assert "not offered by the server" in cards(response)[0]["detail"]

    async def test_medications_that_failed_make_it_incomplete(self):
        _response, audit = await opened(EhrSimulator(imnm_chart()).bend(sim.status(401), "MedicationRequest"))
        assert audit["outcome"] == "abstained"
        assert audit["failed"] == {"medicationRequests": "HTTP 401"}

    async def test_keys_that_the_configuration_calls_not_offered_are_not_asked_for(self):
        ehr = EhrSimulator(imnm_chart())
        _response, audit = await opened(ehr, client={"not_offered": frozenset({"appointments", "orders"})})
        assert audit["fhir_requests"] == 15
        assert set(audit["not_offered"]) == {"appointments", "orders"}

    async def test_keys_called_not_offered_are_used_where_prefetch_has_them(self, clean):
        client = {"not_offered": frozenset({"enzymes"})}
        response, _ = await opened(EhrSimulator(), client=client, prefetch=prefetch_of(imnm_chart()))
        assert cards(response)[0]["detail"] == clean["detail"]


class TestAClientThatDoesNotWantToBeAsked:
    """`show_possible = false` switches a question off, never what could not be read or used."""

    QUIET = {"show_possible": False}  # noqa: RUF012

    @pytest.mark.parametrize(
        "fault", [sim.status(503), sim.refuse_connection, sim.truncated, sim.status(403)]
    )
    async def test_hears_of_a_known_patient_whose_conditions_cannot_be_read(self, fault):
        response, audit = await opened(EhrSimulator(imnm_chart()).bend(fault, "Condition"), client=self.QUIET)
        assert (audit["eligibility"], audit["reason"]) == ("possible", "record incomplete")
        assert "Could not be read: diagnoses" in cards(response)[0]["detail"]

    async def test_hears_of_a_ck_that_would_have_decided(self):
        chart = [patient(), condition(BROAD), antibody(), enzyme(CK, "ck", 4000)]
        ehr = EhrSimulator(chart).bend(sim.status(503), "Observation", code=CK)
        response, audit = await opened(ehr, client=self.QUIET)
        assert (len(cards(response)), audit["reason"]) == (1, "record incomplete")

    async def test_hears_of_a_ck_that_could_not_be_used(self):
        odd = enzyme(CK, "ck", 4000) | {"status": "weird"}
        ehr = EhrSimulator([patient(), condition(BROAD), antibody(), odd])
        response, audit = await opened(ehr, client=self.QUIET)
        assert (len(cards(response)), audit["reason"]) == (1, "could not be used")

    async def test_hears_nothing_where_all_was_read(self):
        ehr = EhrSimulator([patient(), condition(BROAD), antibody()])
        response, audit = await opened(ehr, client=self.QUIET)
        assert (cards(response), audit["reason"]) == ([], "nothing to say")


class TestAServerThatWantsToBeAskedOtherwise:
    @staticmethod
    def _only_by_category(issue: str = "required"):
        def refuse(request, response):
            fine = "category" in str(request.url) or "Observation" not in str(request.url)
            return response if fine else sim.answer(sim.outcome(issue), 400)

        return refuse

    @pytest.mark.parametrize("issue", ["required", "not-supported"])
    async def test_is_asked_by_category_and_its_laboratory_once(self, issue, clean):
        ehr = EhrSimulator(imnm_chart()).bend(self._only_by_category(issue))
        response, _audit = await opened(ehr)
        assert cards(response)[0]["detail"] == clean["detail"]
        by_category = [path for path in ehr.asked("Observation") if "category" in path]
        assert len(by_category) == len(set(by_category)) == 2

    @pytest.mark.parametrize(("issue", "outcome"), [("required", "failed"), ("not-supported", "not_offered")])
    async def test_and_refuses_that_too_has_failed_or_does_not_offer_it(self, issue, outcome):
        ehr = EhrSimulator(imnm_chart()).bend(sim.status(400, issue), "Observation")
        _, audit = await opened(ehr)
        assert "enzymes" in audit[outcome]

    async def test_gives_conditions_by_category(self, clean):
        def refuse(request, response):
            return response if "category" in str(request.url) else sim.answer(sim.outcome("required"), 400)

        ehr = EhrSimulator(imnm_chart()).bend(refuse, "Condition")
        response, _ = await opened(ehr)
        assert cards(response)[0]["detail"] == clean["detail"]
        assert len(ehr.asked("Condition")) == 4

    @pytest.mark.parametrize("category", ["problem-list-item", "encounter-diagnosis"])
    @pytest.mark.parametrize(
        "refusal",
        [sim.status(code) for code in (403, 404)]
        + [sim.status(400, issue) for issue in ("required", "not-supported")],
        ids=["403", "404", "required", "not-supported"],
    )
    async def test_and_refuses_one_category_keeps_what_the_others_bring(self, category, refusal):
        def refuse(request, response):
            if "category" not in str(request.url):
                return sim.answer(sim.outcome("required"), 400)
            return refusal(request, response) if category in str(request.url) else response

        problem, concern = [
            condition(number=f"c{kind}", category=[{"coding": [{"code": kind}]}])
            for kind in ("problem-list-item", "health-concern")
        ]
        ehr = EhrSimulator([patient(), problem, concern, antibody(), enzyme(CK, "ck", 4000)]).bend(
            refuse, "Condition"
        )
        response, audit = await opened(ehr, client={"show_possible": False})
        assert (audit["eligibility"], list(audit["failed"])) == ("definite", ["conditions"])
        assert "Could not be read: diagnoses" in cards(response)[0]["detail"]

    @pytest.mark.parametrize(
        ("refusal", "failed"),
        [(sim.status(code), []) for code in (400, 403, 404, 422, 501)]
        + [(sim.status(400, issue), []) for issue in ("required", "not-supported", "invalid")]
        + [(sim.status(500), ["conditions"])],
        ids=["400", "403", "404", "422", "501", "required", "not-supported", "invalid", "500"],
    )
    async def test_and_has_no_health_concerns_is_read_all_the_same(self, refusal, failed):
        def refuse(request, response):
            if "category" not in str(request.url):
                return sim.answer(sim.outcome("required"), 400)
            return refusal(request, response) if "health-concern" in str(request.url) else response

        _, audit = await opened(EhrSimulator(imnm_chart()).bend(refuse, "Condition"))
        assert (audit["eligibility"], list(audit["failed"])) == ("definite", failed)

    async def test_and_refuses_every_category_has_failed(self):
        def refuse(request, response):
            return sim.status(403) if "category" in str(request.url) else sim.status(400, "required")

        ehr = EhrSimulator([patient(), condition()])
        ehr.bend(lambda request, response: refuse(request, response)(request, response), "Condition")
        response, _ = await opened(ehr)
        assert "conditions: HTTP 403" in unread(response)

    async def test_gives_a_condition_that_is_a_health_concern(self):
        def refuse(request, response):
            return response if "category" in str(request.url) else sim.answer(sim.outcome("required"), 400)

        concern = condition(category=[{"coding": [{"code": "health-concern"}]}])
        _, audit = await opened(EhrSimulator([patient(), concern]).bend(refuse, "Condition"))
        assert (audit["eligibility"], audit["failed"]) == ("definite", {})

    async def test_gives_conditions_by_patient_alone_at_last(self, clean):
        def refuse(request, response):
            fine = str(request.url).endswith("Condition?patient=p1")
            return response if fine else sim.answer(sim.outcome("not-supported"), 400)

        response, _ = await opened(EhrSimulator(imnm_chart()).bend(refuse, "Condition"))
        assert cards(response)[0]["detail"] == clean["detail"]

    async def test_gives_conditions_of_one_category_only_if_the_other_could_be_read_too(self):
        def refuse(request, response):
            url = str(request.url)
            if "category" not in url:
                return sim.answer(sim.outcome("required"), 400)
            return response if "problem" in url else sim.answer(sim.outcome("exception"), 500)

        _response, audit = await opened(EhrSimulator(imnm_chart()).bend(refuse, "Condition"))
        assert (audit["eligibility"], audit["failed"]["conditions"]) == ("definite", "HTTP 500")

    async def test_never_makes_other_400s_a_second_try(self):
        ehr = EhrSimulator(imnm_chart()).bend(sim.status(400, "invalid"), "Observation", code=SRP)
        await opened(ehr)
        assert len([path for path in ehr.asked("Observation") if SRP in path]) == 1


class TestAnotherFhirVersion:
    @pytest.mark.parametrize("where", ["body", "server"])
    async def test_in_the_resources_is_412_and_named(self, where):
        old = condition() | {"clinicalStatus": "active", "verificationStatus": "confirmed"}
        chart = [patient(), old]
        given = prefetch_of(chart, PHASE_1) if where == "body" else {}
        response, _audit = await opened(EhrSimulator(chart), prefetch=given)
        assert "instead of R4" in unread(response)
        assert "retry-after" not in response.headers

    async def test_of_a_server_that_refuses_our_questions_is_asked_for(self):
        ehr = EhrSimulator(imnm_chart(), fhir_version="1.0.2")
        for kind in ("Patient", "Condition", "Observation"):
            ehr.bend(sim.status(406), kind)
        response, audit = await opened(ehr)
        assert "FHIR DSTU2 instead of R4" in unread(response)
        assert audit["fhir_requests"] == 4

    async def test_of_a_server_leaves_what_prefetch_says_in_force(self):
        ehr = EhrSimulator(imnm_chart(), fhir_version="3.0.2").bend(sim.status(406))
        ehr.bends.insert(0, sim.Bend(lambda _, response: response, "metadata"))
        response, audit = await opened(ehr, prefetch=prefetch_of(imnm_chart(), ("conditions",)))
        assert audit["failed"]["patient"] == "FHIR STU3 instead of R4"
        assert len(cards(response)) == 1

    async def test_of_a_few_resources_is_no_more_than_broken_resources(self):
        odd = condition(number="c2") | {"clinicalStatus": "active"}
        _, audit = await opened(EhrSimulator([*imnm_chart(), odd]))
        assert (audit["outcome"], audit["refused"], audit["failed"]) == ("scored", {"unreadable": 1}, {})

    async def test_of_one_other_key_makes_that_key_unread(self):
        old = prescription("m2", taken="y")
        chart = [resource for resource in imnm_chart() if resource["id"] != "m1"]
        response, audit = await opened(EhrSimulator([*chart, old]))
        assert audit["failed"] == {"medicationRequests": "FHIR STU3 instead of R4"}
        assert len(cards(response)) == 1

    async def test_is_not_blamed_on_an_r4_server(self):
        ehr = EhrSimulator(imnm_chart()).bend(sim.status(406), "Condition")
        _response, audit = await opened(ehr)
        assert audit["failed"]["conditions"] == "HTTP 406"


class TestMedicationsByReference:
    async def test_are_read(self):
        ehr = EhrSimulator([*imnm_chart(), BY_REFERENCE, MEDICATION])
        _response, audit = await opened(ehr)
        assert audit["fhir_requests"] == 18
        assert audit["failed"] == {}

    async def test_are_read_once_however_often_they_are_named(self):
        again = BY_REFERENCE | {"id": "m3"}
        ehr = EhrSimulator([*imnm_chart(), BY_REFERENCE, again, MEDICATION])
        await opened(ehr)
        assert len(ehr.asked("Medication/")) == 1

    @pytest.mark.parametrize("fault", [sim.status(403), sim.status(500), sim.truncated])
    async def test_that_cannot_be_read_make_the_record_incomplete(self, fault):
        ehr = EhrSimulator([*imnm_chart(), BY_REFERENCE, MEDICATION]).bend(fault, "Medication")
        _response, audit = await opened(ehr)
        assert audit["failed"] == {"medicationRequests": "a medication that it names could not be read"}
        assert audit["outcome"] == "abstained"

    @pytest.mark.parametrize("status", [404, 410])
    async def test_that_are_nowhere_are_a_doubt_and_fail_nothing(self, status):
        ehr = EhrSimulator([*imnm_chart(), BY_REFERENCE, MEDICATION]).bend(sim.status(status), "Medication")
        _response, audit = await opened(ehr)
        assert (audit["failed"], audit["refused"]) == ({}, {"unresolved": 1})

    async def test_are_nowhere_without_a_server(self):
        given = prefetch_of([*imnm_chart(), BY_REFERENCE])
        _, audit = await opened(EhrSimulator(), fhirServer=None, prefetch=given)
        assert (audit["failed"], audit["refused"]) == ({}, {"unresolved": 1})

    @pytest.mark.parametrize("number", [".", ".."])
    async def test_of_no_real_id_are_not_asked_for(self, number):
        odd = prescription("m2", medicationReference={"reference": f"Medication/{number}"})
        ehr = EhrSimulator([*imnm_chart(), odd])
        await opened(ehr)
        assert all(path.startswith(BASE) for path in ehr.asked())
        assert ehr.asked("Medication/") == []


async def test_site_codes_are_asked_for_and_count(tmp_path):
    site_map = tmp_path / "codes.csv"
    site_map.write_text("system,code,role\nurn:lab,CREA-K,ck\n")
    local = observation("x", "ck", 20) | {"code": {"coding": [{"system": "urn:lab", "code": "CREA-K"}]}}
    quantity = enzyme(CK, "x", 4000)["valueQuantity"]
    ehr = EhrSimulator([patient(), antibody(), local | {"valueQuantity": quantity}])
    _response, audit = await opened(ehr, client={"site_map": site_map})
    assert audit["eligibility"] == "possible"
    assert any("CREA-K" in path for path in ehr.asked("Observation"))


@pytest.mark.parametrize("code", [403, 404, 405, 415, 501])
class TestAServerWithoutSearchByPost:
    """So many codes of a site that they do not fit into an address."""

    @staticmethod
    def _client(tmp_path) -> dict:
        site_map = tmp_path / "codes.csv"
        rows = "".join(f"urn:lab,SRPCODE-LONG-{number:03},anti-srp\n" for number in range(60))
        site_map.write_text(f"system,code,role\n{rows}")
        return {"site_map": site_map}

    @staticmethod
    def _ehr(code: int, *others: str) -> EhrSimulator:
        local = antibody() | {"code": {"coding": [{"system": "urn:lab", "code": "SRPCODE-LONG-007"}]}}

        def refuse(request, response):
            refused = request.method == "POST" or any(other in str(request.url) for other in others)
            return sim.status(code)(request, response) if refused else response

        return EhrSimulator([patient(), condition(BROAD), local]).bend(refuse, "Observation")

    async def test_is_asked_by_category(self, code, tmp_path):
        ehr = self._ehr(code)
        _, audit = await opened(ehr, client=self._client(tmp_path))
        assert (audit["eligibility"], audit["failed"], audit["not_offered"]) == ("possible", {}, {})
        assert [request.method for request in ehr.requests].count("POST") == 1

    async def test_and_without_the_type_does_not_offer_it(self, code, tmp_path):
        ehr = self._ehr(code, "category")
        _, audit = await opened(ehr, client=self._client(tmp_path))
        told = audit["not_offered" if code in {403, 404} else "failed"]
        assert "antibodies" in told


@pytest.mark.parametrize(
    ("names", "eligibility"), [(["http://fhir.internal:8080/r4/"], "definite"), ([], "unknown")]
)
async def test_a_patient_at_another_name_of_the_own_server_is_the_same_patient(names, eligibility):
    elsewhere = condition(subject={"reference": "http://fhir.internal:8080/r4/Patient/p1"})
    ehr = EhrSimulator([patient(), elsewhere])
    _, audit = await opened(ehr, client={"also_known_as": names})
    assert audit["eligibility"] == eligibility
    assert all(path.startswith(BASE) for path in ehr.asked())


async def test_a_biopsy_is_read_where_it_decides_and_the_client_has_a_code_for_it(tmp_path):
    site_map = tmp_path / "codes.csv"
    site_map.write_text("system,code,role\nurn:lab,MYO-NEC,necrotizing-biopsy\n")
    coded = {"code": {"coding": [{"system": "urn:lab", "code": "MYO-NEC"}]}}
    biopsy = {"resourceType": "Procedure", "id": "b", "status": "completed", **coded}
    biopsy |= {"subject": {"reference": "Patient/p1"}, "performedDateTime": "2025-01-01"}
    negative = [observation(code, f"n{code}", valueString="negative") for code in (SRP, "93493-5")]
    chart = [patient(), condition(BROAD), *negative, enzyme(CK, "x", 4000, 500), biopsy]
    mapped, unmapped = EhrSimulator(chart), EhrSimulator(chart)
    _, audit = await opened(mapped, client={"site_map": site_map})
    assert audit["eligibility"] == "probable"
    doubted = condition(BROAD) | {"clinicalStatus": {"text": "odd"}}
    _, audit = await opened(EhrSimulator([*chart[:1], doubted, *chart[2:]]), client={"site_map": site_map})
    assert audit["eligibility"] == "unknown"
    _, audit = await opened(unmapped)
    assert (audit["eligibility"], unmapped.asked("Procedure"), audit["fhir_requests"]) == ("none", [], 4)


async def test_remarks_of_the_server_are_counted():
    warning = {"resource": sim.outcome("informational", "warning"), "search": {"mode": "outcome"}}
    ehr = EhrSimulator(imnm_chart()).bend(sim.changed(lambda b: b["entry"].append(warning)), "Condition")
    _, audit = await opened(ehr)
    assert audit["fhir_warnings"] == 1


REMARK = {"resource": sim.outcome("informational", "information"), "search": {"mode": "outcome"}}


def remarks(bundle: dict) -> None:
    """A server that remarks upon every search, and counts its remark among the matches."""
    if bundle["resourceType"] == "Bundle":
        bundle["entry"] = [*bundle.get("entry", []), REMARK]
        bundle["total"] += 1


async def test_remarks_that_the_server_counts_are_no_loss(clean):
    response, audit = await opened(EhrSimulator(imnm_chart()).bend(sim.changed(remarks)))
    assert (cards(response)[0]["detail"], audit["failed"]) == (clean["detail"], {})


async def test_and_leave_a_chart_without_the_disease_in_peace_for_three_requests():
    response, audit = await opened(EhrSimulator(healthy_chart("p1")).bend(sim.changed(remarks)))
    assert (cards(response), audit["fhir_requests"], audit["failed"]) == ([], 3, {})


@pytest.mark.parametrize(
    "alone",
    [
        {"resource": sim.outcome("processing", "warning"), "search": {"mode": "outcome"}},
        {"resource": {"resourceType": "Practitioner", "id": "x"}, "search": {"mode": "include"}},
        {"resource": {"resourceType": "Medication", "id": "x"}},
    ],
)
@pytest.mark.parametrize("ill", [True, False])
async def test_what_stands_in_the_place_of_the_one_diagnosis_is_no_empty_list(alone, ill):
    def withheld(bundle: dict) -> None:
        bundle.update(total=1, entry=[alone])

    chart = [patient(), condition()] if ill else healthy_chart("p1")
    ehr = EhrSimulator(chart).bend(sim.changed(withheld), "Condition")
    response, audit = await opened(ehr)
    assert "conditions: " in unread(response)
    assert list(audit["failed"]) == ["conditions"]


@pytest.mark.parametrize(
    "remark",
    [sim.outcome("processing"), sim.outcome("suppressed", "warning"), sim.outcome("incomplete", "warning")],
)
async def test_a_remark_that_something_is_missing_keeps_what_was_sent(remark):
    beside = {"resource": remark, "search": {"mode": "outcome"}}
    ehr = EhrSimulator(imnm_chart()).bend(sim.changed(lambda b: b["entry"].append(beside)), "Condition")
    response, audit = await opened(ehr)
    assert (audit["eligibility"], audit["outcome"], list(audit["failed"])) == (
        "definite",
        "abstained",
        ["conditions"],
    )
    assert "Could not be read: diagnoses (" in cards(response)[0]["detail"]


async def test_a_remark_in_the_place_of_a_match_is_never_an_empty_list():
    withheld = {"resource": sim.outcome("forbidden", "warning"), "search": {"mode": "match"}}
    ehr = EhrSimulator(healthy_chart("p1")).bend(
        sim.changed(lambda b: b["entry"].append(withheld)), "Condition"
    )
    response, _ = await opened(ehr)
    assert "conditions: the server withheld a match" in unread(response)


async def test_a_next_link_that_is_no_address_ends_in_words_and_not_in_an_error_of_ours():
    ehr = EhrSimulator(imnm_chart()).bend(sim.with_next("https://[ehr.example/fhir?page=2"), "Condition")
    _response, audit = await opened(ehr)
    assert audit["failed"] == {"conditions": "page 2: its address cannot be read"}


GROUPS = (
    ("patient",),
    ("conditions",),
    ("antibodies",),
    ("ana", "enzymes"),
    ("bloodCount", "cardiacTests", "lungFunction"),
)


async def test_every_subset_of_groups_of_keys_gives_the_same_card(clean):
    ehr = EhrSimulator(imnm_chart())
    async with running(ehr, settings()) as service:
        for size in range(len(GROUPS) + 1):
            for chosen in itertools.combinations(GROUPS, size):
                keys = tuple(itertools.chain(*chosen))
                response = await service.hook(call_body(prefetch=prefetch_of(imnm_chart(), keys) or None))
                assert cards(response)[0]["detail"] == clean["detail"], keys


@pytest.mark.parametrize(("setting", "expected"), [("412", 0), ("card", 1)])
async def test_a_thousand_charts_during_an_outage_put_no_card_on_a_chart_unasked(setting, expected):
    ehr = EhrSimulator().bend(sim.refuse_connection)
    async with running(ehr, settings(when_eligibility_unknown=setting)) as service:
        for number in range(1000):
            response = await service.hook(call_body(f"p{number}"))
            found = response.json().get("cards", [])
            assert (response.status_code, len(found)) == ((200, 1) if expected else (412, 0))
    assert len(service.audits()) == 1000
