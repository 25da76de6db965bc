"""A CDS client: what an EHR does when a chart is opened. `demo` and `call` use it, over HTTP or in one process.

Discovery, prefetch as clients do it (each template filled and asked for, failed keys left out), the hook call, and
feedback. The other side may be slow, broken or lying: time and bytes are bounded, redirects and proxies are not used.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import httpx
import msgspec

from cds_service.errors import UnusableInput

TIMEOUT_S = 10.0  # far above the service's own deadline: a client that waits shows what really happens
BODY_BYTES = 16 * 1024 * 1024  # a prefetch page of 1,000 resources is 3 MB
_AT_ONCE = 8  # queries to the FHIR server: an EHR must not feel us
_REASON_CHARACTERS = 300
_OK, _NOT_FOUND, _REDIRECTS = 200, 404, frozenset({301, 302, 303, 307, 308})
_USUAL_ADDRESS = "; a discovery address usually ends in /cds-services"
_JSON = "application/json"
_FHIR = "application/fhir+json, application/json;q=0.9"
_TOKEN = re.compile(r"\{\{\s*(.*?)\s*\}\}")
# `today()`, `today() - 90 days`
_DAY = re.compile(r"today\(\)(?:\s*([+-])\s*(\d{1,5})\s*days?)?")
_QUERY = re.compile(r"\$?[A-Za-z]+([/?].*)?", re.DOTALL)
_NOT_IN_QUERY = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~/?&=,:$%-]")


class CallError(UnusableInput):
    """A service or FHIR server gave no answer that can be used; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One hook call or feedback: what was sent, and what came back.

    `response` is the JSON object that was answered: an OperationOutcome if refused, empty if there was none.
    """

    url: str
    request: Mapping[str, Any]
    status: int
    response: Mapping[str, Any]

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of the answer; none where it was refused. What is no JSON object counts as an empty card."""
        cards = self.response.get("cards")
        return [card if isinstance(card, dict) else {} for card in cards] if isinstance(cards, list) else []

    @property
    def refusal(self) -> str:
        """Why the call was refused: what the OperationOutcome or other answer says; empty where the call went well."""
        if self.status == _OK:
            return ""
        listed = self.response.get("issue")
        issues = [issue for issue in listed if isinstance(issue, dict)] if isinstance(listed, list) else []
        reason = "; ".join(filter(None, map(_said, issues)))
        if not reason and self.response:
            reason = json.dumps(self.response)
        return reason[:_REASON_CHARACTERS] or "no reason given"


class CdsClient:
    """Calls the services of one discovery address on behalf of one FHIR server.

    `left_out`: the keys that the last prefetch lacks, each with the reason.
    """

    def __init__(self, http: httpx.AsyncClient, discovery_url: str, fhir_server: str) -> None:
        self._http = http
        self._discovery_url = discovery_url.rstrip("/")
        self._fhir_server = fhir_server.rstrip("/")
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.left_out: Mapping[str, str] = {}

    async def services(self) -> list[dict[str, Any]]:
        """Read the services of the discovery document. Raises CallError."""
        document = await self._get(self._discovery_url, _JSON, if_missing=_USUAL_ADDRESS)
        services = document.get("services")
        if not isinstance(services, list):
            raise CallError(f"{self._discovery_url}: the answer has no list `services`{_USUAL_ADDRESS}")
        return [service for service in services if isinstance(service, dict)]

    async def prefetch(self, service: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any]:
        """Fill the templates of a service from the FHIR server; a key that fails is left out."""
        templates = service.get("prefetch")
        templates = templates if isinstance(templates, dict) else {}
        filled: dict[str, Any] = {}
        left_out: dict[str, str] = {}

        async def fetch(key: str) -> None:
            url = f"{self._fhir_server}/"
            try:
                url += _query(templates[key], context)
                filled[key] = await self._get(url, _FHIR)
            except CallError as error:
                left_out[key] = str(error).removeprefix(f"{url}: ")  # the address holds the patient's id

        await asyncio.gather(*map(fetch, templates))
        self.left_out = left_out
        return {key: filled[key] for key in templates if key in filled}

    async def call(
        self,
        service: Mapping[str, Any],
        context: Mapping[str, str],
        prefetch: Mapping[str, Any] | None = None,
    ) -> Exchange:
        """Call the hook, with or without prefetch. Raises CallError if it is not refused, but has no list of cards."""
        request: dict[str, Any] = {
            "hookInstance": str(uuid4()),
            "hook": service["hook"],
            "fhirServer": self._fhir_server,
            "context": dict(context),
        }
        if prefetch:
            request["prefetch"] = dict(prefetch)
        url = self._address(service)
        status, body = await self._send("POST", url, _JSON, request)
        if status == _OK and not isinstance(_object(url, status, body).get("cards"), list):
            raise CallError(f"{url}: HTTP {status}, the answer has no list `cards`")
        return Exchange(url, request, status, body or {})

    async def feedback(self, service: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Exchange:
        """Tell a service what became of its cards; the standard leaves open what it answers. Raises CallError."""
        url = f"{self._address(service)}/feedback"
        request = {"feedback": [dict(item) for item in items]}
        status, body = await self._send("POST", url, _JSON, request)
        return Exchange(url, request, status, body or {})

    def _address(self, service: Mapping[str, Any]) -> str:
        return f"{self._discovery_url}/{quote(service['id'], safe='')}"

    async def _get(self, url: str, accept: str, *, if_missing: str = "") -> dict[str, Any]:
        status, body = await self._send("GET", url, accept)
        if status != _OK:
            raise CallError(f"{url}: HTTP {status}{if_missing if status == _NOT_FOUND else ''}")
        return _object(url, status, body)

    async def _send(
        self, method: str, url: str, accept: str, content: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any] | None]:
        """Return the status, and the body if it is a JSON object. Raises CallError."""
        try:
            async with (
                self._turns,
                asyncio.timeout(TIMEOUT_S),
                self._http.stream(method, url, headers={"Accept": accept}, json=content) as response,
            ):
                status, body = response.status_code, await _body(response)
        except (TimeoutError, httpx.TimeoutException):
            raise CallError(f"{url}: no whole answer within {TIMEOUT_S:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CallError(f"{url}: {str(error) or type(error).__name__}") from error
        if status in _REDIRECTS:
            raise CallError(f"{url}: HTTP {status}, it leads to another address; give that one")
        if body is None:
            raise CallError(f"{url}: HTTP {status}, the answer has more than {BODY_BYTES // 2**20} MiB")
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return status, None
        return status, document if isinstance(document, dict) else None


@asynccontextmanager
async def open_client(
    discovery_url: str, fhir_server: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[CdsClient]:
    """Open a client; `transport` stands in for the network. Proxies are not used.

    Each request has a connection of its own: what a server sends unasked would be the answer to the next one.
    """
    async with httpx.AsyncClient(
        transport=transport,
        timeout=TIMEOUT_S,
        trust_env=False,
        headers={"User-Agent": "imnm-cds"},
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as http:
        yield CdsClient(http, discovery_url, fhir_server)


async def _body(response: httpx.Response) -> bytes | None:
    """Collect the body; None if it is larger than what we take."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return bytes(body)


def _said(issue: Mapping[str, Any]) -> str:
    """What an issue of an OperationOutcome says, in words if it has any, else by its code."""
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    words = (issue.get("diagnostics"), text, issue.get("code"))
    return next((word for word in words if word and isinstance(word, str)), "")


def _object(url: str, status: int, body: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        raise CallError(f"{url}: HTTP {status}, the answer is no JSON object")
    return body


def _query(template: object, context: Mapping[str, str]) -> str:
    """Fill a template to a FHIR read or search, percent-encoded. Raises CallError.

    It comes from the service: what would lead out of the FHIR base is no query.
    """
    if not isinstance(template, str):
        raise CallError("the template is no text")
    kind, _, user_id = context["userId"].partition("/")
    values = {f"context.{name}": value for name, value in context.items()} | {f"user{kind}Id": user_id}

    def fill(token: re.Match[str]) -> str:
        value = values.get(token[1])
        if not value and (asked := _DAY.fullmatch(token[1])):  # the date on this machine's clock
            days = timedelta(days=int(f"{asked[1] or ''}{asked[2] or 0}"))
            value = (datetime.now(UTC).astimezone() + days).date().isoformat()
        if not value:
            raise CallError(f"no value for {token[0]}")
        return quote(value, safe="/" if token[1] == "context.userId" else "")

    query = _TOKEN.sub(fill, template)
    if not _QUERY.fullmatch(query) or ".." in unquote(query.partition("?")[0]).split("/"):
        raise CallError("the template is no FHIR read or search")
    return _NOT_IN_QUERY.sub(lambda odd: quote(odd[0], safe=""), query)
