"""A plain Observation is judged at a glance, and never otherwise than it would be judged as any other."""

import json

import pytest
from msgspec.structs import asdict

from fhir_mapping.checks import judge
from fhir_mapping.checks.plain import PlainJudge
from fhir_mapping.record import Entry, Source
from fhir_mapping.versions import r4_plain
from fhir_mapping.versions.r4_resources import R4Observation
from tests.support.bends import every_bend, plain, quantity
from tests.support.charts import AS_OF, patient

FACTS = ("results", "done", "refused", "doubts", "losses")


@pytest.fixture
def plainly(monkeypatch):
    """How many Observations were judged as plain ones, and by which result."""
    seen = []
    results = PlainJudge.results

    def seeing(self, found):
        read, left = results(self, found)
        seen.extend(read)
        return read, left

    monkeypatch.setattr(PlainJudge, "results", seeing)
    return seen


def as_any_other(gathered, as_of):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(r4_plain.Shared, "plain", lambda *_: None)
        return judge(gathered, as_of)


def said(record):
    return [repr(getattr(record, name)) for name in FACTS]


@pytest.mark.parametrize("accept_unknown_status", [False, True])
@pytest.mark.parametrize("place", range(len([*every_bend()])))
def test_is_what_it_would_be_as_any_other(gathered, place, accept_unknown_status):
    chart = [patient(), [*every_bend()][place], plain("o2", "1920-8", 80), plain("o3", days=3)]
    read = [judge(gathered(*chart, accept_unknown_status=accept_unknown_status), AS_OF)]
    read += [as_any_other(gathered(*chart, accept_unknown_status=accept_unknown_status), AS_OF)]
    assert said(read[0]) == said(read[1])
    assert [asdict(one) for one in read[0].results] == [asdict(one) for one in read[1].results]


@pytest.mark.parametrize(
    ("resource", "number"),
    [
        (plain(), 1),
        (plain() | {"status": "amended"}, 1),
        (plain() | {"specimen": {"reference": "#s"}}, 1),
        (plain() | {"referenceRange": [], "interpretation": None}, 1),
        (plain() | {"note": [{"text": "modifierExtension"}]}, 1),
        (plain(value=3.9) | {"valueQuantity": quantity(3.9, "ukat/L")}, 1),
        (plain("o1", "10230-1") | {"valueQuantity": quantity(0.45, "1")}, 1),
        (plain(value=-5), 0),
        (plain(value=10**9), 0),
        (plain() | {"valueQuantity": quantity(5, comparator="<")}, 0),
        (plain() | {"status": "unknown"}, 0),
        (plain() | {"effectiveDateTime": "2027-01-01"}, 0),
        (plain() | {"subject": {"reference": "Patient/p2"}}, 0),
        (plain() | {"modifierExtension": [{"url": "http://example.org"}]}, 0),
        (plain() | {"valueString": "haemolysed"}, 0),
        (
            plain()
            | {"code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}], "text": "anti-SRP"}},
            0,
        ),
    ],
)
def test_is_judged_at_a_glance_if_it_is_plain(gathered, plainly, resource, number):
    judge(gathered(patient(), resource), AS_OF)
    assert len(plainly) == number


def test_two_of_one_name_are_versions_and_not_plain(gathered, plainly):
    judge(gathered(patient(), plain(), plain(value=9)), AS_OF)
    assert plainly == []


def test_troponin_of_limits_that_disagree_is_a_doubt(gathered):
    ranges = [{"high": quantity(14, "ng/L")}, {"high": quantity(40, "ng/L")}]
    troponin = plain("o1", "6598-7") | {"valueQuantity": quantity(20, "ng/L"), "referenceRange": ranges}
    record = judge(gathered(patient(), troponin), AS_OF)
    assert [doubt.reason for doubt in record.doubts] == ["several reference ranges"]


def test_what_it_is_about_is_known_to_a_panel_that_names_its_word(gathered):
    """A panel whose text names an antibody is no doubt where a member of it has that code (U3)."""
    member = plain("o2", "94879-4")
    panel = plain("o1", "x") | {
        "code": {"text": "anti-SRP antibody"},
        "hasMember": [{"reference": "Observation/o2"}, {"reference": "Observation/o9"}],
    }
    both, alone = (judge(gathered(patient(), *chart), AS_OF) for chart in ([panel, member], [panel]))
    assert said(both) == said(as_any_other(gathered(patient(), panel, member), AS_OF))
    assert len(alone.doubts) == 1


def test_an_entry_that_nobody_read_before_is_read_when_it_is_judged(gathered):
    entries = tuple(Entry(json.dumps(one).encode()) for one in (patient(), plain()))
    found = judge(gathered(sources={"enzymes": Source("read", entries)}), AS_OF)
    assert [result.resource for result in found.results] == ["Observation/o1"]


def test_every_element_of_an_observation_is_asked_whether_it_is_there():
    assert set(r4_plain.R4Plain.__struct_fields__) == set(R4Observation.__struct_fields__)
