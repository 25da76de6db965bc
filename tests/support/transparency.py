"""`python -m tests.support.transparency --write`: docs/model-transparency.md, what the shipped model says of itself."""

import sys
from pathlib import Path
from typing import Any

from models.registry import default_folder, load_model
from models.transparency import TITLES, AnsweredList, Transparency, transparency

PAGE = Path(__file__).parents[2] / "docs" / "model-transparency.md"
_HEAD = "<!-- written by `make docs` from models/transparency and models/imnm_recurrence/transparency.toml -->\n\n"


def shipped_page() -> str:
    """The page as it should be."""
    folder = default_folder()
    return _HEAD + as_markdown(transparency(load_model(folder), folder))


def as_markdown(shown: Transparency) -> str:
    """The same as a page of Markdown."""
    parts = [f"# {shown.title}", _table(("", ""), shown.model.items())]
    for name in TITLES:
        answered: AnsweredList = getattr(shown, name)
        rows = ((item.id, item.section, item.topic, item.answer) for item in answered.items)
        parts += [
            f"## {answered.title}",
            f"{answered.source}. Read: {answered.read}.",
            _table(("item", "section", "topic", "answer"), rows),
        ]
    return "\n\n".join(parts) + "\n"


def _table(heads: tuple[str, ...], rows: Any) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__" and "--write" in sys.argv:
    PAGE.write_text(shipped_page(), encoding="utf-8", newline="\n")
