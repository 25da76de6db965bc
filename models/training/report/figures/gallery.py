"""The figures of one page: as HTML, and what each says."""

from models.training.report.figures.canvas import Canvas
from models.training.report.report import FigureNumbers


class Gallery:
    """The figures drawn so far: what each says, and the numbers in it, by name."""

    def __init__(self) -> None:
        self.shown: dict[str, FigureNumbers] = {}

    def show(self, canvas: Canvas, caption: str) -> str:
        """The figure with its caption, which is HTML already."""
        numbers = tuple(sorted(set(canvas.numbers)))
        self.shown[canvas.name] = FigureNumbers(canvas.title, canvas.about, numbers)
        return f"<figure>\n{canvas.svg()}\n<figcaption>{caption}</figcaption>\n</figure>"
