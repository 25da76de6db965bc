"""A page of our own, at another origin, that calls the demonstration as the CDS Hooks sandbox is documented to."""

import pytest
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def feedback_of(demo):
    """The feedback on the card that is shown, without what other tests left in the store."""
    before = len(demo.feedback())
    return lambda: demo.feedback()[before:]


def sent(launched, part):
    """The requests of the page to one of its two servers, without the address."""
    base = getattr(launched.demo, part)
    asked = launched.browser.driver.execute_script("return sent")
    return [line.replace(f"{base}/", "") for line in asked if line.split(" ")[1].startswith(f"{base}/")]


def press(launched, label):
    """Press a button of the card, and wait until the service has answered."""
    driver = launched.browser.driver
    driver.execute_script("delete document.body.dataset.told")
    if label.startswith("Override: "):
        driver.find_element(By.CSS_SELECTOR, "button.arrow").click()
    driver.find_element(By.XPATH, f"//button[.='{label}']").click()
    launched.browser.wait().until(lambda d: d.execute_script("return document.body.dataset.told"))
    return driver.execute_script("return document.body.dataset.told")


def test_the_launch_link_alone_shows_the_card_with_its_buttons(launched):
    launched("high-overdue")
    (card,) = launched.browser.driver.find_elements(By.TAG_NAME, "article")
    assert card.find_element(By.TAG_NAME, "h2").text.startswith("IMNM: high recurrence risk, 57 %")
    assert card.get_attribute("data-indicator") == "warning"
    labels = [button.text for button in card.find_elements(By.TAG_NAME, "button")]
    assert "Order: CK, AST, ALT" in labels
    assert labels[labels.index("Dismiss") :] == ["Dismiss", "▾", *[""] * 4]
    card.find_element(By.CSS_SELECTOR, "button.arrow").click()
    labels = [button.text for button in card.find_elements(By.TAG_NAME, "button")]
    assert labels[labels.index("▾") + 1] == "Override: Does not apply to this patient"
    assert launched.browser.errors() == []


def test_a_link_of_the_start_page_opens_the_chart_in_the_page_whose_origin_may_call(launched):
    driver = launched.browser.driver
    launched.browser.open(launched.demo.service)
    driver.find_element(By.XPATH, "//a[.='open in the sandbox: relapse-now']").click()
    launched.answered()
    assert driver.current_url.startswith(launched.page)
    assert len(driver.find_elements(By.TAG_NAME, "article")) == 1
    assert launched.browser.errors() == []


def test_what_is_pressed_there_is_named_on_the_start_page(launched):
    launched("srp-fvc-fall")
    (label,) = (
        button.text
        for button in launched.browser.driver.find_elements(By.TAG_NAME, "button")
        if "Order" in button.text
    )
    press(launched, label)
    launched.browser.open(launched.demo.service)
    listed = launched.browser.driver.find_element(By.CSS_SELECTOR, "ol li:last-child").text
    assert listed.endswith(f"UTC, srp-fvc-fall: accepted “{label}”")


def test_it_asks_in_the_order_in_which_the_sandbox_asks(launched):
    launched("high-overdue")
    fhir = sent(launched, "fhir")
    assert fhir[:4] == [
        "GET metadata",
        "GET Patient",
        "GET Patient/high-overdue",
        "GET Condition?patient=high-overdue",
    ]
    assert len(fhir) == 4 + 17
    assert sum(line.endswith("/_search") for line in fhir) == 16
    assert sent(launched, "service") == ["GET cds-services", "POST cds-services/imnm-recurrence"]


@pytest.mark.parametrize("patient", ["low-quiet", "plain"])
def test_a_chart_with_nothing_to_say_is_all_clear(launched, patient):
    launched(patient)
    assert launched.browser.driver.find_element(By.ID, "cards").text == "All clear!"
    assert launched.browser.errors() == []


def test_a_slash_at_the_end_of_the_address_does_no_harm(launched, feedback_of):
    launched("high-overdue", serviceDiscoveryURL=f"{launched.demo.discovery}/")
    assert sent(launched, "discovery") == ["GET ", "POST /imnm-recurrence"]
    assert press(launched, "Order: CK, AST, ALT") == '200 {"stored":1}'
    assert len(feedback_of()) == 1
    assert launched.browser.errors() == []


def test_a_pressed_suggestion_arrives_in_the_store(launched, feedback_of):
    launched("high-overdue")
    assert press(launched, "Order: CK, AST, ALT") == '200 {"stored":1}'
    (item,) = feedback_of()
    assert (item.outcome, item.reasons, len(item.suggestions)) == ("accepted", (), 1)
    assert launched.browser.errors() == []


@pytest.mark.parametrize(
    ("label", "codes"), [("Override: Already done", ["action-completed"]), ("Dismiss", [])]
)
def test_a_dismissed_card_arrives_in_the_store_with_the_reason_if_one_was_given(
    launched, feedback_of, label, codes
):
    launched("relapse-now")
    assert press(launched, label) == '200 {"stored":1}'
    (item,) = feedback_of()
    assert (item.outcome, [code for _, code in item.reasons]) == ("overridden", codes)
    assert launched.browser.driver.find_elements(By.TAG_NAME, "article") == []
    assert launched.browser.errors() == []


def test_a_page_of_an_origin_that_was_not_allowed_sees_nothing(launched):
    other = launched.page.replace("127.0.0.1", "localhost")
    browser = launched.browser
    browser.open(
        f"{other}?fhirServiceUrl={launched.demo.fhir}&patientId=plain&serviceDiscoveryURL={launched.demo.discovery}"
    )
    browser.wait().until(lambda d: d.execute_script("return sent.length") >= 5)
    errors = []
    browser.wait().until(lambda _: errors.extend(browser.errors()) or errors)
    assert "blocked by CORS policy" in errors[0]
    assert browser.driver.find_elements(By.TAG_NAME, "article") == []
