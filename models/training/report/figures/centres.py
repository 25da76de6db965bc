"""The centres as a forest: C and observed over expected of each, their mean, and where another centre would lie."""

from collections.abc import Sequence

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
    ratio_ticks,
    width_of,
)
from models.training.report.words import written, written_estimate
from models.training.validation.supplement.centres import Centres
from models.training.validation.supplement.pooling import AcrossCentres
from models.training.validation.validation import Measure

_ROW = 24.0
_WIDE, _NUMBERS = 150.0, 136.0  # px of a panel, and of the numbers at its right
_RATIOS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_LONGEST = 22  # letters of a name
_NOT_SHOWN = "too few"


def centres_figure(centres: Centres) -> Canvas:
    """Two panels beside one another, one row a centre; below them mean and prediction interval."""
    names, said = [], []
    for centre in centres.centres:
        label, here = centre.label, centre.performance
        short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
        names.append(f"{short}: {here.n} ({here.events})")
        concordance = written_estimate(here.concordance.value)
        ratio = written_estimate(here.observed_over_expected.value)
        said.append(f"{label}: C {concordance}, observed over expected {ratio}")
    about = f"Each centre with its patients (recurrences), C and observed over expected with 95 % limits. {'; '.join(said)}."
    left = max(width_of(text, SMALL) for text in [*names, "Another centre"]) + 14
    high = _ROW * (len(names) + 2)
    panel = _WIDE + _NUMBERS
    canvas = Canvas("centres", "Performance by centre", about, left + 2 * panel, 40 + high + 46)
    for k, name in enumerate([*names, "Mean of the centres", "Another centre"]):
        canvas.word(4, 40 + _ROW * (k + 0.5) + 4, name, size=SMALL, bold=k >= len(names))
    concordances = [centre.performance.concordance for centre in centres.centres]
    ratios = [centre.performance.observed_over_expected for centre in centres.centres]
    low = 0.0 if min(_ends(concordances, centres.concordance)) < 0.4 else 0.4  # noqa: PLR2004
    axes = Axes(canvas, left, 40, _WIDE, high, (low, 1.0), (0.0, 1.0))
    _panel(axes, "Harrell’s C", concordances, centres.concordance, 0.5)
    axes.below(even(low, 1, 0.2), "C", decimals=1)
    ticks = ratio_ticks(_RATIOS, _ends(ratios, centres.observed_over_expected))
    axes = Axes(canvas, left + panel, 40, _WIDE, high, (ticks[0], ticks[-1]), (0.0, 1.0), log_x=True)
    _panel(axes, "Observed over expected", ratios, centres.observed_over_expected, 1.0)
    axes.below(ticks, "Observed over expected", decimals=2)
    return canvas


def _ends(values: Sequence[Measure], all_of_them: AcrossCentres) -> list[float]:
    shown = [*values, all_of_them.mean, all_of_them.predicted]
    return [
        1.0,
        *(end for measure in shown for end in (measure.value, measure.low, measure.high) if end is not None),
    ]


def _panel(
    axes: Axes, title: str, values: Sequence[Measure], all_of_them: AcrossCentres, reference: float
) -> None:
    canvas = axes.on
    canvas.word(axes.left, axes.top - 14, f"{title} (95 %)", bold=True)
    canvas.line([(axes.x(reference), axes.top), (axes.x(reference), axes.bottom)], GREY, dash="2 3")
    rows = [(measure, BLUE, "square") for measure in values]
    rows += [(all_of_them.mean, BLACK, "diamond"), (all_of_them.predicted, VERMILLION, "")]
    for k, (measure, colour, shape) in enumerate(rows):
        _row(axes, measure, colour, shape, axes.top + _ROW * (k + 0.5))


def _row(axes: Axes, measure: Measure, colour: str, shape: str, y: float) -> None:
    text_x = axes.right + 12
    if measure.value is None or measure.low is None or measure.high is None:
        axes.on.word(text_x, y + 4, _NOT_SHOWN, size=SMALL, colour=GREY)
        return
    low, high = axes.x_range
    inside = [axes.x(min(max(end, low), high)) for end in (measure.low, measure.high)]
    axes.on.line([(x, y) for x in inside], colour, thick=1.6, dash="" if shape else "5 3")
    if shape and low <= measure.value <= high:
        axes.on.mark(axes.x(measure.value), y, shape, colour, size=4.5)
    lower, upper = Label(measure.low, written(measure.low)), Label(measure.high, written(measure.high))
    value: list[str | Label] = [Label(measure.value, written(measure.value)), " ("] if shape else ["("]
    axes.on.mixed(text_x, y + 4, [*value, lower, " to ", upper, ")"])
