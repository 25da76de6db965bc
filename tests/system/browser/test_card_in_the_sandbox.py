"""Every sample card in a page that shows cards as the CDS Hooks sandbox does: half a window wide, letters of 16 px."""

import json

import pytest
from selenium.webdriver.common.by import By

from cds_service.demo.patients import samples
from tests.golden.charts import explained

pytestmark = pytest.mark.xdist_group("browser")
WIDTH, HEIGHT = 1440, 900
WITH_CARD = [sample.name for sample in samples().patients if explained(sample.name)["cards"]]
# The card from its upper edge to the lower edge of each button, and what sticks out of it.
MEASURED = """
const card = document.querySelector("article"), edge = card.getBoundingClientRect();
const box = element => element.getBoundingClientRect();
const seen = [...card.querySelectorAll("*")].filter(element => box(element).height);
return {
  width: edge.width,
  down_to: Object.fromEntries(seen.filter(e => e.matches("button")).map(e => [e.textContent, box(e).bottom - edge.top])),
  broken: seen.filter(e => e.matches("button") && box(e).height > 40).map(e => e.textContent),
  outside: seen.filter(e => box(e).right > edge.right - 20 || box(e).left < edge.left).map(e => e.outerHTML),
};
"""


@pytest.fixture
def measured(launched):
    """What is measured of the card of a patient in the window of a clinic's screen."""

    def measure(patient):
        launched(patient, size=(WIDTH, HEIGHT))
        return launched.browser.driver.execute_script(MEASURED)

    return measure


@pytest.mark.parametrize("patient", WITH_CARD)
def test_a_card_with_all_its_buttons_is_seen_at_once(measured, patient):
    down_to = measured(patient)["down_to"]
    assert "Dismiss" in down_to
    assert max(down_to.values()) <= HEIGHT, json.dumps(down_to)


@pytest.mark.parametrize("patient", WITH_CARD)
def test_nothing_of_a_card_is_cut_or_broken_there(launched, measured, patient):
    seen = measured(patient)
    assert 600 < seen["width"] < WIDTH / 2
    assert (seen["broken"], seen["outside"]) == ([], [])
    assert launched.browser.clipped() == []
    assert not launched.browser.is_scrolled_sideways()


@pytest.mark.parametrize("patient", WITH_CARD)
def test_a_card_is_no_raw_markdown_there(launched, patient):
    launched(patient)
    card = launched.browser.driver.find_element(By.TAG_NAME, "article")
    assert [mark for mark in ("**", "| ", "---", "\n- ") if mark in card.text] == []
    rows = card.find_elements(By.TAG_NAME, "tr")
    assert len(rows) == (5 if "| Predictor |" in explained(patient)["cards"][0]["detail"] else 0)
