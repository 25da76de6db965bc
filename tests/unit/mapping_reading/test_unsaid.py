"""U1: a resource that does not say what it is, is a doubt in every role that it may have, and in none that it was found not to have."""

import json

import pytest

from fhir_mapping.checks import judge
from fhir_mapping.record import Doubt, Entry, Gathered, MappingSettings, Source
from tests.support.charts import AS_OF, condition, observation, patient
from tests.support.service import TABLES

LOINC, SNOMED, ICD = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
RESULTS = {"ast", "alt", "drr", "ck", "ana", "anti-srp", "anti-hmgcr", "lvef"} | {
    *("troponin-i", "troponin-t", "nt-probnp"),
}
BROKEN = [  # a code of the wrong shape, with words that say nothing that U3 knows
    3,
    "ALT",
    [],
    [{"text": "ALT"}],
    {"coding": 3, "text": "ALT"},
    {"coding": [3], "text": "ALT"},
    {"coding": [{"system": LOINC, "code": {}, "display": "ALT"}]},
    {"coding": [{"system": LOINC, "code": "2345-7"}, 3]},
    {"coding": [{"system": [], "code": "no code of ours"}]},
    {"coding": [{"system": LOINC, "code": 17}]},
    {"text": {}},
]
NOT_THERE = [None, {}, {"coding": []}, {"coding": None}, {"coding": [{"system": LOINC}]}]
IN_WORDS = [{"text": "ALT"}, {"coding": [], "text": "GPT"}, {"coding": [{"system": LOINC, "display": "ALT"}]}]
ANALYTES = {
    "1920-8": "ast",
    "1742-6": "alt",
    "1916-6": "drr",
    "2157-6": "ck",
    "5048-4": "ana",
    "33921-8": "anti-srp",
    "93493-5": "anti-hmgcr",
    "10230-1": "lvef",
    "89579-7": "troponin-i",
    "6598-7": "troponin-t",
    "33762-6": "nt-probnp",
}
SOURCES = {
    "enzymes": ("ast", "alt", "ast-alt-ratio", "ck", "ldh"),
    "antibodies": ("anti-srp", "anti-hmgcr", "other-msa"),
    "ana": ("ana",),
    "cardiacTests": ("troponin-i", "troponin-t", "nt-probnp", "lvef"),
    "bloodCount": ("lymphocytes",),
}
DOUBTED = {
    "enzymes": {"ast", "alt", "drr", "ck"},
    "antibodies": {"anti-srp", "anti-hmgcr"},
    "ana": {"ana"},
    "cardiacTests": {"troponin-i", "troponin-t", "nt-probnp", "lvef"},
    "bloodCount": set(),
}


def doubts(*resources: dict, key: str = "record", asked: tuple = ()) -> tuple[Doubt, ...]:
    entries = tuple(Entry(json.dumps(resource).encode()) for resource in resources)
    source = Source("read", entries, asked=frozenset(asked))
    sources = {"patient": Source("read", (Entry(json.dumps(patient()).encode()),)), key: source}
    return judge(Gathered("p1", "", sources, MappingSettings(TABLES)), AS_OF).doubts


def roles(*resources: dict, **source) -> set[str]:
    found = doubts(*resources, **source)
    assert {(doubt.reason, doubt.by) for doubt in found} <= {("unreadable", "code")}
    return {doubt.role for doubt in found}


def result(code, id_: str = "o1", **more) -> dict:
    made = observation("1742-6", id_, valueQuantity={"value": 38, "unit": "U/L"}, **more)
    return {**made, "code": code}


def coded(code: str, id_: str) -> dict:
    return observation(code, id_, valueQuantity={"value": 38, "unit": "U/L"})


@pytest.mark.parametrize("code", [*BROKEN, *NOT_THERE], ids=str)
def test_a_result_whose_code_cannot_be_read_may_be_any(code):
    assert roles(result(code)) == RESULTS


@pytest.mark.parametrize("key", SOURCES)
@pytest.mark.parametrize("code", [*BROKEN, *NOT_THERE, *IN_WORDS], ids=str)
def test_one_that_was_found_by_its_code_may_be_any_that_was_asked_for(code, key):
    assert roles(result(code), key=key, asked=SOURCES[key]) == DOUBTED[key]


@pytest.mark.parametrize("code", IN_WORDS, ids=str)
def test_one_that_has_words_alone_is_no_doubt_where_nobody_asked_by_code(code):
    assert roles(result(code)) == set()


@pytest.mark.parametrize("code", IN_WORDS, ids=str)
def test_words_alone_are_no_doubt_where_a_server_sent_more_than_it_was_asked_for(code):
    asked = SOURCES["enzymes"]
    others = [coded("2345-7", "o2"), coded("2951-2", "o3")]
    assert roles(result(code), *others, coded("1742-6", "o4"), key="enzymes", asked=asked) == set()
    enzymes = [coded("1742-6", "o4"), coded("1920-8", "o5")]
    assert roles(result(code), *others, *enzymes, key="enzymes", asked=asked) == DOUBTED["enzymes"]


@pytest.mark.parametrize(("code", "role"), ANALYTES.items())
@pytest.mark.parametrize("system", [None, 3, "", {}])
def test_a_code_without_its_system_is_that_of_any_system(code, role, system):
    coding = {"code": code} if system is None else {"code": code, "system": system}
    assert roles(result({"coding": [coding]})) == {role}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("715863001", {"core"}),
        ("M33.2", {"broad"}),
        ("I40.1", {"cardiac"}),
        ("I50.9", {"cardiac"}),
        ("J45.9", set()),
    ],
)
def test_a_diagnosis_without_its_system_is_that_of_any_system(code, found):
    assert roles({**condition((SNOMED, "1")), "code": {"coding": [{"code": code}]}}) == found


@pytest.mark.parametrize("code", BROKEN, ids=str)
def test_a_diagnosis_whose_code_cannot_be_read_may_be_imnm_or_of_the_heart(code):
    found = doubts({**condition((SNOMED, "1")), "code": code})
    assert {(doubt.role, doubt.roles) for doubt in found} == {
        (role, frozenset({"core", "cardiac-a"})) for role in ("core", "cardiac")
    }


@pytest.mark.parametrize("code", [*NOT_THERE, *IN_WORDS], ids=str)
def test_a_diagnosis_in_words_or_without_a_code_is_none_of_ours(code):
    assert roles({**condition((SNOMED, "1")), "code": code}) == set()


def test_what_words_name_is_what_they_say():
    (doubt,) = doubts(result({"coding": 3, "text": "anti-SRP IgG"}), key="antibodies", asked=("anti-srp",))
    assert (doubt.role, doubt.by, doubt.reason) == ("anti-srp", "word", "named, not coded")
    text = "Immune-mediated necrotizing myopathy"
    (doubt,) = doubts({**condition((SNOMED, "1")), "code": {"coding": [3], "text": text}})
    assert (doubt.role, doubt.by) == ("core", "word")


@pytest.mark.parametrize("code", [3, {"coding": 3}, {"coding": [3]}, None])
def test_a_medicine_or_an_infusion_whose_code_cannot_be_read_may_be_an_agent(code):
    given = {"id": "x", "subject": {"reference": "Patient/p1"}, "status": "active", "intent": "order"}
    request = {**given, "resourceType": "MedicationRequest", "medicationCodeableConcept": code}
    assert {doubt.role for doubt in doubts(request)} == {"agent"}
    procedure = {**given, "resourceType": "Procedure", "status": "completed", "code": code}
    assert {doubt.role for doubt in doubts(procedure)} == ({"agent"} if code else set())
    ecg = {"coding": [{"system": SNOMED, "code": "29303009"}, 3]}
    assert doubts({**procedure, "code": ecg}) == ()


@pytest.mark.parametrize(
    "more",
    [
        {"status": "cancelled"},
        {"status": "registered"},
        {"valueQuantity": None, "valueString": "not performed"},
        {"subject": {"reference": "Patient/p2"}},
        {"effectiveDateTime": "2031-01-01"},
    ],
)
def test_what_gave_no_result_is_no_doubt_whatever_it_is(more):
    assert roles({**result({"coding": 3}), **more}) == set()


def test_a_result_with_a_code_of_ours_beside_a_broken_one_is_a_doubt_in_that_role_alone():
    assert roles(result({"coding": [{"system": LOINC, "code": "1742-6"}, 3]})) == {"alt"}


def test_a_result_of_a_code_that_is_none_of_ours_is_none_also_where_it_was_found_by_code():
    other = result({"coding": [{"system": LOINC, "code": "2345-7"}], "text": "ALT"})
    assert roles(other, key="enzymes", asked=SOURCES["enzymes"]) == set()
