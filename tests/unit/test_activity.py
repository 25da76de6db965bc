"""Disease now (R1) and signs of a relapse (R2)."""

from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal

import pytest

from fhir_mapping.record import ReferenceLimits, Value
from fhir_mapping.rules.activity import activity
from tests.support.facts import ago, diagnosis, record, result


def ck(value, days, comparator="", **more):
    return result("ck", value, days, comparator, **more)


def sign(*facts, **options):
    found = activity(record(*facts, **options))
    return "relapse" if found.possible_relapse else "rising" if found.rising else "quiet"


# R1


def test_without_a_ck_the_line_says_so():
    found = activity(record())
    assert (found.ck, found.peak, found.nadir, found.reason) == (None, None, None, "no CK on record")


def test_the_latest_ck_the_peak_and_the_nadir():
    found = activity(
        record(ck(300, 500), ck(9000, 400), ck(150, 300), ck(150, 200), ck(420, 50), ck(9000, 350))
    )
    assert (found.ck.resource, found.ck.value, found.ck.unit) == ("Observation/ck-50", 420, "U/L")
    assert (found.ck.times_uln, found.ck.date) == (Decimal("2.1"), "2026-01-10")
    assert found.peak.resource == "Observation/ck-400"
    assert found.nadir.resource == "Observation/ck-300"


def test_a_peak_with_nothing_after_it_has_no_nadir():
    assert activity(record(ck(100, 50), ck(900, 40))).nadir is None
    assert activity(record(ck(900, 40), ck(100, 40, resource="Observation/x"))).nadir is None


@pytest.mark.parametrize(
    ("facts", "latest"),
    [
        ([ck(300, 10, resource="Observation/a"), ck(500, 10, resource="Observation/b")], "b"),
        ([ck(500, 10, resource="Observation/a"), ck(500, 10, resource="Observation/b")], "a"),
        ([ck(500, 10, resource="Observation/a"), ck(500, 10, ">", resource="Observation/b")], "b"),
        ([ck(500, "2026-02-01T10:00:00Z"), ck(100, "2026-02-01")], "ck-2026-02-01"),
    ],
)
def test_of_several_at_one_time_the_higher_is_the_latest_then_the_lower_id(facts, latest):
    assert activity(record(*facts)).ck.resource == f"Observation/{latest}"


def test_comparators_and_default_limits_are_kept():
    found = activity(
        record(replace(ck(20000, 10, ">"), limits=ReferenceLimits(high=Decimal(200), default=True)))
    )
    assert (found.ck.comparator, found.ck.default_limit, found.ck.times_uln) == (">", True, 100)


def test_a_limit_of_zero_is_no_limit_to_compare_with():
    assert activity(record(ck(300, 10, high=0))).ck is None


# R2 (a)


def relapsed(days, clinical="relapse", roles="core", **more):
    onset = more.pop("onset", 900)
    return diagnosis(roles, onset, clinical=clinical, recorded=ago(days), **more)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([relapsed(180)], "relapse"),
        ([relapsed(180.1)], "quiet"),
        ([relapsed(10, "recurrence")], "relapse"),
        ([relapsed(10, "active")], "quiet"),
        ([relapsed(10, roles="broad")], "relapse"),
        ([relapsed(10, roles="dermatomyositis")], "quiet"),
        ([relapsed(10, confirmed=False)], "quiet"),
        ([relapsed(10, roles="broad-antibody")], "quiet"),
        ([relapsed(None, onset=180)], "relapse"),
        ([relapsed(None, onset=180.1)], "quiet"),
        ([relapsed(None, onset=None)], "quiet"),
        ([relapsed(-0.5, recorded_late=True, onset=10)], "quiet"),
        ([relapsed("2025-09")], "relapse"),
        ([relapsed("2025-08")], "quiet"),
    ],
)
def test_a_condition_recorded_as_relapse_within_180_days(facts, expected):
    assert sign(*facts) == expected


def test_a_coded_relapse_of_unspecified_myopathy_needs_its_antibody():
    positive = replace(result("anti-hmgcr", None, 50, high=None), value=Value(text="Positive"))
    assert sign(relapsed(10, roles="broad-hmgcr"), positive) == "relapse"
    assert sign(relapsed(10, roles="broad-hmgcr")) == "quiet"


# R2 (b) and "CK rising"

HIGH, LOW = ck(4000, 900), ck(200, 500)  # the peak, and the improvement and nadir after it


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([HIGH, LOW, ck(301, 40), ck(301, 10)], "relapse"),
        # both ≥ 1.5 × nadir and > 1.5 × ULN
        ([HIGH, LOW, ck(300, 40), ck(301, 10)], "rising"),
        ([HIGH, LOW, ck(301, 40), ck(300, 10)], "quiet"),
        ([HIGH, ck(400, 500), ck(600, 40), ck(600, 10)], "relapse"),
        ([HIGH, ck(400, 500), ck(599, 40), ck(600, 10)], "rising"),
        ([HIGH, ck(400, 500), ck(600, 40), ck(599, 10)], "quiet"),
        ([HIGH, LOW, ck(301, 40, high=201), ck(400, 10)], "rising"),
        # at most 120 days apart, the later within 60 days
        ([HIGH, LOW, ck(500, 130), ck(500, 10)], "relapse"),
        ([HIGH, LOW, ck(500, 130.1), ck(500, 10)], "rising"),
        ([HIGH, LOW, ck(500, 70), ck(500, 60)], "relapse"),
        ([HIGH, LOW, ck(500, 70), ck(500, 60.1)], "quiet"),
        # on different days, of several on one day the last
        ([HIGH, LOW, ck(500, 10.3), ck(500, 10.1)], "rising"),
        ([HIGH, LOW, ck(500, 40.5), ck(100, 40.1), ck(500, 10)], "rising"),
        ([HIGH, LOW, ck(100, 40.5), ck(500, 40.1), ck(500, 10)], "relapse"),
        # improvement: ≤ 2 × ULN, or ≤ 50 % of the highest before it; that one > 2 × ULN
        ([HIGH, ck(2000, 500), ck(3000, 40), ck(3000, 10)], "relapse"),
        ([HIGH, ck(2001, 500), ck(3100, 40), ck(3100, 10)], "quiet"),
        ([ck(500, 900), ck(400, 500), ck(700, 40), ck(700, 10)], "relapse"),
        ([ck(500, 900), ck(401, 500), ck(700, 40), ck(700, 10)], "quiet"),
        ([ck(401, 900), LOW, ck(500, 40), ck(500, 10)], "relapse"),
        ([ck(400, 900), LOW, ck(500, 40), ck(500, 10)], "quiet"),
        ([LOW, ck(500, 40), ck(500, 10)], "quiet"),
        ([LOW, ck(5000, 40), ck(5000, 10)], "quiet"),
        # the improvement lies before both; for "rising" before the latest
        ([HIGH, ck(200, 40), ck(500, 10)], "rising"),
        ([HIGH, ck(500, 40), ck(500, 10)], "quiet"),
        # the nadir is the lowest of the improvements
        ([HIGH, ck(380, 600), ck(100, 500), ck(302, 40), ck(302, 10)], "relapse"),
        # a comparator must prove it
        ([HIGH, LOW, ck(400, 40, "<"), ck(400, 10)], "rising"),
        ([HIGH, LOW, ck(400, 40, ">"), ck(400, 10, ">")], "relapse"),
        ([ck(4000, 900, "<"), LOW, ck(500, 40), ck(500, 10)], "quiet"),
        ([ck(4000, 900, "<"), ck(1000, 800), LOW, ck(500, 40), ck(500, 10)], "relapse"),
        ([HIGH, ck(200, 500, ">"), ck(500, 40), ck(500, 10)], "quiet"),
        ([HIGH, ck(100, 500, "<"), ck(500, 40), ck(500, 10)], "relapse"),
        ([ck(500, 10)], "quiet"),
        ([], "quiet"),
    ],
)
def test_a_rise_after_an_improvement(facts, expected):
    assert sign(*facts) == expected


def test_days_are_those_of_the_clients_time_zone():
    facts = [HIGH, LOW, ck(500, "2026-02-10T22:00:00Z"), ck(500, "2026-02-11T05:00:00Z")]
    assert sign(*facts) == "relapse"
    assert sign(*facts, settings={"time_zone": timezone(timedelta(hours=-8))}) == "rising"


def test_a_ck_of_the_year_1_breaks_nothing_west_of_greenwich():
    facts = [ck(9000, "0001-01-01T00:00:00Z"), LOW, ck(500, 40), ck(500, 10)]
    assert sign(*facts, settings={"time_zone": timezone(timedelta(hours=-8))}) == "relapse"


def test_the_reason_names_the_numbers_and_the_evidence_the_results():
    found = activity(record(HIGH, LOW, ck(500, 40), ck(700, 10)))
    assert found.reason == "CK 500 and 700 U/L after a nadir of 200 U/L"
    assert [e.resource for e in found.evidence] == [
        "Observation/ck-40",
        "Observation/ck-10",
        "Observation/ck-500",
    ]
    found = activity(record(HIGH, LOW, ck(700, 10), relapsed(20)))
    assert found.reason == "relapse is coded; CK rising: 700 U/L after a nadir of 200 U/L"
    assert (found.possible_relapse, found.rising) == (True, True)
    assert [e.role for e in found.evidence] == ["condition", "ck", "ck"]
    assert activity(record(ck(700, 10))).reason == ""
