"""Titres in every form (A1)."""

import time
from decimal import Decimal

import pytest

from fhir_mapping.laboratory.phrases import without_reference
from fhir_mapping.laboratory.titres import titres_of
from fhir_mapping.record import Concept, Number, Value
from fhir_mapping.terms.units import UCUM
from tests.support.facts import tables


def read(value, titre_code=False):
    value = Value(text=value) if isinstance(value, str) else value
    return [
        f"{titre.comparator}{titre.reciprocal}"
        for titre in titres_of(value, tables().rules, titre_code=titre_code)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:320", ["320"]),
        ("1 : 320", ["320"]),
        ("1/320", ["320"]),
        ("ANA 1:320 speckled", ["320"]),
        ("Positive 1:640", ["640"]),
        (">=1:1280", [">=1280"]),
        ("> = 1:1280", [">=1280"]),
        (">/=1:1280", [">=1280"]),
        ("≥1:1280", [">=1280"]),
        ("≤ 1:40", ["<=40"]),
        (">1:640", [">640"]),
        ("greater than 1:640", [">640"]),
        ("Greater than or equal to 1:640", [">=640"]),
        ("less than 1:80", ["<80"]),
        ("<1:80", ["<80"]),
        ("titre < 1:80", ["<80"]),
        ("1:1,280", ["1280"]),
        ("1:1.280", ["1280"]),
        ("1:1 280", ["1280"]),
        ("1:10,000", ["10000"]),
        ("1:80, 1:640", ["80", "640"]),
        ("1:80; <1:40", ["80", "<40"]),
        ("1:0", []),
        # dates and other ratios
        ("1/12/2024", []),
        ("12/1/2024", []),
        ("2024-1/3", []),
        ("11:320", []),
        ("2.1:320", []),
        ("1:320/2", []),
        ("-1:320", []),
        # brackets and the reference range
        ("1:320 (ref <1:80)", ["320"]),
        ("1:320 [1:1000 is high]", ["320"]),
        ("1:320 ((a) 1:1000)", ["320"]),
        ("1:320 ref 1:1000", ["320"]),
        ("1:320 Reference: 1:1000", ["320"]),
        ("1:320, cut-off 1:1000", ["320"]),
        ("1:320 cutoff 1:1000", ["320"]),
        ("1:320 Normal 1:1000", ["320"]),
        ("abnormal 1:320", ["320"]),
        ("referred 1:320", ["320"]),
        ("(1:320)", []),
        ("(note 1:320", ["320"]),
        ("1:320) done", ["320"]),
        ("320", []),
        ("", []),
    ],
)
def test_titres_in_text(text, expected):
    assert read(text) == expected
    assert read(Value(concept=Concept((), text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("320", ["320"]),
        (" < 80 ", ["<80"]),
        (">=1280", [">=1280"]),
        ("greater than 640", [">640"]),
        ("1,280", ["1280"]),
        ("320 (ref <80)", ["320"]),
        ("320 U/mL", []),
        ("about 320", []),
        ("1:320", ["320"]),
    ],
)
def test_a_bare_number_is_a_titre_only_under_a_code_for_titres(text, expected):
    assert read(text, titre_code=True) == expected


def number(value, comparator="", unit="", code="", system=UCUM):
    return Number(Decimal(str(value)), comparator, unit, code, system if code else "")


@pytest.mark.parametrize(
    ("value", "under_code", "elsewhere"),
    [
        (number(320), ["320"], []),
        (number(320, unit="1"), ["320"], []),
        (number(320, code="1"), ["320"], []),
        (number(320, code="{titer}"), ["320"], ["320"]),
        (number(320, unit="{titer}"), ["320"], ["320"]),
        (number(320, unit="titer"), ["320"], ["320"]),
        (number(80, "<", unit="Titer"), ["<80"], ["<80"]),
        (number(320, unit="U/mL"), [], []),
        (number(320, unit="titer", code="U/mL"), [], []),
        (number(320, unit="titer", code="x", system="urn:local"), ["320"], ["320"]),
        (number(0), [], []),
        (Number(Decimal("1e999999")), [], []),
    ],
)
def test_a_quantity_is_a_titre_by_its_unit(value, under_code, elsewhere):
    assert read(Value(number=value), titre_code=True) == under_code
    assert read(Value(number=value)) == elsewhere


def test_an_integer_is_a_titre_under_a_code_for_titres():
    assert (read(Value(integer=320), titre_code=True), read(Value(integer=320))) == (["320"], [])


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (number(1), number(320), ["320"]),
        (number(320), number(1), ["320"]),
        (number(1), number(1), ["1"]),
        (number(1), number(320, ">"), [">320"]),
        (number(1, "<"), number(80), [">80"]),
        (number(1, ">="), number(80), ["<=80"]),
        (number(640, ">"), number(1), [">640"]),
        (number(640), number(1, ">"), [">640"]),
        (number(0), number(320), []),
        (number(1), number(0), []),
        (Number(Decimal("1e999999")), Number(Decimal("1e-999999")), []),
    ],
)
def test_a_ratio_in_both_directions(numerator, denominator, expected):
    assert read(Value(ratio=(numerator, denominator))) == expected


def test_a_titre_carries_its_phrase_with_what_stands_in_brackets():
    value = Value(text="1:1,280 (nucleolar), 1:640 cytoplasmic; x")
    phrases = [titre.phrase for titre in titres_of(value, tables().rules, titre_code=False)]
    assert phrases == ["1:1,280 (nucleolar)", " 1:640 cytoplasmic"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a (b) c", "a     c"),
        ("a (b [c] d) e", "a           e"),
        ("a (b [c d e", "a (b [c d e"),
        ("a (b [c] d", "a (b     d"),
        ("a) b ref c", "a) b "),
        ("(ref) a", "      a"),
    ],
)
def test_brackets_are_blanked_and_the_reference_range_is_cut(text, shown):
    assert without_reference(text, tables().rules)[1] == shown


@pytest.mark.parametrize(
    "text",
    ["(" * 50_000, "1:" * 30_000, "1" + " " * 60_000, "<" + " " * 60_000, "()" * 30_000],
    ids=["brackets", "ratios", "blanks after a number", "blanks after a sign", "pairs of brackets"],
)
def test_hostile_text_takes_no_time(text):
    started = time.process_time()
    read(text)
    read(text, titre_code=True)
    assert (
        time.process_time() - started < 3
    )  # CPU, while coverage traces each step; quadratic time takes minutes
