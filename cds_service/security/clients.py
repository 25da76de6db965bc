"""Who may call. Until tokens are checked every client is open: it is told by the FHIR server that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args
from zoneinfo import ZoneInfo

from cds_service.cards.card_settings import CardSettings
from cds_service.errors import UnknownClientError
from cds_service.settings.client import Client
from cds_service.settings.service import SettingsError
from fhir_mapping.record import NEVER_OFF, MappingSettings, SourceKey
from fhir_mapping.terms import TableError, Tables, read_site_map

_MAY_LACK: frozenset[SourceKey] = frozenset(get_args(SourceKey)) - NEVER_OFF - {"medications", "record"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request: settings, FHIR base (empty: none), how records are read and cards written."""

    client: Client
    base: str
    not_offered: frozenset[SourceKey]  # by configuration: what its FHIR server does not have
    mapping: MappingSettings
    cards: CardSettings


Callers = Mapping[str, Caller]
"""What a call may speak for: the FHIR bases of its client, or of all open clients where nobody proved who it is."""


def callers(clients: Iterable[Client], tables: Tables, secret: bytes) -> Callers:
    """Prepare every configured client, by FHIR base. `secret` is behind the identity of cards.

    Raises SettingsError for a site map that cannot be used, or for a prefetch key that is none.
    """
    return {client.fhir_base or "": _caller(client, tables, secret) for client in clients}


def authenticate(headers: Mapping[str, str], endpoint: str, known: Callers) -> Callers:
    """Return whom a call of `endpoint` with these headers may speak for: so far all, since every client is open."""
    del headers, endpoint
    return known


def authorise(callers: Callers, fhir_server: str) -> Caller:
    """Return the caller that `fhirServer` belongs to; without one, the single client that has no FHIR server.

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


def _caller(client: Client, tables: Tables, secret: bytes) -> Caller:
    if wrong := sorted(client.not_offered - _MAY_LACK):
        raise SettingsError(
            f"client {client.name}: not_offered: {wrong[0]} is no prefetch key that a server may lack"
        )
    mapping = MappingSettings(
        tables=_with_site_map(client, tables),
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
        use_instead=client.use_instead or "",
        order_codes={part: code.model_dump() for part, code in client.order_codes.items()},
        one_action=client.one_action,
        visit_as=client.visit_as,
    )
    absent = frozenset(key for key in _MAY_LACK if key in client.not_offered)
    return Caller(client, client.fhir_base or "", absent, mapping, cards)


def _with_site_map(client: Client, tables: Tables) -> Tables:
    if client.site_map is None:
        return tables
    try:
        return tables.with_site_map(read_site_map(client.site_map))
    except (OSError, TableError) as error:
        raise SettingsError(f"client {client.name}: site_map: {error}") from None
