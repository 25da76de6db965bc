"""What a record says in words never becomes markup, a link or a character that turns a card around.

Fifty strings, each in six fields of every resource that has them.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cds_service.cards.card_settings import CardSettings
from cds_service.cards.figures import plain
from cds_service.cards.render import SOURCE_URL, render
from tests.contract.test_cards import assessment
from tests.contract.test_modes import resources
from tests.support import ehr_simulator as sim
from tests.support.ehr_simulator import EhrSimulator
from tests.support.service import call_body, running, settings

MARK = "zqmark"  # in every string: no word of the record gets onto a card
WRAPPED = [
    "<script>{}</script>", "<img src=x onerror={}>", "<svg/onload={}>", "<a href='//x.example/{}'>a</a>",
    "<iframe src=//x.example/{}>", "<b>{}</b>", "<!-- {} -->", "<![CDATA[{}]]>", "&lt;b&gt;{}&#60;b&#62;",
    "</td></tr></table>{}", "<details open ontoggle={}>", "<math><mtext>{}", "<style>@import '{}'</style>",
    "[{}](javascript:alert(1))", "[{}](https://x.example/)", "![{}](https://x.example/i.png)", "[{}]: https://x.example/",
    "<https://x.example/{}>", "https://x.example/{}", "www.x.example/{}", "mailto:{}@x.example", "data:text/html;base64,{}",
    "vbscript:{}", "JaVaScRiPt:{}", "java\tscript:{}", "[{}](data:text/html,x)", "[^1]: {}", "![][{}]",
    "# {}", "> {}", "- {}", "1. {}", "| {} | x |\n| --- | --- |", "***{}***", "`{}`", "```\n{}\n```", "~~{}~~", "---\n{}",
    "{}\\\n", "\u202e{}\u202c", "\u2066{}\u2069", "\u200f{}\u200b", "\ufeff{}", "\x00{}\x1b[31m", "\x1b]8;;https://x.example/\x07{}",
    "\r\n\r\n{}", "\u2028{}\u2029", "{}\ud7ff\U000e0001", "{{{{constructor.constructor('{}')()}}}}", "{}" + "A" * 10_000,
]  # fmt: skip
STRINGS = [each.format(MARK) for each in WRAPPED]
CHARTS = ("high-overdue", "statin-active", "possible-imnm")
Change = Callable[[dict[str, Any], str], None]


def _name(resource: dict[str, Any], text: str) -> None:
    if resource["resourceType"] == "Patient":
        resource["name"] = [{"text": text, "family": text, "given": [text]}]


def _concepts(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (
        resource[name] for name in ("code", "medicationCodeableConcept", "vaccineCode") if name in resource
    )


def _text(resource: dict[str, Any], text: str) -> None:
    for concept in _concepts(resource):
        concept["text"] = text


def _display(resource: dict[str, Any], text: str) -> None:
    for concept in _concepts(resource):
        for coding in concept.get("coding", ()):
            coding["display"] = text


def _unit(resource: dict[str, Any], text: str) -> None:
    if "valueQuantity" in resource:
        resource["valueQuantity"] = {"value": resource["valueQuantity"]["value"], "unit": text}


def _value(resource: dict[str, Any], text: str) -> None:
    if resource["resourceType"] == "Observation":
        for member in ("valueQuantity", "valueCodeableConcept", "valueRatio"):
            resource.pop(member, None)
        resource["valueString"] = text


def _status(resource: dict[str, Any], text: str) -> None:
    if resource["resourceType"] != "Condition" and "status" in resource:
        resource["status"] = text


FIELDS: dict[str, Change] = {
    "name": _name, "text": _text, "display": _display, "unit": _unit, "value": _value, "status": _status,
}  # fmt: skip


def poisoned(change: Change, text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def poison(bundle: dict[str, Any]) -> dict[str, Any]:
        for entry in bundle["entry"]:
            change(entry["resource"], text)
        return bundle

    return poison


def words_of(card: Any) -> Iterator[str]:
    """Every text of a card, but for the address of its source."""
    if isinstance(card, dict):
        for name, value in card.items():
            if name not in {"url", "system"}:
                yield from words_of(value)
    elif isinstance(card, list):
        for value in card:
            yield from words_of(value)
    else:
        yield str(card)


def markup(markdown: str) -> set[str]:
    """The kinds of HTML, links and images that a reader of the card's Markdown would make of it."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    kinds = {inner.type for token in tokens for inner in (token, *(token.children or ()))}
    return kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "fence",
        "code_block",
        "blockquote_open",
    }


def wrong_with(card: dict[str, Any]) -> Iterator[str]:
    if MARK in json.dumps(card, ensure_ascii=False).casefold():
        yield "words of the record"
    if len(card["summary"]) >= 140:
        yield "summary too long"
    if card["source"]["url"] != SOURCE_URL:
        yield "another source"
    for text in words_of(card):
        if strange := {
            c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Co", "Zl", "Zp"}
        }:
            yield f"characters that are not seen: {strange!a}"
        if any(piece in text.casefold() for piece in ("http", "www.", "script:", "data:", "mailto:", "<")):
            yield f"an address or a tag in {text!r}"
    if found := markup(card["detail"]):
        yield f"markup: {found}"


def test_there_are_fifty_strings_and_six_fields():
    assert (len(set(STRINGS)), len(FIELDS)) == (50, 6)


@pytest.mark.parametrize("field", FIELDS)
def test_no_words_of_a_record_become_markup_or_a_link_on_a_card(field):
    bad, cards = {}, 0
    for number, text in enumerate(STRINGS):
        found = assessment(CHARTS[number % len(CHARTS)], poisoned(FIELDS[field], text))
        for card in render(found, CardSettings(accepted=number % 2 == 0)):
            cards += 1
            if wrong := list(wrong_with(card)):
                bad[text[:60]] = wrong
    assert bad == {}
    assert cards >= len(STRINGS) // 2


def test_words_from_outside_are_printed_without_markup():
    """What a server says of itself is printed: on one line, at its length, as the text that it is."""
    bad = {text: kinds for text in STRINGS if (kinds := markup(plain(text)) | markup(f"a {plain(text)} b"))}
    assert bad == {}
    assert [text for text in STRINGS if not plain(text).isprintable()] == []
    assert max(len(plain(text)) for text in STRINGS) <= 2 * 60  # every character may be escaped


FAULTS = {
    "error": lambda text: sim.status(403, text),
    "kind": lambda text: sim.changed(lambda bundle: bundle.update(resourceType=text)),
    "remark": lambda text: sim.changed(
        lambda bundle: bundle.setdefault("entry", []).append({"resource": sim.outcome(text, "fatal")})
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_words_of_a_server_become_markup_or_a_link_on_a_card(fault):
    bad, cards = {}, 0
    for text in STRINGS:
        ehr = EhrSimulator(resources("high-overdue"))
        ehr.bend(FAULTS[fault](text), "Observation")
        async with running(ehr, settings(when_eligibility_unknown="card")) as service:
            answer = (await service.hook(call_body("high-overdue"))).json()
        for card in answer["cards"]:
            cards += 1
            if wrong := list(wrong_with(card)):
                bad[text[:60]] = wrong
    assert bad == {}
    assert cards == len(STRINGS)


@pytest.mark.parametrize(
    "detail",
    [
        f"a {MARK}", "[a](https://x.example)", "<https://x.example>", "<b>a</b>", "![a](b)", "```\na\n```", "> a", "a\u202eb", "www.a.example",
    ],
)  # fmt: skip
def test_what_would_be_wrong_is_seen(detail):
    good = {
        "summary": "IMNM",
        "detail": "**To do**\n\n- CK",
        "source": {"url": SOURCE_URL, "label": "imnm-cds"},
    }
    assert list(wrong_with(good)) == []
    assert list(wrong_with(good | {"detail": detail}))
