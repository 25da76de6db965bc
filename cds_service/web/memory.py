"""Quiet by memory (V8): a card that this user overrode for good stays away, as long as it would say the same.

The store is asked by the identity of the card alone, and only where a card would be shown that may be silent. Whatever
goes wrong there, the card is shown.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Literal

from cds_service.cards.assessment import Assessment, EligibilityUnknown
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.gate import gated
from cds_service.cards.identity import card_of_user, state_of, uuid_of
from cds_service.cards.reasons import SYSTEM
from cds_service.cards.why import speaks
from cds_service.web.store import Store
from models.inputs import PRESSING

_FOR_GOOD = ("cds-not-applicable", "recipient-disagrees-evidence", "action-completed")
QUIETING = frozenset((SYSTEM, code) for code in _FOR_GOOD)
"""The reasons, with their system, after which a card stays away: some of those that our card offers."""

Memory = Literal["not asked", "none", "overridden", "unread"]
"""What the store knew of a card: nothing, an override that still holds, or it could not be asked (in time)."""


async def recall(
    assessment: Assessment, settings: CardSettings, store: Store | None, seconds: float
) -> Memory:
    """Ask the store whether the card of this assessment was overridden by its user; waits `seconds` at most."""
    if store is None or not settings.user or not _may_be_quiet(assessment, settings):
        return "not asked"
    uuid = uuid_of(state_of(gated(assessment, settings), settings), settings)
    now = assessment.as_of
    try:
        since = now - assessment.model.policy.remembered
        ask = partial(store.overridden, card_of_user(uuid), QUIETING, since, now)
        overridden = await store.aside(ask, asyncio.get_running_loop().time() + seconds)
    except Exception:  # noqa: BLE001 - a fault of the store must neither end a call nor silence a card
        return "unread"
    return "overridden" if overridden else "none"


def recalled(memory: Memory) -> Mapping[str, str]:
    """Return the fields of the audit event: what the store knew, and that this is why there is no card."""
    said = {} if memory == "not asked" else {"memory": memory}
    return said | ({"reason": "overridden before"} if memory == "overridden" else {})


def _may_be_quiet(assessment: Assessment, settings: CardSettings) -> bool:
    """Never where the disease of a patient presses (R5), something failed, or nothing was assessed."""
    findings = assessment.findings
    unassessed = isinstance(assessment.outcome, EligibilityUnknown) or bool(findings.failed)
    presses = findings.eligibility.is_established and findings.phase in PRESSING
    return not (unassessed or presses) and speaks(assessment, settings)
