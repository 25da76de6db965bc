"""SVG by hand: one figure with its title and description, axes, lines and words. The same input gives the same bytes.

Every number that is written carries its full value (`data-value`), so that it can be looked up in the report's JSON.
Colours are Okabe and Ito's, and nothing is told by colour alone: lines differ in dashes, marks in shape.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from math import ceil, floor, isfinite, log, log10
from typing import TypeVar

from models.training.report.words import written

BLACK, GREY = "#000000", "#707070"
BLUE, VERMILLION, GREEN, _ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
COLOURS = (BLUE, VERMILLION, GREEN, _ORANGE)
DASHES = ("", "7 3", "2 3", "9 3 2 3")
SMALL, NORMAL = 11, 12  # px
_LETTER = 0.56  # mean width of a letter, of the height

Point = tuple[float, float]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Label:
    """A number at a place of an axis, and how it is written."""

    value: float
    text: str


def width_of(text: str, size: float = NORMAL) -> float:
    """About how wide a text is, in px: fonts differ, so leave room."""
    return _LETTER * size * len(text)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart so that neighbours are at least `gap` apart, within low to high, as little as may be."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [min(max(place, low), high) for place in places]
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    limit = high
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    return moved


def ratio_ticks(ticks: Sequence[float], ends: Sequence[float]) -> list[float]:
    """Those of the ticks that a scale of ratios needs to reach all these ends, and a little to both sides of 1."""
    low = max((tick for tick in ticks if tick <= min([0.9, *ends])), default=ticks[0])
    high = min((tick for tick in ticks if tick >= max([1.1, *ends])), default=ticks[-1])
    return [tick for tick in ticks if low <= tick <= high]


def even(low: float, high: float, step: float) -> list[float]:
    """Ticks at the multiples of `step` from low to high."""
    digits = max(0, ceil(-log10(step)) + 1)
    return [round(i * step, digits) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def stepped(
    times: Sequence[float], values: Sequence[_Value], last: float, first: _Value
) -> tuple[list[float], list[_Value]]:
    """The corners of a step function from 0, where it is `first`, to `last`."""
    xs, ys = [0.0], [first]
    for time, value in zip(times, values, strict=True):
        xs += [time, time]
        ys += [ys[-1], value]
    return [*xs, last], [*ys, ys[-1]]


@dataclass(slots=True)
class Canvas:
    """A figure of `width` × `height` px. `title` and `about` are read out instead of the picture."""

    name: str
    title: str
    about: str
    width: float
    height: float
    parts: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)

    def line(
        self, points: Iterable[Point], colour: str = BLACK, *, dash: str = "", thick: float = 1.0
    ) -> None:
        """A line through points; it is broken where one is not finite."""
        path, pen = [], "M"
        for x, y in points:
            if not (isfinite(x) and isfinite(y)):
                pen = "M"
                continue
            path.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
        if path:
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            self.parts.append(
                f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="{thick:g}"{dashes}/>'
            )

    def area(self, points: Sequence[Point], colour: str, opacity: float = 0.15) -> None:
        """A closed area."""
        if points:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self.parts.append(f'<polygon points="{corners}" fill="{colour}" fill-opacity="{opacity:g}"/>')

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """A filled rectangle."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"'
            f' fill-opacity="{opacity:g}"/>'
        )

    def mark(
        self, x: float, y: float, shape: str, colour: str, *, filled: bool = True, size: float = 4
    ) -> None:
        """A mark: "circle", "square" or "diamond"."""
        paint = f'fill="{colour if filled else "#ffffff"}" stroke="{colour}" stroke-width="1.5"'
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" {paint}/>')
        else:
            s = size * (1.25 if shape == "diamond" else 0.9)
            corners = [(x, y - s), (x + s, y), (x, y + s), (x - s, y)]
            if shape == "square":
                corners = [(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)]
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
            self.parts.append(f'<polygon points="{path}" {paint}/>')

    def word(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: float = NORMAL,
        bold: bool = False,
        turned: bool = False,
        colour: str = BLACK,
        value: float | None = None,
    ) -> None:
        """A text, with its baseline at y; `value` is the number it shows."""
        style = ' font-weight="600"' if bold else ""
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
        carried = "" if value is None else f' data-value="{value!r}"'
        paint = "" if colour == BLACK else f' fill="{colour}"'
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{style}{turn}{paint}{carried}>'
            f"{escape(text)}</text>"
        )
        if value is not None:
            self.numbers.append(value)

    def mixed(self, x: float, y: float, parts: Sequence[str | Label], *, anchor: str = "start") -> None:
        """A text in which the numbers carry their values."""
        spans = "".join(
            f'<tspan data-value="{part.value!r}">{escape(part.text)}</tspan>'
            if isinstance(part, Label)
            else escape(part)
            for part in parts
        )
        self.numbers += [part.value for part in parts if isinstance(part, Label)]
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{NORMAL}" text-anchor="{anchor}" xml:space="preserve">{spans}</text>'
        )

    def key(self, x: float, y: float, entries: Sequence[tuple[str, str, str, str]]) -> None:
        """A legend in one row: text, colour, dash, and mark for each entry.

        The mark is "", "area", "square", "diamond", or "circle", which is open.
        """
        for text, colour, dash, shape in entries:
            if shape == "area":
                self.box(x, y - 9, 26, 10, colour, 0.2)
            else:
                self.line([(x, y - 4), (x + 26, y - 4)], colour, dash=dash, thick=2)
            if shape in {"circle", "square", "diamond"}:
                self.mark(x + 13, y - 4, shape, colour, filled=shape != "circle")
            self.word(x + 32, y, text, size=SMALL)
            x += 32 + width_of(text, SMALL) + 18

    def svg(self) -> str:
        """The figure as an element that a page can hold."""
        head = (
            f'<svg id="figure-{self.name}" role="img" aria-labelledby="figure-{self.name}-t figure-{self.name}-d"'
            f' viewBox="0 0 {self.width:g} {self.height:g}" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="figure-{self.name}-t">{escape(self.title)}</title>'
            f'<desc id="figure-{self.name}-d">{escape(self.about)}</desc>'
        )
        return "\n".join([head, *self.parts, "</svg>"])


@dataclass(frozen=True, slots=True)
class Axes:
    """A frame on a canvas: left, top, width, height in px; the ranges of x and y; x on a log scale if asked for."""

    on: Canvas
    left: float
    top: float
    wide: float
    high: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log_x: bool = False

    @property
    def bottom(self) -> float:
        """The y of the lower edge, in px."""
        return self.top + self.high

    @property
    def right(self) -> float:
        """The x of the right edge, in px."""
        return self.left + self.wide

    def x(self, value: float) -> float:
        """Where a value lies, in px from the left."""
        low, high = self.x_range
        if self.log_x:
            value, low, high = log(value), log(low), log(high)
        return self.left + (value - low) / (high - low) * self.wide

    def y(self, value: float) -> float:
        """Where a value lies, in px from the top."""
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * self.high

    def points(self, xs: Sequence[float], ys: Sequence[float | None]) -> list[Point]:
        """Places of pairs; nan where y is None."""
        nowhere = float("nan")
        return [(self.x(x), nowhere if y is None else self.y(y)) for x, y in zip(xs, ys, strict=True)]

    def below(self, ticks: Sequence[float], title: str, *, percent: bool = False, decimals: int = 0) -> None:
        """The x axis."""
        self.on.line([(self.left, self.bottom), (self.right, self.bottom)], BLACK)
        for tick in ticks:
            x = self.x(tick)
            self.on.line([(x, self.bottom), (x, self.bottom + 4)], BLACK)
            text = written(tick, decimals, percent=percent)
            self.on.word(x, self.bottom + 17, text, anchor="middle", size=SMALL, value=tick)
        self.on.word(self.left + self.wide / 2, self.bottom + 34, title, anchor="middle")

    def beside(self, ticks: Sequence[float], title: str, *, percent: bool = False, decimals: int = 0) -> None:
        """The y axis, with faint lines across."""
        self.on.line([(self.left, self.top), (self.left, self.bottom)], BLACK)
        for tick in ticks:
            y = self.y(tick)
            self.on.line([(self.left, y), (self.right, y)], "#e6e6e6")
            self.on.line([(self.left - 4, y), (self.left, y)], BLACK)
            text = written(tick, decimals, percent=percent)
            self.on.word(self.left - 7, y + 4, text, anchor="end", size=SMALL, value=tick)
        self.on.word(self.left - 42, self.top + self.high / 2, title, anchor="middle", turned=True)
