"""One case of the specification through the product: record → `assess` → the object of `imnm-cds explain --json`."""

import json
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.assessment import assess
from cds_service.cards import CardSettings
from cds_service.explain.format import as_json
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.terms import Code, Tables, load_tables
from models.registry import Model, default_folder, load_model
from tests.spec.language import AS_OF, Record

_OF_CARDS = {"quiet_low", "order_codes", "show_possible"}


@cache
def packaged_tables() -> Tables:
    """The tables that the product ships."""
    return load_tables()


@cache
def packaged_model() -> Model:
    """The model that the product ships."""
    return load_model(default_folder())


def answer(record: Record, tables: Tables | None = None, model: Model | None = None) -> dict[str, Any]:
    """What `explain --json` says of this record; other tables or another model may be put in their place."""
    tables = tables or packaged_tables()
    if record.site_map:
        tables = tables.with_site_map([Code(s, c, c, role, "site") for s, c, role in record.site_map])
    settings = dict(record.settings)
    zone = ZoneInfo(settings.pop("time_zone", "UTC"))
    cards = CardSettings(**{key: settings.pop(key) for key in _OF_CARDS & settings.keys()})
    mapping = MappingSettings(tables=tables, time_zone=zone, **settings)
    entries = tuple(
        Entry(json.dumps(resource).encode(), record.full_urls.get(place, ""))
        for place, resource in enumerate(record.resources)
    )
    sources = {"record": Source("read", entries)}
    sources |= {key: Source("failed", (), why) for key, why in record.failed.items()}
    sources |= {key: Source("not-offered") for key in record.not_offered}
    gathered = Gathered(patient_id="p1", base=record.base, sources=sources, mapping=mapping)
    return as_json(assess(gathered, AS_OF, model or packaged_model()), cards)
