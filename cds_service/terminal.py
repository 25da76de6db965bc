"""How a CDS card looks in a terminal: the same words that the EHR shows, at most 80 columns wide.

A card may come from any service, odd or hostile: it never fails to be shown, and none of its text reaches the terminal
as a control sequence or as markup of ours.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

WIDTH = 80
_DETAIL_CHARACTERS = 20_000  # as much as a screen can hold; rendering more takes seconds
# Control characters, and those that turn the direction of text or break its lines unseen.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Tags are shown as text
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}

Card = Mapping[str, Any]


def open_console(file: TextIO | None = None) -> Console:
    """A console of at most 80 columns; plain text where the output is no terminal or NO_COLOR is set."""
    output = file or sys.stdout
    if hasattr(output, "reconfigure"):
        output.reconfigure(errors="replace")  # an old terminal shows "?", it does not end the program
    plain = bool(os.environ.get("NO_COLOR")) or not output.isatty()
    console = Console(file=output, color_system=None if plain else "auto", highlight=False, emoji=False)
    console.width = min(console.width, WIDTH)
    return console


def print_json(document: object, *, indent: int | None = None) -> None:
    """Write one JSON value on standard output: in UTF-8, whatever the terminal's encoding is (RFC 8259)."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent) + "\n")


def printable(text: str) -> str:
    """The text without anything that a terminal obeys instead of showing: each such character becomes U+FFFD."""
    return _UNSAFE.sub("\ufffd", text)


def show_card(console: Console, card: Card) -> None:
    """Print one card as a clinician would see it: summary, detail, suggestions, links, reasons to override, source."""
    indicator = _words(card.get("indicator")) or "info"
    parts: list[RenderableType] = [Text(_words(card.get("summary")) or "(no summary)", style="bold")]
    detail = card.get("detail")
    text = printable(detail.replace("\r\n", "\n")) if isinstance(detail, str) else ""
    more = len(text) - _DETAIL_CHARACTERS
    text = f"{text[:_DETAIL_CHARACTERS]}\n\n(… {more} more characters)" if more > 0 else text.strip()
    if text:
        parts += [Text(), _Detail(text)]
    parts += _choices(card)
    source = card.get("source")
    parts += [Text(), _source(source if isinstance(source, dict) else {})]
    console.print(
        Panel(
            Group(*parts),
            title=Text(f" {indicator.upper()} ", style="bold"),
            title_align="left",
            border_style=_COLOURS.get(indicator, "white"),
            padding=(1, 2),
        )
    )


def show_silence(console: Console, why: str) -> None:
    """Say in a sentence that there is no card, and why: silence must never look like a failure."""
    _show_box(console, "SILENT", "No card is shown: the service has nothing to say about this chart.", why)


def show_unknown(console: Console, why: str) -> None:
    """Say that a chart could not be assessed, and why: a failure must never look like silence."""
    _show_box(console, "NOT ASSESSED", "It is not known whether a card is due for this chart.", why)


def _show_box(console: Console, title: str, said: str, why: str) -> None:
    parts = [Text(said, style="bold"), Text(), Text(why)]
    titled = Text(f" {title} ", style="bold")
    console.print(Panel(Group(*parts), title=titled, title_align="left", padding=(1, 2)))


def _words(value: object) -> str:
    """A text of the card on one line; nothing where it is no text."""
    return " ".join(printable(value).split()) if isinstance(value, str) else ""


def _objects(value: object) -> list[Mapping[str, Any]]:
    """The JSON objects of a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list | tuple) else []


def _choices(card: Card) -> list[RenderableType]:
    """The suggestions as buttons, the links, and the reasons that can be given for dismissing the card."""
    parts: list[RenderableType] = []
    for title, rows in (
        ("Suggestions", [(Text("[ ]"), _label(each)) for each in _objects(card.get("suggestions"))]),
        ("Links", [(Text("→"), _link(each)) for each in _objects(card.get("links"))]),
    ):
        if rows:
            table = Table.grid(padding=(0, 1))
            table.add_column()
            table.add_column(overflow="fold")
            for row in rows:
                table.add_row(*row)
            parts += [Text(), Text(title, style="bold"), Padding(table, (0, 0, 0, 2))]
    reasons = [_words(each.get("display")) or "(no text)" for each in _objects(card.get("overrideReasons"))]
    if reasons:
        parts += [Text(), Text("Dismiss: " + " · ".join(reasons), style="dim")]
    return parts


def _label(labelled: Mapping[str, Any]) -> Text:
    return Text(_words(labelled.get("label")) or "(no label)")


def _link(link: Mapping[str, Any]) -> Text:
    """Label and whole address: what opens in an EHR must be readable here."""
    url = _words(link.get("url"))
    app = "SMART app, " if link.get("type") == "smart" else ""
    return _label(link).append(f" ({app}").append(url or "no address", style=_opens(url)).append(")")


def _source(source: Mapping[str, Any]) -> Text:
    """Where the card comes from; the address stands behind the label where the terminal knows links."""
    url = _words(source.get("url"))
    line = Text("Source: ", style="dim").append(_words(source.get("label")) or "not named", style=_opens(url))
    if not url:
        return line
    try:
        host = urlsplit(url).hostname or url
    except ValueError:
        host = url
    return line.append(f" ({host})")


def _opens(url: str) -> Style:
    """A style that opens the address where the terminal knows links; a web address only."""
    return Style(link=url) if url.startswith(("http://", "https://")) else Style()


class _Detail:
    """Markdown without the double blank lines that rich puts round a table."""

    def __init__(self, markdown: str) -> None:
        self._markdown = Markdown("", hyperlinks=False)
        # Rich's own parser drops HTML and what stands in it
        self._markdown.parsed = _MARKDOWN.parse(markdown)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield the rendered lines, at most one blank one in a row and none at either end."""
        pending, begun = False, False
        for line in console.render_lines(self._markdown, options, pad=False):
            if not "".join(segment.text for segment in line).strip():
                pending = begun
                continue
            if pending:
                yield Segment.line()
            # an entity like &#x202e; becomes a character only when the Markdown is read
            yield from (Segment(printable(text), style, control) for text, style, control in line)
            yield Segment.line()
            pending, begun = False, True
