"""An effect over time: the hazard ratio smoothed from scaled Schoenfeld residuals, with its band."""

from math import exp, log

from models.training.report.figures.canvas import BLACK, BLUE, GREY, Axes, Canvas, even
from models.training.report.words import written
from models.training.validation.supplement.time_varying import Effect

_TICKS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_LEAST, _MOST = log(_TICKS[0]), log(_TICKS[-1])


def effect_figure(effect: Effect, number: int, last: float) -> Canvas:
    """One predictor; years below, the hazard ratio beside, on a log scale."""
    about = (
        f"The hazard ratio of {effect.label} as it moves with time, with a band of two standard errors; "
        f"dashed: one hazard ratio for all years, {written(exp(effect.log_hazard_ratio))}."
    )
    canvas = Canvas(f"effect-{number}", f"Effect over time: {effect.label}", about, 374, 300)
    low = max(_LEAST, min(effect.low, default=0.0))
    high = min(_MOST, max(effect.high, default=0.0))
    bottom = max((t for t in _TICKS if log(t) <= min(low, -0.1)), default=_TICKS[0])
    top = min((t for t in _TICKS if log(t) >= max(high, 0.1)), default=_TICKS[-1])
    axes = Axes(canvas, 58, 34, 300, 212, (0.0, last), (log(bottom), log(top)))
    _beside(axes, bottom, top)
    axes.below(even(0, last, 1), "Years since time zero")
    canvas.line(axes.points([0, last], [0, 0]), GREY, dash="2 3")
    canvas.line(axes.points([0, last], [effect.log_hazard_ratio] * 2), BLACK, dash="7 3", thick=1.4)
    inside = [
        (t, v, max(a, axes.y_range[0]), min(b, axes.y_range[1]))
        for t, v, a, b in zip(effect.times, effect.value, effect.low, effect.high, strict=True)
        if t <= last
    ]
    upper = [(axes.x(t), axes.y(max(b, axes.y_range[0]))) for t, _, _, b in inside]
    lower = [(axes.x(t), axes.y(min(a, axes.y_range[1]))) for t, _, a, _ in inside]
    canvas.area([*lower, *reversed(upper)], BLUE)
    shown = [(axes.x(t), axes.y(v)) for t, v, _, _ in inside if axes.y_range[0] <= v <= axes.y_range[1]]
    canvas.line(shown, BLUE, thick=2.2)
    canvas.key(
        58,
        18,
        [("over time", BLUE, "", ""), ("band", BLUE, "", "area"), ("one for all years", BLACK, "7 3", "")],
    )
    return canvas


def _beside(axes: Axes, bottom: float, top: float) -> None:
    """The axis of hazard ratios: ticks on the log scale, written as ratios."""
    canvas = axes.on
    canvas.line([(axes.left, axes.top), (axes.left, axes.bottom)], BLACK)
    for tick in (t for t in _TICKS if bottom <= t <= top):
        y = axes.y(log(tick))
        canvas.line([(axes.left, y), (axes.right, y)], "#e6e6e6")
        canvas.word(axes.left - 7, y + 4, f"{tick:g}", anchor="end", size=11, value=tick)
    canvas.word(axes.left - 42, axes.top + axes.high / 2, "Hazard ratio", anchor="middle", turned=True)
