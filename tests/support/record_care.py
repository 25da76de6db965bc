"""Drawn care: lungs and pregnancy, statins, visits that may be one, orders, and results that say nothing (rules 7, X)."""

from . import record_courses as courses
from . import record_damage as damage
from . import record_history as history
from . import record_labs as labs
from .record_draw import LOINC, SNOMED, UCUM, Chart
from .record_phases import without

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FVC = ("19868-9", "19868-9", "19868-9", "19870-5")


def volume(chart: Chart, age: float, litres: float) -> dict:
    """An FVC in litres or in another unit, as a number, an interval or a text."""
    shape = chart.pick(*("number",) * 8, "millilitres", "percent", "no unit", "text", "range", "said")
    quantity = {"value": litres, "unit": "L", "system": UCUM, "code": "L"}
    value: dict = {"valueQuantity": labs.with_sign(chart, quantity)}
    if shape == "millilitres":
        value = {"valueQuantity": {"value": litres * 1000, "unit": "mL", "system": UCUM, "code": "mL"}}
    elif shape == "percent":
        value = {"valueQuantity": {"value": litres * 25, "unit": "%"}}
    elif shape == "no unit":
        value = {"valueQuantity": {"value": litres}}
    elif shape == "text":
        value = {"valueString": chart.pick(f"{litres} L", f"{litres}", f"< {litres} l", f"{litres} L (L)")}
    elif shape == "range":
        ends = {"low": {**quantity, "value": litres - 0.1}, "high": {**quantity, "value": litres + 0.1}}
        value = {"valueRange": ends}
    elif shape == "said":
        value = chart.pick({"valueString": "not done"}, {"valueString": "see report"}, {})
    code = {"coding": [{"system": LOINC, "code": chart.pick(*FVC)}]}
    status = chart.pick("final", "final", "amended")
    time = chart.when(age, ("day", "instant"))
    return chart.add("Observation", status=status, code=code, effectiveDateTime=time, **value)


def breath(chart: Chart) -> None:
    """X2: an FVC of the last year, and one of the two years before it, about 10 % higher."""
    if not chart.rarely(3):
        without(chart, "fvc")
    latest = chart.pick(30, 100, 365, 364, 366)
    volume(chart, latest, chart.pick(2.7, 2.71, 2.69, 2, 3))
    for _ in chart.how_many(1, 2):
        volume(chart, latest + chart.pick(200, 730, 729, 731, 0.5), 3)


def beat(chart: Chart) -> None:
    """X2: an ejection fraction that fell by about 10 points."""
    if not chart.rarely(3):
        without(chart, "lvef")
    latest, code = chart.pick(30, 364, 365, 366), chart.pick("10230-1", "10230-1", "8806-2")
    for age, value, at in (
        (latest, chart.pick(55, 55.1, 54.9, 45, 0.55), code),
        (latest + chart.pick(300, 730, 731, 729), chart.pick(65, 66, 0.65), "10230-1"),
    ):
        quantity = labs.with_sign(chart, {"value": value, "unit": "%", "system": UCUM, "code": "%"})
        coded = {"coding": [{"system": LOINC, "code": at}]}
        time = chart.when(age, ("day", "instant"))
        chart.add("Observation", status="final", code=coded, effectiveDateTime=time, valueQuantity=quantity)


def lungs(chart: Chart) -> None:
    """ILD known for about a year, a CT or none, a fall after it or before it, and orders."""
    history.condition(chart, "ild", plain=True)
    if chart.rarely(2):
        begun = chart.when(chart.pick(200, 364, 365, 366), ("day", "instant"))
        chart.resources[-1].pop("onsetPeriod", None)
        chart.resources[-1]["onsetDateTime"] = begun
    if not chart.rarely(3):
        breath(chart)
    if not chart.rarely(3):
        scan(chart)
    if chart.rarely(3):
        order_of(chart, (SNOMED, "16335031000119103"), (LOINC, "24627-2"))
    if chart.rarely(3):
        pregnancy(chart)


def scan(chart: Chart) -> None:
    """A chest CT, as Procedure, as report, or as an Observation."""
    time = chart.when(chart.pick(100, 30, 400, 1000, 101), ("day", "instant"))
    kind = chart.pick("Procedure", "DiagnosticReport", "Procedure", "Observation")
    if kind == "Procedure":
        code = {"coding": [{"system": SNOMED, "code": "16335031000119103"}]}
        chart.add(kind, status="completed", code=code, performedDateTime=time)
        return
    code = {"coding": [{"system": LOINC, "code": "24627-2"}]}
    value = {"valueString": "see report"} if kind == "Observation" else {}
    chart.add(kind, status="final", code=code, effectiveDateTime=time, **value)


def pregnancy(chart: Chart) -> None:
    drawn = history.condition(chart, "pregnancy", plain=not chart.rarely(4))
    for name in ("onsetDateTime", "onsetPeriod", "onsetString", "recordedDate"):
        drawn.pop(name, None)
    shape = chart.pick("onset", "onset", "recorded", "undated")
    if shape != "undated":
        name = {"onset": "onsetDateTime", "recorded": "recordedDate"}[shape]
        drawn[name] = chart.when(chart.pick(100, 299, 300, 301, 400), ("day", "instant", "month"))
    if chart.rarely(3):
        drawn["abatementDateTime"] = chart.when(chart.pick(20, -20, 0), ("day", "instant"))
    if chart.rarely(6):
        drawn["clinicalStatus"] = history.coded(history.CLINICAL, "resolved")


def early_onset(chart: Chart) -> None:
    """X3 and X4: myositis that began three years ago, or in childhood, and a malignancy about three years from it."""
    drawn = history.condition(chart, "core", plain=True)
    for name in ("onsetDateTime", "onsetPeriod", "onsetString", "recordedDate"):
        drawn.pop(name, None)
    year = chart.as_of.year
    drawn["onsetDateTime"] = chart.pick(
        chart.when(chart.pick(1096, 1095, 1097), ("day", "instant", "second-before", "second-after")),
        chart.pick("1988-06-14", "1988-06-15", "1988", "1987", "1988-06"),
        chart.pick(f"{year - 1}-01-01", f"{year - 2}"),
    )
    if chart.rarely(2):
        begun = chart.when(chart.pick(1096, 2192, 2193, 30, 100), ("day", "instant"))
        chart.add("Condition", code=chart.code("conditions", "malignancy"), onsetDateTime=begun)


def statin_asked(chart: Chart) -> None:
    """The statin row: by code, by words or as a doubt, where anti-HMGCR is positive, unasked or answered."""
    if chart.rarely(2):
        without(chart, "anti-hmgcr", "anti-srp")
    if chart.rarely(3):
        answer = chart.pick("Positive", "Negative", "see comment", "Weakly positive")
        labs.observation(chart, "anti-hmgcr", chart.when(300, ("day",)), valueString=answer)
    kind = chart.pick("MedicationStatement", "MedicationRequest", "MedicationStatement", "MedicationDispense")
    drawn = history.treatment(chart, kind, "statin", chart.pick(2000, 400, 30))
    if chart.rarely(3):
        drawn.pop("medicationReference", None)
        name = chart.pick("atorvastatin 40 mg", "Simvastatin", "他汀", "Crestor", "no statin")
        drawn["medicationCodeableConcept"] = {"text": name}
    if chart.rarely(3):
        for name in ("authoredOn", "effectivePeriod", "dispenseRequest", "dosageInstruction"):
            drawn.pop(name, None)
    if chart.rarely(4):
        chart.pick(damage.no_subject, damage.no_status, damage.modifier_extension, damage.status_unknown)(
            drawn
        )


def unclear_visit(chart: Chart) -> None:
    """An Encounter of which class or status do not say what it was."""
    age = chart.pick(10, 14, 28, 42, 90, 91, 180, 181) + chart.pick(0, 0, 1, -1)
    time = chart.when(age, ("instant", "day"))
    period = chart.pick({"start": time}, {"start": chart.when(age + 1), "end": time})
    drawn = chart.add("Encounter", status="finished", period=period)
    held = chart.pick(
        {"system": "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260", "code": "5"},
        None,
        {"system": ACT, "code": "AMB"},
        {"code": "AMB"},
        {"system": ACT, "code": "XYZ"},
        {"system": ACT, "code": "EMER"},
        {"display": "Office visit"},
        {"system": ACT, "code": "IMP"},
    )
    if held:
        drawn["class"] = held
    status = chart.pick("finished", "finished", None, "closed", "unknown", "cancelled", "in-progress")
    drawn.pop("status")
    if status:
        drawn["status"] = status
    if chart.rarely(4):
        drawn["type"] = [history.specialty(chart)]
    if chart.rarely(6):
        drawn["serviceType"] = {"text": "Rheumatology"}


def order_of(chart: Chart, *codes: tuple) -> None:
    system, code = chart.pick(*codes)
    age = chart.pick(5, 14, 28, 56, 90, 180, 400) + chart.pick(0, 0, 1, -1)
    drawn = chart.add(
        "ServiceRequest",
        status=chart.pick("active", "active", "active", "completed"),
        intent=chart.pick("order", "order", "plan", "proposal"),
        code={"coding": [{"system": system, "code": code}]},
    )
    if not chart.rarely(5):
        drawn["authoredOn"] = chart.when(age, ("instant", "day"))


def orders(chart: Chart) -> None:
    """Orders for what the card would suggest."""
    for _ in chart.how_many(1, 2, 3):
        order_of(
            chart,
            (LOINC, "33921-8"),
            (LOINC, "93493-5"),
            (LOINC, "5048-4"),
            (LOINC, "2157-6"),
            (LOINC, "24323-8"),
            (LOINC, "89579-7"),
            (SNOMED, "306290009"),
            (LOINC, "24627-2"),
            (LOINC, "34534-8"),
        )


def taken_but_not_read(chart: Chart) -> None:
    """V1: results whose value or unit alone is wrong were taken; those that say that there is none were not."""
    role = chart.pick("ck", "ast", "troponin-i", "lvef", "fvc", "dlco", "alt", "anti-srp")
    if chart.rarely(2):
        without(chart, role)
    value = chart.pick(
        {"valueQuantity": {"value": 100}},
        {"valueQuantity": {"value": 100, "unit": "stars"}},
        {"valueString": "see comment"},
        {"valueString": "not done"},
        {"dataAbsentReason": {"coding": [{"code": "masked"}]}},
        {"dataAbsentReason": {"coding": [{"code": "not-performed"}]}},
        {"valueQuantity": {"value": -1, "unit": "U/L", "system": UCUM, "code": "U/L"}},
        {},
    )
    drawn = labs.observation(
        chart, role, chart.when(chart.pick(5, 28, 56, 90, 180, 365), ("day", "instant")), **value
    )
    if chart.rarely(6):
        drawn["status"] = chart.pick("preliminary", "registered")


CARE = (
    breath,
    beat,
    lungs,
    pregnancy,
    early_onset,
    statin_asked,
    unclear_visit,
    orders,
    taken_but_not_read,
)


def care(chart: Chart) -> None:
    """One of them."""
    chart.pick(*CARE)(chart)


def quiet(chart: Chart) -> None:
    """A chart that says all is well and nothing is due, or all but one thing (V6)."""
    chart.add("Condition", code=chart.code("conditions", "core"), onsetDateTime=chart.when(1500, ("day",)))
    for role in ("anti-srp", "anti-hmgcr"):
        if not chart.rarely(9):
            answer = chart.pick("Negative", "Negative", "Positive", "see comment")
            labs.observation(chart, role, chart.when(1400, ("day",)), valueString=answer)
    age = chart.pick(20, 60, 75, 76, 89, 91)
    courses.plain(chart, "ck", 1400, 5000)
    for role, value in (("ck", chart.pick(150, 150, 150, 300, 301, 401)), ("ast", 30), ("alt", 30)):
        courses.plain(chart, role, age, value)
    for role, value in (("ast", chart.pick(150, 150, 200)), ("alt", 100)):
        courses.plain(chart, role, 1390, value, specimen={"reference": "Specimen/q"})
    labs.observation(
        chart, "ana", chart.when(1000, ("day",)), valueString=chart.pick("1:80", "1:80", "1:640")
    )
    if not chart.rarely(5):
        limits = [{"high": {"value": 14, "unit": "ng/L"}}]
        courses.plain(chart, "troponin-i", chart.pick(100, 200, 350, 351), 5, "ng/L", referenceRange=limits)
    courses.given(chart, "prednisone", 900, chart.pick(10, None, 600), 5)
    history.procedure(chart)
    chart.add(
        "DiagnosticReport",
        status="final",
        code={"coding": [{"system": LOINC, "code": "11524-6"}]},
        effectiveDateTime=chart.when(chart.pick(100, 300), ("day",)),
    )
    period = {"start": chart.when(chart.pick(50, 100, 170, 181), ("day",))}
    chart.add("Encounter", status="finished", period=period, **{"class": {"system": ACT, "code": "AMB"}})
    for _ in chart.how_many(0, 1, 0, 0):
        care(chart)
