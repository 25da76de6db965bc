"""A CDS client: what an EHR does when a chart is opened. `demo` and `call` use it, over HTTP or in one process.

Discovery, prefetch as clients do it (each template filled and asked for, failed keys left out), the hook call, and
feedback.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

TIMEOUT_S = 10.0  # far above the service's own deadline: a client that waits shows what really happens
_TOKEN = re.compile(r"\{\{context\.(\w+)\}\}")
_UNFILLED = re.compile(r"\{\{")


class CallError(Exception):
    """A service or FHIR server gave no answer that can be used; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One hook call or feedback: what was sent, and what came back. `response` is the JSON body, an OperationOutcome if refused."""

    url: str
    request: Mapping[str, Any]
    status: int
    response: Mapping[str, Any]

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of the answer; none where it was refused."""
        return list(self.response.get("cards", ()))

    @property
    def refusal(self) -> str:
        """Why the call was refused: what the OperationOutcome says; empty where the call went well."""
        if self.status == httpx.codes.OK:
            return ""
        said = [issue.get("diagnostics", issue.get("code", "")) for issue in self.response.get("issue", ())]
        return "; ".join(said) or "no reason given"


class CdsClient:
    """Calls the services of one discovery address on behalf of one FHIR server."""

    def __init__(self, http: httpx.AsyncClient, discovery_url: str, fhir_server: str) -> None:
        self._http = http
        self._discovery_url = discovery_url.rstrip("/")
        self._fhir_server = fhir_server.rstrip("/")

    async def services(self) -> list[dict[str, Any]]:
        """Read the services of the discovery document. Raises CallError."""
        document = await self._get(self._discovery_url)
        return list(document.get("services", ()))

    async def prefetch(self, service: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any]:
        """Fill the templates of a service from the FHIR server, all at once; a key that fails is left out."""
        keys = list(service.get("prefetch", {}))
        answers = await asyncio.gather(
            *(self._fetch(service["prefetch"][key], context) for key in keys), return_exceptions=True
        )
        found = zip(keys, answers, strict=True)
        return {key: answer for key, answer in found if not isinstance(answer, BaseException)}

    async def call(
        self,
        service: Mapping[str, Any],
        context: Mapping[str, str],
        prefetch: Mapping[str, Any] | None = None,
    ) -> Exchange:
        """Call the hook, with or without prefetch. Raises CallError if no JSON comes back."""
        request: dict[str, Any] = {
            "hookInstance": str(uuid4()),
            "hook": service["hook"],
            "fhirServer": self._fhir_server,
            "context": dict(context),
        }
        if prefetch:
            request["prefetch"] = dict(prefetch)
        url = f"{self._discovery_url}/{service['id']}"
        status, response = await self._send("POST", url, json=request)
        return Exchange(url, request, status, response)

    async def feedback(self, service: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Exchange:
        """Tell a service what became of its cards. Raises CallError if no JSON comes back."""
        url = f"{self._discovery_url}/{service['id']}/feedback"
        request = {"feedback": [dict(item) for item in items]}
        status, response = await self._send("POST", url, json=request)
        return Exchange(url, request, status, response)

    async def _fetch(self, template: str, context: Mapping[str, str]) -> dict[str, Any]:
        query = _TOKEN.sub(lambda token: context.get(token[1], token[0]), template)
        if _UNFILLED.search(query):
            raise CallError("the template asks for something that the context does not hold")
        return await self._get(f"{self._fhir_server}/{query}")

    async def _get(self, url: str) -> dict[str, Any]:
        status, body = await self._send("GET", url)
        if status != httpx.codes.OK:
            raise CallError(f"{url}: HTTP {status}")
        return body

    async def _send(self, method: str, url: str, **content: Any) -> tuple[int, dict[str, Any]]:
        try:
            response = await self._http.request(
                method, url, headers={"Accept": "application/json"}, **content
            )
            body = response.json()
        except httpx.HTTPError as error:
            raise CallError(f"{url}: {error or type(error).__name__}") from error
        except ValueError as error:
            raise CallError(f"{url}: HTTP {response.status_code}, the answer is not JSON") from error
        if not isinstance(body, dict):
            raise CallError(f"{url}: HTTP {response.status_code}, the answer is no JSON object")
        return response.status_code, body


@asynccontextmanager
async def open_client(
    discovery_url: str, fhir_server: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[CdsClient]:
    """Open a client and its connections; `transport` stands in for the network. Proxies are not used."""
    async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S, trust_env=False) as http:
        yield CdsClient(http, discovery_url, fhir_server)
