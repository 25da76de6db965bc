"""F3: a resource with an element of a wrong JSON type is read without it, and refused where a rule asks for it."""

import copy
import json

import pytest
from msgspec import Struct
from msgspec.structs import fields

from fhir_mapping.versions import version

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"


@pytest.fixture
def read(gathered):
    """Resources in neutral terms, nothing judged."""

    def make(*resources, **settings):
        return version("R4").read(gathered(*resources, **settings))

    return make


# What counts, and what does not


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"meta": "1"}, {"meta"}),
        ({"meta": {"versionId": 2, "lastUpdated": "2026-01-01"}}, {"meta"}),
        ({"id": 5}, {"id"}),
        ({"issued": 1767254400000}, {"issued"}),
        ({"identifier": "x", "category": 5, "note": "NOTE", "performer": {}}, set()),
        ({"extension": "x", "text": 5, "language": ["en"]}, set()),
        ({"contained": "x"}, set()),
    ],
)
def test_a_loss_that_no_rule_asks_for_is_noted_and_the_result_counts(record, read, observation, more, lost):
    (result,) = record(observation(**more)).results
    assert result.amount.value == 1000
    (resource,) = read(observation(**more))
    assert (resource.readable, resource.lost) == (True, lost)


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"status": 5}, "status"),
        ({"status": ["final"]}, "status"),
        ({"subject": "Patient/p1"}, "subject"),
        ({"subject": [{"reference": "Patient/p1"}]}, "subject"),
        ({"subject": {"reference": 1}}, "subject"),
        ({"code": "2157-6"}, "code"),
        ({"code": [{"coding": [{"system": "http://loinc.org", "code": "2157-6"}]}]}, "code"),
        ({"code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}, 5]}}, "code"),
        ({"code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}], "text": {}}}, "code"),
        ({"effectiveDateTime": 1767254400}, "effectiveDateTime"),
        ({"effectivePeriod": "2026"}, "effectivePeriod"),
        ({"effectiveDateTime": None, "issued": {}}, "issued"),
        ({"valueQuantity": 1000}, "valueQuantity"),
        ({"valueQuantity": {"value": "1000", "unit": "U/L"}}, "valueQuantity"),
        ({"valueQuantity": {"value": 1000, "unit": 5}}, "valueQuantity"),
        ({"valueQuantity": {"value": 1000, "comparator": "~"}}, "valueQuantity"),
        ({"valueInteger": 1.5}, "valueInteger"),
        ({"valueString": 5}, "valueString"),
        ({"valueBoolean": "true"}, "valueBoolean"),
        ({"dataAbsentReason": "unknown"}, "dataAbsentReason"),
        ({"interpretation": {"coding": [{"code": "H"}]}}, "interpretation"),
        ({"referenceRange": {"high": {"value": 200}}}, "referenceRange"),
        ({"referenceRange": [{"high": {"value": "200"}}, {"low": {"value": 1}}]}, "referenceRange"),
        ({"referenceRange": [{"high": {"value": 200}, "appliesTo": "male"}]}, "referenceRange"),
        ({"component": [{"valueInteger": "5"}]}, "component"),
        ({"hasMember": "Observation/x"}, "hasMember"),
        ({"focus": "Patient/p2"}, "focus"),
        ({"specimen": {"reference": 1}}, "specimen"),
    ],
)
def test_a_result_that_lost_what_a_rule_asks_for_is_unreadable_and_keeps_the_rest(
    read, observation, more, lost
):
    broken, good = read(observation() | more, observation())
    assert (broken.readable, broken.lost) == (False, {lost})
    assert broken.content() is not None
    assert {
        part.name for part in fields(broken) if getattr(broken, part.name) != getattr(good, part.name)
    } <= {
        *("entry", "content", "readable", "lost", "concepts"),
        *({"codings", "unsure"} if lost == "code" else {lost, "subjects"}),
    }


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"recordedDate": {}}, "recordedDate"),
        ({"onsetDateTime": {"extension": []}}, "onsetDateTime"),
        ({"onsetPeriod": {"start": 2024}}, "onsetPeriod"),
        ({"clinicalStatus": "active"}, "clinicalStatus"),
        ({"verificationStatus": [{"coding": [{"code": "confirmed"}]}]}, "verificationStatus"),
        ({"abatementDateTime": 5}, "abatementDateTime"),
        ({"code": {"coding": [{"system": SNOMED, "code": 715863001}]}}, "code"),
        ({"code": [{"coding": [{"system": SNOMED, "code": "715863001"}]}]}, "code"),
        ({"code": {"coding": {"system": SNOMED, "code": 715863001}}}, "code"),
    ],
)
def test_a_condition_of_the_wrong_shape_is_known_by_what_can_still_be_read(
    record, read, condition, more, lost
):
    (refused,) = record(condition(**{"onsetDateTime": "2024-01-01", **more}) | more).refused
    assert (refused.reason, refused.roles) == ("unreadable", {"core"})
    (resource,) = read(condition() | more)
    assert resource.lost == {lost}


def test_words_of_the_wrong_shape_are_still_words(read, condition, request_):
    words = "Immune-mediated necrotizing myopathy"
    for code in (words, [{"text": words}], {"text": words, "coding": 5}, {"coding": [5], "text": words}):
        (resource,) = read(condition() | {"code": code})
        assert words in {concept.text for concept in resource.concepts}
    (resource,) = read(condition() | {"code": {"coding": [{"display": words, "code": 5}, 5]}})
    assert (words,) in {concept.displays for concept in resource.concepts}
    (resource,) = read({**request_(), "medicationCodeableConcept": "Rituximab"})
    assert [concept.text for concept in resource.concepts] == ["Rituximab"]


def test_a_null_in_a_list_is_passed_over_and_one_coding_may_stand_for_a_list_of_one(
    record, read, observation
):
    loinc = {"system": "http://loinc.org", "code": "2157-6"}
    limit = {"high": {"value": 300, "unit": "U/L"}}
    for code in ([None, loinc], [loinc, None, None], loinc):
        resource = observation(code={"coding": code}, referenceRange=[None, limit], interpretation=[None])
        (result,) = record(resource).results
        assert result.limits.high == 300
        assert read(resource)[0].lost == frozenset()


def test_one_object_stands_for_a_list_of_codings_alone(read, observation):
    for name in ("interpretation", "referenceRange", "component", "hasMember", "focus"):
        assert read(observation(**{name: {}}))[0].lost == {name}


def test_a_display_or_an_extension_of_any_type_is_beside_the_code(record, observation):
    loinc = {"system": "http://loinc.org", "code": "2157-6"}
    for more in ({"display": 5}, {"display": {}}, {"extension": "x"}, {"extension": {"url": 5}}):
        assert len(record(observation(code={"coding": [loinc | more]})).results) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"value": "1000", "unit": "U/L", "comparator": ">"}, "> 1000 U/L"),
        ({"value": "35", "code": "%"}, "35 %"),
        ({"value": 35.5, "unit": 5}, "35.5 [unit]"),
        ({"value": {"value": 1}, "unit": "U/L"}, "1 U/L"),
        ("35 %", "35 %"),
        (35, "35"),
        ([35], "35"),
        (True, ""),
    ],
)
def test_a_value_of_the_wrong_shape_stays_as_text_for_the_doubt_that_it_gives(read, observation, value, text):
    (resource,) = read(observation(valueQuantity=value))
    assert not resource.readable
    assert resource.content().own.value.text == text


def test_where_a_time_is_lost_no_other_stands_in_for_it(read, observation, condition, patient):
    for more in ({"effectiveDateTime": 5}, {"effectiveDateTime": None, "effectivePeriod": []}):
        (resource,) = read(observation(issued="2026-01-02", **more))
        assert resource.content().when is None
    (resource,) = read(condition(onsetDateTime={}, recordedDate="2025-01-01"))
    assert (resource.content().onset, resource.content().recorded.text) == (None, "2025-01-01")


@pytest.mark.parametrize(
    ("effective", "is_read"),
    [({"effectiveDateTime": "2026-01-01"}, True), ({}, False)],
)
def test_when_a_report_was_issued_is_asked_only_where_it_has_no_other_time(read, effective, is_read):
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "issued": 5, **effective}
    (resource,) = read(report)
    assert (resource.readable, resource.lost) == (is_read, {"issued"})


@pytest.mark.parametrize(
    ("more", "lost", "readable"),
    [
        ({"gender": 1}, "gender", True),
        ({"meta": 5}, "meta", True),
        ({"birthDate": 19700501}, "birthDate", False),
        ({"deceasedBoolean": "true"}, "deceasedBoolean", False),
        ({"deceasedDateTime": {}}, "deceasedDateTime", False),
        ({"id": 1}, "id", False),
    ],
)
def test_a_patient_of_the_wrong_shape(record, read, patient, more, lost, readable):
    (resource,) = read(patient(**more))
    assert (resource.lost, resource.readable) == ({lost}, readable)
    found = record(patient(**more))
    assert [r.reason for r in found.refused] == ([] if readable else ["unreadable"])
    assert (found.patient is not None) == readable


def test_a_patient_whose_id_is_lost_is_known_by_its_full_url(read, patient):
    for full_url, name in (("https://ehr.example/fhir/Patient/p2", "Patient/p2"), ("", "Patient/")):
        (resource,) = read((full_url, patient(id=5)))
        assert (resource.name, resource.readable) == (name, False)


def test_a_medicine_whose_product_can_be_read_in_part_only_is_unreadable(record, read, request_):
    product = {
        "resourceType": "Medication",
        "id": "m",
        "code": {"coding": [{"system": RXNORM, "code": 8640}]},
    }
    for more in ({}, {"code": "prednisone"}, {"form": "cream"}, {"ingredient": {}}):
        medicine = {
            **request_(),
            "medicationCodeableConcept": None,
            "medicationReference": {"reference": "#m"},
        }
        medicine["contained"] = [product | more]
        (resource,) = read(medicine)
        assert (resource.readable, resource.lost) == (
            False,
            {"medicationReference"} | ({"form"} & more.keys()),
        )
    (refused,) = record({**medicine, "contained": [product]}).refused
    assert (refused.reason, refused.roles) == ("unreadable", {"prednisone"})
    (resource,) = read({**medicine, "contained": [product | {"code": "prednisone"}]})
    assert [concept.text for concept in resource.concepts] == ["prednisone"]


# Whatever is damaged, nothing else is read otherwise

GOOD = [
    {
        "resourceType": "Observation",
        "id": "o",
        "meta": {"versionId": "3", "lastUpdated": "2026-01-03T00:00:00Z"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8061-4"}], "text": "ANA"},
        "subject": {"reference": "Patient/p1"},
        "focus": [{"reference": "Condition/c"}],
        "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02"},
        "issued": "2026-01-03T00:00:00Z",
        "valueRange": {"low": {"value": 80}, "high": {"value": 160}},
        "interpretation": [{"coding": [{"system": "urn:x", "code": "H"}], "text": "high"}],
        "referenceRange": [
            {
                "low": {"value": 1, "unit": "1"},
                "high": {"value": 80, "unit": "1", "system": UCUM, "code": "1"},
                "type": {"coding": [{"system": "urn:x", "code": "normal"}]},
                "appliesTo": [{"text": "adults"}],
                "age": {"low": {"value": 18, "code": "a"}},
                "text": "< 80",
            }
        ],
        "specimen": {"reference": "Specimen/s"},
        "hasMember": [{"reference": "Observation/m"}],
        "component": [
            {
                "code": {"text": "pattern"},
                "valueCodeableConcept": {"coding": [{"system": "urn:x", "code": "AC-1"}], "text": "speckled"},
            },
            {
                "code": {"text": "titre"},
                "valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}},
            },
        ],
    },
    {
        "resourceType": "Condition",
        "id": "c",
        "clinicalStatus": {"coding": [{"system": "urn:x", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": "urn:x", "code": "confirmed"}]},
        "code": {"coding": [{"system": SNOMED, "code": "715863001"}], "text": "IMNM"},
        "subject": {"reference": "Patient/p1"},
        "onsetPeriod": {"start": "2024-01-01"},
        "recordedDate": "2024-02-01",
        "abatementDateTime": "2027-01-01",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "doNotPerform": False,
        "statusReason": {"text": "x"},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "8640"}], "text": "prednisone"},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-01-01",
        "dosageInstruction": [
            {
                "timing": {
                    "repeat": {
                        "boundsPeriod": {"start": "2026-01-01"},
                        "frequency": 1,
                        "period": 1,
                        "periodUnit": "d",
                    }
                },
                "asNeededBoolean": False,
                "route": {"coding": [{"system": SNOMED, "code": "26643006"}]},
                "doseAndRate": [{"doseQuantity": {"value": 20, "unit": "mg"}}],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": "2026-01-01", "end": "2026-04-01"},
            "numberOfRepeatsAllowed": 3,
            "expectedSupplyDuration": {"value": 30, "unit": "d"},
        },
    },
    {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"system": "urn:x", "code": "AMB"},
        "type": [{"coding": [{"system": "urn:x", "code": "t"}]}],
        "serviceType": {"coding": [{"system": "urn:x", "code": "s"}]},
        "subject": {"reference": "Patient/p1"},
        "participant": [{"individual": {"reference": "#r"}, "type": [{"text": "x"}]}],
        "period": {"start": "2026-01-01", "end": "2026-01-02"},
        "contained": [
            {"resourceType": "PractitionerRole", "id": "r", "specialty": [{"coding": [{"code": "q"}]}]}
        ],
    },
    {
        "resourceType": "Patient",
        "id": "p1",
        "gender": "female",
        "birthDate": "1970-01-01",
        "deceasedBoolean": False,
    },
]
DAMAGES = [
    *("x", "", "5", "2026-01-01", "\u00e9"),
    *(0, 5, -1, 1.5, 1e300, 10**40, True, False),
    *({}, {"x": 1}, {"value": "5"}, {"reference": 5}, {"coding": "x"}, {"extension": [{"url": "u"}]}),
    *([], [1], ["x"], [{}], [[]], [True]),
]
ALSO_READ = {"coding": dict, "class": list, "serviceType": list}  # in place of a list, or of R4's one value


def places(value, path=()):
    """The paths of everything inside a resource, but its type."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        if key != "resourceType":
            yield (*path, key)
            yield from places(part, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def damaged(resource, path, damage):
    resource = copy.deepcopy(resource)
    at(resource, path[:-1])[path[-1]] = damage
    return resource


def kind_of(value):
    return bool if isinstance(value, bool) else float if isinstance(value, int | float) else type(value)


def parts_of(resource):
    """Everything that was read of a resource, by name."""

    def spread(prefix, value):
        if isinstance(value, Struct) and prefix in {"", "own."}:
            for part in fields(value):
                yield from spread(
                    f"{prefix}{part.name}{'.' if part.name == 'own' else ''}", getattr(value, part.name)
                )
        else:
            yield prefix, value

    whole = {part.name: getattr(resource, part.name) for part in fields(resource)}
    for name in ("entry", "content", "readable", "lost"):
        del whole[name]
    return whole | {f"content {name}": value for name, value in spread("", resource.content())}


def changed(one, other):
    return {name for name in one if one[name] != other[name]}


def test_there_are_25_ways_to_damage_an_element():
    assert len(DAMAGES) == 25


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good["resourceType"])
def test_a_damaged_element_changes_nothing_but_itself_and_is_named(read, record, good):
    """What changes is at most what changes without the element, and then the loss is noted."""
    others = [next(other for other in GOOD if other is not good)]
    neighbours = [parts_of(resource) for resource in read(*others)]
    (whole,) = read(good)
    assert (whole.lost, whole.readable) == (frozenset(), True)
    as_it_was = parts_of(whole)
    without = {
        name: parts_of(read({key: value for key, value in good.items() if key != name})[0])
        for name in good
        if name != "resourceType"
    }
    for path in places(good):
        for damage in DAMAGES:
            was = at(good, path)
            if kind_of(damage) is kind_of(was) or isinstance(damage, ALSO_READ.get(path[-1], ())):
                continue
            bad = json.dumps(damaged(good, path, damage), ensure_ascii=True).encode()
            first, *rest = read(bad, *others)
            assert [parts_of(resource) for resource in rest] == neighbours
            now = parts_of(first)
            may_change = changed(as_it_was, without[path[0]])
            may_change |= {"concepts", "unsure"} if "codings" in may_change else set()
            may_change |= {"content own.value"} if path[0].startswith("value") else set()
            assert changed(as_it_was, now) <= may_change, (path, damage)
            named = "participant" if path[0] == "contained" else path[0]  # by whom it was referred to
            assert first.lost <= {path[0], named}, (path, damage)
            assert named in first.lost or now == as_it_was, (path, damage)
            record(bad)


# A choice of types that is given twice


def test_of_two_values_nobody_can_say_which_counts(record, read, observation):
    two = observation(valueQuantity={"value": 100, "unit": "U/L"}, valueString="> 10000 U/L")
    (resource,) = read(two)
    assert (resource.readable, resource.lost) == (False, {"valueQuantity", "valueString"})
    assert [refused.reason for refused in record(two).refused] == ["unreadable"]


def test_a_component_with_two_values_spoils_its_panel(read, observation):
    both = {"code": {"text": "x"}, "valueInteger": 1, "valueString": "2"}
    (resource,) = read(observation(component=[both]))
    assert (resource.readable, resource.lost) == (False, {"component"})


@pytest.mark.parametrize("element", ["code", "valueString", "note"])
def test_however_deep_an_element_nests_the_resource_is_read_or_unreadable(record, observation, element):
    """Where exactly the reading stops depends on how much of the stack is used: at each depth something else gives up."""
    written = json.dumps(observation(value=None, **{element: "@"})).encode()
    for depth in range(600, 1001):
        deep = written.replace(b'"@"', b"[" * depth + b"]" * depth)
        judged = record(deep)
        assert judged.results == ()
        assert [r.reason for r in judged.refused] in ([], ["unreadable"])


@pytest.mark.parametrize("element", ["id", "code", "valueString", "note", "contained", "@"])
def test_whatever_is_not_utf_8_the_resource_is_read_without_it_or_unreadable(
    record, patient, observation, element
):
    """A bulk export in Latin-1: the parser itself reports it with an error of its own, and only where it reads it."""
    written = json.dumps(observation(value=None) | {element: "@"}).encode()
    judged = record(patient(), written.replace(b'"@"', b'"\xff"'))
    assert judged.patient
    assert judged.results == ()
    assert [r.reason for r in judged.refused] in ([], ["unreadable"], ["no value"])
