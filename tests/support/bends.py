"""A plain Observation, and whatever may stand in it instead: at each of these it may be plain no longer."""

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

from tests.support.charts import ago, observation

Resource = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
FLAG = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
SEX = "http://hl7.org/fhir/administrative-gender"
REMOVED = object()


def quantity(value: object, unit: object = "U/L", **members: object) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | members


def coding(code: object, system: object = LOINC, **members: object) -> Resource:
    return {"system": system, "code": code} | members


def plain(number: str = "o1", loinc: str = "2157-6", value: object = 950, days: float = 30) -> Resource:
    """A result as a hospital writes it."""
    return observation(loinc, number, days, valueQuantity=quantity(value)) | {
        "code": {
            "coding": [coding("15", "urn:oid:1.2.3"), coding(loinc, display="Enzyme")],
            "text": "Enzyme",
        },
        "interpretation": [{"coding": [coding("H", FLAG)], "text": "High"}],
        "specimen": {"reference": f"Specimen/{number}"},
        "referenceRange": [{"low": quantity(26), "high": quantity(192), "text": "26 - 192 U/L"}],
    }


# Where something is written, and what may stand there
BENDS: tuple[tuple[tuple[str | int, ...], tuple[object, ...]], ...] = (
    (
        ("valueQuantity", "value"),
        (
            *(0, -1, 0.0, 5, 250.50, 99999, 1000000, 1e9, 1e-9, 12345678901234567890, 1.10, 0.0000001),
            *("12", None, True, REMOVED, {}),
        ),
    ),
    (("valueQuantity", "comparator"), ("<", ">=", None, "", "~", 5)),
    (("valueQuantity", "unit"), ("IU/L", "ukat/L", "U/l", " U/L ", "", "g/L", None, 5, REMOVED)),
    (("valueQuantity", "code"), ("IU/L", "ukat/L", "[iU]/L", "", "g/L", None, 5, REMOVED)),
    (("valueQuantity", "system"), ("urn:x", f"{UCUM}/", "", None, REMOVED)),
    (
        ("valueQuantity",),
        (None, REMOVED, 5, {}, quantity(0.45, "1"), quantity(55, "%"), quantity(12, "ng/L")),
    ),
    (("valueString",), ("positive", "12 U/L", "haemolysed", "", None)),
    (("valueInteger",), (5, None)),
    (("valueRange",), ({"low": quantity(5)}, None)),
    (("dataAbsentReason",), ({"text": "lost"}, None)),
    (
        ("status",),
        ("preliminary", "entered-in-error", "amended", "corrected", "unknown", "x", None, 5, REMOVED),
    ),
    (
        ("subject",),
        (
            *(
                {"reference": "Patient/p2"},
                {"reference": "https://other.example/Patient/p1"},
                {"display": "x"},
            ),
            *({"reference": "/Patient/p1"}, {"reference": "Patient/p1/_history/2"}, {}, None, 5, REMOVED),
        ),
    ),
    (
        ("effectiveDateTime",),
        (
            *("2026", "2026-02", "2026-02-10", "2026-02-10T10:00:00", "2026-02-10T10:00:00.123+05:00"),
            *(
                "2026-02-10T10:00:00Z",
                "2026-02-10T23:59:60Z",
                "2026-02-30",
                "2027-01-01",
                "x",
                "",
                None,
                5,
                REMOVED,
            ),
            *(ago(-0.5), ago(-3), ago(0)),
        ),
    ),
    (("effectivePeriod",), ({"start": "2026-01-01", "end": "2026-01-02"}, None)),
    (("issued",), ("2026-01-01T00:00:00Z", 5)),
    (("focus",), ([], [{"reference": "Patient/p1"}], [{"reference": "Patient/p2"}])),
    (("component",), ([], [{"code": {"text": "part"}, "valueQuantity": quantity(5)}])),
    (("hasMember",), ([], [{"reference": "Observation/o2"}])),
    (("modifierExtension",), ([{"url": "http://example.org"}], [], None)),
    (("implicitRules",), ("http://example.org", None)),
    (("note",), ([{"text": "modifierExtension"}], [{"text": "caf\u00e9"}])),
    (("extension",), ([{"modifierExtension": [{"url": "http://example.org"}]}],)),
    (
        ("interpretation",),
        (
            *(
                [],
                [{"text": "Low"}],
                [{"coding": [{"code": "H"}]}, {"text": "weakly positive"}],
                {"text": "x"},
            ),
            *(None, [None], 5, REMOVED),
        ),
    ),
    (
        ("referenceRange",),
        (
            *([], [{"high": quantity(200)}], [{"high": quantity(200)}, {"high": quantity(150)}], REMOVED),
            *(
                [{"high": quantity(3.2, "ukat/L"), "text": "normal"}],
                [{"low": quantity(10), "text": "critical"}],
            ),
            *(
                [{"high": quantity(200), "appliesTo": [{"coding": [coding("female", SEX)]}]}],
                [{"text": "< 200"}],
            ),
            *([{"high": quantity(200), "age": {"low": quantity(18, "a")}}], [{"high": {"value": 200.0}}]),
            *([{"high": quantity(200), "type": {"text": "normal"}}], [{"high": {"value": "200"}}], [None]),
            *(
                [{"high": quantity(0)}],
                [{"high": quantity(200, comparator="<")}],
                {"high": quantity(200)},
                None,
            ),
        ),
    ),
    (
        ("code", "text"),
        ("CK", "anti-SRP antibody", "immune-mediated necrotizing myopathy", "x" * 1500, "", None, 5, REMOVED),
    ),
    (("code", "coding", 1, "display"), ("anti-HMGCR", "", None, 5, ["x"], REMOVED)),
    (
        ("code", "coding", 1, "code"),
        ("1920-8", "6598-7", "10230-1", "34714-6", " 2157-6", "xx", " ", "", None, 5, "94879-4", REMOVED),
    ),
    (("code", "coding", 0, "code"), ("15x", "", " ", REMOVED)),
    (
        ("code", "coding", 1, "system"),
        (
            f"{LOINC}/",
            "urn:oid:2.16.840.1.113883.6.1",
            "",
            " ",
            "http://snomed.info/sct",
            "urn:x",
            None,
            REMOVED,
        ),
    ),
    (
        ("code", "coding"),
        (
            *([], None, coding("2157-6"), [None, coding("2157-6")], [coding("2157-6"), coding("1920-8")]),
            *([{"code": "2157-6"}], [coding("11", "urn:local")], 5, REMOVED),
        ),
    ),
    (("code",), ({}, {"text": "CK"}, None, 5, REMOVED)),
    (("specimen",), ({"reference": "#s"}, {"reference": "Specimen/same"}, {"display": "x"}, 5, REMOVED)),
    (("meta",), ({"versionId": "2", "lastUpdated": "2026-02-01T00:00:00Z"}, {"versionId": 2}, 5)),
    (("id",), ("o2", "", None, 5, REMOVED)),
    (("contained",), ([{"resourceType": "Specimen", "id": "s"}],)),
)


def every_bend() -> Iterator[Resource]:
    """A plain Observation, then each with one thing bent."""
    yield plain()
    for path, values in BENDS:
        for value in values:
            yield put(plain(), path, value)


def bent(random: Random, one: Resource) -> Resource:
    """The same with a few things bent, most often none."""
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        path, values = random.choice(BENDS)
        one = put(one, path, random.choice(values))
    return one


def results(random: Random, count: int) -> list[Resource]:
    """So many results, some of them twice, or of one time and value."""
    drawn = [
        bent(
            random,
            plain(
                f"o{number}",
                random.choice(("2157-6", "1920-8", "1742-6", "6598-7")),
                random.choice((90, 950, 950.0, 12.5, 8)),
                random.choice((10, 20, 30.5)),
            ),
        )
        for number in range(count)
    ]
    return [*drawn, *deepcopy(random.choices(drawn, k=count // 5))]


def put(one: Resource, path: tuple[str | int, ...], value: object) -> Resource:
    """Write a value where its place is still there."""
    one = deepcopy(one)
    at: Any = one
    for step in path[:-1]:
        if not isinstance(at, dict | list) or (
            isinstance(step, int) and not (isinstance(at, list) and step < len(at))
        ):
            return one
        at = at[step] if isinstance(step, int) else at.get(step)
    if isinstance(at, dict):
        if value is REMOVED:
            at.pop(path[-1], None)
        else:
            at[path[-1]] = value
    return one
