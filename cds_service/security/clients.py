"""Who may call: a client proves itself with a signed token, or is open and told by the FHIR server that it names.

The open ones are for a machine of one's own: whoever reaches the service may be any of them.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args
from zoneinfo import ZoneInfo

from msgspec import structs

from cds_service.cards.card_settings import CardSettings
from cds_service.errors import NotProvedError, UnknownClientError
from cds_service.security.keys import Fetch, FetchedKeys, KeysOf, keys_of_file
from cds_service.security.tokens import Pass, Rejected, Trust, check, prove, read
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings, SettingsError
from fhir_mapping.record import NEVER_OFF, MappingSettings, SourceKey
from fhir_mapping.terms import TableError, Tables, read_site_map

_MAY_LACK: frozenset[SourceKey] = frozenset(get_args(SourceKey)) - NEVER_OFF - {"medications", "record"}
_KEY_DIGITS = 12  # hexadecimal, by which the audit tells keys apart


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request: settings, FHIR base (empty: none), how records are read and cards written.

    The base tells whose references are its own; it is asked only where the call named it.
    """

    client: Client
    base: str
    not_offered: frozenset[SourceKey]  # by configuration: what its FHIR server does not have
    mapping: MappingSettings
    cards: CardSettings
    is_named: bool = True


Callers = Mapping[str, Caller]
"""What a call may speak for: the FHIR bases of its client, or of all open clients where nobody proved who it is.

The empty one is for a call that names no FHIR server.
"""


def callers(clients: Iterable[Client], tables: Tables, secret: bytes, about_model: str = "") -> Callers:
    """Prepare every configured client, by FHIR base. `secret` is behind the identity of cards.

    Raises SettingsError for a site map that cannot be used, or for a prefetch key that is none.
    """
    each = (_caller(client, tables, secret, about_model) for client in clients)
    return {base: _at(base, caller) for caller in each for base in caller.client.fhir_base or ("",)}


@dataclass(frozen=True, slots=True)
class Provable:
    """A client that proves itself: what its tokens may be, for which address, its keys, and its bases."""

    trust: Trust
    audiences: Mapping[str, frozenset[str]]  # by endpoint
    key: KeysOf
    callers: Callers


@dataclass(frozen=True, slots=True)
class Registered:
    """Everybody who may call: those who need no proof, and the others by issuer and tenant."""

    unproved: Callers
    provable: Mapping[tuple[str, str], Provable]
    secret: bytes  # behind the digest by which the audit names a key


@dataclass(frozen=True, slots=True)
class Proof:
    """Whom a call may speak for, and why; `once` is of a token that must still be found unused."""

    callers: Callers
    once: Pass | None = None
    audit: Mapping[str, str] = field(default_factory=dict)


def registered(
    settings: Settings,
    known: Callers,
    services: Collection[str],
    fetches: Mapping[str, Fetch],
    timer: Callable[[], float],
    limits: Limits,
    secret: bytes,
) -> Registered:
    """Prepare what proves a caller, and read the key files; raises SettingsError in one line."""
    provable: dict[tuple[str, str], Provable] = {}
    for client in settings.client:
        if client.auth == "none":
            continue
        if client.jwks_file:
            key = keys_of_file(client.jwks_file, client.algorithms)
        else:
            key = FetchedKeys(
                client.jwks_url or "", client.algorithms, fetches[client.name], timer, limits
            ).key
        own = {base: caller for base, caller in known.items() if caller.client is client}
        trust = Trust(frozenset(client.algorithms), client.jwks_url or "")
        audiences = _audiences(client, settings.public_url, services)
        # One that brings all it has as prefetch: of several bases nobody knows which is meant
        (base, caller), *others = own.items()
        without_server = {"": replace(_at("" if others else base, caller), is_named=False)}
        provable_client = Provable(trust, audiences, key, without_server | own)
        provable |= {(issuer, client.tenant or ""): provable_client for issuer in client.issuer}
    unproved = {base: caller for base, caller in known.items() if caller.client.auth == "none"}
    return Registered(unproved, provable, secret)


def _audiences(
    client: Client, public_url: str | None, services: Collection[str]
) -> dict[str, frozenset[str]]:
    """Under which addresses this client's tokens may name each endpoint; feedback goes by the service's too."""
    endpoints = [name for service in services for name in (service, f"{service}/feedback")]
    if wrong := sorted(set(client.audience) - set(endpoints)):
        raise SettingsError(f"client {client.name}: audience: {wrong[0]} is no service that is offered")
    named: dict[str, frozenset[str]] = {}
    for endpoint in endpoints:  # a service stands before its feedback
        service = endpoint.removesuffix("/feedback")
        usual = (f"{public_url.rstrip('/')}/cds-services/{endpoint}",) if public_url else ()
        named[endpoint] = frozenset(client.audience.get(endpoint, usual)) | named.get(service, frozenset())
        if not named[endpoint]:
            raise SettingsError(f"client {client.name}: needs public_url, or an audience for {endpoint}")
    return named


async def authenticate(
    headers: Mapping[str, str], endpoint: str, registered: Registered, now: float
) -> Proof:
    """Return whom a call of `endpoint` may speak for, `now` in s since 1970; raises NotProvedError.

    Where every client is open, a token is not looked at: the public sandbox sends one everywhere. Where clients prove
    themselves, all do (start-up refuses a mixture), and a call is that of the client that its token proves.
    """
    if not registered.provable:
        return Proof(registered.unproved, audit={"authentication": "none"})
    given = [value for name, value in headers.items() if name.lower() == "authorization"]
    audit: dict[str, str] = {}
    try:
        claimed = read(_bearer(given))
        digest = hmac.new(registered.secret, json.dumps(claimed.kid).encode(), hashlib.sha256)
        audit["key"] = digest.hexdigest()[:_KEY_DIGITS]
        client = registered.provable.get((claimed.issuer, claimed.tenant))
        if client is None:
            raise Rejected("unknown issuer")  # noqa: TRY301 - one way out for all that is not proved
        once = check(claimed, client.trust, client.audiences[endpoint], now)
        prove(claimed, await client.key(claimed.kid))
    except Rejected as error:
        raise NotProvedError(audit=audit | {"authentication": error.reason}) from None
    return Proof(client.callers, once, audit | {"authentication": "jwt"})


def _bearer(given: Sequence[str]) -> str:
    """The token of the one Authorization header; raises Rejected."""
    if len(given) != 1:
        raise Rejected("several tokens" if given else "no token")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer":
        raise Rejected("no bearer")
    return token.strip(" ")


def authorise(callers: Callers, fhir_server: str) -> Caller:
    """Return the caller that `fhirServer` belongs to; without one, the client that proved itself or has no FHIR server.

    The request's address is compared with the configured ones and used for nothing else. Raises UnknownClientError.
    """
    base = fhir_server.rstrip("/")
    caller = callers.get(base)
    if caller is None or bool(base) != bool(fhir_server):
        configured = sorted(filter(None, callers))
        raise UnknownClientError(
            "fhirServer belongs to no configured client",
            audit={"refused_server": fhir_server or "none", "configured_servers": configured},
        )
    return caller


def _at(base: str, caller: Caller) -> Caller:
    """The same client, with its records at this FHIR base."""
    server = base if len(caller.client.fhir_base) > 1 else ""
    return replace(caller, base=base, cards=structs.replace(caller.cards, server=server))


def _caller(client: Client, tables: Tables, secret: bytes, about_model: str) -> Caller:
    if wrong := sorted(client.not_offered - _MAY_LACK):
        raise SettingsError(
            f"client {client.name}: not_offered: {wrong[0]} is no prefetch key that a server may lack"
        )
    if client.site_map is not None:
        try:
            tables = tables.with_site_map(read_site_map(client.site_map))
        except (OSError, TableError) as error:
            raise SettingsError(f"client {client.name}: site_map: {error}") from None
    mapping = MappingSettings(
        tables=tables,
        time_zone=ZoneInfo(client.time_zone),
        accept_unknown_status=client.accept_unknown_status,
        any_encounter_counts=client.any_encounter_counts,
        fhir_version=client.fhir_version,
        also_known_as=client.also_known_as,
    )
    cards = CardSettings(
        secret=secret,
        client=client.name,
        show_possible=client.show_possible,
        quiet_low=client.quiet_low,
        accepted=client.accepted_by is not None,
        about_model=about_model,
        use_instead=client.use_instead or "",
        order_codes={part: code.model_dump() for part, code in client.order_codes.items()},
        one_action=client.one_action,
        visit_as=client.visit_as,
    )
    absent = frozenset(key for key in _MAY_LACK if key in client.not_offered)
    return Caller(client, "", absent, mapping, cards)
