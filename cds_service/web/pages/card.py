"""How a CDS card looks in an EHR: what it says, what can be accepted, and how it is dismissed.

A card is foreign text. Its detail is Markdown of which only what cannot lead anywhere is rendered: no HTML, no link,
no image.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from cds_service.web.pages.html import Html, dated, element

_INDICATORS = ("info", "warning", "critical")  # what the stylesheet has colours for
_RENDERED = ["table", "list", "hr", "newline", "escape", "backticks", "emphasis", "strikethrough", "entity"]


def show_card(card: Mapping[str, Any], forms: str, accepted: Collection[str] = ()) -> Html:
    """One card. `forms` is the address under which `accept` and `dismiss` take what is pressed.

    `accepted` holds the uuids of the suggestions that were accepted. A reason of the dismissal is sent by its place in
    the card's list.
    """
    indicator = str(card.get("indicator"))
    reasons = [str(reason.get("display", "")) for reason in card.get("overrideReasons", ())]
    options = [element("option", reason, value=str(number)) for number, reason in enumerate(reasons)]
    chosen = element("label", "Reason ", element("select", _NO_REASON, *options, name="reason"))
    press = element("button", "Dismiss this card")
    parts = [
        element("p", indicator.capitalize(), class_="indicator"),
        element("h3", dated(str(card.get("summary", "")))),
        element("div", Html(_MARKDOWN.render(str(card.get("detail", "")))), class_="detail"),
        _source(card.get("source", {})),
        *_suggestions(card, forms, accepted),
        element(
            "form", element("p", chosen, press), method="post", action=f"{forms}/dismiss", class_="dismissal"
        ),
    ]
    return element("article", *parts, class_=f"card {indicator if indicator in _INDICATORS else 'other'}")


def no_card(title: str, *content: str) -> Html:
    """What stands in place of a card."""
    words = [element("p", each) for each in content]
    return element("article", element("h3", title), *words, class_="card none")


def _markdown() -> MarkdownIt:
    """GitHub Flavored Markdown as HTML, without anything that leads elsewhere; tables can be scrolled by keyboard."""
    made = MarkdownIt("zero", {"html": False}).enable(_RENDERED)
    made.add_render_rule("text", lambda _, tokens, place, *__: dated(tokens[place].content))
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return made


def _table_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Put a table into a region of its own, named after its columns."""
    del renderer, options, env
    end = next(n for n in range(index, len(tokens)) if tokens[n].type == "thead_close")
    columns = ", ".join(token.content for token in tokens[index:end] if token.type == "inline")
    region = scrolled(f"Table: {columns}", Html("<table>\n"))
    return region.removesuffix("</div>")


def scrolled(name: str, content: str) -> Html:
    """Something wide in a region that scrolls by itself, also with the keyboard."""
    return element("div", content, class_="scroll", role="region", aria_label=name, tabindex="0")


def _source(source: Mapping[str, Any]) -> Html:
    label, url = str(source.get("label", "not named")), str(source.get("url", ""))
    is_link = url.startswith(("https://", "http://"))
    name = element("a", label, href=url, rel="noopener noreferrer") if is_link else element("span", label)
    return element("p", "Source: ", name, class_="source")


def _suggestions(card: Mapping[str, Any], forms: str, accepted: Collection[str]) -> list[Html]:
    offered = [each for each in card.get("suggestions", ()) if "uuid" in each]
    if not offered:
        return []
    listed = []
    for each in offered:
        label = str(each["label"])
        if each["uuid"] in accepted:
            listed.append(element("li", element("strong", "Accepted"), " ", label))
            continue
        hidden = element("span", f": {label}", class_="unseen")
        press = element("button", "Accept", hidden, name="suggestion", value=str(each["uuid"]))
        listed.append(element("li", press, " ", element("span", label, aria_hidden="true")))
    form = element(
        "form", element("ul", *listed), method="post", action=f"{forms}/accept", class_="suggestions"
    )
    return [element("h4", "Suggestions"), form]


_NO_REASON = element("option", "no reason given", value="")
_MARKDOWN = _markdown()
