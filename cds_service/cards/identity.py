"""What makes two cards the same: a UUID of which one half stays as long as the card says the same."""

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings


def state_of(assessment: Assessment, settings: CardSettings) -> list[Any]:
    """What a card says, in short: band, phase, states of predictors and follow-up, statin, doubts that bar something.

    With client, patient and service before it: a card of another patient is never the same.
    """
    findings, advice = assessment.findings, assessment.advice
    return [
        settings.client,
        findings.patient_id,
        settings.service,
        (advice.band if advice else None) or [assessment.outcome_name, findings.eligibility.state],
        findings.phase,
        [[name, str(f.state), f.stale] for name, f in findings.features.items()],
        [[item.item, item.state] for item in (advice.follow_up if advice else ())],
        list(advice.statin.names) if advice and advice.statin else [],
        [[barring.doubt.resource, barring.doubt.role] for barring in findings.doubts],
    ]


def uuid_of(state: list[Any], settings: CardSettings) -> str:
    """A UUID of version 8: 60 bits that stay the same while the state does, 62 bits of the hook instance."""
    said = hmac.new(settings.secret, json.dumps(state).encode(), hashlib.sha256).digest()
    instance = hashlib.sha256(settings.instance.encode()).digest()
    stable = int.from_bytes(said[:8]) >> 4
    here = int.from_bytes(instance[:8]) >> 2
    custom_a, custom_b = stable >> 12, stable & 0xFFF
    return str(UUID(int=custom_a << 80 | 8 << 76 | custom_b << 64 | 2 << 62 | here))
