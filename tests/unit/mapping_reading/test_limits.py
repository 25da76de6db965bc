"""F8: which limits a result is compared with."""

from decimal import Decimal

import pytest

UCUM = "http://unitsofmeasure.org"
SEX = "http://hl7.org/fhir/administrative-gender"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
MEANING = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"


def limit(value, unit=""):
    return {"value": value, **({"unit": unit} if unit else {})}


def group(code, system=SEX):
    return {"coding": [{"system": system, "code": code}]}


def years(low=None, high=None, unit="a"):
    ends = {"low": low, "high": high}
    return {
        end: {"value": value, "system": UCUM, "code": unit}
        for end, value in ends.items()
        if value is not None
    }


@pytest.fixture
def limits(record, observation, patient):
    def make(*ranges, person=None, **more):
        (result,) = record(
            patient(**(person or {})), observation(referenceRange=list(ranges), **more)
        ).results
        return result.limits.low, result.limits.high, result.limits.default

    return make


def test_the_laboratory_decides(limits):
    assert limits({"low": limit(20), "high": limit(180)}) == (20, 180, False)


@pytest.mark.parametrize(
    ("code", "default"), [("2157-6", 200), ("1920-8", 40), ("1742-6", 40), ("2532-0", None)]
)
def test_without_a_range_three_enzymes_have_a_default(limits, code, default):
    assert limits(code=code) == (None, default, default is not None)


@pytest.mark.parametrize("code", ["89579-7", "33762-6"])
def test_heart_markers_have_none(limits, code):
    assert limits(code=code, value=20, unit="ng/L") == (None, None, False)


@pytest.fixture
def read_limits(record, observation, patient):
    def make(*ranges, **more):
        more = {"interpretation": [{"coding": [{"system": INTERPRETATION, "code": "N"}]}], **more}
        (result,) = record(patient(), observation(referenceRange=list(ranges), **more)).results
        return result.limits

    return make


@pytest.mark.parametrize("without", [{"text": "< 180"}, {}, {"low": {"unit": "U/L"}}, {"high": limit(0)}])
def test_a_range_without_a_number_is_none(limits, without):
    assert limits(without) == (None, 200, True)


def test_a_low_limit_alone_leaves_the_upper_one_to_us(limits):
    assert limits({"low": limit(20)}) == (20, 200, True)


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (limit(3, "ukat/L"), 180),
        ({"value": 3, "system": UCUM, "code": "ukat/L"}, 180),
        (limit(180), 180),
        ({"value": 180, "system": "urn:lab", "code": "x"}, 180),
    ],
)
def test_a_limit_is_converted_by_its_own_unit_else_by_that_of_the_value(limits, high, expected):
    assert limits({"high": high})[1] == expected


def test_the_unit_of_the_value_converts_a_limit_without_one(limits):
    assert limits({"high": limit(3)}, value=20, unit="ukat/L")[1] == 180


def test_a_limit_in_a_unit_that_nobody_knows_is_none(limits):
    assert limits({"high": limit(180, "mg")}) == (None, 200, True)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (group("normal", MEANING), True),
        (group("therapeutic", MEANING), False),
        ({"text": "Normal"}, True),
        ({"text": "Normal range"}, True),
        ({"text": "negative"}, True),
        ({"text": "not normal"}, False),
        ({"text": "therapeutic"}, False),
        ({**group("therapeutic", MEANING), "text": "Normal"}, False),
        ({}, False),
    ],
)
def test_only_a_normal_range_or_one_without_a_type_counts(limits, kind, counts):
    assert limits({"high": limit(180), "type": kind})[1] == (180 if counts else 200)


@pytest.mark.parametrize(
    "person", [{"gender": "female"}, {"gender": "male"}, {"gender": "unknown"}, {"gender": None}]
)
def test_a_range_for_a_sex_is_for_that_sex_alone(limits, person):
    ranges = [
        {"high": limit(190)},
        {"high": limit(150), "appliesTo": [group("248152002", "http://snomed.info/sct")]},
        {
            "high": limit(250),
            "appliesTo": [group("M", "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender")],
        },
    ]
    assert limits(*ranges, person=person)[1] == {"female": 150, "male": 250}.get(person["gender"], 190)


def test_a_range_for_a_group_that_we_do_not_know_is_for_nobody(limits):
    pregnant = group("77386006", "http://snomed.info/sct")
    assert limits({"high": limit(100), "appliesTo": [pregnant]}, {"high": limit(180)})[1] == 180
    assert limits({"high": limit(100), "appliesTo": [group("female"), pregnant]})[1] == 200
    assert limits({"high": limit(100), "appliesTo": [{"text": "women"}]})[1] == 200


def test_without_a_patient_only_ranges_for_everybody_count(record, observation):
    ranges = [
        {"high": limit(150), "appliesTo": [group("female")]},
        {"high": limit(160), "age": years(18)},
        {"high": limit(180)},
    ]
    (result,) = record(observation(referenceRange=ranges)).results
    assert result.limits.high == 180


@pytest.mark.parametrize(
    ("born", "matches"),
    [
        ("2008-01-01", True),
        ("2008-01-02", False),
        ("1960-01-02", True),
        ("1960-01-01", False),
        ("2007", True),
        ("2008", False),
        (None, False),
    ],
)
def test_ages_in_years_are_counted_by_birthdays_at_the_date_of_the_result(limits, born, matches):
    adult = {"high": limit(180), "age": years(18, 65)}
    assert limits(adult, person={"birthDate": born})[1] == (180 if matches else 200)


@pytest.mark.parametrize(("born", "matches"), [("2025-12-02", True), ("2025-12-01", False)])
def test_other_ages_are_counted_in_days(limits, born, matches):
    newborn = {"high": limit(500), "age": years(high=30, unit="d")}
    assert limits(newborn, person={"birthDate": born})[1] == (500 if matches else 200)


def test_an_age_in_a_unit_that_nobody_knows_matches_nobody(limits):
    assert limits({"high": limit(180), "age": {"low": {"value": 18, "unit": "moons"}}})[1] == 200


def test_the_most_specific_range_counts(limits):
    for_all, for_sex = {"high": limit(190)}, {"high": limit(170), "appliesTo": [group("female")]}
    for_age, for_both = (
        {"high": limit(160), "age": years(18)},
        {"high": limit(150), "appliesTo": [group("female")], "age": years(18)},
    )
    assert limits(for_all, for_sex, for_age, for_both)[1] == 150
    assert limits(for_all, for_sex)[1] == 170
    assert limits(for_all, {"high": limit(0)})[1] == 190


def test_of_equally_specific_ranges_the_one_that_says_normal_or_negative_counts(limits):
    for normal in (
        {"text": "Normal"},
        {"text": "Normalbereich"},
        {"text": "Negative"},
        {"type": {"text": "normal"}},
    ):
        assert limits({"high": limit(190)}, {"high": limit(170), **normal}) == (None, 170, False)
        assert limits({"high": limit(170), **normal}, {"high": limit(190)}) == (None, 170, False)
    for other in ({"text": "Abnormal"}, {"text": "fasting"}, {"text": "not normal"}):
        assert limits({"high": limit(190)}, {"high": limit(170), **other}) == (None, 200, True)


def test_where_several_are_left_all_are_kept_beside_our_own_limit(read_limits):
    several = read_limits({"high": limit(190)}, {"high": limit(170)})
    assert (several.highs, several.high, several.default, several.several) == ((170, 190), 200, True, True)
    normal = {"text": "normal"}
    several = read_limits({"high": limit(190), **normal}, {"high": limit(170), **normal})
    assert several.highs == (170, 190)
    same = read_limits({"high": limit(190)}, {"high": limit(190), "text": "fasting"})
    assert (same.highs, same.high, same.default) == ((), 190, False)
    heart = read_limits({"high": limit(14)}, {"high": limit(52)}, code="89579-7", value=60, unit="ng/L")
    assert (heart.highs, heart.high, heart.default) == ((14, 52), None, False)


def test_several_lower_limits_are_none(read_limits):
    assert read_limits({"low": limit(20)}, {"low": limit(30)}).low is None
    assert read_limits({"low": limit(20)}, {"low": limit(20)}).low == 20


def test_each_limit_is_that_of_the_most_specific_range_that_has_it(limits):
    for_sex = {"low": limit(30), "appliesTo": [group("female")]}
    assert limits({"low": limit(20), "high": limit(190)}, for_sex) == (30, 190, False)


@pytest.mark.parametrize(
    ("value", "high", "expected"),
    [
        ({"valueQuantity": {"value": 25, "unit": "CU"}}, limit(20, "CU"), 20),
        ({"valueQuantity": {"value": 25, "unit": "CU"}}, limit(20), 20),
        ({"valueQuantity": {"value": 25, "unit": "CU"}}, limit(20, "units"), None),
        ({"valueQuantity": {"value": 25}}, limit(20, "CU"), None),
        ({"valueQuantity": {"value": 25, "code": "[arb'U]"}}, {"value": 20, "code": "[arb'U]"}, 20),
        ({"valueString": "1:320"}, limit(40, "{titer}"), 40),
        ({"valueInteger": 320}, limit(40), 40),
    ],
)
def test_antibodies_keep_a_limit_of_the_same_unit_text_as_it_is_written(read_limits, value, high, expected):
    assert read_limits({"high": high}, code="33921-8", **{"value": None, **value}).high == expected


ANTIBODY = {"code": "93493-5", "value": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<20.0", 20),
        ("< 20", 20),
        ("\u2264 20 CU", 20),
        ("<=20", 20),
        ("less than 20", 20),
        ("0-19 CU", 19),
        ("0 - 19", 19),
        ("0-19 Units", None),
        (">20", None),
        ("20", None),
        ("<20 negative", None),
        ("Negative", None),
        ("20,000", None),
        ("<0", None),
    ],
)
def test_a_text_that_is_wholly_a_limit_counts_for_an_antibody(read_limits, text, expected):
    for value in ({"valueQuantity": {"value": 25, "unit": "CU"}}, {"valueString": "25 CU"}):
        assert read_limits({"text": text}, **ANTIBODY, **value).high == expected
    assert read_limits({"text": text}).high == 200


@pytest.mark.parametrize("value", ["8", "8 CU"])
def test_a_number_in_text_has_the_limits_of_a_quantity(read_limits, value):
    assert read_limits({"high": limit(20)}, **ANTIBODY, valueString=value).high == 20
    assert read_limits({"high": limit(20, "CU")}, **ANTIBODY, valueString="8 CU").high == 20
    assert read_limits({"high": limit(20, "AU")}, **ANTIBODY, valueString="8 CU").high is None
    assert read_limits({"high": limit(3)}, value=None, valueString="20 ukat/L").high == 180


def band(title, low=None, high=None, **more):
    ends = {"low": low, "high": high}
    return {"text": title, **{end: limit(value) for end, value in ends.items() if value is not None}, **more}


def typed(title, low, high):
    return {"low": limit(low), "high": limit(high), "type": {"text": title}}


NEGATIVE, BORDERLINE, POSITIVE = band("Negative", 0, 5), band("Borderline", 6, 10), band("Positive", 11)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "negative"),
        ("5", "negative"),
        ("5.5", "negative"),
        ("6", "weak"),
        ("10.9", "weak"),
        ("11", "positive"),
        ("400", "positive"),
        ("<5", "negative"),
        ("<6", "negative"),
        ("<=6", None),
        (">=11", "positive"),
        (">=12", "positive"),
        (">10", None),
        (">=10", None),
        (">5", None),
        ("1-5", "negative"),
        ("5-6", None),
        ("7-9", "weak"),
    ],
)
def test_a_titled_band_of_an_antibody_holds_the_value(read_limits, value, expected):
    for ranges in ((NEGATIVE, BORDERLINE, POSITIVE), (POSITIVE, BORDERLINE, NEGATIVE)):
        assert read_limits(*ranges, **ANTIBODY, valueString=value).band == expected


@pytest.mark.parametrize(
    ("ranges", "value", "expected"),
    [
        ([NEGATIVE, BORDERLINE], "12", "positive"),
        ([NEGATIVE, BORDERLINE], "8", "weak"),
        ([NEGATIVE], "8", "positive"),
        ([POSITIVE], "8", ""),
        ([band("Negative", 2, 5)], "1", "negative"),
        ([band("Borderline", 2, 5)], "1", ""),
        ([typed("Negative", 0, 5), typed("Borderline", 6, 10)], "8", "weak"),
        ([band("negative"), band("Borderline")], "8", ""),
        ([band("fasting", 0, 20)], "8", ""),
        ([band("Negative", appliesTo=[group("male")], high=20), NEGATIVE, BORDERLINE], "8", "weak"),
        ([band("Negative", appliesTo=[group("female")], high=20), NEGATIVE, BORDERLINE], "8", "negative"),
        ([NEGATIVE, BORDERLINE], "1:320", ""),
        ([band("negativ", 0, 5), band("grenzwertig", 6, 10)], "8", "weak"),
    ],
)
def test_bands_end_where_the_next_begins_and_above_all_of_them_is_positive(
    read_limits, ranges, value, expected
):
    assert read_limits(*ranges, **ANTIBODY, valueString=value).band == expected


def test_a_magnitude_has_no_bands_but_the_one_that_says_negative_is_its_limit(read_limits):
    read = read_limits(
        band("Negative", 0, 14), band("Borderline", 15, 52), code="89579-7", value=20, unit="ng/L"
    )
    assert (read.band, read.high) == ("", 14)


def test_lymphocytes_have_a_lower_limit(limits):
    lymphocytes = {"low": limit(1000, "/uL"), "high": limit(4.8)}
    assert limits(lymphocytes, code="731-0", value=0.8, unit="10*3/uL") == (1, Decimal("4.8"), False)
