"""Charts that are large in one way: each shape is a list of resources of about so many parts, built to cost much.

They are what one caller can send in a prefetch: valid FHIR where that suffices, for the loops of the rules and readers.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from fhir_mapping.record import Entry, Gathered, MappingSettings, Source, SourceKey
from fhir_mapping.terms import Tables
from tests.support.charts import ago, antibody, condition, enzyme, observation, patient, prescription

UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
SOURCES: Mapping[str, SourceKey] = {
    "Patient": "patient",
    "Condition": "conditions",
    "Observation": "enzymes",
    "MedicationRequest": "medicationRequests",
    "MedicationStatement": "medicationStatements",
    "MedicationDispense": "medicationDispenses",
    "MedicationAdministration": "medicationAdministrations",
    "Encounter": "encounters",
    "Appointment": "appointments",
    "ServiceRequest": "orders",
    "Procedure": "procedures",
    "DiagnosticReport": "reports",
    "Medication": "medications",
}
Chart = list[dict]


def gathered(chart: Iterable[dict], tables: Tables) -> Gathered:
    """The chart as if every query had been read."""
    entries: dict[SourceKey, list[Entry]] = {key: [] for key in SOURCES.values()}
    for resource in chart:
        entries[SOURCES[resource["resourceType"]]].append(Entry(json.dumps(resource).encode()))
    sources = {key: Source("read", tuple(of_key)) for key, of_key in entries.items()}
    return Gathered("p1", "", sources, MappingSettings(tables))


def _many(n: int) -> range:
    return range(1, n + 1)


def _coding(system: str, code: str) -> dict:
    return {"system": system, "code": code}


def _quantity(value: float, unit: str = "U/L", **more: str) -> dict:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | more


def _encounter(number: int, **members: object) -> dict:
    return {
        "resourceType": "Encounter",
        "id": f"e{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": ago(number), "end": ago(number)},
    } | members


def _role(name: str, specialties: int = 1) -> dict:
    specialty = {"coding": [_coding(SNOMED, "394810000")]}
    return {"resourceType": "PractitionerRole", "id": name, "specialty": [specialty] * specialties}


def participants(n: int) -> Chart:
    parts = [{"individual": {"reference": f"#r{i}"}} for i in _many(n)]
    return [_encounter(1, participant=parts, contained=[_role(f"r{i}") for i in _many(n)])]


def participants_of_one_role(n: int) -> Chart:
    parts = [{"individual": {"reference": "#r"}} for _ in _many(n)]
    return [_encounter(1, participant=parts, contained=[_role("r", n)])]


def encounters(n: int) -> Chart:
    return [
        _encounter(i, participant=[{"individual": {"reference": "#r"}}], contained=[_role("r")])
        for i in _many(n)
    ]


def _product(name: str, ingredients: list[dict], **members: object) -> dict:
    return {"resourceType": "Medication", "id": name, "ingredient": ingredients} | members


def _by_concept(n: int) -> list[dict]:
    return [{"itemCodeableConcept": {"coding": [_coding(RXNORM, str(i))]}} for i in _many(n)]


def medications_of_one_product(n: int) -> Chart:
    reference = {"reference": "Medication/x"}
    return [
        _product("x", [*_by_concept(20), {"itemCodeableConcept": {"coding": [_coding(RXNORM, "6851")]}}]),
        *(prescription(f"m{i}", medicationReference=reference, authoredOn=ago(i)) for i in _many(n)),
    ]


def ingredients(n: int) -> Chart:
    parts = [{"itemReference": {"reference": f"#s{i}"}} for i in _many(n)]
    substances = [
        {"resourceType": "Substance", "id": f"s{i}", "code": {"coding": [_coding(RXNORM, "6851")]}}
        for i in _many(n)
    ]
    product = _product("x", parts)
    return [prescription("m1", medicationReference={"reference": "#x"}, contained=[product, *substances])]


def ingredients_of_one_substance(n: int) -> Chart:
    parts = [{"itemReference": {"reference": "#s"}} for _ in _many(n)]
    substance = {"resourceType": "Substance", "id": "s", "code": {"coding": [_coding(RXNORM, "6851")] * n}}
    return [
        prescription(
            "m1", medicationReference={"reference": "#x"}, contained=[_product("x", parts), substance]
        )
    ]


def products_that_are_nowhere(n: int) -> Chart:
    parts = [{"itemReference": {"reference": f"Medication/y{i}"}} for i in _many(20)]
    reference = {"reference": "Medication/x"}
    return [_product("x", parts), *(prescription(f"m{i}", medicationReference=reference) for i in _many(n))]


def components(n: int) -> Chart:
    parts = [
        {"code": {"coding": [_coding("http://loinc.org", "5048-4")]}, "valueString": f"1:{160 + i}"}
        for i in _many(n)
    ]
    return [observation("5048-4", "ana", 30, component=parts)]


def reference_ranges(n: int) -> Chart:
    ranges = [{"high": _quantity(100 + i), "low": _quantity(i)} for i in _many(n)]
    return [enzyme("2157-6", "ck", 400) | {"referenceRange": ranges}]


def titled_ranges(n: int) -> Chart:
    ranges = [
        {"low": {"value": i}, "high": {"value": i + 0.5}, "text": "positive" if i % 2 else "negative"}
        for i in _many(n)
    ]
    return [antibody() | {"valueString": f"< {n}", "referenceRange": ranges}]


def _texts(n: int, text: str) -> Chart:
    return [antibody(text, f"srp{i}") | {"effectiveDateTime": ago(i)} for i in _many(n)]


def antibody_texts(n: int) -> Chart:
    return _texts(n, ("see note (" * 90)[:900])


def long_texts(n: int) -> Chart:
    text = "not detected, ([{" * n
    return [antibody(text, "srp1"), observation("5048-4", "ana", 30, valueString="1:160 (" * n)]


def titres(n: int) -> Chart:
    text = "1:160 (speckled), " * 50
    return [observation("5048-4", f"ana{i}", i, valueString=text) for i in _many(n)]


def signs_of_numbers(n: int) -> Chart:
    return [observation("2157-6", f"ck{i}", i, valueString="1 000" * 180 + "x") for i in _many(n)]


def notes(n: int) -> Chart:
    return [enzyme("2157-6", "ck", 400) | {"note": [{"text": "modifierExtension"} for _ in _many(n)]}]


def interpretations(n: int) -> Chart:
    said = [{"coding": [_coding(SNOMED, "260373001")], "text": f"Weakly {i}"} for i in _many(n)]
    return [antibody("see note") | {"interpretation": said}]


def codings(n: int) -> Chart:
    code = {
        "coding": [_coding("http://hl7.org/fhir/sid/icd-10-cm", f"G72.{i}") for i in _many(n)],
        "text": "x",
    }
    return [condition() | {"id": "c9", "code": code}]


def long_codes(n: int) -> Chart:
    return [condition(("http://hl7.org/fhir/sid/icd-10-cm", "G72" + "9" * n), "c9")]


def extensions(n: int) -> Chart:
    extension = [{"url": CERTAINTY, "valueCoding": _coding("x", "G")} for _ in _many(n)]
    coding = _coding("http://hl7.org/fhir/sid/icd-10-cm", "G72.49") | {"extension": extension}
    return [condition() | {"id": "c9", "code": {"coding": [coding]}}]


def conditions(n: int) -> Chart:
    return [condition(number=f"c{i}", onsetDateTime=ago(i)) for i in _many(n)]


def doubted_conditions(n: int) -> Chart:
    words = (
        "715863001",
        "403450006",
        "64859006",
        "195967001",
        "49436004",
        "84114007",
        "53741008",
        "709044004",
    )
    icd = ("G72.49", "M33.20", "I50.9", "J84.10", "K70.30", "C50.9", "M60.9", "G72.0", "I48.91", "M33.10")
    chart = []
    for i in _many(n):
        some = [_coding(SNOMED, word) for bit, word in enumerate(words) if i >> bit & 1]
        some += [
            _coding("http://hl7.org/fhir/sid/icd-10-cm", word) for bit, word in enumerate(icd) if i >> bit & 1
        ]
        chart.append(condition(number=f"c{i}") | {"code": {"coding": some}, "clinicalStatus": {"text": "?"}})
    return chart


def doubted_antibodies(n: int) -> Chart:
    return [antibody(number=f"srp{i}") | {"status": "preliminary"} for i in _many(n)]


def appointments(n: int) -> Chart:
    actors = [{"actor": {"reference": f"Practitioner/{i}"}} for i in _many(n)]
    return [
        {
            "resourceType": "Appointment",
            "id": "a1",
            "status": "booked",
            "start": ago(-20),
            "participant": [{"actor": {"reference": "Patient/p1"}}, *actors],
        }
    ]


def dosages(n: int) -> Chart:
    dosage = [
        {
            "timing": {
                "repeat": {
                    "boundsPeriod": {"start": ago(i + 1), "end": ago(i)},
                    "frequency": 1,
                    "period": 1,
                    "periodUnit": "d",
                }
            },
            "doseAndRate": [{"doseQuantity": _quantity(20, "mg")}],
        }
        for i in _many(n)
    ]
    code = {"coding": [_coding(RXNORM, "8640")]}
    return [prescription("m1", medicationCodeableConcept=code, dosageInstruction=dosage)]


def reports(n: int) -> Chart:
    results = [{"reference": f"Observation/ast{i}"} for i in _many(n)]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": {"coding": [_coding("http://loinc.org", "11524-6")]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": ago(10),
        "result": results,
    }
    return [report, *_pairs(n, "same report")]


def _pairs(n: int, _of: str = "") -> Chart:
    """As many AST as ALT, all the AST before all the ALT: every AST is nearest to the same ALT."""
    asts = [enzyme("1920-8", f"ast{i}", 100 + i, 10 + i * 1e-6) for i in _many(n)]
    return [*asts, *(enzyme("1742-6", f"alt{i}", 50 + i, 10 - i * 1e-4) for i in _many(n))]


def pairs_of_one_day(n: int) -> Chart:
    return _pairs(n)


def pairs_of_one_specimen(n: int) -> Chart:
    return [result | {"specimen": {"reference": "Specimen/s"}} for result in _pairs(n)]


def pairs_beside_cks(n: int) -> Chart:
    """CK of one time, any of which may be the highest, beside pairs of that time."""
    cks = [enzyme("2157-6", f"ck{i}", 0, 10) for i in _many(n)]
    signs = ("<", ">")
    return [
        *_pairs(n),
        *(ck | {"valueQuantity": _quantity(150 + i, comparator=signs[i % 2])} for i, ck in enumerate(cks)),
    ]


def _report(id_: str, *results: str) -> dict:
    """A report that holds these Observations."""
    return {
        "resourceType": "DiagnosticReport",
        "id": id_,
        "status": "final",
        "code": {"coding": [_coding("http://loinc.org", "11524-6")]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": ago(10),
        "result": [{"reference": f"Observation/{result}"} for result in results],
    }


def results_in_many_reports(n: int) -> Chart:
    """Reports that share their results two by two."""
    reported = [
        _report(f"r{i}", *(f"{kind}{j}" for kind in ("ast", "alt") for j in (i, i + 1))) for i in _many(n)
    ]
    return [*reported, *_pairs(n)]


def ratios(n: int) -> Chart:
    return [
        *_pairs(n),
        *(
            observation(
                "1916-6",
                f"ratio{i}",
                10 - i * 1e-4,
                valueQuantity={"value": 2 + i / 1000, "unit": "1", "code": "1", "system": UCUM},
            )
            for i in _many(n)
        ),
    ]


def duplicates(n: int) -> Chart:
    """One result under many ids, each in a report of its own."""
    same = [enzyme("2157-6", f"ck{i}", 400) for i in _many(n)]
    return [
        *same,
        *(_report(f"r{i}", f"ck{i}") for i in _many(n)),
    ]


def versions_of_one_id(n: int) -> Chart:
    return [enzyme("2157-6", "ck", 400 + i) | {"meta": {"versionId": str(i)}} for i in _many(n)]


def stopped_medications(n: int) -> Chart:
    """One order under many ids, each stopped for a reason of its own."""
    return [
        prescription(f"m{i}", status="stopped", statusReason={"coding": [_coding("x", str(i))]})
        for i in _many(n)
    ]


def rising_cks(n: int) -> Chart:
    values = [enzyme("2157-6", f"ck{i}", 0, 2000 - i * 0.01) for i in _many(n)]
    return [
        v | {"valueQuantity": _quantity(300 + 0.1 * i, comparator="<" if i % 2 else ">")}
        for i, v in enumerate(values)
    ]


def bounded_cks(n: int) -> Chart:
    values = [enzyme("2157-6", f"ck{i}", 0, 2000 - i * 0.01) for i in _many(n)]
    return [v | {"valueQuantity": _quantity(5000 + i, comparator="<")} for i, v in enumerate(values)] + [
        enzyme("2157-6", "now", 6000, 2)
    ]


def _given(number: object, code: str, begun: float, ended: float, **members: object) -> dict:
    return {
        "resourceType": "MedicationStatement",
        "id": f"s{number}",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [_coding(RXNORM, code)]},
        "effectivePeriod": {"start": ago(begun), "end": ago(ended)},
    } | members


def escalations(n: int) -> Chart:
    """Many courses of rituximab with nothing before them."""
    return [
        _given(i, "121191", 40000 - i * 400 / (1 + n // 90), 39999 - i * 400 / (1 + n // 90))
        for i in _many(n)
    ] + [enzyme("2157-6", "ck", 400, 45000)]


def courses_of_two_agents(n: int) -> Chart:
    """Two agents in turn, with glucocorticoid beside them the whole time: T6 asks for a third at each."""
    dose = [
        {
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": _quantity(0.001, "mg")}],
        }
    ]
    step = 40000 / n
    chart = [_given(f"g{i}", "8640", 40000 - i * 0.001, 1, dosage=dose) for i in _many(n)]
    for i in _many(n):
        begun = 40000 - i * step
        chart.append(_given(i, "6851" if i % 2 else "1256", begun, begun - min(step, 100)))
    return chart


def doubted_cks(n: int) -> Chart:
    """CK that cannot be used, beside as many courses of treatment."""
    return [
        *courses_of_two_agents(n),
        *(enzyme("2157-6", f"ck{i}", 400, i) | {"status": "preliminary"} for i in _many(n)),
    ]


def volumes_of_many_units(n: int) -> Chart:
    now = [
        observation("19868-9", f"now{i}", 30, valueQuantity={"value": 2, "unit": f"l{i}"}) for i in _many(n)
    ]
    return [
        *now,
        *(
            observation("19868-9", f"was{i}", 200, valueQuantity={"value": 4, "unit": f"l{i}"})
            for i in _many(n)
        ),
    ]


def members(n: int) -> Chart:
    panel = observation(
        "5048-4", "panel", 30, hasMember=[{"reference": f"Observation/ana{i}"} for i in _many(n)]
    )
    return [panel, *(observation("5048-4", f"ana{i}", 30, valueString=f"1:{i}") for i in _many(n))]


def focuses(n: int) -> Chart:
    focus = [{"reference": f"Condition/c{i}"} for i in _many(n)]
    return [*conditions(n), enzyme("2157-6", "ck", 400) | {"focus": focus}]


def nested(n: int) -> Chart:
    """Contained resources inside contained resources; no more than a level is ever followed."""
    inner: dict = _product("x", _by_concept(1))
    for i in range(40):
        inner = _product("x", _by_concept(max(1, n // 40)), contained=[inner], id=f"x{i}")
    return [prescription("m1", medicationReference={"reference": "#x39"}, contained=[inner])]


def wrong_types(n: int) -> Chart:
    """Lists in which nothing has the type that it should have."""
    return [
        enzyme("2157-6", "ck", 400)
        | {"component": [[1]] * n, "interpretation": [2] * n, "referenceRange": [{}] * n}
    ]


def absolute_references(n: int) -> Chart:
    return [
        enzyme("2157-6", f"ck{i}", 400 + i, i)
        | {"subject": {"reference": f"https://other.example/fhir/Patient/{i}"}}
        for i in _many(n)
    ]


SHAPES: Mapping[str, Callable[[int], Chart]] = {
    shape.__name__: shape
    for shape in (
        participants, participants_of_one_role, encounters, medications_of_one_product, ingredients,
        ingredients_of_one_substance, products_that_are_nowhere, components, reference_ranges, titled_ranges,
        antibody_texts, long_texts, titres, signs_of_numbers, notes, interpretations, codings, long_codes, extensions,
        conditions, doubted_conditions, doubted_antibodies, appointments, dosages, reports, pairs_of_one_day, pairs_of_one_specimen,
        pairs_beside_cks,
        results_in_many_reports, ratios, duplicates, versions_of_one_id, stopped_medications, rising_cks, bounded_cks,
        escalations, courses_of_two_agents, doubted_cks, volumes_of_many_units, members, focuses, nested, wrong_types,
        absolute_references,
    )
}  # fmt: skip


WITHOUT_DIAGNOSIS = frozenset(
    {"doubted_conditions", "doubted_antibodies"}
)  # what they doubt is whether it is one


def whole(shape: str, n: int) -> Chart:
    """A shape beside what makes an IMNM patient of whom everything is asked."""
    of_all = (
        [patient()]
        if shape in WITHOUT_DIAGNOSIS
        else [patient(), condition(number="core"), antibody(number="srp0")]
    )
    return [*of_all, *SHAPES[shape](n)]
