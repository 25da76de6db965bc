"""The sample patients: what is in the files, and how their dates move."""

import json
import re
import tomllib
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from cds_service.demo.patients import FOLDER, PatientBanner, UnknownPatientError, banner, chart, samples

KNOWN = samples()
NAMES = [sample.name for sample in KNOWN.patients]
GOLDENS = tomllib.loads((Path(__file__).parents[1] / "golden" / "patients.toml").read_text("utf-8"))


def resources(name):
    return [entry["resource"] for entry in chart(name)["entry"]]


def strings(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def test_there_are_at_least_twelve_patients_and_a_golden_for_each():
    assert len(NAMES) >= 12
    assert sorted(GOLDENS.keys() - {"base_day"}) == sorted(NAMES)
    assert GOLDENS["base_day"] == KNOWN.base_day == date(2026, 3, 1)


def test_every_file_is_listed_and_all_of_them_stay_small():
    assert {file.stem for file in FOLDER.glob("*.json")} == set(NAMES)
    assert sum(file.stat().st_size for file in FOLDER.glob("*.json")) < 1_500_000


@pytest.mark.parametrize("name", NAMES)
def test_every_resource_is_valid_fhir_r4(name):
    for resource in resources(name):
        kind = resource["resourceType"]
        model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate(resource)


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_one_patient_with_years_of_history(name):
    held = resources(name)
    patients = [each for each in held if each["resourceType"] == "Patient"]
    assert [each["id"] for each in patients] == [name]
    assert patients[0]["name"][0]["given"]
    assert patients[0]["name"][0]["family"] == "Sample"
    assert 40 <= len(held) <= 160
    days = {text[:10] for each in held for text in strings(each) if re.match(r"\d{4}-\d{2}-\d{2}", text)}
    assert {day[:4] for day in days} & {"2019", "2020", "2021", "2022", "2023"}


def test_ids_are_unique_over_all_charts():
    ids = [(each["resourceType"], each["id"]) for name in NAMES for each in resources(name)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_to_a_resource_of_the_same_chart(name):
    held = resources(name)
    there = {f"{each['resourceType']}/{each['id']}" for each in held}
    references = re.findall(r'"reference": "([^"]+)"', json.dumps(held))
    assert {each for each in references if not each.startswith("#")} <= there


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_has_a_subject_is_about_the_patient_of_the_chart(name):
    for resource in resources(name):
        subject = resource.get("subject") or resource.get("patient")
        assert subject in (None, {"reference": f"Patient/{name}"})


def test_every_date_moves_by_whole_days_and_nothing_else_changes():
    shift = timedelta(days=400)
    base, moved = list(strings(chart("srp-ild"))), list(strings(chart("srp-ild", shift)))
    for before, after in zip(base, moved, strict=True):
        if re.match(r"\d{4}-\d{2}-\d{2}($|T)", before):
            assert date.fromisoformat(after[:10]) == date.fromisoformat(before[:10]) + shift
            assert after[10:] == before[10:]
        else:
            assert after == before


def test_every_date_is_written_in_full_so_that_it_moves():
    for name in NAMES:
        for resource in resources(name):
            assert not re.search(
                r'(Date|DateTime|start|end|On|issued|Over)": "\d{4}(-\d{2})?"', json.dumps(resource)
            )


def test_the_child_stays_a_child():
    patient = chart("child", timedelta(days=3650))["entry"][0]["resource"]
    assert patient["birthDate"] == "2021-10-05"


def test_an_unknown_name_is_refused_and_the_known_ones_are_named():
    assert KNOWN.find("plain").story
    with pytest.raises(
        UnknownPatientError, match="no sample patient 'nobody'; there are: high-overdue, low-quiet"
    ):
        KNOWN.find("nobody")


@pytest.mark.parametrize(
    ("patient", "name", "about"),
    [
        (
            {
                "name": [{"given": ["Ann", "B."], "family": "C"}, {"family": "D"}],
                "gender": "female",
                "birthDate": "1960",
            },
            "Ann B. C",
            "female, born 1960",
        ),
        ({"name": [{"family": "C"}], "gender": "male"}, "C", "male"),
        ({}, "no name", ""),
    ],
)
def test_a_banner_says_who_the_patient_is_as_far_as_known(patient, name, about):
    entries = [
        {"resource": {"resourceType": "Condition"}},
        {"resource": {"resourceType": "Patient"} | patient},
    ]
    assert banner({"entry": entries}) == PatientBanner(name, about)
