"""HTML that is safe by construction: whatever is put into an element is text, unless an element made it."""

import re
from html import escape

_VOID = frozenset({"meta", "link", "br"})
_DATE = re.compile(r"(?<![\w-])(\d{4}-\d{2}-\d{2})(?![\d-])")


class Html(str):
    """Text that is HTML already. Only `element` and what renders Markdown make it."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str) -> Html:
    """An element with its content; plain text and the values of attributes are escaped.

    An attribute is written `for_` or `aria_label`.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{together(*content)}</{name}>")


def together(*content: str) -> Html:
    """Several pieces one after the other, each escaped if it is text."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in content))


def dated(text: str) -> Html:
    """Text whose dates are elements of their own, so that the stylesheet can keep each on one line."""
    pieces = _DATE.split(text)  # every second one is a date
    return together(*(element("time", piece) if place % 2 else piece for place, piece in enumerate(pieces)))
