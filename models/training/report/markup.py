"""HTML: escaped words, numbers that carry their full value, tables with headings, sections."""

from collections.abc import Sequence
from html import escape
from typing import Protocol

from models.training.report.words import written, written_p


class Limited(Protocol):
    """A number with its limits, or the reason why there is none."""

    @property
    def value(self) -> float | None:
        """The number."""

    @property
    def low(self) -> float | None:
        """The lower limit."""

    @property
    def high(self) -> float | None:
        """The upper limit."""

    @property
    def reason(self) -> str:
        """Why there is no number."""


def words(text: str) -> str:
    """Text for HTML."""
    return escape(str(text), quote=False)


def number(value: float | None, decimals: int = 2, *, percent: bool = False) -> str:
    """A number as `<data>` with its full value; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, int):
        decimals = 0
    return f'<data value="{value!r}">{written(value, decimals, percent=percent)}</data>'


def p_value(p: float | None) -> str:
    """A p-value as `<data>`."""
    return "–" if p is None else f'<data value="{p!r}">{escape(written_p(p))}</data>'


def measure(given: Limited, decimals: int = 2, *, percent: bool = False) -> str:
    """A value with its limits, or why there is none."""
    if given.value is None:
        return f'<span class="none">not estimable: {words(given.reason)}</span>'
    text = number(given.value, decimals, percent=percent)
    if given.low is None or given.high is None:
        return text
    low, high = (number(end, decimals, percent=percent) for end in (given.low, given.high))
    return f'{text} <span class="limits">({low} to {high})</span>'


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = "", kind: str = ""
) -> str:
    """A table: the first cell of a row is its heading. All cells are HTML already; `kind` is a class of the style."""
    style = f' class="{kind}"' if kind else ""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "\n".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    text = f'\n<p class="note">{note}</p>' if note else ""
    return (
        f'<div class="wide"><table{style}><caption>{words(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>{text}"
    )


def section(name: str, title: str, *parts: str) -> str:
    """A part of the report with its heading."""
    content = "\n".join(part for part in parts if part)
    return f'<section id="{name}" aria-labelledby="{name}-h">\n<h2 id="{name}-h">{words(title)}</h2>\n{content}\n</section>'


def listed(items: Sequence[str]) -> str:
    """A list; the items are HTML already."""
    return "<ul>\n" + "\n".join(f"<li>{item}</li>" for item in items) + "\n</ul>"
