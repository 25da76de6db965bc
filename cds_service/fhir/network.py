"""The network as one client sees it: its own sockets, its own look-ups, its own trust in certificates.

A name is looked up once for a call, every address that comes back is judged, and the judged address is the one that is
connected to; `Host`, the name in TLS and the check of the certificate stay with the name. Nothing of the environment
(proxies, certificates, key logs, netrc) is used.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Self

import httpx

from cds_service.fhir.breaker import Breaker, Quota
from cds_service.fhir.bundle import UnreadableError
from cds_service.fhir.sockets import Sockets
from cds_service.settings.addresses import Address, literal, refusal
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import SettingsError

Resolver = Callable[[str], list[str]]
"""Looks up a name and gives addresses as text; raises OSError where it has none. It may block."""

Pin = dict[str, list[Address]]
"""The addresses that the requests of one call are sent to, by host: looked up once."""


class RefusedAddressError(UnreadableError):
    """The server lies where we do not connect to; the message names the setting that would permit it."""


class Network(httpx.AsyncBaseTransport):
    """Kept connections, and new ones for what a kept one lost (`extensions["new"]`)."""

    def __init__(self, limits: Limits, client: Client, resolver: Resolver | None = None) -> None:
        self._limits = limits
        self._context = _trust_of(client)
        self._private_network = client.private_network
        self._resolver = resolver or look_up
        self._sockets: dict[tuple[str, bool], Sockets] = {}  # a certificate is good for one name
        self._thread = ThreadPoolExecutor(1, "look-up")  # a look-up that hangs holds up this client alone
        self._looking: dict[str, asyncio.Task[list[Address]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to an address that was judged; raises RefusedAddressError, or what httpx raises."""
        host = request.url.host
        pin: Pin = request.extensions.get("pin", {})
        addresses = pin.get(host) or pin.setdefault(host, await self._judged(host))
        new = request.extensions.get("new", False)
        if (host, new) not in self._sockets:
            most = self._limits.parallel_requests if new else self._limits.connections
            self._sockets[host, new] = Sockets(self._context, most, keep=not new)
        sockets = self._sockets[host, new]
        for address in addresses[:-1]:
            try:
                return await sockets.handle_async_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await sockets.handle_async_request(_addressed(request, addresses[-1]))

    async def aclose(self) -> None:
        """Close every socket."""
        for sockets in self._sockets.values():
            await sockets.aclose()
        for task in list(self._looking.values()):
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _judged(self, host: str) -> list[Address]:
        """Return the addresses of a host, none of which is refused; calls that ask at once share one look-up."""
        address = literal(host)
        if address is not None:
            addresses = [address]
        else:
            if host not in self._looking:
                self._looking[host] = asyncio.ensure_future(self._looked_up(host))
                self._looking[host].add_done_callback(lambda _: self._looking.pop(host))
            addresses = await asyncio.shield(self._looking[host])
        if not addresses:
            raise httpx.ConnectError("the name was not found")
        if why := refusal(host, addresses, private_network=self._private_network):
            raise RefusedAddressError(f"not connected: {why}")
        return addresses

    async def _looked_up(self, host: str) -> list[Address]:
        try:
            resolved = await asyncio.get_running_loop().run_in_executor(self._thread, self._resolver, host)
            return [ip_address(text.partition("%")[0]) for text in resolved]
        except (OSError, UnicodeError, ValueError):
            return []


class Connection:
    """One client's way to its FHIR servers, and its bulkhead: what it uses up no other client lacks.

    `limits` are its own (its `answer_seconds`), `turns` its hook calls at once, `feedback_turns` those of its feedback, of
    which it has one `feedback_turn` to be read and stored. Its bases fail each on its own.
    """

    def __init__(
        self,
        client: Client,
        limits: Limits,
        transport: httpx.AsyncBaseTransport | None,
        resolver: Resolver | None,
    ) -> None:
        self.limits = limits
        self.turns = asyncio.Semaphore(limits.client_calls)
        self.feedback_turns = asyncio.Semaphore(limits.feedback_calls)
        self.feedback_turn = asyncio.Lock()
        self.quota = Quota(limits.client_requests, limits.client_bytes)
        self.http = httpx.AsyncClient(
            transport=transport or Network(limits, client, resolver),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            event_hooks={"response": [_forget_location]},
        )
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, base: str) -> Breaker:
        """Return what stops asking a base that fails; `base` is a configured one."""
        if base not in self._breakers:
            self._breakers[base] = Breaker(self.limits.failures_in_a_row, self.limits.rest_seconds)
        return self._breakers[base]

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()


async def _forget_location(response: httpx.Response) -> None:
    """Drop where a redirect leads: httpx reads it even where it does not follow, and takes a bad one for a lost answer."""
    response.headers.pop("location", None)


def look_up(host: str) -> list[str]:
    """Ask the system's resolver, in the order in which it prefers to connect."""
    resolved = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in resolved))


def is_certificate_refused(error: BaseException) -> bool:
    """Whether no connection came about because of the server's certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _addressed(request: httpx.Request, address: Address) -> httpx.Request:
    """The same request to an address: its headers, `Host` among them, keep the name, and so does TLS."""
    url = request.url.copy_with(host=str(address))
    named = request.extensions | {"sni_hostname": request.url.host}
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=named
    )


def _trust_of(client: Client) -> ssl.SSLContext:
    """Trust the client's own authority and no other, or the public ones; raises SettingsError."""
    if client.ca_file is None:
        return _public_trust()
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(client.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    except (OSError, ssl.SSLError):
        raise SettingsError(
            f"client {client.name}: ca_file: cannot be read as certificates in PEM: {client.ca_file}"
        ) from None
    return context


@cache
def _public_trust() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.keylog_filename = None  # type: ignore[assignment] # the environment could ask for session keys in a file
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
