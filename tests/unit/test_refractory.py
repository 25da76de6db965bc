"""Treatment refractory (T5 to T10), fact by fact."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Doubt
from fhir_mapping.rules.predictors.refractory import MEDICATION_SOURCES, treatment_refractory
from tests.support.facts import ago, course, diagnosis, done, given, medicine, record, result, route

PREDNISONE = course("prednisone", 1000, 500, dose_mg=Decimal(5))
FIRST, SECOND = course("methotrexate", 1000, 600), course("azathioprine", 900, 500)
RAISED, NORMAL = 401, 400  # 2 × ULN and just above it


def ck(value, days, **more):
    return result("ck", value, days, **more)


def seen(*facts, **options):
    feature = treatment_refractory(record(*facts, **options))
    return " ".join(filter(None, (feature.state, feature.rule, feature.reason)))


@pytest.mark.parametrize(
    ("fact", "rule"),
    [
        (result("refractory", None, 10), "T5"),
        (diagnosis("refractory", 10), "T5"),
        (diagnosis("refractory", 10, confirmed=False), "T10"),
        (done("Procedure", "refractory", 10), "T5"),
    ],
)
def test_a_code_that_the_site_calls_refractory(fact, rule):
    assert treatment_refractory(record(fact)).rule == rule


def rule(*facts, **options):
    return treatment_refractory(record(*facts, **options)).rule


@pytest.mark.parametrize(
    ("days", "value", "decided"),
    [
        (810, RAISED, "T6"),
        (810.1, RAISED, "T8"),
        (170, RAISED, "T6"),
        (169.9, RAISED, "T8"),
        (810, NORMAL, "T8"),
    ],
)
def test_a_raised_ck_90_to_730_days_after_the_second_agent_began(days, value, decided):
    assert rule(PREDNISONE, FIRST, SECOND, ck(value, days)) == decided


@pytest.mark.parametrize(
    ("comparator", "value", "decided"), [(">", 400, "T6"), (">", 399, "T8"), ("<", 9000, "T8")]
)
def test_a_comparator_must_prove_the_raised_ck(comparator, value, decided):
    assert rule(PREDNISONE, FIRST, SECOND, ck(value, 700, comparator=comparator)) == decided


@pytest.mark.parametrize(
    ("first", "second", "decided"),
    [
        ((960, 600), (900, 500), "T6"),
        ((959, 600), (900, 500), "T8"),
        ((1000, 910), (900, 500), "T6"),
        ((1000, 911), (900, 500), "T8"),
        ((1000, 600), (900, 810), "T6"),
        ((1000, 600), (900, 811), "T8"),
    ],
)
def test_each_agent_needs_90_days_and_the_second_begins_60_days_after_the_first(first, second, decided):
    agents = course("methotrexate", *first), course("azathioprine", *second)
    assert rule(PREDNISONE, *agents, ck(RAISED, 700)) == decided


def test_the_same_agent_again_after_a_gap_is_no_second_agent():
    again = course("methotrexate", 700, 500)
    assert (
        rule(PREDNISONE, FIRST, replace(FIRST, dosages=again.dosages, resource="x/y"), ck(RAISED, 550))
        == "T8"
    )


def test_an_agent_that_is_given_again_after_a_gap_is_begun_anew():
    together = course("methotrexate", 1000, 900), course("azathioprine", 1000, 600)
    assert rule(PREDNISONE, *together, ck(RAISED, 700)) == "T8"
    assert rule(PREDNISONE, *together, course("methotrexate", 800, 600), ck(RAISED, 700)) == "T6"
    first_again = course("methotrexate", 800, 790)
    assert rule(PREDNISONE, FIRST, SECOND, course("leflunomide", 950, 940), first_again) == "T8"
    assert (
        rule(PREDNISONE, FIRST, SECOND, course("leflunomide", 950, 940), course("leflunomide", 800, 790))
        == "T6"
    )


@pytest.mark.parametrize(
    ("steroid", "decided"), [((1000, 900), "T6"), ((1000, 901), "T8"), ((500, 400), "T6"), ((499, 400), "T8")]
)
def test_the_second_agent_needs_a_day_of_glucocorticoid(steroid, decided):
    assert rule(course("prednisone", *steroid), FIRST, SECOND, ck(RAISED, 700)) == decided


@pytest.mark.parametrize(
    ("second", "decided"),
    [
        ([given("rituximab", 90)], "T6"),
        ([given("rituximab", 89)], "T8"),
        ([course("cyclophosphamide", 90, 80)], "T6"),
        ([course("cyclophosphamide", 89, 80)], "T8"),
        ([given("ivig", d) for d in (90, 76, 62)], "T6"),
        ([given("ivig", d) for d in (90, 77, 63)], "T8"),
        ([given("ivig", d) for d in (90, 89, 76, 75, 62)], "T6"),
        ([given("ivig", d) for d in (90, 60)], "T8"),
        ([course("ivig", 90, 0)], "T6"),
        ([course("tacrolimus", 90, 0)], "T6"),
    ],
)
def test_what_counts_as_enough_of_the_second_agent(second, decided):
    steroid = course("prednisone", 1000, 0)
    assert rule(steroid, course("methotrexate", 1000, 600), *second, ck(RAISED, 0)) == decided


@pytest.mark.parametrize(
    ("dose", "end", "decided"),
    [(10, 720, "T6"), ("9.9", 720, "T8"), (10, 721, "T8")],
)
def test_glucocorticoid_of_10_mg_on_day_180(dose, end, decided):
    steroid = course("prednisone", 1000, end, dose_mg=Decimal(str(dose)))
    assert rule(steroid, FIRST, SECOND) == decided


@pytest.mark.parametrize(("begun", "decided"), [(180, "T6"), (179, "T8")])
def test_day_180_must_have_come(begun, decided):
    steroid = course("prednisone", 1000, dose_mg=Decimal(10))
    assert rule(steroid, FIRST, course("azathioprine", begun)) == decided


@pytest.mark.parametrize(
    ("third", "decided"),
    [
        (course("tacrolimus", 810, 809), "T6"),
        (course("tacrolimus", 811, 809), "T8"),
        (course("tacrolimus", 810, 809, status_reasons=route("intolerance")), "T8"),
        (course("prednisone", 810, 809), "T8"),
        (course("statin", 810, 809), "T8"),
    ],
)
def test_a_third_agent_90_days_after_the_second(third, decided):
    assert rule(PREDNISONE, FIRST, SECOND, third) == decided


def test_an_agent_stopped_for_intolerance_does_not_count():
    stopped = replace(SECOND, status_reasons=route("intolerance"))
    assert rule(PREDNISONE, FIRST, stopped, ck(RAISED, 700)) == "T8"


def test_the_first_agent_may_be_any_earlier_one():
    stopped = course("leflunomide", 1000, 600, status_reasons=route("intolerance"))
    assert rule(PREDNISONE, stopped, FIRST, SECOND, ck(RAISED, 700)) == "T6"


YEAR = course("prednisone", 1000, 635)


@pytest.mark.parametrize(
    ("steroid", "early", "late", "decided"),
    [
        (YEAR, ck(1000, 1000), ck(501, 635), "T7"),
        (YEAR, ck(1000, 910), ck(501, 635), "T7"),
        (YEAR, ck(1000, 909), ck(501, 635), "T8"),
        (YEAR, ck(1000, 1001), ck(501, 635), "T8"),
        (YEAR, ck(1000, 1000), ck(500, 635), "T8"),
        (YEAR, ck(1000, 1000), ck(501, 634), "T8"),
        (YEAR, ck(500, 1000), ck(400, 635), "T8"),
        (YEAR, ck(500, 1000), ck(401, 635), "T7"),
        (YEAR, ck(900, 1000, comparator=">"), ck(800, 635), "T8"),
        (YEAR, ck(1000, 1000, comparator="<"), ck(501, 635), "T7"),
        (YEAR, ck(2000, 1000, comparator="<="), ck(501, 635), "T8"),
        (YEAR, ck(1000, 1000), ck(500, 635, comparator=">"), "T7"),
        (YEAR, ck(1000, 1000), ck(900, 635, comparator="<"), "T8"),
        (course("prednisone", 1000, 636), ck(1000, 1000), ck(900, 636), "T8"),
    ],
)
def test_a_year_of_glucocorticoid_that_did_not_halve_the_ck(steroid, early, late, decided):
    assert rule(steroid, early, late) == decided


def test_the_first_ck_after_the_year_decides_and_the_highest_before_it_is_the_peak():
    steroid = course("prednisone", 1000, 100)
    assert rule(steroid, ck(800, 990), ck(1000, 950), ck(450, 630), ck(900, 500), ck(450, 10)) == "T8"
    assert rule(steroid, ck(800, 990), ck(700, 950), ck(450, 630), ck(300, 500)) == "T7"
    tie = ck(450, 630, resource="Observation/b")
    assert rule(steroid, ck(800, 990), ck(300, 630, resource="Observation/a"), tie) == "T7"


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ([PREDNISONE, FIRST, SECOND, ck(RAISED, 700)], "T6"),
        ([PREDNISONE, FIRST, SECOND, course("tacrolimus", 700, 600)], "T6"),
        ([course("prednisone", 1000, 500, dose_mg=Decimal(10)), FIRST, SECOND], "T6"),
        ([YEAR, ck(1000, 1000), ck(501, 635)], "T7"),
    ],
)
def test_a_later_remission_is_noted_and_undoes_nothing(facts, rule):
    remission = treatment_refractory(record(*facts, ck(NORMAL, 30)))
    assert (remission.rule, remission.state, [n.rule for n in remission.notes]) == (rule, "present", [rule])
    assert treatment_refractory(record(*facts, ck(RAISED, 30))).notes == ()
    assert treatment_refractory(record(*facts)).notes == ()


NO_CK = "indeterminate T8 no CK since escalation"


@pytest.mark.parametrize(
    ("escalation", "state"),
    [
        (given("rituximab", 100), NO_CK),
        (given("rituximab", 101), "absent T9"),
        (course("cyclophosphamide", 100, 90), NO_CK),
        (course("efgartigimod", 100, 90), NO_CK),
        (course("eculizumab", 100, 90), NO_CK),
        (course("tofacitinib", 100, 90), NO_CK),
        (course("tacrolimus", 100, 90), "absent T9"),
        (done("Procedure", "plasma-exchange", 100), NO_CK),
        (done("Procedure", "plasma-exchange", 101), "absent T9"),
        (done("DiagnosticReport", "plasma-exchange", 100), "absent T9"),
    ],
)
def test_an_escalation_without_a_later_ck(escalation, state):
    assert seen(course("methotrexate", 300), ck(NORMAL, 100), escalation) == state


@pytest.mark.parametrize(
    ("begun", "state"), [(210, NO_CK), (211, "indeterminate T8 latest CK > 180 days old")]
)
def test_an_escalation_counts_90_days_after_another_agent(begun, state):
    facts = course("methotrexate", 300), ck(NORMAL, 250)
    assert seen(*facts, done("Procedure", "plasma-exchange", begun)) == state


def test_an_escalation_is_not_held_against_itself():
    assert seen(given("rituximab", 300), given("rituximab", 200), ck(NORMAL, 250)).startswith(
        "indeterminate T8 latest"
    )


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([course("methotrexate", 180), ck(NORMAL, 180)], "absent T9"),
        ([course("methotrexate", 180), ck(NORMAL, 180), ck(RAISED, 10)], "indeterminate T8 CK still raised"),
        ([course("methotrexate", 180), ck(RAISED, 180), ck(NORMAL, 10)], "absent T9"),
        ([course("methotrexate", 179), ck(NORMAL, 10)], "indeterminate T8 treated < 180 days"),
        ([course("methotrexate", 90), ck(RAISED, 10)], "indeterminate T8 CK still raised"),
        ([course("methotrexate", 89), ck(RAISED, 10)], "missing T10 treated < 90 days"),
        ([course("methotrexate", 400), ck(RAISED, 401)], "indeterminate T8 no CK on treatment"),
        ([course("methotrexate", 400)], "indeterminate T8 no CK on treatment"),
        ([course("methotrexate", 400), ck(NORMAL, 400)], "indeterminate T8 latest CK > 180 days old"),
        ([course("methotrexate", 400), ck(NORMAL, 181)], "indeterminate T8 latest CK > 180 days old"),
        ([course("methotrexate", 400), ck(500, 10, comparator="<")], "indeterminate T8 CK not decided"),
        ([course("methotrexate", 400), ck(400, 10, comparator="<")], "absent T9"),
        ([course("methotrexate", 400), ck(400, 10, comparator=">")], "indeterminate T8 CK still raised"),
        ([course("prednisone", 180), ck(NORMAL, 10)], "absent T9"),
        ([course("statin", 400), ck(NORMAL, 10)], "missing T10 no medication data"),
        ([ck(NORMAL, 10)], "missing T10 no medication data"),
        ([medicine("Request", "methotrexate")], "missing T10 no medication data"),
    ],
)
def test_neither_refractory_nor_escalated(facts, state):
    assert seen(*facts) == state


def doubt(role, days, value=None, holds_number=False):
    """What could not be used; with a value it holds that number."""
    held = None if value is None else ck(value, days)
    return Doubt(
        f"Observation/doubt-{days}",
        role,
        "no subject",
        ago(days).last,
        holds_number=holds_number or held is not None,
        result=held,
    )


TREATED, LATEST = course("methotrexate", 400), ck(NORMAL, 10)
NEWER, AGENT, OLDER = (
    f"indeterminate T9 {what} could not be read" for what in ("a newer CK", "an agent", "an older CK")
)


@pytest.mark.parametrize(
    ("facts", "doubts", "state"),
    [
        ([TREATED, LATEST], [doubt("ck", 9)], NEWER),
        ([TREATED, LATEST], [doubt("ck", 10)], "absent T9"),
        ([TREATED, LATEST], [doubt("rituximab", 3000)], AGENT),
        ([TREATED, LATEST], [doubt("agent", 3000)], AGENT),
        ([TREATED, LATEST], [doubt("atorvastatin", 9)], "absent T9"),
        ([TREATED, LATEST], [doubt("agent", 9), doubt("ck", 9)], NEWER),
        # a CK doubt bars nothing else, an agent makes missing indeterminate
        ([], [doubt("ck", 9)], "missing T10 no medication data"),
        ([], [doubt("agent", 9)], "indeterminate U5 an agent could not be read"),
        ([course("methotrexate", 89)], [doubt("agent", 9)], "indeterminate U5 an agent could not be read"),
        ([TREATED], [doubt("agent", 9), doubt("ck", 9)], "indeterminate T8 no CK on treatment"),
        ([PREDNISONE, FIRST, SECOND, ck(RAISED, 700)], [doubt("agent", 9), doubt("ck", 9)], "present T6"),
        # U5b: from 90 to 730 days after the second agent began
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 810, RAISED)], OLDER),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 170, RAISED)], OLDER),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 811, RAISED)], "absent T9"),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 169, RAISED)], "absent T9"),
        ([PREDNISONE, FIRST, LATEST], [doubt("ck", 700, RAISED)], "absent T9"),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 700, NORMAL)], "absent T9"),  # it cannot matter
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 700, holds_number=True)], OLDER),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 700)], "absent T9"),
        ([PREDNISONE, FIRST, SECOND, LATEST], [doubt("ck", 700, RAISED), doubt("agent", 9)], AGENT),
        ([PREDNISONE, FIRST, SECOND, LATEST, ck(399, 700, comparator=">")], [], OLDER),
        # a year of glucocorticoid that lacks its late or its early CK
        ([YEAR, ck(1000, 1000), LATEST], [doubt("ck", 635, RAISED)], OLDER),
        ([YEAR, ck(1000, 1000), LATEST], [doubt("ck", 634, RAISED)], "absent T9"),
        ([YEAR, LATEST], [doubt("ck", 635, RAISED)], "absent T9"),
        ([YEAR, ck(RAISED, 635), LATEST], [doubt("ck", 910, RAISED)], OLDER),
        ([YEAR, ck(RAISED, 635), LATEST], [doubt("ck", 909, RAISED)], "absent T9"),
        ([YEAR, ck(NORMAL, 635), LATEST], [doubt("ck", 910, RAISED)], "absent T9"),
        ([YEAR, ck(900, 1000, comparator=">"), ck(800, 635), LATEST], [], OLDER),
        ([YEAR, ck(1000, 1000, comparator="<"), ck(450, 635), LATEST], [], OLDER),
    ],
)
def test_nobody_responded_to_treatment_against_a_doubt(facts, doubts, state):
    assert seen(*facts, doubts=tuple(doubts)) == state


def test_every_doubt_that_bars_is_named_once():
    doubts = (doubt("ck", 9, RAISED), doubt("agent", 3000), doubt("ck", 700, RAISED))
    feature = treatment_refractory(record(PREDNISONE, FIRST, SECOND, LATEST, doubts=doubts))
    assert feature.barred_by == doubts


def test_what_the_server_does_not_offer_is_named_as_the_reason():
    lists, enzymes = frozenset(MEDICATION_SOURCES), frozenset({"enzymes"})
    treated = course("methotrexate", 400)
    assert seen(not_offered=lists) == "missing T10 not offered by the server"
    assert seen(not_offered=lists - {"medicationDispenses"}) == "missing T10 no medication data"
    assert seen(treated, not_offered=enzymes) == "missing T10 not offered by the server"
    assert seen(treated, ck(NORMAL, 10), not_offered=lists | enzymes) == "absent T9"
    assert (
        seen(PREDNISONE, FIRST, SECOND, course("tacrolimus", 700, 600), not_offered=enzymes) == "present T6"
    )


def test_the_evidence_names_both_agents_and_the_sign_of_activity():
    facts = PREDNISONE, FIRST, SECOND, ck(RAISED, 700, resource="Observation/late")
    feature = treatment_refractory(record(*facts))
    assert [(e.resource, e.role) for e in feature.evidence] == [
        (FIRST.resource, "methotrexate"),
        (SECOND.resource, "azathioprine"),
        ("Observation/late", "ck"),
    ]
    assert feature.evidence[0].date == feature.evidence[0].date[:10] == ago(1000).text[:10]
    assert feature.date == ago(700).text[:10]
