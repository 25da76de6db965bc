"""The picture of a card in the README, as a browser shows the card. IMNM_WRITE_PICTURE=1 writes it (`make docs`)."""

import base64
import io
import os
import re
import shutil

import pytest
from PIL import Image

from tests.golden.charts import explained
from tests.support.picture import PATIENT, PICTURE, STYLE, page_of_card, write
from tests.system.browser.conftest import files_served

pytestmark = pytest.mark.xdist_group("browser")
README = PICTURE.parents[1] / "README.md"
WIDTH, HEIGHT = 820, 2400  # higher than the card, so that no scroll bar takes room
SCALE = 1.5
# The card down to the last table or list that ends in its upper half, with a little of the page around it.
UPPER_HALF = """
const card = document.querySelector("article.card").getBoundingClientRect();
const parts = [...document.querySelectorAll(".detail > :is(.scroll, ul)")].map(part => part.getBoundingClientRect());
const last = parts.filter(part => part.bottom <= card.top + card.height / 2).at(-1);
const x = card.x - 8, y = card.y - 8;
return {x, y, width: card.width + 16, height: last.bottom + 12 - y, whole: card.height};
"""


def test_the_picture_in_the_readme_is_what_a_browser_shows_of_the_upper_half_of_the_card(browser, tmp_path):
    (tmp_path / "index.html").write_text(page_of_card(), encoding="utf-8")
    shutil.copy(STYLE, tmp_path)
    with files_served(tmp_path) as address:
        browser.open(address, WIDTH, HEIGHT, scale=SCALE)
        clip = browser.driver.execute_script(UPPER_HALF)
        assert 0.35 < clip["height"] / clip.pop("whole") <= 0.5
        wanted = {"clip": clip | {"scale": 1}}
        data = browser.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        if os.environ.get("IMNM_WRITE_PICTURE") == "1":
            write(shown, PICTURE)
        with Image.open(PICTURE) as kept:
            assert shown.size == pytest.approx(kept.size, rel=0.15)  # another machine has other fonts
            assert ink(shown) == pytest.approx(ink(kept), rel=0.3)


def test_the_words_for_those_who_do_not_see_the_picture_say_what_it_shows():
    (card,) = explained(PATIENT)["cards"]
    (words,) = re.findall(r'<img src="docs/card.png" [^>]*alt="([^"]*)"', README.read_text(encoding="utf-8"))
    assert card["summary"] in words
    assert "four things to do" in words
    assert card["detail"].split("\n\n")[1].count("\n- ") == 3
    assert "| Predictor | State, value, date |" in card["detail"]
    assert words.endswith("the four predictors with state, value and date")


def ink(image):
    """The share of the picture that is dark: not blank, and not black."""
    dark = sum(image.convert("L").histogram()[:128]) / (image.width * image.height)
    assert 0.01 < dark < 0.3
    return dark
