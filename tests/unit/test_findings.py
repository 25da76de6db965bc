"""Findings: what is assembled, what is left out, and what could not be read."""

from dataclasses import replace

import pytest

from fhir_mapping.evidence import RefusedFact
from fhir_mapping.findings import find
from fhir_mapping.record import Refused, Value
from fhir_mapping.terms import CodeRow
from tests.support.facts import diagnosis, record, result, tables

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
    found = find(record(CORE, sex="male"))
    assert (found.patient_id, found.age, found.sex, found.today.isoformat()) == (
        "p1",
        56,
        "male",
        "2026-03-01",
    )
    nobody = find(record(patient=None))
    assert (nobody.patient_id, nobody.age, nobody.sex, nobody.eligibility_complete) == ("", None, "", False)


def test_activity_context_and_factors_are_left_out_only_where_there_is_no_sign_of_myositis():
    facts = ILD, ANTIBODY, result("ck", 900, 9)
    none, possible, definite = (find(record(*facts, *more)) for more in ([], [BROAD], [CORE]))
    assert [f.eligibility.state for f in (none, possible, definite)] == ["none", "possible", "definite"]
    assert (none.activity, none.context, none.srp_refractory) == (None, (), None)
    for found in (possible, definite):
        assert found.activity is not None
        assert [f.finding for f in found.context] == ["ild"]
        assert found.srp_refractory is not None


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
    "ana",
    "enzymes",
    "cardiacTests",
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
]
OTHERS = ["bloodCount", "lungFunction", "encounters", "appointments", "orders", "procedures", "reports"]


def test_unread_are_the_failed_queries_that_eligibility_or_a_predictor_needs():
    failed = dict.fromkeys([*reversed(NEEDED), *OTHERS], "timed out")
    found = find(record(CORE, failed=failed))
    assert list(found.unread) == NEEDED
    assert found.failed == failed


def test_procedures_are_needed_where_the_site_codes_plasma_exchange():
    site = tables().with_site_map([CodeRow("urn:local", "PLEX", "PLEX", "plasma-exchange", "site")])
    found = find(record(CORE, failed={"procedures": "HTTP 503"}, settings={"tables": site}))
    assert found.unread == {"procedures": "HTTP 503"}


@pytest.mark.parametrize(
    ("facts", "failed", "complete"),
    [
        ([], [], True),
        ([], ["enzymes"], True),
        ([], ["patient"], False),
        ([], ["conditions"], False),
        ([], ["antibodies"], False),
        ([], ["ana", "cardiacTests", "encounters"], True),
        ([BROAD], ["enzymes"], False),
        ([ANTIBODY], ["enzymes"], False),
        ([BROAD, ANTIBODY], ["enzymes"], True),
        ([BROAD], [], True),
        ([CORE], ["enzymes"], True),
        ([CORE], ["conditions"], False),
    ],
)
def test_eligibility_is_complete_if_nothing_unread_could_change_it(facts, failed, complete):
    assert find(record(*facts, failed=dict.fromkeys(failed, "timed out"))).eligibility_complete == complete
