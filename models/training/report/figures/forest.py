"""The hazard ratios: as served (after shrinkage), and refitted in this cohort without it."""

from collections.abc import Sequence

from models.training.report.figures.canvas import (
    BLUE,
    GREY,
    VERMILLION,
    Axes,
    Canvas,
    Label,
    ratio_ticks,
    width_of,
)
from models.training.report.report import ReportedRatio, ReportedRatios
from models.training.report.words import written, written_estimate

_TICKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_BLOCK = 54.0  # px for each predictor


def forest_figure(predictors: Sequence[ReportedRatios]) -> Canvas:
    """One block a predictor: its name, two lines with limits, the numbers at the right."""
    left = max(width_of(predictor.label) for predictor in predictors) + 20
    height = 44 + _BLOCK * len(predictors) + 44
    about = (
        "Hazard ratios with 95 % limits on a log scale: squares as served, circles refitted in this cohort. "
        + " ".join(
            f"{predictor.label}: {written_estimate(predictor.served.value)} served, {written_estimate(predictor.refitted.value)} refitted."
            for predictor in predictors
        )
    )
    canvas = Canvas("forest", "Hazard ratios of the predictors", about, left + 300 + 190, height)
    ratios = [ratio for predictor in predictors for ratio in (predictor.served, predictor.refitted)]
    given = [end for ratio in ratios for end in (ratio.low, ratio.high) if end is not None]
    ticks = ratio_ticks(_TICKS, given)
    high = _BLOCK * len(predictors)
    axes = Axes(canvas, left, 36, 300, high, (ticks[0], ticks[-1]), (0.0, 1.0), log_x=True)
    canvas.line([(axes.x(1), axes.top), (axes.x(1), axes.bottom)], GREY, dash="2 3")
    canvas.key(left, 16, [("as served", BLUE, "", "square"), ("refitted", VERMILLION, "", "circle")])
    canvas.word(axes.right + 14, 24, "Hazard ratio (95 % limits)", bold=True)
    for k, predictor in enumerate(predictors):
        top = axes.top + k * _BLOCK
        canvas.word(4, top + _BLOCK / 2 + 4, predictor.label)
        _line(axes, predictor.served, BLUE, "square", top + 17)
        _line(axes, predictor.refitted, VERMILLION, "circle", top + 37)
    axes.below(ticks, "Hazard ratio, present against absent", decimals=2 if min(ticks) < 1 / 2 else 1)
    return canvas


def _line(axes: Axes, ratio: ReportedRatio, colour: str, shape: str, y: float) -> None:
    canvas, text_x = axes.on, axes.right + 14
    if ratio.value is None or ratio.low is None or ratio.high is None:
        canvas.word(text_x, y + 4, "not estimable")
        return
    low, high = axes.x_range
    from_x, to_x = axes.x(max(ratio.low, low)), axes.x(min(ratio.high, high))
    canvas.line([(from_x, y), (to_x, y)], colour, thick=1.6)
    if low <= ratio.value <= high:
        canvas.mark(axes.x(ratio.value), y, shape, colour, filled=shape == "square", size=5)
    value, lower, upper = (Label(end, written(end)) for end in (ratio.value, ratio.low, ratio.high))
    canvas.mixed(text_x, y + 4, [value, " (", lower, " to ", upper, ")"])
