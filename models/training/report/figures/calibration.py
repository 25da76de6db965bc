"""Calibration at one horizon: smoothed curve with its band, corrected curve, fifths, and who has which risk."""

from models.training.report.figures.canvas import BLACK, BLUE, GREY, SMALL, VERMILLION, Axes, Canvas, even
from models.training.validation.groups import in_words
from models.training.validation.validation import AtHorizon

_SIDE = 300.0
_STRIP = 56.0


def calibration_figure(at: AtHorizon) -> Canvas:
    """The figure of one horizon; percentages on both axes."""
    curve = at.curve
    about = f"No smoothed curve: {curve.reason}. Marks: Kaplan-Meier risk of groups by predicted risk."
    if not curve.reason:
        about = (
            "Observed against predicted risk; the dotted diagonal is perfect. Solid: smoothed curve, with a 95 % bootstrap "
            f"band.{' Dashed: corrected for optimism.' if curve.corrected else ''} Squares: Kaplan-Meier risk of fifths by "
            "predicted risk with 95 % limits. Bars: how many patients have which predicted risk."
        )
    title = f"Calibration of the risk at {in_words(at.years)}"
    canvas = Canvas(f"calibration-{at.horizon}", title, about, 374, 478)
    axes = Axes(canvas, 58, 50, _SIDE, _SIDE, (0.0, 1.0), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Observed risk (%)", percent=True)
    canvas.line([(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))], GREY, dash="2 3")
    xs, entries = curve.predicted, [("smoothed", BLUE, "", "")]
    if curve.low:
        canvas.area([*axes.points(xs, curve.low), *reversed(axes.points(xs, curve.high))], BLUE)
    canvas.line(axes.points(xs, curve.observed), BLUE, thick=2.2)
    if curve.corrected:
        canvas.line(axes.points(xs, curve.corrected), VERMILLION, dash="7 3", thick=2.2)
        entries.append(("corrected", VERMILLION, "7 3", ""))
    if curve.low:
        entries.append(("95 % band", BLUE, "", "area"))
    for group in at.fifths:
        observed, x = group.observed, axes.x(group.predicted)
        if observed.value is None:
            continue
        if observed.low is not None and observed.high is not None:
            canvas.line([(x, axes.y(observed.low)), (x, axes.y(observed.high))], BLACK, thick=1.2)
        canvas.mark(x, axes.y(observed.value), "square", BLACK, size=4)
    _histogram(canvas, at)
    if xs:
        canvas.key(58, 16, entries)
    canvas.key(58, 36, [("fifths, Kaplan-Meier", BLACK, "", "square"), ("perfect", GREY, "2 3", "")])
    return canvas


def _histogram(canvas: Canvas, at: AtHorizon) -> None:
    """Bars below the axes, hanging from nothing: their own strip with its own scale."""
    most = max(bar.n for bar in at.histogram)
    axes = Axes(canvas, 58, 50 + _SIDE + 14, _SIDE, _STRIP, (0.0, 1.0), (0.0, float(most)))
    for bar in at.histogram:
        if bar.n:
            left, top = axes.x(bar.low), axes.y(bar.n)
            canvas.box(left + 1, top, axes.x(bar.high) - left - 2, axes.bottom - top, GREY)
    canvas.word(axes.left - 7, axes.top + 9, str(most), anchor="end", size=SMALL, value=most)
    canvas.word(axes.left - 42, axes.top + _STRIP / 2, "Patients", anchor="middle", turned=True)
    axes.below(even(0, 1, 0.2), "Predicted risk (%)", percent=True)
