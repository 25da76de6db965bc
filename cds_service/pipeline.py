"""The path of a request: read, trust, gather, assess, render. Read this file first.

Each step takes what the one before it gave and never looks back. Whatever happens, one audit event closes
the call, and every answer that is not a list of cards is a FHIR OperationOutcome.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from cds_service.assessment import Assessment, EligibilityUnknown, assess
from cds_service.audit import audited, crash
from cds_service.body import check_headers, receive
from cds_service.cards import Card, render
from cds_service.errors import (
    BusyError,
    EligibilityUnknownError,
    InternalError,
    OtherVersionError,
    ServiceError,
)
from cds_service.events import Event, Events
from cds_service.fhir.client import Connection
from cds_service.fhir.gather import Gathering, gather
from cds_service.hooks import Hook
from cds_service.security.clients import Caller, trust
from cds_service.settings import Limits
from models.registry import Model


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the application; `app.py` puts it together."""

    limits: Limits
    callers: Mapping[str, Caller]  # by FHIR base
    connection: Connection
    model: Model
    clock: Callable[[], datetime]
    events: Events
    turns: asyncio.Semaphore  # calls at once


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a service, not yet read; `begun` is in loop time (s), `audit` fills as the call goes on."""

    service: str
    hook: Hook
    headers: Mapping[str, str]
    chunks: AsyncIterable[bytes]
    begun: float
    audit: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: cards, or an OperationOutcome."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


async def answer(call: Call, parts: Parts) -> Answer:
    """Answer one call within `limits.answer_seconds`; raises no Exception."""
    result = Answer(0, b"")  # stays so only if the call is cancelled
    try:
        cards = await _cards(call, parts)
        result = Answer(200, msgspec.json.encode({"cards": cards}))
    except ServiceError as error:
        result = Answer(error.status, error.body(), error.headers)
    except Exception as error:  # noqa: BLE001 - the last line of defence; nothing of its message is said
        call.audit["outcome"] = "crashed"
        parts.events.emit(Event.CRASHED, **crash(error))
        result = Answer(InternalError.status, InternalError("something went wrong in this service").body())
    finally:
        said = {"service": call.service, "outcome": "refused", "status": result.status} | call.audit
        elapsed = asyncio.get_running_loop().time() - call.begun
        parts.events.emit(Event.HOOK_CALL, **said, milliseconds=elapsed * 1000)
    return result


async def _cards(call: Call, parts: Parts) -> list[Card]:
    if parts.turns.locked():
        raise BusyError("too many calls at once")
    async with parts.turns:
        check_headers(call.headers, parts.limits)
        body = await receive(call.chunks, parts.limits, call.begun + parts.limits.answer_seconds)
        request = call.hook.read(body, parts.limits)
        caller = trust(request, parts.callers)
        token = "ignored" if request.token_ignored else "used" if request.token else "none"
        call.audit.update(body_bytes=len(body), client=caller.client.name, token=token)
        if not call.hook.is_for_clinicians(request):
            call.audit["outcome"] = "patients-view"
            return []
        as_of, deadline = parts.clock(), call.begun + parts.limits.gather_seconds
        gathering = await gather(
            request, caller, as_of, connection=parts.connection, limits=parts.limits, deadline=deadline
        )
        assessment = assess(gathering.gathered, as_of, parts.model)
        call.audit.update(audited(gathering, assessment))
        if caller.client.when_eligibility_unknown == "412":
            _refuse_if_unknown(gathering, assessment)
        cards = render(assessment, replace(caller.cards, service=call.service, instance=request.instance))
        call.audit["cards"] = len(cards)
        return cards


def _refuse_if_unknown(gathering: Gathering, assessment: Assessment) -> None:
    """End with 412 where it could not be read whether this is an IMNM patient (design 2, gather step 3)."""
    if isinstance(assessment.outcome, EligibilityUnknown):
        unread = "; ".join(f"{key}: {detail}" for key, detail in assessment.outcome.unread.items())
        kind = OtherVersionError if gathering.other_version else EligibilityUnknownError
        raise kind(f"not assessed, because this could not be read: {unread}")
