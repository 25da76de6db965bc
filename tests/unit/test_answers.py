"""Whether a result says anything, and whether it says that there is no result (U1)."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.laboratory.answers import says_no_result, says_something
from fhir_mapping.record import Coding, Component, Concept, Number, ReferenceLimits, Value
from tests.support.facts import SNOMED, result, tables

POSITIVE = Coding(SNOMED, "10828004")
HIGH = Coding("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H")


def made(analyte, value=None, role="", **more):
    value = Value(text=value) if isinstance(value, str) else value or Value()
    roles = frozenset({analyte, *role.split()})
    return replace(result(analyte, None, 10, high=None, roles=roles), value=value, **more)


def test_a_magnitude_says_something():
    assert says_something(result("ck", 5400, 10), tables())
    assert not says_something(made("ck", "5400"), tables())  # F5 makes an amount of it, or refuses it


@pytest.mark.parametrize("analyte", ["anti-srp", "anti-hmgcr", "other-msa"])
@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        ("Positive", {}, True),
        ("++", {}, True),
        ("borderline", {}, True),
        ("1:40", {}, True),
        ("see comment", {}, False),
        ("", {}, False),
        (Value(concept=Concept((POSITIVE,))), {}, True),
        (Value(concept=Concept((Coding("urn:local", "x"),), "", ("Positive",))), {}, False),
        ("", {"interpretation": (HIGH,)}, True),
        ("", {"components": (Component(Concept(), Value(text="borderline")),)}, True),
        ("", {"components": (Component(Concept(), Value(text="Positive")),)}, False),
        # a number alone is no answer
        (Value(number=Number(Decimal(25))), {}, False),
        ("25", {}, False),
        ("25", {"limits": ReferenceLimits(high=Decimal(20))}, True),
    ],
)
def test_an_antibody_says_something_by_an_answer(analyte, value, more, expected):
    assert says_something(made(analyte, value, **more), tables()) == expected


@pytest.mark.parametrize(
    ("value", "role", "more", "expected"),
    [
        ("1:80", "", {}, True),
        ("80", "titre", {}, True),
        ("80", "", {}, False),
        ("Negative", "", {}, True),
        ("Speckled", "pattern", {}, True),
        ("AC-4", "pattern", {}, True),
        (Value(concept=Concept((Coding("urn:icap", "AC-21"),))), "pattern", {}, True),
        ("cytoplasmic", "", {}, True),
        ("NuMA", "pattern", {}, False),
        ("see comment", "", {}, False),
        ("see comment", "pattern", {}, False),
        ("see comment", "pattern cytoplasmic", {}, False),
        ("", "", {}, False),
        ("", "", {"interpretation": (HIGH,)}, True),
        ("", "", {"components": (Component(Concept(), Value(text="1:640")),)}, True),
        ("", "", {"components": (Component(Concept(), Value(text="see comment")),)}, False),
    ],
)
def test_an_ana_result_says_something_by_a_titre_a_pattern_or_an_answer(value, role, more, expected):
    assert says_something(made("ana", value, role, **more), tables()) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "not performed",
            "Not done",
            "CANCELLED",
            "pending",
            "Insufficient material",
            "haemolysed",
            "hemolyzed",
        ),
        *("specimen rejected", "TNP", "QNS", "not-performed", "\uff31\uff2e\uff33"),
    ],
)
def test_a_text_says_that_there_is_no_result(text):
    assert says_no_result(text, tables())


@pytest.mark.parametrize(
    "text", ["", "see comment", "haemolysed, CK 5400", "pending 1:640", "unhaemolysed", "qns5", "performed"]
)
def test_a_text_with_a_number_or_without_such_a_word_may_hide_a_result(text):
    assert not says_no_result(text, tables())
