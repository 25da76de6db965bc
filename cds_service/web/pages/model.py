"""The page about the served model: what HTI-1 and TRIPOD+AI ask for, answered. It loads nothing and runs nothing."""

import hashlib
from base64 import b64encode
from pathlib import Path

from cds_service.web.pages.frame import HEADERS
from cds_service.web.pages.html import Html, element, together
from models.transparency import AnsweredList, Transparency

PAGE, DOCUMENT = "/model", "/model.json"
_STYLE = Path(__file__).with_name("model.css").read_text(encoding="utf-8")
_DIGEST = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS = HEADERS | {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def model_page(shown: Transparency) -> bytes:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", f"About the model: {shown.model['id']} {shown.model['version']}"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("style", Html(_STYLE)),
    )
    identity = [
        element("div", element("dt", name), element("dd", value))
        for name, value in shown.model.items()
        if name != "limits"
    ]
    body = element(
        "body",
        element(
            "main",
            element("h1", shown.title),
            element("p", shown.model["limits"], class_="limits"),
            element("dl", *identity),
            element("p", "The same as JSON: ", element("a", "model.json", href="model.json")),
            _list(shown.hti_1),
            _list(shown.tripod_ai),
        ),
    )
    document = together(Html("<!doctype html>\n"), element("html", head, body, lang="en"))
    return document.encode("utf-8", errors="replace")


def _list(answered: AnsweredList) -> Html:
    heads = (element("th", name, scope="col") for name in ("Item", "Section", "Topic", "Answer"))
    rows = (
        element(
            "tr",
            element("th", item.id, scope="row"),
            element("td", item.section),
            element("td", item.topic),
            element("td", item.answer, class_="known" if item.known else "unknown"),
        )
        for item in answered.items
    )
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    region = element("div", table, class_="wide", role="region", aria_label=answered.title, tabindex="0")
    source = element("p", f"{answered.source}. Read: {answered.read}.")
    return element("section", element("h2", answered.title), source, region)
