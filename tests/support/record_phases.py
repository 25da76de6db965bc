"""Drawn courses of CK alone: one for each phase of the disease, at the edges of rules R2, R2b, R4 and U5b."""

from . import record_courses as courses
from . import record_damage as damage
from . import record_labs as labs
from .record_draw import UCUM, Chart, codes_of

UNREADABLE = (
    damage.no_unit,
    damage.unknown_unit,
    damage.no_status,
    damage.subject_on_another_server,
    damage.modifier_extension,
    damage.number_as_text,
    damage.undated,
    damage.status_unknown,
)


def without(chart: Chart, *roles: str) -> None:
    """Take the results of some analytes off the chart, so that a course decides."""
    codes = {code for role in roles for _, code in codes_of("observations")[role]}
    kept = []
    for resource in chart.resources:
        codings = resource.get("code", {}).get("coding", ())
        if resource["resourceType"] != "Observation" or not {one.get("code") for one in codings} & codes:
            kept.append(resource)
    chart.resources[:] = kept


def improved(chart: Chart) -> int:
    """A peak and an improvement after it: the lowest result that R2 starts from."""
    courses.ck_at(chart, chart.pick(700, 500), 5000, 402, 600, 1000)
    lowest = chart.pick(200, 300, 400, 100)
    courses.ck_at(chart, chart.pick(300, 200), lowest, lowest, 401, 500)
    return lowest


def relapse_by_two(chart: Chart) -> None:
    lowest = improved(chart)
    latest = chart.pick(10, 59, 60, 61)
    values = (lowest * 1.5, 301, lowest * 1.5 + 1, 300, lowest * 1.5 - 1, 999)
    courses.ck_at(chart, latest + chart.pick(120, 30, 121, 119, 120.00002, 0.3), *values)
    courses.ck_at(chart, latest, *values)


def relapse_by_one(chart: Chart) -> None:
    lowest = improved(chart)
    courses.ck_at(chart, chart.pick(10, 59, 60, 61), lowest * 3, 1001, 1000, lowest * 3 - 1, 5000)


def rising(chart: Chart) -> None:
    lowest = improved(chart)
    courses.ck_at(chart, chart.pick(10, 59, 60, 61), lowest * 1.5, 301, 300, 600, lowest * 1.5 - 1)


def active_high(chart: Chart) -> None:
    courses.ck_at(chart, chart.pick(400, 300), 5000, 1500, 1000)
    courses.ck_at(chart, chart.pick(100, 179, 180, 181), 1001, 1000, 999, 2500, 2501)


def active_without_fall(chart: Chart) -> None:
    """Above 2 x ULN and never at half of the peak since."""
    peak = chart.pick(802, 800, 900)
    courses.ck_at(chart, 300, peak)
    for age in (chart.pick(200, 300, 299.9), chart.pick(90, 179, 180)):
        courses.ck_at(chart, age, 401, 400, 450, 451, 600)


def improving(chart: Chart) -> None:
    courses.ck_at(chart, 400, 5000, 2000)
    courses.ck_at(chart, 200, 900, 1000, 800)
    courses.ck_at(chart, chart.pick(100, 180), 500, 401, 400, 800)


def controlled(chart: Chart) -> None:
    courses.ck_at(chart, 400, 5000, 401)
    courses.ck_at(chart, chart.pick(100, 180, 181), 150, 300, 301, 400, 299)


def in_brackets(chart: Chart) -> None:
    """A peak, a nadir or a latest CK that is no single number."""
    ages = (400, 250, chart.pick(20, 100))
    shapes = chart.pick(("interval", "", ""), ("", "interval", ""), ("", "", "interval"), ("", "", "text"))
    for age, shape, values in zip(ages, shapes, ((1000, 5000), (300, 200), (450, 700, 1001)), strict=True):
        if shape == "interval":
            ends = (values[0] / chart.pick(2, 1.1, 3), values[0] * chart.pick(1.2, 2, 3))
            low, high = ({"value": end, "unit": "U/L", "system": UCUM, "code": "U/L"} for end in ends)
            held = chart.pick({"low": low, "high": high}, {"low": low}, {"high": high})
            labs.observation(chart, "ck", chart.when(age), valueRange=held)
        elif shape == "text":
            text = chart.pick("> 300 U/L", "< 1000 U/L", "300-500 U/L", ">20,000 U/L", "1,001 U/L")
            labs.observation(chart, "ck", chart.when(age), valueString=text)
        else:
            courses.ck_at(chart, age, *values)


PHASES = (
    relapse_by_two,
    relapse_by_one,
    rising,
    active_high,
    active_without_fall,
    improving,
    controlled,
    in_brackets,
)


def phase(chart: Chart) -> None:
    """One course; sometimes a CK in it, or after it, that cannot be used."""
    if not chart.rarely(4):
        without(chart, "ck")
    held = len(chart.resources)
    chart.pick(*PHASES)(chart)
    drawn = chart.resources[held:]
    if drawn and chart.rarely(3):
        chart.pick(*UNREADABLE)(chart.pick(*drawn))
    if chart.rarely(4):
        late = labs.observation(
            chart,
            "ck",
            chart.when(chart.pick(5, 150, 350)),
            valueQuantity={"value": chart.pick(150, 600), "unit": "U/L", "system": UCUM, "code": "U/L"},
        )
        chart.pick(*UNREADABLE)(late)
