"""What makes two cards the same: a UUID (version 8) of four parts, so that feedback, which names it alone, says all.

| bits | part | stays the same as long as |
| --- | --- | --- |
| 48 | what is said, to which client, of which patient of which server | these, the service and what the card says do |
| 26 | who reads it, bound to what is said | the user does too; of two cards of one user nobody can tell that they are |
| 24 | the call (hookInstance) | it is the same call |
| 24 | a keyed check of all these, for the client | – : of 16 million invented ones, one passes |

What stands before the part of the call is the card of a user (`card_of_user`); V8 compares no more and no less.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.json_text import in_ascii

SAID_BITS, USER_BITS, CALL_BITS, CHECK_BITS = 48, 26, 24, 24
_VERSION, _VARIANT = 8, 0b10  # RFC 9562: four bits after the first 48, two bits after the first 60 of ours
_CALL_DIGITS = (CALL_BITS + CHECK_BITS) // 4  # the last digits of the written UUID


def state_of(assessment: Assessment, settings: CardSettings) -> list[Any]:
    """What a card says, in short: band, phase, states of predictors and follow-up, statin, doubts, what was not read.

    With client, patient and service before it: a card of another patient is never the same. Where there is no band
    stands why; of a patient for whom the model is not, who that is, with what speaks for and against it.
    """
    findings, advice, who = assessment.findings, assessment.advice, assessment.findings.eligibility
    band: str | list[Any] | None = advice.band if advice else None
    if not band:
        band = [assessment.outcome_name, who.state]
        if who.state in {"possible", "excluded"}:
            band += [who.reason, who.subtype, [[e.resource, e.role] for e in (*who.evidence, *who.against)]]
    # Of a patient who is only possibly one the statin row is no advice (E3)
    asked = findings.follow_up.statin if who.state == "possible" else None
    statin = asked or (advice.statin if advice else None)
    return [
        settings.client,
        "/".join(filter(None, (settings.server, findings.patient_id))),
        settings.service,
        band,
        findings.phase,
        [[name, str(f.state), f.stale] for name, f in findings.features.items()],
        [[item.item, item.state] for item in (advice.follow_up if advice else ())],
        [statin.state, list(statin.names), statin.never_answered] if statin else [],
        [[barring.doubt.resource, barring.doubt.role] for barring in findings.doubts],
        sorted(findings.failed),
    ]


def uuid_of(state: list[Any], settings: CardSettings) -> str:
    """The UUID of what is said in this state, for the user and in the call of the settings."""
    said = _keyed(settings, SAID_BITS, "said", *state)
    user = _keyed(settings, USER_BITS, "user", settings.user, said)  # what is said has the client
    call = _bits(hashlib.sha256(settings.instance.encode()).digest(), CALL_BITS)
    parts = (said << USER_BITS | user) << CALL_BITS | call
    return str(UUID(int=_spread(parts << CHECK_BITS | _check(parts, settings))))


def issuer_of(uuid: str, clients: Iterable[CardSettings]) -> str:
    """The name of the one of these clients for which we made the card of that UUID; empty if for none of them."""
    number = UUID(uuid).int
    bits = number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    parts, check = bits >> CHECK_BITS, bits & (1 << CHECK_BITS) - 1
    whose = (each.client for each in clients if _spread(bits) == number and _check(parts, each) == check)
    return next(whose, "")


def card_of_user(uuid: str) -> str:
    """The beginning of the UUID that all cards which say the same to the same user share."""
    return uuid[:-_CALL_DIGITS]


def _spread(bits: int) -> int:
    """Put 122 bits around version and variant: 48 before the version, 12 behind it, 62 after the variant."""
    return (
        bits >> 74 << 80 | _VERSION << 76 | (bits >> 62 & 0xFFF) << 64 | _VARIANT << 62 | bits & (1 << 62) - 1
    )


def _check(parts: int, settings: CardSettings) -> int:
    return _keyed(settings, CHECK_BITS, "issued", settings.client, parts)


def _keyed(settings: CardSettings, width: int, *what: object) -> int:
    return _bits(hmac.digest(settings.secret, in_ascii(what).encode(), "sha256"), width)


def _bits(digest: bytes, width: int) -> int:
    return int.from_bytes(digest) >> (8 * len(digest) - width)
