"""The AUC over time, the stability of single risks, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.training.report.figures.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    SMALL,
    Axes,
    Canvas,
    even,
    spread,
    width_of,
)

_HALF = 0.5
_LOWEST_AUC = 0.4


def auc_figure(points: Sequence[Mapping[str, Any]], last: float) -> Canvas:
    """The AUC by time with its limits; the dotted line is chance."""
    given = [p for p in points if p["auc"]["value"] is not None]
    about = (
        "The AUC at time t, recurrence by t against none, weighted for censoring, with 95 % limits. "
        + "; ".join(
            f"{p['years']:g} years {p['auc']['value']:.2f}" for p in given if float(p["years"]).is_integer()
        )
    )
    canvas = Canvas("auc", "AUC over time", about, 600, 320)
    lowest = min([0.5, *(p["auc"]["low"] for p in given if p["auc"]["low"] is not None)])
    axes = Axes(canvas, 64, 14, 450, 250, (0.0, last), (_LOWEST_AUC if lowest >= _LOWEST_AUC else 0.0, 1.0))
    axes.beside(even(axes.y_range[0], 1, 0.1), "AUC", decimals=1)
    axes.below(even(0, last, 1), "Years since time zero")
    canvas.line(axes.points([0, last], [_HALF, _HALF]), GREY, dash="2 3")
    limits = [p for p in given if p["auc"]["low"] is not None]
    lower = [(axes.x(p["years"]), axes.y(max(p["auc"]["low"], axes.y_range[0]))) for p in limits]
    upper = [(axes.x(p["years"]), axes.y(min(p["auc"]["high"], 1.0))) for p in limits]
    canvas.area([*lower, *reversed(upper)], BLUE)
    places = [(axes.x(p["years"]), axes.y(p["auc"]["value"])) for p in given]
    canvas.line(places, BLUE, thick=2)
    for point, (x, y) in zip(given, places, strict=True):
        whole = float(point["years"]).is_integer()
        canvas.mark(x, y, "circle", BLUE, filled=whole, size=4.5 if whole else 2.5)
    ends = [("chance", axes.y(_HALF)), *([("AUC", places[-1][1])] if places else [])]
    for (text, _), y in zip(ends, spread([y for _, y in ends], 16, axes.top, axes.bottom), strict=True):
        canvas.word(axes.right + 12, y + 4, text)
    return canvas


def stability_figure(stability: Mapping[str, Any], quantiles: Sequence[float]) -> Canvas:
    """The risks that models of resamples give, against the own risk (Riley and Collins 2023)."""
    del quantiles  # they are named in the legend
    about = (
        "For each own risk, the risks of models fitted to bootstrap resamples: dot the median, thick the middle half, "
        f"thin 95 %. On average they differ by {stability['mape'] * 100:.1f} percentage points."
    )
    years = stability["horizon"].removesuffix("y")
    canvas = Canvas("stability", f"Stability of the risk at {years} years", about, 420, 430)
    axes = Axes(canvas, 62, 40, 330, 330, (0.0, 1.0), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Risk by models of resamples (%)", percent=True)
    axes.below(even(0, 1, 0.2), "Own risk (%)", percent=True)
    canvas.line([(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))], GREY, dash="2 3")
    for row in stability["rows"]:
        x, (low, first, middle, third, high) = axes.x(row["own"]), [axes.y(q) for q in row["quantiles"]]
        canvas.line([(x, low), (x, high)], BLUE, thick=1)
        canvas.line([(x, first), (x, third)], BLUE, thick=4)
        canvas.mark(x, middle, "circle", BLACK, size=2.6)
    canvas.line([(62, 14), (86, 14)], BLUE, thick=1)
    canvas.word(92, 18, "95 %", size=SMALL)
    canvas.line([(132, 14), (156, 14)], BLUE, thick=4)
    canvas.word(162, 18, "middle half", size=SMALL)
    canvas.mark(248, 14, "circle", BLACK, size=2.6)
    canvas.word(256, 18, "median", size=SMALL)
    canvas.line([(310, 14), (334, 14)], GREY, dash="2 3")
    canvas.word(340, 18, "same risk", size=SMALL)
    return canvas


def missing_figure(rows: Sequence[Mapping[str, Any]], n: int) -> Canvas:
    """How often each predictor is present, absent and not known."""
    left = max(width_of(row["label"]) for row in rows) + 16
    about = "; ".join(
        f"{row['label']}: present {row['present']}, absent {row['absent']}, not known {row['unknown']}"
        for row in rows
    )
    canvas = Canvas("missing", "What is known of the predictors", about, left + 430, 34 + 32 * len(rows))
    canvas.box(left, 6, 14, 10, GREEN)
    canvas.word(left + 20, 15, "present", size=SMALL)
    canvas.box(left + 90, 6, 14, 10, "#cccccc")
    canvas.word(left + 110, 15, "absent", size=SMALL)
    _hatched(canvas, left + 180, 6, 14, 10)
    canvas.word(left + 200, 15, "not known", size=SMALL)
    for k, row in enumerate(rows):
        y = 28 + 32 * k
        canvas.word(4, y + 15, row["label"])
        _bars(canvas, left, y, row, 420 / n)
    return canvas


def _bars(canvas: Canvas, x: float, y: float, row: Mapping[str, Any], unit: float) -> None:
    for key in ("present", "absent", "unknown"):
        wide = row[key] * unit
        if not row[key]:
            continue
        if key == "unknown":
            _hatched(canvas, x, y, wide, 22)
        else:
            canvas.box(x, y, wide, 22, GREEN if key == "present" else "#cccccc")
        if wide > width_of(str(row[key])) + 4 and key != "unknown":
            colour = "#ffffff" if key == "present" else BLACK
            canvas.word(x + wide / 2, y + 15, str(row[key]), anchor="middle", colour=colour, value=row[key])
        x += wide


def _hatched(canvas: Canvas, x: float, y: float, wide: float, high: float) -> None:
    canvas.line([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high), (x, y)], BLACK)
    for start in range(0, int(wide + high), 5):
        x1, y1 = x + min(start, wide), y + max(0.0, start - wide)
        x2, y2 = x + max(0.0, start - high), y + min(start, high)
        canvas.line([(x1, y1), (x2, y2)], BLACK, thick=0.7)
