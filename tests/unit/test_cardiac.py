"""Cardiac involvement (C1 to C6), fact by fact."""

import pytest

from fhir_mapping.rules.predictors.cardiac import cardiac_involvement
from tests.support.facts import AS_OF, ago, diagnosis, record, result

ONSET = ago(1000).first
MYOCARDITIS, FAILURE, BLOCK = "cardiac-a", "cardiac-a heart-failure", "cardiac-c"
CAUSE = diagnosis("heart-failure-cause", 5000)


def seen(*facts, onset=ONSET, **options):
    feature = cardiac_involvement(record(*facts, **options), onset)
    return " ".join(filter(None, (feature.state, feature.rule, feature.reason)))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([diagnosis(MYOCARDITIS, 1365)], "present C1"),
        ([diagnosis(MYOCARDITIS, 1366)], "indeterminate C3 pre-existing"),
        ([diagnosis(MYOCARDITIS, None)], "present C1"),
        ([diagnosis(MYOCARDITIS, 100, clinical="resolved")], "present C1"),
        ([diagnosis(MYOCARDITIS, 100, confirmed=False)], "indeterminate M1 unconfirmed"),
        ([diagnosis(MYOCARDITIS, 1366, confirmed=False)], "indeterminate M1 unconfirmed"),
        ([diagnosis(FAILURE, 100)], "present C1"),
        ([diagnosis(FAILURE, 100), CAUSE], "indeterminate C4 otherwise explained"),
        ([diagnosis(FAILURE, 100), diagnosis("heart-failure-cause", 9, confirmed=False)], "present C1"),
        ([diagnosis(FAILURE, 1366), CAUSE], "indeterminate C3 pre-existing"),
        ([diagnosis(MYOCARDITIS, 100), diagnosis(FAILURE, 100), CAUSE], "present C1"),
        ([diagnosis(BLOCK, 1365)], "indeterminate C3 conduction disorder or arrhythmia"),
        ([diagnosis(BLOCK, 1366)], "missing C6 not assessed"),
        ([diagnosis(BLOCK, None)], "indeterminate C3 conduction disorder or arrhythmia"),
        ([diagnosis(BLOCK, 100, confirmed=False)], "indeterminate M1 unconfirmed"),
        ([diagnosis(BLOCK, 1366, confirmed=False)], "indeterminate M1 unconfirmed"),
        ([CAUSE], "missing C6 not assessed"),
        ([], "missing C6 not assessed"),
    ],
)
def test_diagnoses_of_the_heart(facts, state):
    assert seen(*facts) == state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([result("lvef", 49.9, 1365)], "present C2"),
        ([result("lvef", 49.9, 1366)], "missing C6 not assessed"),
        ([result("lvef", 50, 1365)], "missing C6 not assessed"),
        ([result("lvef", 50, 365)], "absent C6"),
        ([result("lvef", 50, 366)], "missing C6 not assessed"),
        ([result("lvef", 50, 100, comparator="<")], "present C2"),
        ([result("lvef", 50, 100, comparator="<=")], "missing C6 not assessed"),
        ([result("lvef", 50, 100, comparator=">=")], "absent C6"),
        ([result("lvef", 45, 100, comparator=">")], "missing C6 not assessed"),
        ([result("lvef", 60, 300), result("lvef", 55, 100, comparator="<")], "missing C6 not assessed"),
        ([result("lvef", None, 100)], "missing C6 not assessed"),
        ([result("lvef", 40, 100), CAUSE], "indeterminate C4 otherwise explained"),
        ([result("lvef", 40, 1366), CAUSE], "missing C6 not assessed"),
        ([result("lvef", 40, 100), diagnosis(MYOCARDITIS, 100), CAUSE], "present C1"),
    ],
)
def test_ejection_fraction(facts, state):
    assert seen(*facts) == state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([result("troponin-i", 14, 365)], "absent C6"),
        ([result("troponin-i", 14, 366)], "missing C6 not assessed"),
        ([result("troponin-i", 14.1, 365)], "indeterminate C3 troponin I raised"),
        ([result("troponin-i", 14.1, 366)], "missing C6 not assessed"),
        ([result("troponin-i", 50, 100), result("troponin-i", 5, 50)], "absent C6"),
        ([result("troponin-i", 5, 100), result("troponin-i", 50, 50)], "indeterminate C3 troponin I raised"),
        (
            [result("troponin-i", 5, 50, resource="Observation/a"), result("troponin-i", 50, 50)],
            "indeterminate C3 troponin I raised",
        ),
        ([result("troponin-i", 5, 100), result("troponin-i", 5, 50, high=None)], "missing C6 not assessed"),
        ([result("troponin-i", 14, 100, comparator="<")], "absent C6"),
        ([result("troponin-i", 14, 100, comparator=">")], "indeterminate C3 troponin I raised"),
        ([result("troponin-i", 20, 100, comparator="<")], "missing C6 not assessed"),
        ([result("troponin-t", 500, 100)], "missing C6 not assessed"),
        ([result("troponin-t", 14, 365)], "absent C6"),
        ([result("troponin-t", 14, 366)], "missing C6 not assessed"),
        ([result("nt-probnp", 126, 100)], "indeterminate C3 NT-proBNP raised"),
        ([result("nt-probnp", 125, 100)], "missing C6 not assessed"),
        ([result("nt-probnp", 126, 100), result("troponin-i", 5, 100)], "indeterminate C3 NT-proBNP raised"),
        ([diagnosis(FAILURE, 9), CAUSE, result("troponin-i", 50, 9)], "indeterminate C4 otherwise explained"),
        (
            [diagnosis(BLOCK, 9, confirmed=False), result("troponin-i", 50, 9)],
            "indeterminate C3 troponin I raised",
        ),
        ([diagnosis(BLOCK, 9, confirmed=False), result("troponin-i", 5, 9)], "indeterminate M1 unconfirmed"),
        ([diagnosis(BLOCK, 9), result("lvef", 60, 9)], "indeterminate C3 conduction disorder or arrhythmia"),
    ],
)
def test_markers_of_the_heart(facts, state):
    assert seen(*facts) == state


def test_without_an_onset_every_date_counts_and_that_is_noted():
    feature = cardiac_involvement(record(diagnosis(MYOCARDITIS, 9000), diagnosis(BLOCK, 9000)), None)
    assert (feature.state, feature.rule, [n.rule for n in feature.notes]) == ("present", "C1", ["E9"])


def test_without_an_onset_and_without_heart_findings_nothing_is_noted():
    assert cardiac_involvement(record(), None).notes == ()


def test_tests_that_the_server_does_not_offer_are_named_as_the_reason():
    assert seen(not_offered=frozenset({"cardiacTests"})) == "missing C6 not offered by the server"
    assert seen(diagnosis(MYOCARDITIS, 9), not_offered=frozenset({"cardiacTests"})) == "present C1"


def test_an_undated_condition_counts_and_is_noted():
    undated, dated = diagnosis(MYOCARDITIS, None), diagnosis(MYOCARDITIS, "2024-05")
    feature = cardiac_involvement(record(undated, dated), ONSET)
    assert [(n.rule, n.text.split()[0]) for n in feature.notes] == [("C1", undated.resource)]
    assert feature.date == "2024-05"
    assert [(e.resource, e.role, e.date) for e in feature.evidence] == [
        (undated.resource, "cardiac-a", ""),
        (dated.resource, "cardiac-a", "2024-05"),
    ]


def test_the_lowest_ejection_fraction_is_the_value_and_a_later_recovery_is_noted():
    lvefs = [result("lvef", 45, 300), result("lvef", 30, 200), result("lvef", 55, 100)]
    feature = cardiac_involvement(record(*lvefs), ONSET)
    assert (str(feature.value), feature.unit, feature.date) == ("30", "%", lvefs[1].when.day_text)
    assert [e.resource for e in feature.evidence] == [lvefs[1].resource]
    assert [n.rule for n in feature.notes] == ["C2"]
    assert cardiac_involvement(record(*lvefs[:2]), ONSET).notes == ()


def test_an_ejection_fraction_that_was_good_before_is_no_recovery():
    before = [result("lvef", 60, 200), result("lvef", 40, 100)]
    assert cardiac_involvement(record(*before), ONSET).notes == ()


def test_absence_names_every_negative_search():
    searched = [result("troponin-i", 5, 50), result("troponin-t", 5, 50), result("lvef", 60, 50)]
    feature = cardiac_involvement(record(*searched), AS_OF)
    assert [e.role for e in feature.evidence] == ["troponin-i", "troponin-t", "lvef"]
