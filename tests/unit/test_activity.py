"""Disease now (R1), a possible relapse (R2), a CK that rises (R2b) and the phase (R4)."""

from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Doubt, ReferenceLimits, Value
from fhir_mapping.rules.activity import activity
from tests.support.facts import ago, diagnosis, record, result


def ck(value, days, comparator="", upto=None, **more):
    one = result("ck", value, days, comparator, **more)
    return one if upto is None else replace(one, amount=replace(one.amount, upto=Decimal(upto)))


def doubt(days, value=None, reason="preliminary", **more):
    """A CK that cannot be used; with a value it holds a number."""
    when, seen = ago(days), None if value is None else ck(value, days)
    more = {"holds_number": value is not None, "result": seen, **more}
    return Doubt(f"Observation/doubt-{days}", "ck", reason, when.last, when.day_text, **more)


def found(*facts, **options):
    doubts = tuple(fact for fact in facts if isinstance(fact, Doubt))
    return activity(record(*(fact for fact in facts if fact not in doubts), doubts=doubts, **options))


def phase(*facts, **options):
    return found(*facts, **options).phase


# R1


def test_without_a_ck_the_line_says_so():
    now = found()
    assert (now.ck, now.peak, now.nadir, now.phase, now.reason) == (
        None,
        None,
        None,
        "unknown",
        "no CK on record",
    )


def test_the_latest_ck_the_peak_and_the_nadir():
    now = found(ck(300, 500), ck(9000, 400), ck(150, 300), ck(150, 200), ck(420, 50), ck(9000, 350))
    assert (now.ck.resource, now.ck.value, now.ck.unit) == ("Observation/ck-50", 420, "U/L")
    assert (now.ck.times_uln, now.ck.date) == (Decimal("2.1"), "2026-01-10")
    assert now.peak.resource == "Observation/ck-400"
    assert now.nadir.resource == "Observation/ck-300"


def test_a_peak_with_nothing_after_it_has_no_nadir():
    assert found(ck(100, 50), ck(900, 40)).nadir is None
    assert found(ck(900, 40), ck(100, 40, resource="Observation/x")).nadir is None


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
    assert found(*facts).ck.resource == f"Observation/{latest}"


def test_comparators_and_default_limits_are_kept():
    now = found(replace(ck(20000, 10, ">"), limits=ReferenceLimits(high=Decimal(200), default=True)))
    assert (now.ck.comparator, now.ck.default_limit, now.ck.times_uln) == (">", True, 100)


def test_a_limit_of_zero_is_no_limit_to_compare_with():
    assert found(ck(300, 10, high=0)).ck is None


# R2 (a)


def relapsed(days, clinical="relapse", roles="core", **more):
    onset = more.pop("onset", 900)
    return diagnosis(roles, onset, clinical=clinical, recorded=ago(days), **more)


@pytest.mark.parametrize(
    ("coded", "relapse"),
    [
        (relapsed(180), True),
        (relapsed(180.1), False),
        (relapsed(10, "recurrence"), True),
        (relapsed(10, "active"), False),
        (relapsed(10, roles="broad"), True),
        (relapsed(10, roles="dermatomyositis"), False),
        (relapsed(10, confirmed=False), False),
        (relapsed(10, roles="broad-antibody"), False),
        (relapsed(None, onset=180), True),
        (relapsed(None, onset=180.1), False),
        (relapsed(None, onset=None), False),
        (relapsed(-0.5, recorded_late=True, onset=10), False),
        (relapsed("2025-09"), True),
        (relapsed("2025-08"), False),
    ],
)
def test_a_condition_recorded_as_relapse_within_180_days(coded, relapse):
    assert phase(coded) == ("relapse" if relapse else "unknown")
    assert phase(coded, ck(100, 10)) == ("relapse" if relapse else "controlled")


def test_a_coded_relapse_of_unspecified_myopathy_needs_its_antibody():
    positive = replace(result("anti-hmgcr", None, 50, high=None), value=Value(text="Positive"))
    assert phase(relapsed(10, roles="broad-hmgcr"), positive) == "relapse"
    assert phase(relapsed(10, roles="broad-hmgcr")) == "unknown"


# R2 (b), R2b

HIGH, LOW = ck(4000, 900), ck(200, 500)  # the peak, and the improvement and nadir after it


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([HIGH, LOW, ck(301, 40), ck(301, 10)], "relapse"),
        # both ≥ 1.5 × nadir and > 1.5 × ULN
        ([HIGH, LOW, ck(300, 40), ck(301, 10)], "rising"),
        ([HIGH, LOW, ck(301, 40), ck(300, 10)], "controlled"),
        ([HIGH, ck(400, 500), ck(600, 40), ck(600, 10)], "relapse"),
        ([HIGH, ck(400, 500), ck(599, 40), ck(600, 10)], "rising"),
        ([HIGH, ck(400, 500), ck(600, 40), ck(599, 10)], "improving"),
        ([HIGH, LOW, ck(301, 40, high=201), ck(400, 10)], "rising"),
        # at most 120 days apart, the later within 60 days
        ([HIGH, LOW, ck(500, 130), ck(500, 10)], "relapse"),
        ([HIGH, LOW, ck(500, 130.1), ck(500, 10)], "rising"),
        ([HIGH, LOW, ck(500, 70), ck(500, 60)], "relapse"),
        ([HIGH, LOW, ck(500, 70), ck(500, 60.1)], "improving"),
        # on different days, of several on one day the last
        ([HIGH, LOW, ck(500, 10.3), ck(500, 10.1)], "rising"),
        ([HIGH, LOW, ck(500, 40.5), ck(100, 40.1), ck(500, 10)], "rising"),
        ([HIGH, LOW, ck(100, 40.5), ck(500, 40.1), ck(500, 10)], "relapse"),
        # improvement: ≤ 2 × ULN, or ≤ 50 % of the highest before it; that one > 2 × ULN
        ([HIGH, ck(2000, 500), ck(3000, 40), ck(3000, 10)], "relapse"),
        ([HIGH, ck(2001, 500), ck(3100, 40), ck(3100, 10)], "active"),
        ([ck(500, 900), ck(400, 500), ck(700, 40), ck(700, 10)], "relapse"),
        ([ck(500, 900), ck(401, 500), ck(700, 40), ck(700, 10)], "active"),
        ([ck(401, 900), LOW, ck(500, 40), ck(500, 10)], "relapse"),
        ([ck(400, 900), LOW, ck(500, 40), ck(500, 10)], "active"),
        ([LOW, ck(500, 40), ck(500, 10)], "active"),
        # the improvement lies before both; for "rising" before the latest
        ([HIGH, ck(200, 40), ck(500, 10)], "rising"),
        ([HIGH, ck(500, 40), ck(500, 10)], "improving"),
        # the nadir is the lowest of the improvements
        ([HIGH, ck(380, 600), ck(100, 500), ck(302, 40), ck(302, 10)], "relapse"),
    ],
)
def test_a_rise_after_an_improvement(facts, expected):
    assert phase(*facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([HIGH, LOW, ck(1001, 10)], "relapse"),  # > 5 × ULN
        ([HIGH, LOW, ck(1000, 10)], "rising"),
        ([HIGH, ck(400, 500), ck(1200, 10)], "relapse"),  # ≥ 3 × nadir
        ([HIGH, ck(400, 500), ck(1199, 10)], "rising"),
        ([HIGH, LOW, ck(1500, 60)], "relapse"),
        ([HIGH, LOW, ck(1500, 60.1)], "active"),
        ([ck(1500, 10)], "active"),  # without an improvement
        ([HIGH, ck(2001, 500), ck(9000, 10)], "active"),
    ],
)
def test_a_steep_rise_needs_no_second_result(facts, expected):
    assert phase(*facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([HIGH, LOW, ck(400, 40, "<"), ck(400, 10)], "rising"),
        ([HIGH, LOW, ck(400, 40, ">"), ck(400, 10, ">")], "relapse"),
        ([HIGH, LOW, ck(301, 40, upto=900), ck(301, 10, upto=900)], "relapse"),
        ([HIGH, LOW, ck(1000, 10, ">")], "relapse"),
        ([HIGH, LOW, ck(1000, 10, ">=")], "rising"),
        ([HIGH, LOW, ck(250, 10, ">")], "unknown"),
        ([HIGH, LOW, ck(300, 10, "<")], "controlled"),
        ([HIGH, LOW, ck(301, 10, "<")], "unknown"),
        ([HIGH, LOW, ck(250, 10, upto=350)], "unknown"),
        ([ck(4000, 900, "<"), LOW, ck(500, 40), ck(500, 10)], "unknown"),
        ([ck(4000, 900, "<"), ck(1000, 800), LOW, ck(500, 40), ck(500, 10)], "relapse"),
        ([ck(4000, 900, ">"), LOW, ck(500, 40), ck(500, 10)], "relapse"),
        ([HIGH, ck(200, 500, ">"), ck(500, 40), ck(500, 10)], "unknown"),
        ([HIGH, ck(100, 500, "<"), ck(500, 40), ck(500, 10)], "relapse"),
        ([ck(1500, 100), ck(1000, 10, ">")], "active"),
        ([ck(1500, 100), ck(1000, 10, ">=")], "active"),
        ([ck(9000, 100), ck(1000, 10, ">=")], "unknown"),
        ([ck(1500, 100, "<"), ck(700, 10)], "unknown"),  # half of a peak that is only known to be below
        ([ck(1400, 100, ">"), ck(700, 10)], "improving"),
        ([ck(1399, 100, ">"), ck(700, 10)], "unknown"),
        ([ck(100, 10, "<")], "controlled"),
    ],
)
def test_a_bound_or_an_interval_decides_if_it_can(facts, expected):
    assert phase(*facts) == expected
    assert found(*facts).reason == "CK not decided" or expected != "unknown"


def test_a_question_left_open_names_the_result_that_leaves_it_so():
    now = found(HIGH, LOW, ck(250, 10, ">"))
    assert [(d.resource, d.role, d.reason) for d in now.barred_by] == [
        ("Observation/ck-10", "ck", "interval")
    ]


# R4


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([ck(1001, 180)], "active"),
        ([ck(1001, 180.1)], "unknown"),
        ([ck(401, 10)], "active"),  # nothing after the peak
        ([ck(400, 10)], "controlled"),
        ([ck(1500, 100), ck(750, 10)], "improving"),
        ([ck(1500, 100), ck(751, 10)], "active"),
        ([ck(1500, 100), ck(700, 50), ck(751, 10)], "improving"),
        ([ck(9000, 100), ck(1001, 10)], "active"),
        ([ck(9000, 100), ck(1000, 10)], "improving"),
        ([ck(1500, 100), ck(401, 10)], "improving"),
        ([ck(1500, 100), ck(400, 10)], "controlled"),
        ([ck(100, 180)], "controlled"),
        ([ck(100, 180.1)], "unknown"),
    ],
)
def test_the_phase_by_the_latest_ck(facts, expected):
    assert phase(*facts) == expected


@pytest.mark.parametrize(
    ("facts", "never_fell"),
    [([ck(1001, 10)], False), ([ck(1000, 10)], True), ([ck(1500, 100), ck(1000, 10, ">")], False)],
)
def test_active_disease_says_whether_it_is_so_only_because_ck_never_fell(facts, never_fell):
    now = found(*facts)
    assert (now.phase, now.never_fell) == ("active", never_fell)


def test_the_reason_of_an_unknown_phase():
    assert found(ck(100, 181)).reason == "latest CK > 180 days old"
    assert found(ck(100, 181), doubt(10)).reason == "a newer CK could not be read"
    assert found(doubt(10)).reason == "a newer CK could not be read"


# U5, U5b


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([ck(100, 20)], "controlled"),
        ([ck(500, 100), ck(401, 20), ck(250, 90)], "rising"),
        ([ck(1500, 100), ck(700, 20)], "improving"),
        ([ck(1001, 20)], "active"),
        ([HIGH, LOW, ck(1001, 20)], "relapse"),
    ],
)
def test_a_doubt_later_than_the_latest_ck_leaves_only_what_was_read_to_be_active(facts, expected):
    assert phase(*facts, doubt(30)) == expected
    assert phase(*facts, doubt(10)) == ("unknown" if expected in {"controlled", "improving"} else expected)


def test_the_newest_of_the_doubts_later_than_the_latest_ck_is_named():
    assert found(ck(100, 20), doubt(10), doubt(5), doubt(30)).unread_ck == doubt(5)
    assert found(ck(100, 20), doubt(30)).unread_ck is None


@pytest.mark.parametrize(
    ("latest", "older", "expected"),
    [
        (301, doubt(50, 90), "unknown"),
        (300, doubt(50, 90), "controlled"),
        (301, doubt(50), "controlled"),  # without a number it cannot be the nadir
        (301, doubt(101, 90), "controlled"),  # not after the peak
        (401, doubt(50, 90), "improving"),  # instead of controlled alone
    ],
)
def test_an_older_doubt_with_a_number_after_the_peak_may_be_the_nadir(latest, older, expected):
    now = found(ck(1500, 100), ck(latest, 20), older)
    assert (now.phase, now.barred_by) == (expected, (older,) if expected == "unknown" else ())
    assert now.reason == ("an older CK could not be read" if expected == "unknown" else "")


def test_a_doubt_beside_a_phase_that_is_known_bars_nothing():
    assert found(ck(1001, 20), doubt(10)).barred_by == ()


# Days, words and evidence


def test_days_are_those_of_the_clients_time_zone():
    facts = [HIGH, LOW, ck(500, "2026-02-10T22:00:00Z"), ck(500, "2026-02-11T05:00:00Z")]
    assert phase(*facts) == "relapse"
    assert phase(*facts, settings={"time_zone": timezone(timedelta(hours=-8))}) == "rising"


def test_a_ck_of_the_year_1_breaks_nothing_west_of_greenwich():
    facts = [ck(9000, "0001-01-01T00:00:00Z"), LOW, ck(500, 40), ck(500, 10)]
    assert phase(*facts, settings={"time_zone": timezone(timedelta(hours=-8))}) == "relapse"


def test_the_reason_names_the_numbers_and_the_evidence_the_results():
    now = found(HIGH, LOW, ck(500, 40), ck(700, 10))
    assert now.reason == "CK 500 and 700 U/L after a nadir of 200 U/L"
    assert (now.lowest.resource, now.times_lowest) == ("Observation/ck-500", Decimal("3.5"))
    assert [e.resource for e in now.evidence] == [
        "Observation/ck-40",
        "Observation/ck-10",
        "Observation/ck-500",
    ]
    now = found(HIGH, LOW, ck(700, 10))
    assert (now.phase, now.reason) == ("rising", "CK rising: 700 U/L after a nadir of 200 U/L")
    assert found(ck(700, 10)).reason == ""


def test_a_relapse_by_code_alone_has_no_nadir():
    now = found(HIGH, LOW, ck(700, 10), relapsed(20))
    assert (now.reason, now.lowest, now.times_lowest) == ("relapse is coded", None, None)
    assert (now.coded.role, now.coded.date) == ("relapse", "2026-02-09")
    assert [e.role for e in now.evidence] == ["condition"]


def test_a_relapse_by_code_and_by_ck_names_both():
    now = found(HIGH, LOW, ck(500, 40), ck(700, 10), relapsed(20))
    assert now.reason == "relapse is coded; CK 500 and 700 U/L after a nadir of 200 U/L"
    assert [e.role for e in now.evidence] == ["condition", "ck", "ck", "ck"]


@pytest.mark.parametrize(
    ("near", "named"),
    [
        (diagnosis("rhabdomyolysis", 40), True),
        (diagnosis("rhabdomyolysis", 40.1), False),
        (diagnosis("rhabdomyolysis", -20), True),
        (diagnosis("rhabdomyolysis", None), False),
        (diagnosis("rhabdomyolysis", 10, confirmed=False), False),
        (diagnosis("ild", 10), False),
    ],
)
def test_a_rhabdomyolysis_within_30_days_of_the_latest_ck_is_named_beside_a_relapse(near, named):
    assert (found(HIGH, LOW, ck(2000, 10), near).rhabdomyolysis is not None) is named
    assert found(HIGH, LOW, ck(100, 10), near).rhabdomyolysis is None
