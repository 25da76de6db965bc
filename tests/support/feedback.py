"""Feedback as clients send it."""

from uuid import UUID

from cds_service.cards.card_settings import CardSettings
from cds_service.cards.identity import uuid_of

SECRET = "the card secret of all tests"


def invented(number: int) -> str:
    """A uuid of the right form that no service issued."""
    return str(UUID(int=8 << 76 | 2 << 62 | number))


def issued(number: int, client: str = "hospital") -> str:
    """The uuid of a card of its own that a service with our secret issued to a client."""
    return uuid_of([number], CardSettings(secret=SECRET.encode(), client=client))


CARD = issued(0)
SUGGESTION = "6f0c1a2b-3c4d-8e5f-9a6b-7c8d9e0f1a2c"
WHEN = "2026-03-01T08:59:30Z"
SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
EPIC = "com.epic.cdshooks.feedback.overrideReason"


def accepted(**members: object) -> dict:
    return _item("accepted", {"acceptedSuggestions": [{"id": SUGGESTION}]} | members)


def overridden(code: str = "action-completed", **members: object) -> dict:
    return _item("overridden", {"overrideReason": {"reason": {"system": SYSTEM, "code": code}}} | members)


_SEE_COMMENT = {f"{EPIC}.reasonCategory": "12", f"{EPIC}.reasonDisplay": "See comment"}


def epic(extension: object = _SEE_COMMENT, **members: object) -> dict:
    """Epic's plural form, with its extension in place of a code."""
    return _item("overridden", {"overrideReasons": {"extension": extension, "userComment": "no"}} | members)


def _item(outcome: str, members: dict) -> dict:
    item = {"card": CARD, "outcome": outcome, "outcomeTimestamp": WHEN} | members
    return {name: value for name, value in item.items() if value is not ...}
