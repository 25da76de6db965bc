"""What may have been the visit (V4): an Encounter of which nobody can say whether it was."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.commands.explain import caller_for, from_bytes
from cds_service.settings.client import Client
from tests.cases.case import FOLDER
from tests.support.charts import condition, patient

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
