"""Which card was issued for whom, heard on its way to any client: the store that keeps feedback knows no patient."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service.web.protocol import Envelope

CARDS_KEPT = 300  # some 10 kB each; the sandbox calls the hook anew at every view

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """A card as it was answered, and the id of the patient whose chart was open."""

    patient_id: str
    card: Mapping[str, Any]


def words_of(card: Mapping[str, Any]) -> dict[str, str]:
    """How a card calls a suggestion, by its uuid, and an override reason, by its code."""
    suggestions = {each["uuid"]: str(each["label"]) for each in card.get("suggestions", ())}
    return suggestions | {each["code"]: str(each["display"]) for each in card.get("overrideReasons", ())}


def keep(kept: dict[str, _Kept], uuid: str, latest: _Kept) -> None:
    """Keep what belongs to a card, and let the oldest go where there are too many."""
    kept[uuid] = latest
    if len(kept) > CARDS_KEPT:
        del kept[next(iter(kept))]


@dataclass(frozen=True, slots=True)
class IssuedCards:
    """The latest cards by uuid, in memory only: they end with the demonstration."""

    by_uuid: dict[str, IssuedCard] = field(default_factory=dict)

    async def pass_on(self, service: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the service, unchanged, but the cards of its answer are remembered before its client has them."""
        request, answer, status = bytearray(), bytearray(), 0

        async def receiving() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and status == HTTPStatus.OK:
                for card in json.loads(answer).get("cards", ()):  # the answer to feedback has none
                    patient_id = msgspec.json.decode(request, type=Envelope).context.patient_id
                    keep(self.by_uuid, card["uuid"], IssuedCard(patient_id, card))
            await send(message)

        is_post = scope["type"] == "http" and scope["method"] == "POST"
        await service(scope, *((receiving, sending) if is_post else (receive, send)))
