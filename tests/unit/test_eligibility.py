"""Is this an IMNM patient? (M1, E1 to E9)"""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Patient, ReferenceLimits, Value
from fhir_mapping.rules.eligibility import eligibility
from tests.support.facts import BORN, diagnosis, record, result

CORE, BROAD = diagnosis("core", 400), diagnosis("broad", 300)
HIGH = result("ck", 1001, 200)


def antibody(analyte="anti-srp", text="Positive", days=100):
    return replace(result(analyte, None, days, high=None), value=Value(text=text))


SRP, HMGCR = antibody(), antibody("anti-hmgcr")


def state(*facts, **options):
    return eligibility(record(*facts, **options)).state


# E1 and M1: a core code


@pytest.mark.parametrize(
    ("clinical", "confirmed", "expected"),
    [
        ("active", True, "definite"),
        ("recurrence", True, "definite"),
        ("relapse", True, "definite"),
        ("remission", True, "definite"),
        ("inactive", True, "none"),
        ("resolved", True, "none"),
        ("active", False, "none"),
    ],
)
def test_a_core_code_on_an_eligible_condition_is_definite(clinical, confirmed, expected):
    assert state(diagnosis("core", 10, confirmed, clinical)) == expected


# E2, E3, E4: how many of three


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([BROAD, SRP, HIGH], "probable"),
        ([BROAD, HMGCR, HIGH], "probable"),
        ([BROAD, SRP], "possible"),
        ([BROAD, HIGH], "possible"),  # of the last 365 days (E3)
        ([BROAD, result("ck", 1001, 365)], "possible"),
        ([BROAD, result("ck", 1001, 366)], "none"),
        ([SRP, HIGH], "possible"),
        ([SRP, HMGCR], "none"),
        ([BROAD], "none"),
        ([SRP], "none"),
        ([HIGH], "none"),
        ([], "none"),
        ([BROAD, antibody(text="weak positive"), HIGH], "possible"),
        ([BROAD, antibody(text="Negative"), HIGH], "possible"),
        # ever positive
        ([BROAD, SRP, antibody(text="Negative", days=10), HIGH], "probable"),
        # M1: which Conditions stand for a broad code
        ([diagnosis("broad", 10, clinical="resolved"), SRP, HIGH], "possible"),
        ([diagnosis("broad", 10, confirmed=False), SRP, HIGH], "possible"),
        ([diagnosis("core", 10, confirmed=False), SRP, HIGH], "probable"),
        ([diagnosis("core", 10, confirmed=False, clinical="resolved"), SRP, HIGH], "possible"),
        ([diagnosis("core", 10, clinical="inactive"), SRP, HIGH], "possible"),
        ([diagnosis("core", 10, confirmed=False), HIGH], "possible"),
        ([diagnosis("core broad", 10, confirmed=False), SRP, HIGH], "probable"),
        # codes that are broad only with an antibody
        ([diagnosis("broad-antibody", 10), HIGH], "none"),
        ([diagnosis("broad-antibody", 10), SRP], "possible"),
        ([diagnosis("broad-antibody", 10), SRP, HIGH], "probable"),
        ([diagnosis("broad-antibody", 10), HMGCR, HIGH], "probable"),
        ([diagnosis("broad-hmgcr", 10), HIGH], "none"),
        ([diagnosis("broad-hmgcr", 10), SRP], "none"),
        ([diagnosis("broad-hmgcr", 10), SRP, HIGH], "possible"),
        ([diagnosis("broad-hmgcr", 10), HMGCR, HIGH], "probable"),
        ([diagnosis("broad-hmgcr broad", 10), SRP, HIGH], "probable"),
        # E6: never by themselves
        ([diagnosis("dermatomyositis", 10), SRP], "none"),
        ([diagnosis("inclusion-body-myositis", 10), HIGH], "none"),
    ],
)
def test_probable_needs_three_signs_and_possible_two(facts, expected):
    assert state(*facts) == expected


@pytest.mark.parametrize(
    ("value", "comparator", "limit", "expected"),
    [
        (1000, "", 200, "none"),
        ("1000.1", "", 200, "possible"),
        (1000, "", 199, "possible"),
        (1000, ">", 200, "possible"),
        # U4: a bound that leaves it open is a doubt
        (1000, ">=", 200, "unknown"),
        (999, ">", 200, "unknown"),
        (9000, "<", 200, "unknown"),
        (1000, "<=", 200, "none"),
    ],
)
def test_ck_above_5_times_its_own_limit(value, comparator, limit, expected):
    assert state(SRP, result("ck", value, 3000, comparator, high=limit)) == expected


# E5: excluded


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (Patient("p", "female", BORN, BORN, age=56), "definite"),
        (Patient("p", "female", BORN, BORN, dead=True, age=56), "deceased"),
        (Patient("p", dead=True), "deceased"),
        (Patient("p"), "unknown birth date"),
        (Patient("p", "", date(2026, 3, 2), date(2026, 3, 2), age=-1), "unknown birth date"),
        (Patient("p", "", date(2026, 3, 1), date(2026, 3, 1), age=0), "minor"),
        (Patient("p", "", date(2026, 1, 1), date(2026, 12, 31), age=-1), "minor"),
        (Patient("p", "", date(2008, 3, 2), date(2008, 3, 2), age=17), "minor"),
        (Patient("p", "", date(2008, 3, 1), date(2008, 3, 1), age=18), "definite"),
        (None, "unknown birth date"),
    ],
)
def test_who_is_excluded_and_why(patient, expected):
    found = eligibility(record(CORE, patient=patient))
    assert (found.reason if found.state == "excluded" else found.state) == expected


def test_only_definite_and_probable_can_be_excluded():
    dead = Patient("p", "female", BORN, BORN, dead=True)
    assert state(BROAD, SRP, HIGH, patient=dead) == "excluded"
    assert state(BROAD, SRP, patient=dead) == "possible"
    assert state(patient=dead) == "none"


def test_a_patient_that_could_not_be_read_excludes_nobody():
    assert state(CORE, patient=None, failed={"patient": "timed out"}) == "definite"


# E6: noted beside


@pytest.mark.parametrize(
    ("facts", "noted"),
    [
        ([CORE, diagnosis("dermatomyositis", 10)], ["dermatomyositis is coded too"]),
        ([CORE, diagnosis("dermatomyositis", 10, clinical="resolved")], ["dermatomyositis is coded too"]),
        ([CORE, diagnosis("dermatomyositis", 10, confirmed=False)], []),
        ([diagnosis("core dermatomyositis", 10)], []),
        (
            [BROAD, SRP, HIGH, diagnosis("inclusion-body-myositis", 10)],
            ["inclusion body myositis is coded too"],
        ),
        ([BROAD, SRP, diagnosis("dermatomyositis", 10)], []),
    ],
)
def test_a_competing_diagnosis_is_noted(facts, noted):
    assert [note.text for note in eligibility(record(*facts)).notes if note.rule == "E6"] == noted


# E9: myositis onset


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([diagnosis("core", "2025-03")], datetime(2025, 3, 1, tzinfo=UTC)),
        ([diagnosis("core", "2025-03"), diagnosis("broad", "2024")], datetime(2024, 1, 1, tzinfo=UTC)),
        (
            [diagnosis("core", "2025-03"), diagnosis("broad", "2024", clinical="resolved")],
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
        (
            [diagnosis("core", "2025-03"), diagnosis("broad", "2024", confirmed=False)],
            datetime(2025, 3, 1, tzinfo=UTC),
        ),
        (
            [diagnosis("core", "2025-03"), diagnosis("broad-antibody", "2024")],
            datetime(2025, 3, 1, tzinfo=UTC),
        ),
        (
            [diagnosis("core", "2025-03"), diagnosis("broad-antibody", "2024"), SRP],
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
        (
            [diagnosis("core", "2025-03"), diagnosis("dermatomyositis", "2024")],
            datetime(2025, 3, 1, tzinfo=UTC),
        ),
        ([diagnosis("core", None), diagnosis("broad", "2024")], datetime(2024, 1, 1, tzinfo=UTC)),
        ([diagnosis("core", None)], None),
    ],
)
def test_the_onset_is_the_earliest_of_counted_core_and_broad_conditions(facts, expected):
    found = eligibility(record(*facts))
    assert found.onset == expected
    assert ("E9" in {note.rule for note in found.notes}) == (expected is None)


def test_an_unknown_onset_is_not_noted_where_there_is_nothing():
    assert eligibility(record()).notes == ()


# Reason and evidence


def test_the_reason_and_the_evidence_of_a_probable_patient():
    found = eligibility(record(BROAD, SRP, antibody("anti-hmgcr", "Negative"), HIGH, result("ck", 8000, 150)))
    assert found.reason == "a myopathy is coded, anti-SRP positive, CK was above 5 × ULN"
    assert found.subtype == "anti-SRP"
    assert [(e.resource, e.role, e.value, e.original, e.date) for e in found.evidence] == [
        ("Condition/broad-300", "condition", None, "", "2025-05-05"),
        ("Observation/anti-srp-100", "anti-srp", "positive", "Positive", "2025-11-21"),
        ("Observation/ck-150", "ck", 8000, "8000 U/L", "2025-10-02"),
    ]


def test_a_definite_patient_is_shown_by_code_and_antibodies():
    negative = [antibody("anti-srp", "Negative"), antibody("anti-hmgcr", "neg")]
    found = eligibility(record(CORE, BROAD, HIGH, *negative))
    assert (found.reason, found.subtype) == ("immune-mediated necrotizing myopathy is coded", "seronegative")
    assert [e.role for e in found.evidence] == ["condition", "anti-srp", "anti-hmgcr"]
    assert [e.value for e in found.evidence] == [None, "negative", "negative"]


def test_an_undated_condition_has_no_date_and_nothing_has_no_sign():
    assert eligibility(record(diagnosis("core", None))).evidence[0].date == ""
    assert eligibility(record()).reason == "no sign of IMNM"
    assert eligibility(record(SRP, HMGCR)).reason == "anti-SRP and anti-HMGCR positive"


def test_a_default_limit_of_the_ck_is_named():
    ck = replace(HIGH, limits=ReferenceLimits(high=Decimal(200), default=True))
    assert [e.role for e in eligibility(record(SRP, ck)).evidence] == ["anti-srp", "ck", "ck-limit"]


def test_of_equally_high_cks_the_earliest_is_shown():
    cks = [result("ck", 5000, 20), result("ck", 5000, 30), result("ck", 2000, 40)]
    assert eligibility(record(BROAD, *cks)).evidence[-1].resource == "Observation/ck-30"
