"""One request as the edge sees it: when its first byte came, from whom, and what its one event will say."""

from dataclasses import dataclass, field
from typing import Any

from cds_service.events import Event


@dataclass(slots=True)
class Arrival:
    """What the connection knows of a request. `begun`: when its first byte came (loop time, s)."""

    begun: float
    left: bool = False  # the caller went away before it had the answer
    refused: int = 0  # the status that the connection itself answered with, because the body is no HTTP


@dataclass(slots=True)
class RequestRecord:
    """A request on its way through; `audit` fills as it goes on, and one event is made of it at the end."""

    event: Event = Event.REQUEST
    audit: dict[str, Any] = field(default_factory=dict)
    status: int = 0  # stays so only if nobody got an answer
    body_bytes: int = 0
    answer_bytes: int = 0
