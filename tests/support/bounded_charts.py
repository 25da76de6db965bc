"""Charts with several results of one time, many of them bounds and intervals: which one a rule asks about is open."""

from random import Random

from . import imnm_charts as charts
from . import record_labs as labs
from .imnm_charts import Drawn
from .record_draw import AS_OF, UCUM, codes_of
from .records import Record, bundle_of

SIGNS = ("", "", "", "<", "<=", ">", ">=", "-", "-")
ANALYTES = {  # unit, values, limits
    "ck": ("U/L", (100, 150, 200, 300, 400, 450, 600, 1000, 1500, 2500, 3000, 5000), (None, 225, 150, 400)),
    "troponin-i": ("ng/L", (5, 13, 14, 20, 26, 30, 39, 40, 45, 60), (None, 14, 40, 40, 50)),
    "troponin-t": ("ng/L", (5, 13, 14, 15, 20, 45, 60), (None, 14, 14, 50)),
    "nt-probnp": ("ng/L", (100, 125, 300, 450, 500), (None, 125, 300)),
    "lvef": ("%", (35, 40, 45, 49, 50, 55, 60), (None,)),
    "lymphocytes": ("10*9/L", (0.5, 0.9, 1.0, 1.2, 2.0), (None, 1.0, 1.0, 1.1)),
    "fvc": ("L", (2, 2.5, 2.7, 3, 3.3), (None,)),
}
AGES = (900, 500, 400, 200, 120, 100, 40, 40, 12, 10, 10, 10)


def bounded_record(random: Random) -> Record:
    """One chart of somebody who has the disease, with two or three results at many of its times."""
    chart = Drawn(random, AS_OF[0])
    charts.diagnosis(chart)
    if chart.often(0.5):
        charts.predictors(chart, present=0, unknown=chart.pick(0, 1, 2))
        charts.looked_after(chart, late=0)
    for begun in chart.pick((), (450,), (300,), (1000, 700)):
        charts.taken(chart, chart.pick("prednisone", "methotrexate", "azathioprine"), begun)
    chart.pick(courses_of_ck, ratios, heart, blood, courses_of_ck, ratios, heart)(chart)
    if chart.often(0.5):
        chart.pick(courses_of_ck, ratios, heart, charts.newer, blood)(chart)
    return Record(bundle=bundle_of(chart), as_of=chart.as_of_text)


def courses_of_ck(chart: Drawn) -> None:
    """CK at some times, and now and then one that cannot be used."""
    for age in chart.random.sample(AGES, chart.pick(1, 2, 3, 4)):
        at_once(chart, "ck", age)
    if chart.rarely(4):
        amount = {"value": chart.pick(90, 300)}
        labs.observation(chart, "ck", when(chart, chart.pick(*AGES) + 1), valueQuantity=amount)


def heart(chart: Drawn) -> None:
    """Tests of the heart, one or two analytes at one time or at several."""
    for _ in chart.how_many(1, 2, 3):
        analyte = chart.pick("troponin-i", "troponin-i", "troponin-t", "nt-probnp", "lvef", "lvef")
        at_once(chart, analyte, chart.pick(*AGES))


def ratios(chart: Drawn) -> None:
    """AST and ALT of one specimen each, some of one time, and the CK that lies equally near on either side."""
    for number in chart.how_many(1, 1, 2, 3):
        age, specimen = chart.pick(10, 10, 10, 100), {"reference": f"Specimen/b{number}"}
        for role, values in (("ast", (30, 60, 86.5, 100, 174)), ("alt", (30, 50, 100))):
            result(chart, role, age, chart.pick(*values), chart.pick(None, 40), specimen=specimen)
    if chart.rarely(4):
        result(chart, "ast-alt-ratio", chart.pick(10, 100), chart.pick(1, 1.73, 1.8, 2), None, unit="{ratio}")
    for age in chart.random.sample((9, 10, 11, 99, 101), chart.pick(0, 1, 2, 3)):
        at_once(chart, "ck", age)


def blood(chart: Drawn) -> None:
    """Lymphocytes and forced vital capacity."""
    for _ in chart.how_many(1, 2, 3):
        at_once(chart, chart.pick("lymphocytes", "lymphocytes", "fvc"), chart.pick(10, 10, 200))


def at_once(chart: Drawn, analyte: str, age: float) -> None:
    """One to three results of an analyte at one time."""
    _, values, limits = ANALYTES[analyte]
    for _ in chart.how_many(1, 2, 2, 3):
        result(chart, analyte, age, chart.pick(*values), chart.pick(*limits))


def result(chart: Drawn, role: str, age: float, value: float, limit: float | None, **more) -> None:
    """A result as one number, with a comparator, or as an interval from a part of it."""
    unit = {"unit": more.pop("unit", None) or ANALYTES.get(role, ("U/L",))[0], "system": UCUM}
    unit["code"] = unit["unit"]
    sign = chart.pick(*SIGNS)
    if sign == "-":
        low = round(value * chart.pick(0.5, 0.8, 0.9), 6)
        given = {"valueRange": {"low": {"value": low, **unit}, "high": {"value": value, **unit}}}
    else:
        given = {"valueQuantity": {"value": value, **unit, **({"comparator": sign} if sign else {})}}
    end = "low" if role == "lymphocytes" else "high"
    ranges = [{end: {"value": limit, **unit}}] if limit else None
    drawn = labs.observation(chart, role, when(chart, age), referenceRange=ranges, **given, **more)
    system, code = codes_of("observations")[role][0]
    drawn["code"] = {"coding": [{"system": system, "code": code}]}


def when(chart: Drawn, age: float) -> str:
    return chart.when(max(age, 0), ("instant",))
