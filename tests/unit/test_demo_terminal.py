"""How a card and a silent answer look in a terminal, and what the demonstration prints around them."""

import io
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.cds_client import Exchange
from cds_service.demo.ehr import Served
from cds_service.demo.patients import samples
from cds_service.demo.report import Addresses, in_short, show_answer, show_next_steps, why_silent
from cds_service.terminal import open_console, show_card, show_silence

ADDRESSES = Addresses("http://127.0.0.1:8123", "http://127.0.0.1:8124/fhir")
CARD = {
    "summary": "High recurrence risk: 57 % in 2 years",
    "indicator": "warning",
    "detail": "**Disease now:** CK 318\n\n| Predictor | State |\n| --- | --- |\n| ANA [b] | present |\n\n- CK: overdue",
    "source": {"label": "imnm-cds: model", "url": "https://example.org/a/very/long/path"},
    "suggestions": [{"label": "Order: CK"}],
    "overrideReasons": [{"display": "Already done"}],
}


class Terminal(io.StringIO):
    """A terminal of 200 columns that remembers what it showed."""

    def isatty(self):
        return True


def printed(show, *arguments, file=None, **named):
    file = file or io.StringIO()
    show(open_console(file), *arguments, **named)
    return file.getvalue()


def exchange(status=200, **response):
    request = {"hook": "patient-view", "context": {"patientId": "plain"}}
    return Exchange(f"{ADDRESSES.discovery}/imnm-recurrence", request, status, response)


def test_a_card_shows_everything_that_a_clinician_sees():
    text = printed(show_card, CARD)
    for words in (
        "WARNING",
        "High recurrence risk: 57 % in 2 years",
        "Disease now: CK 318",
        "ANA [b]    present",
        "• CK: overdue",
        "[ ] Order: CK",
        "Dismiss: Already done",
        "Source: imnm-cds: model (example.org)",
    ):
        assert words in text


def test_a_card_has_no_two_blank_lines_in_a_row():
    lines = [line.strip("│ ") for line in printed(show_card, CARD).splitlines()]
    assert all(first or second for first, second in pairwise(lines[1:]))


def test_a_card_with_only_what_it_must_have_is_shown_too():
    text = printed(show_card, {"summary": "Only this"})
    assert "INFO" in text
    assert "Source: not named" in text
    assert "Suggestions" not in text


def test_a_card_of_another_service_shows_its_links_whole():
    links = [
        {"label": "Guideline", "url": "https://example.org/guideline?a=b", "type": "absolute"},
        {"label": "Calculator", "url": "https://example.org/" + "x" * 90, "type": "smart"},
        {"label": "Nowhere"},
    ]
    text = printed(show_card, {"summary": "s", "links": links})
    assert "→ Guideline (https://example.org/guideline?a=b)" in text
    assert "→ Calculator (SMART app, " in text
    assert re.sub(r"[\s│]", "", text).count("x" * 90) == 1
    assert "→ Nowhere (no address)" in text


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("<p>Look <b>here</b></p>", "<p>Look <b>here</b></p>"),
        ("a <script>x</script> b", "a <script>x</script> b"),
        ("&lt;p&gt; 5 &amp; 6", "<p> 5 & 6"),
        ("one\r\ntwo", "one two"),
        ("one&#x202e;two&lrm;", "one\ufffdtwo\ufffd"),
        ("x" * 30_000, "(… 10000 more characters)"),
    ],
)
def test_a_detail_loses_nothing_unsaid(detail, shown):
    assert shown in printed(show_card, {"summary": "s", "detail": detail})


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"summary": None, "indicator": "hard-stop", "source": None},
        {"summary": 7, "indicator": ["info"], "detail": {"a": 1}, "source": "label"},
        {"suggestions": {}, "links": "x", "overrideReasons": [None, 1, {}], "source": {"url": 3}},
        {
            "suggestions": [{}, 2, {"label": None}],
            "links": [{}, []],
            "source": {"url": "http://[", "label": ""},
        },
    ],
)
def test_a_card_that_is_odd_is_shown_all_the_same(card):
    text = printed(show_card, card)
    assert "(no summary)" in text
    assert "Source: not named" in text


def test_an_unknown_indicator_is_shown_as_it_is():
    assert "HARD-STOP" in printed(show_card, {"summary": "s", "indicator": "hard-stop"})


def test_markup_of_ours_in_a_card_is_only_text():
    text = "[bold red]x[/bold red] [link=http://a]y[/link] :smile:"
    card = {"summary": text, "suggestions": [{"label": text}], "overrideReasons": [{"display": text}]}
    shown = printed(show_card, card | {"detail": text, "source": {"label": text}})
    assert re.sub(r"[\s│]+", " ", shown).count(text) == 5


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "x\x1b]8;;http://evil\x07"])
def test_only_a_web_address_opens(monkeypatch, url):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    card = {"summary": "s", "source": {"label": "l", "url": url}, "links": [{"label": "l", "url": url}]}
    assert "\x1b]8" not in printed(show_card, card, file=Terminal())
    web = {"summary": "s", "source": {"label": "l", "url": "https://example.org"}}
    assert "\x1b]8" in printed(show_card, web, file=Terminal())


PIECES = [
    "&#x1b;",
    "&#x202e;",
    "&lrm;",
    "\x1b]8;;http://x\x1b\\",
    "[bold]",
    "[/]",
    "```",
    "\n| - |\n",
    "http://[",
]
STEERING = "\x00\x07\x08\x1b\r\n\t\x7f\x9b\u061c\u200e\u2028\u202e\u2066"
ODD_TEXT = st.lists(st.characters() | st.sampled_from([*STEERING, *"[]<>&;*_|!()-:#`", *PIECES])).map("".join)
ODD = st.none() | st.floats() | ODD_TEXT | st.lists(ODD_TEXT, max_size=2)


def objects(*members):
    return st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(members, ODD)) | ODD, max_size=3) | ODD


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine is slow at times
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "summary": ODD,
            "indicator": ODD,
            "detail": ODD,
            "source": st.fixed_dictionaries({}, optional={"label": ODD, "url": ODD}) | ODD,
            "suggestions": objects("label", "uuid"),
            "links": objects("label", "url", "type"),
            "overrideReasons": objects("display", "code"),
        },
    )
)
def test_no_card_fails_or_steers_the_terminal(card):
    text = printed(show_card, card)
    assert "Source: " in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)


def test_it_is_plain_and_80_columns_wide_when_piped():
    text = printed(show_card, CARD)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) == 80


def test_it_is_plain_with_no_color_in_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in printed(show_card, CARD, file=Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed(show_card, CARD, file=Terminal())


def test_an_output_that_cannot_write_a_character_shows_another_one():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    show_silence(open_console(file), "5 × ULN")
    file.flush()
    assert b"5 ? ULN" in raw.getvalue()


def test_standard_output_is_where_a_console_writes_unless_told_otherwise(capsys):
    show_silence(open_console(), "because")
    assert "because" in capsys.readouterr().out


def test_silence_says_that_it_is_one_and_why():
    text = printed(show_silence, "Assessed: low.")
    assert "No card is shown: the service has nothing to say about this chart." in text
    assert "Assessed: low." in text


def test_the_reason_for_silence_comes_from_the_audit_event():
    assert "nothing on this chart" in why_silent({"eligibility": "none"})
    assert "definite IMNM, disease controlled, risk band low" in why_silent(
        {"eligibility": "definite", "band": "low"}
    )


def test_the_requests_of_the_service_are_listed_in_short():
    served = [
        Served("GET", "Patient/plain", 200, None),
        Served("GET", "Observation?patient=plain&code=1%2C2%2C3%2C4&_count=100", 200, 8),
        Served("GET", "Basic?patient=plain", 404, None),
    ]
    event = {"event": "hook-call", "eligibility": "none", "milliseconds": 12.3}
    text = printed(show_answer, samples().find("plain"), exchange(cards=[]), served, event)
    assert "Chart opened: plain\ndiabetes" in text
    assert "FHIR requests that the service made (3; whole answer 12 ms)" in text
    assert "GET Patient/plain" in text
    assert "GET Observation?patient=…&code=1,2,3,… (4)    8 found" in text
    assert "8 found" in text
    assert "HTTP 404" in text


def test_a_refused_call_is_never_shown_as_silence():
    outcome = {"issue": [{"severity": "error", "code": "incomplete", "diagnostics": "Conditions unread"}]}
    text = printed(show_answer, samples().find("plain"), exchange(412, **outcome), [], {})
    assert "No card is shown" not in text
    assert "FHIR requests that the service made (0" in text


def test_a_search_in_short_keeps_its_path():
    assert in_short("Patient/x") == "Patient/x"
    assert in_short("Condition?_count=100") == "Condition"


def test_the_next_steps_can_be_copied_whole():
    text = printed(show_next_steps, ADDRESSES, exchange(cards=[]), samples(), served=True)
    link = (
        "https://sandbox.cds-hooks.org/?fhirServiceUrl=http%3A%2F%2F127.0.0.1%3A8124%2Ffhir&patientId=plain"
        "&serviceDiscoveryURL=http%3A%2F%2F127.0.0.1%3A8123%2Fcds-services"
    )
    assert f"  {link}\n" in text
    assert "  Discovery    http://127.0.0.1:8123/cds-services\n" in text
    assert "  curl -s http://127.0.0.1:8123/cds-services/imnm-recurrence \\\n" in text
    assert "allow it" in text
    assert all(sample.story in text for sample in samples().patients)


def test_addresses_that_end_with_the_card_are_not_printed():
    text = printed(show_next_steps, ADDRESSES, exchange(cards=[]), samples(), served=False)
    assert "http://" not in text
    assert "low-quiet" in text


@pytest.mark.parametrize("sample", samples().patients, ids=lambda sample: sample.name)
def test_a_story_fits_beside_its_name_in_a_terminal(sample):
    longest = max(len(each.name) for each in samples().patients)
    assert 2 + longest + 2 + len(sample.story) <= 80
    assert not re.search(r"\b(19|20)\d\d\b", sample.story)  # dates move, words do not
