"""The picture of a card in the README: the page that is photographed, and the digest of it that the picture carries.

A browser takes the picture (`tests/system/browser/test_picture.py`, with `make docs`); that it is of the card as it is
now can be told without one, and without comparing fonts.
"""

import hashlib
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cds_service.web.pages import frame
from cds_service.web.pages.card import show_card
from tests.golden.charts import explained

PICTURE = Path(__file__).parents[2] / "docs" / "card.png"
STYLE = Path(frame.__file__).with_name(frame.STYLESHEET.lstrip("/"))
PATIENT = "high-overdue"


def page_of_card() -> str:
    """The page with the card of a sample patient as of the base day."""
    (card,) = explained(PATIENT)["cards"]
    return frame.page(PATIENT, show_card(card, "/card/x"))


def digest() -> str:
    """A digest of all that the picture shows, but for the reader's fonts."""
    return hashlib.sha256(page_of_card().encode() + STYLE.read_bytes()).hexdigest()


def write(image: Image.Image, file: Path) -> None:
    """Write a picture with the digest in it; 64 colours are enough for text."""
    label = PngInfo()
    label.add_text("Source", digest())
    image.convert("RGB").quantize(64).save(file, "PNG", optimize=True, pnginfo=label)
