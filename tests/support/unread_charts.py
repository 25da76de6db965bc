"""Charts of which one resource is going to be made unreadable: patients with IMNM, some with nothing to say, and without.

Every resource has a time of its own, so that "later" is never a tie. Drawn with `random.Random`, which costs little.
"""

from datetime import timedelta
from functools import cache
from random import Random

from cds_service.fhir.queries import QUERIES
from tests.support.charts import (
    AS_OF,
    BROAD,
    CORE,
    ICD,
    LOINC,
    SNOMED,
    condition,
    enzyme,
    observation,
    patient,
)
from tests.support.ehr_simulator import matches
from tests.support.service import TABLES

Chart = list[dict]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
AST, ALT, CK, RATIO = "1920-8", "1742-6", "2157-6", "1916-6"
SRP, HMGCR, ANA, ANA_SCREEN = "33921-8", "93493-5", "5048-4", "8061-4"
TROPONIN_I, TROPONIN_T, NT_PROBNP, LVEF = "89579-7", "6598-7", "33762-6", "10230-1"
AZATHIOPRINE, METHOTREXATE, PREDNISONE, RITUXIMAB, ATORVASTATIN = "1256", "6851", "8640", "121191", "83367"
INGREDIENTS = {
    AZATHIOPRINE: "azathioprine",
    METHOTREXATE: "methotrexate",
    PREDNISONE: "prednisone",
    RITUXIMAB: "rituximab",
    ATORVASTATIN: "atorvastatin",
}


def day(days: float) -> str:
    return (AS_OF - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pen:
    """Writes the resources of one chart, each with an id and a time of its own."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.chart: Chart = [patient()]

    def name(self) -> str:
        return f"r{len(self.chart)}"

    def apart(self, days: float) -> float:
        """So many days ago, and a second for each resource before it."""
        return days + len(self.chart) / 86400

    def add(self, resource: dict) -> None:
        self.chart.append(resource)

    def enzyme(self, code: str, value: float, days: float) -> None:
        self.add(enzyme(code, self.name(), value, self.apart(days)))

    def measured(self, code: str, value: float, unit: str, days: float, limit: float | None = None) -> None:
        ranges = {"referenceRange": [{"high": {"value": limit, "unit": unit}}]} if limit else {}
        quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        self.add(observation(code, self.name(), self.apart(days), valueQuantity=quantity, **ranges))

    def said(self, code: str, text: str, days: float) -> None:
        self.add(observation(code, self.name(), self.apart(days), valueString=text))

    def diagnosis(self, code: tuple[str, str], days: float) -> None:
        time = day(self.apart(days))
        self.add(condition(code, self.name(), onsetDateTime=time, recordedDate=time))

    def medicine(self, code: str, begun: float, ended: float) -> None:
        period = {"start": day(self.apart(begun)), "end": day(ended)}
        dose = [
            {"doseQuantity": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
        ]
        repeat = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": period}
        self.add(
            {
                "resourceType": "MedicationRequest",
                "id": self.name(),
                "status": "active" if ended <= 0 else "completed",
                "intent": "order",
                "subject": {"reference": "Patient/p1"},
                "authoredOn": period["start"],
                "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code}]},
                "dosageInstruction": [{"timing": {"repeat": repeat}, "doseAndRate": dose}],
            }
        )

    def looked_after(self) -> None:
        """A visit and an ECG of late: nothing of the follow-up is open in the low band."""
        coded = {"coding": [{"system": SNOMED, "code": "394810000"}]}
        subject = {"reference": "Patient/p1"}
        act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        visit = {"period": {"start": day(9), "end": day(9)}, "class": act, "serviceType": coded}
        self.add(
            {"resourceType": "Encounter", "id": "visit", "status": "finished", "subject": subject, **visit}
        )
        ecg = {"coding": [{"system": SNOMED, "code": "29303009"}]}
        done = {"status": "completed", "subject": subject, "code": ecg, "performedDateTime": day(20)}
        self.add({"resourceType": "Procedure", "id": "ecg", **done})


def imnm_chart(random: Random) -> Chart:
    """A patient with signs of IMNM; now and then one of whom there is nothing to say."""
    pen = Pen(random)
    signs(pen, random.choice(("core", "core", "core", "antibody and broad", "antibody", "broad")))
    quiet = random.random() < 0.4
    enzymes(pen, quiet)
    ana(pen, quiet)
    heart(pen, quiet)
    treatment(pen, quiet)
    pen.looked_after()
    return pen.chart


def signs(pen: Pen, kind: str) -> None:
    random = pen.random
    if kind == "core":
        pen.diagnosis(CORE, 1500)
    if "broad" in kind:
        pen.diagnosis(BROAD, 1500)
    positive = "antibody" in kind
    answers = ("Positive", "Negative") if positive else ("Negative", "Negative")
    if kind == "core" and random.random() < 0.3:
        answers = ("Negative", "Positive")
    if random.random() < 0.4:
        pen.said(
            random.choice((SRP, HMGCR)), "Negative", 1450
        )  # asked once more, and then answered otherwise
    pen.said(SRP, answers[0], 1400)
    pen.said(HMGCR, answers[1], 1390)
    if kind != "core":
        pen.enzyme(CK, random.choice((5000, 900)), random.choice((1300, 200)))


def enzymes(pen: Pen, quiet: bool) -> None:
    random = pen.random
    old = random.choice(((), ((210, 100),), ((100, 120),)))
    new = (
        ((100, 120),)
        if quiet
        else random.choice((((210, 100),), ((100, 120),), ((100, 120), (210, 100)), ()))
    )
    for number, (ast, alt) in enumerate((*old, *new)):
        days = 400 - 190 * number if len((*old, *new)) - 1 > number else 20
        pen.enzyme(AST, ast, days)
        pen.enzyme(ALT, alt, days)
    if random.random() < 0.2 and not quiet:
        pen.measured(RATIO, 2.1, "{ratio}", 15)
    pen.enzyme(CK, 4000, 1200)
    for days in (700, 300, 120):
        if random.random() < 0.5:
            pen.enzyme(CK, random.choice((150, 150, 380, 900)), days)
    pen.enzyme(CK, 150 if quiet else random.choice((150, 150, 380, 900)), 5)


def ana(pen: Pen, quiet: bool) -> None:
    random = pen.random
    for titre in ("1:80",) if quiet else random.choice((("1:80",), ("1:640",), ("1:80", "1:640"), ())):
        pen.said(random.choice((ANA, ANA, ANA_SCREEN)), titre, random.choice((300, 900)))
    if not quiet and random.random() < 0.2:
        pen.said(ANA_SCREEN, random.choice(("Positive", "Negative")), 250)


def heart(pen: Pen, quiet: bool) -> None:
    random = pen.random
    if quiet or random.random() < 0.6:
        pen.measured(TROPONIN_I, 10, "ng/L", 40, 26)
    if random.random() < 0.3:
        pen.measured(LVEF, 60, "%", random.choice((100, 30)))
    if quiet:
        return
    if random.random() < 0.3:
        pen.measured(LVEF, 45, "%", random.choice((800, 35)))
    if random.random() < 0.3:
        pen.measured(
            random.choice((TROPONIN_I, TROPONIN_T, NT_PROBNP)), 900, "ng/L", random.choice((100, 30)), 26
        )
    if random.random() < 0.2:
        pen.diagnosis(random.choice(((SNOMED, "50920009"), (ICD, "I40.8"))), 1000)


def treatment(pen: Pen, quiet: bool) -> None:
    random = pen.random
    course = "one" if quiet else random.choice(("one", "two", "year", "none", "short", "escalated"))
    if course != "none":
        pen.medicine(PREDNISONE, 1200, random.choice((500, 100)))
    if course in ("one", "two", "escalated"):
        pen.medicine(AZATHIOPRINE, 1150, 0)
    if course == "two":
        pen.medicine(METHOTREXATE, 800, 0)
    if course == "escalated":
        pen.medicine(RITUXIMAB, 600, 590)
    if course == "short":
        pen.medicine(METHOTREXATE, 60, 0)
    if random.random() < (0.15 if quiet else 0.3):
        pen.medicine(ATORVASTATIN, 300, 0)


def other_chart(random: Random) -> Chart:
    """A patient without IMNM: a bruised muscle, a weak heart, lupus, a myositis clinic; no positive antibody."""
    pen = Pen(random)
    others = (
        (ICD, "M62.82"),
        (ICD, "I50.9"),
        (ICD, "M32.9"),
        (ICD, "K76.0"),
        (SNOMED, "44054006"),
        (ICD, "I40.8"),
    )
    for code in random.sample(others, random.choice((1, 2, 3))):
        pen.diagnosis(code, random.choice((30, 400, 2000)))
    if random.random() < 0.15:
        pen.diagnosis(BROAD, 800)
        pen.enzyme(CK, 180, 10)
    elif random.random() < 0.5:
        pen.enzyme(CK, random.choice((150, 600, 9000)), random.choice((5, 100)))
    if random.random() < 0.15:
        pen.said(SRP, "Negative", 300)
        pen.said(HMGCR, "not detected", 290)
    enzymes(pen, quiet=True)
    ana(pen, quiet=False)
    heart(pen, quiet=False)
    treatment(pen, quiet=False)
    return pen.chart


@cache
def queries() -> list[tuple[str, str, dict[str, str]]]:
    """(key, resource type, what is asked for) of every query for the patient."""
    asked = []
    for query in QUERIES:
        wanted = dict(query.parameters(TABLES)) | {"patient": "p1"}
        wanted.pop("_count", None)
        asked.append((query.key, query.resource_type, {} if query.key == "patient" else wanted))
    return asked


def keys_of(resource: dict) -> list[str]:
    """The queries that bring a resource."""
    kind = resource["resourceType"]
    return [key for key, of_type, wanted in queries() if of_type == kind and matches(resource, wanted)]


__all__ = ["INGREDIENTS", "LOINC", "Chart", "imnm_chart", "keys_of", "other_chart"]
