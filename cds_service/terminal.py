"""How a CDS card looks in a terminal: the same words that the EHR shows, at most 80 columns wide."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO
from urllib.parse import urlsplit

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

WIDTH = 80
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


def show_card(console: Console, card: Card) -> None:
    """Print one card as a clinician would see it: summary, detail, suggestions, reasons to override, source."""
    indicator = str(card.get("indicator", "info"))
    parts: list[RenderableType] = [Text(str(card["summary"]), style="bold")]
    if card.get("detail"):
        parts += [Text(), _Detail(str(card["detail"]))]
    parts += _choices(card)
    parts += [Text(), _source(card.get("source", {}))]
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
    """Say that the answer holds no card, and why: silence must never look like a failure."""
    parts = [Text("No card is shown: the service answered `cards: []`.", style="bold"), Text(), Text(why)]
    console.print(
        Panel(Group(*parts), title=Text(" SILENT ", style="bold"), title_align="left", padding=(1, 2))
    )


def _choices(card: Card) -> list[RenderableType]:
    """The suggestions as buttons, and the reasons that can be given for dismissing the card."""
    parts: list[RenderableType] = []
    suggestions = card.get("suggestions", ())
    if suggestions:
        buttons = Table.grid(padding=(0, 1))
        for suggestion in suggestions:
            buttons.add_row(Text("[ ]"), Text(str(suggestion["label"])))
        parts += [Text(), Text("Suggestions", style="bold"), Padding(buttons, (0, 0, 0, 2))]
    reasons = [str(reason["display"]) for reason in card.get("overrideReasons", ())]
    if reasons:
        parts += [Text(), Text("Dismiss: " + " · ".join(reasons), style="dim")]
    return parts


def _source(source: Mapping[str, Any]) -> Text:
    """Where the card comes from; the address stands behind the label where the terminal knows links."""
    line = Text("Source: ", style="dim")
    url = str(source.get("url", ""))
    line.append(str(source.get("label", "not named")), style=f"link {url}" if url else "")
    return line.append(f" ({urlsplit(url).hostname})") if url else line


class _Detail:
    """Markdown without the double blank lines that rich puts round a table."""

    def __init__(self, markdown: str) -> None:
        self._markdown = Markdown(markdown, hyperlinks=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield the rendered lines, at most one blank one in a row and none at either end."""
        pending, begun = False, False
        for line in console.render_lines(self._markdown, options, pad=False):
            if not "".join(segment.text for segment in line).strip():
                pending = begun
                continue
            if pending:
                yield Segment.line()
            yield from line
            yield Segment.line()
            pending, begun = False, True
