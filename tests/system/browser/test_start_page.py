"""The demonstration's own pages in a browser: no barrier, no error, no sideways scrolling, and the keyboard is enough."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import staleness_of

from cds_service.demo.patients import samples

pytestmark = pytest.mark.xdist_group("browser")
PATHS = ["/", *(f"/chart/{sample.name}" for sample in samples().patients), "/chart/nobody"]
WIDTHS = [1280, 320]
MOST_TABS = 60
# What goes beyond the edge of the card, but for a table in a region that scrolls.
STICKS_OUT = """
const card = document.querySelector("article"), edge = card.getBoundingClientRect();
const parts = [...card.querySelectorAll(":not(.unseen, .scroll *)")];
const out = parts.filter(part => part.getBoundingClientRect().right > edge.right - 1);
return out.map(part => part.outerHTML);
"""


def is_in_order(browser, *, may_fail=False):
    """Check everything that holds for every page."""
    assert browser.violations() == []
    assert not browser.is_scrolled_sideways()
    assert browser.clipped() == []
    errors = [line for line in browser.errors() if not (may_fail and "404 (Not Found)" in line)]
    assert errors == []


def tab_to(browser, selector):
    """Press Tab until what the selector names has the focus; returns it, and checks that the focus can be seen."""
    driver = browser.driver
    for _ in range(MOST_TABS):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached = driver.switch_to.active_element
        if driver.execute_script("return arguments[0].matches(arguments[1])", reached, selector):
            assert shows_focus(browser, reached)
            return reached
    raise AssertionError(f"{MOST_TABS} times Tab do not reach {selector}")


def shows_focus(browser, element):
    """Whether the element looks different with the focus than without it."""
    look = """
        const style = getComputedStyle(arguments[0]);
        return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor].join();
    """
    focused = browser.driver.execute_script(look, element)
    browser.driver.execute_script("arguments[0].blur()", element)
    plain = browser.driver.execute_script(look, element)
    browser.driver.execute_script("arguments[0].focus({focusVisible: true})", element)
    return focused != plain


def told(browser):
    """What the page says was stored, once the browser has come back to it."""
    return browser.wait().until(lambda d: d.find_elements(By.CSS_SELECTOR, ".told"))[0].text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PATHS)
def test_a_page_has_no_barrier_no_error_and_fits_its_window(browser, demo, path, width, scheme):
    browser.open(demo.service + path, width, scheme=scheme)
    assert "imnm-cds demonstration" in browser.driver.title
    for folded in browser.driver.find_elements(By.TAG_NAME, "summary"):
        folded.click()
    is_in_order(browser, may_fail=path == "/chart/nobody")


@pytest.mark.parametrize("sample", samples().patients, ids=lambda sample: sample.name)
def test_nothing_sticks_out_of_a_card_on_a_narrow_screen(browser, demo, sample):
    browser.open(f"{demo.service}/chart/{sample.name}", 320)
    assert browser.driver.execute_script(STICKS_OUT) == []


@pytest.mark.parametrize("patient", ["high-overdue", "refractory"])
def test_the_button_that_dismisses_is_quiet_with_suggestions_and_without(browser, demo, patient):
    browser.open(f"{demo.service}/chart/{patient}")
    ground = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    button, card = (
        browser.driver.execute_script(ground, selector) for selector in (".dismissal button", ".card")
    )
    assert button == card


def test_the_pages_are_dark_where_the_reader_wants_them_dark(browser, demo):
    colours = set()
    for scheme in ("light", "dark"):
        browser.open(demo.service, scheme=scheme)
        colours.add(browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_a_suggestion_is_accepted_with_the_keyboard_alone(browser, demo, width):
    before = len(demo.feedback())
    browser.open(f"{demo.service}/chart/high-overdue", width)
    button = tab_to(browser, "button[name=suggestion]")
    label = button.accessible_name.partition(": ")[2]
    button.send_keys(Keys.ENTER)
    assert label in told(browser)
    is_in_order(browser)
    (item,) = demo.feedback()[before:]
    assert (item.outcome, len(item.suggestions)) == ("accepted", 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_card_is_dismissed_with_a_reason_with_the_keyboard_alone(browser, demo, width):
    before = len(demo.feedback())
    browser.open(f"{demo.service}/chart/high-overdue", width)
    tab_to(browser, "select[name=reason]").send_keys("Already")
    tab_to(browser, "form[action$=dismiss] button").send_keys(Keys.SPACE)
    assert "Already done" in told(browser)
    assert browser.driver.find_elements(By.CSS_SELECTOR, "form[action$=dismiss]") == []
    is_in_order(browser)
    (item,) = demo.feedback()[before:]
    assert (item.outcome, [code for _, code in item.reasons]) == ("overridden", ["action-completed"])


def test_a_chart_is_opened_from_the_start_page_with_the_keyboard_alone(browser, demo):
    browser.open(demo.service)
    link = tab_to(browser, "a[href='/chart/high-overdue']")
    link.send_keys(Keys.ENTER)
    browser.wait().until(staleness_of(link))
    assert browser.driver.current_url == f"{demo.service}/chart/high-overdue"
    assert "57 % in 2 years" in browser.driver.find_element(By.TAG_NAME, "main").text
    is_in_order(browser)


def test_the_start_page_lists_what_was_stored(browser, demo):
    browser.open(f"{demo.service}/chart/relapse-now")
    tab_to(browser, "form[action$=dismiss] button").send_keys(Keys.ENTER)
    told(browser)
    browser.open(demo.service)
    assert "relapse-now: dismissed" in browser.driver.find_element(By.TAG_NAME, "main").text
    is_in_order(browser)
