"""The stability of single risks: what models of resamples say, against the model itself."""

from models.training.report.figures.canvas import BLACK, BLUE, GREY, SMALL, Axes, Canvas, even
from models.training.validation.validation import Stability


def stability_figure(stability: Stability) -> Canvas:
    """The risks that models of resamples give, against the own risk (Riley and Collins 2023)."""
    about = (
        "For each own risk, the risks of models fitted to bootstrap resamples: dot the median, thick the middle half, "
        f"thin 95 %. On average they differ by {stability.mape * 100:.1f} percentage points."
    )
    years = stability.horizon.removesuffix("y")
    canvas = Canvas("stability", f"Stability of the risk at {years} years", about, 420, 430)
    axes = Axes(canvas, 62, 40, 330, 330, (0.0, 1.0), (0.0, 1.0))
    axes.beside(even(0, 1, 0.2), "Risk by models of resamples (%)", percent=True)
    axes.below(even(0, 1, 0.2), "Own risk (%)", percent=True)
    canvas.line([(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))], GREY, dash="2 3")
    for row in stability.rows:
        x, (low, first, middle, third, high) = axes.x(row.own), map(axes.y, row.quantiles)
        canvas.line([(x, low), (x, high)], BLUE, thick=1)
        canvas.line([(x, first), (x, third)], BLUE, thick=4)
        canvas.mark(x, middle, "circle", BLACK, size=2.6)
    canvas.line([(62, 14), (86, 14)], BLUE, thick=1)
    canvas.word(92, 18, "95 %", size=SMALL)
    canvas.line([(132, 14), (156, 14)], BLUE, thick=4)
    canvas.word(162, 18, "middle half", size=SMALL)
    canvas.mark(248, 14, "circle", BLACK, size=2.6)
    canvas.word(256, 18, "median", size=SMALL)
    canvas.line([(310, 14), (334, 14)], GREY, dash="2 3")
    canvas.word(340, 18, "same risk", size=SMALL)
    return canvas
