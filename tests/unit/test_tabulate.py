"""Records → rows: where time zero lies, what is known then, how follow-up ends, and who is no row."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from fhir_mapping.checks import judge
from fhir_mapping.cohort.characteristics import beside_predictors
from fhir_mapping.cohort.tabulate import IMPROVED, Landmark, LeftOut, TabulatedPatient, cutoffs, tabulate
from models.training.cohort.schema import BESIDE
from models.training.errors import TrainingError
from tests.spec.language import AS_OF, alternatives, read
from tests.spec.run import gathered_from, packaged_tables

HALF_A_YEAR = Landmark("eligible", 180)
LAST = "encounter AMB visit @-10d"  # the last visit


def row(text, landmark=HALF_A_YEAR, until=AS_OF):
    return tabulate(gathered_from(read(text)), landmark, until)


def outcome(text, **options):
    found = row(text, **options)
    return (found.days, found.status) if isinstance(found, TabulatedPatient) else found


# time zero


@pytest.mark.parametrize(
    ("record", "days"),
    [
        ("condition core @-1000d", 810),  # 1000 - 180 - 10: from the onset
        ("condition core @-1000d clinical=resolved abatement=-50d", 810),  # active then
        ("condition core @-1000d recorded=-400d", 210),  # from when it was on record
        ("condition core @none recorded=-400d", 210),
        ("condition core @2025-06-14 recorded=2025-06", 70),  # from the onset
        ("condition core @-1000d; condition core @-500d", 810),  # from the earlier
        (
            "condition broad @-1000d; anti-srp positive @-600d; ck 5000 @-700d",
            410,
        ),  # probable with the antibody
        ("condition broad @-1000d; anti-srp negative @-900d; anti-srp positive @-600d; ck 5000 @-700d", 410),
        (
            "condition broad @-1000d; anti-srp positive @-900d; ck 900 @-800d; ck 1001 @-500d",
            310,
        ),  # with the CK
        ("condition broad @-1000d recorded=-300d; anti-srp positive @-900d; ck 5000 @-800d", 110),
        ("condition broad @none; anti-srp positive @-900d; ck 5000 @-800d", 610),
        ("condition broad @-1000d; anti-srp positive @-900d; ck 5000 @-800d; condition core @-600d", 610),
    ],
)
def test_time_zero_is_counted_from_the_first_fact_that_established_the_disease(record, days):
    assert outcome(f"{record}; {LAST}") == (days, 0)


@pytest.mark.parametrize(
    ("record", "days"),
    [
        ("imnm; request prednisone from=-900d dose=20", 710),
        ("imnm; request azathioprine from=-900d; request prednisone from=-950d to=-940d", 760),
        ("imnm; request prednisone from=-3000d to=-2900d dose=5; request azathioprine from=-900d", 710),
        ("imnm; request statin from=-990d; request azathioprine from=-900d", 710),
        ("imnm; request prednisone from=-3000d dose=5", 2810),  # taken when the myositis began
    ],
)
def test_time_zero_may_be_counted_from_the_first_treatment_of_the_myositis(record, days):
    landmark = Landmark("treated", 180)
    if days == 2810:
        assert row(f"{record}; {LAST}", landmark) is LeftOut.NOT_YET  # the landmark lies before the diagnosis
    else:
        assert outcome(f"{record}; {LAST}", landmark=landmark) == (days, 0)


@pytest.mark.parametrize(("recorded", "ended"), [(721, (710, 0)), (719, LeftOut.NOT_YET)])
def test_who_was_diagnosed_after_the_landmark_alone_is_no_row_however_early_the_onset(recorded, ended):
    record = f"condition core @-1000d recorded=-{recorded}d; request azathioprine from=-900d; {LAST}"
    assert outcome(record, landmark=Landmark("treated", 180)) == ended


@pytest.mark.parametrize("days", [-1, 3654])
def test_a_landmark_that_is_no_use_is_refused(days):
    with pytest.raises(TrainingError, match="0 to 3653 days"):
        Landmark("eligible", days)


def test_a_landmark_says_what_time_zero_is():
    assert HALF_A_YEAR.words == "180 days after the first fact that made IMNM definite or probable"


# what is known at time zero


def test_predictors_are_those_of_the_bedside_as_of_the_landmark_and_nothing_later_counts():
    before = "ana 1:640 @-830d; ast 200 @-830d; alt 100 @-830d; troponin-t 5 limit=16 @-830d"
    later = "condition cardiac-a @-300d; ast 60 @-300d; alt 100 @-300d; ana 1:80 @-300d"
    found = row(f"imnm; {before}; {later}; {LAST}")
    assert found.predictors == {
        "cardiac_involvement": False,
        "high_ana": True,
        "treatment_refractory": None,
        "high_drr": True,
    }
    assert found.raw == {"ana_titre": 640, "de_ritis_ratio": 2}


@pytest.mark.parametrize(
    ("facts", "raw"),
    [
        ('ana "< 1:320" @-830d', {}),
        ('ana ">= 1:320" @-830d', {}),
        ('ana "greater than 1:640" @-830d', {}),
        ("ana >=640 @-830d", {}),
        ("ana 1/160 @-830d", {"ana_titre": 160}),
        ("ast >200 @-830d; alt 100 @-830d", {}),
        ("ast 4000 @-830d; alt 100 @-830d", {}),  # 40: more than is plausible of a ratio
        ("ana-screen negative @-830d", {}),
    ],
)
def test_a_bound_is_no_raw_value(facts, raw):
    assert row(f"imnm; {facts}; {LAST}").raw == raw


@pytest.mark.parametrize(
    ("facts", "subtype"),
    [
        ("anti-srp positive @-900d", "anti-SRP"),
        ("anti-hmgcr positive @-900d", "anti-HMGCR"),
        ("anti-srp negative @-900d; anti-hmgcr negative @-900d", "seronegative"),
        ("anti-srp positive @-900d; anti-hmgcr positive @-900d", ""),
        ("anti-srp positive @-300d", ""),
    ],
)
def test_the_subtype_is_that_of_the_landmark(facts, subtype):
    assert row(f"imnm; {facts}; {LAST}").subtype == subtype


BLOOD = "lymphocytes 2 @-830d; neutrophils 5 @-830d"


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ("condition myalgia @-900d", {"myalgia": True}),
        ("condition snomed:68962001 @-900d", {"myalgia": True}),
        ("condition {icd10cm:M79.10,icd10cm:M79.18,icd10:M79.1} @-900d", {"myalgia": True}),
        ("condition icd10cm:M79.7 @-900d", {}),  # fibromyalgia
        ("condition myalgia @-900d verification=refuted", {}),
        ("condition myalgia @-300d", {}),  # after time zero
        ("condition dysphagia @-900d; condition ild @-900d", {"dysphagia": True, "ild": True}),
        ("condition dysphagia @-900d clinical=resolved", {"dysphagia": True}),
        ("ldh 700 @-830d; ldh 400 @-300d", {"ldh": 700}),
        ("ldh 700 @-830d; ldh 400 @-825d", {"ldh": 400}),
        ('ldh "12 ukat/L" @-830d', {"ldh": 720}),
        ("ldh >700 @-830d", {}),
        ("ldh 700 @-1185d", {"ldh": 700}),  # 365 days before time zero
        ("ldh 700 @-1186d", {}),
        ("hbdh 560 @-830d", {"hbdh": 560}),
        (BLOOD, {"lymphocytes": 2, "nlr": Decimal("2.5")}),
        (BLOOD.replace("830", "1186"), {}),
        ("lymphocytes 2 @-830d; neutrophils 5 @-829d", {"lymphocytes": 2}),
        ("lymphocytes <0.1 @-830d; neutrophils 5 @-830d", {}),
        ("ldh 300 @-830d; ldh {range 200-400,<400,>200} @-830d", {}),  # the highest of one time is not known
        ("ldh 300 @-830d; ldh {range 200-300,<300,250} @-830d", {"ldh": 300}),
    ],
)
def test_what_table_1_has_beside_the_predictors_is_that_of_time_zero(facts, known):
    absent = dict.fromkeys(("myalgia", "dysphagia", "ild"), False)
    unknown = dict.fromkeys(("ldh", "hbdh", "lymphocytes", "nlr")) | {"age": 53}
    for case in alternatives(facts):
        assert row(f"imnm; {case}; {LAST}").beside == absent | unknown | known, case


def test_a_diagnosis_is_not_known_to_be_absent_where_conditions_could_not_be_read():
    at_zero = judge(gathered_from(read("imnm; failed conditions")), AS_OF)
    assert {name: beside_predictors(at_zero)[name] for name in ("myalgia", "ild")} == {
        "myalgia": None,
        "ild": None,
    }


@pytest.mark.parametrize(
    ("patient", "age", "sex"),
    [
        ("patient born=1970-12-31 sex=male", 52, "male"),
        ("patient sex=unknown", 53, ""),
    ],
)
def test_age_is_that_of_time_zero_and_an_unknown_sex_is_none(patient, age, sex):
    of = row(f"imnm; {patient}; {LAST}")
    assert (of.beside["age"], of.sex) == (age, sex)


def test_the_columns_beside_the_predictors_are_those_of_the_cohort():
    assert set(row(f"imnm; {LAST}").beside) == set(BESIDE)


@pytest.mark.parametrize(("day", "improved"), [(821, True), (819, False)])
def test_whether_ck_had_improved_by_time_zero(day, improved):
    assert row(f"imnm; ck 5000 @-900d; ck 200 @-{day}d; {LAST}").improved is improved


# how it ends

COURSE = "imnm; ck 5000 @-990d; ck 200 @-900d; ck 600 @-140d; ck 600 @-120d"


@pytest.mark.parametrize(
    ("record", "ended"),
    [
        (f"imnm; {LAST}", (810, 0)),
        (f"imnm; encounter AMB visit @-300d; {LAST}; encounter AMB visit @+5d", (810, 0)),
        ("imnm; lvef 60 @-50d", (770, 0)),
        ("imnm; report ecg @-40d", (780, 0)),
        ("imnm; request azathioprine from=-300d", (520, 0)),  # begun then; that it still runs is no visit
        (f"imnm; patient died=-100d; {LAST}", (720, 2)),  # what is dated after the death is not follow-up
        (f"imnm; patient died=+5d; {LAST}", (810, 0)),
        (f"{COURSE}; request azathioprine from=-110d; {LAST}", (710, 1)),
        (f"{COURSE}; patient died=-50d; request azathioprine from=-110d", (710, 1)),
        (f"{COURSE}; {LAST}", (810, 0)),  # CK alone
    ],
)
def test_follow_up_ends_with_the_relapse_death_or_the_last_dated_fact(record, ended):
    assert outcome(record) == ended


def test_a_possible_relapse_by_ck_alone_is_kept_beside_the_outcome():
    assert row(f"{COURSE}; {LAST}").biochemical
    assert not row(f"{COURSE}; request azathioprine from=-110d").biochemical


def test_a_relapse_after_the_death_is_refused():
    with pytest.raises(TrainingError, match="after the death"):
        row(f"{COURSE}; patient died=-130d; request azathioprine from=-110d")


@pytest.mark.parametrize("died", ["2025", "2025-11", "2025-11-11", "2025-11-11T10:00:00Z"])
def test_a_relapse_within_what_the_date_of_death_leaves_open_came_before_it(died):
    found = row(f"{COURSE}; patient died={died}; request azathioprine from=2025-11-11T10:00:00Z")
    assert found.status == 1


def test_nothing_after_the_extract_counts():
    until = AS_OF - timedelta(days=130)
    assert outcome(f"{COURSE}; request azathioprine from=-110d; {LAST}", until=until) == (680, 0)


# who is no row

EARLY = "imnm; ck 5000 @-990d; ck 200 @-950d; ck 600 @-880d; ck 600 @-870d"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (LAST, LeftOut.NOT_IMNM),
        (
            f'condition uncoded @-900d display="Immune-mediated necrotizing myopathy"; {LAST}',
            LeftOut.NOT_KNOWN,
        ),
        (f"condition core @-900d modifier=yes; {LAST}", LeftOut.NOT_KNOWN),
        (f"condition core @-900d subject=Patient/another; {LAST}", LeftOut.NOT_KNOWN),
        (
            f"condition broad @-900d; ck 5000 @-900d; anti-srp positive status=preliminary @-900d; {LAST}",
            LeftOut.NOT_KNOWN,
        ),
        (f"condition broad @-900d; ck 5000 @-900d; {LAST}", LeftOut.NOT_IMNM),  # possible only
        (f"condition core @none; anti-srp negative @-900d; {LAST}", LeftOut.NO_START),
        (f"imnm; patient died=yes; {LAST}", LeftOut.DIED_UNDATED),
        ("imnm; patient died=-820d", LeftOut.DIED_BEFORE),
        ("imnm; encounter AMB visit @-820d", LeftOut.NOT_FOLLOWED),
        ("imnm", LeftOut.NOT_FOLLOWED),
        (f"condition core @-100d; {LAST}", LeftOut.NOT_FOLLOWED),  # the landmark is still to come
        (f"condition core @-1000d clinical=resolved; {LAST}", LeftOut.NOT_IMNM),
        (f"condition core @-1000d clinical=resolved abatement=-900d; {LAST}", LeftOut.NOT_YET),
        (f"imnm; patient born=2006-01-01; {LAST}", LeftOut.EXCLUDED),
        (f"imnm; patient born=none; {LAST}", LeftOut.EXCLUDED),
        (f"{EARLY}; request azathioprine from=-860d; ck 150 @-830d; {LAST}", LeftOut.RELAPSED_BEFORE),
        (f"{EARLY}; ck 600 @-830d; {LAST}", LeftOut.RELAPSING),
    ],
)
def test_who_is_left_out_and_why(record, reason):
    assert row(record) is reason


def test_a_patient_treated_never_has_no_start_by_treatment():
    assert row(f"imnm; {LAST}", Landmark("treated", 90)) is LeftOut.NO_START


# the seam to the cohort


def test_a_row_speaks_the_language_of_the_cohort():
    cells = row(f"imnm; ana 1/640 @-830d; anti-srp positive @-900d; {LAST}").cells()
    assert cells == {
        "id": "p1",
        "time_days": "810.0",
        "status": "0",
        "cardiac_involvement": "",
        "high_ana": "1",
        "treatment_refractory": "",
        "high_drr": "",
        "ana_titre": "640",
        "de_ritis_ratio": "",
        "myalgia": "0",
        "dysphagia": "0",
        "ild": "0",
        "ldh": "",
        "hbdh": "",
        "lymphocytes": "",
        "nlr": "",
        "age": "53",
        "subtype": "anti-SRP",
        "sex": "female",
        IMPROVED: "0",
    }


def test_the_cutoffs_are_those_of_the_tables():
    ana, drr = cutoffs(packaged_tables())
    assert (ana.threshold, ana.inclusive, ana.is_present(320), ana.is_present(319)) == (
        320,
        True,
        True,
        False,
    )
    assert (drr.threshold, drr.inclusive) == (Decimal("1.73"), False)
    assert (drr.is_present(1.73), drr.is_present(1.74)) == (False, True)
    moved = replace(packaged_tables().rules.thresholds["high_ana.threshold"], value=Decimal(640))
    rules = replace(
        packaged_tables().rules,
        thresholds={**packaged_tables().rules.thresholds, "high_ana.threshold": moved},
    )
    assert cutoffs(replace(packaged_tables(), rules=rules))[0].threshold == 640
