"""Feedback as clients send it."""

from uuid import UUID

CARD = "5f0c1a2b-3c4d-8e5f-9a6b-7c8d9e0f1a2b"
SUGGESTION = "6f0c1a2b-3c4d-8e5f-9a6b-7c8d9e0f1a2c"
WHEN = "2026-03-01T08:59:30Z"
SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
EPIC = "com.epic.cdshooks.feedback.overrideReason"


def numbered(number: int) -> str:
    """A card uuid of its own."""
    return str(UUID(int=8 << 76 | 2 << 62 | number))


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
