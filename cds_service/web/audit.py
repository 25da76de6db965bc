"""What the audit event of a hook call says about the assessment: counts and words of ours, never the record itself."""

import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cds_service.cards.assessment import Assessment, EligibilityUnknown
from cds_service.cards.render import Card, CardSettings
from cds_service.fhir.gather import Gathering
from fhir_mapping.evidence import Eligibility
from models.risk import Abstained

_NOTHING = "nothing to say"
_USUAL = CardSettings()
_ABSTAINED = {"too-few-predictors": "too little known", "record-incomplete": "record incomplete"}
_LOW_BAND = {"overdue": "follow-up missing", "never": "follow-up missing", "warn": "statin"}  # first match


def audited(gathering: Gathering, assessment: Assessment, settings: CardSettings = _USUAL) -> dict[str, Any]:
    """Return the fields of `Event.HOOK_CALL` that the assessment fills; there is no card until `shown` says so."""
    findings, advice = assessment.findings, assessment.advice
    sources = gathering.gathered.sources
    return {
        "outcome": assessment.outcome_name,
        "eligibility": findings.eligibility.state,
        "band": (advice and advice.band) or "none",
        "reason": reason(assessment, settings),
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


def shown(cards: Sequence[Card]) -> dict[str, Any]:
    """Return the fields that the cards fill; the identity of the card links later feedback to this event."""
    return {"cards": len(cards)} | ({"card": cards[0]["uuid"]} if cards else {})


def reason(assessment: Assessment, settings: CardSettings = _USUAL) -> str:
    """Say in a few words why there is a card for this patient: the most pressing thing alone.

    It is "nothing to say" exactly where `render` gives no card.
    """
    findings, advice, outcome = assessment.findings, assessment.advice, assessment.outcome
    if isinstance(outcome, EligibilityUnknown):
        return "eligibility unknown"
    if advice is None:
        return _not_scored(findings.eligibility, settings)
    if findings.activity and findings.activity.possible_relapse:
        return "possible relapse"
    if isinstance(outcome, Abstained):
        return _ABSTAINED[outcome.code]
    if advice.band != "low":
        return f"{advice.band} band"
    states = {item.state for item in advice.follow_up}
    if why := next((why for state, why in _LOW_BAND.items() if state in states), ""):
        return why
    if findings.failed:
        return "record incomplete"
    return _NOTHING if advice.silent and settings.quiet_low else "low band"


def _not_scored(eligibility: Eligibility, settings: CardSettings) -> str:
    if eligibility.state == "possible" and settings.show_possible:
        return "IMNM not confirmed"
    if eligibility.state == "excluded" and eligibility.reason != "deceased":
        return "not for this patient"
    return _NOTHING


def crash(error: Exception) -> dict[str, str]:
    """Say which kind of error was raised, and in which file and line; its message may hold data of the record."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):  # several tasks at once: the first one that failed
        cause = cause.exceptions[0]
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    return {"error": type(cause).__name__, "place": f"{Path(frame.filename).name}:{frame.lineno}"}
