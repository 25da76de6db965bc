"""What makes two cards the same: a UUID (version 8) of three parts, so that feedback, which names it alone, says all.

| bits | part | stays the same as long as |
| --- | --- | --- |
| 60 | what is said, to which client, of which patient | client, patient, service and what the card says do |
| 30 | who reads it, bound to what is said | the user does too; of two cards of one user nobody can tell that they are |
| 32 | the call (hookInstance) | it is the same call |

What stands before the part of the call is the card of a user (`card_of_user`); V8 compares no more and no less.
"""

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings

SAID_BITS, USER_BITS, CALL_BITS = 60, 30, 32
_VERSION, _VARIANT = 8, 0b10  # RFC 9562: four bits after the first 48, two bits after the first 60 of ours
_CALL_DIGITS = CALL_BITS // 4  # the last digits of the written UUID


def state_of(assessment: Assessment, settings: CardSettings) -> list[Any]:
    """What a card says, in short: band, phase, states of predictors and follow-up, statin, doubts, what was not read.

    With client, patient and service before it: a card of another patient is never the same.
    """
    findings, advice = assessment.findings, assessment.advice
    asked = findings.follow_up.statin if findings.eligibility.state == "possible" else None
    statin = asked or (advice.statin if advice else None)
    return [
        settings.client,
        findings.patient_id,
        settings.service,
        (advice.band if advice else None) or [assessment.outcome_name, findings.eligibility.state],
        findings.phase,
        [[name, str(f.state), f.stale] for name, f in findings.features.items()],
        [[item.item, item.state] for item in (advice.follow_up if advice else ())],
        list(statin.names) if statin else [],
        [[barring.doubt.resource, barring.doubt.role] for barring in findings.doubts],
        sorted(findings.failed),
    ]


def uuid_of(state: list[Any], settings: CardSettings) -> str:
    """The UUID of what is said in this state, for the user and in the call of the settings."""
    said = _keyed(settings, SAID_BITS, "said", *state)
    user = _keyed(settings, USER_BITS, "user", settings.user, said)  # what is said has the client
    call = _bits(hashlib.sha256(settings.instance.encode()).digest(), CALL_BITS)
    first, second = said >> 12, said & 0xFFF  # the version stands between the first 48 bits and the next 12
    number = first << 80 | _VERSION << 76 | second << 64 | _VARIANT << 62 | user << CALL_BITS | call
    return str(UUID(int=number))


def card_of_user(uuid: str) -> str:
    """The beginning of the UUID that all cards which say the same to the same user share."""
    return uuid[:-_CALL_DIGITS]


def _keyed(settings: CardSettings, width: int, *what: object) -> int:
    return _bits(hmac.new(settings.secret, json.dumps(what).encode(), hashlib.sha256).digest(), width)


def _bits(digest: bytes, width: int) -> int:
    return int.from_bytes(digest) >> (8 * len(digest) - width)
