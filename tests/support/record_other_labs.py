"""Drawn results of the heart, the blood count, the lungs and of studies without a number."""

from .record_draw import UCUM, Chart
from .record_labs import enzyme_quantity, observation, with_sign


def cardiac_test(chart: Chart) -> None:
    role = chart.pick("lvef", "troponin-i", "troponin-t", "nt-probnp")
    time = chart.edge(100, 30, 365, 800, 1400)
    if role == "lvef":
        value = chart.pick(60, 50, 49.9, 50.1, 45, 0.45, 0.5, 1, 5, 4.9, 90, 91)
        unit = chart.pick({"unit": "%", "system": UCUM, "code": "%"}, {}, {"unit": "1"}, {"unit": "mL"})
        observation(chart, role, time, valueQuantity=with_sign(chart, {"value": value, **unit}))
        return
    value = chart.pick(10, 15, 14, 14.1, 60, -1, 1000000, 1000001)
    unit = chart.pick("ng/L", "ng/L", "pg/mL", "ng/mL")
    limit = chart.pick({"value": 14, "unit": "ng/L"}, {"value": 0.014, "unit": "ng/mL"}, None, {"value": 14})
    observation(
        chart,
        role,
        time,
        valueQuantity=with_sign(chart, {"value": value, "unit": unit, "system": UCUM, "code": unit}),
        referenceRange=[{"high": limit}] if limit else None,
    )


def blood_count(chart: Chart) -> None:
    role = chart.pick("lymphocytes", "neutrophils", "ldh", "hbdh", "fvc", "dlco", "ecg", "chest-ct", "echo")
    time = chart.edge(60, 180, 365)
    if role in ("ecg", "chest-ct", "echo"):
        observation(chart, role, time, valueString="see report")
        return
    if role in ("ldh", "hbdh"):
        observation(chart, role, time, valueQuantity=enzyme_quantity(chart, 300))
        return
    if role in ("fvc", "dlco") and chart.rarely(4):
        observation(chart, role, time)
        return
    if role in ("fvc", "dlco"):
        observation(chart, role, time, valueQuantity={"value": 3.1, "unit": "L"})
        return
    value, unit = chart.pick((0.9, "10*9/L"), (1.0, "10*3/uL"), (1.1, "10*9/L"), (900, "/uL"), (0, "10*9/L"))
    ranges = [{"low": {"value": 1.0, "unit": "10*9/L"}, "high": {"value": 4, "unit": "10*9/L"}}]
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    held = chart.pick(None, {"reference": "Specimen/b1"})
    observation(
        chart, role, time, valueQuantity=quantity, specimen=held, referenceRange=chart.pick(ranges, None)
    )
