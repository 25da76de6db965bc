"""High ANA titre: forms (A1), comparators (A2), combination (A3), patterns (A4), age (A5)."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Coding, Component, Concept, Number, ReferenceLimits, Value
from fhir_mapping.rules.predictors.ana import high_ana
from tests.support.facts import record, result, tables

LOINC = "http://loinc.org"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
POSITIVE, NEGATIVE, WEAK = (
    {"interpretation": (Coding(INTERPRETATION, code),)} for code in ("POS", "NEG", "WR")
)
S1, S2 = {"specimen": "Specimen/1"}, {"specimen": "Specimen/2"}
REPORT = {"reports": frozenset({"DiagnosticReport/r"})}
OPEN = "the comparator leaves the titre open"


def ana(value="", days=10, role="", **more):
    """An ANA result: a screen, or with `role` one of titre, pattern, pattern cytoplasmic."""
    value = Value(text=value) if isinstance(value, str) else value
    more = {"resource": f"Observation/{role.replace(' ', '-') or 'ana'}-{days}", **more}
    return replace(result("ana", None, days, roles=frozenset({"ana", *role.split()}), **more), value=value)


def titre(value, days=10, **more):
    return ana(value, days, "titre", **more)


def pattern(value, days=10, **more):
    return ana(value, days, "pattern", **more)


def cytoplasm(value, days=10, **more):
    return ana(value, days, "pattern cytoplasmic", **more)


def component(value, code="", **more):
    value = Value(text=value) if isinstance(value, str) else value
    return Component(Concept((Coding(LOINC, code),) if code else ()), value, **more)


def quantity(value, comparator="", unit=""):
    return Value(number=Number(Decimal(value), comparator, unit))


AC_4, AC_19 = (Value(concept=Concept((Coding("urn:icap", code),))) for code in ("AC-4", "AC-19"))


def seen(*facts, **options):
    feature = high_ana(record(*facts, **options))
    assert feature.rule == "A3"
    value = None if feature.value is None else f"1:{feature.value}"
    parts = (feature.state, value, feature.reason, "stale" if feature.stale else "")
    return " ".join(str(part) for part in parts if part)


# A1, A2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1:320", "present 1:320"),
        ("1:319", "absent 1:319"),
        ("1:80, 1:640", "present 1:640"),
        (">=1:320", "present 1:320"),
        (">1:320", "present 1:320"),
        (">=1:160", f"indeterminate {OPEN}"),
        (">1:319", f"indeterminate {OPEN}"),
        ("<1:320", "absent 1:320"),
        ("<1:321", f"indeterminate {OPEN}"),
        ("<=1:319", "absent 1:319"),
        ("<=1:320", f"indeterminate {OPEN}"),
        ("1:320-1:640", "present 1:320"),
        ("1:160-1:320", f"indeterminate {OPEN}"),
        ("1:80-1:319", "absent 1:80"),
        ("Positive at 1:320", "present 1:320"),
        ("Positive at 1:319", f"indeterminate {OPEN}"),
        ("Negative at 1:320", "absent 1:320"),
        ("Negative at 1:321", f"indeterminate {OPEN}"),
        ("Speckled (1:640)", "present 1:640"),
        ("1:1'280", "present 1:1280"),
        ("1\uff1a640", "present 1:640"),
        ("<1:80", "absent 1:80"),
        ("320", "present 1:320"),
        ("Negative", "absent"),
        ("Positive", "indeterminate positive without titre"),
        (Value(integer=640), "present 1:640"),
        (quantity(640), "present 1:640"),
        (quantity(640, unit="U/mL"), "missing no ANA result that can be read"),
        (Value(ratio=(Number(Decimal(1)), Number(Decimal(640)))), "present 1:640"),
        (Value(concept=Concept((), "1:640")), "present 1:640"),
    ],
)
def test_one_result_under_a_code_for_titres(value, expected):
    assert seen(titre(value)) == expected


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        ("Positive 1:640", {}, "present 1:640"),
        ("640", {}, "missing no ANA result that can be read"),
        ("Positive", {}, "indeterminate positive without titre"),
        ("weak positive", {}, "indeterminate positive without titre"),
        ("borderline", {}, "indeterminate positive without titre"),
        ("Negative", {}, "absent"),
        ("not detected", {}, "absent"),
        ("Positive (ref: negative)", {}, "indeterminate positive without titre"),
        ("Positive, reference negative", {}, "indeterminate positive without titre"),
        (
            Value(concept=Concept((), "Positive (negative: <1:80)")),
            {},
            "indeterminate positive without titre",
        ),
        ("(Negative)", {}, "absent"),
        ("Jo-1 negative, ANA positive", {}, "indeterminate positive without titre"),
        ("++", {}, "indeterminate positive without titre"),
        ("see comment", {}, "missing no ANA result that can be read"),
        ("", POSITIVE, "indeterminate positive without titre"),
        ("", WEAK, "indeterminate positive without titre"),
        ("", NEGATIVE, "absent"),
        (quantity(3), {"limits": ReferenceLimits(high=Decimal(1))}, "indeterminate positive without titre"),
        (quantity(1), {"limits": ReferenceLimits(high=Decimal(1))}, "absent"),
        (quantity(640, unit="{titer}"), {}, "present 1:640"),
    ],
)
def test_one_result_of_a_screen(value, more, expected):
    limits = more.get("limits", ReferenceLimits())
    more = {name: found for name, found in more.items() if name != "limits"}
    assert seen(replace(ana(value, **more), limits=limits)) == expected


# A3: all results together, in its order


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([titre("1:320", 900), titre("1:40", 10)], "present 1:320"),
        ([titre("1:320", 900), titre(">1:160", 10), ana("Negative", 5)], "present 1:320"),
        ([titre("1:320", 900), titre("1:1280", 800)], "present 1:1280"),
        ([titre(">1:160", 900), titre("1:80", 10)], f"indeterminate {OPEN}"),
        ([titre("1:80", 900), ana("Positive", 10)], "absent 1:80"),
        ([titre("<1:80", 900), ana("Positive", 10)], "absent 1:80"),
        ([titre("1:80", 900), titre("1:160", 800), titre("<1:40", 10)], "absent 1:160"),
        ([ana("Negative", 10), ana("Positive", 900)], "indeterminate positive without titre"),
        ([ana("Negative", 10), ana("weak", 900)], "indeterminate positive without titre"),
        ([ana("Negative", 10)], "absent"),
        ([], "missing no ANA result"),
        # A panel without a value says nothing: its members do
        ([ana("", 10, members=("Observation/titre-9",)), titre("1:640", 9)], "present 1:640"),
        # a pattern is no screen
        ([pattern("Speckled")], "missing no ANA result that can be read"),
        ([pattern("Negative")], "missing no ANA result that can be read"),
        ([pattern("Positive")], "missing no ANA result that can be read"),
        ([pattern("Speckled 1:640")], "present 1:640"),
    ],
)
def test_all_results_together(facts, expected):
    assert seen(*facts) == expected
    whole = record(*facts)
    turned = PatientRecord(whole.as_of, whole.mapping, whole.patient, whole.results[::-1])
    assert high_ana(turned) == high_ana(whole)


# A4: cytoplasmic staining


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # under the code for it
        ([cytoplasm("Positive")], "absent"),
        ([cytoplasm("1:640")], "absent"),
        ([cytoplasm("Speckled")], "absent"),
        ([cytoplasm("", **POSITIVE)], "absent"),
        ([cytoplasm("Negative")], "missing no ANA result that can be read"),
        ([cytoplasm("<1:40")], "missing no ANA result that can be read"),
        ([cytoplasm("")], "missing no ANA result that can be read"),
        ([cytoplasm("1:640"), titre("1:320", 50)], "present 1:320"),
        ([cytoplasm("Negative"), titre("1:320")], "present 1:320"),
        ([cytoplasm("Positive", 20), ana("Positive", 10)], "indeterminate positive without titre"),
        # by phrase
        ([titre("1:640 cytoplasmic")], "absent"),
        ([titre("cytoplasmic fine speckled 1:640")], "absent"),
        ([titre("1:640 (cytoplasmic)")], "absent"),
        ([titre("1:640, cytoplasmic")], "absent"),
        ([ana("Positive; cytoplasmic 1:640")], "absent"),
        ([ana("Positive, cytoplasmic speckled")], "absent"),
        ([titre("1:640 speckled, cytoplasmic")], "present 1:640"),
        ([titre("1:640, homogeneous, cytoplasmic")], "present 1:640"),
        ([titre("1:640 cytoplasmic, 1:80 homogeneous")], "absent 1:80"),
        ([titre("1:80 homogeneous + 1:640 cytoplasmic")], "absent 1:80"),
        ([titre("1:1,280 nuclear and 1:80 cytoplasmic")], "present 1:1280"),
        ([titre("anti-nuclear antibodies 1:640, cytoplasmic")], "absent"),
        ([ana("Positive speckled; cytoplasmic 1:640")], "indeterminate positive without titre"),
        ([titre("1:640, cytoplasmic negative")], "present 1:640"),
        ([titre("1:640 cytoplasmic negative")], f"indeterminate {OPEN}"),
        ([titre("1:640 zytoplasmatisch")], "absent"),
        ([titre("\u80de\u6d46\u578b1:640")], "absent"),
        ([titre("1:640 AC-19")], "absent"),
        ([titre("1:640 AC-14, cytoplasmic")], "present 1:640"),
        ([titre("1:640"), pattern(AC_19)], "absent"),
        ([titre("1:640"), pattern(AC_4)], "present 1:640"),
        ([titre("1:640", components=(component(AC_19),))], "absent"),
        ([titre("\u5747\u8d28\u578b1:80\u3001\u80de\u6d46\u578b1:640")], "absent 1:80"),
        ([titre("\u5747\u8d28\u578b1:640\u3001\u80de\u6d46\u578b1:80")], "present 1:640"),
        ([titre("1:640 homogeneous. Reference: cytoplasmic <1:40")], "present 1:640"),
        # by component
        ([titre("", components=(component("1:640", "55171-3"),))], "absent"),
        ([titre("", components=(component("1:640"), component("1:1280 cytoplasmic")))], "absent"),
        (
            [titre("", components=(component("1:640 speckled"), component("1:1280 cytoplasmic")))],
            "present 1:640",
        ),
        ([titre("", components=(component("1:640"), component("Cytoplasmic", "49311-4")))], "absent"),
        ([titre("", components=(component("1:640"), component("Negative", "55171-3")))], "present 1:640"),
        ([titre("", components=(component(quantity(640)), component("Cytoplasmic", "49311-4")))], "absent"),
        (
            [titre("", components=(component(quantity(640), "20398-4"), component("x", "55171-3")))],
            "present 1:640",
        ),
        ([ana("", components=(component(quantity(640), "5048-4"),))], "present 1:640"),
        ([ana("", components=(component("1:640", "2157-6"),))], "missing no ANA result that can be read"),
        # by a pattern result of the same specimen, report or time
        ([titre("1:640", 10, **S1), pattern("Cytoplasmic", 20, **S1)], "absent"),
        ([titre("1:640", 10, **REPORT), pattern("Cytoplasmic", 20, **REPORT)], "absent"),
        ([titre("1:640", 10), pattern("Cytoplasmic", 10)], "absent"),
        ([titre("1:640", 10), cytoplasm("Positive", 10)], "absent"),
        ([titre("1:640", 10), cytoplasm("Negative", 10)], "present 1:640"),
        ([titre("1:640", 10), pattern("Cytoplasmic", 10.1)], "present 1:640"),
        ([titre("1:640", 10, **S1), pattern("Cytoplasmic", 20, **S2)], "present 1:640"),
        (
            [
                titre("1:640", 10),
                pattern("Cytoplasmic", 10),
                pattern("Speckled", 10, resource="Observation/p"),
            ],
            "present 1:640",
        ),
        (
            [titre("1:640", 10), pattern("Cytoplasmic", 10), pattern("NuMA", 10, resource="Observation/p")],
            "present 1:640",
        ),
        (
            [titre("1:640", 10), pattern("Cytoplasmic", 10), pattern("", 10, resource="Observation/p")],
            "absent",
        ),
        ([titre("1:640 speckled", 10), pattern("Cytoplasmic", 10)], "present 1:640"),
        ([ana("1:640", 10, "titre nuclear"), pattern("Cytoplasmic", 10)], "present 1:640"),
        # only a titre takes the pattern of another result
        ([ana("Positive", 10), pattern("Cytoplasmic", 10)], "indeterminate positive without titre"),
        ([ana("Negative", 10), pattern("Cytoplasmic", 10)], "absent"),
    ],
)
def test_cytoplasmic_staining_is_no_nuclear_titre(facts, expected):
    assert seen(*facts) == expected


@pytest.mark.parametrize(
    ("facts", "noted"),
    [
        ([cytoplasm("Positive")], True),
        ([cytoplasm("Positive"), ana("Negative")], True),
        ([ana("Negative")], False),
        ([cytoplasm("Positive"), titre("1:80 homogeneous")], False),
    ],
)
def test_cytoplasmic_staining_alone_is_noted(facts, noted):
    feature = high_ana(record(*facts))
    assert feature.state == "absent"
    assert [note.rule for note in feature.notes] == ["A3"] * noted


# A5, F9, evidence


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([titre("1:640", 1826)], "present 1:640"),
        ([titre("1:640", 1826.1)], "present 1:640 stale"),
        ([titre("1:640", 3000), ana("Negative", 1826)], "present 1:640"),
        ([titre("1:640", 3000), pattern("Speckled", 10)], "present 1:640"),
        ([ana("Negative", 3000)], "absent stale"),
    ],
)
def test_old_results_are_stale_by_the_newest_of_any_kind(facts, expected):
    assert seen(*facts) == expected


def test_a_query_that_is_not_offered_is_named_only_where_nothing_was_found():
    gone = {"not_offered": frozenset({"ana"})}
    assert seen(**gone) == "missing not offered by the server"
    assert seen(ana("Negative"), **gone) == "absent"


def test_the_deciding_result_is_the_evidence_of_equal_titres_the_latest_then_the_lower_id():
    facts = [
        titre("1:640", 900),
        titre("Titre 1:640 speckled", 10, resource="Observation/b"),
        titre("1:640", 10, resource="Observation/a"),
        titre("1:160", 5),
    ]
    feature = high_ana(record(*facts))
    (shown,) = feature.evidence
    assert (shown.resource, shown.role, shown.value, shown.unit) == ("Observation/a", "ana", 640, "{titer}")
    assert (feature.value, feature.unit, feature.date) == (640, "{titer}", "2026-02-19")
    (shown,) = high_ana(record(ana("Positive", 10))).evidence
    assert (shown.value, shown.unit, shown.original) == ("positive", "", "Positive")


def test_every_code_for_one_pattern_is_nuclear_and_every_pattern_code_is_known():
    nuclear = {code.code for code in tables().codes("observations", "nuclear")}
    assert len(nuclear) == 7
    assert nuclear < {code.code for code in tables().codes("observations", "titre")}
