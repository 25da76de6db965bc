"""The hazard ratios: as served (after shrinkage), and refitted in this cohort without it."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.training.report.figures.canvas import BLUE, GREY, VERMILLION, Axes, Canvas, Label, width_of
from models.training.report.words import written

_TICKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_ROW = 54.0
_KINDS = (
    ("served", "as served", BLUE, "square", True),
    ("refitted", "refitted", VERMILLION, "circle", False),
)


def forest_figure(rows: Sequence[Mapping[str, Any]]) -> Canvas:
    """One block a predictor: its name, two lines with limits, the numbers at the right."""
    left = max(width_of(row["label"]) for row in rows) + 20
    height = 44 + _ROW * len(rows) + 44
    about = (
        "Hazard ratios with 95 % limits on a log scale: squares as served, circles refitted in this cohort. "
        + " ".join(
            f"{row['label']}: {_said(row['served'])} served, {_said(row['refitted'])} refitted."
            for row in rows
        )
    )
    canvas = Canvas("forest", "Hazard ratios of the predictors", about, left + 300 + 190, height)
    axes = Axes(canvas, left, 36, 300, _ROW * len(rows), _range(rows), (0.0, 1.0), log_x=True)
    canvas.line([(axes.x(1), axes.top), (axes.x(1), axes.bottom)], GREY, dash="2 3")
    canvas.key(left, 16, [(text, colour, "", shape) for _, text, colour, shape, _ in _KINDS])
    canvas.word(axes.right + 14, 24, "Hazard ratio (95 % limits)", bold=True)
    for k, row in enumerate(rows):
        top = axes.top + k * _ROW
        canvas.word(4, top + _ROW / 2 + 4, row["label"])
        for line, kind in enumerate(_KINDS):
            _line(axes, row[kind[0]], kind, top + 17 + 20 * line)
    low, high = axes.x_range
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.below(ticks, "Hazard ratio, present against absent", decimals=2 if min(ticks) < 1 / 2 else 1)
    return canvas


def _said(ratio: Mapping[str, Any]) -> str:
    return "not estimable" if ratio["value"] is None else written(ratio["value"])


def _range(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    ends = [row[kind[0]][end] for row in rows for kind in _KINDS for end in ("low", "high")]
    given = [end for end in ends if end is not None]
    low = max((t for t in _TICKS if t <= min([0.9, *given])), default=_TICKS[0])
    high = min((t for t in _TICKS if t >= max([1.1, *given])), default=_TICKS[-1])
    return low, high


def _line(axes: Axes, ratio: Mapping[str, Any], kind: tuple[str, str, str, str, bool], y: float) -> None:
    _, _, colour, shape, filled = kind
    canvas, text_x = axes.on, axes.right + 14
    if ratio["value"] is None:
        canvas.word(text_x, y + 4, "not estimable")
        return
    low, high = axes.x_range
    from_x, to_x = axes.x(max(ratio["low"], low)), axes.x(min(ratio["high"], high))
    canvas.line([(from_x, y), (to_x, y)], colour, thick=1.6)
    if low <= ratio["value"] <= high:
        canvas.mark(axes.x(ratio["value"]), y, shape, colour, filled=filled, size=5)
    parts = [Label(ratio[end], written(ratio[end])) for end in ("value", "low", "high")]
    canvas.mixed(text_x, y + 4, [parts[0], " (", parts[1], " to ", parts[2], ")"])
