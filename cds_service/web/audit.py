"""What an audit event says of a hook call and its assessment, or of a crash: counts and words of ours, never the record."""

import hashlib
import hmac
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import Card
from cds_service.cards.why import why
from cds_service.fhir.gather import Gathering
from cds_service.settings.client import Client
from cds_service.web.body import HookRequest

TokenUse = Literal["used", "unused", "ignored", "none"]
"""What became of the access token of a request."""
_USUAL = CardSettings()


def token_use(request: HookRequest, fhir_requests: int) -> TokenUse:
    """Say in a word what became of the access token."""
    if request.token_ignored:
        return "ignored"
    if not request.token:
        return "none"
    return "used" if fhir_requests else "unused"


def asked(request: HookRequest, client: str, secret: bytes) -> dict[str, str]:
    """Return what a call of one client brings: its token, and keyed digests (64 bits) of who asks and about whom.

    With the secret it can be asked whether an event is about a given patient. Without a secret there are no digests.
    """

    def digest(kind: str, name: str) -> str:
        return hmac.new(secret, f"{kind}\0{client}\0{name}".encode(), hashlib.sha256).hexdigest()[:16]

    token: dict[str, str] = {"token": token_use(request, fhir_requests=0)}
    if not secret:
        return token
    return token | {
        "requester": digest("requester", request.user_id),
        "patient": digest("patient", request.patient_id),
    }


def audited(gathering: Gathering, assessment: Assessment, settings: CardSettings = _USUAL) -> dict[str, Any]:
    """Return the fields of `Event.HOOK_CALL` that the assessment fills; there is no card until `shown` says so."""
    findings, advice = assessment.findings, assessment.advice
    sources = gathering.gathered.sources
    return {
        "outcome": assessment.outcome_name,
        "eligibility": findings.eligibility.state,
        "band": (advice and advice.band) or "none",
        "reason": why(assessment, settings),
        "cards": 0,
        "resources": sum(len(source.entries) for source in sources.values()),
        "refused": Counter(refused.reason for refused in findings.refused),
        "failed": {key: source.detail for key, source in sources.items() if source.state == "failed"},
        "not_offered": {
            key: source.detail for key, source in sources.items() if source.state == "not-offered"
        },
        "fhir_requests": gathering.fhir_requests,
        "fhir_bytes": gathering.fhir_bytes,
        "fhir_warnings": gathering.warnings,
    }


def acceptance(client: Client, *, is_shown: bool) -> dict[str, str]:
    """Return the fields that say whether somebody at the client accepted the model, and when; never who.

    In a pilot also whether its cards are shown to this user.
    """
    pilot = {"shown": "yes" if is_shown else "no"} if client.mode == "pilot" else {}
    if client.accepted_on is None:
        return pilot | {"accepted": "no"}
    return pilot | {"accepted": "yes", "accepted_on": client.accepted_on.isoformat()}


def shown(cards: Sequence[Card]) -> dict[str, Any]:
    """Return the fields that the cards fill; the identity of the card links later feedback to this event."""
    return {"cards": len(cards)} | ({"card": cards[0]["uuid"]} if cards else {})


def crash(error: Exception) -> dict[str, str]:
    """Say which kind of error was raised, and in which file and line; its message may hold data of the record."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):  # several tasks at once: the first one that failed
        cause = cause.exceptions[0]
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    return {"error": type(cause).__name__, "place": f"{Path(frame.filename).name}:{frame.lineno}"}
