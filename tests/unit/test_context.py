"""Context beside the score (X1) and published factors of a refractory course (Z1)."""

from decimal import Decimal

import pytest

from fhir_mapping.evidence import Eligibility
from fhir_mapping.record import Patient
from fhir_mapping.rules.context import context, srp_refractory
from models.inputs import State
from tests.support.facts import ago, course, diagnosis, done, given, record, result

ONSET = ago(1000).first


def found(*facts, onset=ONSET):
    return {
        f.finding: f.evidence
        for f in context(record(*facts), Eligibility("definite", "", "anti-SRP", onset=onset))
    }


@pytest.mark.parametrize(
    ("facts", "findings"),
    [
        ([], []),
        ([diagnosis("ild", 9)], ["ild"]),
        ([diagnosis("ild", 9, clinical="resolved")], ["ild"]),
        ([diagnosis("ild", 9, confirmed=False)], []),
        ([diagnosis("dysphagia", 9)], ["dysphagia"]),
        ([diagnosis("malignancy", None)], ["malignancy"]),
        ([result("lymphocytes", "0.9", 9, low=1)], ["lymphopenia"]),
        ([result("lymphocytes", 1, 9, low=1)], []),
        ([result("lymphocytes", "0.9", 9)], []),
        ([result("lymphocytes", 1, 9, low=1, comparator="<")], ["lymphopenia"]),
        ([result("lymphocytes", 2, 9, low=1, comparator="<")], []),
        ([result("lymphocytes", "0.9", 20, low=1), result("lymphocytes", 2, 9, low=1)], []),
        ([result("ldh", 200, 9)], ["ldh"]),
        ([result("hbdh", 200, 9)], ["hbdh"]),
        ([result("ldh", None, 9)], []),
        ([course("statin", 1001, 900)], ["statin"]),
        ([course("statin", 1000, 900)], []),
        ([given("checkpoint-inhibitor", 1001)], ["checkpoint-inhibitor"]),
        ([course("methotrexate", 1001, 900)], []),
    ],
)
def test_findings_that_are_shown_and_never_scored(facts, findings):
    assert list(found(*facts)) == findings


def test_the_order_of_findings_is_fixed():
    facts = [
        course("statin", 2000, 900),
        diagnosis("malignancy", 9),
        result("ldh", 300, 9),
        diagnosis("ild", 9),
    ]
    assert list(found(*facts)) == ["ild", "ldh", "malignancy", "statin"]


def test_the_latest_value_is_shown():
    assert [e.value for e in found(result("ldh", 300, 9), result("ldh", 400, 20))["ldh"]] == [300]


def test_of_lymphocytes_of_one_time_the_lowest_that_is_low_is_shown():
    written = {"a": ("0.9", "", 1), "b": ("0.8", "", None), "c": (2, "", 1), "d": ("0.5", ">", 1)}
    counts = [
        result("lymphocytes", value, 9, sign, low=low, resource=f"Observation/{name}")
        for name, (value, sign, low) in written.items()
    ]
    for order in (counts, counts[::-1]):
        assert [e.resource for e in found(*order)["lymphopenia"]] == ["Observation/a"]


def test_exposure_before_an_unknown_onset_is_left_out():
    assert found(course("statin", 2000, 900), onset=None) == {}


def counts(neutrophils, lymphocytes, **more):
    return result("neutrophils", neutrophils, **more), result("lymphocytes", lymphocytes, **more)


def nlr(*facts):
    evidence = found(*facts).get("nlr")
    return evidence and (str(evidence[0].value), [e.resource for e in evidence[1:]])


def test_neutrophils_over_lymphocytes_of_one_time():
    same = counts(6, 2, days=9)
    assert nlr(*same) == ("3", [r.resource for r in same])
    assert nlr(same[0], result("lymphocytes", 2, 10)) is None


def test_neutrophils_over_lymphocytes_of_one_specimen():
    drawn = (
        result("neutrophils", 6, 9, specimen="Specimen/s"),
        result("lymphocytes", 3, 8, specimen="Specimen/s"),
    )
    assert nlr(*drawn) == ("2", [r.resource for r in drawn])
    beside = result("lymphocytes", 1, 9, resource="Observation/a")
    assert nlr(*drawn, beside)[0] == "2"
    later = result("lymphocytes", 1, 7, resource="Observation/a", specimen="Specimen/s")
    assert nlr(*drawn, later)[0] == "6"


def test_the_latest_ratio_counts_and_of_one_time_the_lowest_id():
    other = result("lymphocytes", 1, 9, resource="Observation/a")
    assert nlr(*counts(6, 2, days=9), *counts(9, 1, days=20))[0] == "3"
    assert nlr(*counts(6, 2, days=9), other)[0] == "6"


@pytest.mark.parametrize("lymphocytes", [{"value": 0}, {"value": None}, {"value": 2, "comparator": "<"}])
def test_there_is_no_ratio_without_a_countable_number_of_lymphocytes(lymphocytes):
    assert nlr(result("neutrophils", 6, 9), result("lymphocytes", days=9, **lymphocytes)) is None


@pytest.mark.parametrize("neutrophils", [{"value": None}, {"value": 6, "comparator": ">"}])
def test_there_is_no_ratio_without_exact_neutrophils(neutrophils):
    assert nlr(result("neutrophils", days=9, **neutrophils), result("lymphocytes", 2, 9)) is None


def test_the_evidence_of_a_ratio_is_the_ratio_and_both_counts():
    evidence = found(*counts(7, 2, days=9))["nlr"]
    assert [(e.role, e.value, e.unit) for e in evidence] == [
        ("nlr", Decimal("3.5"), "1"),
        ("neutrophils", 7, "10*9/L"),
        ("lymphocytes", 2, "10*9/L"),
    ]


def factors(*facts, subtype="anti-SRP", state=State.MISSING, **options):
    answer = srp_refractory(record(*facts, **options), Eligibility("definite", "", subtype), state)
    return answer and (answer.male, answer.severe_weakness, answer.ild)


@pytest.mark.parametrize(
    ("subtype", "state", "shown"),
    [
        ("anti-SRP", State.MISSING, True),
        ("both", State.INDETERMINATE, True),
        ("anti-SRP", State.PRESENT, False),
        ("anti-SRP", State.ABSENT, False),
        ("anti-HMGCR", State.MISSING, False),
        ("unknown", State.MISSING, False),
    ],
)
def test_factors_are_for_anti_srp_disease_that_is_not_known_to_be_refractory_or_not(subtype, state, shown):
    assert (factors(subtype=subtype, state=state) is not None) == shown


@pytest.mark.parametrize(
    ("sex", "male"),
    [
        ("male", "present"),
        ("female", "absent"),
        ("other", "missing"),
        ("unknown", "missing"),
        ("", "missing"),
    ],
)
def test_male_sex(sex, male):
    assert factors(sex=sex) == (male, "missing", "missing")


def test_without_a_patient_sex_is_missing():
    assert factors(patient=None) == ("missing", "missing", "missing")
    assert factors(patient=Patient("p1", sex="male"))[0] == "present"


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        (result("severe-weakness", None, 9), "present"),
        (diagnosis("severe-weakness", 9), "present"),
        (diagnosis("severe-weakness", 9, confirmed=False), "missing"),
    ],
)
def test_severe_weakness_is_what_the_site_codes_as_such(fact, state):
    assert factors(fact)[1] == state


@pytest.mark.parametrize(
    ("facts", "options", "state"),
    [
        ([diagnosis("ild", 900)], {}, "present"),
        ([diagnosis("ild", 900, confirmed=False)], {}, "missing"),
        ([done("DiagnosticReport", "chest-ct", 900)], {}, "absent"),
        ([done("Procedure", "chest-ct", 900)], {}, "absent"),
        ([result("chest-ct", None, 900)], {}, "absent"),
        ([done("Procedure", "chest-ct", 900)], {"failed": {"conditions": "timed out"}}, "missing"),
        ([diagnosis("ild", 900), done("Procedure", "chest-ct", 9)], {}, "present"),
        ([], {}, "missing"),
    ],
)
def test_lung_disease_is_absent_only_where_a_chest_ct_was_made(facts, options, state):
    assert factors(*facts, **options)[2] == state
