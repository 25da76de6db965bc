"""What was done and what is planned (V1 to V4), as the follow-up policy sees it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cds_service.commands.explain import caller_for, from_bytes
from cds_service.settings import Client
from fhir_mapping.record import Value
from fhir_mapping.rules.follow_up import follow_up
from models.inputs import FOLLOW_UP_PARTS
from tests.cases.case import FOLDER
from tests.support.charts import condition, patient
from tests.support.facts import AS_OF, ago, course, diagnosis, done, given, medicine, plan, record, result

ILD = diagnosis("ild", 900)


def antibody(analyte, text="Positive"):
    return replace(result(analyte, None, 100, high=None), value=Value(text=text))


SRP, HMGCR = antibody("anti-srp"), antibody("anti-hmgcr")
NO_SRP, NO_HMGCR = antibody("anti-srp", "Negative"), antibody("anti-hmgcr", "Negative")


def facts(*things, **options):
    return follow_up(record(*things, **options))


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
        ("chest-ct", done("Procedure", "chest-ct", 9), True),
        ("ck", done("Observation", "ck", 9), True),
        ("lung-function", done("Observation", "fvc", 9), True),
        ("echo", done("Observation", "lvef", 9), True),
        ("ecg", done("Observation", "ecg", 9), False),
        ("anti-srp", NO_SRP, True),
        ("anti-srp", antibody("anti-srp", "weak"), True),
        ("anti-srp", antibody("anti-srp", "see note"), False),
        ("anti-srp", NO_HMGCR, False),
    ],
)
def test_what_shows_that_a_part_was_done(name, evidence, counts):
    days = 100 if name == "anti-srp" else 9
    assert last(name, ILD, evidence) == ((days, evidence.resource) if counts else None)


@pytest.mark.parametrize("analyte", ["fvc", "dlco", "chest-ct"])
@pytest.mark.parametrize(
    ("text", "counts"), [("not performed", False), ("see report", True), ("2.9 L", True)]
)
def test_a_result_without_magnitude_that_says_there_is_none_was_not_done(analyte, text, counts):
    one = replace(result(analyte, None, 9, high=None), value=Value(text=text))
    name = "chest-ct" if analyte == "chest-ct" else "lung-function"
    assert (last(name, ILD, one) is not None) == counts


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
    ("things", "items"),
    [
        ([], {"antibodies"}),
        ([HMGCR], set()),
        ([NO_SRP, NO_HMGCR, diagnosis("ild", 9, confirmed=False)], {"antibodies"}),
        ([SRP], {"lung-function"}),
        ([SRP, HMGCR], {"lung-function"}),
        ([ILD], {"lung-function", "chest-ct", "antibodies"}),
        ([SRP, diagnosis("ild", 9, clinical="resolved")], {"lung-function", "chest-ct"}),
    ],
)
def test_which_items_belong_to_lung_disease_to_an_antibody_or_to_its_lack(things, items):
    always = {"visit", "ck-ast-alt", "troponin-ecg", "echo"}
    assert set(facts(*things).items) - always == items


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
    ("chest-ct", {"procedures", "reports"}),
    ("anti-srp", {"antibodies"}),
    ("anti-hmgcr", {"antibodies"}),
]
KEYS = (
    "encounters",
    "enzymes",
    "cardiacTests",
    "procedures",
    "reports",
    "lungFunction",
    "antibodies",
    "ana",
    "orders",
)


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
        ("anti-hmgcr", {"anti-hmgcr"}),
        ("visit", set()),
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
    ("statin", "antibodies", "row"),
    [
        (course("statin", 90), [HMGCR], ("statin", False)),
        (course("statin", 90), [SRP, HMGCR], ("statin", False)),
        (course("statin", 90), [SRP], None),
        (course("statin", 90), [], ("statin", True)),
        (course("statin", 90), [NO_SRP], ("statin", True)),
        (course("statin", 90), [NO_HMGCR], None),
        (course("statin", 90, 10), [HMGCR], None),
        (medicine("Statement", "statin", active=True), [HMGCR], ("statin", False)),
        (medicine("Dispense", "statin", active=True), [HMGCR], None),
        (given("statin", 9, active=True), [HMGCR], None),
        (course("methotrexate", 90), [HMGCR], None),
    ],
)
def test_an_active_statin_in_anti_hmgcr_disease_or_where_it_was_never_tested(statin, antibodies, row):
    found = facts(statin, *antibodies).statin
    assert (found and (found.names[0], found.never_answered)) == row
    assert found is None or (found.state, found.evidence) == ("warn", (statin.resource,))


# V4 whole: an Encounter of which nobody can say whether it was the visit

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LOCAL = "urn:oid:1.2.840.114350.1.13.861.1.7.10.698084.13260"
RHEUMATOLOGY, DERMATOLOGY = (
    {"coding": [{"system": "http://snomed.info/sct", "code": code}]} for code in ("394810000", "394582007")
)
HERE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def encounter(days=10, number="e1", **bent):
    day = (HERE - timedelta(days=days)).isoformat()
    usual = {
        "resourceType": "Encounter",
        "id": number,
        "status": "finished",
        "class": {"system": ACT, "code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": day, "end": day},
    }
    return {name: value for name, value in (usual | bent).items() if value is not None}


def visit_state(*resources, **client):
    """The state of the visit of an IMNM patient who has these resources; its interval is 90 days."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": r} for r in (patient(), condition(), *resources)],
    }
    caller = caller_for(Client(**({"name": "test"} | client)))
    found = from_bytes(json.dumps(bundle).encode(), caller, HERE)
    return next(item.state for item in found.advice.follow_up if item.item == "visit")


UNCLEAR = {
    "no class": {"class": None},
    "a class of a system that nobody knows": {"class": {"system": LOCAL, "code": "5"}},
    "a class that its system does not have": {"class": {"system": ACT, "code": "OUTP"}},
    "a class without a system": {"class": {"code": "AMB"}},
    "a class in words alone": {"class": {"display": "Ambulatory"}},
    "an empty class": {"class": {}},
    "no status": {"status": None},
    "the status unknown": {"status": "unknown"},
    "a status that is none": {"status": "done"},
    "neither": {"status": None, "class": None},
    "a type that is no specialty": {
        "class": None,
        "type": [{"coding": [{"system": LOCAL, "code": "follow-up"}]}],
    },
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_an_encounter_that_may_have_been_the_visit_makes_it_unknown(what):
    assert visit_state(encounter(**UNCLEAR[what])) == "unknown"


@pytest.mark.parametrize("what", UNCLEAR)
def test_it_says_nothing_of_a_client_whose_visits_are_coded(what):
    assert visit_state(encounter(**UNCLEAR[what]), any_encounter_counts=False) == "never"


@pytest.mark.parametrize("what", UNCLEAR)
@pytest.mark.parametrize(
    "coded",
    [
        {"serviceType": DERMATOLOGY},
        {"serviceType": {"coding": [{"system": LOCAL, "code": "7"}]}},
        {"participant": [{"individual": {"reference": "#role"}}]},
    ],
    ids=["another", "a local one", "of a participant"],
)
def test_it_says_nothing_where_a_specialty_is_coded(what, coded):
    role = {"resourceType": "PractitionerRole", "id": "role", "specialty": [DERMATOLOGY]}
    assert visit_state(encounter(**{**UNCLEAR[what], **coded}, contained=[role])) == "never"


def test_it_says_nothing_where_its_type_is_another_specialty():
    assert visit_state(encounter(**{"class": None}, type=[DERMATOLOGY])) == "never"


@pytest.mark.parametrize("coded", [{"serviceType": RHEUMATOLOGY}, {"type": [RHEUMATOLOGY]}])
@pytest.mark.parametrize("what", [name for name, bent in UNCLEAR.items() if "status" not in bent])
def test_the_specialty_of_a_visit_is_enough_without_a_class(what, coded):
    assert visit_state(encounter(**(UNCLEAR[what] | coded))) == "ok"


@pytest.mark.parametrize("code", ["IMP", "ACUTE", "NONAC", "EMER", "FLD", "HH", "OBSENC", "PRENC", "SS"])
def test_every_other_class_of_hl7_is_clear_and_no_visit(code):
    assert visit_state(encounter(**{"class": {"system": ACT, "code": code}})) == "never"


@pytest.mark.parametrize("code", ["AMB", "VR"])
def test_an_ambulatory_class_is_clear_and_a_visit(code):
    assert visit_state(encounter(**{"class": {"system": ACT, "code": code}})) == "ok"


@pytest.mark.parametrize(
    "status", ["planned", "arrived", "triaged", "onleave", "cancelled", "entered-in-error"]
)
def test_what_did_not_take_place_is_clear_without_a_class(status):
    assert visit_state(encounter(status=status, **{"class": None})) == "never"


@pytest.mark.parametrize(("days", "state"), [(0, "unknown"), (90, "unknown"), (91, "never")])
def test_it_counts_within_the_interval_alone(days, state):
    assert visit_state(encounter(days, **UNCLEAR["no class"])) == state


def test_without_a_time_it_says_nothing():
    assert visit_state(encounter(**UNCLEAR["no class"], period=None)) == "never"


@pytest.mark.parametrize(("days", "state"), [(10, "ok"), (80, "due"), (200, "unknown")])
def test_it_makes_unknown_only_what_would_be_overdue_or_never(days, state):
    unclear = encounter(**UNCLEAR["no class"])
    assert visit_state(unclear, encounter(days, "e2")) == state


def test_a_booked_visit_comes_first():
    booked = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": (HERE + timedelta(days=30)).isoformat(),
        "participant": [{"actor": {"reference": "Patient/p1"}}],
    }
    assert visit_state(encounter(**UNCLEAR["no class"]), booked) == "planned"


@pytest.mark.parametrize("name", ["k7-cpt-class", "k7-epic-class-5"])
def test_a_class_from_the_field_is_a_visit_once_the_clients_site_map_names_it(name, tmp_path):
    """We ship no row for them: the one belongs to a code system that must be licensed, the other to a clinic."""
    case = FOLDER / "clinical" / f"{name}.json"
    resources = [e["resource"] for e in json.loads(case.read_text(encoding="utf-8"))["entry"]]
    (met,) = (r for r in resources if r["resourceType"] == "Encounter")
    site_map = tmp_path / "codes.csv"
    site_map.write_text(f"system,code,role\n{met['class']['system']},{met['class']['code']},ambulatory\n")
    for client, states in (({}, {"unknown"}), ({"site_map": site_map}, {"ok", "due"})):
        found = from_bytes(case.read_bytes(), caller_for(Client(name="test", **client)), HERE)
        assert {item.state for item in found.advice.follow_up if item.item == "visit"} <= states


def test_a_clinics_own_class_is_clear_once_its_site_map_names_it(tmp_path):
    site_map = tmp_path / "codes.csv"
    one = encounter(**UNCLEAR["a class of a system that nobody knows"])
    for role, state in (("ambulatory", "ok"), ("other-class", "never"), ("inpatient", "never")):
        site_map.write_text(f"system,code,role\n{LOCAL},5,{role}\n")
        assert visit_state(one, site_map=site_map) == state
