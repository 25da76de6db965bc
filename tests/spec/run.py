"""One case of the specification through the product: record → `assess` → the object of `imnm-cds explain --json`."""

import json
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.cards.assessment import assess
from cds_service.cards.card_settings import CardSettings
from cds_service.commands.explain.format import as_json
from fhir_mapping.checks import judge
from fhir_mapping.cohort.relapse import relapses
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.terms import CodeRow, Tables, load_tables
from models.registry import Model, default_folder, load_model
from tests.spec.language import AS_OF, Record
from tests.support.landmarks import with_landmarks
from tests.support.walker import Seen, order_flaws

_OF_CARDS = {"quiet_low", "order_codes", "one_action", "visit_as", "show_possible"}


class Answer(dict[str, Any]):
    """The object of `explain --json`; beside it, only where a row asks for it, the relapse label of R3."""

    def __init__(self, said: dict[str, Any], gathered: Gathered) -> None:
        super().__init__(said)
        self._gathered = gathered

    @property
    def relapse_label(self) -> str:
        """`relapse 2026-02-01`, `biochemical 2026-02-01` or `none`: the first of its kind up to AS_OF."""
        course = relapses(self._gathered, AS_OF)
        for kind, moments in (
            ("relapse", [c.when for c in course.relapses]),
            ("biochemical", course.biochemical),
        ):
            if moments:
                return f"{kind} {min(moments):%Y-%m-%d}"
        return "none"


@cache
def packaged_tables() -> Tables:
    """The tables that the product ships."""
    return load_tables()


@cache
def packaged_model() -> Model:
    """The model that the product ships."""
    return load_model(default_folder())


def gathered_from(record: Record, tables: Tables | None = None) -> Gathered:
    """The record as it reaches the mapping; other tables may be put in place of the product's."""
    tables = tables or packaged_tables()
    if record.site_map:
        tables = tables.with_site_map([CodeRow(s, c, c, role, "site") for s, c, role in record.site_map])
    settings = {name: value for name, value in record.settings.items() if name not in _OF_CARDS}
    zone = ZoneInfo(settings.pop("time_zone", "UTC"))
    entries = tuple(
        Entry(json.dumps(resource).encode(), record.full_urls.get(place, ""))
        for place, resource in enumerate(record.resources)
    )
    sources = {"record": Source("read", entries)}
    sources |= {key: Source("failed", (), why) for key, why in record.failed.items()}
    sources |= {key: Source("not-offered") for key in record.not_offered}
    mapping = MappingSettings(tables=tables, time_zone=zone, **settings)
    return Gathered(patient_id="p1", base=record.base, sources=sources, mapping=mapping)


def answer(record: Record, tables: Tables | None = None, model: Model | None = None) -> Answer:
    """What `explain --json` says of this record; other tables or another model may be put in their place."""
    gathered = gathered_from(record, tables)
    cards = CardSettings(**{key: record.settings[key] for key in _OF_CARDS & record.settings.keys()})
    served = model or packaged_model()
    if record.time_zero:
        anchor, _, days = record.time_zero.partition("+")
        served = with_landmarks(served, anchor, int(days))
    said = as_json(assess(judge(gathered, AS_OF), served, explained=True), cards)
    if tables is None and model is None:
        seen = Seen()
        seen.read(gathered)
        assert list(order_flaws(said, seen)) == []
    return Answer(said, gathered)
