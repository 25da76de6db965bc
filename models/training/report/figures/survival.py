"""Kaplan-Meier curves with numbers at risk, censored and events below the axis (Morris et al. 2019, KMunicate)."""

from collections.abc import Callable, Sequence

from models.training.report.figures.canvas import (
    COLOURS,
    DASHES,
    GREY,
    SMALL,
    Axes,
    Canvas,
    even,
    spread,
    stepped,
    width_of,
)
from models.training.validation.validation import AtRisk, GroupCurve, Grouping

_LEFT, _TOP, _WIDE, _HIGH = 108.0, 14.0, 450.0, 250.0
_LINE = 15.0
_NEAR = 30.0  # px from the right edge
_Count = tuple[str, Callable[[AtRisk], int]]
_COUNTS: tuple[_Count, ...] = (
    ("at risk", lambda at: at.at_risk),
    ("censored", lambda at: at.censored),
    ("died", lambda at: at.died),
    ("recurred", lambda at: at.events),
)


def survival_figure(grouping: Grouping, number: int) -> Canvas:
    """One grouping's curves, directly labelled, each with its limits and its counts."""
    curves = grouping.curves
    counts = [count for count in _COUNTS if count[0] != "died" or any(curve.deaths for curve in curves)]
    block = _LINE * (len(counts) + 1) + 5
    height = _TOP + _HIGH + 52 + block * len(curves)
    right = max([70.0, *(width_of(c.label) + 34 for c in curves)])
    title = f"Free of recurrence by {grouping.label[0].lower()}{grouping.label[1:]}"
    shown = "; ".join(f"{c.label}: {c.n} patients, {c.events} recurrences" for c in curves)
    about = f"Kaplan-Meier curves with 95 % limits and counts below the axis. {shown}."
    canvas = Canvas(f"km-{number}", title, about, _LEFT + _WIDE + right, height)
    axes = Axes(canvas, _LEFT, _TOP, _WIDE, _HIGH, (0.0, grouping.end), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Free of recurrence (%)", percent=True)
    axes.below(even(0, grouping.end, 1), "Years since time zero")
    ends = [_curve(axes, curve, k) for k, curve in enumerate(curves)]
    _names(axes, [curve.label for curve in curves], ends)
    for k, curve in enumerate(curves):
        top = axes.bottom + 58 + k * block
        _sample(canvas, 6, top - 4, k)
        canvas.word(28, top, curve.label, size=SMALL, bold=True)
        for line, (text, count) in enumerate(counts, start=1):
            y = top + line * _LINE
            canvas.word(axes.left - 22, y, text, anchor="end", size=SMALL)
            for at in curve.table:
                n = count(at)
                canvas.word(axes.x(at.years), y, str(n), anchor="middle", size=SMALL, value=n)
    return canvas


def _names(axes: Axes, labels: Sequence[str], ends: Sequence[tuple[float, float]]) -> None:
    """Each curve's name where it ends; names at the right edge are moved apart, the others beside one another."""
    canvas = axes.on
    late = [k for k, (x, _) in enumerate(ends) if x > axes.right - _NEAR]
    places = spread([ends[k][1] for k in late], 16, axes.top + 5, axes.bottom - 5)
    for k, y in zip(late, places, strict=True):
        canvas.line([(ends[k][0] + 2, ends[k][1]), (axes.right + 9, y)], GREY)
        _sample(canvas, axes.right + 11, y, k)
        canvas.word(axes.right + 32, y + 4, labels[k])
    early = [k for k in range(len(ends)) if k not in late]
    places = spread([ends[k][1] for k in early], 16, axes.top + 5, axes.bottom - 8)
    for k, y in zip(early, places, strict=True):
        canvas.word(ends[k][0] + 7, y + 4, labels[k])


def _sample(canvas: Canvas, x: float, y: float, k: int) -> None:
    canvas.line([(x, y), (x + 17, y)], COLOURS[k % 4], dash=DASHES[k % 4], thick=2.2)


def _curve(axes: Axes, curve: GroupCurve, k: int) -> tuple[float, float]:
    """Draw one curve, thin and without limits where few are at risk; returns where it ends, in px."""
    last, colour = curve.last, COLOURS[k % 4]
    inside = [i for i, time in enumerate(curve.times) if time <= curve.sure]
    times = [curve.times[i] for i in inside]
    xs, low = stepped(times, [curve.low[i] for i in inside], curve.sure, None)
    _, high = stepped(times, [curve.high[i] for i in inside], curve.sure, None)
    band = [(x, a, b) for x, a, b in zip(xs, low, high, strict=True) if a is not None and b is not None]
    upper = [(axes.x(x), axes.y(b)) for x, _, b in band]
    axes.on.area([*((axes.x(x), axes.y(a)) for x, a, _ in band), *reversed(upper)], colour, 0.12)
    xs, survival = stepped(curve.times, curve.survival, last, 1.0)
    points, before = axes.points(xs, survival), sum(x <= curve.sure for x in xs)
    corner = (axes.x(curve.sure), axes.y(survival[before - 1]))
    axes.on.line([*points[:before], corner], colour, dash=DASHES[k % 4], thick=2.2)
    axes.on.line([corner, *points[before:]], colour, dash=DASHES[k % 4], thick=0.8)
    return axes.x(last), axes.y(survival[-1])
