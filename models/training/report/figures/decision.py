"""The decision curve at one horizon: net benefit by threshold, with the odds of harm to benefit below."""

from collections.abc import Sequence
from math import floor

from models.risk import DECISION_HORIZON
from models.training.report.figures.canvas import (
    BLACK,
    BLUE,
    GREY,
    SMALL,
    VERMILLION,
    Axes,
    Canvas,
    Label,
    even,
    spread,
    width_of,
)
from models.training.report.report import ReportedPolicy
from models.training.report.words import written
from models.training.validation.groups import in_words
from models.training.validation.validation import AtHorizon, DecisionCurve

_LOWEST = -0.05
_TALL = 0.4  # net benefit beyond which ticks are at every 0.1
_End = tuple[str, float, float, str, str]  # name, threshold, net benefit, colour, dash
_ODDS = ((0.1, 9), (0.2, 4), (1 / 3, 2), (0.5, 1))
"""Each threshold, and how many benefits outweigh one harm: 1:9 …"""


def decision_figure(at: AtHorizon, policy: ReportedPolicy) -> Canvas:
    """Model, corrected model, act for all, act for none; the policy's band limits as dotted lines."""
    curve = at.decision
    limits = (("low below", policy.low_below), ("high from", policy.high_from))
    upright = limits if at.horizon == DECISION_HORIZON else ()
    bands = " and ".join(f"{value * 100:g}" for _, value in upright)
    about = (
        "Net benefit of acting on the model, on everybody and on nobody, by the threshold risk from which one would "
        "act; below, the odds of harm to benefit that each threshold implies."
    )
    if upright:
        about += f" Dotted: the policy's bands, {bands} %."
    title = f"Decision curve of the risk at {in_words(at.years)}"
    canvas = Canvas(f"decision-{at.horizon}", title, about, 648, 372)
    top = max([0.05, *curve.treat_all, *(v for v in curve.model if v is not None)])
    axes = Axes(canvas, 92, 34, 430, 260, (0.0, 0.6), (_LOWEST, (floor(top / 0.05) + 1) * 0.05))
    step = 0.05 if axes.y_range[1] <= _TALL else 0.1
    axes.beside(even(_LOWEST, axes.y_range[1], step), "Net benefit per patient", decimals=2)
    axes.below(even(0, 0.6, 0.1), "Threshold: the risk from which one would act (%)", percent=True)
    y = axes.bottom + 62
    canvas.word(axes.left - 7, y, "Harm:benefit", anchor="end", size=SMALL)
    for threshold, benefit in _ODDS:
        x = axes.x(threshold)
        canvas.line([(x, y - 16), (x, y - 12)], BLACK)
        canvas.mixed(x, y, [Label(1, "1"), ":", Label(benefit, str(benefit))], anchor="middle")
    for name, value in upright:
        x, shown = axes.x(value), Label(value, written(value, 0, percent=True))
        canvas.line([(x, axes.top - 8), (x, axes.bottom)], GREY, dash="2 3")
        canvas.mixed(x, axes.top - 13, [f"{name} ", shown, " %"], anchor="middle")
    _lines(axes, curve, [value for _, value in upright])
    return canvas


def _lines(axes: Axes, curve: DecisionCurve, upright: Sequence[float]) -> None:
    """The lines with their names; `upright` are the thresholds of lines that cross them."""
    xs = curve.thresholds
    ends: list[_End] = [("act for none", 0.6, 0.0, BLACK, "2 3")]
    axes.on.line(axes.points([0.0, 0.6], [0.0, 0.0]), BLACK, dash="2 3", thick=1.6)
    for text, values, colour, dash, thick in (
        ("act for all", curve.treat_all, GREY, "9 3 2 3", 1.8),
        ("model", curve.model, BLUE, "", 2.2),
        ("corrected", curve.corrected, VERMILLION, "7 3", 2.2),
    ):
        shown = [(x, v) for x, v in zip(xs, values, strict=bool(values)) if v is not None and v >= _LOWEST]
        if not shown:
            continue
        axes.on.line([(axes.x(x), axes.y(v)) for x, v in shown], colour, dash=dash, thick=thick)
        if not (text == "act for all" and shown[-1][0] < xs[-1]):
            ends.append((text, *shown[-1], colour, dash))
            continue
        # It leaves at the lower edge: its name is right of it, or left where an upright line or the end is in the way
        start = axes.x(shown[-1][0]) + 6
        stops = [axes.right, *(x for x in map(axes.x, upright) if x > start)]
        if start + width_of(text, SMALL) < min(stops):
            axes.on.word(start, axes.bottom - 3, text, size=SMALL)
        else:
            axes.on.word(start - 18, axes.bottom - 3, text, anchor="end", size=SMALL)
    # The other names at the right edge, moved apart, each with a sample and a thin line to where its line ends
    places = spread([axes.y(end[2]) for end in ends], 16, axes.top, axes.bottom)
    for (text, threshold, value, colour, dash), y in zip(ends, places, strict=True):
        axes.on.line([(axes.x(threshold) + 2, axes.y(value)), (axes.right + 9, y)], GREY, thick=0.8)
        axes.on.line([(axes.right + 11, y), (axes.right + 31, y)], colour, dash=dash, thick=2.2)
        axes.on.word(axes.right + 36, y + 4, text)
