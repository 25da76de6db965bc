"""What is known of the predictors, as bars."""

from collections.abc import Sequence

from models.training.report.figures.canvas import BLACK, GREEN, SMALL, Canvas, width_of
from models.training.validation.validation import Missing

_ABSENT, _PAPER = "#cccccc", "#ffffff"


def missing_figure(predictors: Sequence[Missing], n: int) -> Canvas:
    """How often each predictor is present, absent and not known."""
    left = max(width_of(known.label) for known in predictors) + 16
    about = "; ".join(
        f"{known.label}: present {known.present}, absent {known.absent}, not known {known.unknown}"
        for known in predictors
    )
    canvas = Canvas(
        "missing", "What is known of the predictors", about, left + 430, 34 + 32 * len(predictors)
    )
    canvas.box(left, 6, 14, 10, GREEN)
    canvas.word(left + 20, 15, "present", size=SMALL)
    canvas.box(left + 90, 6, 14, 10, _ABSENT)
    canvas.word(left + 110, 15, "absent", size=SMALL)
    _hatched(canvas, left + 180, 6, 14, 10)
    canvas.word(left + 200, 15, "not known", size=SMALL)
    for k, known in enumerate(predictors):
        y = 28 + 32 * k
        canvas.word(4, y + 15, known.label)
        _bars(canvas, left, y, known, 420 / n)
    return canvas


def _bars(canvas: Canvas, x: float, y: float, known: Missing, unit: float) -> None:
    for n, colour in ((known.present, GREEN), (known.absent, _ABSENT), (known.unknown, "")):
        if not n:
            continue
        wide = n * unit
        if colour:
            canvas.box(x, y, wide, 22, colour)
        else:
            _hatched(canvas, x, y, wide, 22)
        room = width_of(str(n)) + 4
        if wide > room:
            if not colour:  # the hatching would cross the number
                canvas.box(x + (wide - room) / 2, y + 3, room, 16, _PAPER)
            canvas.word(x + wide / 2, y + 15, str(n), anchor="middle", value=n)
        x += wide


def _hatched(canvas: Canvas, x: float, y: float, wide: float, high: float) -> None:
    canvas.line([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high), (x, y)], BLACK)
    for start in range(0, int(wide + high), 5):
        x1, y1 = x + min(start, wide), y + max(0.0, start - wide)
        x2, y2 = x + max(0.0, start - high), y + min(start, high)
        canvas.line([(x1, y1), (x2, y2)], BLACK, thick=0.7)
