"""The nomogram, drawn from the artefact's own numbers, so that it cannot differ from what is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, log, log1p

from models.training.report.figures.canvas import BLACK, GREY, SMALL, Axes, Canvas, even, width_of
from models.training.report.report import (
    Nomogram,
    NomogramPredictor,
    ReportedModel,
    RiskScale,
    RiskTick,
)
from models.training.report.words import written
from models.training.validation.groups import in_words

_MOST_POINTS = 100
_RISKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_APART = 46.0  # px between two lines
_CLOSEST = 26.0  # px between two numbers


@dataclass(frozen=True, slots=True)
class NomogramTick:
    """A number at a place of a line, in points, and how it is written."""

    points: float
    value: float
    text: str


def nomogram(model: ReportedModel) -> Nomogram:
    """The scales: points by predictor, total points, and the points at which each risk is reached at each horizon.

    The largest log hazard ratio in size gives 100 points; a negative one gives its points where it is absent.
    """
    ratios = [predictor.log_hazard_ratio for predictor in model.predictors]
    unit = max(abs(ratio) for ratio in ratios) / _MOST_POINTS
    predictors = tuple(
        NomogramPredictor(predictor.label, max(0.0, -ratio / unit), max(0.0, ratio / unit))
        for predictor, ratio in zip(model.predictors, ratios, strict=True)
    )
    least = sum(min(0.0, ratio) for ratio in ratios)  # the log relative hazard at 0 points
    total = sum(max(predictor.absent, predictor.present) for predictor in predictors)
    scales = []
    for at in model.horizons:  # usual risks between those at no points and at all of them, which are its ends
        hazard = at.baseline_cumulative_hazard
        first, last = (RiskTick(-expm1(-hazard * exp(least + unit * p)), p) for p in (0.0, total))
        usual = [RiskTick(risk, (log(-log1p(-risk) / hazard) - least) / unit) for risk in _RISKS]
        inside = [tick for tick in usual if first.points < tick.points < last.points]
        scales.append(RiskScale(at.horizon, at.years, (first, *inside, last)))
    return Nomogram(unit, total, predictors, tuple(scales))


def nomogram_figure(scales: Nomogram) -> Canvas:
    """Points above, a line a predictor, total points, and a line of risks a horizon."""
    lines = len(scales.predictors) + 2 + len(scales.scales)
    names = [f"Risk at {in_words(scale.years)} (%)" for scale in scales.scales]
    left = max(width_of(text) for text in [*names, *(p.label for p in scales.predictors)]) + 24
    present = "; ".join(f"{p.label} {p.present:.0f}" for p in scales.predictors)
    about = (
        f"Read each predictor's points on the uppermost scale, add them, and read the risk below the total. "
        f"Points if present: {present}."
    )
    canvas = Canvas(
        "nomogram", "Nomogram of the model as served", about, left + 430 + 30, _APART * lines + 14
    )
    points = Axes(canvas, left, 0, 430, 1, (0.0, float(_MOST_POINTS)), (0.0, 1.0))
    _line(points, 0, "Points", _whole(_MOST_POINTS, 10))
    for k, predictor in enumerate(scales.predictors, start=1):
        y = 30 + k * _APART
        canvas.word(4, y + 4, predictor.label)
        ends = sorted([(predictor.absent, "absent"), (predictor.present, "present")])
        canvas.line([(points.x(ends[0][0]), y), (points.x(ends[1][0]), y)], GREY)
        for place, text in ends:
            x = points.x(place)
            canvas.mark(x, y, "circle", BLACK, filled=text == "present", size=3.5)
            canvas.word(x, y + 18, text, anchor="middle", size=SMALL)
    below = len(scales.predictors) + 1
    total = Axes(canvas, left, 0, 430, 1, (0.0, scales.total), (0.0, 1.0))
    _line(total, below, "Total points", _whole(scales.total, 50 if scales.total > 2 * _MOST_POINTS else 20))
    for k, (name, scale) in enumerate(zip(names, scales.scales, strict=True), start=below + 1):
        ticks = [
            NomogramTick(
                t.points, t.risk, written(t.risk, int(t.points in {0.0, scales.total}), percent=True)
            )
            for t in scale.risks
        ]
        _line(total, k, name, ticks)
    return canvas


def _whole(last: float, step: float) -> list[NomogramTick]:
    """Multiples of the step, and the end."""
    values = [*(tick for tick in even(0, last, step) if tick < last), last]
    return [NomogramTick(value, value, written(value, 0)) for value in values]


def _line(axes: Axes, k: int, name: str, ticks: Sequence[NomogramTick]) -> None:
    """One scale from end to end; between the ends, numbers that have no room are left out."""
    canvas, y = axes.on, 30 + k * _APART
    canvas.word(4, y + 4, name, bold=True)
    canvas.line([(axes.left, y), (axes.right, y)], BLACK)
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        x = axes.x(tick.points)
        if x - axes.x(kept[-1].points) >= _CLOSEST and axes.right - x >= _CLOSEST:
            kept.append(tick)
    for tick in (*kept, ticks[-1]):
        x = axes.x(tick.points)
        canvas.line([(x, y), (x, y + 5)], BLACK)
        canvas.word(x, y + 18, tick.text, anchor="middle", size=SMALL, value=tick.value)
