"""`python -m tests.support.picture --write`: the card of the README as SVG, from a sample patient on the base day."""

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from cds_service.terminal import show_card
from tests.golden.charts import explained

PICTURE = Path(__file__).parents[2] / "docs" / "card.svg"
PATIENT = "high-overdue"
PAPER = TerminalTheme(
    (255, 255, 255),
    (33, 37, 41),
    [
        (33, 37, 41),
        (176, 32, 32),
        (32, 120, 60),
        (176, 110, 0),
        (30, 90, 170),
        (120, 60, 140),
        (0, 110, 120),
        (90, 90, 90),
    ],
)
# Fonts of the reader's machine only: the picture asks no other host for anything.
SVG = """<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>The card of a sample patient: IMNM recurrence risk, its range, the evidence and the follow-up that is missing</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
<rect fill="#ffffff" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture() -> str:
    """The SVG as it must stand in docs/."""
    console = Console(
        record=True, width=80, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    (card,) = explained(PATIENT)["cards"]
    show_card(console, card)
    return console.export_svg(title="", theme=PAPER, code_format=SVG, unique_id="card")


if __name__ == "__main__":
    if "--write" in sys.argv:
        PICTURE.write_text(picture(), encoding="utf-8")
    elif picture() != PICTURE.read_text(encoding="utf-8"):
        sys.exit("docs/card.svg is stale: run `make docs`")
