"""Medicines, visits, diagnoses, reports and procedures, and whatever may stand in them instead."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any

from tests.support.bends import REMOVED, UCUM, Resource, coding, put
from tests.support.charts import ICD, SNOMED, ago

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ROUTE = coding("6064005", SNOMED, display="Topical route")
Bends = tuple[tuple[tuple[str | int, ...], tuple[object, ...]], ...]


def mass(value: object, unit: object = "mg", **members: object) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | members


def dosage() -> list[Resource]:
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    return [{"text": "once a day", "timing": timing, "doseAndRate": [{"doseQuantity": mass(5)}]}]


def about(kind: str, **members: object) -> Resource:
    return {"resourceType": kind, "id": "x1", "subject": {"reference": "Patient/p1"}, **members}


def medicine(kind: str, **members: object) -> Resource:
    drug = {"coding": [coding("8640", RXNORM, display="prednisone")], "text": "prednisone by mouth"}
    return about(kind, status="completed", medicationCodeableConcept=drug, **members)


def seen(*codings: Resource, **members: object) -> Resource:
    return {"coding": [*codings], **members}


PLAIN: Mapping[str, Resource] = {
    one["resourceType"]: one
    for one in (
        medicine(
            "MedicationRequest",
            intent="order",
            authoredOn=ago(50),
            dosageInstruction=dosage(),
            dispenseRequest={"expectedSupplyDuration": mass(90, "d")},
        ),
        medicine("MedicationStatement", effectivePeriod={"start": ago(50), "end": ago(20)}, dosage=dosage()),
        medicine(
            "MedicationDispense", whenHandedOver=ago(50), daysSupply=mass(90, "d"), dosageInstruction=dosage()
        ),
        medicine("MedicationAdministration", effectiveDateTime=ago(50), dosage={"dose": mass(5)}),
        about(
            "Encounter",
            status="finished",
            period={"start": ago(40), "end": ago(39.9)},
            type=[seen(coding("185349003", SNOMED))],
            participant=[{"individual": {"reference": "Practitioner/p1"}}],
        )
        | {"class": coding("AMB", ACT)},
        about("Condition", recordedDate=ago(900), code=seen(coding("I10", ICD, display="Hypertension"))),
        about(
            "DiagnosticReport",
            status="final",
            effectiveDateTime=ago(30),
            code=seen(coding("24323-8"), text="Panel"),
            result=[{"reference": "Observation/o1"}],
        ),
        about(
            "Procedure", status="completed", performedDateTime=ago(300), code=seen(coding("40701008", SNOMED))
        ),
        about(
            "ServiceRequest", status="active", intent="order", authoredOn=ago(5), code=seen(coding("2157-6"))
        ),
    )
}
_TIMES = (*("2026", "2026-02-10", "2026-02-30", "2027-01-01", "x", "", None, 5, REMOVED), ago(-0.5), ago(900))
_PERIODS = (
    *({}, None, 5, REMOVED, {"start": ago(50)}, {"end": ago(10)}, {"start": "x"}, {"end": ""}),
    *({"start": ago(10), "end": ago(-90)}, {"start": ago(-9)}, {"start": "2026-01", "end": "2026-01"}),
)
_STATUSES = (
    *("active", "stopped", "on-hold", "draft", "entered-in-error", "unknown", "in-progress", "planned"),
    *("preliminary", "registered", "x", "", None, 5, REMOVED),
)
_CONCEPTS = (
    *({}, None, 5, REMOVED, "prednisone", [], {"text": "methotrexate"}, {"text": "insulin"}, {"text": 5}),
    *({"text": "anti-SRP antibody"}, {"text": "immune-mediated necrotizing myopathy"}, {"text": "statin"}),
    seen(coding("6809", RXNORM, display="metformin"), text="metformin"),
    seen(coding("6809", RXNORM, display="atorvastatin")),
    seen(coding("6809", RXNORM)),
    seen(coding("6851", RXNORM), coding("8640", RXNORM)),
    seen(coding("83367", RXNORM, display="atorvastatin 40 MG")),
    seen(coding("L04AX03", ATC)),
    seen(coding("A10BA02", ATC)),
    seen({"code": "6851"}, text="tablets"),
    seen({"code": 6851, "system": RXNORM}),
    seen(coding("715863001", SNOMED, display="IMNM")),
    seen(coding("G72.49", ICD), coding("I21.4", ICD)),
    seen(coding("E11.9", ICD, display=["x"]), text="Type 2 diabetes"),
    seen({"code": "G72.49"}, text="back pain"),
    seen({"display": "rituximab"}),
    seen(coding("40701008", SNOMED), coding("2157-6")),
    seen(coding("xx", "urn:x"), text="Hypertension"),
)
_ANYWHERE: Bends = (
    (("subject",), ({"reference": "Patient/p2"}, {"reference": "urn:uuid:x"}, {}, None, 5, REMOVED)),
    (("status",), _STATUSES),
    (("modifierExtension",), ([{"url": "http://example.org"}], [])),
    (("implicitRules",), ("http://example.org",)),
    (("meta",), ({"versionId": "2"}, 5)),
    (("id",), ("x2", "", None, REMOVED)),
    (("note",), ([{"text": "modifierExtension"}],)),
)
_DOSAGE: Bends = (
    ((), ([], None, 5, REMOVED, {}, [None], [{}, {}])),
    ((0, "timing", "repeat", "boundsPeriod"), _PERIODS),
    ((0, "timing", "repeat", "frequency"), (2, None, 0, "1", 1.5, REMOVED)),
    ((0, "timing", "repeat", "frequencyMax"), (3,)),
    ((0, "timing", "repeat", "period"), (7, 1.0, 0, -1, "1", None, REMOVED)),
    ((0, "timing", "repeat", "periodUnit"), ("wk", "x", None, REMOVED)),
    ((0, "doseAndRate"), ([{"doseQuantity": mass(5)}, {"doseQuantity": mass(5.0)}], [{}, {}], [], None)),
    (
        (0, "doseAndRate", 0, "doseQuantity"),
        (mass(5.0), mass(2, "tablet"), mass(5, comparator="<"), mass("5"), {}),
    ),
    ((0, "asNeededBoolean"), (True, False, "x")),
    ((0, "route"), (seen(ROUTE), {"text": "topical"}, 5)),
)
_OWN: Mapping[str, Bends] = {
    "MedicationRequest": (
        (("authoredOn",), _TIMES),
        (("intent",), ("plan", "proposal", "x", None, REMOVED)),
        (("doNotPerform",), (True, "x")),
        (("statusReason",), (seen(coding("182862001", SNOMED)), {"text": "x"})),
        (("dispenseRequest", "validityPeriod"), _PERIODS),
        (("dispenseRequest", "numberOfRepeatsAllowed"), (2, -1, "x")),
        (
            ("dispenseRequest", "expectedSupplyDuration"),
            ({"value": 30}, mass(4.0, "wk"), mass(9, "x"), {}, None),
        ),
        *((("dosageInstruction", *path), values) for path, values in _DOSAGE),
    ),
    "MedicationStatement": (
        (("effectivePeriod",), _PERIODS),
        (("effectiveDateTime",), _TIMES),
        (("statusReason",), ([seen(coding("182862001", SNOMED))], [None])),
        *((("dosage", *path), values) for path, values in _DOSAGE),
    ),
    "MedicationDispense": (
        (("whenHandedOver",), _TIMES),
        (("whenPrepared",), _TIMES),
        (("daysSupply",), ({"value": 30}, mass(30.0, "d"), None, 5)),
        *((("dosageInstruction", *path), values) for path, values in _DOSAGE),
    ),
    "MedicationAdministration": (
        (("effectiveDateTime",), _TIMES),
        (("effectivePeriod",), _PERIODS),
        (("dosage",), ({"route": seen(ROUTE)}, {"dose": mass(5.0)}, None, 5, [])),
    ),
    "Encounter": (
        (("period",), _PERIODS),
        (("class",), (coding("IMP", ACT), [seen(coding("AMB", ACT))], {}, "ambulatory", None, 5, REMOVED)),
        (("type",), ([], None, [seen(coding("394810000", SNOMED))], [{"text": "x"}], {}, 5, REMOVED)),
        (("serviceType",), (seen(coding("394810000", SNOMED)), [seen(coding("1", "urn:x"))], 5)),
        (
            ("participant",),
            (
                *([], None, 5, [{}], [{"individual": {"reference": "#no"}}], [{"type": [seen(coding("x"))]}]),
                [{"individual": {"reference": "PractitionerRole/r1"}}],
            ),
        ),
        (("contained",), ([{"resourceType": "PractitionerRole", "id": "no", "specialty": [{"text": "x"}]}],)),
    ),
    "Condition": (
        (("recordedDate",), _TIMES),
        (("onsetDateTime",), _TIMES),
        (("clinicalStatus",), ({"coding": [{"code": "resolved"}]}, {"text": "x"}, 5)),
        (("verificationStatus",), ({"coding": [{"code": "refuted"}]}, {"coding": [{"code": "x"}]})),
    ),
    "DiagnosticReport": (
        (("effectiveDateTime",), _TIMES),
        (("issued",), _TIMES),
        (
            ("result",),
            ([], None, 5, [{}], [{"reference": "Observation/o2"}, {"reference": "Observation/o1"}]),
        ),
    ),
    "Procedure": ((("performedDateTime",), _TIMES), (("performedPeriod",), _PERIODS)),
    "ServiceRequest": (
        (("authoredOn",), _TIMES),
        (("intent",), ("proposal", None)),
        (("doNotPerform",), (True,)),
    ),
}
_REFERENCE = (
    *(
        {"reference": "Medication/no"},
        {"reference": "#m"},
        {"reference": "Medication/d1", "display": "azathioprine"},
    ),
    *({"display": "rituximab"}, {}, 5),
)


def bends_of(kind: str) -> Bends:
    """Where something is written in a resource of this type, and what may stand there."""
    concept = "medicationCodeableConcept" if kind.startswith("Medication") else "code"
    named: Bends = ((("medicationReference",), _REFERENCE),) if kind.startswith("Medication") else ()
    return (*_ANYWHERE, ((concept,), _CONCEPTS), *named, *_OWN[kind])


def every_bend(kind: str) -> Iterator[Resource]:
    """A resource of this type, then each with one thing bent."""
    yield PLAIN[kind]
    for path, values in bends_of(kind):
        for value in values:
            yield put(PLAIN[kind], path, value)


def care(random: Random, count: int) -> list[Resource]:
    """So many resources of all types with a few things bent, some of them twice; and what they may refer to."""
    drawn = []
    for number in range(count):
        kind = random.choice([*PLAIN])
        one: Any = PLAIN[kind] | {"id": f"x{number}"}
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            path, values = random.choice(bends_of(kind))
            one = put(one, path, random.choice(values))
        drawn.append(one)
    drug = {"resourceType": "Medication", "id": "d1", "code": seen(coding("1256", RXNORM))}
    role = {"resourceType": "PractitionerRole", "id": "r1", "specialty": [seen(coding("394810000", SNOMED))]}
    return [*drawn, *deepcopy(random.choices(drawn, k=count // 5)), drug, role]
