"""The discovery document `cds-hooks.json`: read, held against the tables, written from them, cut to what is enabled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cds_service.fhir.queries import BY_KEY, PATIENT, PHASE_1, QUERIES
from cds_service.settings.service import SettingsError
from cds_service.web.hooks import HOOKS
from cds_service.web.protocol import Discovery
from fhir_mapping.record import SourceKey
from fhir_mapping.terms import Tables

TEMPLATE_CHARACTERS = 1500


class DiscoveryError(ValueError):
    """The discovery document cannot be served; the message is one line that says what to do."""


def discovery_file() -> Path:
    """Return where the discovery document lies: in the package once installed, else at the top of the project."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "cds-hooks.json"
    return packaged if packaged.exists() else package.parent / "cds-hooks.json"


def read_discovery(file: Path) -> dict[str, Any]:
    """Read the discovery document; raises DiscoveryError."""
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        Discovery.model_validate(document)
    except (OSError, ValueError) as error:
        reason = "cannot be read" if isinstance(error, OSError) else "is not a CDS Hooks discovery document"
        raise DiscoveryError(f"{file}: {reason}") from None
    return document


def check_discovery(document: Mapping[str, Any], tables: Tables) -> None:
    """Raise DiscoveryError if a service's prefetch differs from what the tables say."""
    expected = templates(tables)
    for service in document["services"]:
        if list(service["prefetch"].items()) != list(expected.items()):
            raise DiscoveryError(
                f"cds-hooks.json: the prefetch of {service['id']} differs from the tables: run `imnm-cds check --write`"
            )


def write_discovery(file: Path, tables: Tables) -> None:
    """Write the prefetch templates into the discovery document; everything else in it stays."""
    document = json.loads(file.read_text(encoding="utf-8"))
    for service in document["services"]:
        service["prefetch"] = templates(tables)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def enabled(
    document: Mapping[str, Any],
    services: tuple[str, ...] | None,
    prefetch: Literal["lean", "full"] = "full",
) -> dict[str, Any]:
    """Return the discovery document with the enabled services, and of their prefetch what is to be sent along.

    Lean: what tells whether a patient has the disease; the rest is read where that matters. Raises SettingsError.
    """
    known = {service["id"]: service for service in document["services"]}
    for name in services or ():
        if name not in known:
            raise SettingsError(f"services: {name} is not in cds-hooks.json, which has {', '.join(known)}")
    chosen = [service for name, service in known.items() if services is None or name in services]
    if unknown := [service["hook"] for service in chosen if service["hook"] not in HOOKS]:
        raise SettingsError(
            f"cds-hooks.json: there is no adapter for the hook {unknown[0]} in cds_service/web/hooks"
        )
    keys = PHASE_1 if prefetch == "lean" else tuple(BY_KEY)
    cut = []
    for service in chosen:
        sent = {key: template for key, template in service["prefetch"].items() if key in keys}
        cut.append({**service, "prefetch": sent})
    return {**document, "services": cut}


def templates(tables: Tables) -> dict[SourceKey, str]:
    """Return the prefetch templates by key, phase-1 keys first."""
    made: dict[SourceKey, str] = {}
    for query in QUERIES:
        if query.key == "patient":
            made[query.key] = f"Patient/{PATIENT}"
            continue
        parameters = query.parameters(tables)
        if ("code", "") in parameters:  # to some servers an empty value means everything
            raise DiscoveryError(f"prefetch {query.key}: the tables hold no code for it")
        rest = "&".join(f"{name}={value}" for name, value in parameters)
        made[query.key] = f"{query.resource_type}?patient={PATIENT}&{rest}"
        if len(made[query.key]) > TEMPLATE_CHARACTERS:
            raise DiscoveryError(
                f"prefetch {query.key}: more than {TEMPLATE_CHARACTERS} characters; use fewer codes"
            )
    return made
