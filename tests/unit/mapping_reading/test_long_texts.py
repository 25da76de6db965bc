"""Texts are read to 1,000 characters: a longer answer is a doubt, of anything else the beginning counts (U1)."""

import json
from collections.abc import Callable

import pytest

from fhir_mapping.checks import judge
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions.r4_elements import Elements
from tests.support.charts import AS_OF, condition, observation, patient
from tests.support.service import TABLES

ANA, SRP, OTHER_MSA, CK, CHEST_CT = "5048-4", "33921-8", "11565-9", "2157-6", "24627-2"


def judged(*resources: dict) -> PatientRecord:
    entries = tuple(Entry(json.dumps(resource).encode()) for resource in (patient(), *resources))
    return judge(Gathered("p1", "", {"record": Source("read", entries)}, MappingSettings(TABLES)), AS_OF)


def filled(text: str, length: int) -> str:
    return text + " " + "x" * (length - len(text) - 1)


def in_value(text: str) -> dict:
    return {"valueString": text}


def in_concept(text: str) -> dict:
    return {"valueCodeableConcept": {"text": text}}


def in_component(text: str) -> dict:
    return {"component": [{"valueString": text}], "valueString": "negative"}


def in_interpretation(text: str) -> dict:
    return {"valueString": "negative", "interpretation": [{"text": text}]}


PLACES = [in_value, in_concept, in_component, in_interpretation]


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("code", "role"), [(ANA, "ana"), (SRP, "anti-srp")])
def test_a_longer_answer_is_a_doubt_in_the_role_of_its_code(
    code: str, role: str, place: Callable[[str], dict], beyond: int
):
    text = filled("negative 1:40,", LONGEST_TEXT + beyond)
    record = judged(observation(code, "o1", **place(text)))
    assert [(d.role, d.reason, d.by) for d in record.doubts] == (
        [(role, "unreadable", "code")] if beyond > 0 else []
    )
    assert len(record.results) == (0 if beyond > 0 else 1)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_longer_text_that_would_be_a_number_is_no_number(beyond: int):
    record = judged(observation(CK, "o1", valueString="400".rjust(LONGEST_TEXT + beyond)))
    assert [(d.role, d.reason) for d in record.doubts] == (
        [("ck", "no number")] if beyond > 0 else [("ck", "no unit")]
    )


@pytest.mark.parametrize("beyond", [-1, 0, 1, 5000])
def test_of_an_answer_that_makes_no_doubt_the_beginning_counts(beyond: int):
    record = judged(observation(OTHER_MSA, "o1", valueString=filled("positive,", LONGEST_TEXT + beyond)))
    assert (record.doubts, [result.analyte for result in record.results]) == ((), ["other-msa"])


@pytest.mark.parametrize("beyond", [-1, 0, 1, 5000])
def test_a_report_of_any_length_was_written(beyond: int):
    record = judged(
        observation(CHEST_CT, "o1", valueString=filled("no pleural effusion,", LONGEST_TEXT + beyond))
    )
    assert (record.doubts, [result.analyte for result in record.results]) == ((), ["chest-ct"])


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_what_is_named_beyond_the_limit_is_not_read(beyond: int):
    text = "IMNM".rjust(LONGEST_TEXT + beyond)
    record = judged(condition(("http://snomed.info/sct", "1")) | {"code": {"text": text}})
    assert [doubt.role for doubt in record.doubts] == ([] if beyond > 0 else ["core"])


@pytest.mark.parametrize("length", [LONGEST_TEXT - 1, LONGEST_TEXT, LONGEST_TEXT + 1, 100_000])
def test_a_text_is_kept_no_longer_than_it_is_read(length: int):
    assert len(Elements.text("x" * length)) == min(length, LONGEST_TEXT + 1)
