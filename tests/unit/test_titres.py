"""Titres in every form (A1)."""

import time
from decimal import Decimal

import pytest

from fhir_mapping.cohort.titre_text import titre_reader
from fhir_mapping.laboratory.phrases import opened, plain, without_reference
from fhir_mapping.laboratory.titres import titres_of
from fhir_mapping.record import Concept, Number, Value
from fhir_mapping.terms.units import UCUM
from fhir_mapping.terms.words import LONGEST_TEXT
from models.training.cohort.translate import WrittenTitre
from tests.support.facts import tables


def read(value, titre_code=False):
    value = Value(text=value) if isinstance(value, str) else value
    return [
        f"{titre.comparator}{titre.reciprocal}{f'-{titre.upto}' if titre.upto else ''}"
        for titre in titres_of(value, tables().vocabulary, "ana", titre_code=titre_code)
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
        ("1:320 (cut-off 1:1000)", ["320"]),
        ("1:320 [1:1000 is high]", ["320", "1000"]),
        ("1:320 ((a) 1:1000)", ["320", "1000"]),
        ("(1:320, ref <1:80)", ["320"]),
        ("1:320 (normal <1:80) 1:640", ["320", "640"]),
        ("1:320 ref 1:1000", ["320"]),
        ("1:320 Reference: 1:1000", ["320"]),
        ("1:320, cut-off 1:1000", ["320"]),
        ("1:320 cutoff 1:1000", ["320"]),
        ("1:320 Normal 1:1000", ["320"]),
        ("abnormal 1:320", ["320"]),
        ("referred 1:320", ["320"]),
        ("(1:320)", ["320"]),
        ("Speckled (1:640)", ["640"]),
        ("Positive (>=1:640)", [">=640"]),
        ("1:80 (speckled)", ["80"]),
        # separators of thousands: every apostrophe and every kind of blank
        ("1:1'280", ["1280"]),
        ("1:1\u2019280", ["1280"]),
        ("1:1\u00a0280", ["1280"]),
        ("1:1\u2009280", ["1280"]),
        ("1:1\u202f280", ["1280"]),
        ("1:1\u3000280", ["1280"]),
        ("1:1,2800", []),
        ("1:1'28", []),
        ("1:12.5", []),
        ("1:640,1:80", ["640", "80"]),
        # colons
        ("1\uff1a640", ["640"]),
        ("1\u2236640", ["640"]),
        ("1 in 640", ["640"]),
        ("1 in640", []),
        # comparators after the colon, and in other words
        ("1:>1280", [">1280"]),
        ("1:\u2265 640", [">=640"]),
        ("1:<80", ["<80"]),
        ("< or = 1:80", ["<=80"]),
        ("> or = 1:640", [">=640"]),
        ("\u22671:640", [">=640"]),
        ("GT 1:640", [">640"]),
        ("le 1:40", ["<=40"]),
        ("at or over 1:640", [">640"]),
        # intervals
        ("1:160-1:320", ["160-320"]),
        ("1:160 - 1:320", ["160-320"]),
        ("1:160\u20131:320", ["160-320"]),
        ("1:160 to 1:320", ["160-320"]),
        ("1:160~1:320", ["160-320"]),
        ("1:160-320", ["160-320"]),
        ("1:320-1:160", ["160-320"]),
        ("1/160-1/320", ["160-320"]),
        ("1:320-1:320", ["320"]),
        ("1:640 - 2 weeks ago", ["640"]),
        ("1:80 - 2024-01-05", ["80"]),
        ("1:80 and 1:320", ["80", "320"]),
        # a positive at a titre is at least that titre, a titre in a negative phrase is below it
        ("POSITIVE at 1:160 screening dilution", [">=160"]),
        ("Positive at a dilution of 1:160", [">=160"]),
        ("positive at (1:160)", [">=160"]),
        ("Positive at titer: 1:160", [">=160"]),
        ("at 1:160", ["160"]),
        ("Positive, at 1:160", [">=160"]),
        ("Positive; screening dilution: 1:160", [">=160"]),
        ("Negative, at 1:160", ["160"]),
        ("Positive 1:160", ["160"]),
        ("Positive at <1:160", ["<160"]),
        ("negative at 1:80", ["<80"]),
        ("Negative (1:80)", ["<80"]),
        ("not detected, 1:80", ["80"]),
        ("no titre >1:640 detected", ["<=640"]),
        ("Jo-1 negative 1:320", ["320"]),
        ("Positive (negative: <1:80)", []),
        ("Positive 1:640 (negative: <1:80)", ["640"]),
        # words and flags beside it
        ("Titer 1:640 H", ["640"]),
        ("\u80de\u6d46\u578b1:320", ["320"]),
        ("\u6297\u6838\u6297\u4f531:320\u9633\u6027", ["320"]),
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
        ("1.280", ["1280"]),
        ("1'280", ["1280"]),
        ("20,000", ["20000"]),
        ("< or = 80", ["<=80"]),
        ("160-320", ["160-320"]),
        ("titer 320", ["320"]),
        ("Titre: 320", ["320"]),
        ("320 H", ["320"]),
        ("320 (ref <80)", ["320"]),
        ("320 U/mL", []),
        ("about 320", []),
        ("1:320", ["320"]),
    ],
)
def test_a_bare_number_is_a_titre_only_under_a_code_for_titres(text, expected):
    assert read(text, titre_code=True) == expected
    assert read(text) == (expected if ":3" in text else [])


@pytest.mark.parametrize("unit", ["titer", "titre", "Titer", "{titer}", "dil", "dil."])
def test_a_number_with_the_unit_of_titres_is_one_under_any_code(unit):
    assert read(f"320 {unit}") == read(f"320 {unit}", titre_code=True) == ["320"]


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
        (number(1, "<"), number(80), ["<80"]),
        (number(80, "<"), number(1), ["<80"]),
        (number(1), number(80, "<"), ["<80"]),
        (number(1, ">="), number(80), [">=80"]),
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
    titres = titres_of(value, tables().vocabulary, "ana", titre_code=False)
    phrases = [titre.phrase for titre in titres]
    assert phrases == ["1:1,280 (nucleolar)", " 1:640 cytoplasmic"]


def test_an_interval_of_a_quantity_is_one_of_titres():
    value = Value(number=Number(Decimal(160), unit="{titer}", upto=Decimal(320)))
    assert read(value) == ["160-320"]


@pytest.mark.parametrize(
    ("text", "answer", "shown"),
    [
        ("a (b) c", "a (b) c", "a     c"),
        ("a (b [c] d) e", "a (b [c] d) e", "a           e"),
        ("a (b [c d e", "a (b [c d e", "a (b [c d e"),
        ("a (b [c] d", "a (b [c] d", "a (b     d"),
        ("a) b ref c", "a) b      ", "a) b      "),
        ("(ref) a", "(   ) a", "      a"),
        ("(a, ref b) c", "(a,      ) c", "           c"),
        ("(a [ref b] c) d", "(a [     ] c) d", "              d"),
        ("a cut-off b", "a          ", "a          "),
        ("a (b) ref (c) d", "a (b)          ", "a              "),
        ("1:8 (1:9 (b))", "1:8 (1:9 (b))", "1:8  1:9     "),
    ],
)
def test_references_are_cut_and_brackets_without_a_titre_blanked(text, answer, shown):
    cut = without_reference(text, tables().vocabulary)
    assert cut == answer
    places = [place for place in range(len(cut)) if cut.startswith("1:", place)]
    assert opened(cut, places) == shown


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "1:",
        "1 ",
        "<",
        "()",
        "(ref)",
        "(1:80)",
        "1:80-",
        "1,000",
        "at ",
        "ref (",
        ")",
        "positive ",
        "\u9633a",
    ],
)
def test_reading_costs_as_much_time_as_the_text_is_long(piece):
    def cost(length):
        text = (piece * length)[:length] + " 1:320"
        started = time.process_time()
        read(text)
        read(text, titre_code=True)
        plain(text)
        return time.process_time() - started

    cost(100)
    assert cost(40_000) < 40 * max(
        cost(4_000), 0.02
    )  # ten times the text; quadratic time takes a hundred times


@pytest.mark.parametrize(
    ("cell", "known"),
    [
        ("1:640 fein gesprenkelt", WrittenTitre(640.0, high=True)),
        ("negativ", WrittenTitre(None, high=False)),
        ("<1:80", WrittenTitre(None, high=False)),
        ("pending", WrittenTitre(None)),
        ("see comment", None),
        (f"1:640{' ' * LONGEST_TEXT}x", None),
    ],
)
def test_a_cell_of_a_hospitals_table_is_read_as_at_the_bedside(cell, known):
    assert titre_reader(tables())(cell) == known
