"""What an antibody result answers (E7), and the subtype that follows (E8)."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.laboratory.antibody import read_answer, read_serology
from fhir_mapping.record import Coding, Component, Concept, Number, ReferenceLimits, Value
from tests.support.facts import SNOMED, record, result, tables

INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
LOINC = "http://loinc.org"
NEGATIVE, POSITIVE, WEAK = (Coding(SNOMED, code) for code in ("260385009", "10828004", "260408008"))


def said(*codes):
    return tuple(Coding(INTERPRETATION, code) for code in codes)


def quantity(value, comparator="", unit="U"):
    return Value(number=Number(Decimal(str(value)), comparator, unit))


def concept(*codings, text=""):
    return Value(concept=Concept(codings, text))


def antibody(value="", days=10, analyte="anti-srp", role="", high=None, **more):
    if isinstance(value, str):
        value = Value(text=value)
    limits = ReferenceLimits(high=None if high is None else Decimal(str(high)))
    roles = frozenset({analyte, *role.split()})
    made = result(analyte, None, days, high=None, roles=roles, **more)
    return replace(made, value=value, limits=limits)


def answer(*args, **more):
    return read_answer(antibody(*args, **more), tables())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Positive", "positive"),
        ("POS", "positive"),
        ("Pos.", "positive"),
        ("SRP-Ab detected", "positive"),
        ("reactive", "positive"),
        ("Present", "positive"),
        ("Negative", "negative"),
        ("neg", "negative"),
        ("Positive (ref: negative)", "positive"),
        ("Positive, reference: negative", "positive"),
        ("Strong positive (reference: weak 11-20)", "positive"),
        ("Negative (ref: positive above 20)", "negative"),
        ("absent", "negative"),
        ("undetectable", "negative"),
        ("Undetected", "negative"),
        ("nonreactive", "negative"),
        ("non-reactive", "negative"),
        ("not detected", "negative"),
        ("No antibodies detected", "negative"),
        ("none present", "negative"),
        ("negative, weakness noted", "negative"),
        # negative first within a phrase; the first phrase that decides wins
        ("positive negative", "negative"),
        ("positive, negative", "positive"),
        ("negative; positive", "negative"),
        ("see comment, positive", "positive"),
        ("SRP not done; reactive", "positive"),
        ("detected and not confirmed", "positive"),
        ("no + detected", "positive"),
        ("detected, not present", "positive"),
        ("not positive", "negative"),
        ("Not Pos", "negative"),
        ("non positive", "negative"),
        ("positive, not present", "positive"),
        ("positive not present", "negative"),
        # other languages
        ("positiv", "positive"),
        ("Positivo", "positive"),
        ("positieve", None),
        ("positief", "positive"),
        ("positif", "positive"),
        ("negativ", "negative"),
        ("Negatief", "negative"),
        ("n\u00e9gatif", "negative"),
        ("ne\u0301gatif", "negative"),
        ("negativo", "negative"),
        ("nicht positiv", "negative"),
        ("pas positif", "negative"),
        ("niet positief", "negative"),
        ("\u9633\u6027", "positive"),
        ("\u6297SRP\u6297\u4f53\u9634\u6027", "negative"),
        ("\u5f31\u9633\u6027", "weak"),
        ("\u53ef\u7591", "weak"),
        ("schwach positiv", "weak"),
        ("faiblement positif", "weak"),
        ("grenzwertig", "weak"),
        # plus signs, as the whole text
        ("+", "weak"),
        ("(+)", "weak"),
        ("++", "positive"),
        (" +++ ", "positive"),
        ("++++", "positive"),
        ("\uff0b\uff0b", "positive"),
        ("++ (ref: negative)", "positive"),
        ("+++++", None),
        ("band ++", None),
        ("\u00b1", "weak"),
        # phrases about another antibody
        ("Jo-1 positive, SRP negative", "negative"),
        ("Jo-1 negative; SRP positive", "positive"),
        ("HMGCR negative, SRP positive", "positive"),
        ("anti-Mi-2 positive and negative", "negative"),
        ("Jo-1 and SRP positive", "positive"),
        ("Jo-1 SRP positive", "positive"),
        ("Jo-1 positive", None),
        ("\u6297Jo-1\u6297\u4f53\u9633\u6027\uff0c\u6297SRP\u6297\u4f53\u9634\u6027", "negative"),
        ("\u6297Jo-1\u6297\u4f53\u9633\u6027\u3001\u6297SRP\u6297\u4f53\u9634\u6027", "negative"),
        ("PL-7 borderline, SRP positive", "positive"),
        # whole words only
        ("seronegative", None),
        ("nonpositive", None),
        ("landpositive", None),
        ("see comment", None),
        ("", None),
        # weak anywhere
        ("weak positive", "weak"),
        ("Positive (weak)", "weak"),
        ("weakly reactive", "weak"),
        ("Borderline", "weak"),
        ("positive, equivocal", "weak"),
        ("Low Positive", "weak"),
        ("low-pos", "weak"),
        ("low titre, positive", "positive"),
        ("inconclusive", "weak"),
        ("indeterminate", "weak"),
        ("weakness", None),
    ],
)
def test_words_answer_phrase_by_phrase(text, expected):
    assert answer(text) == expected
    assert answer(concept(text=text)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (concept(POSITIVE), "positive"),
        (concept(NEGATIVE), "negative"),
        (concept(POSITIVE, NEGATIVE), "weak"),
        (concept(POSITIVE, text="Negative"), "positive"),
        (concept(WEAK, text="Positive"), "weak"),
        (concept(Coding(LOINC, "LA6576-8")), "positive"),
        (concept(Coding(LOINC, "LA6577-6")), "negative"),
        (concept(NEGATIVE, text="Positive"), "negative"),
        (concept(POSITIVE, text="strong"), "positive"),
        (concept(*said("POS")), "positive"),
        (concept(*said("E")), "weak"),
        (concept(Coding("urn:local", "10828004")), None),
    ],
)
def test_codes_of_the_value_answer(value, expected):
    assert answer(value) == expected


@pytest.mark.parametrize(
    ("value", "comparator", "high", "expected"),
    [
        (20, "", 20, "negative"),
        ("20.01", "", 20, "positive"),
        (20, "<", 20, "negative"),
        (20, "<=", 20, "negative"),
        (25, "<", 20, None),
        (20, ">", 20, "positive"),
        (20, ">=", 20, None),
        (100, "", None, None),
    ],
)
def test_a_quantity_is_compared_with_its_own_limit_only(value, comparator, high, expected):
    assert answer(quantity(value, comparator), high=high) == expected


@pytest.mark.parametrize(
    ("text", "high", "expected"),
    [
        (">200.0 CU", 20, "positive"),
        ("<3 CU", 20, "negative"),
        ("20,0", 20, "negative"),
        ("20,1", 20, "positive"),
        ("15-25", 20, None),
        ("21-25", 20, "positive"),
        ("10,000", 20, None),
        ("30,000", 20, "positive"),
        ("25 CU", None, None),
        ("about 25", 20, None),
        ("25 see note", 20, None),
        ("25 CU negative", 20, "negative"),
    ],
)
def test_a_number_in_text_is_compared_with_its_own_limit(text, high, expected):
    assert answer(text, high=high) == expected
    assert answer(concept(text=text), high=high) == expected
    assert answer(concept(Coding("urn:local", "x"), text=text), high=high) == expected


def test_a_code_that_answers_leaves_the_number_beside_it_unread():
    assert answer(concept(NEGATIVE, text="25"), high=20) == "negative"


@pytest.mark.parametrize(("value", "expected"), [(8, "negative"), (15, None), (21, "positive"), (20, None)])
def test_several_limits_answer_what_they_answer_alike(value, expected):
    made = antibody(quantity(value))
    limits = ReferenceLimits(highs=(Decimal(10), Decimal(20)))
    assert read_answer(replace(made, limits=limits), tables()) == expected


@pytest.mark.parametrize("band", ["negative", "weak", "positive"])
def test_a_titled_band_answers_before_the_limit(band):
    made = antibody(quantity(8))
    limits = ReferenceLimits(high=Decimal(5), band=band)
    assert read_answer(replace(made, limits=limits), tables()) == band


def test_an_integer_is_compared_with_its_own_limit():
    assert answer(Value(integer=21), high=20) == "positive"
    assert answer(Value(integer=21)) is None


@pytest.mark.parametrize(
    ("value", "role", "high", "expected"),
    [
        ("1:320", "", None, "positive"),
        ("<1:40", "", None, "negative"),
        ("<=1:40", "", None, "negative"),
        ("≤ 1/40", "", None, "negative"),
        (">1:640", "", None, "positive"),
        ("<1:40, 1:80", "", None, "positive"),
        ("1:40", "", 40, "negative"),
        ("1:80", "", 40, "positive"),
        (">1:40", "", 40, "positive"),
        (">1:20", "", 40, None),
        ("1:40-1:80", "", None, "positive"),
        ("1:20-1:80", "", 40, None),
        ("1:80-1:160", "", 40, "positive"),
        ("320", "titre", None, "positive"),
        ("320", "", None, None),
        (Value(integer=320), "titre", None, "positive"),
        (quantity(320, unit=""), "titre", None, "positive"),
        (quantity(0, unit=""), "titre", None, None),
        (quantity(320, unit="U/mL"), "titre", None, None),
        (Value(ratio=(Number(Decimal(1)), Number(Decimal(320)))), "", None, "positive"),
    ],
)
def test_a_titre_answers_where_no_word_does(value, role, high, expected):
    assert answer(value, role=role, high=high) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["POS"], "positive"),
        (["A"], "positive"),
        (["H"], "positive"),
        (["NEG"], "negative"),
        (["N"], "negative"),
        (["NEG", "POS"], "positive"),
        (["N", "A"], "positive"),
        (["H", "NEG", "IND"], "weak"),
        (["L"], None),
        (["E"], "weak"),
        (["IND"], "weak"),
        (["WR"], "weak"),
    ],
)
def test_the_interpretation_answers_last(codes, expected):
    assert answer(interpretation=said(*codes)) == expected


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        ("Negative", {"interpretation": said("POS")}, "negative"),
        (quantity(10), {"high": 20, "interpretation": said("A")}, "negative"),
        (quantity(10), {"interpretation": said("A")}, "positive"),
        ("1:320", {"interpretation": said("NEG")}, "positive"),
        ("Positive", {"interpretation": said("WR")}, "weak"),
        ("Positive", {"interpretation_text": "weakly positive"}, "weak"),
        (quantity(90), {"high": 20, "components": (Component(Concept(), Value(text="borderline")),)}, "weak"),
        ("Positive", {"components": (Component(Concept(), Value(), said("IND")),)}, "weak"),
        ("Positive", {"components": (Component(Concept(), Value(text="Negative")),)}, "positive"),
        (Value(), {"components": (Component(Concept(), Value(text="Positive")),)}, None),
        (Value(boolean=True), {}, None),
    ],
)
def test_the_order_of_reading_and_weak_before_all(value, more, expected):
    assert answer(value, **more) == expected


# E8


@pytest.mark.parametrize(
    ("srp", "hmgcr", "expected"),
    [
        (["Positive"], [], "anti-SRP"),
        (["Positive"], ["Negative"], "anti-SRP"),
        (["Positive", "Negative"], ["Negative"], "anti-SRP"),
        ([], ["Positive"], "anti-HMGCR"),
        (["Positive"], ["Positive"], "both"),
        (["Negative"], ["Negative"], "seronegative"),
        (["Negative"], [], "unknown"),
        (["Negative"], ["weak positive"], "unknown"),
        (["Negative", "borderline"], ["Negative"], "unknown"),
        (["Negative", "see comment"], ["Negative"], "seronegative"),
        (["weak"], [], "unknown"),
        ([], [], "unknown"),
    ],
)
def test_the_subtype_follows_from_every_result_ever(srp, hmgcr, expected):
    facts = [antibody(text, 10 + n, "anti-srp") for n, text in enumerate(srp)]
    facts += [antibody(text, 10 + n, "anti-hmgcr") for n, text in enumerate(hmgcr)]
    assert read_serology(record(*facts)).subtype == expected
    assert read_serology(record(*facts)).positive == tuple(
        name for name, texts in (("anti-srp", srp), ("anti-hmgcr", hmgcr)) if "Positive" in texts
    )


def test_of_several_positive_results_the_latest_is_shown_and_of_one_time_the_lower_id():
    facts = [
        antibody("Positive", 20, resource="Observation/old"),
        antibody("Positive", 10, resource="Observation/b"),
        antibody("Positive", 10, resource="Observation/a"),
    ]
    shown = read_serology(record(*facts)).latest["anti-srp", "positive"]
    assert shown.resource == "Observation/a"
