"""M1: which Conditions count, and as what. E5: the patient."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def status(code):
    return {"coding": [{"system": STATUS, "code": code}]}


@pytest.fixture
def diagnosis(record, condition):
    def make(**more):
        (found,) = record(condition(**more)).diagnoses
        return found

    return make


def test_a_bare_condition_is_active_confirmed_and_undated(diagnosis):
    found = diagnosis()
    assert (found.resource, found.roles, found.clinical, found.confirmed) == (
        "Condition/c1",
        {"core"},
        "active",
        True,
    )
    assert (found.onset, found.recorded, found.recorded_late) == (None, None, False)
    assert found.eligible


@pytest.mark.parametrize("code", ["refuted", "entered-in-error"])
def test_what_was_refuted_is_refused(reasons, condition, code):
    assert reasons(condition(verificationStatus=status(code))) == {"Condition/c1": code}


@pytest.mark.parametrize(
    ("code", "confirmed"),
    [
        ("confirmed", True),
        ("unconfirmed", False),
        ("provisional", False),
        ("differential", False),
    ],
)
def test_only_a_confirmed_one_is_confirmed(diagnosis, code, confirmed):
    assert diagnosis(verificationStatus=status(code)).confirmed is confirmed


SNOMED = "http://snomed.info/sct"
KBV = "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT"
CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"


def statuses(*codes):
    """Codings of one status, each a code of the value set or a pair of system and code."""
    pairs = [code if isinstance(code, tuple) else (STATUS, code) for code in codes]
    return {"coding": [{"system": system, "code": code} for system, code in pairs]}


@pytest.mark.parametrize(
    ("written", "clinical"),
    [
        (statuses((SNOMED, "55561003"), "active"), "active"),
        (statuses((SNOMED, "55561003")), "active"),
        (statuses((SNOMED, "413322009"), ("urn:local", "7")), "resolved"),
        (statuses("Active"), "active"),
        (statuses("active", "relapse"), "relapse"),
        (statuses("recurrence", "active", "active"), "recurrence"),
        (statuses((SNOMED, "277022003"), "inactive"), "remission"),
        ({"coding": [{"code": "INACTIVE"}], "text": "x"}, "inactive"),
        ({}, "active"),
        ({"coding": []}, "active"),
        ({"extension": [{"url": "x"}]}, "active"),
    ],
)
def test_any_coding_of_a_status_counts_and_the_narrower_of_a_code_and_its_parent(
    diagnosis, written, clinical
):
    assert diagnosis(clinicalStatus=written).clinical == clinical


@pytest.mark.parametrize(
    "written",
    [
        statuses("active", "inactive"),
        statuses("active", "resolved"),
        statuses("relapse", "recurrence"),
        statuses((SNOMED, "55561003"), "resolved"),
        statuses("odd"),
        statuses("unknown"),
        statuses((SNOMED, "active")),
        statuses(("urn:local", "7")),
        {"text": "active"},
        {"coding": [{"display": "Active"}]},
    ],
)
def test_a_status_that_is_there_and_not_known_or_disputed_is_an_unknown_status(reasons, condition, written):
    assert reasons(condition(clinicalStatus=written)) == {"Condition/c1": "unknown status"}


@pytest.mark.parametrize(
    ("written", "confirmed"),
    [
        (statuses("Confirmed"), True),
        (statuses((SNOMED, "410605003")), True),
        (statuses((SNOMED, "415684004"), "unconfirmed"), False),
        (statuses("unconfirmed", "differential"), False),
        (statuses((KBV, "G")), True),
        (statuses((KBV, "V"), "provisional"), False),
    ],
)
def test_a_verification_in_other_words(diagnosis, written, confirmed):
    assert diagnosis(verificationStatus=written).confirmed is confirmed


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (statuses("REFUTED"), "refuted"),
        (statuses((SNOMED, "410516002")), "refuted"),
        (statuses("confirmed", "refuted"), "unknown status"),
        (statuses("provisional", "differential"), "unknown status"),
        (statuses("confirmed", "unconfirmed"), "unknown status"),
        (statuses("odd"), "unknown status"),
        ({"text": "refuted"}, "unknown status"),
    ],
)
def test_a_verification_that_refutes_or_says_nothing(reasons, condition, written, reason):
    assert reasons(condition(verificationStatus=written)) == {"Condition/c1": reason}


def test_what_is_refuted_is_so_whatever_its_clinical_status(reasons, condition):
    found = reasons(condition(verificationStatus=status("refuted"), clinicalStatus=statuses("odd")))
    assert found == {"Condition/c1": "refuted"}


# The German certainty of a diagnosis


def certain(*codes):
    """IMNM, its coding with these certainties."""
    extensions = [{"url": CERTAINTY, "valueCoding": {"system": KBV, "code": code}} for code in codes]
    return {"coding": [{"system": SNOMED, "code": "715863001", "extension": extensions}]}


@pytest.mark.parametrize(
    ("code", "own", "clinical", "confirmed"),
    [
        ("G", "provisional", "active", True),
        ("V", "confirmed", "active", False),
        ("v", "confirmed", "active", False),
        ("Z", "confirmed", "resolved", True),
        ("Z", "provisional", "resolved", False),
    ],
)
def test_the_certainty_outranks_the_status(record, condition, code, own, clinical, confirmed):
    more = {"clinicalStatus": status("active"), "verificationStatus": status(own)}
    (found,) = record(condition(**more) | {"code": certain(code)}).diagnoses
    assert (found.clinical, found.confirmed) == (clinical, confirmed)


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ("A", "refuted"),
        ("AA", "refuted"),
        ("AG", "unknown status"),
        ("GV", "unknown status"),
        ("GZ", "unknown status"),
        ("X", "unknown status"),
        ("GX", "unknown status"),
    ],
)
def test_a_certainty_that_excludes_or_contradicts_another(reasons, condition, codes, reason):
    found = reasons(condition(verificationStatus=status("confirmed")) | {"code": certain(*codes)})
    assert found == {"Condition/c1": reason}


@pytest.mark.parametrize(
    "extension",
    [
        {"url": CERTAINTY},
        {"url": CERTAINTY, "valueCoding": "A"},
        {"url": CERTAINTY, "valueCoding": {"code": 5}},
        [{"url": CERTAINTY, "valueCode": 5}],
    ],
)
def test_a_certainty_that_cannot_be_read_is_an_unknown_status(reasons, condition, extension):
    coding = {"system": SNOMED, "code": "715863001", "extension": extension}
    assert reasons(condition() | {"code": {"coding": [coding]}}) == {"Condition/c1": "unknown status"}


@pytest.mark.parametrize(
    "extension",
    [
        {"url": CERTAINTY, "valueCoding": {"code": "A"}},
        [{"url": "x"}, None, 5, {"url": CERTAINTY, "valueCode": "A"}],
    ],
)
def test_a_certainty_without_a_system_or_in_another_form_counts(reasons, condition, extension):
    coding = {"system": SNOMED, "code": "715863001", "extension": extension}
    assert reasons(condition() | {"code": {"coding": [coding]}}) == {"Condition/c1": "refuted"}


def test_an_escaped_certainty_is_the_same(reasons, condition):
    written = json.dumps(condition() | {"code": certain("A")}).replace("sicherheit", "\\u0073icherheit")
    assert reasons(written.encode()) == {"Condition/c1": "refuted"}


def test_only_the_certainty_of_a_coding_with_a_role_counts(record, condition):
    others = [
        {"system": "urn:x", "code": "1", "extension": [{"url": CERTAINTY, "valueCoding": {"code": "A"}}]},
        {
            "system": SNOMED,
            "code": "715863001",
            "extension": [{"url": "urn:y", "valueCoding": {"code": "A"}}],
        },
    ]
    assert len(record(condition() | {"code": {"coding": others}}).diagnoses) == 1


@pytest.mark.parametrize("code", ["active", "recurrence", "relapse", "remission", "inactive", "resolved"])
def test_the_clinical_status_is_kept(diagnosis, code):
    found = diagnosis(clinicalStatus=status(code))
    assert found.clinical == code
    assert found.eligible == (code not in {"inactive", "resolved"})


@pytest.mark.parametrize(
    ("abatement", "clinical"),
    [
        ({"abatementDateTime": "2026-02-01"}, "resolved"),
        ({"abatementDateTime": "2026-03-01T12:00:00Z"}, "resolved"),
        ({"abatementDateTime": "2026-03-01T12:00:01Z"}, "active"),
        ({"abatementDateTime": "2026"}, "resolved"),
        ({"abatementPeriod": {"start": "2026-01-01", "end": "2026-04-01"}}, "active"),
        ({"abatementPeriod": {"start": "2026-01-01"}}, "resolved"),
        ({"abatementAge": {"value": 50}}, "resolved"),
        ({"abatementRange": {}}, "resolved"),
        ({"abatementString": "last year"}, "resolved"),
    ],
)
def test_without_a_clinical_status_the_abatement_decides(diagnosis, abatement, clinical):
    found = diagnosis(**abatement)
    assert (found.clinical, found.abated) == (clinical, clinical == "resolved")


@pytest.mark.parametrize(
    ("code", "clinical"),
    [("inactive", "active"), ("resolved", "active"), ("remission", "remission"), ("relapse", "relapse")],
)
def test_an_abatement_after_as_of_has_not_happened_yet(diagnosis, code, clinical):
    later, earlier = (
        diagnosis(clinicalStatus=status(code), abatementDateTime=day) for day in ("2026-05-01", "2025-05-01")
    )
    assert (later.clinical, later.abated) == (clinical, False)
    assert (earlier.clinical, earlier.abated) == (code, True)


@pytest.mark.parametrize(
    ("times", "onset"),
    [
        ({"onsetDateTime": "2024", "recordedDate": "2025-01-01"}, "2024"),
        ({"onsetPeriod": {"start": "2024-02", "end": "2024-03"}, "recordedDate": "2025-01-01"}, "2024-02"),
        ({"onsetPeriod": {"end": "2024-03"}, "recordedDate": "2025-01-01"}, "2025-01-01"),
        ({"onsetString": "long ago", "recordedDate": "2025-01-01"}, "2025-01-01"),
        ({"onsetDateTime": None, "recordedDate": "2025-01-01"}, "2025-01-01"),
        ({"recordedDate": "2025-01-01"}, "2025-01-01"),
    ],
)
def test_the_onset_is_before_the_record(diagnosis, times, onset):
    found = diagnosis(**times)
    assert found.onset.text == onset
    assert found.recorded.text == "2025-01-01" if "recordedDate" in times else found.recorded is None


@pytest.mark.parametrize(
    "onset", [{"onsetDateTime": "long ago"}, {"onsetDateTime": ""}, {"onsetPeriod": {"start": "?"}}]
)
def test_nothing_stands_in_for_an_onset_that_cannot_be_read(diagnosis, onset):
    found = diagnosis(recordedDate="2025-01-01", **onset)
    assert (found.onset, found.recorded.text) == (None, "2025-01-01")


def test_what_begins_later_is_refused(reasons, condition, as_of):
    later = (as_of + timedelta(hours=24, seconds=1)).isoformat()
    assert reasons(condition(onsetDateTime=later)) == {"Condition/c1": "future"}
    assert reasons(condition(recordedDate=later)) == {"Condition/c1": "future"}


def test_a_later_record_of_an_earlier_onset_keeps_its_own_time(diagnosis):
    found = diagnosis(onsetDateTime="2025-01-01", recordedDate="2026-05-01")
    assert found.recorded_late
    assert found.recorded.first == datetime(2026, 5, 1, tzinfo=UTC)


def test_within_the_tolerance_the_onset_counts_as_at_as_of(diagnosis, as_of):
    found = diagnosis(recordedDate=(as_of + timedelta(hours=1)).isoformat())
    assert (found.onset.first, found.recorded_late) == (as_of, True)
    assert diagnosis(recordedDate="2026-03").recorded.last == as_of


def test_conditions_never_conflict(record, condition):
    both = {
        "coding": [{"system": "http://snomed.info/sct", "code": code} for code in ("715863001", "396230008")]
    }
    (found,) = record({**condition(), "code": both}).diagnoses
    assert found.roles == {"core", "dermatomyositis"}


def test_a_modifier_extension_is_told_before_the_status(reasons, condition):
    found = reasons(condition(verificationStatus=status("refuted"), modifierExtension=[{"url": "x"}]))
    assert found == {"Condition/c1": "modifier extension"}


def test_diagnoses_are_sorted_whatever_the_order_of_the_entries(record, condition):
    found = record(condition("c2"), condition("c1"))
    assert [d.id for d in found.diagnoses] == ["c1", "c2"]


# The patient (E5)


def test_the_patient_of_the_chart(record, patient):
    found = record(patient(), patient(id="p2")).patient
    assert (found.id, found.sex, found.age, found.dead) == ("p1", "female", 55, False)
    assert found.birth_first == found.birth_last == date(1970, 5, 1)


def test_without_a_patient_there_is_none(record):
    assert record().patient is None


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("2008-03-01", 18),
        ("2008-03-02", 17),
        ("2008-02-29", 18),
        ("2008", 17),
        ("2007", 18),
        ("2008-03", 17),
        ("2026-03-02", None),
        ("2026", 0),
        ("2027", None),
        ("2008-03-01T23:59:59-11:00", 18),
        ("2008-03-02 00:00", 17),
        ("before 2008", None),
        (None, None),
    ],
)
def test_the_age_is_counted_by_birthdays_from_the_last_possible_birth_date(record, patient, born, age):
    assert record(patient(birthDate=born)).patient.age == age


def test_the_day_is_that_of_the_client(record, patient):
    from datetime import timezone

    late = datetime(2026, 2, 28, 20, tzinfo=UTC)
    assert record(patient(birthDate="2008-03-01"), as_of=late).patient.age == 17
    assert (
        record(
            patient(birthDate="2008-03-01"), as_of=late, time_zone=timezone(timedelta(hours=8))
        ).patient.age
        == 18
    )


@pytest.mark.parametrize(
    ("deceased", "dead"),
    [
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": False}, False),
        ({"deceasedDateTime": "2026-03-01T12:00:00Z"}, True),
        ({"deceasedDateTime": "2026-03-01T12:00:01Z"}, False),
        ({"deceasedDateTime": "2026"}, True),
        ({"deceasedDateTime": "recently"}, False),
        ({"deceasedDateTime": ""}, False),
        ({"deceasedDateTime": "31.12.2020"}, False),
        ({"deceasedDateTime": "recently", "deceasedBoolean": True}, True),
    ],
)
def test_dead_at_as_of(record, patient, deceased, dead):
    assert record(patient(**deceased)).patient.dead is dead


def test_the_last_version_of_the_patient_counts(record, patient):
    found = record(patient(gender="male", meta={"versionId": "2"}), patient(meta={"versionId": "1"}))
    assert found.patient.sex == "male"
    assert found.refused == ()
