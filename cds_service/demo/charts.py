"""The demonstration as an EHR: it opens charts through the real hook call and tells the service what became of a card."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cds_service.cds_client import CallError, CdsClient, Exchange
from cds_service.demo.ehr import Served
from cds_service.demo.issued import IssuedCards, keep
from cds_service.demo.patients import SamplePatient
from cds_service.demo.report import Addresses

SERVICE = "imnm-recurrence"
USER = "Practitioner/demo"
_REQUESTS_HEARD = 200  # the service makes at most 120 for one chart


@dataclass(slots=True)
class Opened:
    """A chart that was opened: the hook call, what the service asked the EHR for, and what became of the card.

    `call` is the service's audit event. `accepted` holds uuids of suggestions, `dismissed` the reason in words.
    """

    sample: SamplePatient
    exchange: Exchange
    requests: tuple[Served, ...]
    call: Mapping[str, Any]
    accepted: list[str] = field(default_factory=list)
    dismissed: str | None = None

    def card(self, uuid: str) -> dict[str, Any]:
        """The card of that uuid; it must be one of this chart."""
        return next(card for card in self.exchange.cards if card["uuid"] == uuid)


@dataclass(slots=True)
class Demonstration:
    """What runs: the addresses, a way to open a CDS client, and what is heard of service and EHR."""

    addresses: Addresses
    connect: Callable[[], AbstractAsyncContextManager[CdsClient]]
    clock: Callable[[], datetime]
    served: deque[Served] = field(default_factory=lambda: deque(maxlen=_REQUESTS_HEARD))
    call: dict[str, Any] = field(default_factory=dict)  # the last hook call, as audited
    issued: IssuedCards = field(default_factory=IssuedCards)
    # By card uuid: a card that is no longer here can no longer be accepted or dismissed on a page.
    shown: dict[str, Opened] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def hear(self, line: str) -> None:
        """Take an event of the service."""
        event = json.loads(line)
        if event["event"] == "hook-call":
            self.call = event

    async def open_chart(self, sample: SamplePatient) -> Opened:
        """Do what an EHR does: read the discovery document, call the hook, without prefetch. Raises CallError.

        One chart at a time, so that the FHIR requests that are heard belong to it.
        """
        context = {"userId": USER, "patientId": sample.name}
        async with self._turn, self.connect() as client:
            service = next((each for each in await client.services() if each["id"] == SERVICE), None)
            if service is None:
                raise CallError(f"{self.addresses.discovery} has no service {SERVICE}")
            self.served.clear()
            self.call = {}
            exchange = await client.call(service, context)
            opened = Opened(sample, exchange, tuple(self.served), self.call)
        for card in exchange.cards:
            keep(self.shown, card["uuid"], opened)
        return opened

    async def accept(self, opened: Opened, card: str, suggestion: str) -> None:
        """Tell the service that a suggestion of a card was accepted. Raises CallError unless it was stored."""
        await self._tell(card, {"outcome": "accepted", "acceptedSuggestions": [{"id": suggestion}]})
        opened.accepted.append(suggestion)

    async def dismiss(self, opened: Opened, card: str, reason: Mapping[str, Any] | None) -> None:
        """Tell the service that a card was dismissed, and why. Raises CallError unless it was stored."""
        coded = {name: reason[name] for name in ("system", "code") if name in reason} if reason else {}
        given = {"overrideReason": {"reason": coded}} if reason else {}
        await self._tell(card, {"outcome": "overridden", **given})
        opened.dismissed = str(reason["display"]) if reason else ""

    async def _tell(self, card: str, what: Mapping[str, Any]) -> None:
        moment = self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        async with self.connect() as client:
            exchange = await client.feedback(
                {"id": SERVICE}, [{"card": card, "outcomeTimestamp": moment, **what}]
            )
        if exchange.refusal:
            raise CallError(f"it answered HTTP {exchange.status}, {exchange.refusal}")
