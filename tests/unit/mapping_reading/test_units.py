from decimal import Decimal

import pytest

from fhir_mapping.record import Number

UCUM = "http://unitsofmeasure.org"


def coded(value, code, unit="", system=UCUM):
    return Number(Decimal(value), unit=unit, unit_code=code, unit_system=system)


def written(value, unit):
    return Number(Decimal(value), unit=unit)


@pytest.mark.parametrize(
    ("number", "dimension", "magnitude"),
    [
        (coded("210", "U/L"), "enzyme", "210"),
        (coded("210", "[iU]/L"), "enzyme", "210"),
        (coded("2", "ukat/L"), "enzyme", "120"),
        (coded("500", "nkat/L"), "enzyme", "30"),
        (coded("1.5", "kU/L"), "enzyme", "1500"),
        (written("210", "iu/l"), "enzyme", "210"),
        (written("2", "\u00b5kat/L"), "enzyme", "120"),
        (written("2", "\u03bckat/L"), "enzyme", "120"),
        (coded("2", "\u00b5kat/l"), "enzyme", "120"),
        (coded("2", "mckat/l"), "enzyme", "120"),
        (coded("15", "pmol/l"), "nt-probnp-concentration", "126.855"),
        (written("0.02", "MCG/L"), "mass-concentration", "20"),
        (written("1.2", "x 10\u2079/l"), "cells", "1.2"),
        (written("1.2", "10E3/\u00b5L"), "cells", "1.2"),
        (written("1200", "cells/mcl"), "cells", "1.2"),
        (coded("55", "%"), "fraction", "55"),
        (coded("0.55", "1"), "fraction", "55"),
        (coded("1", "%"), "fraction", "100"),
        (coded("1.01", "%"), "fraction", "1.01"),
        (written("55", ""), "fraction", "55"),
        (coded("1.7", "{ratio}"), "ratio", "1.7"),
        (written("1.7", ""), "ratio", "1.7"),
        (coded("0.02", "ng/mL"), "mass-concentration", "20"),
        (coded("0.02", "ug/L"), "mass-concentration", "20"),
        (coded("20", "pg/mL"), "mass-concentration", "20"),
        (coded("1.2", "10*3/uL"), "cells", "1.2"),
        (coded("1200", "/uL"), "cells", "1.2"),
        (coded("12", "h"), "time", "0.5"),
        (written("2", "weeks"), "time", "14"),
        (coded("1", "g"), "dose", "1000"),
    ],
)
def test_a_unit_is_converted(tables, number, dimension, magnitude):
    assert tables.units.convert(number, dimension) == Decimal(magnitude)
    assert tables.units.problem(number, dimension) == ""


INTERNATIONAL = ("U", "IU", "[iU]", "[IU]", "[U]", "IE", "UI", "E")


@pytest.mark.parametrize("litre", ["l", "L"])
@pytest.mark.parametrize("unit", INTERNATIONAL)
def test_the_international_unit_and_the_litre_have_many_spellings(tables, unit, litre):
    for prefix, volume, factor in (("", "", 1), ("k", "", 1000), ("m", "m", 1)):
        spelling = f"{prefix}{unit}/{volume}{litre}"
        assert tables.units.convert(coded("1", spelling), "enzyme") == factor
        for text in (spelling, spelling.upper(), spelling.lower(), spelling.replace("/", " / ")):
            assert tables.units.convert(written("1", text), "enzyme") == factor, text


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\u2009", "\u202f", "\u3000"])
@pytest.mark.parametrize("degree", ["\u00b0C", "\u00b0 C", "C", "c", "\u2103", "\u00baC", " deg C"])
@pytest.mark.parametrize("brackets", ["()", "[]", "{}", "  "])
def test_a_temperature_is_dropped(tables, brackets, degree, blank):
    text = f"U/l {brackets[0]}37{blank}{degree}{brackets[1]}"
    assert tables.units.convert(written("210", text), "enzyme") == 210
    assert tables.units.convert(coded("210", text), "enzyme") == 210


@pytest.mark.parametrize("text", ["unit/L", "Units/l", "UNITS/L", "I.U./L", "U.I./l", "\uff35\uff0f\uff2c"])
def test_a_text_may_spell_a_unit_in_words_dots_and_wide_letters(tables, text):
    assert tables.units.convert(written("210", text), "enzyme") == 210


@pytest.mark.parametrize("text", ["U" * 100_000, "1" * 100_000, "(37" * 40_000, "/l" * 50_000])
def test_a_very_long_unit_is_no_unit(tables, text):
    assert tables.units.problem(written("210", text), "enzyme") == "unknown unit"


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (written("210", ""), "no unit"),
        (written("210", "  "), "no unit"),
        (coded("210", "U/L", system="http://example.org"), "unknown unit"),
        (written("210", "mg/dL"), "unknown unit"),
        (coded("210", "u/l"), "unknown unit"),
        (coded("210", "mg/dL", unit="U/L"), "unknown unit"),
        (coded("210", "U/L", unit="ukat/L"), "unknown unit"),
    ],
)
def test_a_unit_that_does_not_resolve_says_why(tables, number, problem):
    assert tables.units.convert(number, "enzyme") is None
    assert tables.units.problem(number, "enzyme") == problem


def test_the_written_unit_counts_where_the_code_is_not_of_ucum(tables):
    assert tables.units.convert(coded("210", "foo", unit="U/L", system="urn:local"), "enzyme") == 210


def test_a_text_that_does_not_resolve_is_ignored_where_the_code_does(tables):
    assert tables.units.convert(coded("210", "U/L", unit="units per litre"), "enzyme") == 210


def test_a_code_that_is_not_of_ucum_is_not_the_same_as_no_unit(tables):
    assert tables.units.problem(coded("55", "mL", system=""), "fraction") == "unknown unit"


def test_equal_factors_agree_however_they_are_written(tables):
    assert tables.units.convert(coded("210", "U/L", unit="IU/L"), "enzyme") == 210


@pytest.mark.parametrize("value", ["1e999999999", "-1e999999999", "1e-999999999", "1e31", "Infinity", "NaN"])
def test_an_absurd_number_has_no_magnitude_and_raises_nothing(tables, value):
    assert tables.units.convert(written(value, "U/L"), "enzyme") is None


def test_the_first_unit_of_a_dimension_is_its_canonical_one(tables):
    assert tables.units.canonical == {
        "enzyme": "U/L",
        "fraction": "%",
        "ratio": "1",
        "mass-concentration": "ng/L",
        "nt-probnp-concentration": "ng/L",
        "cells": "10*9/L",
        "dose": "mg",
        "time": "d",
    }
    assert tables.units.dimensions == set(tables.units.canonical)
