"""Who may call. Until tokens are checked a client is known by the FHIR server that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cds_service.cards.render import CardSettings
from cds_service.errors import UnknownClientError
from cds_service.settings import Client, SettingsError
from cds_service.web.body import HookRequest
from fhir_mapping.record import MappingSettings
from fhir_mapping.terms import TableError, Tables, read_site_map


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request: settings, FHIR base (empty: none), how records are read and cards written."""

    client: Client
    base: str
    mapping: MappingSettings
    cards: CardSettings


def callers(clients: Iterable[Client], tables: Tables, secret: bytes) -> Mapping[str, Caller]:
    """Prepare every configured client, by FHIR base; raises SettingsError for a site map that cannot be used.

    `secret` is behind the identity of cards.
    """
    return {client.fhir_base or "": _caller(client, tables, secret) for client in clients}


def trust(request: HookRequest, known: Mapping[str, Caller]) -> Caller:
    """Return the client that `fhirServer` belongs to; without one, the single client that has no FHIR server.

    The request's address is compared with the configured ones and used for nothing else.
    """
    base = request.fhir_server.rstrip("/")
    caller = known.get(base)
    if caller is None or bool(base) != bool(request.fhir_server):
        raise UnknownClientError("fhirServer belongs to no configured client")
    return caller


def _caller(client: Client, tables: Tables, secret: bytes) -> Caller:
    mapping = MappingSettings(
        tables=_with_site_map(client, tables),
        time_zone=ZoneInfo(client.time_zone),
        accept_unknown_status=client.accept_unknown_status,
        any_encounter_counts=client.any_encounter_counts,
        fhir_version=client.fhir_version,
    )
    cards = CardSettings(
        secret=secret,
        client=client.name,
        show_possible=client.show_possible,
        quiet_low=client.quiet_low,
        use_instead=client.use_instead or "",
        order_codes={item: code.model_dump() for item, code in client.order_codes.items()},
    )
    return Caller(client=client, base=client.fhir_base or "", mapping=mapping, cards=cards)


def _with_site_map(client: Client, tables: Tables) -> Tables:
    if client.site_map is None:
        return tables
    try:
        return tables.with_site_map(read_site_map(client.site_map))
    except (OSError, TableError) as error:
        raise SettingsError(f"client {client.name}: site_map: {error}") from None
