"""What was done and what is planned (V1 to V4), as the follow-up policy sees it."""

from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Coding, Number, Value
from fhir_mapping.rules.follow_up import follow_up
from models.inputs import FOLLOW_UP_PARTS, BookedVisit
from tests.support.facts import AS_OF, ago, diagnosis, done, plan, record, result

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
        ("chest-ct", result("chest-ct", None, 9), False),
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


@pytest.mark.parametrize("analyte", ["fvc", "dlco"])
@pytest.mark.parametrize(
    ("text", "counts"), [("not performed", False), ("see report", True), ("2.9 L", True)]
)
def test_a_result_without_magnitude_that_says_there_is_none_was_not_done(analyte, text, counts):
    one = replace(result(analyte, None, 9, high=None), value=Value(text=text))
    assert (last("lung-function", ILD, one) is not None) == counts


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
    assert found == ((BookedVisit(ago(-9).first, date(2026, 3, 10)),) if counts else ())


def test_the_day_of_a_booked_visit_is_that_of_the_client():
    tokyo = {"time_zone": ZoneInfo("Asia/Tokyo")}
    late = plan("Appointment", "visit", start="2026-03-09T20:00:00Z")
    assert [booking.day for booking in facts(late, settings=tokyo).appointments] == [date(2026, 3, 10)]


def test_of_several_booked_visits_the_earliest_comes_first():
    booked = [plan("Appointment", "visit", start=-days, resource=f"Appointment/{days}") for days in (30, 9)]
    assert [booking.start for booking in facts(*booked).appointments] == [ago(-9).first, ago(-30).first]


def test_an_order_for_a_visit_is_no_appointment():
    assert facts(plan("ServiceRequest", "visit", start=-9)).appointments == ()


# chest CT: once, and again after a fall of FVC (X2)

FVC = Coding("http://loinc.org", "19868-9")


def fvc(litres, days):
    value = Value(number=Number(Decimal(litres), unit="L"))
    name = f"Observation/fvc-{days}"
    return replace(result("fvc", None, days, high=None, codes=frozenset({FVC}), resource=name), value=value)


@pytest.mark.parametrize(
    ("scanned", "now", "again"),
    [(100, "2.7", True), (100, "2.71", False), (10, "2.7", False), (9, "2.7", False), (None, "2.7", False)],
)
def test_a_ct_is_asked_for_again_where_fvc_fell_after_it(scanned, now, again):
    scans = [] if scanned is None else [done("Procedure", "chest-ct", scanned)]
    assert part("chest-ct", ILD, fvc("3", 300), fvc(now, 10), *scans).again is again


@pytest.mark.parametrize(
    ("days", "more", "pregnant"),
    [
        (300, {}, True),
        (300.1, {}, False),
        (None, {}, True),
        (10, {"confirmed": False}, False),
        (10, {"abatement": ago(1), "abated": True}, False),
        (10, {"abatement": ago(-1)}, True),
        (10, {"clinical": "resolved"}, True),
    ],
)
def test_a_pregnancy_of_the_last_300_days_that_is_not_abated(days, more, pregnant):
    assert facts(diagnosis("pregnancy", days, **more)).pregnant is pregnant


@pytest.mark.parametrize(
    ("conditions", "since"),
    [
        ([], None),
        ([diagnosis("ild", None)], None),
        ([diagnosis("ild", 100), diagnosis("ild", 900)], 900),
        ([diagnosis("ild", 100), diagnosis("ild", None)], 100),
        ([diagnosis("ild", 900, confirmed=False), diagnosis("ild", 100)], 100),
    ],
)
def test_lung_disease_is_known_since_its_earliest_date(conditions, since):
    found = facts(*conditions)
    assert found.has_ild is bool(conditions)
    assert found.ild_since == (None if since is None else AS_OF - timedelta(days=since))


# E3: what would answer whether this is IMNM


@pytest.mark.parametrize(
    ("things", "asked"),
    [
        ([], ("anti-srp", "anti-hmgcr", "ck")),
        ([NO_SRP, result("ck", 100, 60)], ("anti-hmgcr",)),
        ([NO_SRP, result("ck", 100, 60.1)], ("anti-hmgcr", "ck")),
        ([SRP, HMGCR, result("ck", 100, 9)], ()),
        ([antibody("anti-srp", "weak"), HMGCR, result("ck", 100, 9)], ("anti-srp",)),
        ([antibody("anti-srp", "weak"), NO_SRP, HMGCR, result("ck", 100, 9)], ("anti-srp",)),
        ([antibody("anti-srp", "see note"), HMGCR, result("ck", 100, 9)], ("anti-srp",)),
    ],
)
def test_what_would_answer_whether_it_is_imnm(things, asked):
    assert facts(*things).to_ask == asked


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("antibodies", ("ck",)),
        ("enzymes", ("anti-srp", "anti-hmgcr")),
        ("ana", ("anti-srp", "anti-hmgcr", "ck")),
    ],
)
def test_nothing_is_asked_of_a_source_that_was_not_read(key, asked):
    assert facts(failed={key: "timed out"}).to_ask == asked
    assert facts(not_offered=frozenset({key})).to_ask == asked
