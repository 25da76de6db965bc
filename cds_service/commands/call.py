"""`imnm-cds call`: open a chart as an EHR does, with any CDS Hooks service, and show the cards it answers.

The service may be of another make: whatever it says is shown as text, and what it lacks is named.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from cds_service.cds_client import Exchange, open_client
from cds_service.errors import UnusableInput
from cds_service.settings.client import BaseUrl
from cds_service.terminal import open_console, printable, show_card, show_silence

HOOK = "patient-view"
_GOOD = range(200, 300)

Service = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """What the user does with the first card; by number from 1.

    `accept`: take this suggestion. `dismiss`: give this reason for dismissing the card, 0 for none.
    """

    accept: int | None = None
    dismiss: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether the user does anything."""
        return self.accept is not None or self.dismiss is not None


def run(
    discovery: str,
    fhir: str,
    patient: str,
    *,
    service: str,
    user: str,
    prefetch: bool,
    action: Action,
    as_json: bool,
) -> None:
    """Call `service` (empty: the first for patient-view), show the cards or one JSON object, send the feedback.

    Raises UnusableInput in one sentence; ends with status 1 where call or feedback was refused.
    """
    if action.accept is not None and action.dismiss is not None:
        raise UnusableInput("give --accept or --dismiss, not both")
    addresses = _address("the discovery address", discovery), _address("--fhir", fhir)
    context = {"userId": user, "patientId": patient}
    console = Console(quiet=True) if as_json else open_console()
    try:
        call, feedback = asyncio.run(
            _open_chart(console, addresses, context, service, prefetch=prefetch, action=action)
        )
        if as_json:
            answer = _exchanged(call) | ({"feedback": _exchanged(feedback)} if feedback else {})
            sys.stdout.write(f"{json.dumps(answer)}\n")  # ASCII: no text can steer the terminal
    except RecursionError:
        raise UnusableInput("an answer is nested too deeply to be handed on") from None
    if call.refusal:
        said = f"imnm-cds: the service refused the call: {_refused(call)}"
        sys.stderr.write(f"{' '.join(printable(said).split())}\n")
        sys.exit(1)
    if feedback is None:
        return
    outcome = feedback.request["feedback"][0]["outcome"]
    if feedback.status not in _GOOD:
        _say(console, f"Feedback ({outcome}): the service refused it: {_refused(feedback)}")
        sys.exit(1)
    answered = json.dumps(feedback.response) if feedback.response else "nothing more"
    _say(console, f"Feedback ({outcome}): the service answered HTTP {feedback.status}, {answered}")


async def _open_chart(
    console: Console,
    addresses: tuple[str, str],
    context: Mapping[str, str],
    wanted: str,
    *,
    prefetch: bool,
    action: Action,
) -> tuple[Exchange, Exchange | None]:
    """Call the service, show its answer, and do with the first card what is wanted; the call, and the feedback if any."""
    async with open_client(*addresses) as client:
        service = _choose(await client.services(), wanted, addresses[0])
        filled = await client.prefetch(service, context) if prefetch else {}
        answer = await client.call(service, context, filled)
        if answer.refusal:
            return answer, None
        title = service.get("title")
        name = f"{service['id']}: {title}" if isinstance(title, str) else service["id"]
        console.print(Text(printable(name), style="bold"))
        if filled or client.left_out:
            _say(console, f"Prefetch: {len(filled)} of {len(filled) + len(client.left_out)} keys filled.")
        for key, why in client.left_out.items():
            _say(console, f"  left out: {key} ({why})")
        for card in answer.cards:
            show_card(console, card)
        if not answer.cards:
            show_silence(console, "It answered with an empty list of cards.")
        if not action.wanted:
            return answer, None
        if not answer.cards:
            raise UnusableInput("there is no card to accept or dismiss")
        item = feedback_item(answer.cards[0], action, datetime.now(UTC))
        return answer, await client.feedback(service, [item])


def feedback_item(card: Mapping[str, Any], action: Action, now: datetime) -> dict[str, Any]:
    """The feedback that an EHR sends for this action. Raises UnusableInput where the card has nothing to name."""
    item = {"card": _uuid(card, "the card"), "outcomeTimestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    if action.accept is not None:
        suggestion = _numbered(card.get("suggestions"), action.accept, "suggestion")
        accepted = [{"id": _uuid(suggestion, f"suggestion {action.accept}")}]
        return item | {"outcome": "accepted", "acceptedSuggestions": accepted}
    item["outcome"] = "overridden"
    if not action.dismiss:
        return item
    reason = _numbered(card.get("overrideReasons"), action.dismiss, "override reason")
    coding = {member: reason[member] for member in ("system", "code") if isinstance(reason.get(member), str)}
    if "code" not in coding:
        raise UnusableInput(f"override reason {action.dismiss} has no code that feedback could name")
    return item | {"overrideReason": {"reason": coding}}


def _address(what: str, url: str) -> str:
    try:
        return TypeAdapter(BaseUrl).validate_python(url)
    except ValidationError as error:
        raise UnusableInput(f"{what}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _choose(services: Sequence[Service], wanted: str, discovery: str) -> Service:
    """The service of this id, of several the one for patient-view; the first for patient-view if no id is given."""
    usable = [
        each for each in services if all(isinstance(each.get(member), str) for member in ("id", "hook"))
    ]
    candidates = [each for each in usable if each["hook"] == HOOK]
    if wanted:
        candidates = [each for each in [*candidates, *usable] if each["id"] == wanted]
    if candidates:
        return candidates[0]
    listed = ", ".join(f"{each['id']} ({each['hook']})" for each in usable) or "none that can be called"
    missing = f"no service {wanted}" if wanted else f"no service for {HOOK}"
    raise UnusableInput(printable(f"{discovery} offers {missing}; its services: {listed}"))


def _uuid(named: Mapping[str, Any], what: str) -> str:
    uuid = named.get("uuid")
    if not uuid or not isinstance(uuid, str):
        raise UnusableInput(f"{what} has no uuid, so this service wants no feedback about it")
    return uuid


def _numbered(listed: object, number: int, what: str) -> Mapping[str, Any]:
    entries = listed if isinstance(listed, list) else []
    if number > len(entries):
        count = f"{len(entries) or 'no'} {what}{'' if len(entries) == 1 else 's'}"
        raise UnusableInput(f"there is no {what} {number}: the first card has {count}")
    entry = entries[number - 1]
    return entry if isinstance(entry, dict) else {}


def _refused(exchange: Exchange) -> str:
    """Which address refused, and why: of three addresses, one may be wrong."""
    return f"{exchange.url} answered HTTP {exchange.status}, {exchange.refusal}"


def _say(console: Console, text: str) -> None:
    console.print(Text(printable(text)), soft_wrap=True)


def _exchanged(exchange: Exchange) -> dict[str, Any]:
    return {"request": exchange.request, "status": exchange.status, "response": exchange.response}
