"""Numbers as laboratories write them (F5), and what bounds and intervals prove (D6)."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_mapping.laboratory.bounds import above, at_least, is_raised, is_within
from fhir_mapping.laboratory.numbers import as_written, measured, number_of, read_number, readings
from fhir_mapping.record import Coding, Concept, Number, ReferenceLimits, Value
from tests.support.facts import SNOMED, result, tables

BLANKS = [" ", "\u00a0", "\u2002", "\u2009", "\u202f", "\u3000"]


def read(text):
    """As "<5..7 U/L", with "?" before the two readings of one writing; None: the text is no number."""
    number = read_number(text, tables().vocabulary)
    if number is None:
        return None
    interval = "" if number.upto is None else f"{'?' if number.ambiguous else '..'}{number.upto}"
    return f"{number.comparator}{number.value}{interval} {number.unit}".rstrip()


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("5400", ["5400"]),
        # one sign: decimal after 0, after four digits, before other than three digits; else two readings
        ("0,123", ["0.123"]),
        ("0.500", ["0.500"]),
        ("00,123", ["0.123"]),
        (",5", ["0.5"]),
        (".123", ["0.123"]),
        ("20,5", ["20.5"]),
        ("20.00", ["20.00"]),
        ("1,2345", ["1.2345"]),
        ("1234,567", ["1234.567"]),
        ("20,000", ["20.000", "20000"]),
        ("1.234", ["1.234", "1234"]),
        ("999,999", ["999.999", "999999"]),
        # the same sign twice, or an apostrophe, or a blank: thousands
        ("1,234,567", ["1234567"]),
        ("1.234.567.890", ["1234567890"]),
        ("5'400", ["5400"]),
        ("1'234'567", ["1234567"]),
        ("5 400", ["5400"]),
        ("1 234 567", ["1234567"]),
        # both signs: the last is the decimal sign
        ("1,234.5", ["1234.5"]),
        ("1.234,5", ["1234.5"]),
        ("1,234.567", ["1234.567"]),
        ("1'234.567", ["1234.567"]),
        ("1 234,5", ["1234.5"]),
        ("1,234,567.8", ["1234567.8"]),
        # nothing
        ("1,23,456", []),
        ("1'28", []),
        ("1234 567", []),
        ("12.34,5", []),
        ("1.234.56", []),
        ("1,234.567,8", []),
        ("1 234.567.890", []),
    ],
)
def test_separators_have_one_reading_or_two(digits, expected):
    assert list(readings(digits)) == [Decimal(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5400", "5400"),
        ("5400 U/L", "5400 U/L"),
        ("5400U/L", "5400 U/L"),
        ("\uff15\uff14\uff10\uff10 \uff35\uff0f\uff2c", "5400 U/L"),
        ("  5400\tU / L ", "5400 U/L"),
        ("5400 U/l (37\u00b0C)", "5400 U/l"),
        ("5400 U/L 37 C", "5400 U/L"),
        ("1.2 x 10\u2079/L", "1.2 x 10^9/L"),
        ("1.2 10*3/\u00b5L", "1.2 10*3/\u03bcL"),
        ("35 %", "35 %"),
        ("35%", "35 %"),
        (">200.0 CU", ">200.0 CU"),
        # comparators
        ("<5", "<5"),
        ("<= 5", "<=5"),
        ("\u22645", "<=5"),
        (">5", ">5"),
        (">=5", ">=5"),
        ("\u2265 5", ">=5"),
        (">/=5", ">=5"),
        ("< or = 5", "<=5"),
        ("LT 5", "<5"),
        ("le 5", "<=5"),
        ("GT5", ">5"),
        ("GE 5", ">=5"),
        ("less than 5", "<5"),
        ("Below 5", "<5"),
        ("greater than 5", ">5"),
        ("greater than or equal to 5", ">=5"),
        ("more than 5", ">5"),
        ("above 5", ">5"),
        ("over 5 U/L", ">5 U/L"),
        # intervals
        ("30-35%", "30..35 %"),
        ("30 \u2013 35 %", "30..35 %"),
        ("30 to 35 %", "30..35 %"),
        ("30 % - 35 %", "30..35 %"),
        ("30~35", "30..35"),
        ("35-30", "30..35"),
        ("30-30", "30"),
        (">30-35", ">30..35"),
        ("20,000-25,000", "20.000..25000"),
        # two readings
        (">20,000 U/L", ">20.000?20000 U/L"),
        ("1.234", "1.234?1234"),
        # flags
        ("5400 H", "5400"),
        ("5400 hh", "5400"),
        ("5400 U/L H", "5400 U/L"),
        ("5400 U/L (H)", "5400 U/L"),
        ("5400 U/L [LL]", "5400 U/L"),
        ("5400*", "5400"),
        ("5400 U/L*", "5400 U/L"),
        ("12 L", "12"),
        # more than a number
        ("CK 5400", None),
        ("5400 see comment", None),
        ("5400 U/L (ref <200)", None),
        ("haemolysed, CK 5400", None),
        ("about 5400", None),
        ("5400; 5300", None),
        ("-5", None),
        ("5 of 10", None),
        ("5.", None),
        ("1:320", None),
        ("1/320", None),
        ("2024-01-15", None),
        ("15.01.2024", None),
        ("10:30", None),
        ("++", None),
        ("U/L", None),
        (">", None),
        ("", None),
    ],
)
def test_a_text_that_is_wholly_a_number_is_read(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize("apostrophe", ["'", "\u2019", "\u02bc", "\u2018", "\u2032", "\uff07"])
def test_every_apostrophe_separates_thousands(apostrophe):
    assert read(f"5{apostrophe}400 U/L") == "5400 U/L"


@pytest.mark.parametrize("blank", BLANKS)
def test_every_blank_separates_thousands_and_unit(blank):
    assert read(f">{blank}5{blank}400{blank}U/L{blank}H") == ">5400 U/L"


@given(
    st.integers(0, 10**9),
    st.sampled_from([",", ".", "'", " ", "\u00a0"]),
    st.sampled_from(["", "<", ">=", "LT ", "over "]),
)
def test_grouped_thousands_are_always_among_the_readings(whole, separator, sign):
    number = read_number(f"{sign}{whole:,} U/L".replace(",", separator), tables().vocabulary)
    assert number is not None
    assert whole in (number.value, number.upto)


@given(st.decimals(0, 10**6, allow_nan=False, places=2), st.sampled_from([",", "."]))
def test_two_decimals_are_decimals(value, separator):
    number = read_number(f"{value:f}".replace(".", separator), tables().vocabulary)
    assert number is not None
    assert (number.value, number.upto) == (value, None)


@given(st.text(st.sampled_from("0123456789.,' -<>=toH*%U/L()"), max_size=30))
def test_whatever_is_read_was_written(text):
    number = read_number(text, tables().vocabulary)
    if number is not None:
        digits = "".join(sign for sign in text if sign.isdigit())
        shown = "".join(sign for sign in f"{number.value}{number.upto or ''}" if sign.isdigit())
        assert set(shown) <= set(digits) | {"0"}
        assert number.upto is None or number.value < number.upto


@pytest.mark.parametrize(
    "piece", ["1", "1,", "1'000", "1 000", "5 U", "<", "5-", "less than ", "5 U/", "(", "5 to "]
)
def test_reading_a_number_costs_as_much_time_as_the_text_is_long(piece):
    def cost(length):
        text = (piece * length)[:length]
        started = time.process_time()
        for _ in range(20):
            read(text)
        return time.process_time() - started

    cost(1)
    assert cost(1000) < 40 * max(cost(100), 0.01)  # ten times the text; quadratic time takes a hundred times


def test_a_very_long_text_is_no_number():
    assert read("9" * 1000) is not None
    assert read("9" * 1001) is None


# The number of a value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(number=Number(Decimal(5), "<", "U/L")), Number(Decimal(5), "<", "U/L")),
        (Value(integer=5), Number(Decimal(5))),
        (Value(text="5 U/L"), Number(Decimal(5), unit="U/L")),
        (Value(concept=Concept((), "5 U/L")), Number(Decimal(5), unit="U/L")),
        (Value(concept=Concept((Coding("urn:local", "x"),), "5 U/L")), Number(Decimal(5), unit="U/L")),
        (Value(concept=Concept((Coding(SNOMED, "10828004"),), "5 U/L")), None),
        (Value(concept=Concept((), "", ("5 U/L",))), None),
        (Value(boolean=True), None),
        (Value(), None),
    ],
)
def test_the_number_of_a_value(value, expected):
    assert number_of(value, tables()) == expected


@pytest.mark.parametrize(
    ("number", "dimension", "expected"),
    [
        (Number(Decimal(5), "<", "U/L"), "enzyme", ("<", 5, None, "<5 U/L")),
        (Number(Decimal(2), unit="ukat/L", upto=Decimal(3)), "enzyme", ("", 120, 180, "2–3 ukat/L")),
        (
            Number(Decimal(20), unit="U/L", upto=Decimal(20000), ambiguous=True),
            "enzyme",
            ("", 20, 20000, "20 or 20000 U/L"),
        ),
        (Number(Decimal("0.30"), upto=Decimal("0.35")), "fraction", ("", 30, 35, "0.30–0.35")),
        (Number(Decimal(1), unit="%", upto=Decimal(2)), "fraction", ("", 2, 100, "1–2 %")),
        (Number(Decimal(5), unit="mg"), "enzyme", None),
        (Number(Decimal("1e99"), unit="U/L"), "enzyme", None),
        (Number(Decimal(1), unit="U/L", upto=Decimal("1e99")), "enzyme", None),
    ],
)
def test_an_amount_is_that_of_both_ends(number, dimension, expected):
    amount, problem = measured(number, dimension, tables().units, lambda _: True)
    assert bool(problem) == (amount is None)
    found = amount and (amount.comparator, amount.value, amount.upto, amount.original)
    assert found == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Number(Decimal(50)), (50, None)),
        (Number(Decimal(4)), "implausible"),
        (Number(Decimal(91)), "implausible"),
        (Number(Decimal(5), upto=Decimal(90)), (5, 90)),
        (Number(Decimal(4), upto=Decimal(90)), "implausible"),
        (Number(Decimal(5), upto=Decimal(91)), "implausible"),
        (Number(Decimal(55), upto=Decimal(55000), ambiguous=True), (55, None)),
        (Number(Decimal(4), upto=Decimal(55), ambiguous=True), (55, None)),
        (Number(Decimal(4), upto=Decimal(4000), ambiguous=True), "implausible"),
        (Number(Decimal(50), unit="mL"), "unknown unit"),
    ],
)
def test_of_two_readings_the_implausible_one_falls_away(number, expected):
    amount, problem = measured(number, "fraction", tables().units, lambda magnitude: 5 <= magnitude <= 90)
    assert ((amount and (amount.value, amount.upto)) or problem) == expected


def test_a_number_of_absurd_length_is_shown_rounded():
    assert as_written(Number(Decimal("1." + "3" * 40), unit="U/L")) == "1.33333 U/L"


# What bounds and intervals prove


@pytest.mark.parametrize(
    ("low", "comparator", "upto", "limit", "is_above", "is_at_least"),
    [
        (30, "", 35, 29, True, True),
        (30, "", 35, 30, None, True),
        (30, "", 35, 32, None, None),
        (30, "", 35, 35, False, None),
        (30, "", 35, 36, False, False),
        (30, ">", 35, 30, True, True),
        (30, ">", 35, 31, None, None),
        (30, "<", 35, 35, False, False),
        (30, "<", 35, 34, None, None),
        (30, "<=", 35, 35, False, None),
        (30, "", None, 30, False, True),
    ],
)
def test_an_interval_proves_what_all_of_it_proves(low, comparator, upto, limit, is_above, is_at_least):
    ends = Decimal(low), comparator, Decimal(limit), None if upto is None else Decimal(upto)
    assert (above(*ends), at_least(*ends)) == (is_above, is_at_least)


@pytest.mark.parametrize(
    ("value", "upto", "highs", "high", "raised", "within"),
    [
        (170, None, (), 150, True, False),
        (170, 190, (), 180, False, False),
        (190, 200, (), 180, True, False),
        # several ranges decide what they decide alike, else our own limit
        (120, None, (150, 180), None, False, True),
        (170, None, (150, 180), None, False, False),
        (190, None, (150, 180), None, True, False),
        (170, None, (150, 180), 200, False, True),
        (190, None, (150, 180), 200, True, False),
        (170, None, (150, 180), 160, True, False),
        (170, None, (), None, False, False),
    ],
)
def test_a_limit_decides_where_all_that_are_left_agree(value, upto, highs, high, raised, within):
    ck = result("ck", value, 10)
    amount = replace(ck.amount, upto=None if upto is None else Decimal(upto))
    limits = ReferenceLimits(
        high=None if high is None else Decimal(high), highs=tuple(Decimal(limit) for limit in highs)
    )
    ck = replace(ck, amount=amount, limits=limits)
    assert (is_raised(ck), is_within(ck)) == (raised, within)
    assert limits.several == bool(highs)
