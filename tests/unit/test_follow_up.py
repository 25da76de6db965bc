"""What was done and what is planned (V1 to V4), as the follow-up policy sees it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.rules.follow_up import follow_up
from models.inputs import FOLLOW_UP_PARTS
from tests.support.facts import AS_OF, ago, course, diagnosis, done, given, medicine, plan, record, result

ILD = diagnosis("ild", 900)


def facts(*things, subtype="unknown", **options):
    return follow_up(record(*things, **options), subtype)


def part(name, *things, **options):
    items = facts(*things, **options).items
    return next(p for parts in items.values() for p in parts if p.name == name)


def last(name, *things, **options):
    """How many days ago a part was last done, by calendar days, and the resource that says so."""
    found = part(name, *things, **options)
    return None if found.last is None else ((AS_OF.date() - found.last).days, found.evidence)


@pytest.mark.parametrize(
    ("name", "evidence", "counts"),
    [
        ("ck", result("ck", 100, 9), True),
        ("ast", result("ast", 100, 9), True),
        ("alt", result("alt", 100, 9), True),
        ("ck", result("ast", 100, 9), False),
        ("troponin-i", result("troponin-i", 5, 9), True),
        ("troponin-i", result("troponin-t", 5, 9), False),
        ("ecg", done("Procedure", "ecg", 9), True),
        ("ecg", done("DiagnosticReport", "ecg", 9), True),
        ("ecg", result("ecg", None, 9), False),
        ("echo", done("Procedure", "echo", 9), True),
        ("echo", done("DiagnosticReport", "echo", 9), True),
        ("echo", result("lvef", 60, 9), True),
        ("echo", done("Procedure", "ecg", 9), False),
        ("lung-function", result("fvc", 3, 9), True),
        ("lung-function", result("dlco", 20, 9), True),
        ("lung-function", done("DiagnosticReport", "fvc", 9), True),
        ("lung-function", done("Procedure", "fvc", 9), False),
        ("chest-ct", done("DiagnosticReport", "chest-ct", 9), True),
        ("chest-ct", result("chest-ct", None, 9), True),
        ("chest-ct", done("Procedure", "chest-ct", 9), False),
    ],
)
def test_what_shows_that_a_part_was_done(name, evidence, counts):
    assert last(name, ILD, evidence) == ((9, evidence.resource) if counts else None)


def test_the_latest_evidence_counts_and_of_one_time_the_lowest_id():
    assert last("ck", result("ck", 1, 20), result("ck", 1, 9)) == (9, "Observation/ck-9")
    tie = [result("ck", 1, 9, resource=f"Observation/{name}") for name in "ba"]
    assert last("ck", *tie) == (9, "Observation/a")


def test_days_are_those_of_the_client():
    tokyo = {"time_zone": ZoneInfo("Asia/Tokyo")}
    late = result("ck", 100, "2026-02-27T20:00:00Z")
    found = facts(late, settings=tokyo, as_of=AS_OF + timedelta(hours=20))
    assert (found.today.isoformat(), found.items["ck-ast-alt"][0].last.isoformat()) == (
        "2026-03-02",
        "2026-02-28",
    )


@pytest.mark.parametrize(
    ("subtype", "things", "parts"),
    [
        ("unknown", [], None),
        ("anti-HMGCR", [], None),
        ("seronegative", [diagnosis("ild", 9, confirmed=False)], None),
        ("anti-SRP", [], ["lung-function"]),
        ("both", [], ["lung-function"]),
        ("unknown", [ILD], ["lung-function", "chest-ct"]),
        ("anti-SRP", [diagnosis("ild", 9, clinical="resolved")], ["lung-function", "chest-ct"]),
    ],
)
def test_lung_function_belongs_to_anti_srp_and_to_lung_disease_where_it_includes_a_ct(subtype, things, parts):
    found = facts(*things, subtype=subtype).items.get("lung-function")
    assert (found and [p.name for p in found]) == parts


def test_the_items_and_their_parts_are_those_that_the_policy_knows():
    found = facts(ILD).items
    assert {item: tuple(p.name for p in parts) for item, parts in found.items()} == dict(FOLLOW_UP_PARTS)
    assert list(found) == list(FOLLOW_UP_PARTS)


UNREADABLE = [
    ("visit", {"encounters"}),
    ("ck", {"enzymes"}),
    ("ast", {"enzymes"}),
    ("alt", {"enzymes"}),
    ("troponin-i", {"cardiacTests"}),
    ("ecg", {"procedures", "reports"}),
    ("echo", {"procedures", "reports", "cardiacTests"}),
    ("lung-function", {"lungFunction", "reports"}),
    ("chest-ct", {"reports"}),
]
KEYS = ("encounters", "enzymes", "cardiacTests", "procedures", "reports", "lungFunction", "ana", "orders")


@pytest.mark.parametrize(("name", "sources"), UNREADABLE)
@pytest.mark.parametrize("key", KEYS)
def test_a_part_is_readable_only_if_every_source_of_its_evidence_was_read(name, sources, key):
    assert part(name, ILD, failed={key: "timed out"}).readable == (key not in sources)
    assert part(name, ILD, not_offered=frozenset({key})).readable == (key not in sources)


def test_an_unreadable_part_keeps_the_date_that_is_known():
    report = done("DiagnosticReport", "ecg", 9)
    found = part("ecg", report, failed={"procedures": "timed out"})
    assert (found.readable, found.evidence) == (False, report.resource)


@pytest.mark.parametrize(
    ("order", "parts"),
    [
        ("ck", {"ck"}),
        ("ast", {"ast"}),
        ("ast-alt-panel", {"ast", "alt"}),
        ("ck ast", {"ck", "ast"}),
        ("troponin-i", {"troponin-i"}),
        ("troponin-t", set()),
        ("ecg", {"ecg"}),
        ("echo", {"echo"}),
        ("lvef", {"echo"}),
        ("dlco", {"lung-function"}),
        ("chest-ct", {"chest-ct"}),
    ],
)
def test_an_order_plans_the_parts_whose_codes_it_has(order, parts):
    items = facts(ILD, plan("ServiceRequest", order, made=9)).items
    assert {p.name for tests in items.values() for p in tests if p.orders == (ago(9).last,)} == parts


@pytest.mark.parametrize(
    ("made", "orders"), [(9, 1), (0, 1), (-0.1, 0), (None, 0), ("2026-03-01", 1), ("2026-03-02", 0)]
)
def test_an_order_must_have_been_written_by_now(made, orders):
    found = part("ck", plan("ServiceRequest", "ck", made=made)).orders
    assert len(found) == orders
    assert all(written <= AS_OF for written in found)


def test_an_appointment_is_no_order():
    assert part("ck", plan("Appointment", "ck", start=-9, made=9)).orders == ()


def visit(*things, **options):
    return last("visit", *things, **options)


@pytest.mark.parametrize(
    ("encounter", "counts"),
    [
        (done("Encounter", "visit", 9), "Encounter/visit-9"),
        (done("Encounter", "visit ambulatory", 9, specialty_coded=True), "Encounter/visit-ambulatory-9"),
        (done("Encounter", "visit inpatient", 9), "Encounter/visit-inpatient-9"),
        (done("Encounter", "ambulatory", 9), "Encounter/ambulatory-9 (specialty not coded)"),
        (done("Encounter", "ambulatory", 9, specialty_coded=True), None),
        (done("Encounter", "inpatient", 9), None),
        (done("Encounter", "", 9), None),
        (done("Procedure", "visit", 9), None),
    ],
)
def test_what_counts_as_a_visit(encounter, counts):
    assert visit(encounter) == (counts and (9, counts))


def test_a_client_may_insist_on_the_specialty():
    strict = {"any_encounter_counts": False}
    assert visit(done("Encounter", "ambulatory", 9), settings=strict) is None
    assert visit(done("Encounter", "visit", 9), settings=strict) is not None


@pytest.mark.parametrize(
    ("roles", "begun", "days_ago"),
    [
        ("visit", 0, 0),
        ("visit", 1, 0),
        ("visit", 1.1, 2),
        ("ambulatory", 1, 0),
        ("visit inpatient", 30, 0),
        ("visit", 30, 30),
    ],
)
def test_a_visit_in_progress_is_todays_if_it_began_within_24_hours_or_is_in_hospital(roles, begun, days_ago):
    encounter = done("Encounter", roles, begun, start=ago(begun), in_progress=True)
    assert visit(encounter)[0] == days_ago


def test_an_encounter_in_progress_without_a_start_counts_at_its_time():
    assert visit(done("Encounter", "visit", 30, in_progress=True))[0] == 30


@pytest.mark.parametrize(
    ("appointment", "counts"),
    [
        ({"roles": "visit", "start": -9}, True),
        ({"roles": "visit", "start": -9, "made": 0}, True),
        ({"roles": "visit", "start": -9, "made": -0.1}, False),
        ({"roles": "visit", "start": 0}, False),
        ({"roles": "visit", "start": None}, False),
        ({"roles": "", "start": -9}, True),
        ({"roles": "", "start": -9, "specialty_coded": True}, False),
        ({"roles": "visit", "start": -9, "specialty_coded": True}, True),
    ],
)
def test_a_booked_visit(appointment, counts):
    found = facts(plan("Appointment", **appointment)).appointments
    assert found == ((ago(-9).first,) if counts else ())


def test_an_order_for_a_visit_is_no_appointment():
    assert facts(plan("ServiceRequest", "visit", start=-9)).appointments == ()


@pytest.mark.parametrize(
    ("statin", "subtype", "named"),
    [
        (course("statin", 90), "anti-HMGCR", True),
        (course("statin", 90), "both", True),
        (course("statin", 90), "anti-SRP", False),
        (course("statin", 90, 10), "anti-HMGCR", False),
        (medicine("Statement", "statin", active=True), "anti-HMGCR", True),
        (medicine("Dispense", "statin", active=True), "anti-HMGCR", False),
        (given("statin", 9, active=True), "anti-HMGCR", False),
        (course("methotrexate", 90), "anti-HMGCR", False),
    ],
)
def test_an_active_statin_in_anti_hmgcr_disease(statin, subtype, named):
    assert facts(statin, subtype=subtype).statin == (statin.resource if named else "")


def test_of_several_statins_the_lowest_id_is_named():
    several = [course("statin", 90, resource=f"MedicationRequest/{name}") for name in "ba"]
    assert facts(*several, subtype="both").statin == "MedicationRequest/a"
