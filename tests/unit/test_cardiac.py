"""Cardiac involvement (C1 to C6), fact by fact."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Doubt, ReferenceLimits
from fhir_mapping.rules.predictors.cardiac import cardiac_involvement
from tests.support.facts import AS_OF, ago, diagnosis, record, result

ONSET = ago(1000).first
MYOCARDITIS, FAILURE, BLOCK = "cardiac-a", "cardiac-a heart-failure", "cardiac-c"
CAUSE = diagnosis("heart-failure-cause", 5000)
NEWER, OLDER = "a newer result could not be read", "an older ejection fraction could not be read"
TROPONIN_T = "indeterminate C3 troponin T raised, may come from skeletal muscle: troponin I decides"
SEVERAL_RANGES = replace(
    result("troponin-i", 20, 100), limits=ReferenceLimits(highs=(Decimal(14), Decimal(34)))
)


def doubt(role, days, value=None, roles="", holds_number=False):
    """What could not be used; with a value it holds that number."""
    of_role = None if value is None else result(role, value, days)
    return Doubt(
        f"Observation/doubt-{role}-{days}",
        role,
        "no subject",
        ago(days).last,
        roles=frozenset(roles.split()),
        holds_number=holds_number or value is not None,
        result=of_role,
    )


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
        ([result("lvef", 50, 1365)], "missing C6 last ejection fraction on 2022-06-05, over 365 days ago"),
        ([result("lvef", 50, 365)], "absent C6"),
        ([result("lvef", 50, 366)], "missing C6 last ejection fraction on 2025-02-28, over 365 days ago"),
        ([result("lvef", 50, 100, comparator="<")], "present C2"),
        ([result("lvef", 50, 100, comparator="<=")], f"indeterminate U5 {NEWER}"),
        ([result("lvef", 50, 100, comparator=">=")], "absent C6"),
        ([result("lvef", 45, 100, comparator=">")], f"indeterminate U5 {NEWER}"),
        ([result("lvef", 60, 300), result("lvef", 55, 100, comparator="<")], f"indeterminate U5 {NEWER}"),
        ([result("lvef", 60, 100), result("lvef", 55, 300, comparator="<")], f"indeterminate C6 {OLDER}"),
        ([result("lvef", None, 100)], f"indeterminate U5 {NEWER}"),
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
        ([result("troponin-i", 14, 366)], "missing C6 last troponin I on 2025-02-28, over 365 days ago"),
        (
            [result("troponin-i", 14, 400), result("troponin-t", 14, 380), result("lvef", 60, 390)],
            "missing C6 last troponin T on 2025-02-14, over 365 days ago",
        ),
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
        ([result("troponin-i", 20, 100, comparator="<")], f"indeterminate U5 {NEWER}"),
        # without a limit of its own only a doubt
        ([result("troponin-i", 26, 100, high=None)], "missing C6 not assessed"),
        ([result("troponin-i", 26.1, 100, high=None)], "indeterminate C3 troponin I raised"),
        ([result("nt-probnp", 450, 100, high=None)], "missing C6 not assessed"),
        ([result("nt-probnp", 451, 100, high=None)], "indeterminate C3 NT-proBNP raised"),
        ([result("troponin-t", 14, 100, high=None)], "missing C6 not assessed"),
        ([result("troponin-t", 14.1, 100, high=None)], TROPONIN_T),
        ([SEVERAL_RANGES], f"indeterminate U5 {NEWER}"),
        # troponin T, unless a troponin I within its limit answers it
        ([result("troponin-t", 500, 365)], TROPONIN_T),
        ([result("troponin-t", 500, 366)], "missing C6 not assessed"),
        ([result("troponin-t", 500, 100), result("troponin-i", 5, 107)], "absent C6"),
        ([result("troponin-t", 500, 100), result("troponin-i", 5, 108)], TROPONIN_T),
        ([result("troponin-t", 500, 100), result("troponin-i", 5, 50)], "absent C6"),
        ([result("troponin-t", 500, 100), result("troponin-i", 5, 50, high=None)], TROPONIN_T),
        (
            [result("troponin-t", 500, 100), result("troponin-i", 50, 50)],
            "indeterminate C3 troponin I raised",
        ),
        ([result("troponin-t", 500, 100), result("nt-probnp", 500, 100)], TROPONIN_T),
        ([result("troponin-t", 14, 365)], "absent C6"),
        ([result("troponin-t", 14, 366)], "missing C6 last troponin T on 2025-02-28, over 365 days ago"),
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


NORMAL = result("troponin-i", 5, 100)


@pytest.mark.parametrize(
    ("facts", "doubts", "state"),
    [
        # later than the newest negative search
        ([NORMAL], [doubt("lvef", 99)], f"indeterminate C6 {NEWER}"),
        ([NORMAL], [doubt("troponin-t", 99)], f"indeterminate C6 {NEWER}"),
        ([NORMAL], [doubt("nt-probnp", 99)], f"indeterminate C6 {NEWER}"),
        ([NORMAL], [doubt("lvef", 100)], "absent C6"),
        ([NORMAL], [doubt("ck", 9)], "absent C6"),
        # of the last 365 days
        ([], [doubt("troponin-i", 365)], f"indeterminate U5 {NEWER}"),
        ([], [doubt("troponin-i", 366)], "missing C6 not assessed"),
        # a Condition of tier A, at any time
        (
            [NORMAL],
            [doubt("cardiac", 3000, roles="cardiac-a")],
            "indeterminate C6 a diagnosis could not be read",
        ),
        ([NORMAL], [doubt("cardiac", 9, roles="cardiac-c")], "absent C6"),
        ([], [doubt("cardiac", 3000, roles="cardiac-a")], "indeterminate U5 a diagnosis could not be read"),
        ([NORMAL], [doubt("cardiac", 9, roles="cardiac-a"), doubt("lvef", 9)], f"indeterminate C6 {NEWER}"),
        # U5b: an older ejection fraction that holds a number, in the window of C2
        ([NORMAL], [doubt("lvef", 1365, holds_number=True)], f"indeterminate C6 {OLDER}"),
        ([NORMAL], [doubt("lvef", 1366, holds_number=True)], "absent C6"),
        ([NORMAL], [doubt("lvef", 500)], "absent C6"),
        ([NORMAL], [doubt("lvef", 500, 49)], f"indeterminate C6 {OLDER}"),
        ([NORMAL], [doubt("lvef", 500, 50)], "absent C6"),
        (
            [NORMAL],
            [doubt("lvef", 500, 49), doubt("cardiac", 9, roles="cardiac-a")],
            "indeterminate C6 a diagnosis could not be read",
        ),
        # what is there is there
        (
            [diagnosis(MYOCARDITIS, 100)],
            [doubt("lvef", 9), doubt("cardiac", 9, roles="cardiac-a")],
            "present C1",
        ),
        ([result("troponin-i", 50, 9)], [doubt("lvef", 3)], "indeterminate C3 troponin I raised"),
    ],
)
def test_nobody_is_free_of_heart_disease_against_a_doubt(facts, doubts, state):
    assert seen(*facts, doubts=tuple(doubts)) == state


def test_a_doubtful_diagnosis_beside_heart_disease_is_noted():
    doubts = (doubt("cardiac", 9, roles="cardiac-a"),)
    feature = cardiac_involvement(record(diagnosis(MYOCARDITIS, 100), doubts=doubts), ONSET)
    assert [n.rule for n in feature.notes] == ["U5"]
    assert feature.barred_by == ()


def test_every_doubt_that_bars_is_named_once():
    doubts = (doubt("lvef", 9, 40), doubt("cardiac", 9, roles="cardiac-a"), doubt("lvef", 900, 40))
    assert cardiac_involvement(record(NORMAL, doubts=doubts), ONSET).barred_by == doubts


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


def test_of_troponins_of_one_time_one_that_is_raised_and_may_be_the_highest_is_shown():
    within = result("troponin-i", 45, 9, high=50, resource="Observation/within")
    raised = result("troponin-i", 44, 9, ">", high=40, resource="Observation/raised")
    for order in ((within, raised), (raised, within)):
        feature = cardiac_involvement(record(*order), ONSET)
        assert (feature.reason, [e.resource for e in feature.evidence]) == (
            "troponin I raised",
            ["Observation/raised"],
        )


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
