"""Cards against CDS Hooks and our strictest common profile: valid everywhere, and honest on every one."""

import json
import re
from decimal import Decimal
from uuid import UUID

import pytest

from cds_service.cards.assessment import assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.figures import amount, one_line
from cds_service.cards.identity import CALL_BITS, CHECK_BITS
from cds_service.cards.render import render
from cds_service.cards.to_do import to_do
from cds_service.commands.chart_file import read_bundle
from cds_service.commands.explain import caller_for, from_bytes
from cds_service.demo.patients import chart
from cds_service.settings.client import Client
from fhir_mapping.checks import judge
from fhir_mapping.evidence import Measured
from fhir_mapping.record import Source
from models.registry import default_folder, load_model
from tests.golden.charts import AS_OF, NAMES
from tests.support.changes import replace

CALLER = caller_for(Client(name="test", accept_unknown_status=True))
MEMBERS = {
    *(
        "uuid",
        "summary",
        "detail",
        "indicator",
        "source",
        "overrideReasons",
        "suggestions",
        "selectionBehavior",
    ),
}


def assessment(name, change=lambda bundle: bundle):
    return from_bytes(json.dumps(change(chart(name))).encode(), CALLER, AS_OF)


def cards_of(name, **settings):
    return render(assessment(name), CardSettings(**settings))


CARDS = {name: card for name in NAMES for card in cards_of(name)}


@pytest.fixture(params=list(CARDS))
def card(request):
    return CARDS[request.param]


def test_a_card_has_the_members_of_the_profile_and_no_others(card):
    assert set(card) <= MEMBERS
    assert {"uuid", "summary", "detail", "indicator", "source", "overrideReasons"} <= set(card)
    assert card["indicator"] in {"info", "warning"}
    assert ("suggestions" in card) == ("selectionBehavior" in card)
    assert card.get("selectionBehavior", "any") == "any"
    assert len(card.get("suggestions", [])) <= 4


def test_the_summary_is_shorter_than_140_characters_in_code_points_and_utf_16(card):
    assert len(card["summary"]) <= 139
    assert len(card["summary"].encode("utf-16-le")) // 2 <= 139


def test_the_detail_is_markdown_without_html_and_ends_with_the_limits_line(card):
    assert "<" not in card["detail"].replace("| < 1 %", "")
    assert "reconstructed" in card["detail"].splitlines()[-1].lower()
    assert re.search(r"^\*.*\*$", card["detail"].splitlines()[-1])


def test_the_source_says_what_kind_of_model_it_is_and_its_topic_never_changes(card):
    assert "literature-reconstructed" in card["source"]["label"]
    assert card["source"]["url"].startswith("https://")
    assert card["source"]["topic"] == CARDS["high-overdue"]["source"]["topic"]
    assert re.fullmatch("[A-Za-z0-9]{1,100}", card["source"]["topic"]["code"])


def test_every_reason_to_dismiss_has_code_system_and_display(card):
    assert card["overrideReasons"]
    for reason in card["overrideReasons"]:
        assert set(reason) == {"code", "system", "display"}
        assert reason["system"] == "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


def test_sections_come_in_the_fixed_order():
    detail = CARDS["ici-myocarditis"]["detail"]
    marks = [
        "**Active disease:**",
        "Troponin T ",
        "**To do**",
        "| Predictor |",
        "After improvement: ",
        "Peak ",
        "Cancer screening: ",
        "*Weights reconstructed",
    ]
    places = [detail.index(mark) for mark in marks]
    assert places == sorted(places)


def test_a_possible_relapse_is_the_headline_before_any_risk():
    card = CARDS["relapse-now"]
    assert card["summary"] == (
        "Possible IMNM relapse: CK 1,030 U/L (6.1 × ULN), 8.7 × its lowest; repeat CK, visit within 14 days"
    )
    assert card["indicator"] == "warning"
    assert card["detail"].startswith("**Possible relapse:** CK 1,030 U/L")
    assert "%" not in card["summary"] + card["detail"]


def ck_up_to(most):
    """Make an interval of the latest CK of a chart."""

    def change(bundle):
        cks = [entry["resource"] for entry in bundle["entry"] if '"2157-6"' in json.dumps(entry)]
        latest = max(cks, key=lambda ck: ck.get("effectiveDateTime", ""))
        low = latest.pop("valueQuantity")
        latest["valueRange"] = {"low": low, "high": low | {"value": most}}
        return bundle

    return change


def test_of_a_ck_that_is_an_interval_both_ends_are_said():
    (card,) = render(assessment("relapse-now", ck_up_to(1500)), CardSettings())
    assert "CK 1,030 to 1,500 U/L (6.1 to 8.8 × ULN)" in card["summary"]
    assert "CK 1,030 to 1,500 U/L" in card["detail"]


@pytest.mark.parametrize(
    ("comparator", "said"), [("", "20 to 20,000"), (">", "over 20"), ("<", "under 20,000")]
)
def test_of_a_number_of_two_readings_a_bound_says_what_is_certain(comparator, said):
    ck = Measured(Decimal(20), "U/L", Decimal("0.1"), "2026-01-01", "Observation/1", comparator)
    assert amount(replace(ck, upto=Decimal(20000), times_upto=Decimal(100))) == said


def test_the_question_whether_it_is_imnm_names_an_active_statin_first_where_anti_hmgcr_is_positive():
    def on_atorvastatin(bundle):
        listed = {
            "resourceType": "MedicationStatement",
            "id": "statin",
            "status": "active",
            "subject": {"reference": "Patient/possible-imnm"},
            "effectivePeriod": {"start": "2024-05-02"},
            "medicationCodeableConcept": {
                "coding": [{"system": "http://www.whocc.no/atc", "code": "C10AA05"}]
            },
        }
        bundle["entry"].append({"resource": listed})
        return bundle

    (card,) = render(assessment("possible-imnm", on_atorvastatin), CardSettings())
    assert card["summary"].startswith("Is this IMNM?")
    assert card["detail"].startswith("**Warning: atorvastatin since 2024-05-02 in anti-HMGCR disease.**")


@pytest.mark.parametrize("at_most", [1, 4])
def test_a_patient_for_whom_everything_is_ordered_gets_a_list_too(at_most):
    found = assessment("remission-old")
    ordered = tuple(replace(i, state="planned", parts=()) for i in found.advice.follow_up)
    every = replace(found, advice=replace(found.advice, follow_up=ordered * 2, suggestions=()))
    _head, _blank, *lines = to_do(every, at_most).splitlines()
    assert len(lines) == at_most + 1
    assert lines[0] == "- visit (rheumatology or neurology): ordered"
    assert lines[-1] == f"- and {2 * len(ordered) - at_most} more"


def test_uuids_are_of_version_8_and_all_different():
    uuids = [c["uuid"] for c in CARDS.values()]
    uuids += [s["uuid"] for c in CARDS.values() for s in c.get("suggestions", [])]
    assert len(set(uuids)) == len(uuids)
    assert {UUID(u).version for u in uuids} == {8}


def test_the_first_48_bits_stay_while_the_state_stays_and_those_of_the_call_are_its_own():
    one, other = (UUID(cards_of("high-overdue", instance=i)[0]["uuid"]) for i in ("a", "b"))
    assert stable(one) == stable(other)
    assert of_the_call(one) != of_the_call(other)
    again = UUID(cards_of("srp-ild", instance="a")[0]["uuid"])
    assert of_the_call(again) == of_the_call(one)


@pytest.mark.parametrize("change", [{"secret": b"another secret"}, {"client": "other"}, {"service": "other"}])
def test_the_first_48_bits_change_with_secret_client_and_service(change):
    assert stable(UUID(cards_of("high-overdue", **change)[0]["uuid"])) != stable(
        UUID(CARDS["high-overdue"]["uuid"])
    )


def stable(uuid):
    return uuid.int >> 80


def of_the_call(uuid):
    return uuid.int >> CHECK_BITS & (1 << CALL_BITS) - 1


def unread(*keys):
    """A chart from which these sources are missing because they timed out; nothing but the rest was read."""
    record = read_bundle(json.dumps(chart("high-overdue")).encode(), CALLER.mapping)
    sources = {**record.sources, **{key: Source("failed", (), "timed out") for key in keys}}
    (card,) = render(
        assess(judge(replace(record, sources=sources), AS_OF), load_model(default_folder())), CardSettings()
    )
    return card


def test_after_a_failure_the_card_names_what_was_not_read_and_offers_nothing():
    card = unread("enzymes", "ana")
    assert "suggestions" not in card
    detail = card["detail"]
    assert "(timed out). Open the chart again." in detail
    assert "| Treatment refractory | not read (timed out) |" in detail
    assert "The one test that" not in detail
    assert "What would help" not in detail
    assert "missing" not in detail.split("| Predictor |")[1].split("\n\n")[0]


def test_what_was_read_to_be_present_stays_after_a_failure():
    assert "| High ANA titre | **present**: 1:640, 2023-05-12 |" in unread("ana")["detail"]


def test_too_little_known_where_no_test_would_help_asks_for_none():
    found = assessment("too-few")
    outcome = replace(found.outcome, needs=(), next_best_test=None)
    (card,) = render(replace(found, outcome=outcome), CardSettings())
    assert "No risk estimate: 1 of 4 predictors known, 2 are needed." in card["detail"]


def with_doubts(bundle):
    """Four CK after the last that was read, each of which cannot be used for its own reason; the notes are others'."""
    for day, change in (
        ("2026-02-20", {"status": "preliminary"}),
        ("2026-02-21", {"valueQuantity": {"value": 9000, "unit": "parsec"}}),
        ("2026-02-22", {"valueQuantity": {"value": 9000}}),
        ("2026-02-23", {"valueQuantity": None, "valueString": "see the letter of Dr. Secret"}),
    ):
        ck = {
            "resourceType": "Observation",
            "id": f"late-{day}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}], "text": "Secret"},
            "subject": {"reference": "Patient/low-quiet"},
            "effectiveDateTime": day,
            "valueQuantity": {"value": 9000, "unit": "U/L"},
        }
        resource = {key: value for key, value in (ck | change).items() if value is not None}
        bundle["entry"].append({"resource": resource})
    return bundle


def test_one_line_names_the_three_newest_doubts_and_how_many_others_there_are():
    (card,) = render(assessment("low-quiet", with_doubts), CardSettings())
    (line,) = (line for line in card["detail"].splitlines() if "Could not be used" in line)
    assert line == (
        "Could not be used: CK of 2026-02-23 (no number); CK of 2026-02-22 (no unit); "
        "CK of 2026-02-21 (unknown unit); 1 more."
    )
    assert "Secret" not in json.dumps(card)


def test_a_doubt_is_named_in_words_of_people():
    def damaged(bundle):
        for entry in bundle["entry"]:
            codings = entry["resource"].get("code", {}).get("coding", [{}])
            if entry["resource"]["resourceType"] == "Observation" and codings[0].get("code") in {
                "1920-8",
                "5048-4",
            }:
                entry["resource"].pop("subject")
        return bundle

    (card,) = render(assessment("low-quiet", damaged), CardSettings())
    (line,) = (line for line in card["detail"].splitlines() if "Could not be used" in line)
    assert re.search(r"(AST|ANA) of \d{4}-\d\d-\d\d \(no subject\)", line)


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "![i](http://x.example/)",
    "\u202eevil|x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_of_the_record_never_reaches_a_card(text):
    def poison(bundle):
        for entry in bundle["entry"]:
            resource = entry["resource"]
            for member in ("note", "description", "comment"):
                resource[member] = [{"text": text}]
            if "code" in resource:
                resource["code"]["text"] = text
                for coding in resource["code"].get("coding", []):
                    coding["display"] = text
            if "valueQuantity" in resource:
                resource["valueQuantity"]["unit"] = text
            if resource["resourceType"] == "Patient":
                resource["name"] = [{"text": text, "given": [text]}]
        return bundle

    for name in ("high-overdue", "srp-fvc-fall", "ici-myocarditis", "statin-active"):
        said = json.dumps(render(assessment(name, poison), CardSettings()), ensure_ascii=False)
        assert said != "[]"
        for piece in ("onerror", "javascript", "x.example", "\u202e"):
            assert piece not in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one two", "one two"),
        ("one two three", "one…"),
        ("one  two\n", "one two"),
        ("onetwothree", "onetwo…"),
        ("one twothree four", "one…"),
    ],
)
def test_words_from_outside_that_are_too_long_are_cut_between_two_and_said_to_be(text, line):
    assert one_line(text, 7) == line
