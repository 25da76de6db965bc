"""F3 to F8 for results: status, time, code, value, unit, plausible range, limits."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from fhir_mapping.laboratory.antibody import read_answer

UCUM = "http://unitsofmeasure.org"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
FIVE = {"code": {}, "valueQuantity": {"value": 5, "unit": "U/L"}}


def quantity(value, unit="U/L", **more):
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}


def because(code):
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": code}]}


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_final_result_counts(record, observation, status):
    (result,) = record(observation(status=status)).results
    assert result.resource == "Observation/o1"
    assert result.id == "o1"
    assert result.analyte == "ck"
    assert result.roles == {"ck"}
    assert result.amount.value == 1000
    assert result.amount.unit == "U/L"
    assert result.amount.original == "1000 U/L"
    assert result.when.text == "2026-01-01T08:00:00Z"


@pytest.mark.parametrize("status", ["preliminary", "registered", "cancelled", "entered-in-error", "unknown"])
def test_any_other_status_is_the_reason(reasons, observation, status):
    assert reasons(observation(status=status)) == {"Observation/o1": status}


def test_a_word_that_is_no_status_is_unknown(reasons, observation):
    assert reasons(observation(status="odd")) == {"Observation/o1": "unknown status"}


def test_no_status_is_a_reason(reasons, observation):
    assert reasons(observation(status=None)) == {"Observation/o1": "no status"}


def test_an_unknown_status_counts_where_the_client_says_so(record, observation):
    assert len(record(observation(status="unknown"), accept_unknown_status=True).results) == 1


# Time (F3)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ({"effectiveDateTime": "2025-01-01", "issued": "2025-02-01T00:00:00Z"}, "2025-01-01"),
        ({"effectivePeriod": {"start": "2025-01-01", "end": "2025-01-03"}}, "2025-01-03"),
        ({"effectivePeriod": {"start": "2025-01-01"}}, "2025-01-01"),
        ({"effectiveInstant": "2025-01-01T00:00:00Z"}, "2025-01-01T00:00:00Z"),
        ({"issued": "2025-02-01T00:00:00Z"}, "2025-02-01T00:00:00Z"),
        ({"effectivePeriod": {}, "issued": "2025-02-01T00:00:00Z"}, "2025-02-01T00:00:00Z"),
    ],
)
def test_the_first_of_the_times_counts(record, observation, times, text):
    (result,) = record(observation(**{"effectiveDateTime": None, **times})).results
    assert result.when.text == text


@pytest.mark.parametrize(
    "times", [{}, {"effectiveDateTime": "last week"}, {"effectiveTiming": {"event": ["2025-01-01"]}}]
)
def test_without_a_time_a_result_is_undated(reasons, observation, times):
    assert reasons(observation(**{"effectiveDateTime": None, **times})) == {"Observation/o1": "undated"}


def test_up_to_24_hours_ahead_a_result_counts_as_at_as_of(record, reasons, observation, as_of):
    ahead = (as_of + timedelta(hours=24)).isoformat()
    (result,) = record(observation(effectiveDateTime=ahead)).results
    assert result.when.first == result.when.last == as_of
    assert result.when.text == ahead
    later = (as_of + timedelta(hours=24, seconds=1)).isoformat()
    assert reasons(observation(effectiveDateTime=later)) == {"Observation/o1": "future"}


def test_a_partial_date_ends_at_as_of_at_the_latest(record, observation, as_of):
    (result,) = record(observation(effectiveDateTime="2026")).results
    assert result.when.first == datetime(2026, 1, 1, tzinfo=UTC)
    assert result.when.last == as_of


def test_a_time_without_a_zone_is_in_the_zone_of_the_client(record, observation):
    (result,) = record(
        observation(effectiveDateTime="2026-01-01T08:00"), time_zone=timezone(timedelta(hours=8))
    ).results
    assert result.when.first == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_later_issued_does_not_matter(record, observation):
    assert len(record(observation(issued="2030-01-01T00:00:00Z")).results) == 1


# Code (F4)


def test_any_coding_may_match(record, observation):
    code = {
        "coding": [
            {"system": "urn:lab", "code": "CK"},
            {"code": "2157-6"},
            {"system": "http://loinc.org", "code": "2157-6"},
        ]
    }
    assert [r.analyte for r in record(observation(code=code)).results] == ["ck"]


def test_display_and_text_are_never_matched(record, observation):
    code = {
        "coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Creatine kinase"}],
        "text": "2157-6",
    }
    found = record(observation(code=code), observation("o2", code={"text": "CK"}))
    assert (found.results, found.refused, found.doubts) == ((), (), ())


def test_codes_of_two_analytes_conflict(record, observation):
    code = {"coding": [{"system": "http://loinc.org", "code": code} for code in ("1920-8", "1742-6")]}
    (refused,) = record(observation(code=code)).refused
    assert refused.reason == "conflicting codes"
    assert refused.roles == {"ast", "alt"}


def test_two_codes_of_one_analyte_do_not(record, observation):
    code = {"coding": [{"system": "http://loinc.org", "code": code} for code in ("1920-8", "30239-8")]}
    assert [r.analyte for r in record(observation(code=code)).results] == ["ast"]


# Value and unit (F5, F6)


@pytest.mark.parametrize(
    ("more", "refused", "doubted"),
    [
        ({}, [], ["no value"]),
        ({"valueRange": {}}, [], ["no value"]),
        ({"valueQuantity": {"unit": "U/L"}}, [], ["no value"]),
        ({"valueString": "1000"}, ["no unit"], ["no unit"]),
        ({"valueString": "see letter"}, ["no number"], ["no number"]),
        ({"valueCodeableConcept": {"text": "haemolysed"}}, ["no number"], []),  # it says that there is none
        (
            {"valueQuantity": quantity(1000), "dataAbsentReason": because("error")},
            ["data absent"],
            ["data absent"],
        ),
        ({"valueQuantity": quantity(1000), "dataAbsentReason": because("unknown")}, ["data absent"], []),
        (
            {"valueQuantity": quantity(1000), "dataAbsentReason": {"text": "error"}},
            ["data absent"],
            ["data absent"],
        ),
        ({"valueQuantity": quantity(1000), "dataAbsentReason": {"text": "unknown"}}, ["data absent"], []),
        ({"dataAbsentReason": because("error"), "component": [FIVE]}, ["data absent"], ["data absent"]),
    ],
)
def test_a_magnitude_needs_a_number_and_its_unit(record, observation, more, refused, doubted):
    judged = record(observation(value=None, **more))
    assert [r.reason for r in judged.refused] == refused
    assert [(d.role, d.reason) for d in judged.doubts] == [("ck", reason) for reason in doubted]
    assert judged.results == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"value": 1000}, "no unit"),
        ({"value": 1000, "code": "U/L"}, "unknown unit"),
        ({"value": 1000, "unit": "mg/dL"}, "unknown unit"),
        (quantity(1000, "mg/dL"), "unknown unit"),
        ({**quantity(1000), "unit": "ukat/L"}, "unknown unit"),
        (quantity(0), "implausible"),
        (quantity(0.999), "implausible"),
        (quantity(1000001), "implausible"),
        (quantity(-5), "implausible"),
    ],
)
def test_a_magnitude_needs_its_unit_and_a_plausible_value(reasons, observation, value, reason):
    assert reasons(observation(value=None, valueQuantity=value)) == {"Observation/o1": reason}


@pytest.mark.parametrize(
    ("code", "unit", "low", "high"),
    [
        ("2157-6", "U/L", 1, 1000000),
        ("1920-8", "U/L", 1, 50000),
        ("1742-6", "U/L", 1, 50000),
        ("10230-1", "%", 5, 90),
        ("1916-6", "1", 0.05, 20),
        ("16325-3", "1", 0.05, 20),
        ("89579-7", "ng/L", 0, 1000000),
        ("33762-6", "pg/mL", 0, 500000),
    ],
)
def test_the_ends_of_the_plausible_range_count(record, observation, code, unit, low, high):
    inside = [observation("a", code, low, unit), observation("b", code, high, unit)]
    outside = [observation("c", code, low - 0.01, unit), observation("d", code, high + 0.01, unit)]
    found = record(*inside, *outside)
    assert {r.id for r in found.results} == {"a", "b"}
    assert {r.reason for r in found.refused} == {"implausible"}


def test_the_inverse_ratio_is_judged_as_what_it_means(record, observation):
    found = record(
        observation("a", "16325-3", 0.5, "1"),
        observation("b", "16325-3", 0.04, "1"),
        observation("c", "16325-3", 0, "1"),
    )
    assert [(r.analyte, r.amount.value) for r in found.results] == [("alt-ast-ratio", Decimal("0.5"))]
    assert {r.reason for r in found.refused} == {"implausible"}


def test_a_fraction_becomes_a_percentage_whatever_its_unit(record, observation):
    found = record(observation("a", "10230-1", 0.55, "%"), observation("b", "10230-1", None, valueInteger=1))
    assert [(r.id, r.amount.value) for r in found.results] == [("a", 55)]
    assert [r.reason for r in found.refused] == ["implausible"]


def test_an_integer_is_a_number_without_a_unit(record, reasons, observation):
    (lvef,) = record(observation(code="10230-1", value=None, valueInteger=55)).results
    assert (lvef.amount.value, lvef.amount.original) == (55, "55")
    assert reasons(observation(value=None, valueInteger=55)) == {"Observation/o1": "no unit"}


@pytest.mark.parametrize("code", ["2532-0", "1677-4"])
def test_an_absurd_number_is_implausible_even_without_a_range(reasons, observation, code):
    import json

    json_text = json.dumps(observation(code=code)).replace("1000", "1e999999999")
    assert reasons(json_text.encode()) == {"Observation/o1": "implausible"}


def test_blood_cells_and_other_enzymes_need_their_unit_too(record, observation):
    found = record(
        observation("a", "731-0", 0.9, "10*3/uL"),
        observation("b", "751-8", 9, "mg"),
        observation("c", "2532-0", -1),
        observation("d", "1677-4", 3, "ukat/L"),
    )
    assert {(r.analyte, r.amount.value) for r in found.results} == {
        ("lymphocytes", Decimal("0.9")),
        ("ldh", -1),
        ("hbdh", 180),
    }
    assert [r.reason for r in found.refused] == ["unknown unit"]


@pytest.mark.parametrize(
    ("value", "original"),
    [
        ({"value": 7000, "unit": "U/L", "comparator": ">"}, ">7000 U/L"),
        ({"value": 7000, "system": UCUM, "code": "[iU]/L"}, "7000 [iU]/L"),
        ({"value": 6.943345309871108, "unit": "U/L"}, "6.943345309871108 U/L"),
    ],
)
def test_a_value_is_shown_as_written(record, observation, value, original):
    (result,) = record(observation(value=None, valueQuantity=value)).results
    assert result.amount.original == original
    assert result.amount.comparator == value.get("comparator", "")


def test_digits_without_end_are_not_shown(record, observation):
    import json

    json_text = json.dumps(observation()).replace("1000", "1000." + "3" * 4000)
    (result,) = record(json_text.encode()).results
    assert result.amount.original == "1000.33 U/L"


# Results that need no magnitude


@pytest.mark.parametrize("code", ["19868-9", "19911-7", "11524-6", "42148-7", "24627-2", "24323-8"])
def test_lung_function_ecg_echo_ct_and_panels_need_no_value(record, observation, code):
    found = record(
        observation("o1", code, None), observation("o2", code, 3, "odd", specimen={"reference": "Specimen/x"})
    )
    assert [r.amount for r in found.results] == [None, None]


def test_what_was_not_done_is_absent(reasons, observation):
    assert reasons(observation(code="19868-9", value=None, dataAbsentReason={"text": "not done"})) == {
        "Observation/o1": "data absent"
    }


@pytest.mark.parametrize("code", ["33921-8", "93493-5", "8061-4"])
@pytest.mark.parametrize(
    "value",
    [
        {"valueString": "Positive"},
        {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "10828004"}]}},
        {"valueCodeableConcept": {"text": "positive"}},
        {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 320}}},
        {"interpretation": [{"coding": [{"system": INTERPRETATION, "code": "POS"}]}]},
        {"interpretation": [{"text": "Weak"}]},
    ],
)
def test_an_answer_is_anything_that_says_something(record, observation, code, value):
    (result,) = record(observation(code=code, value=None, **value)).results
    assert result.amount is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"valueString": ""},
        {"valueCodeableConcept": {}},
        {"valueRatio": {"numerator": {"value": 1}}},
        {"valueRatio": {}},
        {"component": [{"code": {}, "dataAbsentReason": {"text": "error"}}]},
        # nothing that a rule knows: neither a limit of its own, nor a word, nor a code
        {"valueQuantity": {"value": 25, "unit": "CU"}},
        {"valueQuantity": {"value": 25}},
        {"valueInteger": 320},
        {"valueBoolean": False},
        {"interpretation": [{"coding": [{"system": "urn:local", "code": "POS"}]}]},
        {
            "component": [{"code": {}, "valueString": "see letter"}],
            "dataAbsentReason": {"text": "see components"},
        },
    ],
)
@pytest.mark.parametrize(("code", "role"), [("33921-8", "anti-srp"), ("8061-4", "ana")])
def test_an_answer_that_says_nothing_is_neither_accepted_nor_refused(record, observation, value, code, role):
    judged = record(observation(code=code, value=None, **value))
    assert (judged.results, judged.refused) == ((), ())
    assert [(d.role, d.reason) for d in judged.doubts] == [(role, "no value")]


def test_a_reason_why_there_is_no_answer_is_none_whatever_stands_beside_it(reasons, observation):
    value = {"dataAbsentReason": {"text": "error"}, "valueString": "Negative"}
    assert reasons(observation(code="33921-8", value=None, **value)) == {"Observation/o1": "data absent"}


@pytest.mark.parametrize(
    ("titre", "counts"), [("1:1", True), ("1:10000000", True), ("1:10000001", False), ("1:0", False)]
)
def test_an_ana_titre_must_be_plausible_too(record, observation, titre, counts):
    found = record(observation(code="5048-4", value=None, valueString=titre))
    assert len(found.results) == counts
    parts = [{"code": {"coding": [{"system": "http://loinc.org", "code": "20401-6"}]}, "valueString": titre}]
    assert len(record(observation(code="8061-4", value=None, component=parts)).results) == counts
    of_srp = record(observation(code="53011-3", value=None, valueString=titre))
    assert len(of_srp.results) == (titre != "1:0")  # which is no answer: that is a doubt


def test_a_titre_of_nought_is_implausible(reasons, observation):
    assert reasons(observation("a", "5048-4", 0, "1"), observation("b", "5048-4", None, valueInteger=0)) == {
        "Observation/a": "implausible",
        "Observation/b": "implausible",
    }


@pytest.mark.parametrize(("member", "is_doubt"), [("o2", False), ("o3", True)])
def test_a_panel_without_a_value_is_a_doubt_unless_a_member_of_it_is_read(
    record, observation, member, is_doubt
):
    panel = observation(
        code="8061-4", value=None, hasMember=[{"reference": f"Observation/{member}"}], issued="2026-01-02"
    )
    titre = observation("o2", code="5048-4", value=None, valueString="1:80")
    local = observation("o3", code={"text": "ANA 2"}, value=None, valueString="1:80")
    doubts = [(doubt.resource, doubt.reason) for doubt in record(panel, titre, local).doubts]
    assert doubts == ([("Observation/o1", "no value")] if is_doubt else [])


@pytest.mark.parametrize(
    ("written", "highs", "reason"),
    [
        ({"value": 21, "comparator": "<="}, [20], "interval"),
        ({"value": 25}, [20, 30], "several reference ranges"),
        ({"value": 35}, [20, 30], ""),
        ({"value": 25}, [], "no value"),
    ],
)
def test_an_antibody_that_its_limits_do_not_decide_is_a_doubt(record, observation, written, highs, reason):
    value = {**written, "unit": "CU"}
    ranges = [{"high": {"value": high, "unit": "CU"}} for high in highs]
    judged = record(observation(code="82388-0", value=None, valueQuantity=value, referenceRange=ranges))
    assert [doubt.reason for doubt in judged.doubts] == ([reason] if reason else [])
    assert bool(judged.refused) is (reason == "several reference ranges")


@pytest.mark.parametrize(
    ("limit", "value", "answer"),
    [("<20", 19, "negative"), ("<20", 20, "positive"), ("≤20", 20, "negative"), ("≤20", 21, "positive")],
)
def test_the_number_of_a_written_limit_is_within_it_unless_it_is_written_with_less_than(
    record, observation, tables, limit, value, answer
):
    ranges = [{"text": limit}]
    (result,) = record(observation(code="82990-3", value=value, unit="CU", referenceRange=ranges)).results
    assert read_answer(result, tables) == answer


def test_a_bound_between_two_titled_bands_is_no_answer_whatever_the_limit_says(record, observation):
    ends = (("Negative", None, 20), ("Equivocal", 20, 40), ("Positive", 40, None))
    ranges = [
        {"text": title, **{side: {"value": end} for side, end in (("low", low), ("high", high)) if end}}
        for title, low, high in ends
    ]
    value = {"value": 40, "comparator": ">=", "unit": "CU"}
    judged = record(observation(code="82990-3", value=None, valueQuantity=value, referenceRange=ranges))
    assert [(doubt.role, doubt.reason) for doubt in judged.doubts] == [("anti-hmgcr", "interval")]


def test_a_result_of_two_analytes_is_a_doubt_in_each_with_what_can_be_read(record, observation):
    codes = {"coding": [{"system": "http://loinc.org", "code": code} for code in ("2157-6", "1742-6")]}
    doubts = record(observation(code=codes)).doubts
    assert [(doubt.role, doubt.holds_number) for doubt in doubts] == [("alt", True), ("ck", True)]
    assert {doubt.result.amount.value for doubt in doubts} == {1000}


@pytest.mark.parametrize(("value", "held"), [(45, True), (91, False)])
def test_a_doubt_holds_no_number_that_is_not_plausible(record, observation, value, held):
    undated = observation(code="10230-1", value=value, unit="%", effectiveDateTime=None)
    assert [doubt.holds_number for doubt in record(undated).doubts] == [held]


def test_an_observation_keeps_all_that_may_be_its_answer(record, observation):
    (result,) = record(
        observation(
            code="8061-4",
            value=None,
            valueString="see below",
            interpretation=[
                {"coding": [{"system": "urn:oid:2.16.840.1.113883.5.83", "code": "POS"}], "text": "Positive"},
                {"text": "weak"},
            ],
            specimen={"reference": "Specimen/s1/_history/2"},
            hasMember=[{"reference": "Observation/m2"}, {"reference": "Observation/m1"}],
            component=[
                {
                    "code": {"text": "speckled"},
                    "valueString": "1:320",
                    "interpretation": [{"text": "high"}],
                    "referenceRange": [{"high": {"value": 80}}],
                }
            ],
        )
    ).results
    assert result.value.text == "see below"
    assert (
        result.interpretation[0].system
        == "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    )
    assert result.interpretation_text == "Positive; weak"
    assert result.specimen == "Specimen/s1"
    assert result.members == ("Observation/m1", "Observation/m2")
    (part,) = result.components
    assert (part.code.text, part.value.text, part.interpretation_text, part.limits.high) == (
        "speckled",
        "1:320",
        "high",
        80,
    )


def test_a_contained_specimen_belongs_to_its_own_resource(record, observation):
    found = record(*(observation(id_, specimen={"reference": "#s"}) for id_ in ("o1", "o2")))
    assert [r.specimen for r in found.results] == ["Observation/o1#s", "Observation/o2#s"]


def test_results_are_sorted_by_time_then_id_whatever_the_order_of_the_entries(record, observation):
    entries = [
        observation("b"),
        observation("a", value=2000),
        observation("c", effectiveDateTime="2025-01-01"),
    ]
    found = {tuple(r.id for r in record(*order).results) for order in itertools.permutations(entries)}
    assert found == {("c", "a", "b")}
    assert [r.id for r in record(*entries).of("ck")] == ["c", "a", "b"]


# Reports (D1)


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({}, True),
        ({"status": "appended"}, True),
        ({"status": "preliminary"}, False),
        ({"status": None}, False),
        ({"subject": {"reference": "Patient/p2"}}, False),
        ({"subject": None}, False),
        ({"modifierExtension": [{"url": "x"}]}, False),
        ({"result": None}, False),
        ({"result": "o1"}, False),
        ({"code": {"text": "anything"}, "effectiveDateTime": "2030-01-01"}, True),
    ],
)
def test_a_result_knows_the_accepted_reports_that_list_it(record, observation, more, listed):
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "result": [{"reference": "urn:uuid:1"}],
        **more,
    }
    (result,) = record(("urn:uuid:1", observation()), report).results
    assert result.reports == ({"DiagnosticReport/r1"} if listed else frozenset())
