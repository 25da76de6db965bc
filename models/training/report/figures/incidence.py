"""Recurrence and death as competing events: their cumulative incidence by risk group, and calibration against it."""

from collections.abc import Sequence

from models.training.report.figures.canvas import (
    COLOURS,
    DASHES,
    GREY,
    Axes,
    Canvas,
    even,
    spread,
    stepped,
    width_of,
)
from models.training.report.words import written
from models.training.validation.groups import in_words
from models.training.validation.supplement.competing import (
    CompetingAccuracy,
    CompetingEvents,
    Incidence,
)

_SIDE = 300.0


def incidence_figure(competing: CompetingEvents) -> Canvas:
    """By risk group: thick the recurrences, with limits, thin the deaths without one."""
    names = [f"{kind}, {curves.label}" for curves in competing.curves for kind in ("recurrence", "death")]
    counts = [
        f"{c.label}: {c.n} patients, {c.events} recurrences, {c.deaths} deaths" for c in competing.curves
    ]
    about = f"Aalen-Johansen estimates; thick: recurrence with 95 % limits, thin: death before it. {'; '.join(counts)}."
    canvas = Canvas(
        "incidence",
        "Recurrence and death by risk group",
        about,
        64 + 430 + max(width_of(name) for name in names) + 48,
        350,
    )
    axes = Axes(canvas, 64, 14, 430, 280, (0.0, competing.end), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Cumulative incidence (%)", percent=True)
    axes.below(even(0, competing.end, 1), "Years since time zero")
    ends = []
    for k, curves in enumerate(competing.curves):
        _band(axes, curves.recurrence, curves.last, COLOURS[k])
        for incidence, thick in ((curves.recurrence, 2.2), (curves.death, 1.1)):
            xs, ys = stepped(incidence.times, incidence.values, curves.last, 0.0)
            canvas.line(axes.points(xs, ys), COLOURS[k], dash=DASHES[k], thick=thick)
            ends.append(axes.y(ys[-1]))
    places = spread(ends, 15, axes.top + 5, axes.bottom)
    for k, (name, y) in enumerate(zip(names, places, strict=True)):
        group, thick = k // 2, 1.1 if k % 2 else 2.2
        x = axes.x(competing.curves[group].last)
        canvas.line([(x + 2, ends[k]), (axes.right + 9, y)], GREY, thick=0.6)
        canvas.line(
            [(axes.right + 11, y), (axes.right + 31, y)], COLOURS[group], dash=DASHES[group], thick=thick
        )
        canvas.word(axes.right + 36, y + 4, name)
    return canvas


def _band(axes: Axes, incidence: Incidence, last: float, colour: str) -> None:
    """The limits, shaded; nothing where there are none."""
    known = [
        (time, low, high)
        for time, low, high in zip(incidence.times, incidence.low, incidence.high, strict=True)
        if low is not None and high is not None
    ]
    lower: list[tuple[float, float]] = []
    upper: list[tuple[float, float]] = []
    for k, (time, low, high) in enumerate(known):
        until = known[k + 1][0] if k + 1 < len(known) else last
        lower += [(axes.x(time), axes.y(low)), (axes.x(until), axes.y(low))]
        upper += [(axes.x(time), axes.y(high)), (axes.x(until), axes.y(high))]
    axes.on.area([*lower, *reversed(upper)], colour, 0.12)


def competing_calibration_figure(accuracies: Sequence[CompetingAccuracy]) -> Canvas:
    """Of one horizon: the smoothed observed risk against the served risk, and against the absolute one if given."""
    years = accuracies[0].years
    about = "Smoothed by Fine and Gray’s model; the dotted diagonal is perfect. " + "; ".join(
        f"{accuracy.risk} risk: mean {written(accuracy.expected, 1, percent=True)} %"
        for accuracy in accuracies
    )
    canvas = Canvas(
        f"competing-{accuracies[0].horizon}",
        f"Calibration at {in_words(years)}, death competing",
        about,
        374,
        _SIDE + 84,
    )
    axes = Axes(canvas, 58, 34, _SIDE, _SIDE, (0.0, 1.0), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Observed risk, death competing (%)", percent=True)
    axes.below(even(0, 1, 0.2), "Predicted risk (%)", percent=True)
    canvas.line([(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))], GREY, dash="2 3")
    entries = []
    for accuracy, colour, dash in zip(accuracies, COLOURS, DASHES, strict=False):
        canvas.line(axes.points(accuracy.predicted, accuracy.smoothed), colour, dash=dash, thick=2.2)
        entries.append((accuracy.risk, colour, dash, ""))
    canvas.key(58, 18, [*entries, ("perfect", GREY, "2 3", "")])
    return canvas
