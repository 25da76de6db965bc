"""The frame of the demonstration's pages, the two files that they may load, and the headers of every page."""

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cds_service.web.pages.html import Html, element, together

STYLESHEET = "/style.css"
ICON = "/icon.svg"
_FILES = {STYLESHEET: "text/css", ICON: "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms, which then look foreign.
    "Referrer-Policy": "same-origin",
}


def page(title: str, *content: str) -> Html:
    """A whole page of the demonstration: `title` for the window, `content` for the main part."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", f"{title} – imnm-cds demonstration"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="stylesheet", href=STYLESHEET),
        element("link", rel="icon", href=ICON, type="image/svg+xml"),
    )
    header = element(
        "header",
        element("a", "imnm-cds demonstration", href="/"),
        element("p", "Synthetic patients. For evaluation, not for clinical use."),
    )
    body = element(
        "body",
        element("a", "Skip to the content", class_="skip", href="#content"),
        header,
        element("main", *content, id="content", tabindex="-1"),
    )
    return together(Html("<!doctype html>\n"), element("html", head, body, lang="en"))


def respond(document: Html, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that carries a page; a lone surrogate of a record becomes "?"."""
    content = document.encode("utf-8", errors="replace")
    return Response(content, status, {**HEADERS, **(headers or {})}, "text/html; charset=utf-8")


def file(request: Request) -> Response:
    """The stylesheet or the icon."""
    path = request.url.path
    return FileResponse(Path(__file__).with_name(path.lstrip("/")), media_type=_FILES[path], headers=HEADERS)
