"""The web pages of the demonstration, in front of the service: what is no page goes on to the service."""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cds_service.cds_client import CallError
from cds_service.demo.charts import Demonstration, Opened
from cds_service.demo.page import Known, chart_page, problem_page, start_page
from cds_service.demo.patients import UnknownPatientError
from cds_service.web.pages.frame import HEADERS, ICON, STYLESHEET, file, respond
from cds_service.web.store import Store

_FORM_BYTES = 4096  # our own forms send some 60
_FORM = "application/x-www-form-urlencoded"
_NOT_SO = "This address cannot be called in this way."


def with_pages(service: ASGIApp, running: Demonstration, known: Known, store: Store) -> ASGIApp:
    """The service with the pages in front; `store` is where the service keeps feedback."""
    site = _Site(running, known, store)
    pages = Starlette(
        routes=[
            Route("/", site.start),
            Route("/chart/{patient}", site.chart),
            Route("/card/{card}", site.card),
            Route("/card/{card}/accept", site.accept, methods=["POST"]),
            Route("/card/{card}/dismiss", site.dismiss, methods=["POST"]),
            Route(STYLESHEET, file),
            Route(ICON, file),
        ],
        exception_handlers={HTTPException: _problem},
    )
    pages.router.redirect_slashes = False
    pages.router.default = partial(running.issued.pass_on, service)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await (service if scope["type"] == "lifespan" else pages)(scope, receive, send)

    return served


class _Site:
    """The pages, each an endpoint."""

    def __init__(self, running: Demonstration, known: Known, store: Store) -> None:
        self._running = running
        self._known = known
        self._store = store
        # A browser may show our pages under two origins: loopback has a name, too.
        address = known.addresses.service
        self._origins = (address, f"http://localhost:{urlsplit(address).port}")

    async def start(self, _: Request) -> Response:
        """The start page."""
        feedback = await asyncio.to_thread(lambda: tuple(self._store.all()))
        return respond(start_page(self._known, feedback, self._running.issued.by_uuid))

    async def chart(self, request: Request) -> Response:
        """Open a chart: every visit is a new hook call."""
        try:
            sample = self._known.samples.find(request.path_params["patient"])
        except UnknownPatientError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no sample patient of that name.") from None
        try:
            return respond(chart_page(self._known, await self._running.open_chart(sample)))
        except CallError as error:
            raise HTTPException(HTTPStatus.BAD_GATEWAY, f"The service did not answer: {error}.") from None

    async def card(self, request: Request) -> Response:
        """The chart as it was opened, with what has become of its card."""
        return respond(chart_page(self._known, self._opened(request)))

    async def accept(self, request: Request) -> Response:
        """Take a pressed "Accept": the value names the suggestion."""
        opened, card, value = await self._pressed(request, "suggestion")
        if value not in {each.get("uuid") for each in card.get("suggestions", ())}:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This card has no such suggestion.")
        return await _stored(card["uuid"], self._running.accept(opened, card["uuid"], value))

    async def dismiss(self, request: Request) -> Response:
        """Take a pressed "Dismiss": the value is the place of the reason in the card's list, or empty."""
        opened, card, value = await self._pressed(request, "reason")
        reasons = {str(place): reason for place, reason in enumerate(card.get("overrideReasons", ()))}
        if value and value not in reasons:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This card has no such reason to dismiss it.")
        return await _stored(card["uuid"], self._running.dismiss(opened, card["uuid"], reasons.get(value)))

    def _opened(self, request: Request) -> Opened:
        opened = self._running.shown.get(request.path_params["card"])
        if opened is None:
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "This card is not known here any more: open the chart again."
            )
        return opened

    async def _pressed(self, request: Request, name: str) -> tuple[Opened, Mapping[str, Any], str]:
        """The chart and the card that a form belongs to, and the one value that it sent."""
        if request.headers.get("origin", self._origins[0]) not in self._origins:
            raise HTTPException(
                HTTPStatus.FORBIDDEN, "Only the pages of this demonstration may send this form."
            )
        opened = self._opened(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This is not what a form sends.")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is longer than any form here.")
        try:
            fields = parse_qs(
                body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=1
            )
        except ValueError:
            fields = {}
        if list(fields) != [name]:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"The form must send one value, {name}.")
        if opened.dismissed is not None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This card was dismissed: open the chart again.")
        return opened, opened.card(request.path_params["card"]), fields[name][0]


async def _stored(card: str, telling: Awaitable[None]) -> Response:
    """Wait until the service has stored the feedback, then lead to the page that says so."""
    try:
        await telling
    except CallError as error:
        raise HTTPException(
            HTTPStatus.BAD_GATEWAY, f"The service did not store the feedback: {error}."
        ) from None
    return RedirectResponse(f"/card/{card}", HTTPStatus.SEE_OTHER, HEADERS)


async def _problem(_: Request, error: Exception) -> Response:
    """Whatever cannot be done, as a page with one sentence."""
    assert isinstance(error, HTTPException)
    sentence = _NOT_SO if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.detail
    return respond(problem_page(error.status_code, sentence), error.status_code, error.headers)
