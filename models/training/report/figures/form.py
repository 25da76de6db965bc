"""The curve of a measured value: hazard ratio against its median, on log scales, with its band."""

from math import exp, log

from models.training.fitting.form import Form
from models.training.report.figures.canvas import BLACK, BLUE, GREY, SMALL, VERMILLION, Axes, Canvas
from models.training.report.words import written

_RATIOS = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def form_figure(form: Form, label: str) -> Canvas:
    """The figure of one value."""
    about = (
        f"Hazard ratio of {form.value} against its median, {written(form.reference or 0)}, with a 95 % band; at the "
        f"left end {_said(form, 0)}, at the right end {_said(form, -1)}. Dashed: the dichotomy that is served, "
        f"{written(exp(form.levels[1] - form.levels[0]))} above against below. Dotted: a ratio of one."
    )
    canvas = Canvas(f"form-{form.predictor.replace('_', '-')}", f"Form of {label}", about, 474, 360)
    low, high = _range(form)
    axes = Axes(canvas, 66, 36, 380, 260, (form.at[0], form.at[-1]), (log(low), log(high)), log_x=True)
    entries = [
        ("spline", BLUE, "", ""),
        ("95 % band", BLUE, "", "area"),
        ("dichotomy", VERMILLION, "7 3", ""),
    ]
    canvas.key(66, 16, entries)
    for ratio in (tick for tick in _RATIOS if low <= tick <= high):
        y = axes.y(log(ratio))
        canvas.line([(axes.left, y), (axes.right, y)], "#e6e6e6")
        canvas.word(axes.left - 7, y + 4, f"{ratio:g}", anchor="end", size=SMALL, value=ratio)
    canvas.line([(axes.left, axes.top), (axes.left, axes.bottom)], BLACK)
    canvas.word(axes.left - 46, axes.top + axes.high / 2, "Hazard ratio", anchor="middle", turned=True)
    canvas.line([(axes.left, axes.y(0)), (axes.right, axes.y(0))], GREY, dash="2 3")
    clipped = [[min(max(value, log(low)), log(high)) for value in end] for end in (form.low, form.high)]
    canvas.area([*axes.points(form.at, clipped[0]), *reversed(axes.points(form.at, clipped[1]))], BLUE)
    canvas.line(axes.points(form.at, form.curve), BLUE, thick=2.2)
    cut = min(max(form.cut or form.at[0], form.at[0]), form.at[-1])
    below, above = form.levels
    canvas.line(
        axes.points((form.at[0], cut, cut, form.at[-1]), (below, below, above, above)),
        VERMILLION,
        dash="7 3",
        thick=2.2,
    )
    ticks = _ticks(form)
    axes.below(ticks, f"{form.value.replace('_', ' ')} (log scale)", decimals=0 if ticks[0] >= 10 else 2)  # noqa: PLR2004
    return canvas


def _said(form: Form, place: int) -> str:
    value, low, high = (written(exp(line[place])) for line in (form.curve, form.low, form.high))
    return f"{value} ({low} to {high})"


def _range(form: Form) -> tuple[float, float]:
    """The ratios between which the axis reaches: as far as the curve does, and the band where it is not too wide."""
    drawn = (*form.curve, *form.levels)
    lowest = max(min(*form.low, *form.levels), min(drawn) - log(4))
    highest = min(max(*form.high, *form.levels), max(drawn) + log(4))
    low = max((ratio for ratio in _RATIOS if log(ratio) <= lowest), default=exp(lowest))
    high = min((ratio for ratio in _RATIOS if log(ratio) >= highest), default=exp(highest))
    return min(low, 0.5), max(high, 2.0)


def _ticks(form: Form) -> list[float]:
    """Dilutions of a titre, else round numbers; the ends where these are too few."""
    if form.scale == "log2":
        usual = [10.0 * 2**k for k in range(20)]
    else:
        usual = [float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 1.5, 2, 3, 5, 7)]
    # A dilution may be an end, but for rounding
    first, last = form.at[0] * (1 - 1e-9), form.at[-1] * (1 + 1e-9)
    inside = [tick for tick in usual if first <= tick <= last]
    return inside if len(inside) > 1 else [form.at[0], form.at[-1]]
