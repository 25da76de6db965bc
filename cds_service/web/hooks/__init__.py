"""One thin adapter for each hook: how its call is read, and who looks at the answer. One file and one line here."""

from collections.abc import Mapping
from typing import Protocol

from cds_service.settings.limits import Limits
from cds_service.web.body import HookRequest
from cds_service.web.hooks import patient_view


class Hook(Protocol):
    """What a module of this package offers."""

    NAME: str

    def read(self, body: bytes, limits: Limits) -> HookRequest:
        """Read the body of a call."""
        ...

    def is_for_clinicians(self, request: HookRequest) -> bool:
        """Say whether a clinician looks at the chart."""
        ...


HOOKS: Mapping[str, Hook] = {patient_view.NAME: patient_view}
