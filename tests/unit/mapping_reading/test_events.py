"""What was done and what is planned (F3, V3, V4)."""

from datetime import timedelta

import pytest

SNOMED = "http://snomed.info/sct"
SERVICE = "http://terminology.hl7.org/CodeSystem/service-type"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACTOR = {"participant": [{"actor": {"reference": "Patient/p1"}}]}


def coded(code, system=SNOMED):
    return {"coding": [{"system": system, "code": code}]}


def resource(kind, id_="x", **more):
    return {"resourceType": kind, "id": id_, "subject": {"reference": "Patient/p1"}, **more}


def procedure(**more):
    return resource(
        "Procedure",
        **{"status": "completed", "code": coded("40701008"), "performedDateTime": "2026-01-01", **more},
    )


def report(**more):
    return resource(
        "DiagnosticReport",
        **{
            "status": "final",
            "code": coded("11524-6", "http://loinc.org"),
            "effectiveDateTime": "2026-01-01",
            **more,
        },
    )


def encounter(**more):
    usual = {
        "status": "finished",
        "class": {"system": ACT, "code": "AMB"},
        "period": {"start": "2026-01-01", "end": "2026-01-02"},
    }
    return resource("Encounter", **{**usual, **more})


def appointment(**more):
    return resource("Appointment", **{"status": "booked", "start": "2026-04-01T08:00:00Z", **ACTOR, **more})


def order(**more):
    return resource(
        "ServiceRequest",
        **{
            "status": "active",
            "intent": "order",
            "code": coded("2157-6", "http://loinc.org"),
            "authoredOn": "2026-02-01",
            **more,
        },
    )


@pytest.fixture
def done(record):
    def make(one, **settings):
        (found,) = record(one, **settings).done
        return found

    return make


@pytest.fixture
def plan(record):
    def make(one):
        (found,) = record(one).planned
        return found

    return make


def test_a_procedure_was_done_at_the_end_of_its_period(done):
    found = done(
        procedure(performedDateTime=None, performedPeriod={"start": "2026-01-01", "end": "2026-01-02"})
    )
    assert (found.resource, found.kind, found.roles, found.when.text) == (
        "Procedure/x",
        "Procedure",
        {"echo"},
        "2026-01-02",
    )


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (procedure(status="in-progress"), "in-progress"),
        (procedure(performedDateTime=None, performedString="last year"), "undated"),
        (procedure(performedDateTime="2027"), "future"),
        (report(status="partial"), "partial"),
        (report(status="unknown"), "unknown"),
        (report(status=None), "no status"),
        (report(effectiveDateTime=None), "undated"),
        (report(implicitRules="x"), "implicit rules"),
        (encounter(period=None), "undated"),
        (encounter(period={"start": "2027"}), "future"),
        (encounter(modifierExtension=[{"url": "x"}]), "modifier extension"),
        (appointment(created="2026-03-02T12:00:01Z"), "future"),
        (appointment(implicitRules="x"), "implicit rules"),
        (order(authoredOn="2026-03-02T12:00:01Z"), "future"),
        (order(implicitRules="x"), "implicit rules"),
    ],
)
def test_why_an_event_does_not_count(reasons, one, reason):
    assert reasons(one) == {f"{one['resourceType']}/x": reason}


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended"])
def test_a_report_may_be_appended(done, status):
    found = done(report(status=status, effectiveDateTime=None, issued="2026-01-03T00:00:00Z"))
    assert (found.kind, found.roles, found.when.text) == ("DiagnosticReport", {"ecg"}, "2026-01-03T00:00:00Z")


def test_a_report_of_unknown_status_counts_where_the_client_says_so(done):
    assert done(report(status="unknown"), accept_unknown_status=True).roles == {"ecg"}


def test_a_code_that_no_rule_reads_is_not_judged(record):
    found = record(
        procedure(code=coded("1")),
        report(code=None),
        order(code=coded("1")),
    )
    assert (found.done, found.planned, found.refused) == ((), (), ())


# Encounter (V4)


def test_a_finished_encounter_counts_at_its_end(done):
    found = done(encounter())
    assert (found.kind, found.roles, found.when.text, found.start.text) == (
        "Encounter",
        {"ambulatory"},
        "2026-01-02",
        "2026-01-01",
    )
    assert not found.in_progress
    assert not found.specialty_coded
    assert done(encounter(period={"start": "2026-01-01"})).when.text == "2026-01-01"
    assert done(encounter(period={"end": "2026-01-02"})).start is None


def test_an_encounter_in_progress_counts_at_its_start(done, as_of):
    found = done(encounter(status="in-progress", period={"start": "2026-01-01", "end": "2026-09-01"}))
    assert (found.when.text, found.in_progress) == ("2026-01-01", True)
    found = done(encounter(status="in-progress", period={"start": (as_of + timedelta(hours=2)).isoformat()}))
    assert found.start.first == as_of


@pytest.mark.parametrize(
    ("more", "unclear"),
    [
        ({}, False),
        ({"class": {"code": "AMB"}}, True),
        ({"class": None}, True),
        ({"class": {"system": ACT, "code": "IMP"}}, False),
        ({"status": "unknown"}, True),
        ({"status": None}, True),
    ],
)
def test_an_encounter_is_unclear_without_a_class_or_a_status_that_is_known(done, more, unclear):
    found = done(encounter(**more))
    assert found.unclear == unclear
    assert not (unclear and found.roles)


@pytest.mark.parametrize(
    "status", ["planned", "arrived", "triaged", "onleave", "cancelled", "entered-in-error"]
)
def test_any_other_encounter_is_left_out_without_a_word(record, status):
    found = record(encounter(status=status))
    assert (found.done, found.refused) == ((), ())


@pytest.mark.parametrize(
    ("more", "roles", "specialty_coded"),
    [
        ({"serviceType": coded("182", SERVICE)}, {"ambulatory", "visit"}, True),
        ({"serviceType": [coded("177", SERVICE)]}, {"ambulatory", "visit"}, True),
        ({"serviceType": coded("124", SERVICE)}, {"ambulatory"}, True),
        ({"serviceType": {"text": "Rheumatology"}}, {"ambulatory"}, False),
        ({"type": [coded("394810000")]}, {"ambulatory", "visit"}, True),
        ({"type": [coded("394579002")]}, {"ambulatory"}, True),
        ({"type": [coded("185349003")]}, {"ambulatory"}, False),
        ({"participant": [{"type": [coded("394591006")]}, {}]}, {"ambulatory", "visit"}, True),
        (
            {
                "participant": [
                    {"type": [coded("ATND", "http://terminology.hl7.org/CodeSystem/v3-ParticipationType")]}
                ]
            },
            {"ambulatory"},
            False,
        ),
        ({"class": {"system": ACT, "code": "IMP"}}, {"inpatient"}, False),
        ({"class": [coded("VR", ACT)]}, {"ambulatory"}, False),
    ],
)
def test_where_the_specialty_of_an_encounter_is_coded(done, more, roles, specialty_coded):
    found = done(encounter(**more))
    assert (found.roles, found.specialty_coded) == (roles, specialty_coded)


ROLE = {"resourceType": "PractitionerRole", "id": "r", "specialty": [coded("394591006")]}


@pytest.mark.parametrize(
    ("reference", "role", "contained", "is_visit"),
    [
        ("PractitionerRole/r", ROLE, [], True),
        ("#r", None, [{"id": "o"}, ROLE], True),
        ("PractitionerRole/x", ROLE, [], False),
        ("#r", None, [{"resourceType": "Practitioner", "id": "r"}], False),
        ("PractitionerRole/r", {**ROLE, "specialty": None}, [], False),
        (None, ROLE, [], False),
    ],
)
def test_the_specialty_of_a_participant_is_that_of_its_role(record, reference, role, contained, is_visit):
    one = encounter(participant=[{"individual": {"reference": reference}}], contained=contained)
    (found,) = record(one, *([role] if role else [])).done
    assert ("visit" in found.roles, found.specialty_coded) == (is_visit, is_visit)


@pytest.mark.parametrize(
    ("reference", "role", "contained"),
    [
        ("#r", None, [{**ROLE, "id": 5}]),
        ("#r", None, [5]),
        ("#r", None, "x"),
        ("#r", None, [{**ROLE, "specialty": 5}]),
        ("PractitionerRole/r", {**ROLE, "specialty": [coded("394591006"), 5]}, []),
    ],
)
def test_a_specialty_that_cannot_be_read_is_not_one_that_is_absent(reasons, reference, role, contained):
    one = encounter(participant=[{"individual": {"reference": reference}}], contained=contained)
    assert reasons(one, *([role] if role else [])) == {"Encounter/x": "unreadable"}


# Appointment (V3)


def test_a_booked_appointment_may_lie_later(plan):
    found = plan(appointment(serviceType=[coded("182", SERVICE)], created="2026-02-01"))
    assert (found.resource, found.kind, found.roles, found.specialty_coded) == (
        "Appointment/x",
        "Appointment",
        {"visit"},
        True,
    )
    assert (found.start.text, found.made.text) == ("2026-04-01T08:00:00Z", "2026-02-01")


@pytest.mark.parametrize(
    ("more", "roles", "specialty_coded"),
    [
        ({}, set(), False),
        ({"specialty": [coded("394810000")]}, {"visit"}, True),
        ({"specialty": [coded("394579002")]}, set(), True),
        ({"appointmentType": coded("394591006")}, {"visit"}, True),
        (
            {"appointmentType": coded("FOLLOWUP", "http://terminology.hl7.org/CodeSystem/v2-0276")},
            set(),
            False,
        ),
    ],
)
def test_where_the_specialty_of_an_appointment_is_coded(plan, more, roles, specialty_coded):
    found = plan(appointment(**more))
    assert (found.roles, found.specialty_coded, found.made) == (roles, specialty_coded, None)


@pytest.mark.parametrize("status", ["proposed", "pending", "cancelled", "fulfilled", None])
def test_any_other_appointment_is_left_out_without_a_word(record, status):
    found = record(appointment(status=status))
    assert (found.planned, found.refused) == ((), ())


# ServiceRequest (V3)


@pytest.mark.parametrize("intent", ["order", "plan", "directive", None])
def test_an_active_order_is_a_plan(plan, intent):
    found = plan(order(intent=intent, occurrenceDateTime="2027-01-01"))
    assert (found.kind, found.roles, found.made.text, found.start) == (
        "ServiceRequest",
        {"ck"},
        "2026-02-01",
        None,
    )


def test_an_order_may_be_coded_as_a_procedure_or_a_panel(record):
    found = record(
        order(code=coded("29303009")),
        order(id_="y", code=coded("24323-8", "http://loinc.org"), authoredOn=None),
    )
    assert [(p.roles, p.made is None) for p in found.planned] == [({"ecg"}, False), ({"ast-alt-panel"}, True)]


@pytest.mark.parametrize(
    "more",
    [
        {"status": "draft"},
        {"status": "completed"},
        {"intent": "proposal"},
        {"intent": "option"},
        {"doNotPerform": True},
    ],
)
def test_what_orders_nothing_is_left_out_without_a_word(record, more):
    found = record(order(**more))
    assert (found.planned, found.refused) == ((), ())
