"""The nomogram, drawn from the artefact's own numbers, so that it cannot differ from what is served."""

from collections.abc import Mapping, Sequence
from math import log1p
from typing import Any

import numpy as np

from models.training.report.figures.canvas import BLACK, GREY, SMALL, Axes, Canvas, even, width_of
from models.training.report.words import written

MOST_POINTS = 100
_RISKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_ROW = 46.0
_CLOSEST = 26.0  # px between two risks


def nomogram(model: Mapping[str, Any]) -> dict[str, Any]:
    """The scales: points by predictor, total points, and the points at which each risk is reached at each horizon.

    The largest log hazard ratio in size gives 100 points; a negative one gives its points where it is absent.
    """
    ratios = [row["log_hazard_ratio"] for row in model["predictors"]]
    unit = max(abs(ratio) for ratio in ratios) / MOST_POINTS
    predictors = [
        {
            "label": row["label"],
            "absent": max(0.0, -ratio / unit),
            "present": max(0.0, ratio / unit),
        }
        for row, ratio in zip(model["predictors"], ratios, strict=True)
    ]
    least = sum(min(0.0, ratio) for ratio in ratios)  # the log relative hazard at 0 points
    total = sum(max(row["absent"], row["present"]) for row in predictors)
    scales = [_scale(row, unit, least, total) for row in model["horizons"]]
    return {"log_hazard_per_point": unit, "total": total, "predictors": predictors, "scales": scales}


def _scale(horizon: Mapping[str, Any], unit: float, least: float, total: float) -> dict[str, Any]:
    hazard = horizon["baseline_cumulative_hazard"]
    at = [(float(np.log(-log1p(-risk) / hazard)) - least) / unit for risk in _RISKS]
    rows = [
        {"risk": risk, "points": points}
        for risk, points in zip(_RISKS, at, strict=True)
        if 0 <= points <= total
    ]
    return {"horizon": horizon["horizon"], "years": horizon["years"], "risks": rows}


def nomogram_figure(scales: Mapping[str, Any]) -> Canvas:
    """Points above, a line a predictor, total points, and a line of risks a horizon."""
    rows = len(scales["predictors"]) + 2 + len(scales["scales"])
    names = [f"Risk at {s['years']:g} years (%)" for s in scales["scales"]]
    left = max(width_of(text) for text in [*names, *(p["label"] for p in scales["predictors"])]) + 24
    canvas = Canvas(
        "nomogram", "Nomogram of the model as served", _about(scales), left + 430 + 30, _ROW * rows + 14
    )
    points = Axes(canvas, left, 0, 430, 1, (0.0, float(MOST_POINTS)), (0.0, 1.0))
    _row(points, 0, "Points", [(tick, tick) for tick in even(0, MOST_POINTS, 10)])
    for k, predictor in enumerate(scales["predictors"], start=1):
        _predictor(points, k, predictor)
    below = len(scales["predictors"]) + 1
    total = Axes(canvas, left, 0, 430, 1, (0.0, scales["total"]), (0.0, 1.0))
    step = 50 if scales["total"] > 2 * MOST_POINTS else 20
    _row(total, below, "Total points", [(tick, tick) for tick in even(0, scales["total"], step)])
    for k, scale in enumerate(scales["scales"]):
        ticks = [(row["points"], row["risk"]) for row in scale["risks"]]
        years = f"Risk at {scale['years']:g} year{'' if scale['years'] == 1 else 's'} (%)"
        _row(total, below + 1 + k, years, _apart(total, ticks), percent=True)
    return canvas


def _about(scales: Mapping[str, Any]) -> str:
    present = "; ".join(f"{p['label']} {p['present']:.0f}" for p in scales["predictors"])
    return (
        f"Read each predictor's points on the uppermost scale, add them, and read the risk below the total. "
        f"Points if present: {present}."
    )


def _apart(axes: Axes, ticks: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Only the ticks that leave room for their numbers."""
    kept: list[tuple[float, float]] = []
    for points, risk in ticks:
        if not kept or axes.x(points) - axes.x(kept[-1][0]) >= _CLOSEST:
            kept.append((points, risk))
    return kept


def _row(
    axes: Axes, k: int, name: str, ticks: Sequence[tuple[float, float]], *, percent: bool = False
) -> None:
    canvas, y = axes.on, 30 + k * _ROW
    canvas.word(4, y + 4, name, bold=k == 0 or percent or name == "Total points")
    if not ticks:
        canvas.word(axes.left, y + 4, "no usual risk lies in the range", size=SMALL)
        return
    canvas.line([(axes.x(ticks[0][0]), y), (axes.x(ticks[-1][0]), y)], BLACK)
    for place, value in ticks:
        x = axes.x(place)
        canvas.line([(x, y), (x, y + 5)], BLACK)
        canvas.word(x, y + 18, written(value, 0, percent=percent), anchor="middle", size=SMALL, value=value)


def _predictor(axes: Axes, k: int, predictor: Mapping[str, Any]) -> None:
    canvas, y = axes.on, 30 + k * _ROW
    canvas.word(4, y + 4, predictor["label"])
    ends = sorted([(predictor["absent"], "absent"), (predictor["present"], "present")])
    canvas.line([(axes.x(ends[0][0]), y), (axes.x(ends[1][0]), y)], GREY)
    for place, text in ends:
        x = axes.x(place)
        canvas.mark(x, y, "circle", BLACK, filled=text == "present", size=3.5)
        canvas.word(x, y + 18, text, anchor="middle", size=SMALL)
