"""Findings: what is assembled, what is left out, and what could not be read."""

import pytest
from msgspec.structs import replace

from fhir_mapping.evidence import RefusedFact
from fhir_mapping.findings import find
from fhir_mapping.record import Doubt, Refused, Value
from tests.support.facts import ago, diagnosis, record, result

CORE, BROAD = diagnosis("core", 1000), diagnosis("broad", 1000)
ANTIBODY = replace(result("anti-srp", None, 900), value=Value(text="positive"))
ILD = diagnosis("ild", 900)


def test_the_features_are_in_the_order_of_the_predictors():
    assert list(find(record()).features) == [
        "cardiac_involvement",
        "high_ana",
        "treatment_refractory",
        "high_drr",
    ]


def test_who_the_patient_is():
    found = find(record(CORE, sex="male", patient_id="p1"))
    assert (found.patient_id, found.age, found.sex, found.today.isoformat()) == (
        "p1",
        56,
        "male",
        "2026-03-01",
    )
    nobody = find(record(patient=None, patient_id="p1"))
    assert (nobody.patient_id, nobody.age, nobody.sex, nobody.eligibility.state) == (
        "p1",
        None,
        "",
        "unknown",
    )


def test_activity_context_and_factors_are_left_out_only_where_there_is_no_sign_of_myositis():
    facts = ILD, ANTIBODY, result("ck", 900, 9)
    none, possible, definite = (find(record(*facts, *more)) for more in ([], [BROAD], [CORE]))
    assert [f.eligibility.state for f in (none, possible, definite)] == ["none", "possible", "definite"]
    assert (none.activity, none.context, none.srp_refractory) == (None, (), None)
    for found in (possible, definite):
        assert found.activity is not None
        assert [f.finding for f in found.context] == ["ild", "cancer-window"]
        assert found.srp_refractory is not None


def test_of_a_patient_without_the_disease_a_card_asks_for_neither_predictors_nor_follow_up():
    facts = ILD, ANTIBODY, result("ck", 900, 9)
    none, whole = (find(record(*facts), explained=explained) for explained in (False, True))
    assert (none.features, none.follow_up.items, none.doubts) == ({}, {}, ())
    assert (none.eligibility, none.refused, none.today) == (whole.eligibility, whole.refused, whole.today)
    assert find(record(CORE, *facts), explained=False) == find(record(CORE, *facts))


def test_the_follow_up_knows_the_subtype():
    assert "lung-function" in find(record(CORE, ANTIBODY)).follow_up.items
    assert "lung-function" not in find(record(CORE)).follow_up.items


def test_refused_are_facts_with_a_code_we_read_and_those_of_another_patient():
    refused = (
        Refused("Observation/z", "undated", frozenset({"ck"})),
        Refused("Observation/z", "undated", frozenset({"ck"})),
        Refused("Observation/b", "other patient"),
        Refused("Observation/a", "undated"),
    )
    assert find(record(refused=refused)).refused == (
        RefusedFact("Observation/b", "other patient"),
        RefusedFact("Observation/z", "undated"),
    )


def test_notes_are_those_of_eligibility_and_of_the_predictors_each_once():
    undated = diagnosis("cardiac-a", None)
    found = find(record(diagnosis("core", None), diagnosis("dermatomyositis", 9), undated, undated))
    assert [n.rule for n in found.notes] == ["E6", "E9", "C1", "E9"]


NEEDED = [
    "patient",
    "conditions",
    "antibodies",
    "cardiacTests",
    "ana",
    "enzymes",
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
    "procedures",
]
OTHERS = ["bloodCount", "lungFunction", "encounters", "appointments", "orders", "reports"]


def test_unread_are_the_failed_queries_that_eligibility_or_a_predictor_needs():
    failed = dict.fromkeys([*reversed(NEEDED), *OTHERS], "timed out")
    found = find(record(CORE, failed=failed))
    assert list(found.unread) == NEEDED
    assert found.failed == failed


@pytest.mark.parametrize(
    ("failed", "not_read"),
    [
        ("patient", []),
        ("conditions", ["cardiac_involvement", "high_drr"]),
        ("cardiacTests", ["cardiac_involvement"]),
        ("ana", ["high_ana"]),
        ("enzymes", ["treatment_refractory", "high_drr"]),
        ("medicationAdministrations", ["treatment_refractory"]),
        ("procedures", ["treatment_refractory"]),
        ("reports", []),
    ],
)
def test_a_predictor_whose_source_failed_is_not_read_whatever_the_rest_says(failed, not_read):
    """S5: an absence, a doubt and a reason of the record would all be drawn from half a record."""
    doubts = (Doubt("Observation/d", "ana", "no unit", ago(1).last),)
    features = find(record(CORE, result("lvef", 60, 9), failed={failed: "timed out"}, doubts=doubts)).features
    assert [name for name, feature in features.items() if feature.reason == "not read"] == not_read
    assert {features[name].state for name in not_read} <= {"missing"}
    assert not any(features[name].barred_by or features[name].evidence for name in not_read)


def test_what_was_read_to_be_present_is_present_though_more_could_not_be_read():
    heart = find(record(CORE, result("lvef", 40, 9), failed={"cardiacTests": "timed out"})).features
    assert (heart["cardiac_involvement"].state, heart["cardiac_involvement"].rule) == ("present", "C2")


def test_what_was_left_out_of_a_resource_is_noted():
    found = find(record(losses=(("Condition/c", "recordedDate"),)))
    assert [(n.rule, n.text) for n in found.notes] == [
        ("F3", "Condition/c: recordedDate is of a wrong type and was left out")
    ]


@pytest.mark.parametrize(
    ("facts", "failed", "state"),
    [
        ([], [], "none"),
        ([], ["enzymes"], "none"),
        ([], ["patient"], "unknown"),
        ([], ["conditions"], "unknown"),
        ([], ["antibodies"], "unknown"),
        ([], ["ana", "cardiacTests", "encounters"], "none"),
        ([BROAD], ["enzymes"], "unknown"),
        ([ANTIBODY], ["enzymes"], "unknown"),
        ([BROAD, ANTIBODY], ["enzymes"], "possible"),
        ([BROAD, ANTIBODY], ["conditions"], "possible"),
        ([BROAD], [], "none"),
        ([CORE], ["enzymes"], "definite"),
        ([CORE], ["conditions"], "definite"),
    ],
)
def test_it_is_not_known_whether_this_is_a_patient_where_what_was_not_read_could_say_so(facts, failed, state):
    assert find(record(*facts, failed=dict.fromkeys(failed, "timed out"))).eligibility.state == state
