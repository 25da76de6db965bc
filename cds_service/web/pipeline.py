"""The path of a request: authenticate, read, authorise, use once, gather, assess, recall, render. Read this file first.

Each step takes what the one before it gave and never looks back. `answering.py` closes every call, whatever happens.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from cds_service.cards.assessment import Assessment, EligibilityUnknown, assess
from cds_service.cards.render import Card, render
from cds_service.cards.why import speaks
from cds_service.errors import EhrError, EligibilityUnknownError, OtherVersionError
from cds_service.events import Events
from cds_service.fhir.aside import aside
from cds_service.fhir.gather import Gathering, gather
from cds_service.fhir.network import Connection
from cds_service.security.clients import Caller, Registered, authenticate, authorise
from cds_service.settings.limits import Limits
from cds_service.web.audit import acceptance, asked, audited, shown, token_use
from cds_service.web.body import check_headers, receive
from cds_service.web.hooks import Hook
from cds_service.web.ingress.load import turn
from cds_service.web.memory import recall, recalled
from cds_service.web.replay import use_once
from cds_service.web.store import Store
from models.registry import Model


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the application; `app.py` puts it together."""

    limits: Limits
    registered: Registered
    connections: Mapping[str, Connection]  # by the name of the client: each has a bulkhead of its own
    model: Model
    clock: Callable[[], datetime]  # raises ClockError
    events: Events
    turns: asyncio.Semaphore  # calls at once
    store: Store | None = None  # None: no feedback is kept
    audit_secret: bytes = b""  # behind the digests of requester and patient; without one there are none


class Call(Struct, frozen=True):
    """One call of a service, not yet read; `begun` is in loop time (s), `audit` fills as it goes on."""

    service: str
    hook: Hook
    headers: Mapping[str, str]
    chunks: AsyncIterable[bytes]
    begun: float
    audit: dict[str, Any] = {}


async def cards_of(call: Call, parts: Parts) -> dict[str, list[Card]]:
    """Answer one call of a hook, within `limits.answer_seconds`; raises a ServiceError where there is no answer."""
    proof = await authenticate(call.headers, call.service, parts.registered, parts.clock().timestamp())
    call.audit.update(proof.audit)
    check_headers(call.headers, parts.limits.body_bytes)
    body = await receive(call.chunks, parts.limits.body_bytes, call.begun + parts.limits.answer_seconds)
    async with turn(parts.turns):
        request = await aside(len(body) > parts.limits.inline_bytes, call.hook.read, body, parts.limits)
        caller = authorise(proof.callers, request.fhir_server)
        call.audit.update(body_bytes=len(body), client=caller.client.name, mode=caller.client.mode)
        await use_once(proof.once, parts.store, call.begun + parts.limits.gather_seconds)
        call.audit.update(asked(request, caller.client.name, parts.audit_secret))
        is_off = caller.client.mode == "off"
        if is_off or not call.hook.is_for_clinicians(request):
            call.audit["outcome"] = "off" if is_off else "patients-view"
            return {"cards": []}
        is_shown = caller.client.shows_cards_to(request.user_id)
        call.audit.update(acceptance(caller.client, is_shown=is_shown))
        as_of, connection = parts.clock(), parts.connections[caller.client.name]
        async with turn(connection.turns, "too many calls of this client at once"):
            gathering = await gather(
                caller,
                request.patient_id,
                request.token,
                request.prefetch,
                as_of=as_of,
                connection=connection,
                limits=connection.limits,
                deadline=call.begun + connection.limits.gather_seconds,
            )
        call.audit.update(token=token_use(request, gathering.fhir_requests))
        assessment = await aside(gathering.is_large, assess, gathering.record, parts.model)
        call.audit.update(audited(gathering, assessment, caller.cards))
        refusal = _refusal(gathering, assessment, caller)
        if refusal and is_shown:
            raise refusal
        if not speaks(assessment, caller.cards):  # nearly every chart: no memory, no card
            return {"cards": []}
        settings = caller.cards.of_call(call.service, request.instance, request.user_id, request.encounter)
        memory = await recall(assessment, settings, parts.store, parts.limits.memory_seconds)
        is_silent = refusal or memory == "overridden"
        cards = [] if is_silent else await aside(gathering.is_large, render, assessment, settings)
        call.audit.update({**recalled(memory), **shown(cards)})
        return {"cards": cards if is_shown else []}


def _refusal(gathering: Gathering, assessment: Assessment, caller: Caller) -> EhrError | None:
    """Return the 412 where it could not be read whether this is an IMNM patient."""
    if caller.client.when_eligibility_unknown != "412":
        return None
    if not isinstance(assessment.outcome, EligibilityUnknown):
        return None
    unread = "; ".join(f"{key}: {detail}" for key, detail in assessment.outcome.failed.items())
    said = [f"this could not be read: {unread}"] if unread else []
    kind = OtherVersionError if gathering.other_version else EligibilityUnknownError
    return kind(f"not assessed, because {'; '.join([*said, *assessment.outcome.unused])}")
