"""What `imnm-cds check` looks at and says: that a start would succeed, the model, and what each client's settings leave out."""

from collections.abc import Iterator

from cds_service.cards.gate import needs_acceptance
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from cds_service.web.clock import utc_now
from cds_service.web.store import Store
from models.registry import load_model


def about(settings: Settings) -> Iterator[str]:
    """One line a matter, once everything was looked at as a start does; nothing is changed. Raises as `create_app` does."""
    create_app(settings.model_copy(update={"store": None}))
    if settings.store:
        Store(settings.store, Limits().store_seconds, utc_now, take_over=False).close()
    yield "configuration, tables, model and prefetch templates are in order"
    model = load_model(settings.model)
    yield f"the model is {model.id} {model.version} ({model.evidence}) in {settings.model}"
    for client in settings.client:
        if client.accepted_by:
            yield f"client {client.name}: the model was accepted by {client.accepted_by} on {client.accepted_on}"
        elif needs_acceptance(model):
            yield f"client {client.name}: nobody has accepted the model, so no risk is shown (accepted_by)"
        if not client.fhir_base and settings.prefetch == "lean":
            yield f'client {client.name}: it has no fhir_base and is asked for three prefetch keys: set prefetch = "full"'
