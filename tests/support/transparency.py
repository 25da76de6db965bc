"""`python -m tests.support.transparency --write`: docs/model-transparency.md, what the shipped model says of itself."""

import sys
from pathlib import Path

from models.registry import default_folder, load_model
from models.transparency import as_markdown, transparency

PAGE = Path(__file__).parents[2] / "docs" / "model-transparency.md"
_HEAD = "<!-- written by `make docs` from models/transparency and models/imnm_recurrence/transparency.toml -->\n\n"


def shipped_page() -> str:
    """The page as it should be."""
    folder = default_folder()
    return _HEAD + as_markdown(transparency(load_model(folder), folder))


if __name__ == "__main__" and "--write" in sys.argv:
    PAGE.write_text(shipped_page(), encoding="utf-8", newline="\n")
