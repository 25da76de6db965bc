"""The AUC over time."""

from collections.abc import Sequence

from models.training.report.figures.canvas import BLUE, GREY, Axes, Canvas, even, spread
from models.training.validation.validation import AucPoint

_HALF = 0.5
_LOWEST = 0.4


def auc_figure(points: Sequence[AucPoint], last: float) -> Canvas:
    """The AUC by time with its limits; the dotted line is chance."""
    given = [(p.years, p.auc.value) for p in points if p.auc.value is not None]
    limits = [
        (p.years, p.auc.low, p.auc.high)
        for p in points
        if p.auc.value is not None and p.auc.low is not None and p.auc.high is not None
    ]
    about = (
        "The AUC at time t, recurrence by t against none, weighted for censoring, with 95 % limits. "
        + "; ".join(f"{years:g} years {auc:.2f}" for years, auc in given if float(years).is_integer())
    )
    canvas = Canvas("auc", "AUC over time", about, 600, 320)
    lowest = min([0.5, *(low for _, low, _ in limits)])
    axes = Axes(canvas, 64, 14, 450, 250, (0.0, last), (_LOWEST if lowest >= _LOWEST else 0.0, 1.0))
    axes.beside(even(axes.y_range[0], 1, 0.1), "AUC", decimals=1)
    axes.below(even(0, last, 1), "Years since time zero")
    canvas.line(axes.points([0, last], [_HALF, _HALF]), GREY, dash="2 3")
    lower = [(axes.x(years), axes.y(max(low, axes.y_range[0]))) for years, low, _ in limits]
    upper = [(axes.x(years), axes.y(min(high, 1.0))) for years, _, high in limits]
    canvas.area([*lower, *reversed(upper)], BLUE)
    places = [(axes.x(years), axes.y(auc)) for years, auc in given]
    canvas.line(places, BLUE, thick=2)
    for (years, _), (x, y) in zip(given, places, strict=True):
        whole = float(years).is_integer()
        canvas.mark(x, y, "circle", BLUE, filled=whole, size=4.5 if whole else 2.5)
    ends = [("chance", axes.y(_HALF)), *([("AUC", places[-1][1])] if places else [])]
    for (text, _), y in zip(ends, spread([y for _, y in ends], 16, axes.top, axes.bottom), strict=True):
        canvas.word(axes.right + 12, y + 4, text)
    return canvas
