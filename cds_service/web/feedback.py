"""Feedback: what clinicians did with a card, read strictly and stored once before it is acknowledged.

What clients really send is accepted: the list of the standard, a single item, Epic's `overrideReasons` with a reason
or only an extension. Whatever is kept is a code or a UUID; a comment may name the patient and is only counted.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from cds_service.cards.identity import issuer_of
from cds_service.errors import (
    BusyError,
    InvalidRequestError,
    NoSuchServiceError,
    first_problem,
)
from cds_service.json_text import strict_json
from cds_service.security.clients import Proof, authenticate
from cds_service.settings.limits import Limits
from cds_service.web.body import check_headers, receive
from cds_service.web.ingress.load import turn
from cds_service.web.pipeline import Call, Parts
from cds_service.web.replay import use_once
from cds_service.web.store import Feedback

_EPIC = "com.epic.cdshooks.feedback.overrideReason."
_EPIC_MEMBERS = (f"{_EPIC}reasonCategory", f"{_EPIC}reasonTitle")
_TOO_MUCH = "too much feedback of this client at once"
_OTHER = "other"  # a reason that is not a code: text may name the patient
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_SYSTEM = re.compile(r"(https?://|urn:)[A-Za-z0-9._:/-]{1,200}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


def _moment(value: object) -> datetime:
    """Read a time of RFC 3339 with its offset."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be a date and time with an offset, like 2026-03-01T09:30:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no date and time that exists") from None


def _listed(value: object) -> object:
    """Take a single object for a list of one."""
    return [value] if isinstance(value, dict) else value


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else _OTHER


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("must be a UUID") from None


_Uuid = Annotated[str, AfterValidator(_uuid)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", alias_generator=to_camel)


class _Suggestion(_Wire):
    id: _Uuid


class _Coding(_Wire):
    system: str | None = None
    code: str | None = None


class _Reason(_Wire):
    reason: _Coding | None = None
    user_comment: str | None = None
    extension: Any = None

    def coded(self) -> tuple[str, str] | None:
        """Return system and code; `other` where no code was given or it looks like text."""
        if self.reason:
            system = self.reason.system or ""
            return (system if _SYSTEM.fullmatch(system) else "", _code(self.reason.code))
        epic = self.extension if isinstance(self.extension, dict) else {}
        codes = [epic[name] for name in _EPIC_MEMBERS if epic.get(name) is not None]
        return (_EPIC.rstrip("."), _code(codes[0])) if codes else None


class _Item(_Wire):
    card: _Uuid
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: Annotated[datetime, BeforeValidator(_moment)]
    accepted_suggestions: list[_Suggestion] | None = Field(None, fail_fast=True)
    override_reason: Annotated[list[_Reason] | None, BeforeValidator(_listed)] = Field(
        None, fail_fast=True, validation_alias=AliasChoices("overrideReason", "overrideReasons")
    )

    def stored(self, service: str) -> Feedback:
        """Return what is kept of it."""
        reasons = self.override_reason or []
        return Feedback(
            service=service,
            card=self.card,
            outcome=self.outcome,
            at=self.outcome_timestamp,
            suggestions=tuple(sorted({suggestion.id for suggestion in self.accepted_suggestions or ()})),
            reasons=tuple(coded for reason in reasons if (coded := reason.coded())),
            commented=any(reason.user_comment for reason in reasons),
        )


class _Body(_Wire):
    feedback: Annotated[list[_Item], Field(min_length=1, fail_fast=True), BeforeValidator(_listed)]


async def take(call: Call, parts: Parts) -> dict[str, int]:
    """Store the feedback of one call, all of it or nothing; returns `{"stored": n}`, n items that were new.

    Items on a card that we did not issue are not stored: `"refused"` counts them. Raises a ServiceError: nothing is
    stored then, and sending the same again is safe.
    """
    if parts.store is None or not parts.connections:
        raise NoSuchServiceError("no feedback is kept here")
    endpoint, now = f"{call.service}/feedback", parts.clock().timestamp()
    proof = await authenticate(call.headers, endpoint, parts.registered, now)
    call.audit.update(proof.audit)
    check_headers(call.headers, parts.limits.feedback_bytes)
    deadline = call.begun + parts.limits.answer_seconds
    body = await receive(call.chunks, parts.limits.feedback_bytes, deadline)
    call.audit.update(body_bytes=len(body))
    # Those who did not prove who they are share what the first one's feedback may use up at once
    caller = next(iter(proof.callers.values()))
    connection = parts.connections[caller.client.name]
    async with turn(parts.turns), turn(connection.feedback_turns, _TOO_MUCH):
        await use_once(proof.once, parts.store, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await connection.feedback_turn.acquire()
        except TimeoutError:
            raise BusyError(_TOO_MUCH) from None
        try:
            items, ours = await asyncio.to_thread(_ours, body, call.service, parts.limits, proof)
            stored = await parts.store.aside(partial(parts.store.add, ours), deadline) if ours else 0
        finally:
            connection.feedback_turn.release()
    call.audit.update(outcome="stored", items=items, stored=stored, refused=items - len(ours))
    return {"stored": stored} | ({"refused": items - len(ours)} if len(ours) < items else {})


def _ours(body: bytes, service: str, limits: Limits, proof: Proof) -> tuple[int, list[Feedback]]:
    """Read the items of a body; returns how many there are, and those on cards of ours."""
    items = read(body, service, limits)
    clients = [caller.cards for caller in proof.callers.values()]
    return len(items), [
        replace(item, client=client) for item in items if (client := issuer_of(item.card, clients))
    ]


def read(body: bytes, service: str, limits: Limits) -> Sequence[Feedback]:
    """Read the items of a body; raises InvalidRequestError that names the member, never its value."""
    content = strict_json(body, limits)
    if isinstance(content, dict) and "feedback" not in content and "card" in content:
        content = {"feedback": content}
    listed = content.get("feedback") if isinstance(content, dict) else None
    if isinstance(listed, list) and len(listed) > limits.feedback_items:
        raise InvalidRequestError(f"feedback has more than {limits.feedback_items} items")
    try:
        return [item.stored(service) for item in _Body.model_validate(content).feedback]
    except ValidationError as error:
        where, kind, message = first_problem(error)
        what = {
            "missing": "is missing",
            "value_error": message,
            "literal_error": "must be accepted or overridden",
            "too_short": "is empty",
        }.get(kind, "has the wrong type")
        raise InvalidRequestError(f"{where or 'the body'} {what}") from None
