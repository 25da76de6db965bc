"""One thin adapter for each hook: how its call is read, and who looks at the answer. A file here is a hook."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from cds_service.settings import Limits
from cds_service.web.body import HookRequest


class Hook(Protocol):
    """What a module of this package offers."""

    NAME: str

    def read(self, body: bytes, limits: Limits) -> HookRequest:
        """Read the body of a call."""
        ...

    def is_for_clinicians(self, request: HookRequest) -> bool:
        """Say whether a clinician looks at the chart."""
        ...


def hooks() -> Mapping[str, Hook]:
    """Every adapter of this package, by the name of its hook."""
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {hook.NAME: hook for hook in (cast(Hook, module) for module in modules)}
