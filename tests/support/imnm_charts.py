"""Charts of patients with IMNM, definite or probable: of every phase and every band, many of them quiet.

A third are those of `records` with all that goes wrong there; the others are clean courses of the disease. Drawn with
`random.Random`, because thousands are needed and none is to be made smaller.
"""

from collections.abc import Iterator
from random import Random

from cds_service.cards.assessment import Assessment, assess
from fhir_mapping.checks import judge
from fhir_mapping.record import Gathered

from . import record_care as care
from . import record_courses as courses
from . import record_doubts as doubts
from . import record_history as history
from . import record_labs as labs
from . import record_phases as phases
from .record_draw import AS_OF, SNOMED, Chart
from .records import KEYS, MEDICATIONS, Record, bundle_of, eventful, not_offered
from .two_readings import gathered, packaged

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LIMIT = [{"high": {"value": 14, "unit": "ng/L"}}]
TITRES = ("1:80", "1:80", "1:160", "1:640", "1:1280", "Positive", "Negative", None)
INTERVALS = (10, 20, 40, 55, 85, 120, 170, 300, 400)  # the table's, and what is late by one of them


class Drawn(Chart):
    """A chart whose choices are those of a `Random`."""

    def __init__(self, random: Random, as_of: str) -> None:
        super().__init__(None, as_of)
        self.random = random

    def pick(self, *options):
        return self.random.choice(options)

    def rarely(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def often(self, share: float) -> bool:
        return self.random.random() < share


def imnm_charts(seed: int, count: int) -> Iterator[tuple[Record, Assessment]]:
    """So many patients whom the model is for, the same ones for the same seed, each with what the product finds."""
    random = Random(seed)
    found = 0
    while found < count:
        record = drawn_record(random)
        assessment = assessed(record)
        if assessment.findings.eligibility.state in ("definite", "probable"):
            found += 1
            yield record, assessment


def assessed(record: Record) -> Assessment:
    """What the product finds in a record."""
    given: Gathered = gathered(record)
    return assess(judge(given, moment(record)), packaged()[1])


def moment(record: Record):
    return Chart(None, record.as_of).as_of


def drawn_record(random: Random) -> Record:
    """One chart, mostly of somebody who has the disease."""
    chart = Drawn(random, random.choice(AS_OF))
    kind = random.choices((eventful_course, care.quiet, quiet, course), (20, 10, 40, 30))[0]
    if kind is eventful_course:
        chart.patient_reference = history.identity(chart)
    kind(chart)
    failed = {chart.pick(*KEYS, *MEDICATIONS): None for _ in chart.how_many(*(0,) * 24, 1, 2, 6)}
    return Record(
        bundle=bundle_of(chart),
        as_of=chart.as_of_text,
        any_encounter_counts=not chart.rarely(8),
        failed=tuple(failed),
        not_offered=not_offered(chart) if chart.rarely(2) else (),
    )


def eventful_course(chart: Drawn) -> None:
    eventful(chart, None)


def quiet(chart: Drawn) -> None:
    """Controlled, low, looked after in time; now and then one thing more."""
    diagnosis(chart)
    chart.pick(*(controlled,) * 9, improving, old)(chart)
    predictors(chart, present=0 if chart.often(0.8) else 1, unknown=chart.pick(0, 0, 1, 2))
    looked_after(chart, late=0.02)
    if chart.often(0.3):
        one_thing(chart)
    if chart.rarely(10):
        chart.pick(newer, doubts.damaged, doubts.medicine_in_words, doubts.antibody_in_words)(chart)


def course(chart: Drawn) -> None:
    """Any phase, any predictors, any follow-up."""
    diagnosis(chart)
    chart.pick(relapse, rising, active, improving, controlled, controlled, old, phases.phase)(chart)
    predictors(chart, present=chart.pick(0, 1, 1, 2, 2, 3, 4), unknown=chart.pick(0, 0, 1, 1, 2, 3))
    looked_after(chart, late=chart.pick(0, 0.1, 0.5))
    for _ in chart.how_many(0, 1, 2):
        one_thing(chart)


def one_thing(chart: Drawn) -> None:
    """Lungs, a statin, a cancer, plans, something that could not be read."""
    chart.pick(
        care.care, care.lungs, care.statin_asked, care.orders, care.early_onset, statin, doubts.damaged, newer
    )(chart)


def diagnosis(chart: Drawn) -> None:
    """A core code, or the signs that make it probable; the antibodies in each combination."""
    begun = chart.pick(1500, 800, 3000, 200)
    answers = chart.pick(
        ("Negative", "Negative"), ("Positive", "Negative"), ("Negative", "Positive"), ("Negative", None)
    )
    if chart.rarely(5) and "Positive" in answers:
        chart.add("Condition", code=chart.code("conditions", "broad"), onsetDateTime=day(chart, begun))
        courses.plain(chart, "ck", begun, 5000)
    else:
        status = history.coded(history.CLINICAL, "recurrence") if chart.rarely(40) else None
        code = chart.code("conditions", "core")
        chart.add("Condition", code=code, onsetDateTime=day(chart, begun), clinicalStatus=status)
    for role, answer in zip(("anti-srp", "anti-hmgcr"), answers, strict=True):
        if answer:
            labs.observation(chart, role, day(chart, begun - 20), valueString=answer)


def day(chart: Drawn, age: float) -> str:
    return chart.when(max(age, 0), ("day", "instant"))


def cks(chart: Drawn, *rows: tuple[float, float]) -> None:
    """CK so many days ago, of so many times the default limit."""
    for age, times in rows:
        courses.plain(chart, "ck", age, round(200 * times))


def controlled(chart: Drawn) -> None:
    cks(chart, (1300, 25), (500, 1.2), (chart.pick(10, 40, 80), chart.pick(0.6, 0.8, 1, 1.4)))


def improving(chart: Drawn) -> None:
    cks(chart, (170, 40), (90, 12), (chart.pick(10, 40, 80), chart.pick(2.1, 3, 4.9)))


def active(chart: Drawn) -> None:
    cks(chart, (chart.pick(20, 150), chart.pick(100, 30, 8)), (chart.pick(5, 15), chart.pick(6, 20, 60)))


def rising(chart: Drawn) -> None:
    cks(chart, (900, 30), (200, 0.8), (chart.pick(5, 40), chart.pick(1.6, 2, 4)))


def relapse(chart: Drawn) -> None:
    last = chart.pick(5, 20, 50)
    cks(chart, (900, 30), (300, 0.8), (last + 40, chart.pick(2, 1, 4)), (last, chart.pick(5.5, 3, 9)))


def old(chart: Drawn) -> None:
    cks(chart, (1300, 25), (chart.pick(200, 400, 900), chart.pick(0.9, 3)))


def newer(chart: Drawn) -> None:
    """A newer CK that cannot be read."""
    given = {"value": chart.pick(150, 900)} if chart.often(0.7) else {"value": 3, "unit": "stars"}
    labs.observation(chart, "ck", day(chart, chart.pick(1, 30)), valueQuantity=given)


def statin(chart: Drawn) -> None:
    history.treatment(chart, "MedicationStatement", "statin", chart.pick(2000, 400))


def predictors(chart: Drawn, present: int, unknown: int) -> None:
    """So many of the four present, so many not known, as far as they go."""
    names = chart.random.sample(("ratio", "ana", "heart", "treatment"), 4)
    kinds = ["present"] * present + ["unknown"] * min(unknown, 4 - present)
    for name, kind in zip(names, kinds + ["absent"] * 4, strict=False):
        {"ratio": ratio, "ana": ana, "heart": heart, "treatment": treatment}[name](chart, kind)


def ratio(chart: Drawn, kind: str) -> None:
    ast = {"present": 210, "absent": 120, "unknown": 30}[kind]
    if kind == "unknown" and chart.often(0.5):
        return
    age = chart.pick(30, 200, 400, 1200)
    for role, value in (("ast", ast), ("alt", 100 if ast > 100 else 30)):
        courses.plain(chart, role, age, value, specimen={"reference": "Specimen/r"})
    courses.plain(chart, "ck", age, 2000) if age > 1000 else None


def ana(chart: Drawn, kind: str) -> None:
    titre = {"present": "1:640", "absent": chart.pick("1:80", "Negative")}.get(
        kind, chart.pick("Positive", None, "1:160-1:640")
    )
    if titre:
        labs.observation(chart, "ana", day(chart, chart.pick(100, 1000, 2000)), valueString=titre)


def heart(chart: Drawn, kind: str) -> None:
    if kind == "present":
        chart.add("Condition", code=chart.code("conditions", "cardiac-a"), onsetDateTime=day(chart, 150))
    elif kind == "unknown":
        if chart.often(0.5):
            courses.plain(chart, "troponin-t", 20, 60, "ng/L", referenceRange=LIMIT)
        return
    courses.plain(chart, "troponin-i", chart.pick(20, 150, 300), 5, "ng/L", referenceRange=LIMIT)


def treatment(chart: Drawn, kind: str) -> None:
    if kind == "unknown":
        if chart.often(0.5):
            taken(chart, "prednisone", 60)
        return
    taken(chart, "prednisone", 900)
    if kind == "present":
        taken(chart, "methotrexate", 880)
        taken(chart, "azathioprine", 780)
        courses.plain(chart, "ck", 500, 900)


def taken(chart: Drawn, ingredient: str, begun: float) -> None:
    courses.given(chart, ingredient, begun, None, 5)["status"] = "active"


def looked_after(chart: Drawn, late: float) -> None:
    """Everything the table asks for; each part late or never done with that share."""
    fresh = {"visit": 5, "enzymes": 5, "troponin-i": 20, "ecg": 20, "echo": 30, "fvc": 30}
    ages: dict[str, float | None] = {}
    for name, age in fresh.items():
        ages[name] = chart.pick(*INTERVALS, None) if chart.often(late) else age
    if (age := ages["visit"]) is not None:
        period = {"start": day(chart, age)}
        kind = {"system": ACT, "code": "AMB"}
        chart.add("Encounter", status="finished", period=period, **{"class": kind})
    if (age := ages["enzymes"]) is not None:
        for role in ("ast", "alt"):
            courses.plain(chart, role, age, 30)
    if (age := ages["troponin-i"]) is not None:
        courses.plain(chart, "troponin-i", age, 5, "ng/L", referenceRange=LIMIT)
    if (age := ages["fvc"]) is not None:
        courses.plain(chart, "fvc", age, 3, "L")
    for name, code in (("ecg", "29303009"), ("echo", "40701008")):
        if (age := ages[name]) is not None:
            coded = {"coding": [{"system": SNOMED, "code": code}]}
            chart.add("Procedure", status="completed", code=coded, performedDateTime=day(chart, age))
