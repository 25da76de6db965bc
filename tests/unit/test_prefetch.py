import json
import re
from dataclasses import replace
from typing import get_args

import pytest

from cds_service.fhir.queries import (
    BY_KEY,
    PHASE_1,
    QUERIES,
    address,
    search_value,
    supplied,
)
from cds_service.web.discovery import (
    TEMPLATE_CHARACTERS,
    DiscoveryError,
    check_discovery,
    discovery_file,
    read_discovery,
    templates,
    write_discovery,
)
from fhir_mapping.record import NEVER_OFF, SourceKey
from fhir_mapping.terms import CodeRow, load_tables
from tests.support.ehr_simulator import entry, outcome

TABLES = load_tables()
TEMPLATES = templates(TABLES)
CONDITION = {"resourceType": "Condition", "id": "c1"}
# The search parameters of FHIR R4 by resource type, as far as a template may use them.
R4 = {
    "Condition": {"patient", "category", "clinical-status", "_count"},
    "Observation": {"patient", "code", "category", "status", "date", "_count"},
    "MedicationRequest": {"patient", "status", "_count"},
    "MedicationStatement": {"patient", "status", "_count"},
    "MedicationDispense": {"patient", "status", "_count"},
    "MedicationAdministration": {"patient", "status", "_count"},
    "Encounter": {"patient", "status", "class", "date", "_count"},
    "Appointment": {"patient", "status", "date", "_count"},
    "ServiceRequest": {"patient", "code", "status", "intent", "_count"},
    "Procedure": {"patient", "code", "status", "date", "_count"},
    "DiagnosticReport": {"patient", "code", "category", "status", "_count"},
}


def test_what_says_whether_this_is_an_imnm_patient_comes_first():
    assert tuple(TEMPLATES)[:3] == PHASE_1 == ("patient", "conditions", "antibodies")


@pytest.mark.parametrize(("key", "template"), TEMPLATES.items())
def test_a_template_is_a_plain_r4_read_or_search(key, template):
    if key == "patient":
        assert template == "Patient/{{context.patientId}}"
        return
    resource_type, _, query = template.partition("?")
    names = [part.partition("=")[0] for part in query.split("&")]
    assert set(names) <= R4[resource_type]
    assert len(set(names)) == len(names)
    assert "_sort" not in names
    assert len(template) <= TEMPLATE_CHARACTERS
    assert re.findall(r"\{\{.*?\}\}", template) == ["{{context.patientId}}"]
    assert re.fullmatch(r"[A-Za-z0-9?&=_,.{}-]+", template), (
        "nothing that needs percent-encoding but the braces"
    )


def test_the_discovery_document_of_the_project_says_what_the_tables_say():
    check_discovery(read_discovery(discovery_file()), TABLES)


def test_a_code_added_to_the_tables_makes_the_document_stale_until_it_is_written_anew(tmp_path):
    more = TABLES.with_site_map([CodeRow("urn:lab", "CK-1", "x", "ck", "test")])
    file = tmp_path / "cds-hooks.json"
    file.write_text(discovery_file().read_text())
    with pytest.raises(DiscoveryError, match="imnm-cds check --write"):
        check_discovery(read_discovery(file), more)
    write_discovery(file, more)
    check_discovery(read_discovery(file), more)
    assert "CK-1" in read_discovery(file)["services"][0]["prefetch"]["enzymes"]


def test_writing_the_document_changes_nothing_but_the_templates(tmp_path):
    file = tmp_path / "cds-hooks.json"
    file.write_text(discovery_file().read_text())
    write_discovery(file, TABLES)
    assert file.read_text() == discovery_file().read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"services": []}', '{"services": [{"id": "a b"}]}'])
def test_a_document_that_is_none_is_refused_in_one_line(tmp_path, text):
    file = tmp_path / "cds-hooks.json"
    file.write_text(text)
    with pytest.raises(DiscoveryError, match="is not a CDS Hooks discovery document"):
        read_discovery(file)
    with pytest.raises(DiscoveryError, match="cannot be read"):
        read_discovery(tmp_path / "other.json")


def test_tables_that_give_no_code_for_a_key_or_too_many_are_refused():
    many = TABLES.with_site_map(
        CodeRow("urn:lab", f"A-LONG-CODE-OF-THE-LAB-{n}", "x", "ck", "test") for n in range(90)
    )
    with pytest.raises(DiscoveryError, match="enzymes: more than 1500 characters"):
        templates(many)
    empty = replace(TABLES.tables["observations"], codes=())
    with pytest.raises(DiscoveryError, match="antibodies: the tables hold no code"):
        templates(replace(TABLES, tables={**TABLES.tables, "observations": empty}))


def test_a_code_of_the_site_cannot_become_an_operator_of_the_search():
    site = TABLES.with_site_map([CodeRow("urn:lab", "A,B|C$D\\E", "x", "ck", "test")])
    assert dict(BY_KEY["enzymes"].parameters(site))["code"].split(",2532")[0].endswith(",A\\,B\\|C\\$D\\\\E")


def test_an_address_is_encoded_throughout():
    asked = address(
        "https://x/fhir", "Observation", [("patient", search_value("a,b|c d&e")), ("code", "1,2")]
    )
    assert asked == "https://x/fhir/Observation?patient=a%5C%2Cb%5C%7Cc%20d%26e&code=1%2C2"


def test_a_server_that_wants_a_category_is_asked_by_category():
    assert BY_KEY["antibodies"].instead() == (((("category", "laboratory"), ("_count", "100")),),)
    assert BY_KEY["cardiacTests"].instead()[0][0][0] == ("category", "laboratory,imaging,procedure,exam")
    problems, everything = BY_KEY["conditions"].instead()
    kinds = ["problem-list-item", "encounter-diagnosis", "health-concern"]
    assert [dict(p)["category"] for p in problems] == kinds
    assert everything == ((),)
    assert BY_KEY["encounters"].instead() == ()


def test_patient_and_conditions_are_never_not_offered():
    assert {"patient", "conditions"} == NEVER_OFF


def test_every_prefetch_key_is_a_source_key_and_nothing_else_is_but_two():
    assert set(BY_KEY) == set(get_args(SourceKey)) - {"medications", "record"}


def given(key: str, value: object):
    return supplied(BY_KEY[key], json.dumps(value).encode(), "p1")


def searchset(*resources: dict, **members: object) -> dict:
    return {"resourceType": "Bundle", "entry": [entry("https://x", r) for r in resources]} | members


class TestWhatARequestHolds:
    def test_a_whole_bundle_is_read(self):
        source = given("conditions", searchset(CONDITION, total=1))
        assert (source.state, len(source.entries)) == ("read", 1)

    @pytest.mark.parametrize(
        "value", [None, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "total": 0}]
    )
    def test_null_and_an_empty_bundle_say_none_found(self, value):
        source = given("conditions", value)
        assert (source.state, source.entries) == ("read", ())

    def test_epics_empty_bundle_with_a_warning_says_none_found(self):
        warning = {"resource": outcome("informational", "warning"), "search": {"mode": "outcome"}}
        source = given("conditions", {"resourceType": "Bundle", "total": 0, "entry": [warning]})
        assert (source.state, source.entries) == ("read", ())

    @pytest.mark.parametrize(
        "value",
        [{}, [], 5, "x", outcome("exception"), CONDITION, searchset({**CONDITION, "resourceType": "Goal"})],
    )
    def test_another_thing_is_as_good_as_nothing(self, value):
        assert given("conditions", value) is None

    @pytest.mark.parametrize(
        "members",
        [{"link": [{"relation": "next", "url": "https://evil.example"}]}, {"total": 2}],
        ids=["next", "total"],
    )
    def test_a_first_page_is_kept_and_is_not_the_whole(self, members):
        source = given("conditions", searchset(CONDITION, **members))
        assert (source.state, len(source.entries)) == ("failed", 1)

    def test_an_entry_that_cannot_be_read_makes_the_bundle_incomplete(self):
        source = given("conditions", {"resourceType": "Bundle", "entry": [{"resource": CONDITION}, 5]})
        assert (source.state, len(source.entries), source.detail) == (
            "failed",
            1,
            "prefetch: an entry cannot be read",
        )

    def test_a_patient_is_the_patient_of_the_chart(self):
        assert given("patient", {"resourceType": "Patient", "id": "p1"}).state == "read"
        assert given("patient", {"resourceType": "Patient", "id": "p2"}) is None
        assert given("patient", None) is None

    def test_another_patients_resource_stays_in_to_be_refused_by_name(self):
        other = CONDITION | {"subject": {"reference": "Patient/p2"}}
        assert len(given("conditions", searchset(other)).entries) == 1


def test_the_keys_are_those_of_the_queries():
    assert tuple(BY_KEY) == tuple(query.key for query in QUERIES)
    assert len(QUERIES) == 17
