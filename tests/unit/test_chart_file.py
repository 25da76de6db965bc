"""A file is read as leniently as an answer of a server, and what says that it is not whole is heard."""

import json
import tracemalloc

import pytest

from cds_service.commands.chart_file import KEY, read_bundle
from cds_service.commands.folder import open_folder
from cds_service.errors import UnusableInput
from cds_service.fhir.queries import BY_KEY
from fhir_mapping.checks import judge
from fhir_mapping.record import MappingSettings
from fhir_mapping.terms import load_tables
from models.training.errors import TrainingError
from tests.support.charts import AS_OF, condition, imnm_chart, observation, patient, prescription
from tests.support.ehr_simulator import outcome

MAPPING = MappingSettings(load_tables())
CHART = [patient(), condition()]
UNCLEAR = {"resourceType": "OperationOutcome", "issue": []}
NEXT = [{"relation": "next", "url": "https://x/?page=2"}]


def bundle(*more: object, chart: list[dict] = CHART, **members: object) -> dict:
    entries = [*({"resource": resource} for resource in chart), *more]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | members


def read(content: object):
    return read_bundle(json.dumps(content).encode(), MAPPING)


def failures(content: object) -> dict[str, str]:
    gathered = read(content)
    assert len(gathered.sources[KEY].entries) >= len(CHART)
    return {key: source.detail for key, source in gathered.sources.items() if source.state == "failed"}


@pytest.mark.parametrize(
    "frame",
    [
        {"total": "x"},
        {"total": []},
        {"link": {"relation": "self", "url": 5}},
        {"id": 5},
        {"meta": "x"},
        {"type": 5},
        {"type": "collection", "link": "next"},
        {"type": "collection", "link": NEXT, "total": 9},
        {"type": "batch-response", "total": 9},
        {"total": 2, "link": 5},
    ],
)
def test_a_frame_of_a_wrong_type_loses_itself(frame):
    assert failures(bundle(**frame)) == {}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {"fullUrl": 5, "resource": condition(number="c2"), "search": "match"},
        {"resource": outcome("informational", "information"), "search": {"mode": "outcome"}},
        {"request": {"method": "DELETE", "url": "Condition/c3"}},
        {"response": {"status": "204"}},
        {"response": {"status": "201 Created", "location": "Condition/c3"}},
        {"response": {"status": 404}},
        {"response": "404"},
    ],
)
def test_so_does_one_of_an_entry(entry):
    assert failures(bundle(entry)) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bundle(5), "an entry cannot be read"),
        (bundle({"resource": 5}), "an entry cannot be read"),
        (bundle({"resource": outcome("exception")}), "the server reported an error"),
        (bundle({"resource": outcome("forbidden", "warning")}, type="collection"), "not whole (forbidden)"),
        (bundle({"resource": condition(), "search": {"mode": "x"}}), "unknown search mode"),
        (bundle(total=3), "counted more than it sent"),
        (bundle(link=NEXT), "the first page only"),
        (bundle(link="next"), "a link cannot be read"),
        (bundle(link=[{"relation": "next", "url": None}]), "cannot be used"),
        (bundle({"resource": UNCLEAR}), "a remark of the server cannot be read"),
        (bundle({"resource": UNCLEAR}, type="collection"), "a remark of the server cannot be read"),
        *(
            (bundle({"response": {"status": status}}, type="batch-response"), "an entry cannot be read")
            for status in ("500", "404 Not Found", "401", "304")
        ),
    ],
)
def test_what_says_that_the_file_is_not_whole_is_heard_and_the_rest_is_kept(content, reason):
    found = failures(content)
    assert set(found) == set(BY_KEY)
    assert all(reason in detail for detail in found.values())


def test_of_a_file_of_prefetch_only_the_key_that_is_not_whole_has_failed():
    content = {"patient": patient(), "conditions": bundle(chart=[condition()], total=2), "ana": None}
    assert failures(content) == {"conditions": "the server counted more than it sent"}
    inside = bundle({"resource": bundle(chart=[], total=1)}, type="batch-response")
    assert set(failures(inside)) == set(BY_KEY)


@pytest.mark.parametrize(
    "value", [outcome("exception"), outcome("processing", "warning"), UNCLEAR, {}, {"id": "c1"}]
)
def test_what_is_no_answer_of_a_key_of_prefetch_is_not_an_empty_one(value):
    content = {"patient": patient(), "conditions": bundle(chart=[condition()])}
    assert failures(content | {"ana": value}) == {"ana": "not supplied"}
    assert set(failures(content | {"of-the-site": value})) == set(BY_KEY)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    marked = b"\xef\xbb\xbf" + json.dumps(bundle()).encode()
    assert len(read_bundle(marked, MAPPING).sources[KEY].entries) == 2
    (tmp_path / "a.ndjson").write_bytes(b"\xef\xbb\xbf" + exported(*CHART))
    assert [len(record.gathered.sources[KEY].entries) for record in records(tmp_path)] == [2]


@pytest.mark.parametrize(
    "addresses",
    [
        ("https://ehr.example/fhir/Patient/p1", ""),
        ("https://ehr.example/fhir/Patient/p1", "urn:uuid:6f1c2b1e-0000-4000-8000-000000000001"),
        ("https://ehr.example/fhir/Patient/p1", "https://internal.example/Patient/p1"),
    ],
)
def test_of_several_copies_of_the_patient_any_says_where_the_record_lives_wherever_it_stands(addresses):
    copies = [{"fullUrl": address, "resource": patient()} for address in addresses]
    elsewhere = {"reference": "https://ehr.example/fhir/Medication/m9"}
    medicine = {"resourceType": "Medication", "id": "m9", "code": {"text": "azathioprine"}}
    chart = [prescription(medicationReference=elsewhere), medicine]
    for entries in (copies, copies[::-1]):
        gathered = read(bundle(*entries, chart=chart))
        assert "https://ehr.example/fhir" in (gathered.base, *gathered.mapping.also_known_as)
        assert [d.reason for d in judge(gathered, AS_OF).doubts] == ["named, not coded"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"resourceType": "Bundle", "entry": "\xff"}', "byte 38 is not UTF-8"),
        (b'\n {"resourceType": "Bundle", "entry": "\xff"}', "byte 40 is not UTF-8"),
        (b'\xef\xbb\xbf{"resourceType": "\xff"}', "byte 22 is not UTF-8"),
        (b'\n {"resourceType": Bundle}', "byte 20 does not belong there"),
        (b'\xef\xbb\xbf{"resourceType": Bundle}', "byte 21 does not belong there"),
    ],
)
def test_what_does_not_belong_in_a_file_is_named_by_its_place_there(data, said):
    with pytest.raises(UnusableInput, match=said):
        read_bundle(data, MAPPING)


def test_to_say_why_a_large_file_is_unusable_takes_no_more_than_to_read_it():
    cut_off = b'{"resourceType": "Bundle", "entry": [' + b'{"resource": [1.5, {}]},' * 50_000
    tracemalloc.start()
    with pytest.raises(UnusableInput, match="ends in the middle"):
        read_bundle(cut_off, MAPPING)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(cut_off)


@pytest.mark.parametrize("identifier", [5, None, [], ""])
def test_a_patient_without_id_is_nobody(identifier):
    with pytest.raises(UnusableInput, match="the Patient has no id"):
        read(bundle(chart=[patient() | {"id": identifier}]))


def exported(*resources: dict) -> bytes:
    return b"\n".join(json.dumps(resource).encode() for resource in resources)


def records(path):
    return list(open_folder(path).records(MAPPING))


@pytest.mark.parametrize(
    "odd",
    [
        condition(number=5),
        condition(medicationReference="Medication/m1"),
        {
            "resourceType": "Appointment",
            "participant": [None, {"actor": {"reference": "Patient/p1"}}],
            "id": [],
        },
    ],
)
def test_a_line_with_an_element_of_a_wrong_type_is_still_the_patients(odd, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, odd))
    assert [len(record.gathered.sources[KEY].entries) for record in records(tmp_path)] == [3]


@pytest.mark.parametrize(
    "odd",
    [
        condition(subject="Patient/p1"),
        condition(subject={"reference": 5}),
        condition(patient=["Patient/p1"]),
        patient() | {"id": 5},
        {"resourceType": "Appointment", "participant": "Patient/p1"},
    ],
)
def test_a_line_of_nobody_knows_whom_is_named(odd, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, odd))
    with pytest.raises(TrainingError, match="line 3: this is not one FHIR resource"):
        records(tmp_path)


def test_a_file_that_is_not_whole_is_no_row_of_a_cohort(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(bundle(chart=imnm_chart(), total=99)))
    with pytest.raises(TrainingError, match=r"file 1 of 1 .*not whole: the server counted more than it sent"):
        records(tmp_path)


@pytest.mark.parametrize(
    ("remark", "reason"),
    [
        (outcome("exception"), "the server reported an error"),
        (outcome("too-costly", "warning"), "not whole (too-costly)"),
        (UNCLEAR, "a remark of the server cannot be read"),
    ],
)
def test_nor_is_an_export_whose_server_says_so_in_one_of_its_files(remark, reason, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART))
    (tmp_path / "errors.ndjson").write_bytes(exported(remark))
    with pytest.raises(
        TrainingError, match="file 2 in order of name, line 1: the export is not whole: "
    ) as caught:
        records(tmp_path)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "remark", [outcome("informational", "information"), outcome("processing", "warning")]
)
def test_what_it_remarks_beside_that_is_no_resource_of_a_patient(remark, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, remark))
    assert [len(record.gathered.sources[KEY].entries) for record in records(tmp_path)] == [2]


def entries(path):
    return {record.gathered.patient_id: len(record.gathered.sources[KEY].entries) for record in records(path)}


@pytest.mark.parametrize(
    "reference",
    ["Patient/p1/_history/3", "Patient/p1/", "/Patient/p1", "https://ehr.example/fhir/Patient/p1/_history/3"],
)
def test_a_reference_to_a_version_of_a_patient_or_with_more_slashes_is_the_patients(reference, tmp_path):
    own = condition(number="c2", subject={"reference": reference})
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, own))
    assert entries(tmp_path) == {"p1": 3}


def test_a_version_of_a_medication_is_that_medication(tmp_path):
    reference = {"reference": "Medication/m/_history/2"}
    taken = [prescription(medicationReference=reference), {"resourceType": "Medication", "id": "m"}]
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, *taken))
    assert entries(tmp_path) == {"p1": 4}


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {},
        {"reference": "urn:uuid:7"},
        {"reference": "p1"},
        {"identifier": {"value": "1"}},
    ],
)
def test_a_diagnosis_that_does_not_say_whose_it_is_is_not_left_out_of_an_export(subject, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, condition(number="c2", subject=subject)))
    with pytest.raises(TrainingError, match="line 3: this Condition does not say which patient it is of"):
        records(tmp_path)


@pytest.mark.parametrize(
    "other",
    [
        observation("2157-6", "o", subject={"reference": "Location/ward"}),
        {"resourceType": "Appointment", "participant": []},
        {"resourceType": "Organization", "id": "o"},
    ],
)
def test_what_is_about_no_patient_may_stand_in_an_export(other, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART, other))
    assert entries(tmp_path) == {"p1": 2}


@pytest.mark.parametrize("name", ["b.ndjson.gz", "b.jsonl", "b.xml", "b.zip", "b.csv", "b"])
def test_a_file_of_a_folder_that_cannot_be_read_is_not_passed_over(name, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(exported(*CHART))
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(TrainingError, match="1 of 2 entries are neither") as caught:
        open_folder(tmp_path)
    assert name not in str(caught.value).split()


def test_neither_is_a_folder_in_it_or_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(bundle()))
    (tmp_path / "more").mkdir()
    with pytest.raises(TrainingError, match="1 of 2 entries are neither"):
        open_folder(tmp_path)
    (tmp_path / "more").rmdir()
    (tmp_path / "b.json").symlink_to(tmp_path / "gone.json")
    with pytest.raises(TrainingError, match="cannot be read: No such file"):
        open_folder(tmp_path)


def test_what_a_system_hides_in_a_folder_is_no_record(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(bundle()))
    (tmp_path / ".DS_Store").write_bytes(b"?")
    assert len(records(tmp_path)) == 1
