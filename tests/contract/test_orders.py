"""Rule V7: what a card suggests is orders that a client can place, and nothing of the patient but what they need."""

import copy
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.cards.assessment import assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.orders import check_suggestions, label
from cds_service.cards.render import render
from cds_service.demo.patients import chart
from cds_service.settings.client import Client
from fhir_mapping.checks import judge
from models.artefact import ModelError
from models.inputs import FOLLOW_UP_PARTS
from models.registry import default_folder, load_model
from tests.golden.charts import NAMES, explained
from tests.spec.language import AS_OF, read
from tests.spec.run import gathered_from, packaged_model
from tests.support.charts import condition, observation, patient
from tests.support.service import call_body, prefetch_of, running, settings
from tests.support.walker import Seen, order_flaws

MODELS: dict[str, Any] = {"ServiceRequest": ServiceRequest, "Appointment": Appointment}
NOTHING_DONE = "imnm; predictors 1001; anti-srp positive"
TODAY = "2026-03-01"
RELAPSE = "condition core clinical=relapse recorded=-10d @-1000d; anti-srp positive; predictors 1001"
ACTIVE = "imnm; anti-srp positive; predictors 1001; ck 9000 @-1d"
RISING = "imnm; anti-srp positive; predictors 1001; ck 5000 @-300d; ck 200 @-200d; ck 400 @-10d"
BY_WORDS = "condition uncoded display=IMNM"
REST_DONE = f"{NOTHING_DONE}; done visit troponin-ecg echo lung-function @-1d"


def card_of(record, **chosen):
    """The one card of a record of the specification's language."""
    (card,) = render(
        assess(judge(gathered_from(read(record)), AS_OF), packaged_model()), CardSettings(**chosen)
    )
    return card


def suggestions_of(record, **chosen):
    return card_of(record, **chosen)["suggestions"]


def resources_of(suggestions):
    return [action["resource"] for suggestion in suggestions for action in suggestion["actions"]]


def codes_of(suggestions):
    return [[action["resource"]["code"]["coding"][0]["code"] for action in s["actions"]] for s in suggestions]


def order_of(record, code, **chosen):
    """The one order of this code."""
    orders = resources_of(suggestions_of(record, **chosen))
    (order,) = (order for order in orders if order["code"]["coding"][0]["code"] == code)
    return order


VISIT, CK, AST, ALT, TROPONIN, ECG, ECHO = (
    *("306290009", "2157-6", "1920-8", "1742-6", "89579-7", "29303009", "40701008"),
)


@pytest.mark.parametrize(
    ("record", "codes"),
    [
        (NOTHING_DONE, [[CK, AST, ALT], [VISIT], [TROPONIN, ECG], [ECHO]]),
        (f"{NOTHING_DONE}; done ck-ast-alt @-1d", [[VISIT], [TROPONIN, ECG], [ECHO], ["19868-9"]]),
        (f"{NOTHING_DONE}; ck 100 @-1d", [[AST, ALT], [VISIT], [TROPONIN, ECG], [ECHO]]),
        (f"{NOTHING_DONE}; order ck ast @-1d", [[ALT], [VISIT], [TROPONIN, ECG], [ECHO]]),
        ("imnm; anti-srp positive; predictors 1?01", [["5048-4"], [CK, AST, ALT], [VISIT], [TROPONIN, ECG]]),
        ("imnm; anti-srp positive; predictors ?101", [[TROPONIN, ECG], [CK, AST, ALT], [VISIT], [ECHO]]),
        (BY_WORDS, [["33921-8"], ["93493-5"], [CK]]),
        (f"{BY_WORDS}; ck 100 @-1d; anti-srp positive", [["93493-5"]]),
    ],
)
def test_a_suggestion_creates_one_order_for_each_open_part(record, codes):
    assert codes_of(suggestions_of(record)) == codes


@pytest.mark.parametrize(
    "record", [NOTHING_DONE, RELAPSE, "imnm; anti-srp positive; predictors 1?01", BY_WORDS]
)
def test_a_client_that_takes_one_action_gets_the_same_orders_in_a_suggestion_each(record):
    together, single = suggestions_of(record), suggestions_of(record, one_action=True)
    assert [len(each["actions"]) for each in single] == [1] * len(resources_of(together))
    assert resources_of(single) == resources_of(together)
    assert len(together) <= 4


def test_the_suggestions_of_single_actions_have_labels_and_uuids_of_their_own():
    single = suggestions_of(NOTHING_DONE, one_action=True)
    assert [each["label"] for each in single][:3] == ["Order: CK", "Order: AST", "Order: ALT"]
    assert len({each["uuid"] for each in single}) == len(single)


@pytest.mark.parametrize("record", [NOTHING_DONE, RELAPSE, BY_WORDS])
@pytest.mark.parametrize("visit_as", ["referral", "appointment"])
def test_every_resource_is_valid_and_no_more_than_a_draft_or_a_proposal(record, visit_as):
    for resource in resources_of(suggestions_of(record, visit_as=visit_as)):
        MODELS[resource["resourceType"]].model_validate(resource)
        said = (resource["resourceType"], resource["status"], resource.get("intent"))
        assert said in {("ServiceRequest", "draft", "proposal"), ("Appointment", "proposed", None)}


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (VISIT, "3457005"),
        (CK, "108252007"),
        (TROPONIN, "108252007"),
        (ECG, "103693007"),
        (ECHO, "363679005"),
    ],
)
def test_an_order_has_the_category_of_what_it_orders(code, category):
    (found,) = order_of(NOTHING_DONE, code)["category"]
    assert [(c["system"], c["code"]) for c in found["coding"]] == [("http://snomed.info/sct", category)]


@pytest.mark.parametrize(
    ("record", "code", "until"),
    [
        (NOTHING_DONE, CK, "2026-03-08"),
        (NOTHING_DONE, VISIT, "2026-03-29"),  # high: 42 days, 28 at most
        (f"{NOTHING_DONE}; done visit @-50d", VISIT, "2026-03-29"),
        (RELAPSE, VISIT, "2026-03-15"),  # relapse: 14 days
        (f"{REST_DONE}; done ck-ast-alt @-18d", CK, "2026-03-11"),  # due
        (f"{REST_DONE}; done ck-ast-alt @-27d", CK, "2026-03-08"),  # due tomorrow: at least 7 days
        (BY_WORDS, CK, "2026-03-08"),
    ],
)
def test_an_order_is_for_today_until_the_due_day_a_week_at_least(record, code, until):
    order = order_of(record, code)
    assert order["occurrencePeriod"] == {"start": TODAY, "end": until}
    assert order["authoredOn"] == TODAY


@pytest.mark.parametrize(
    ("record", "priority"),
    [
        (RELAPSE, "urgent"),
        (ACTIVE, "urgent"),
        (RISING, "routine"),
        (NOTHING_DONE, "routine"),
        (BY_WORDS, "routine"),
    ],
)
def test_only_a_relapse_and_active_disease_make_an_order_urgent(record, priority):
    assert {order["priority"] for order in resources_of(suggestions_of(record))} == {priority}


@pytest.mark.parametrize(
    ("record", "condition_id", "named"),
    [
        (NOTHING_DONE, "r0", True),
        ("condition ild; condition core @-900d; predictors 1001", "r1", True),
        ("condition broad; anti-srp positive; ck 5000 @-400d; predictors 1001", "r0", True),
        (BY_WORDS, "r0", False),
        ("condition broad; anti-srp positive", "r0", False),
        ("anti-srp positive; ck 5000 @-400d", None, False),
    ],
)
def test_an_order_gives_the_diagnosis_as_its_reason_but_no_code_where_it_is_only_asked(
    record, condition_id, named
):
    for order in resources_of(suggestions_of(record)):
        assert order.get("reasonReference") == (
            [{"reference": f"Condition/{condition_id}"}] if condition_id else None
        )
        codes = [coding["code"] for concept in order.get("reasonCode", ()) for coding in concept["coding"]]
        assert codes == (["715863001"] if named else [])


@pytest.mark.parametrize("wrong", ["a b", "../Patient/2", "<b>", "a_b", "x" * 65, ".."])
def test_a_condition_whose_id_is_none_is_not_referred_to(wrong):
    record = read(NOTHING_DONE)
    next(r for r in record.resources if r["resourceType"] == "Condition")["id"] = wrong
    (card,) = render(assess(judge(gathered_from(record), AS_OF), packaged_model()), CardSettings())
    assert all("reasonReference" not in order for order in resources_of(card["suggestions"]))


@pytest.mark.parametrize(
    ("record", "code", "note"),
    [
        (f"{NOTHING_DONE}; done ck-ast-alt @-40d", CK, "CK: overdue, last 2026-01-20."),
        (f"{REST_DONE}; done ck-ast-alt @-20d", CK, "CK: due, last 2026-02-09."),
        (NOTHING_DONE, ECG, "ECG: never done."),
        (NOTHING_DONE, VISIT, "Visit: never done."),
        (
            "imnm; anti-srp positive; predictors 1?01",
            "5048-4",
            "ANA titre: of all open tests it would tell most about the risk of recurrence.",
        ),
        ("imnm; anti-srp positive; predictors ?101", ECG, "ECG: never done."),
        (
            BY_WORDS,
            "33921-8",
            "Anti-SRP: would help to tell whether this is immune-mediated necrotizing myopathy.",
        ),
    ],
)
def test_an_order_says_in_one_sentence_why(record, code, note):
    assert order_of(record, code)["note"] == [{"text": note}]


def test_a_visit_can_be_asked_for_as_an_appointment():
    orders = resources_of(suggestions_of(RELAPSE, visit_as="appointment", encounter="Encounter/e"))
    (visit,) = (order for order in orders if order["resourceType"] == "Appointment")
    assert visit == {
        "resourceType": "Appointment",
        "status": "proposed",
        "serviceType": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/service-type",
                        "code": "182",
                        "display": "Rheumatology",
                    }
                ]
            }
        ],
        "specialty": [
            {"coding": [{"system": "http://snomed.info/sct", "code": "394810000", "display": "Rheumatology"}]}
        ],
        "reasonReference": [{"reference": "Condition/r0"}],
        "description": "Visit: never done.",
        "created": TODAY,
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "needs-action"}],
        "requestedPeriod": [{"start": TODAY, "end": "2026-03-15"}],
    }
    assert {order["resourceType"] for order in orders} == {"Appointment", "ServiceRequest"}


OWN = {
    "system": "urn:com.epic.cdshooks.action.code.system.preference-list-item",
    "code": "4711",
    "display": "Own",
}


def test_a_clients_code_takes_the_place_of_ours():
    orders = resources_of(suggestions_of(NOTHING_DONE, order_codes={"ecg": OWN}))
    assert [OWN] in [order["code"]["coding"] for order in orders]
    assert ECG not in json.dumps(orders)


@pytest.mark.parametrize(("visit_as", "place"), [("referral", "code"), ("appointment", "serviceType")])
def test_a_clients_code_for_a_visit_stands_where_it_orders_one(visit_as, place):
    _, visit, *_ = suggestions_of(NOTHING_DONE, order_codes={"visit": OWN}, visit_as=visit_as)
    (visit,) = resources_of([visit])
    concepts = visit[place] if isinstance(visit[place], list) else [visit[place]]
    assert [concept["coding"] for concept in concepts] == [[OWN]]


@pytest.mark.parametrize("one_action", [True, False])
def test_parts_with_one_code_are_ordered_once_and_the_order_says_what_for(one_action):
    own = dict.fromkeys(("ck", "ast", "alt"), OWN)
    record = f"{NOTHING_DONE}; ck 100 @-40d"
    panel, *_ = suggestions_of(record, order_codes=own, one_action=one_action)
    (action,) = panel["actions"]
    assert (panel["label"], action["description"]) == (
        "Order: CK, AST, ALT",
        "Order: CK, AST, ALT, by 2026-03-08",
    )
    assert action["resource"]["code"] == {"coding": [OWN], "text": "CK, AST, ALT"}
    (note,) = action["resource"]["note"]
    assert note["text"].startswith("CK: overdue, last 2026-01-20; AST: ")


def test_a_code_that_an_earlier_suggestion_holds_is_not_suggested_again():
    done = f"{NOTHING_DONE}; done ck-ast-alt @-1d"
    first, second, *_ = suggestions_of(done, order_codes={"visit": OWN, "ecg": OWN})
    assert codes_of([first, second]) == [["4711"], [TROPONIN]]
    assert second["label"] == "Order: troponin I"
    offered = suggestions_of(NOTHING_DONE, order_codes={"visit": OWN, "echo": OWN})
    assert [each["label"] for each in offered] == [
        "Order: CK, AST, ALT",
        "Refer to rheumatology",
        "Order: troponin I, ECG",
    ]


@pytest.mark.parametrize(("part", "role", "code"), [("ck", "ck", CK), ("visit", "referral", VISIT)])
def test_an_order_under_a_clients_code_is_known_as_placed_by_the_site_map(part, role, code):
    own = {part: {"system": "urn:imnm-cds:local", "code": "own", "display": "Own"}}
    record = f"{NOTHING_DONE}; site own {role}; order local:own @-1d"
    ordered = [each for one in codes_of(suggestions_of(record, order_codes=own)) for each in one]
    assert not {"own", code} & set(ordered)


@pytest.mark.parametrize("visit_as", ["referral", "appointment"])
def test_every_label_fits_a_button(visit_as):
    chosen = CardSettings(visit_as=visit_as)
    labels = [label(parts, chosen) for parts in [*FOLLOW_UP_PARTS.values(), ("ana",)]]
    assert all(len(each) <= 80 for each in labels)
    assert len(set(labels)) == len(labels)


def uuids_of(record, **chosen):
    return [UUID(each["uuid"]) for each in suggestions_of(record, **chosen)]


@pytest.mark.parametrize("record", [NOTHING_DONE, RELAPSE, BY_WORDS])
def test_the_uuids_of_suggestions_are_distinct_and_their_first_half_stays(record):
    here, there = uuids_of(record, instance="a"), uuids_of(record, instance="b")
    assert len({*here, *there, UUID(card_of(record)["uuid"])}) == 2 * len(here) + 1
    assert [u.int >> 64 for u in here] == [u.int >> 64 for u in there]
    assert uuids_of(record, instance="a") == here


def test_other_open_parts_of_an_item_are_another_suggestion():
    all_three, *_ = uuids_of(NOTHING_DONE)
    two, *_ = uuids_of(f"{NOTHING_DONE}; ck 100 @-1d")
    assert all_three.int >> 64 != two.int >> 64


CHART = [patient(), condition()]
CK_9000 = {"value": 9000, "unit": "U/L", "system": "http://unitsofmeasure.org", "code": "U/L"}


async def answered(context, **client):
    async with running(configured=settings(**client)) as service:
        body = call_body(context={"patientId": "p1", "userId": "Practitioner/1"} | context)
        answer = await service.hook(body | {"prefetch": prefetch_of(CHART)})
    (card,) = answer.json()["cards"]
    return resources_of(card["suggestions"])


@pytest.mark.parametrize(
    ("context", "encounter", "requester"),
    [
        ({"encounterId": "e1"}, {"reference": "Encounter/e1"}, {"reference": "Practitioner/1"}),
        ({"userId": "PractitionerRole/r"}, None, {"reference": "PractitionerRole/r"}),
        ({"userId": "Practitioner/a b", "encounterId": "a/b"}, None, None),
        ({"userId": "Practitioner/.."}, None, None),
    ],
)
async def test_an_order_names_encounter_and_requester_where_the_hook_does(context, encounter, requester):
    orders = await answered(context)
    assert orders
    for order in orders:
        assert (order.get("encounter"), order.get("requester")) == (encounter, requester)


async def test_what_is_ordered_for_a_patient_who_could_not_be_read_is_for_the_patient_of_the_chart():
    given = prefetch_of([*CHART, observation("2157-6", "ck", valueQuantity=CK_9000)])
    del given["patient"]
    async with running() as service:
        answer = await service.hook(call_body(fhirServer=None, prefetch=given))
    (card,) = answer.json()["cards"]
    assert card["indicator"] == "warning"
    orders = [action["resource"] for suggestion in card["suggestions"] for action in suggestion["actions"]]
    assert {order["subject"]["reference"] for order in orders} == {"Patient/p1"}


async def test_what_a_client_has_configured_reaches_its_cards():
    own = {"ck": OWN}
    orders = await answered({}, order_codes=own, one_action=True, visit_as="appointment")
    assert "Appointment" in {order["resourceType"] for order in orders}
    assert [OWN] in [order["code"]["coding"] for order in orders if "code" in order]


def test_a_policy_that_would_give_no_valid_order_stops_the_start_with_one_line():
    model = load_model(default_folder())
    ecg = model.policy.orders["ecg"]
    broken = replace(ecg, code=replace(ecg.code, code=" "))
    policy = replace(model.policy, orders={**model.policy.orders, "ecg": broken})
    with pytest.raises(ModelError) as caught:
        check_suggestions(replace(model, policy=policy), CardSettings(client="hospital"))
    assert str(caught.value).startswith("client hospital: a suggested ServiceRequest is no valid FHIR: code")
    assert "\n" not in str(caught.value)
    check_suggestions(model, CardSettings(order_codes={"visit": OWN}))


def test_what_the_configuration_accepts_is_valid_in_an_order():
    codes = {"ck": {"system": "urn:x", "code": "a b", "display": "ÄÖ"}}
    client = Client(name="a", order_codes=codes)
    check_suggestions(
        packaged_model(), CardSettings(order_codes={p: c.model_dump() for p, c in client.order_codes.items()})
    )


# The walker that looks at every answer of every test


SEEN = Seen({"p1"}, {"Encounter/e", "Practitioner/u"}, {"p1": {"Condition/r0"}})


def flaws_after(change, **chosen):
    whole = card_of(NOTHING_DONE, encounter="Encounter/e", user="Practitioner/u", **chosen)
    card = copy.deepcopy(whole)
    change(card["suggestions"])
    return list(order_flaws({"cards": [card]}, SEEN))


def order(suggestions):
    return suggestions[0]["actions"][0]["resource"]


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda s: order(s)["code"]["coding"].append(OWN), "ServiceRequest with 2 codings in one concept"),
        (lambda s: order(s)["code"]["coding"][0].pop("display"), "ServiceRequest with a coding that lacks"),
        *(
            (lambda s, name=name: order(s).pop(name), f"ServiceRequest without {name}")
            for name in ("category", "priority", "occurrencePeriod", "authoredOn", "note", "subject")
        ),
        (lambda s: order(s)["occurrencePeriod"].update(end="2026-02-28"), "ServiceRequest with a period"),
        (lambda s: order(s)["subject"].update(reference="Patient/p2"), "orders for two patients"),
        (
            lambda s: order(s)["encounter"].update(reference="Encounter/x"),
            "ServiceRequest with a reference that",
        ),
        (
            lambda s: order(s)["requester"].update(reference="Practitioner/x"),
            "ServiceRequest with a reference that",
        ),
        (
            lambda s: order(s)["reasonReference"][0].update(reference="Condition/x"),
            "ServiceRequest with a reference",
        ),
        (lambda s: order(s).update(status="active"), "ServiceRequest that is more than a draft"),
        (lambda s: order(s).update(intent="order"), "ServiceRequest that is more than a draft"),
        (lambda s: s.append(s[0]), "uuid twice"),
        (lambda s: s[0]["actions"].append(s[0]["actions"][0]), "description twice"),
        (lambda s: s[0].update(label="x" * 81), "label too long"),
        (lambda s: s[0]["actions"][0].update(type="update"), "no create"),
    ],
)
def test_the_walker_finds_what_is_wrong_with_an_order(change, flaw):
    assert any(found.startswith(flaw) for found in flaws_after(change))


def test_the_walker_finds_nothing_in_sound_orders_and_looks_into_no_card_of_others():
    for visit_as in ("referral", "appointment"):
        assert flaws_after(lambda _: None, visit_as=visit_as) == []
    foreign = {"source": {"label": "Kidneys"}, "suggestions": [{"label": "Order creatinine"}]}
    assert list(order_flaws({"cards": [foreign]}, SEEN)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_orders_for_a_sample_patient_are_sound(name):
    held = (entry["resource"] for entry in chart(name)["entry"])
    conditions = {f"Condition/{each['id']}" for each in held if each["resourceType"] == "Condition"}
    assert list(order_flaws(explained(name), Seen({name}, {"Practitioner/p"}, {name: conditions}))) == []
