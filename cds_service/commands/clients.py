"""What `imnm-cds check` says of each client: who accepted the model, and what its settings leave out."""

from collections.abc import Iterator

from cds_service.cards.gate import needs_acceptance
from cds_service.settings.service import Settings
from models.artefact import Model


def about_clients(settings: Settings, model: Model) -> Iterator[str]:
    """One line a matter, for each client in the order of the configuration."""
    for client in settings.client:
        if client.accepted_by:
            yield f"client {client.name}: the model was accepted by {client.accepted_by} on {client.accepted_on}"
        elif needs_acceptance(model):
            yield f"client {client.name}: nobody has accepted the model, so no risk is shown (accepted_by)"
        if not client.fhir_base and settings.prefetch == "lean":
            yield f'client {client.name}: it has no fhir_base and is asked for three prefetch keys: set prefetch = "full"'
