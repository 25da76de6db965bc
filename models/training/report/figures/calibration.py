"""Calibration at one horizon: smoothed curve with its band, corrected curve, fifths, and who has which risk."""

from collections.abc import Mapping
from typing import Any

from models.training.report.figures.canvas import BLACK, BLUE, GREY, SMALL, VERMILLION, Axes, Canvas, even

_SIDE = 300.0
_STRIP = 56.0


def calibration_figure(at: Mapping[str, Any]) -> Canvas:
    """The figure of one horizon; percentages on both axes."""
    canvas = Canvas(f"calibration-{at['horizon']}", _title(at), _about(at), 374, 478)
    axes = Axes(canvas, 58, 50, _SIDE, _SIDE, (0.0, 1.0), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Observed risk (%)", percent=True)
    canvas.line([(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))], GREY, dash="2 3")
    _curve(axes, at["curve"])
    for group in at["fifths"]:
        _fifth(axes, group)
    _histogram(canvas, at)
    _legend(canvas, at["curve"])
    return canvas


def _title(at: Mapping[str, Any]) -> str:
    return (
        f"Calibration of the risk at {at['years']:g} years"
        if at["years"] != 1
        else "Calibration of the risk at 1 year"
    )


def _about(at: Mapping[str, Any]) -> str:
    if at["curve"]["reason"]:
        return f"No smoothed curve: {at['curve']['reason']}. Marks: Kaplan-Meier risk of groups by predicted risk."
    corrected = " Dashed: corrected for optimism." if at["curve"]["corrected"] else ""
    return (
        "Observed against predicted risk; the dotted diagonal is perfect. Solid: smoothed curve, with a 95 % bootstrap "
        f"band.{corrected} Squares: Kaplan-Meier risk of fifths by predicted risk with 95 % limits. "
        "Bars: how many patients have which predicted risk."
    )


def _curve(axes: Axes, curve: Mapping[str, Any]) -> None:
    xs = curve["predicted"]
    lower, upper = (
        axes.points(xs, curve["low"] or [None] * len(xs)),
        axes.points(xs, curve["high"] or [None] * len(xs)),
    )
    if curve["low"]:
        axes.on.area([*lower, *reversed(upper)], BLUE)
    axes.on.line(axes.points(xs, curve["observed"]), BLUE, thick=2.2)
    if curve["corrected"]:
        axes.on.line(axes.points(xs, curve["corrected"]), VERMILLION, dash="7 3", thick=2.2)


def _fifth(axes: Axes, group: Mapping[str, Any]) -> None:
    observed, x = group["observed"], axes.x(group["predicted"])
    if observed["value"] is None:
        return
    if observed["low"] is not None and observed["high"] is not None:
        axes.on.line([(x, axes.y(observed["low"])), (x, axes.y(observed["high"]))], BLACK, thick=1.2)
    axes.on.mark(x, axes.y(observed["value"]), "square", BLACK, size=4)


def _histogram(canvas: Canvas, at: Mapping[str, Any]) -> None:
    """Bars below the axes, hanging from nothing: their own strip with its own scale."""
    most = max(bar["n"] for bar in at["histogram"])
    axes = Axes(canvas, 58, 50 + _SIDE + 14, _SIDE, _STRIP, (0.0, 1.0), (0.0, float(most)))
    for bar in at["histogram"]:
        if bar["n"]:
            left, top = axes.x(bar["low"]), axes.y(bar["n"])
            canvas.box(left + 1, top, axes.x(bar["high"]) - left - 2, axes.bottom - top, GREY)
    canvas.word(axes.left - 7, axes.top + 9, str(most), anchor="end", size=SMALL, value=most)
    canvas.word(axes.left - 42, axes.top + _STRIP / 2, "Patients", anchor="middle", turned=True)
    axes.below(even(0, 1, 0.2), "Predicted risk (%)", percent=True)


def _legend(canvas: Canvas, curve: Mapping[str, Any]) -> None:
    if curve["predicted"]:
        entries = [("smoothed", BLUE, "", "")]
        if curve["corrected"]:
            entries.append(("corrected", VERMILLION, "7 3", ""))
        if curve["low"]:
            entries.append(("95 % band", BLUE, "", "area"))
        canvas.key(58, 16, entries)
    canvas.key(58, 36, [("fifths, Kaplan-Meier", BLACK, "", "square"), ("perfect", GREY, "2 3", "")])
