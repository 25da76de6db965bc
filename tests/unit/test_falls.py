"""A fall of forced vital capacity or of the ejection fraction (X2)."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Coding, Number, Value
from fhir_mapping.rules.falls import fvc_fall, fvc_fell, lvef_fall
from fhir_mapping.terms.units import UCUM
from tests.support.facts import ago, record, result

FVC, SPIROMETRY, LVEF, MR = (
    frozenset({Coding("http://loinc.org", code)}) for code in ("19868-9", "19870-5", "10230-1", "8811-2")
)


def fvc(value, days, unit="L", comparator="", upto=None, codes=FVC, **more):
    number = Number(
        Decimal(str(value)), comparator, unit, upto=None if upto is None else Decimal(str(upto)), **more
    )
    name = f"Observation/{value}-{days}"
    return replace(result("fvc", None, days, codes=codes, resource=name), value=Value(number=number))


def lvef(value, days, codes=LVEF, **more):
    return result("lvef", value, days, codes=codes, **more)


def fallen(fall):
    return fall and (float(fall.before.amount.value), float(fall.after.amount.value))


def volumes(*facts):
    return fallen(fvc_fall(record(*facts)))


def fractions(*facts):
    return fallen(lvef_fall(record(*facts)))


@pytest.mark.parametrize(
    ("now", "fell"), [("2.7", True), ("2.701", False), ("2.69", True), ("3", False), ("3.3", False)]
)
def test_a_tenth_of_the_earlier_volume_is_a_fall(now, fell):
    assert volumes(fvc(3, 300), fvc(now, 10)) == ((3, float(now)) if fell else None)


@pytest.mark.parametrize(("now", "fell"), [(50, True), ("50.1", False), (40, True), (70, False)])
def test_ten_points_of_ejection_fraction_are_a_fall(now, fell):
    assert fractions(lvef(60, 300), lvef(now, 10)) == ((60, float(now)) if fell else None)


@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [
        (1000, 365, True),
        (1000, "365.001", False),
        (740, 10, True),
        ("740.001", 10, False),
        (10, 10, False),
        ("10.001", 10, True),
    ],
)
def test_the_latest_of_a_year_is_compared_with_the_two_years_before_it(before, after, fell):
    before, after = float(before), float(after)
    assert (volumes(fvc(3, before), fvc(2, after)) is not None) == fell
    assert (fractions(lvef(60, before), lvef(40, after)) is not None) == fell


def test_the_highest_of_those_years_counts_and_of_equal_ones_the_earliest():
    assert volumes(fvc("2.9", 500), fvc(3, 400), fvc("2.8", 300), fvc("2.7", 10)) == (3, 2.7)
    assert fvc_fall(record(fvc(3, 400), fvc(3, 300), fvc(2, 10))).before.resource == "Observation/3-400"


def test_only_the_latest_may_have_fallen():
    assert volumes(fvc(3, 400), fvc(2, 100), fvc("2.9", 10)) is None


def test_of_several_at_one_time_the_highest_is_the_latest_and_none_is_earlier():
    assert volumes(fvc(3, 10), fvc(2, 10)) is None
    assert volumes(fvc("3.1", 300), fvc(2, 10), fvc(3, 10)) is None


def test_results_are_in_the_order_of_their_last_possible_instants():
    assert volumes(fvc(3, "2026-02-10"), fvc(2, "2026-02-10T09:00:00Z")) is None
    assert volumes(fvc(3, "2026-02-10T09:00:00Z"), fvc(2, "2026-02-10")) == (3, 2)
    assert volumes(fvc(3, "2026-02-10"), fvc(2, "2026-02-10")) is None
    assert volumes(fvc(3, "2026-02-09"), fvc(2, "2026-02-10")) == (3, 2)


def test_of_several_at_one_time_each_code_and_unit_has_its_own_highest():
    assert volumes(fvc(80, 300, unit="%"), fvc(3, 300), fvc(79, 10, unit="%"), fvc(2, 10)) == (3, 2)
    assert volumes(fvc(3, 300, codes=SPIROMETRY), fvc("2.9", 10), fvc(2, 10, codes=SPIROMETRY)) == (3, 2)


@pytest.mark.parametrize(
    ("unit", "code", "system", "comparable"),
    [
        ("L", "", "", True),
        (" l ", "", "", True),
        ("Liter", "L", UCUM, True),
        ("L", "ltr", "urn:units", True),
        ("ltr", "L", "", False),
        ("L", "mL", UCUM, False),
        ("mL", "", "", False),
        ("%", "", "", False),
        ("", "", "", False),
    ],
)
def test_only_volumes_of_one_unit_are_compared(unit, code, system, comparable):
    now = fvc(2, 10, unit=unit, unit_code=code, unit_system=system)
    assert (volumes(fvc(3, 300), now) is not None) == comparable


def test_only_results_of_one_code_are_compared():
    assert volumes(fvc(3, 300, codes=SPIROMETRY), fvc(2, 10)) is None
    assert volumes(fvc(3, 300, codes=SPIROMETRY | FVC), fvc(2, 10)) == (3, 2)
    assert fractions(lvef(60, 300, codes=MR), lvef(40, 10)) is None


def test_a_volume_that_is_none_is_passed_over():
    assert volumes(fvc(0, 300), fvc(0, 10)) is None
    assert volumes(fvc(3, 300), fvc(2, 20), result("fvc", None, 10, codes=FVC)) == (3, 2)
    assert volumes(fvc(3, 300), fvc(2, 20), fvc("1E+99999", 10)) == (3, 2)
    assert volumes(fvc(3, 300), fvc(2, 20), fvc(1, 10, upto="1E+99999")) == (3, 2)


@pytest.mark.parametrize(
    ("text", "read"), [("2.5 L (L)", True), ("2.5 L", True), ("2.5 H", False), ("2.5", False), ("low", False)]
)
def test_a_volume_in_words_is_read_in_litres(text, read):
    said = replace(fvc(1, 10), value=Value(text=text))
    assert (volumes(fvc(3, 300), said) == (3, 2.5)) == read


@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [
        ({"value": 3, "comparator": ">"}, {"value": "2.7"}, True),
        ({"value": 3, "comparator": ">="}, {"value": "2.8"}, False),
        ({"value": 3, "comparator": "<"}, {"value": 2}, False),
        ({"value": 3}, {"value": "2.7", "comparator": "<"}, True),
        ({"value": 3}, {"value": 2, "comparator": ">"}, False),
        ({"value": 3}, {"value": 2, "upto": "2.7"}, True),
        ({"value": 3}, {"value": 2, "upto": "2.8"}, False),
        ({"value": 3, "upto": 4}, {"value": "2.7"}, True),
        ({"value": "2.9", "upto": 4}, {"value": "2.7"}, False),
    ],
)
def test_a_bound_or_an_interval_counts_only_where_it_decides(before, after, fell):
    assert (volumes(fvc(days=300, **before), fvc(days=10, **after)) is not None) == fell


def test_what_is_certain_is_compared_beside_a_higher_bound_that_says_nothing():
    assert volumes(fvc(9, 400, comparator="<"), fvc(3, 300), fvc(2, 10)) == (3, 2)


def test_the_volume_that_fell_is_what_the_follow_up_asks_for():
    fell = fvc_fell(record(fvc(3, 300), fvc(2, 10)))
    assert (fell.resource, fell.when) == ("Observation/2-10", ago(10))
    assert fvc_fell(record(fvc(3, 300))) is None
    assert fvc_fell(record()) is None


@pytest.mark.parametrize(
    ("beside", "fell"),
    [
        ({"value": 2, "upto": "2.7"}, True),
        ({"value": 2, "upto": "2.8"}, False),
        ({"value": "2.7", "comparator": "<"}, True),
        ({"value": 2, "comparator": ">"}, False),
        ({"value": 2, "upto": "2.8", "codes": SPIROMETRY}, True),  # of another kind it is no rival
    ],
)
def test_of_one_time_whatever_may_be_the_highest_must_have_fallen(beside, fell):
    given = {"days": 10, **beside}
    found = volumes(fvc(3, 300), fvc("2.5", 10), fvc(given.pop("value"), given.pop("days"), **given))
    assert (found is not None) is fell
