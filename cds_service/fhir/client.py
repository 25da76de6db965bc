"""The only door to FHIR servers: a GET, or `POST _search` for a long query, bounded in time, bytes, pages and requests.

A server may be slow, broken or lying; whatever it does ends in resources, or in a sentence that says what could not
be read (F9). Redirects, proxies and cookies are not followed, used or kept, and the token goes to the configured
origin alone: addresses come from the client's base and from `egress` only. A client's public keys come by the same door, from
their configured address (`fetch`).
"""

import asyncio
import zlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from urllib.parse import quote

import httpx
import msgspec

from cds_service.fhir.answers import (
    BAD_REQUEST,
    FORBIDDEN,
    GOOD,
    NOT_FOUND,
    PARTIAL,
    AskOtherwiseError,
    RefusedError,
    ServerAnswer,
    accepted,
)
from cds_service.fhir.aside import aside
from cds_service.fhir.bundle import (
    SearchSet,
    TooMuchError,
    UnreadableError,
    read_page,
    read_resource,
)
from cds_service.fhir.egress import next_address
from cds_service.fhir.network import Connection, Pin, Resolver, is_certificate_refused
from cds_service.fhir.queries import Parameters, address, form
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from fhir_mapping.record import Entry
from fhir_mapping.versions.untyped import how_many

Transport = httpx.AsyncBaseTransport

_TRY_AGAIN = frozenset({429, 503, 504})
_FAILURES = frozenset({500, *range(502, 600)})  # 501: it has no such thing, which is an answer
_NO_POST = frozenset({FORBIDDEN, NOT_FOUND, 405, 415, 501})  # where `_search` may be all that it has not
_HEADERS = {
    "Accept": "application/fhir+json, application/json;q=0.9",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "User-Agent": "imnm-cds",
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PAUSE = 0.1  # s before the second try, where the server names no time
_TO_CONNECT = 0.9  # of the time that is left
_SILENCE = 0.5  # of the time for a chart: who was given up after less may just have been asked late
_GZIP_OR_ZLIB = 47  # tells zlib to read either header
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity", "none", "utf-8", "utf8", "us-ascii", "iso-8859-1"})  # charsets by mistake


class _LostError(UnreadableError):
    """The connection ended before a byte of the answer came."""


class _Software(msgspec.Struct, gc=False):
    name: str = ""


class Capability(msgspec.Struct, gc=False, rename="camel"):
    """What a server says of itself in its CapabilityStatement."""

    fhir_version: str = ""
    software: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def software_name(self) -> str:
        """The name of the software as the server gives it, which may be any text; empty if it gives none."""
        try:
            return msgspec.json.decode(self.software, type=_Software).name
        except (msgspec.DecodeError, RecursionError):
            return ""


def connect(
    limits: Limits,
    transport: Transport | None = None,
    client: Client | None = None,
    resolver: Resolver | None = None,
) -> Connection:
    """Open a client's way to its FHIR servers; `transport` stands in for the network in tests, `resolver` for the DNS.

    Raises SettingsError for a `ca_file` that cannot be used.
    """
    return Connection(client or Client(name="none"), limits, transport, resolver)


async def fetch(connection: Connection, url: str) -> bytes:
    """GET a key set at an address of the configuration: no token, no redirect, within `keys_bytes` and `keys_seconds`.

    Raises ConnectionError that says in a word what happened.
    """
    wanted = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "imnm-cds"}
    limits, body = connection.limits, bytearray()
    try:
        async with (
            asyncio.timeout(limits.keys_seconds),
            connection.http.stream("GET", url, headers=wanted) as response,
        ):
            encoding = response.headers.get("content-encoding", "identity")
            if response.status_code != httpx.codes.OK or encoding != "identity":
                raise ConnectionError(f"HTTP {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limits.keys_bytes:
                    raise ConnectionError(f"more than {limits.keys_bytes} bytes")
    except TimeoutError:
        raise ConnectionError("timed out") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnreadableError):
        raise ConnectionError("no connection") from None
    return bytes(body)


class Chart:
    """Reads one patient's chart from one FHIR server, within the limits of one hook call.

    `base` is the configured one, `deadline` is in loop time (s). `requests` and `bytes` count what it cost.
    """

    def __init__(
        self, connection: Connection, base: str, token: str, limits: Limits, deadline: float
    ) -> None:
        self._connection = connection
        self._breaker = connection.breaker(base)
        self._pin: Pin = {}
        self._base = base
        self._headers = _HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        self._limits = limits
        self._deadline = deadline
        self._turns = asyncio.Semaphore(limits.parallel_requests)
        self._made: dict[tuple[str, Parameters], asyncio.Task[SearchSet]] = {}
        self.requests = 0
        self.bytes = 0
        self._values = 0

    async def search(self, resource_type: str, parameters: Parameters) -> SearchSet:
        """Read all pages of a search; one that was made before is not made again.

        Raises RefusedError if the server refuses the search itself.
        """
        key = (resource_type, parameters)
        if key not in self._made:
            self._made[key] = asyncio.ensure_future(self._search(resource_type, parameters))
        return await self._made[key]

    async def read(self, resource_type: str, resource_id: str) -> Entry:
        """Read one resource by its id; raises UnreadableError."""
        url = f"{self._base}/{resource_type}/{quote(resource_id, safe='')}"
        async with _until(self._deadline):
            answer = await self._get(url)
        is_large = len(answer.body) > self._limits.inline_bytes
        return await aside(is_large, read_resource, answer.body, resource_type, resource_id, url)

    async def version(self) -> str:
        """Return the `fhirVersion` of the server's CapabilityStatement, or nothing."""
        try:
            return (await self.capability()).fhir_version
        except UnreadableError:
            return ""

    async def capability(self) -> Capability:
        """Read the server's CapabilityStatement; raises UnreadableError."""
        async with _until(self._deadline):
            answer = await self._get(f"{self._base}/metadata")
        try:
            return msgspec.json.decode(answer.body, type=Capability)
        except (msgspec.DecodeError, RecursionError):
            raise UnreadableError("the answer is not FHIR JSON") from None

    async def _search(self, resource_type: str, parameters: Parameters) -> SearchSet:
        searched = SearchSet()
        try:
            async with _until(self._deadline):
                await self._pages(searched, resource_type, parameters)
        except UnreadableError as error:
            if not searched.pages and isinstance(error, RefusedError):
                raise
            searched.failure = f"page {searched.pages + 1}: {error}" if searched.pages else str(error)
        return searched

    async def _pages(self, searched: SearchSet, resource_type: str, parameters: Parameters) -> None:
        """Add page after page to `searched`; raises UnreadableError as soon as it cannot become everything."""
        asked = address(self._base, resource_type, parameters)
        if len(asked) > self._limits.url_characters:
            asked = f"{self._base}/{resource_type}/_search"
            answer = await self._get(asked, form(parameters))
        else:
            answer = await self._get(asked)
        seen = {asked}
        while True:
            is_large = len(answer.body) > self._limits.inline_bytes
            page = await aside(is_large, read_page, answer.body, resource_type)
            searched.add(page, partial=answer.status == PARTIAL)
            if not page.next_link:
                break
            if searched.pages >= self._limits.query_pages:
                raise UnreadableError(f"more than {searched.pages} pages")
            asked = next_address(self._base, asked, page.next_link)
            if asked in seen:
                raise UnreadableError("the pages go round in a circle")
            seen.add(asked)
            answer = await self._get(asked)
        searched.close()

    async def _get(self, url: str, query: str = "") -> ServerAnswer:
        """Get a good answer, and count what it holds; raises UnreadableError."""
        answer = await self._answer(url, query)
        self._values += how_many(answer.body)
        if self._values > self._limits.chart_values:
            raise TooMuchError(self._limits.chart_values)
        if query and answer.status in _NO_POST:
            raise AskOtherwiseError(answer.status)
        return accepted(answer)

    async def _answer(self, url: str, query: str) -> ServerAnswer:
        """GET (POST where the query is in the body). A GET is tried twice, once for whichever reason comes first.

        A server may ask for it (429, 503, 504), or close a kept connection just when the next question is on its way:
        what no byte answered is sent again on a new one (RFC 9110, 9.2.2), for another kept one might be lost alike.
        """
        if query:
            return await self._once(url, query)
        try:
            answer = await self._once(url)
        except _LostError:
            return await self._once(url, new=True)
        if answer.status in _TRY_AGAIN:
            seconds = _PAUSE
            if answer.retry_after:
                seconds = float(answer.retry_after) if answer.retry_after.isdecimal() else inf
            time_left = self._deadline - asyncio.get_running_loop().time()
            if seconds > min(self._limits.retry_seconds, time_left):
                raise UnreadableError(f"HTTP {answer.status}")
            await asyncio.sleep(seconds)
            answer = await self._once(url)
        return answer

    async def _once(self, url: str, query: str = "", *, new: bool = False) -> ServerAnswer:
        time_left = max(self._deadline - asyncio.get_running_loop().time(), 0.0)
        # Connecting is given up a little before: cancelled within TLS, httpcore leaves the socket open
        patience = httpx.Timeout(time_left, connect=_TO_CONNECT * time_left)
        try:
            request = self._connection.http.build_request(
                "POST" if query else "GET",
                url,
                headers=self._headers | (_FORM if query else {}),
                content=query.encode() if query else None,
                timeout=patience,
                extensions={"pin": self._pin, "new": new},
            )
            async with self._turns:
                return await self._watched(request)
        except httpx.TimeoutException:
            raise UnreadableError("timed out") from None
        except httpx.ConnectError as error:
            said = "its certificate is not trusted" if is_certificate_refused(error) else "no connection"
            raise UnreadableError(said) from None
        except (httpx.HTTPError, httpx.InvalidURL, zlib.error):
            raise UnreadableError("the connection broke") from None

    async def _watched(self, request: httpx.Request) -> ServerAnswer:
        """Send, unless chart or minute are used up or the server is left alone, and note whether it answered."""
        loop, limits = asyncio.get_running_loop(), self._limits
        begun = loop.time()
        if self.requests >= limits.chart_requests:
            raise UnreadableError(f"more than {self.requests} requests for one chart")
        if not self._breaker.lets_through(begun):
            failures, seconds = limits.failures_in_a_row, limits.rest_seconds
            raise UnreadableError(
                f"not asked: the server failed {failures} times in a row, it rests for {seconds:g} s"
            )
        if not self._connection.quota.takes_request(begun):
            self._breaker.given_up()
            requests, size = limits.client_requests, limits.client_bytes // 2**20
            raise UnreadableError(f"not asked: more than {requests} requests or {size} MiB a minute")
        self.requests += 1
        try:
            answer = await self._send(request)
        except (httpx.HTTPError, _LostError):
            self._breaker.failed(loop.time())
            raise
        except (asyncio.CancelledError, Exception):
            if loop.time() - begun >= _SILENCE * limits.gather_seconds:
                self._breaker.failed(loop.time())
            else:
                self._breaker.given_up()
            raise
        if answer.status in _FAILURES:
            self._breaker.failed(loop.time())
        else:
            self._breaker.answered()
        return answer

    async def _send(self, request: httpx.Request) -> ServerAnswer:
        try:
            response = await self._connection.http.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            raise _LostError("the connection broke") from None
        try:
            wanted = response.status_code in {*GOOD, BAD_REQUEST}
            body = await self._body(response) if wanted else b""
            return ServerAnswer(response.status_code, response.headers.get("retry-after", ""), body)
        finally:
            await response.aclose()

    async def _body(self, response: httpx.Response) -> bytes:
        """Collect the body, never more of it than the limits allow, whatever it was compressed from."""
        named = response.headers.get("content-encoding", "").lower().split(",")
        encodings = [encoding for name in named if (encoding := name.strip(' "')) not in _PLAIN]
        if len(encodings) > 1 or not _COMPRESSED.issuperset(encodings):
            raise UnreadableError("the answer is compressed in an unknown way")
        inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if encodings else None
        body, sent = bytearray(), 0
        async for chunk in response.aiter_raw():
            sent += len(chunk)
            self._connection.quota.takes_bytes(len(chunk))
            room = min(self._limits.response_bytes - len(body), self._limits.chart_bytes - self.bytes)
            content = inflate.decompress(chunk, max(room, 0) + 1) if inflate else chunk
            body += content
            self.bytes += len(content)
            if max(len(body), sent) > self._limits.response_bytes:
                raise UnreadableError(f"the answer has more than {self._limits.response_bytes} bytes")
            if self.bytes > self._limits.chart_bytes:
                raise UnreadableError(f"more than {self._limits.chart_bytes} bytes for one chart")
        if inflate and not inflate.eof:
            raise UnreadableError("the answer is cut off")
        return bytes(body.removeprefix(BOM_UTF8))


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise UnreadableError("timed out") from None
